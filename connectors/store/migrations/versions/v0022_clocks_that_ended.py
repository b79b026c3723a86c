"""What is late and has no end is read from the ledger once more, by the next watch.

Some of it has ended: a write that a person did not want, or that a later one took the place of, and what
no destination was meant by, were counted as owed for ever.
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0022"
down_revision: str | None = "0021"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.execute("UPDATE clocks SET wake_at = due_at WHERE state = 'breached' AND ended_at IS NULL")


def downgrade() -> None:
    """Nothing: what is read once more is read no worse."""
