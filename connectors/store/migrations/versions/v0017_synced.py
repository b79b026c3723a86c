"""How long records that are kept in step are out of step, and a clock for each time that they are."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0017"
down_revision: str | None = "0016"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

TIMES = ("due_at", "ended_at", "settled_at", "warned_at", "breached_at", "wake_at")


def upgrade() -> None:
    op.add_column("records", sa.Column("told_at", sa.DateTime(timezone=True), nullable=True))
    for name in ("news_at", "out_since"):
        op.add_column("entities", sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    op.add_column("entities", sa.Column("spells", sa.Integer(), nullable=False, server_default="0"))
    _clocks(sa.Column("spell", sa.Integer(), nullable=False, server_default="0"))


def downgrade() -> None:
    op.execute(sa.text("DELETE FROM clocks WHERE spell > 0"))
    _clocks()
    for name in ("spells", "out_since", "news_at"):
        op.drop_column("entities", name)
    op.drop_column("records", "told_at")


def _clocks(*further: sa.Column[int]) -> None:
    """Make the table anew with another key: SQLite cannot change one."""
    op.create_table(
        "clocks_anew",
        sa.Column("item_id", sa.String(), nullable=False),
        sa.Column("clock", sa.String(), nullable=False),
        *further,
        sa.Column("policy", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        *(sa.Column(name, sa.DateTime(timezone=True), nullable=True) for name in TIMES),
        sa.PrimaryKeyConstraint("item_id", "clock", *(column.name for column in further)),
    )
    kept = ", ".join(("item_id", "clock", "policy", "state", *TIMES))
    op.execute(sa.text(f"INSERT INTO clocks_anew ({kept}) SELECT {kept} FROM clocks"))  # noqa: S608  our own names
    op.drop_index("clocks_wake", table_name="clocks")
    op.drop_table("clocks")
    op.rename_table("clocks_anew", "clocks")
    op.create_index("clocks_wake", "clocks", ["policy", "wake_at"], unique=False)
