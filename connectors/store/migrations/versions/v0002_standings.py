"""What reviews were about and how they were answered, standings, windows of drift."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "drift_windows",
        sa.Column("policy", sa.String(), nullable=False),
        sa.Column("classifier", sa.String(), nullable=False),
        sa.Column("windows", sa.Integer(), nullable=False),
        sa.Column("tested_to", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("policy", "classifier"),
    )
    op.create_table(
        "standings",
        sa.Column("policy", sa.String(), nullable=False),
        sa.Column("cap", sa.String(), nullable=True),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("why", sa.String(), nullable=False),
        sa.Column("classifier", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("policy"),
    )
    for name in ("why", "proposed", "classifier", "answer", "reviewer"):
        op.add_column("reviews", sa.Column(name, sa.String(), nullable=True))


def downgrade() -> None:
    for name in ("reviewer", "answer", "classifier", "proposed", "why"):
        op.drop_column("reviews", name)
    op.drop_table("standings")
    op.drop_table("drift_windows")
