"""Has this content come before: by an index of the hash alone, which a planner without statistics uses rightly."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0012"
down_revision: str | None = "0011"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

ORIGINAL = sa.text("duplicate_of IS NULL")


def upgrade() -> None:
    op.drop_index("ix_inbox_duplicate_of", table_name="inbox")
    op.drop_index("inbox_content", table_name="inbox")
    op.create_index("inbox_content", "inbox", ["content_hash"], sqlite_where=ORIGINAL, postgresql_where=ORIGINAL)


def downgrade() -> None:
    op.drop_index("inbox_content", table_name="inbox")
    op.create_index("inbox_content", "inbox", ["policy", "content_hash", "received_at"])
    op.create_index("ix_inbox_duplicate_of", "inbox", ["duplicate_of"])
