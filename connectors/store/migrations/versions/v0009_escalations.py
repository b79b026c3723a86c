"""Escalations with their notices, and to whom reviews are assigned."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0009"
down_revision: str | None = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "escalations",
        sa.Column("escalation_id", sa.String(), nullable=False),
        sa.Column("policy", sa.String(), nullable=False),
        sa.Column("cause", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("item_id", sa.String(), nullable=True),
        sa.Column("message", sa.String(), nullable=False),
        sa.Column("facts", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("occurrences", sa.Integer(), nullable=False),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("acknowledged_by", sa.String(), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("escalation_id"),
    )
    op.create_index("escalations_open", "escalations", ["policy", "closed_at"], unique=False)
    op.create_index("escalations_subject", "escalations", ["cause", "subject", "closed_at"], unique=False)
    op.create_table(
        "escalation_notices",
        sa.Column("notice_id", sa.Integer(), nullable=False),
        sa.Column("escalation_id", sa.String(), nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("to", sa.String(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("operation_id", sa.String(), nullable=True),
        sa.Column("failed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("notice_id"),
    )
    op.create_index(op.f("ix_escalation_notices_escalation_id"), "escalation_notices", ["escalation_id"], unique=False)
    op.create_index(op.f("ix_escalation_notices_operation_id"), "escalation_notices", ["operation_id"], unique=False)
    op.add_column("reviews", sa.Column("assignee", sa.String(), nullable=True))
    op.add_column("reviews", sa.Column("assigned_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("reviews", sa.Column("passed", sa.JSON(none_as_null=True), nullable=True))


def downgrade() -> None:
    for name in ("passed", "assigned_at", "assignee"):
        op.drop_column("reviews", name)
    op.drop_table("escalation_notices")
    op.drop_table("escalations")
