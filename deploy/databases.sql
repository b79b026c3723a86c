-- PostgreSQL's image runs this when its volume is empty; it has made the database `prefect` already.
CREATE DATABASE interlock;
