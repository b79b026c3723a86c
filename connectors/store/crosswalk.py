"""Which records of which systems are of the same thing, what they showed last, and what is agreed on."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import case, delete, func, insert, or_, update
from sqlmodel import Session, col, select

from connectors.store.crosswalk_rows import FIELDS, Due, Of, Shown, blank, holds, named_so, of_side, sharing, told_of
from connectors.store.crosswalk_tables import EntityRow, KeyRow, MoveRow, RecordRow
from connectors.store.ledger import Ledger
from connectors.store.parts import in_parts
from domain.entity import Entity, Move
from domain.ledger import Event
from domain.linking import Apart
from domain.values import digest

UNKNOWN = {"": ""}
"""In the spellings of a record that is to be read again: whatever it shows then is news, for a write waits for it."""
IN_ONE_QUERY = 5_000
"""Ids that one query names: PostgreSQL's protocol takes 65,535 parameters at most."""


class Crosswalk:
    """The entities and records of all policies."""

    def __init__(self, session: Session, ledger: Ledger) -> None:
        self._session = session
        self._ledger = ledger

    def note(self, of: Of, system: str, external_ids: Collection[str], at: datetime | None = None) -> None:
        """Take down that these records changed, or are there; each is read again.

        Args:
            at: when that was observed, where somebody is promised to see it elsewhere in time.
        """
        here = (*of_side(of, system), named_so(external_ids))
        known = set(self._session.exec(select(RecordRow.external_id).where(*here)))
        told: dict[str, Any] = {"unread": True, "told": RecordRow.told + 1}
        if at:
            waits = or_(col(RecordRow.unread), col(RecordRow.apart) == "")
            told["told_at"] = case((waits, func.coalesce(RecordRow.told_at, at)), else_=at)
        self._session.execute(update(RecordRow).where(*here).values(told))
        blanks = blank(of, system) | {"told_at": at}
        if new := [blanks | {"external_id": name} for name in dict.fromkeys(external_ids) if name not in known]:
            self._session.execute(insert(RecordRow), new)

    def unread(self, of: Of, system: str, count: int, after: int = 0) -> list[RecordRow]:
        """Up to `count` records, from number `after` on, that changed since they were read and no write is on to."""
        query = select(RecordRow).where(
            *of_side(of, system),
            col(RecordRow.seq) > after,
            col(RecordRow.unread),
            col(RecordRow.operation_id).is_(None),
            col(RecordRow.external_id).is_not(None),
        )
        return list(self._session.exec(query.order_by(col(RecordRow.seq)).limit(count)))

    def shown(self, row: RecordRow, told: int, shown: Shown | None, at: datetime | None = None) -> bool:
        """Keep what a system showed of a record, None for one that is gone; whether that is anything new.

        What was read while a write was begun may show that or not, and is thrown away. So is what was read while
        another reader kept something: which of them saw the later state nobody knows, so that it is read again.

        Args:
            row: as this transaction has it.
            told: its own, as it was before it was read.
            at: when it was read, as of `note`; what was told before that counts from then.
        """
        if row.operation_id is not None:
            return False
        if row.told != told:
            row.unread = True
            return False
        row.unread, row.told = False, told + 1
        if shown is None:
            changed, row.gone = not row.gone, True
            self._make_room(row, at)
        else:
            changed = row.gone or (row.now, row.raw) != (shown.now, shown.raw)
            row.apart = "" if row.gone and row.apart != Apart.ASKED else row.apart
            row.now, row.raw, row.gone = shown.now, shown.raw, False
            row.changed_at, row.changed_by = shown.changed_at, shown.changed_by
        if changed and shown is not None:
            self.find_by(row, shown.keys)
            row.apart = "" if row.apart == Apart.OUTSIDE else row.apart
        if changed and row.entity_id is not None:
            self.look_again(row.entity_id, at and (row.told_at or at))
        row.told_at = row.told_at if row.entity_id is None else None
        return changed

    def renamed(self, row: RecordRow, external_id: str, now: datetime) -> list[RecordRow] | None:
        """Follow a record that its system has merged into another one, the survivor.

        What both were records of is one thing. Where that leaves a system with two records of it, the
        second is kept apart, for a person to look at; these are returned. While a write to a record of either
        is under way, nothing happens, the record stays to be read, and it is None.
        """
        survivor = self._named(row, external_id)
        if survivor is None:
            row.external_id = external_id
            return []
        into, gone = survivor.entity_id, row.entity_id
        if gone and into and gone != into and self.busy(gone, into):
            return None
        row.entity_id, row.gone, row.unread, row.apart = None, True, False, Apart.MERGED
        survivor.unread, survivor.told = True, survivor.told + 1
        if gone and into and gone != into:
            return self.merge(gone, into, now)
        if gone and not into:
            self.link(survivor, gone, now)
        return []

    def busy(self, *entity_ids: str) -> bool:
        """Whether a write to a record of one of these is under way."""
        return any(record.operation_id is not None for record in self._records_of(entity_ids))

    def still(self, entity_id: str) -> str:
        """The entity that this one is now: it may have turned out to be another one."""
        into = self._session.get_one(EntityRow, entity_id).merged_into
        return entity_id if into is None else self.still(into)

    def merge(self, gone: str, into: str, now: datetime) -> list[RecordRow]:
        """Make two entities one: what the first had records of is what the second is. Returns those that stay apart.

        No write to a record of either may be under way, or what it brings about is taken for what both agreed on.
        """
        for refused in [row for row in self._records_of([gone, into]) if row.external_id is None]:
            self._session.delete(refused)
        self._session.flush()
        second, has = list[RecordRow](), {row.system: row.gone for row in self._records_of([into])}
        for record in self._records_of([gone]):
            if record.system in has and (record.gone or not has[record.system]):
                record.entity_id, record.apart = None, Apart.GONE if record.gone else Apart.SECOND
                second += [] if record.gone else [record]
            else:
                self.link(record, into, now)
        entity = self._session.get_one(EntityRow, gone)
        entity.merged_into = into
        self.look_again(into, entity.out_since or entity.news_at)
        self.look_again(gone)  # what was asked about it is not asked any more
        self._ledger.append(gone, Event.LINKED, now, merged_into=into)
        return second

    def begin(self, of: Of, record: RecordRow, now: datetime) -> str:
        """A new entity, of which this is the first record; returns its id."""
        entity_id = "en-" + digest(*of, record.system, record.external_id)[:16]
        self._session.add(EntityRow(entity_id=entity_id, policy=of.policy, object=of.object, fields={}, made_at=now))
        self._session.flush()
        self.link(record, entity_id, now)
        return entity_id

    def link(self, record: RecordRow, entity_id: str, now: datetime, by: str = "") -> None:
        """Take a record for one of an entity; whatever it holds is news to that, since it is known what it is of."""
        self.look_again(entity_id, now if record.told_at and record.apart else record.told_at)
        record.entity_id, record.base, record.apart, record.told_at = entity_id, {}, "", None
        facts = {"system": record.system, "record": record.external_id, "by": by}
        self._ledger.append(entity_id, Event.LINKED, now, **facts)

    def due(self, of: Of, count: int, after: str = "") -> list[Due]:
        """Up to `count` entities, from the one of id `after` on, that something has changed of."""
        query = select(EntityRow).where(EntityRow.policy == of.policy, EntityRow.object == of.object)
        query = query.where(col(EntityRow.due), col(EntityRow.entity_id) > after).order_by(EntityRow.entity_id)
        return self._with_records(list(self._session.exec(query.limit(count))))

    def get(self, entity_id: str) -> Due:
        """An entity.

        Raises:
            LookupError: there is none of that id.
        """
        if (row := self._session.get(EntityRow, entity_id)) is None:
            raise LookupError(f"no entity {entity_id}")
        return self._with_records([row])[0]

    def keep(self, due: Due, after: Entity, moves: Sequence[Move], now: datetime, by: str = "") -> None:
        """Keep what became of an entity, and what was made of the edits, `by` a person where one decided."""
        row, before = due.row, due.entity
        row.due = False
        if after.fields != before.fields:
            row.fields = FIELDS.dump_python(after.fields, mode="json", exclude_defaults=True)
        for system, held in after.records.items():
            record = due.records[system]
            if held.base != record.base:
                record.base = held.base
            record.refused, record.singly = held.refused or None, held.singly
        if not moves:
            return
        told = [told_of(due, move, now, by) for move in moves]
        self._session.execute(insert(MoveRow), told)
        whys = {move.field: move.why.value for move in moves}
        self._ledger.append(row.entity_id, Event.MERGED, now, object=row.object, fields=whys, by=by)

    def unlink(self, due: Due, system: str, now: datetime) -> None:
        """Let go of a record that was deleted in its system: another one is made in its place."""
        record = due.records.pop(system)
        record.entity_id, record.apart = None, Apart.GONE
        self._ledger.append(due.row.entity_id, Event.LINKED, now, system=system, record=record.external_id, gone=True)

    def sending(self, due: Due, system: str, operation_id: str, values: Mapping[str, str]) -> None:
        """Note that a write is under way by which a system is to hold these values, in a new record if it has none."""
        record = due.records.get(system)
        if record is None:
            of = Of(due.row.policy, due.row.object)
            record = RecordRow(**blank(of, system) | {"unread": False, "entity_id": due.row.entity_id})
            self._session.add(record)
        record.operation_id, record.sent = operation_id, dict(values)
        due.row.writes += 1

    def written(
        self, record: RecordRow, external_id: str, held: Mapping[str, str], raw: Mapping[str, str], now: datetime
    ) -> None:
        """A write to a record went out: it holds these values now, and they are no edit of its system's.

        A record that is known by that id takes the place of the one to be made; of another entity, the two are one.
        """
        if record.external_id is None and (there := self._named(record, external_id)) is not None:
            entity_id = record.entity_id or ""
            self._session.delete(record)
            self._session.flush()
            there.gone, there.unread, there.told = False, True, there.told + 1
            if there.entity_id not in (None, entity_id):
                self.look_again(entity_id)  # it has no record there now: if the two cannot be one yet, it asks again
                if not self.busy(entity_id, there.entity_id or ""):
                    self.merge(entity_id, there.entity_id or "", now)
                return
            there.entity_id, there.apart, record = entity_id, "", there
        record.external_id = external_id
        sent = record.sent or {}
        other = {name: [sent[name], shows] for name, shows in held.items() if name in sent and shows != sent[name]}
        kept = {name: pair for name, pair in (record.took or {}).items() if name not in held}
        record.took = kept | other or None
        holds(record, held, raw)
        self._idle(record)

    def not_written(
        self, record: RecordRow, held: Mapping[str, str], raw: Mapping[str, str], *, refused: bool = False
    ) -> None:
        """A write was not made, or not as a whole: the record has changed, or it was given up.

        What was refused at once is tried field by field. What has changed is written to once it was read; what it
        `held` of the write all the same, `raw` as of `holds`, somebody has edited since.
        """
        holds(record, held, raw)
        sent = record.sent or {}
        if refused and record.external_id is not None and len(sent) > 1:
            record.singly = True
        elif refused:
            record.refused = (record.refused or {}) | sent if record.external_id else sent
        if record.external_id is None and not refused:
            self._session.delete(record)
            self.look_again(record.entity_id or "")
            return
        record.raw = record.raw if refused else record.raw | UNKNOWN
        self._idle(record, due=refused)

    def came_back(self, record: RecordRow, entity_id: str, now: datetime) -> bool:
        """Take a record that carries a write of ours for the one which that made; False if it is a copy of that.

        While nobody has said yet that the write is done, that will name the record, and it is forgotten here.
        A record that is kept apart stays there: it is known why.
        """
        if record.apart:
            return False
        entity_id = self.still(entity_id)
        own = next((row for row in self._records_of([entity_id]) if row.system == record.system), None)
        if own is not None and own.external_id is not None:
            return False
        if own is not None and own.operation_id is not None:
            self._session.delete(record)
            return True
        if own is not None:
            self._session.delete(own)
        self.link(record, entity_id, now)
        return True

    def _make_room(self, gone: RecordRow, at: datetime | None) -> None:
        """Have those looked at again that stayed apart because their system had this record of the same thing."""
        of, keys = Of(gone.policy, gone.object), select(KeyRow.key).where(KeyRow.record == gone.seq)
        alike = (*of_side(of, gone.system), RecordRow.apart == Apart.SECOND, sharing(of, keys))
        self._session.execute(update(RecordRow).where(*alike).values(apart="", told_at=at))

    def _idle(self, record: RecordRow, *, due: bool = True) -> None:
        record.operation_id, record.sent = None, None
        record.unread, record.told = record.external_id is not None, record.told + 1
        if due and record.entity_id is not None:
            self.look_again(record.entity_id)

    def look_again(self, entity_id: str, since: datetime | None = None) -> None:
        """Have an entity merged once more, because of what was observed at `since`, if that is promised in time."""
        values = {"due": True} | ({"news_at": func.coalesce(EntityRow.news_at, since)} if since else {})
        self._session.execute(update(EntityRow).where(col(EntityRow.entity_id) == entity_id).values(values))

    def find_by(self, row: RecordRow, keys: frozenset[str]) -> None:
        """Have a record found by these keys, and by no others."""
        had = set(self._session.exec(select(KeyRow.key).where(KeyRow.record == row.seq)))
        if lost := had - keys:
            self._session.execute(delete(KeyRow).where(col(KeyRow.record) == row.seq, col(KeyRow.key).in_(lost)))
        named = {"record": row.seq, "policy": row.policy, "object": row.object}
        if new := [named | {"key": key} for key in sorted(keys - had)]:
            self._session.execute(insert(KeyRow), new)

    def _named(self, like: RecordRow, external_id: str) -> RecordRow | None:
        """The record of this id in another's system."""
        here = of_side(Of(like.policy, like.object), like.system)
        return self._session.exec(select(RecordRow).where(*here, col(RecordRow.external_id) == external_id)).first()

    def _records_of(self, entity_ids: Sequence[str]) -> list[RecordRow]:
        query = select(RecordRow).where(col(RecordRow.entity_id).in_(entity_ids))
        return list(self._session.exec(query.order_by(col(RecordRow.seq))))

    def _with_records(self, rows: Sequence[EntityRow]) -> list[Due]:
        records: dict[str, dict[str, RecordRow]] = {row.entity_id: {} for row in rows}
        ids = list(records)
        for record in (one for some in in_parts(ids, IN_ONE_QUERY) for one in self._records_of(some)):
            mine = records[record.entity_id or ""]
            if record.system not in mine or mine[record.system].gone:
                mine[record.system] = record
        return [Due(row, records[row.entity_id]) for row in rows]
