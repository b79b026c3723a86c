"""Finds what the store keeps of a person, or what is old enough to go, with all that hangs together with it."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import not_, or_
from sqlmodel import Session, SQLModel, col, select

from connectors.store.accounts import DISPOSITION
from connectors.store.crosswalk_tables import EntityRow, RecordRow
from connectors.store.parts import in_parts
from connectors.store.states import State
from connectors.store.tables import CaseRow, EntryRow, ItemRow, OperationRow
from connectors.store.watch_tables import EscalationRow, NoticeRow
from domain.account import Disposition
from domain.erasure import Person, Subjects
from domain.ledger import GONE, Event

PAGE = 500
"""Rows, or ids, at a time."""

REMARKS = {"systems": "system", "sources": "source", "standings": "policy"}
"""Tables of whose rows `why` alone can be of a person: it is blanked by itself. With the column that names a row."""

_STANDS = {
    Disposition.WAITING.value: "waits for a run, a person or a system",
    Disposition.ESCALATED.value: "waits for a person, and is late",
    Disposition.DEAD_LETTERED.value: "has a write that was given up; 'interlock outbox retry' tells what can be done",
    "": "stands nowhere: the books do not balance",
}
_ENDED = (EscalationRow.acknowledged_at, EscalationRow.closed_at)


class ErasureSearch:
    """Finds subjects; changes nothing."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def of(self, person: Person) -> Subjects:
        """All that names a person, in whatever table, and what belongs to it; reads every row once."""
        found: defaultdict[str, set[Any]] = defaultdict(set)
        for table, row, _ in self._mentions(person):
            for kind, key in self._subject(table, row):
                found[kind].add(key)
        return self._whole(Subjects(**found))

    def left(self, person: Person) -> list[str]:
        """Where a person is named all the same, as `table.column`."""
        return sorted({f"{table}.{column}" for table, _, columns in self._mentions(person) for column in columns})

    def item(self, item_id: str) -> Subjects:
        """One item, with its case if it has moved one."""
        return self._whole(Subjects(items={item_id}))

    def aged(self, policy: str, before: datetime, count: int) -> Subjects:
        """Up to `count` of a policy's things of each kind that came in, or ended, before a time and have ended."""
        items: set[str] = set()
        for item_id in self._done(policy, before):
            with_case = self._whole(Subjects(items={item_id}))
            if item_id not in items and not self.hindrances(with_case) and not self._young(with_case, before):
                items |= with_case.items
            if len(items) >= count:
                break
        found = self._whole(Subjects(items=items, entities=self._gone(policy, before, count)))
        old = found.model_copy(update=self._told(policy, before, count))
        return old.model_copy(update={"escalations": found.escalations | old.escalations})

    def hindrances(self, subjects: Subjects) -> list[str]:
        """Why these may not be erased yet, in words; empty when they may."""
        due = select(CaseRow).where(col(CaseRow.due_at).is_not(None))
        cases = [
            row
            for policy, keys in _by_policy(subjects.cases).items()
            for row in self._rows(due.where(CaseRow.policy == policy), CaseRow.key, keys)
        ]
        there = select(RecordRow).where(col(RecordRow.external_id).is_not(None), not_(col(RecordRow.gone)))
        records = [
            *self._rows(there, RecordRow.entity_id, subjects.entities),
            *self._rows(there, RecordRow.seq, subjects.records),
        ]
        under_way = select(OperationRow).where(col(OperationRow.state) != State.DONE)
        writes = [
            *self._rows(under_way, OperationRow.operation_id, subjects.operations),
            *self._rows(under_way, OperationRow.item_id, subjects.entities),
        ]
        standing = select(EscalationRow).where(*(col(at).is_(None) for at in _ENDED))
        escalations = self._rows(standing, EscalationRow.escalation_id, subjects.escalations)
        return [
            *(f"item {one} is not done: it {_STANDS[stands]}" for one, stands in self._undone(subjects.items)),
            *(f"case {row.key} of {row.policy} is {row.state}: something is due by {row.due_at:%F}" for row in cases),
            *(f"{row.system} has record {row.external_id}: delete it there, or it comes back" for row in records),
            *(f"the write {row.operation_id} to {row.system} has not ended" for row in writes),
            *(f"escalation {row.escalation_id} is not acknowledged: somebody must act" for row in escalations),
        ]

    def _mentions(self, person: Person) -> Iterator[tuple[str, Any, list[str]]]:
        """Each row that names a person: its table, the row, and which of its columns do."""
        for table in SQLModel.metadata.sorted_tables:
            rows = self._session.execute(table.select(), execution_options={"yield_per": PAGE}).mappings()
            for row in rows:
                if columns := [name for name, value in row.items() if person.mentioned_in(value)]:
                    yield table.name, row, columns

    def _subject(self, table: str, row: Any) -> Iterator[tuple[str, Any]]:
        """What a row is about, by the kinds of `Subjects`."""
        match table:
            case "inbox":
                yield "items", row["duplicate_of"] or row["item_id"]
            case "extractions" | "reviews":
                yield "items", row["item_id"]
            case "outbox" if self._session.get(ItemRow, row["item_id"]):
                yield "items", row["item_id"]
            case "outbox" if self._session.get(EntityRow, row["item_id"]):
                yield "entities", row["item_id"]
            case "outbox":
                yield "operations", row["operation_id"]
            case "ledger" if row["item_id"] and self._session.get(ItemRow, row["item_id"]):
                yield "items", row["item_id"]
            case "ledger":
                yield "entries", row["seq"]
            case "cases":
                yield "cases", (row["policy"], row["key"])
            case "entities" | "moves":
                yield "entities", row["entity_id"]
            case "records" | "record_keys":
                record = self._session.get_one(RecordRow, row["seq"] if table == "records" else row["record"])
                yield ("entities", record.entity_id) if record.entity_id else ("records", record.seq)
            case "escalations":
                yield "escalations", row["escalation_id"]
            case "proposals":
                yield "proposals", row["key"]
            case _ if table in REMARKS:
                yield "remarks", (table, row[REMARKS[table]])

    def _whole(self, subjects: Subjects) -> Subjects:
        """With the cases of the items, the items of the cases, what was told of them, and what entities were merged."""
        cases = subjects.cases | set(self._cases_of(subjects.items))
        items = subjects.items | set(self._items_of(cases))
        about = self._rows(select(EscalationRow), EscalationRow.item_id, items)
        escalations = subjects.escalations | {row.escalation_id for row in about}
        told = self._rows(select(NoticeRow), NoticeRow.escalation_id, escalations)
        entities = set(subjects.entities)
        while (
            more := {row.entity_id for row in self._rows(select(EntityRow), EntityRow.merged_into, entities)} - entities
        ):
            entities |= more
        return subjects.model_copy(
            update={
                "items": frozenset(items),
                "cases": frozenset(cases),
                "entities": frozenset(entities),
                "escalations": frozenset(escalations),
                "operations": subjects.operations | {row.operation_id for row in told if row.operation_id},
            }
        )

    def _cases_of(self, items: Collection[str]) -> Iterator[tuple[str, str]]:
        moved = select(EntryRow).where(EntryRow.event == Event.CASE_MOVED)
        for row in self._rows(moved, EntryRow.item_id, items):
            if self._session.get(CaseRow, (row.facts["policy"], row.facts["case"])):
                yield row.facts["policy"], row.facts["case"]

    def _items_of(self, cases: Iterable[tuple[str, str]]) -> Iterator[str]:
        moved = select(EntryRow).where(EntryRow.event == Event.CASE_MOVED)
        for policy, keys in _by_policy(cases).items():
            of = moved.where(EntryRow.facts["policy"].as_string() == policy)
            yield from (row.item_id for row in self._rows(of, EntryRow.facts["case"].as_string(), keys) if row.item_id)

    def _undone(self, items: Collection[str]) -> Iterator[tuple[str, str]]:
        query = select(ItemRow.item_id, DISPOSITION).where(Disposition.DONE.value != DISPOSITION)
        yield from self._rows(query.where(col(ItemRow.duplicate_of).is_(None)), ItemRow.item_id, items)

    def _done(self, policy: str, before: datetime) -> list[str]:
        query = select(ItemRow.item_id).where(ItemRow.policy == policy, ItemRow.accepted_at < before)
        query = query.where(col(ItemRow.erased_at).is_(None), col(ItemRow.duplicate_of).is_(None))
        done = query.where(Disposition.DONE.value == DISPOSITION)
        return list(self._session.exec(done.order_by(col(ItemRow.accepted_at))))

    def _young(self, subjects: Subjects, before: datetime) -> bool:
        """Whether a case of these has moved since."""
        young = select(CaseRow).where(CaseRow.moved_at >= before)
        return any(
            True
            for policy, keys in _by_policy(subjects.cases).items()
            for _ in self._rows(young.where(CaseRow.policy == policy), CaseRow.key, keys)
        )

    def _gone(self, policy: str, before: datetime, count: int) -> set[str]:
        """Entities all of whose records are gone since before a time."""
        there = or_(
            not_(col(RecordRow.gone)), col(RecordRow.changed_at) >= before, col(RecordRow.external_id).is_(None)
        )
        lives = select(RecordRow.seq).where(RecordRow.entity_id == EntityRow.entity_id, there)
        old = select(EntityRow.entity_id).where(EntityRow.policy == policy, EntityRow.made_at < before)
        alone = old.where(not_(col(EntityRow.due)), ~lives.exists())
        found = self._session.exec(alone.order_by(EntityRow.entity_id).limit(count))
        return {one for one in found if not self.hindrances(Subjects(entities={one}))}

    def _told(self, policy: str, before: datetime, count: int) -> dict[str, Any]:
        """What people were told of a policy, and what was refused under it, before a time."""
        ended = or_(*(col(at) < before for at in _ENDED))
        escalations = select(EscalationRow.escalation_id).where(
            EscalationRow.policy == policy, EscalationRow.last_at < before, ended, EscalationRow.message != GONE
        )
        ours = or_(
            select(ItemRow.item_id).where(ItemRow.item_id == OperationRow.item_id).exists(),
            select(EntityRow.entity_id).where(EntityRow.entity_id == OperationRow.item_id).exists(),
        )
        notices = select(OperationRow.operation_id).where(
            OperationRow.policy == policy,
            OperationRow.state == State.DONE,
            OperationRow.due_at < before,
            ~ours,
            OperationRow.record_key != OperationRow.operation_id,
        )
        refused = select(EntryRow.seq).where(
            EntryRow.event == Event.REFUSED,
            EntryRow.at < before,
            EntryRow.facts["policy"].as_string() == policy,
            EntryRow.facts["raw"].as_string() != GONE,
        )
        return {
            "escalations": frozenset(self._session.exec(escalations.limit(count))),
            "operations": frozenset(self._session.exec(notices.limit(count))),
            "entries": frozenset(self._session.exec(refused.limit(count))),
        }

    def _rows(self, query: Any, column: Any, keys: Collection[Any]) -> Iterator[Any]:
        """A query's rows for so many keys that they would not fit one statement."""
        for some in in_parts(sorted(keys), PAGE):
            yield from self._session.exec(query.where(column.in_(some))).all()


def _by_policy(cases: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    keys: defaultdict[str, set[str]] = defaultdict(set)
    for policy, key in cases:
        keys[policy].add(key)
    return keys
