"""Cases: where each stands. How it came there is in the ledger."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, or_, select

from connectors.store.ledger import Ledger
from connectors.store.parts import in_parts
from connectors.store.tables import CaseRow, EntryRow, ItemRow, ReviewRow
from domain.case import Case, Plan
from domain.item import InboundItem
from domain.ledger import Entry, Event

AT_ONCE = 1_000
"""Cases that one query asks for; databases take only so many values."""


@dataclass(frozen=True)
class Said:
    """What an event of a case said."""

    received_at: datetime
    text: str


class Cases:
    """The cases of all policies."""

    def __init__(self, session: Session, ledger: Ledger) -> None:
        self._session = session
        self._ledger = ledger

    def get(self, policy: str, key: str) -> Case | None:
        """A case; None while nothing was settled of it."""
        row = self._session.get(CaseRow, (policy, key))
        return _case(row) if row else None

    def of(self, policy: str, keys: Iterable[str]) -> dict[str, Case]:
        """Those of these cases of which something was settled, by key."""
        wanted, found = list(set(keys)), dict[str, Case]()
        for some in in_parts(wanted, AT_ONCE):
            rows = self._session.exec(select(CaseRow).where(CaseRow.policy == policy, col(CaseRow.key).in_(some)))
            found |= {row.key: _case(row) for row in rows}
        return found

    def move(
        self, item_id: str, before: Case, after: Case, event: str, plan: Plan | None, by: str, at: datetime
    ) -> bool:
        """Put `after` in place of `before`, and tell the ledger; nothing, and False, if it is not `before` any more."""
        row = self._session.get(CaseRow, (before.policy, before.key))
        if (row.version if row else 0) != before.version:
            return False
        if row is None:
            row = CaseRow(policy=before.policy, key=before.key, state="", version=0, case={}, moved_at=at)
        row.state, row.version, row.due_at, row.moved_at = after.state, after.version, after.due_at, at
        row.case = after.model_dump(mode="json")
        self._session.add(row)
        facts = {
            "policy": before.policy,
            "case": before.key,
            "version": after.version,
            "after": event,
            "from": before.state,
            "to": after.state,
            "action": plan.action if plan else None,
            "parameters": {name: one.model_dump() for name, one in plan.parameters.items()} if plan else {},
            "due_at": after.due_at.isoformat(timespec="minutes") if after.due_at else None,
            "by": by,
        }
        self._ledger.append(item_id, Event.CASE_MOVED, at, **facts)
        return True

    def overdue(self, policy: str, now: datetime) -> list[Case]:
        """The cases whose deadline has passed, the longest overdue first."""
        query = select(CaseRow).where(CaseRow.policy == policy, col(CaseRow.due_at) <= now)
        return [_case(row) for row in self._session.exec(query.order_by(col(CaseRow.due_at)))]

    def all(self, policy: str | None = None, state: str | None = None) -> list[Case]:
        """Cases, those with the next deadline first."""
        query = select(CaseRow).order_by(col(CaseRow.due_at).is_(None), col(CaseRow.due_at), col(CaseRow.key))
        query = query.where(CaseRow.policy == policy) if policy else query
        return [_case(row) for row in self._session.exec(query.where(CaseRow.state == state) if state else query)]

    def history(self, policy: str, key: str, count: int = 100) -> list[Entry]:
        """How a case came to stand where it does: its last `count` moves, the oldest first."""
        query = select(EntryRow).where(
            EntryRow.event == Event.CASE_MOVED,
            EntryRow.facts["case"].as_string() == key,
            EntryRow.facts["policy"].as_string() == policy,
        )
        rows = self._session.exec(query.order_by(col(EntryRow.seq).desc()).limit(count))
        return [Entry(**row.model_dump()) for row in rows][::-1]

    def said(self, policy: str, key: str, other_than: str, count: int) -> list[Said]:
        """What the last `count` events of a case said, the oldest first, those that wait for a person among them.

        Args:
            other_than: the item of an event that is left out.
        """
        settled = select(EntryRow.item_id).where(
            EntryRow.event == Event.CASE_MOVED,
            EntryRow.facts["case"].as_string() == key,
            EntryRow.facts["policy"].as_string() == policy,
        )
        waiting = select(ReviewRow.item_id).where(
            ReviewRow.policy == policy,
            col(ReviewRow.answered_at).is_(None),
            ReviewRow.question["case"].as_string() == key,
        )
        wanted = or_(col(ItemRow.item_id).in_(settled), col(ItemRow.item_id).in_(waiting))
        query = select(ItemRow.item).where(wanted, ItemRow.item_id != other_than, col(ItemRow.erased_at).is_(None))
        rows = self._session.exec(query.order_by(col(ItemRow.accepted_at).desc(), col(ItemRow.item_id)).limit(count))
        items = [InboundItem.model_validate(item) for item in rows]
        return [Said(item.received_at, item.text) for item in items][::-1]

    def until(self, item_id: str) -> list[tuple[Entry, InboundItem]]:
        """The moves of the case that an item's event moved, to that one, each with its event, the oldest first.

        None where it moved no case.
        """
        moved = EntryRow.event == Event.CASE_MOVED
        last = self._session.exec(select(EntryRow).where(moved, EntryRow.item_id == item_id)).first()
        if last is None:
            return []
        query = (
            select(EntryRow, ItemRow.item)
            .join(ItemRow, col(ItemRow.item_id) == EntryRow.item_id)
            .where(
                moved,
                EntryRow.facts["case"].as_string() == last.facts["case"],
                EntryRow.facts["policy"].as_string() == last.facts["policy"],
                EntryRow.seq <= last.seq,
            )
            .order_by(col(EntryRow.seq))
        )
        return [
            (Entry(**row.model_dump()), InboundItem.model_validate(item)) for row, item in self._session.exec(query)
        ]


def _case(row: CaseRow) -> Case:
    return Case.model_validate(row.case)
