"""Alembic's entry: migrates the connection that `connectors.store.engine` hands over."""

from typing import Any, Literal

from alembic import context
from sqlmodel import SQLModel, sql

from connectors.store import (  # noqa: F401  all tables are known once these are read
    crosswalk_tables,
    drift_tables,
    tables,
    watch_tables,
)


def _plain_types(kind: str, item: Any, _context: object) -> str | Literal[False]:
    """Migrations stand alone: they name SQLAlchemy's types, not ours."""
    if kind == "type" and isinstance(item, tables.UtcDateTime):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and isinstance(item, sql.sqltypes.AutoString):
        return "sa.String()"
    return False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=SQLModel.metadata,
    render_item=_plain_types,
    transactional_ddl=False,  # the caller's transaction holds the migration
)
context.run_migrations()
