"""When an operation of the outbox can be sent: its time, its place among others of its record, its limits."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import ColumnElement, and_, exists, or_
from sqlalchemy.orm import aliased
from sqlmodel import col

from connectors.store.states import DUE, FINAL, HELD, SEARCHED
from connectors.store.tables import OperationRow
from connectors.store.turns import searches


def limits(row: OperationRow, rates: Mapping[str, float]) -> dict[str, float]:
    """The limits that a request about an operation comes under: that of its scope, else of its system."""
    kinds = (str, searches) if row.state in SEARCHED else (str,)
    found = {kind(row.scope): rates.get(kind(row.scope), rates.get(kind(row.system))) for kind in kinds}
    return {name: rate for name, rate in found.items() if rate is not None}


def is_due(now: datetime) -> ColumnElement[bool]:
    """Whether an operation waits for its time, which has come, or its sender is taken for dead."""
    waiting = and_(col(OperationRow.state).in_(DUE), col(OperationRow.due_at) <= now)
    return or_(waiting, and_(col(OperationRow.state).in_(HELD), col(OperationRow.lease_until) <= now))


_EARLIER = aliased(OperationRow)
BLOCKED = exists().where(
    col(_EARLIER.scope) == OperationRow.scope,
    col(_EARLIER.record_key) == OperationRow.record_key,
    col(_EARLIER.seq) < col(OperationRow.seq),
    col(_EARLIER.state).not_in(FINAL),
)
"""Whether an earlier operation on the same record is still without its outcome."""
