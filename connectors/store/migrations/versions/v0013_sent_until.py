"""What a look-up misses is believed some time after its send has ended, not after it was begun."""

from collections.abc import Sequence

from alembic import op

revision: str = "0013"
down_revision: str | None = "0012"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.execute("ALTER TABLE outbox RENAME COLUMN sent_at TO sent_until")


def downgrade() -> None:
    op.execute("ALTER TABLE outbox RENAME COLUMN sent_until TO sent_at")
