"""The web application, on every database that is there."""

from databases import database_url, postgres_url, raw, store
from sites import serving, site

__all__ = ["database_url", "postgres_url", "raw", "serving", "site", "store"]
