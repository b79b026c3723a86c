"""An item's writes are found by its id and their state: by the state alone, the books took minutes for 5,000 items."""

from collections.abc import Sequence

from alembic import op

revision: str = "0016"
down_revision: str | None = "0015"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_index("outbox_item", "outbox", ["item_id", "state"], unique=False)
    op.drop_index("ix_outbox_item_id", table_name="outbox")


def downgrade() -> None:
    op.create_index("ix_outbox_item_id", "outbox", ["item_id"], unique=False)
    op.drop_index("outbox_item", table_name="outbox")
