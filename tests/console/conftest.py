"""The web application, on every database that is there."""

from databases import database_url, postgres_url, raw, store
from reviewing import desk
from sites import migrated, serving, site

__all__ = ["database_url", "desk", "migrated", "postgres_url", "raw", "serving", "site", "store"]
