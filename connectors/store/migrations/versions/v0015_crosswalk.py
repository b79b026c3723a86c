"""What several systems keep of the same things."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0015"
down_revision: str | None = "0014"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

JSON = sa.JSON(none_as_null=True)
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "entities",
        sa.Column("entity_id", sa.String(), nullable=False),
        sa.Column("policy", sa.String(), nullable=False),
        sa.Column("object", sa.String(), nullable=False),
        sa.Column("fields", JSON, nullable=False),
        sa.Column("due", sa.Boolean(), nullable=False),
        sa.Column("writes", sa.Integer(), nullable=False),
        sa.Column("merged_into", sa.String(), nullable=True),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("entity_id"),
    )
    _partial("entities_due", "entities", ["policy", "object", "entity_id"], "due")
    op.create_table(
        "records",
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("policy", sa.String(), nullable=False),
        sa.Column("object", sa.String(), nullable=False),
        sa.Column("system", sa.String(), nullable=False),
        sa.Column("external_id", sa.String(), nullable=True),
        sa.Column("entity_id", sa.String(), nullable=True),
        sa.Column("now", JSON, nullable=False),
        sa.Column("base", JSON, nullable=False),
        sa.Column("raw", JSON, nullable=False),
        sa.Column("unread", sa.Boolean(), nullable=False),
        sa.Column("told", sa.Integer(), nullable=False),
        sa.Column("gone", sa.Boolean(), nullable=False),
        sa.Column("apart", sa.String(), nullable=False),
        sa.Column("operation_id", sa.String(), nullable=True),
        sa.Column("sent", JSON, nullable=True),
        sa.Column("refused", JSON, nullable=True),
        sa.Column("took", JSON, nullable=True),
        sa.Column("singly", sa.Boolean(), nullable=False),
        sa.Column("changed_at", MOMENT, nullable=True),
        sa.Column("changed_by", sa.String(), nullable=False),
        sa.Column("seen", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
    )
    op.create_index("records_named", "records", ["policy", "object", "system", "external_id"], unique=True)
    _partial("records_unread", "records", ["policy", "object", "system"], "unread")
    op.create_index("ix_records_entity_id", "records", ["entity_id"], unique=False)
    op.create_index("ix_records_operation_id", "records", ["operation_id"], unique=False)
    op.create_table(
        "record_keys",
        sa.Column("record", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("policy", sa.String(), nullable=False),
        sa.Column("object", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("record", "key"),
    )
    op.create_index("record_keys_found", "record_keys", ["policy", "object", "key"], unique=False)
    op.create_table(
        "moves",
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("entity_id", sa.String(), nullable=False),
        sa.Column("field", sa.String(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("before", sa.String(), nullable=False),
        sa.Column("after", sa.String(), nullable=False),
        sa.Column("why", sa.String(), nullable=False),
        sa.Column("edited", JSON, nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
    )
    op.create_index("moves_of", "moves", ["entity_id", "field"], unique=False)
    op.create_table(
        "passes",
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("run", sa.String(), nullable=False),
        sa.Column("policy", sa.String(), nullable=False),
        sa.Column("object", sa.String(), nullable=False),
        sa.Column("system", sa.String(), nullable=False),
        sa.Column("began_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.Column("after", sa.String(), nullable=False),
        sa.Column("pages", sa.Integer(), nullable=False),
        sa.Column("paged", sa.Boolean(), nullable=False),
        sa.Column("records", sa.Integer(), nullable=False),
        sa.Column("new", sa.Integer(), nullable=False),
        sa.Column("gone", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
    )
    op.create_index("passes_once", "passes", ["run", "object", "system"], unique=True)
    op.create_index("passes_of", "passes", ["policy", "object", "system", "began_at"], unique=False)
    op.create_table(
        "drift",
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("run", sa.String(), nullable=False),
        sa.Column("policy", sa.String(), nullable=False),
        sa.Column("object", sa.String(), nullable=False),
        sa.Column("system", sa.String(), nullable=False),
        sa.Column("field", sa.String(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("compared", sa.Integer(), nullable=False),
        sa.Column("equal", sa.Integer(), nullable=False),
        sa.Column("missed", sa.Integer(), nullable=False),
        sa.Column("contested", sa.Integer(), nullable=False),
        sa.Column("malformed", sa.Integer(), nullable=False),
        sa.Column("under_way", sa.Integer(), nullable=False),
        sa.Column("examples", JSON, nullable=False),
        sa.PrimaryKeyConstraint("seq"),
    )
    op.create_index("drift_once", "drift", ["run", "object", "system", "field"], unique=True)
    op.create_index("drift_of", "drift", ["policy", "object", "at"], unique=False)


def downgrade() -> None:
    for table in ("drift", "passes", "moves", "record_keys", "records", "entities"):
        op.drop_table(table)


def _partial(name: str, table: str, columns: Sequence[str], where: str) -> None:
    # SQLite takes a partial index only where the query spells its condition so, and it is asked for `= 1`.
    sqlite = sa.text(f"{where} = 1")
    op.create_index(name, table, columns, unique=False, sqlite_where=sqlite, postgresql_where=sa.text(where))
