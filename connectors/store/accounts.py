"""The conservation check: where every accepted item stands, counted from the tables."""

from sqlalchemy import Exists, case, exists, func
from sqlmodel import Session, col, select

from connectors.store.states import DUE, HELD, State
from connectors.store.tables import EntryRow, ItemRow, OperationRow, ReviewRow
from domain.account import Account, Disposition
from domain.ledger import Event


class Accounts:
    """Balances the books."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def balance(self, policy: str | None = None) -> Account:
        """All items, or one policy's. `accepted` counts the ledger, the rest the tables."""
        stands = select(DISPOSITION, func.count()).where(col(ItemRow.duplicate_of).is_(None))
        accepted = select(func.count()).select_from(EntryRow).where(EntryRow.event == Event.ACCEPTED)
        if policy:
            stands = stands.where(ItemRow.policy == policy)
            accepted = accepted.where(EntryRow.facts["policy"].as_string() == policy)
        counts = {stand: count for stand, count in self._session.exec(stands.group_by(DISPOSITION)) if stand}
        return Account(
            accepted=self._session.exec(accepted).one(),
            **{stand.value: counts.get(stand.value, 0) for stand in Disposition},
        )


def _operations(*states: State) -> Exists:
    return exists().where(col(OperationRow.item_id) == ItemRow.item_id, col(OperationRow.state).in_(states))


_review_open = exists().where(col(ReviewRow.item_id) == ItemRow.item_id, col(ReviewRow.answered_at).is_(None))
_review_escalated = exists().where(
    col(ReviewRow.item_id) == ItemRow.item_id,
    col(ReviewRow.answered_at).is_(None),
    col(ReviewRow.escalated_at).is_not(None),
)
_written = (
    select(func.count())
    .select_from(OperationRow)
    .where(OperationRow.item_id == ItemRow.item_id, OperationRow.state == State.DONE)
    .correlate(ItemRow)
    .scalar_subquery()
)
DISPOSITION = case(
    (~col(ItemRow.decided), Disposition.WAITING.value),
    (_review_escalated, Disposition.ESCALATED.value),
    (_review_open, Disposition.WAITING.value),
    (col(ItemRow.waits), ""),
    (_operations(State.DEAD), Disposition.DEAD_LETTERED.value),
    (_operations(*DUE, *HELD), Disposition.WAITING.value),
    (_written == col(ItemRow.writes_due), Disposition.DONE.value),
    else_="",
)
"""Where an item stands. A decided item that neither waits, nor has all the writes that its
decision asked for, stands nowhere: it is unaccounted. So does one with a write that waits for
an answer for which nobody is asked."""


STANDING = select(ItemRow.item_id).where(col(ItemRow.duplicate_of).is_(None), DISPOSITION != "")
"""The items that stand somewhere; what was accepted and is none of these is unaccounted."""
