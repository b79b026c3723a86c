"""Reviews of more than one kind: with ids of their own, several an item."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

KEPT = "item_id, policy, workflow, opened_at, due_at, escalated_at, answered_at, flow_run, why, proposed, classifier, answer, reviewer"


def columns(*own: sa.Column) -> list[sa.Column]:
    return [
        *own,
        sa.Column("policy", sa.String(), nullable=False),
        sa.Column("workflow", sa.String(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("escalated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        *[
            sa.Column(name, sa.String(), nullable=True)
            for name in ("flow_run", "why", "proposed", "classifier", "answer", "reviewer")
        ],
    ]


def replace_reviews(table: str) -> None:
    """Put `table`, filled already, in the place of the old one."""
    op.drop_index(op.f("ix_reviews_policy"), table_name="reviews")
    op.drop_table("reviews")
    op.rename_table(table, "reviews")
    op.create_index(op.f("ix_reviews_policy"), "reviews", ["policy"], unique=False)


def upgrade() -> None:
    op.create_table(
        "reviews_of_kinds",
        *columns(
            sa.Column("review_id", sa.String(), nullable=False),
            sa.Column("item_id", sa.String(), nullable=False),
            sa.Column("kind", sa.String(), nullable=False),
            sa.Column("about", sa.String(), nullable=False),
            sa.Column("question", sa.JSON(none_as_null=True), nullable=False),
            sa.Column("binding", sa.String(), nullable=False),
        ),
        sa.PrimaryKeyConstraint("review_id"),
    )
    op.execute(
        f"INSERT INTO reviews_of_kinds (review_id, kind, about, question, binding, {KEPT}) "
        f"SELECT item_id, 'route', '', '{{}}', proposal_hash, {KEPT} FROM reviews"
    )
    replace_reviews("reviews_of_kinds")
    op.create_index(op.f("ix_reviews_item_id"), "reviews", ["item_id"], unique=False)


def downgrade() -> None:
    op.create_table(
        "reviews_of_routes",
        *columns(
            sa.Column("item_id", sa.String(), nullable=False),
            sa.Column("proposal_hash", sa.String(), nullable=False),
        ),
        sa.PrimaryKeyConstraint("item_id"),
    )
    op.execute(
        f"INSERT INTO reviews_of_routes (proposal_hash, {KEPT}) "
        f"SELECT binding, {KEPT} FROM reviews WHERE kind = 'route'"
    )
    op.drop_index(op.f("ix_reviews_item_id"), table_name="reviews")
    replace_reviews("reviews_of_routes")
