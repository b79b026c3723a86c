"""What was promised on time, and when what must run ran."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0008"
down_revision: str | None = "0006"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

TIMES = ("due_at", "ended_at", "settled_at", "warned_at", "breached_at", "wake_at")


def upgrade() -> None:
    op.create_table(
        "clocks",
        sa.Column("item_id", sa.String(), nullable=False),
        sa.Column("clock", sa.String(), nullable=False),
        sa.Column("policy", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        *(sa.Column(name, sa.DateTime(timezone=True), nullable=True) for name in TIMES),
        sa.PrimaryKeyConstraint("item_id", "clock"),
    )
    op.create_index("clocks_wake", "clocks", ["policy", "wake_at"], unique=False)
    op.create_table(
        "heartbeats",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )


def downgrade() -> None:
    op.drop_table("heartbeats")
    op.drop_index("clocks_wake", table_name="clocks")
    op.drop_table("clocks")
