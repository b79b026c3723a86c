"""Breakers and limiters by the place that a write goes to, and turns that all senders share."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0014"
down_revision: str | None = "0013"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

PLACES = {"described": "api", "slack": "channel", "object_store": "folder"}
"""The option that names a write's place, by its system, as of this version."""

OUTBOX = sa.table(
    "outbox",
    sa.column("seq", sa.Integer()),
    sa.column("system", sa.String()),
    sa.column("scope", sa.String()),
    sa.column("operation", sa.JSON()),
)
SYSTEMS = sa.table("systems", sa.column("system", sa.String()))


def upgrade() -> None:
    op.add_column("outbox", sa.Column("scope", sa.String(), nullable=False, server_default=sa.text("''")))
    _fill()
    op.drop_index("outbox_record", table_name="outbox")
    op.create_index("outbox_record", "outbox", ["scope", "record_key", "seq"])
    op.create_table(
        "turns",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )


def downgrade() -> None:
    op.drop_table("turns")
    op.drop_index("outbox_record", table_name="outbox")
    op.create_index("outbox_record", "outbox", ["system", "record_key", "seq"])
    op.drop_column("outbox", "scope")


def _fill() -> None:
    connection = op.get_bind()
    connection.execute(sa.update(OUTBOX).values(scope=OUTBOX.c.system))
    placed = sa.select(OUTBOX.c.seq, OUTBOX.c.system, OUTBOX.c.operation).where(OUTBOX.c.system.in_(PLACES))
    for seq, system, operation in connection.execute(placed).all():
        if place := operation.get("options", {}).get(PLACES[system]):
            scope = f"{system}/{place}"
            connection.execute(sa.update(OUTBOX).where(OUTBOX.c.seq == seq).values(scope=scope))
    connection.execute(sa.delete(SYSTEMS).where(SYSTEMS.c.system.in_(PLACES)))
