"""Reads what changed in systems that are kept in step."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from prefect import task

from connectors.kept import Kept as Port
from connectors.kept import Record
from connectors.store.crosswalk_rows import Of, Shown
from connectors.store.crosswalk_tables import RecordRow
from connectors.store.engine import Transaction
from domain.entity import FieldTerms
from domain.errors import Permanent, Retryable, Unavailable
from domain.linking import keys_of
from domain.source_state import SourceState, failed
from policies.load import Workflow, sync_of
from policies.sync import Kept
from tasks.alert import log
from tasks.collect import note_state
from tasks.conflict_review import look_anew
from tasks.evidence import Looks
from tasks.link_review import ask_about
from tasks.names import ACT, named
from tasks.resources import Resources, resources

AT_ONCE = 100
"""Records that are read in one request, and stored in one transaction."""

LONGEST_ROUND = 1_000
"""Requests for changes of one system in one run; what is left comes with the next."""


@dataclass(frozen=True)
class Side:
    """A system's records of one kind, with what is needed to read them."""

    of: Of
    kept: Kept
    system: str
    port: Port
    terms: Mapping[str, FieldTerms]
    workflow: Workflow

    @property
    def name(self) -> str:
        """By which its cursor and its state are kept."""
        return name_of(self.of, self.system)

    def shown(self, record: Record) -> Shown:
        """A record by the policy's fields."""
        places = self.kept.places(self.system)
        held = {field: record.values[place.name] for field, place in places.items() if place.name in record.values}
        now = {field: places[field].read(raw) for field, raw in held.items()}
        return Shown(
            now=now,
            raw={field: raw for field, raw in held.items() if raw != now[field]},
            keys=self.keys(now),
            changed_at=record.changed_at,
            changed_by=record.changed_by,
            operation_id=record.operation_id,
        )

    def observed(self, now: datetime) -> datetime | None:
        """When what is heard now is observed; None where nothing is promised about that."""
        return now if sync_of(self.workflow).promises_step else None

    @cached_property
    def looks(self) -> Looks | None:
        """How its records look where they are matched by evidence."""
        return Looks(self.kept.match, self.terms) if self.kept.match else None

    def keys(self, values: Mapping[str, str]) -> frozenset[str]:
        """All that a record of these values is found by."""
        found = frozenset(keys_of(self.terms, self.kept.same_by, values))
        return found | self.looks.keys(self.looks.prepared(0, values)) if self.looks else found


def read_to_the_end(tx: Transaction, of: Of, kept: Kept) -> bool:
    """Whether every system of a kind of thing was read to its end once."""
    return all(tx.cursors.of(read_once(of, system)) for system in kept.systems)


def read_once(of: Of, system: str) -> str:
    """The cursor that tells whether a system was read to its end."""
    return f"{name_of(of, system)}#read"


def name_of(of: Of, system: str) -> str:
    """By which a system's cursor and its state are kept."""
    return f"{of.policy}/{of.object}/{system}"


def sides(here: Resources, workflow: Workflow) -> list[Side]:
    """All that a policy reads."""
    policy = sync_of(workflow)
    found = []
    for name, kept in policy.objects.items():
        for system, side in kept.systems.items():
            port = here.kept(side, [place.name for place in kept.places(system).values()])
            found.append(Side(Of(policy.name, name), kept, system, port, policy.field_terms[name], workflow))
    return found


@task(task_run_name=named("note-changes"), **ACT)
async def note_changes(policy: str) -> int:
    """Take down which records changed in each system; an act, safe to repeat. Returns how many.

    So is what the policy says by now of fields that people are asked about: they may not be needed any more.
    What a request told is stored together with the cursor. A system that fails keeps no other one waiting;
    somebody is told as of any source.
    """
    here = resources()
    came, workflow = 0, here.workflow(policy)
    with here.store.transaction() as tx:
        look_anew(tx, workflow, here.now())
    for side in sides(here, workflow):
        async with patiently(here, policy, side) as may:
            if may:
                came += await note_told(here, side)
    return came


async def note_told(here: Resources, side: Side) -> int:
    """Take down which records a system says have changed; returns how many changes it told of.

    One that does not answer after it has told of some is no system that is away: the next run goes on. What was
    there before it was read to its end once is its stock, and no change that anybody waits for.
    """
    with here.store.reading() as tx:
        cursor, came = tx.cursors.of(side.name), 0
        stock = not tx.cursors.of(read_once(side.of, side.system))
    for _ in range(LONGEST_ROUND):
        try:
            changed = await side.port.changed(cursor, AT_ONCE)
        except Unavailable:
            if not came:
                raise
            break
        with here.store.transaction() as tx:
            if changed.external_ids:
                at = None if stock else side.observed(here.now())
                tx.crosswalk.note(side.of, side.system, changed.external_ids, at)
            if changed.cursor != cursor:
                tx.cursors.move(side.name, changed.cursor, here.now())
        cursor, came = changed.cursor, came + len(changed.external_ids)
        if not changed.more:
            return came + (await _note_stock(here, side) if stock else 0)
    return came


