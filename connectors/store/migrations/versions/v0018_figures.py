"""What figures are made of: a narrow row an item, kept with the ledger, and the books as they were balanced last.

What the ledger has of items so far is told again, in its order.
"""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from alembic import op

revision: str = "0018"
down_revision: str | None = "0017"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

TOLD = ("accepted", "extracted", "ask_failed", "proposed", "decided", "attempted")
PAGE = 5_000


def upgrade() -> None:
    op.create_table(
        "books",
        sa.Column("policy", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in ("accepted", "done", "waiting", "escalated")),
        sa.Column("dead_lettered", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("policy"),
    )
    journeys = op.create_table(
        "journeys",
        sa.Column("item_id", sa.String(), nullable=False),
        sa.Column("policy", sa.String(), nullable=False),
        sa.Column("accepted_ms", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.String(), nullable=True) for name in ("kind", "reason", "route")),
        sa.Column("took_ms", sa.BigInteger(), nullable=True),
        sa.Column("verdict", sa.String(), nullable=True),
        sa.Column("as_proposed", sa.Boolean(), nullable=True),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in ("retries", "given_up", "prompt_tokens")),
        sa.Column("completion_tokens", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("item_id"),
    )
    told = list(_told().values())
    for start in range(0, len(told), PAGE):
        op.bulk_insert(journeys, told[start : start + PAGE])
    op.create_index("journeys_of_all", "journeys", ["accepted_ms", "item_id"], unique=False)
    op.create_index("journeys_of_policy", "journeys", ["policy", "accepted_ms", "item_id"], unique=False)
    op.create_index("clocks_kept", "clocks", ["state", "policy", "settled_at"], unique=False)
    unwritten = sa.text("state <> 'done'")
    where = {"sqlite_where": unwritten, "postgresql_where": unwritten}
    op.create_index("outbox_unwritten", "outbox", ["state", "system", "item_id"], unique=False, **where)


def downgrade() -> None:
    op.drop_index("outbox_unwritten", table_name="outbox")
    op.drop_index("clocks_kept", table_name="clocks")
    op.drop_table("journeys")
    op.drop_table("books")


def _told() -> dict[str, dict[str, Any]]:
    """What the ledger tells of each item."""
    found: dict[str, dict[str, Any]] = {}
    for item_id, at, event, facts in _entries():
        if event == "accepted":
            found[item_id] = _begun(item_id, at, facts["policy"])
        elif item_id in found:
            _went_on(found[item_id], at, event, facts)
    return found


def _begun(item_id: str, at: datetime, policy: str) -> dict[str, Any]:
    nothing = dict.fromkeys(("kind", "reason", "route", "took_ms", "verdict", "as_proposed"))
    counts = dict.fromkeys(("retries", "given_up", "prompt_tokens", "completion_tokens"), 0)
    return {"item_id": item_id, "policy": policy, "accepted_ms": _ms(at), **nothing, **counts}


def _went_on(row: dict[str, Any], at: datetime, event: str, facts: dict[str, Any]) -> None:
    if event in ("proposed", "extracted") and facts["calls"]:
        row["prompt_tokens"] += facts["tokens"]["prompt"]
        row["completion_tokens"] += facts["tokens"]["completion"]
    elif event == "ask_failed" or (event == "attempted" and facts["next"] not in ("done", "dead_letter")):
        row["retries"] += 1
    elif event == "attempted":
        row["given_up"] += facts["next"] == "dead_letter"
    elif event == "decided":
        if row["kind"] is None:
            row |= {"kind": facts["kind"], "reason": facts["reason"]}
        row["route"] = facts["route"] or (facts["proposed"] if facts["waits"] and facts["reason"] != "audit" else None)
        settled = not facts["waits"]
        as_found = {"completed": not facts.get("filled"), "left_out": False}.get(facts["reason"])
        same = facts["route"] == facts["proposed"] if facts["proposed"] else as_found
        row["took_ms"] = _ms(at) - row["accepted_ms"] if settled else None
        row["verdict"] = facts["reason"] if settled else None
        row["as_proposed"] = same if settled else None


def _ms(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def _entries() -> Iterator[tuple[str, datetime, str, dict[str, Any]]]:
    ledger = sa.table("ledger", *(sa.column(name) for name in ("seq", "item_id", "at", "event", "facts")))
    query = sa.select(ledger.c.item_id, ledger.c.at, ledger.c.event, ledger.c.facts)
    query = query.where(ledger.c.event.in_(TOLD), ledger.c.item_id.is_not(None)).order_by(ledger.c.seq)
    for item_id, at, event, facts in op.get_bind().execute(query.execution_options(yield_per=PAGE)):
        moment = datetime.fromisoformat(at) if isinstance(at, str) else at
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        yield item_id, aware.astimezone(UTC), event, json.loads(facts) if isinstance(facts, str) else facts
