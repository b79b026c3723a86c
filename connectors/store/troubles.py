"""Whether what was escalated about items still goes on, looked up for all that stands at once."""

from collections.abc import Collection

from sqlalchemy import ColumnElement
from sqlmodel import Session, col, select

from connectors.store.states import State as Sending
from connectors.store.tables import OperationRow, ReviewRow
from connectors.store.watch_tables import ClockRow, EscalationRow
from domain.escalation import Cause
from domain.sla import ClockName, State


class Troubles:
    """What keeps a policy's escalations about items going."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def late(self, policy: str, clocks: Collection[ClockName]) -> set[str]:
        """Of the items that are escalated as late, those of which one of these clocks was late and has not ended."""
        query = (
            select(ClockRow.item_id)
            .join(EscalationRow, col(EscalationRow.subject) == ClockRow.item_id)
            .where(*_stands(policy, Cause.SLA_BREACHED))
            .where(ClockRow.state == State.BREACHED, col(ClockRow.ended_at).is_(None), col(ClockRow.clock).in_(clocks))
        )
        return set(self._session.exec(query))

    def answered(self, policy: str) -> set[str]:
        """Of the reviews that are escalated as late, those that wait for nobody any more."""
        query = select(ReviewRow.review_id).join(EscalationRow, col(EscalationRow.subject) == ReviewRow.review_id)
        over = col(ReviewRow.answered_at).is_not(None)
        return set(self._session.exec(query.where(*_stands(policy, Cause.REVIEW_LATE), over)))

    def given_up(self, policy: str) -> dict[str, bool]:
        """Of what is escalated as given up, that which still is; False where it is messages to people alone."""
        query = (
            select(OperationRow.item_id, OperationRow.operation)
            .join(EscalationRow, col(EscalationRow.subject) == OperationRow.item_id)
            .where(*_stands(policy, Cause.WRITE_DEAD_LETTERED), OperationRow.state == Sending.DEAD)
        )
        found: dict[str, bool] = {}
        for item_id, operation in self._session.exec(query):
            found[item_id] = found.get(item_id, False) or operation.get("invites") is None
        return found


def _stands(policy: str, cause: Cause) -> tuple[ColumnElement[bool], ...]:
    return (
        col(EscalationRow.policy) == policy,
        col(EscalationRow.cause) == cause.value,
        col(EscalationRow.closed_at).is_(None),
    )