async def _note_stock(here: Resources, side: Side) -> int:
    """Take down all records that there are, beginning or going on; returns how many that was.

    Changes need not tell of each: of a row without a time, or of what was there before the option `since`.
    """
    name, came = f"{side.name}#stock", 0
    with here.store.reading() as tx:
        after = tx.cursors.of(name)
    for _ in range(LONGEST_ROUND):
        page = await side.port.page(after, AT_ONCE)
        after = page.after
        with here.store.transaction() as tx:
            tx.crosswalk.note(side.of, side.system, [record.external_id for record in page.records])
            tx.cursors.move(name, after, here.now())
            if not after:
                tx.cursors.move(read_once(side.of, side.system), "once", here.now())
        came += len(page.records)
        if not after:
            break
    return came


@task(task_run_name=named("read-changed"), **ACT)
async def read_changed(policy: str) -> int:
    """Read the records that changed, as they stand; an act, safe to repeat. Returns how many were new to us.

    A record to which a write is under way is read once that has its outcome. One of which more was told while it
    was read, or that cannot be followed yet, is read by the next run.
    """
    here = resources()
    news = 0
    for side in sides(here, here.workflow(policy)):
        async with patiently(here, policy, side) as may:
            after = 0
            while may:
                with here.store.reading() as tx:
                    rows = tx.crosswalk.unread(side.of, side.system, AT_ONCE, after)
                if not rows:
                    break
                news += await _read(here, side, rows)
                after = rows[-1].seq or 0
    return news


async def _read(here: Resources, side: Side, rows: list[RecordRow]) -> int:
    records = await side.port.read([row.external_id for row in rows if row.external_id])
    told = {row.seq: row.told for row in rows}
    with here.store.transaction() as tx:
        return keep_read(tx, side, tx.places.again(rows), told, records, here.now())


def keep_read(
    tx: Transaction,
    side: Side,
    rows: Sequence[RecordRow],
    told: Mapping[int | None, int],
    records: Mapping[str, Record | None],
    now: datetime,
) -> int:
    """Keep what a system showed of these records; returns how many were new to us.

    What was read while somebody else wrote or read is followed nowhere: it is read again.

    Args:
        rows: as this transaction has them, and `told` what each had been told before it was read.
        records: by the ids that were asked for; None is one that is not there any more.
    """
    ours = tx.places.made_by(side.of.policy, {one.operation_id for one in records.values() if one and one.operation_id})
    news = 0
    for row in rows:
        record = records.get(row.external_id or "")
        fresh = record is not None and row.told == told[row.seq] and row.operation_id is None
        made_for = ours.get(record.operation_id) if record and fresh and row.entity_id is None else None
        if made_for and tx.crosswalk.came_back(row, made_for, now):
            news += 1
        elif record and fresh and record.external_id != row.external_id:
            news += _follow(tx, side, row, record.external_id, now)
        else:
            shown = side.shown(record) if record else None
            news += tx.crosswalk.shown(row, told[row.seq], shown, side.observed(now))
    return news


def _follow(tx: Transaction, side: Side, row: RecordRow, external_id: str, now: datetime) -> bool:
    """Follow a record that its system merged; a person is asked about each that this leaves a system with twice."""
    entity = row.entity_id
    second = tx.crosswalk.renamed(row, external_id, now)
    for record in second or ():
        into = tx.crosswalk.still(entity or "")
        why = f"{side.system} has merged its records of both, and {record.system} has two"
        ask_about(tx, side.workflow, side.of, record, [into], why, now)
    return second is not None


@asynccontextmanager
async def patiently(here: Resources, policy: str, side: Side) -> AsyncIterator[bool]:
    """Whether the system may be asked now; what it failed to say is in its state."""
    name, shown = side.name, f"{side.of.object} in {side.system}"
    with here.store.reading() as tx:
        before = tx.sources.of(name)
    if before.paused(here.now()):
        yield False
        return
    try:
        yield True
    except (Retryable, Permanent) as exc:
        log().warning("%s cannot be read now: %s", shown, exc)
        note_state(here, policy, name, shown, failed(before, exc, here.now()))
    else:
        note_state(here, policy, name, shown, SourceState())
