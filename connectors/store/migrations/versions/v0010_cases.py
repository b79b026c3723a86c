"""Cases and where they stand."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0010"
down_revision: str | None = "0009"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "cases",
        sa.Column("policy", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("moved_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("case", sa.JSON(none_as_null=True), nullable=False),
        sa.PrimaryKeyConstraint("policy", "key"),
    )
    op.create_index("cases_due", "cases", ["policy", "due_at"], unique=False)


def downgrade() -> None:
    op.drop_index("cases_due", table_name="cases")
    op.drop_table("cases")
