"""The conservation check: where every accepted item stands, counted from the tables."""

from sqlalchemy import Exists, case, exists, func, text
from sqlalchemy.orm import Mapped
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

_written_of = select(OperationRow.item_id, func.count().label("written")).where(OperationRow.state == State.DONE)
_writes = _written_of.group_by(col(OperationRow.item_id)).subquery()
FINISHED = (
    select(ItemRow.item_id)
    .join(_writes, _writes.c.item_id == ItemRow.item_id, isouter=True)
    .where(col(ItemRow.duplicate_of).is_(None), col(ItemRow.decided), ~col(ItemRow.waits))
    .where(func.coalesce(_writes.c.written, 0) == ItemRow.writes_due)
    .where(col(ItemRow.item_id).not_in(select(OperationRow.item_id).where(text("outbox.state <> 'done'"))))
    .where(col(ItemRow.item_id).not_in(select(ReviewRow.item_id).where(col(ReviewRow.answered_at).is_(None))))
)
"""The items that are done, nearly all of them: found at once, so that only the others need be looked at one by one."""


def stands(item_id: Mapped[str]) -> Exists:
    """Whether an item stands somewhere; one that was accepted and does not is unaccounted."""
    return exists().where(col(ItemRow.item_id) == item_id, col(ItemRow.duplicate_of).is_(None), DISPOSITION != "")
