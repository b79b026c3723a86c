"""Whose a source is and what people call it, so that its trouble can be shown; and the ledger by time."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0025"
down_revision: str | None = "0024"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    for name in ("policy", "shown"):
        op.add_column("sources", sa.Column(name, sa.String(), nullable=False, server_default=sa.text("''")))
    sources = sa.table("sources", *(sa.column(name) for name in ("source", "policy", "shown")))
    for source in list(op.get_bind().execute(sa.select(sources.c.source)).scalars()):
        policy, _, rest = source.partition("/")
        op.execute(sources.update().where(sources.c.source == source).values(policy=policy, shown=rest))
    op.create_index("ix_ledger_at", "ledger", ["at"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_ledger_at", table_name="ledger")
    for name in ("shown", "policy"):
        op.drop_column("sources", name)
