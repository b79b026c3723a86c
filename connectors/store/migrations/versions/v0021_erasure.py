"""Personal facts of the ledger are sealed, and can go; an item knows that it was erased.

What the ledger holds stays as it is, and its chain too: an entry without a seal is hashed as before.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0021"
down_revision: str | None = "0018"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("ledger", sa.Column("sealed", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("inbox", sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("inbox", "erased_at")
    op.drop_column("ledger", "sealed")
