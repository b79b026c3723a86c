"""What customers were asked for, and whether they have answered: told by the ledger alone."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import aliased
from sqlmodel import Session, col, exists, select

from connectors.store.ledger import Ledger
from connectors.store.tables import EntryRow, ItemRow
from domain.customer import Answered
from domain.item import InboundItem
from domain.ledger import Event

RUN_ON = (Event.CUSTOMER_ANSWERED, Event.CUSTOMER_SILENT)
"""What ends a pause."""


@dataclass(frozen=True)
class Question:
    """A question to a customer that nothing has ended: the item that it is about, and when it was asked."""

    item_id: str
    item: InboundItem
    asked_at: datetime


class Customers:
    """The answers that customers owe."""

    def __init__(self, session: Session, ledger: Ledger) -> None:
        self._session = session
        self._ledger = ledger

    def asked(self, item_id: str, what: str, by: str, now: datetime) -> bool:
        """From now on the customer owes an answer; False if that is so already."""
        if self.owed(item_id) is not None:
            return False
        self._ledger.append(item_id, Event.CUSTOMER_ASKED, now, what=what, by=by)
        return True

    def answered(self, item_id: str, by: str, now: datetime) -> bool:
        """The customer owes nothing any more, as somebody says; False if that was so already."""
        if self.owed(item_id) is None:
            return False
        self._ledger.append(item_id, Event.CUSTOMER_ANSWERED, now, by=by)
        return True

    def answered_by_item(self, answered: Answered, now: datetime) -> bool:
        """The same, because another item came in."""
        if self.owed(answered.item_id) is None:
            return False
        facts = {"by": "", "through": answered.through, "since": answered.since.isoformat()}
        self._ledger.append(answered.item_id, Event.CUSTOMER_ANSWERED, now, **facts)
        return True

    def silent(self, item_id: str, over_at: datetime, now: datetime) -> bool:
        """Clocks wait no longer, as of `over_at`; False if no answer is owed."""
        if self.owed(item_id) is None:
            return False
        facts = {"until": over_at.isoformat(timespec="minutes"), "since": over_at.isoformat()}
        self._ledger.append(item_id, Event.CUSTOMER_SILENT, now, **facts)
        return True

    def owing(self, policy: str) -> list[Question]:
        """The questions about a policy's items that nothing has ended, the oldest first."""
        end = aliased(EntryRow)
        same = (col(end.item_id) == col(EntryRow.item_id), col(end.seq) > col(EntryRow.seq))
        ended = exists().where(*same, col(end.event).in_(RUN_ON))
        query = (
            select(ItemRow.item_id, ItemRow.item, EntryRow.at)
            .join(EntryRow, col(ItemRow.item_id) == EntryRow.item_id)
            .where(EntryRow.event == Event.CUSTOMER_ASKED, ItemRow.policy == policy, ~ended)
            .order_by(col(EntryRow.seq))
        )
        rows = self._session.exec(query)
        return [Question(item_id, InboundItem.model_validate(item), at) for item_id, item, at in rows]

    def accepted_at(self, items: Collection[str]) -> dict[str, datetime]:
        """When each of these items was accepted."""
        query = select(ItemRow.item_id, ItemRow.accepted_at).where(col(ItemRow.item_id).in_(items))
        return dict(self._session.exec(query).all())

    def owed(self, item_id: str) -> str | None:
        """What the customer was asked for and still owes; None if nothing."""
        told = col(EntryRow.event).in_((Event.CUSTOMER_ASKED, *RUN_ON))
        last = select(EntryRow).where(EntryRow.item_id == item_id, told).order_by(col(EntryRow.seq).desc())
        entry = self._session.exec(last.limit(1)).first()
        return str(entry.facts["what"]) if entry and entry.event == Event.CUSTOMER_ASKED else None
