"""The review page: who answered is proven or claimed, several may have to, links decide once, the queue is paged."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0011"
down_revision: str | None = "0010"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

WAITS = sa.text("answered_at IS NULL")
NEW = ("proven", "agreed", "alike", "forms", "cancelled")


def upgrade() -> None:
    for column in (
        sa.Column("proven", sa.String(), nullable=True),
        sa.Column("agreed", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("alike", sa.String(), nullable=True),
        sa.Column("forms", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("cancelled", sa.Integer(), nullable=False, server_default="0"),
    ):
        op.add_column("reviews", column)
    op.execute("UPDATE reviews SET forms = 1 WHERE flow_run IS NOT NULL")
    op.execute("UPDATE reviews SET proven = 'claimed' WHERE answered_at IS NOT NULL")
    op.create_index(
        "reviews_waiting", "reviews", ["due_at", "review_id"], sqlite_where=WAITS, postgresql_where=WAITS
    )
    op.create_index("reviews_alike", "reviews", ["alike"], sqlite_where=WAITS, postgresql_where=WAITS)
    op.create_table(
        "used_keys",
        sa.Column("nonce", sa.String(), nullable=False),
        sa.Column("reviewer", sa.String(), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("nonce"),
    )


def downgrade() -> None:
    op.drop_table("used_keys")
    op.drop_index("reviews_alike", table_name="reviews")
    op.drop_index("reviews_waiting", table_name="reviews")
    for name in NEW:
        op.drop_column("reviews", name)
