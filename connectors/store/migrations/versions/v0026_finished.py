"""What is finished, by the writes that it asked for: so that what stands nowhere is found without reading every item."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0026"
down_revision: str | None = "0025"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_index(
        "inbox_finished",
        "inbox",
        ["item_id", "writes_due"],
        sqlite_where=sa.text("duplicate_of IS NULL AND decided = 1 AND waits = 0"),
        postgresql_where=sa.text("duplicate_of IS NULL AND decided AND NOT waits"),
    )


def downgrade() -> None:
    op.drop_index("inbox_finished", table_name="inbox")
