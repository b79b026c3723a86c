"""Erases what the store keeps of a person, or of what is over, and leaves the books and the ledger's chain whole."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, update
from sqlmodel import Session, SQLModel, col, func, or_, select

from connectors.store.crosswalk_tables import EntityRow, KeyRow, MoveRow, RecordRow
from connectors.store.erasure_search import PAGE, REMARKS, ErasureSearch
from connectors.store.ledger import Ledger
from connectors.store.parts import in_parts
from connectors.store.tables import (
    CaseRow,
    EntryRow,
    ExtractionRow,
    ItemRow,
    OperationRow,
    ProposalRow,
    ReviewRow,
)
from connectors.store.watch_tables import EscalationRow
from domain.decision import Decision
from domain.delivery import Operation
from domain.erasure import Erasure, Subjects
from domain.errors import NotEndedError
from domain.item import InboundItem
from domain.ledger import GONE, Entry, Event, blank, erased
from domain.proposal import Proposal


class Erasing:
    """Takes away what may tell of a person."""

    def __init__(self, session: Session, ledger: Ledger) -> None:
        self._session = session
        self._ledger = ledger
        self.search = ErasureSearch(session)

    def erase(self, subjects: Subjects, by: str, why: str, now: datetime) -> Erasure:
        """Erase all of it, and tell the ledger who did, why, and how much; of whom is not told.

        What stays: that an item came, when, and the digests by which it is known if it comes again; what kind of
        decision was made; that writes were made, where to; who of ours answered. An item that was erased before
        is not counted again.

        Raises:
            NotEndedError: something of it is not done; nothing was erased.
        """
        if hindrances := self.search.hindrances(subjects):
            raise NotEndedError("; ".join(hindrances))
        items = self._items(subjects.items, now)
        stories = [*subjects.items, *subjects.entities, *subjects.escalations, *self._operations(subjects)]
        self._reviews(subjects.items)
        counts = Erasure(
            items=items,
            cases=sum(self._delete(CaseRow, CaseRow.policy == of, CaseRow.key == key) for of, key in subjects.cases),
            records=self._records(subjects),
            escalations=self._escalations(subjects.escalations),
            entries=self._entries(stories, subjects.entries),
        )
        for key in subjects.proposals:
            self._delete(ProposalRow, ProposalRow.key == key)
        for table, key in subjects.remarks:
            of = SQLModel.metadata.tables[table]
            self._session.execute(update(of).where(of.c[REMARKS[table]] == key, of.c.why != "").values(why=GONE))
        if counts != Erasure():
            self._ledger.append(None, Event.ERASED, now, by=by, why=why, **counts.model_dump())
        self._session.flush()
        return counts

    def erased_entries(self) -> tuple[int, int]:
        """How many of the ledger's entries have lost facts by erasing, as its own entries tell; and how many items."""
        told = [row.facts for row in self._session.exec(select(EntryRow).where(EntryRow.event == Event.ERASED))]
        return sum(one["entries"] for one in told), sum(one["items"] for one in told)

    def forms(self, subjects: Subjects) -> list[str]:
        """The Prefect flow runs that have shown reviews of these items."""
        shown = [
            row.facts["flow_run"]
            for keys in _pages(subjects.items)
            for row in self._session.exec(
                select(EntryRow).where(col(EntryRow.item_id).in_(keys), EntryRow.event == Event.REVIEW_SHOWN)
            )
        ]
        return sorted(set(shown))

    def _items(self, items: Collection[str], now: datetime) -> int:
        count = 0
        for keys in _pages(items):
            self._session.execute(delete(ExtractionRow).where(col(ExtractionRow.item_id).in_(keys)))
            theirs = or_(col(ItemRow.item_id).in_(keys), col(ItemRow.duplicate_of).in_(keys))
            for row in self._session.exec(select(ItemRow).where(theirs)).all():
                count += row.duplicate_of is None and row.erased_at is None
                self._item(row, row.erased_at or now)
        return count

    def _item(self, row: ItemRow, now: datetime) -> None:
        if row.proposal is not None:
            proposal = Proposal.model_validate(row.proposal)
            self._session.execute(delete(ProposalRow).where(col(ProposalRow.key) == proposal.key))
            row.proposal = proposal.model_copy(update={"detail": "", "tampering": ()}).model_dump(mode="json")
        if row.decision is not None:
            kept = Decision.model_validate(row.decision).model_copy(update={"filled": {}, "note": "", "plan": None})
            row.decision = kept.model_dump(mode="json")
        bare = InboundItem(source=row.source, external_id=row.item_id, received_at=row.received_at, text="", fields={})
        row.external_id, row.item, row.erased_at = row.item_id, bare.model_dump(mode="json"), now

    def _operations(self, subjects: Subjects) -> list[str]:
        """Empty the writes of items and entities, and the messages; returns the ids that messages were told under."""
        told = []
        for column, keys in (
            (OperationRow.item_id, [*subjects.items, *subjects.entities]),
            (OperationRow.operation_id, list(subjects.operations)),
        ):
            for page in _pages(keys):
                for row in self._session.exec(select(OperationRow).where(col(column).in_(page))).all():
                    told += [row.item_id] if row.operation_id in subjects.operations else []
                    _empty(row)
        return told

    def _reviews(self, items: Collection[str]) -> None:
        for keys in _pages(items):
            for row in self._session.exec(select(ReviewRow).where(col(ReviewRow.item_id).in_(keys))).all():
                row.question, row.alike = blank(row.question), None

    def _records(self, subjects: Subjects) -> int:
        records = [
            row.seq
            for column, every in ((RecordRow.entity_id, subjects.entities), (RecordRow.seq, subjects.records))
            for keys in _pages(every)
            for row in self._session.exec(select(RecordRow).where(col(column).in_(keys)))
        ]
        for keys in _pages(records):
            self._delete(KeyRow, col(KeyRow.record).in_(keys))
            self._delete(RecordRow, col(RecordRow.seq).in_(keys))
        for keys in _pages(subjects.entities):
            self._delete(MoveRow, col(MoveRow.entity_id).in_(keys))
            self._delete(EntityRow, col(EntityRow.entity_id).in_(keys))
        return len(records)

    def _escalations(self, escalations: Collection[str]) -> int:
        for keys in _pages(escalations):
            for row in self._session.exec(
                select(EscalationRow).where(col(EscalationRow.escalation_id).in_(keys))
            ).all():
                row.message, row.facts = GONE, blank(row.facts)
        return len(escalations)

    def _entries(self, stories: Collection[str], entries: Collection[int]) -> int:
        count = 0
        for column, every in ((EntryRow.item_id, stories), (EntryRow.seq, entries)):
            for keys in _pages(every):
                for row in self._session.exec(select(EntryRow).where(col(column).in_(keys))).all():
                    entry = Entry(**row.model_dump())
                    if entry.is_personal:
                        after = erased(entry)
                        row.facts = after.facts
                        row.sealed = after.sealed.model_dump(mode="json") if after.sealed else None
                        count += 1
                self._session.flush()
        return count

    def _delete(self, table: type[SQLModel], *which: Any) -> int:
        count = self._session.exec(select(func.count()).select_from(table).where(*which)).one()
        self._session.execute(delete(table).where(*which))
        return count


def _empty(row: OperationRow) -> None:
    """Leave of a write that it was made, by whom and where to."""
    said = Operation.model_validate(row.operation)
    bare = Operation(
        operation_id=said.operation_id,
        item_id=said.item_id,
        policy=said.policy,
        destination=said.destination,
        system=said.system,
        record_key=said.operation_id,
        values={},
    )
    row.record_key, row.operation = said.operation_id, bare.model_dump(mode="json")
    if row.outcome is not None:
        row.outcome = blank(row.outcome) | {"kind": row.outcome["kind"]}


def _pages(keys: Collection[Any]) -> Iterator[Sequence[Any]]:
    return in_parts(sorted(set(keys)), PAGE)
