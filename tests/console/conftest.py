"""The web application, on every database that is there."""

from databases import database_url, postgres_url, raw, store
from reviewing import desk
from sites import serving, site

__all__ = ["database_url", "desk", "postgres_url", "raw", "serving", "site", "store"]
