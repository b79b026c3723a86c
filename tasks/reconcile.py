"""Reads all records of all systems as they stand, measures how far that is as it should be, hears what was missed.

A difference that no change told of goes the way of any edit: it is kept as what its system showed, and merged.
"""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from prefect import task

from connectors.kept import Record
from connectors.store.crosswalk_rows import Due
from connectors.store.crosswalk_tables import RecordRow
from connectors.store.drift_tables import PassRow
from connectors.store.engine import Transaction
from domain.breaker import FIRST_PAUSE_S
from domain.consistency import Found, expected, found
from domain.entity import Standing
from domain.values import digest
from tasks.names import ACT, named
from tasks.observe import Side, keep_read, note_told, patiently, sides
from tasks.resources import Resources, resources

AT_ONCE = 100
"""Records that are read in one request, and stored in one transaction."""

LATE = timedelta(minutes=15)
"""So long after an edit a change may still tell of it: what SQL sources look back over by default (`overlap_min`)."""

HELD_UP = timedelta(hours=20)
"""So long a system that is not read to its end keeps the others from being read again: less than a day."""


@dataclass(frozen=True)
class Looked:
    """Some of a system's records.

    Attributes:
        known: what was known of each before it was read, by id; without those that were unheard of.
        shown: what the system showed, by id; None is one that is not there any more.
        read: those that were read after `known` was: what they show is kept.
    """

    known: dict[str, RecordRow]
    shown: dict[str, Record | None]
    read: Collection[str]


@task(task_run_name=named("read-whole"), **ACT)
async def read_whole(policy: str, wait_s: float = 0.0) -> int:
    """Go through all records of all systems, or go on where a run before this one ended; an act, safe to repeat.

    How far a system was read is stored with what was found there. A system that fails or asks to be left alone
    keeps no other one waiting; it is gone on with once that time is over, by this run or by the next.

    Args:
        wait_s: how long this run waits for systems that ask to be left alone, in seconds.

    Returns:
        How many systems' records are still to be read to their end, each kind counted.
    """
    here = resources()
    every = sides(here, here.workflow(policy))
    with here.store.transaction() as tx:
        new = "rc-" + digest(policy, here.now().isoformat())[:16]
        run = tx.passes.unfinished(here.workflow(policy).policy.name, here.now() - HELD_UP) or new
        for side in every:
            tx.passes.begin(side.of, side.system, run, here.now())
    until = here.now() + timedelta(seconds=wait_s)
    while True:
        every = [side for side in every if not await _read_to_the_end(here, policy, side)]
        goes_on = min((at for side in every if (at := _goes_on(here, side)) is not None), default=None)
        if goes_on is None or goes_on > until:
            return len(every)
        await asyncio.sleep(max((goes_on - here.now()).total_seconds(), 0))


def _goes_on(here: Resources, side: Side) -> datetime | None:
    """When a system may be asked again; None where somebody was told that it does not answer."""
    with here.store.reading() as tx:
        state = tx.sources.of(side.name)
    if state.trouble is not None:
        return None
    return max(here.now() + timedelta(seconds=FIRST_PAUSE_S), state.breaker.open_until or here.now())


async def _read_to_the_end(here: Resources, policy: str, side: Side) -> bool:
    async with patiently(here, policy, side) as may:
        while may:
            with here.store.reading() as tx:
                place = tx.passes.going_on(side.of, side.system)
            if place is None:
                return True
            await (_read_rest(here, side, place) if place.paged else _read_page(here, side, place))
    return False


async def _read_page(here: Resources, side: Side, place: PassRow) -> None:
    page = await side.port.page(place.after, AT_ONCE)
    shown: dict[str, Record | None] = {record.external_id: record for record in page.records}
    known = _known(here, side, shown)
    doubtful = [record.external_id for record in page.records if _differs(side, known, record)]
    if doubtful:
        await note_told(here, side)  # an edit of this moment was not missed
        known = _known(here, side, shown)
        shown |= await side.port.read(doubtful)
    with here.store.transaction() as tx:
        now = tx.passes.going_on(side.of, side.system)
        if now is None or (now.seq, now.pages) != (place.seq, place.pages):
            return  # another run has it
        unheard = shown.keys() - tx.passes.records(side.of, side.system, shown).keys()
        _keep(here, tx, side, now, Looked(known, shown, doubtful))
        tx.crosswalk.note(side.of, side.system, sorted(unheard), side.observed(here.now()))
        for row in tx.passes.records(side.of, side.system, unheard).values():
            row.seen = now.run
        now.records, now.new = now.records + len(unheard), now.new + len(unheard)
        now.pages, now.after, now.paged = now.pages + 1, page.after, not page.after


async def _read_rest(here: Resources, side: Side, place: PassRow) -> None:
    """Read what was on no page: deleted, made meanwhile, or in the middle of a write."""
    with here.store.reading() as tx:
        rows = tx.passes.unseen(place, AT_ONCE)
    known = {row.external_id: row for row in rows if row.external_id}
    shown = await side.port.read(list(known)) if known else {}
    with here.store.transaction() as tx:
        now = tx.passes.going_on(side.of, side.system)
        if now is None or now.seq != place.seq:
            return
        _keep(here, tx, side, now, Looked(known, shown, known))
        if not tx.passes.unseen(now, 1):
            now.ended_at = here.now()


def _known(here: Resources, side: Side, external_ids: Collection[str]) -> dict[str, RecordRow]:
    with here.store.reading() as tx:
        return tx.passes.records(side.of, side.system, external_ids)


def _differs(side: Side, known: Mapping[str, RecordRow], record: Record) -> bool:
    """Whether a record is another than is known of it, though nothing has told so."""
    row = known.get(record.external_id)
    if row is None or row.unread or row.operation_id is not None:
        return False
    shown = side.shown(record)
    return row.gone or (row.now, row.raw) != (shown.now, shown.raw)


def _keep(here: Resources, tx: Transaction, side: Side, place: PassRow, looked: Looked) -> None:
    """Keep what was seen of records that are known, and count how their fields stand.

    A record to which a write is under way is left for the end of the pass.
    """
    rows = tx.passes.records(side.of, side.system, looked.shown)
    looked_at = {
        name: row for name, row in rows.items() if row.seen != place.run and (place.paged or row.operation_id is None)
    }
    standings = _standings(side, tx.passes.entities(looked_at.values()))
    counted: list[tuple[str, str, Found]] = []
    fresh = list[RecordRow]()
    for name, row in looked_at.items():
        record, untouched = looked.shown[name], _untouched(row, looked.known.get(name))
        first = name in looked.read and untouched and not row.unread
        told = not first or _just_changed(record, here.now())
        if record is not None and not row.gone:
            counted += [(field, name, one) for field, one in _found(side, row, record, standings, told=told)]
        row.seen = place.run
        place.records += record is not None
        place.gone += record is None and first and row.operation_id is None
        if name in looked.read and untouched and row.operation_id is None:
            fresh.append(row)
    tx.passes.found(place, counted)
    keep_read(tx, side, fresh, {row.seq: row.told for row in fresh}, looked.shown, here.now())


def _untouched(row: RecordRow, before: RecordRow | None) -> bool:
    """Whether nobody told of a record, or read it, since it was looked at."""
    return before is not None and (row.told, row.now, row.gone) == (before.told, before.now, before.gone)


def _just_changed(record: Record | None, now: datetime) -> bool:
    return record is not None and record.changed_at is not None and record.changed_at > now - LATE


def _standings(side: Side, entities: Mapping[str, Due]) -> dict[str, dict[str, Standing]]:
    return {name: expected(side.terms, due.entity) for name, due in entities.items()}


def _found(
    side: Side, row: RecordRow, record: Record, standings: Mapping[str, Mapping[str, Standing]], *, told: bool
) -> list[tuple[str, Found]]:
    """How each field stands of which anything is agreed on; none of a record of which nobody knows what it is of."""
    of = standings.get(row.entity_id or "", {})
    shown, busy = side.shown(record).now, row.operation_id is not None
    return [
        (field, found(side.terms[field], of[field], now, row.now.get(field), busy=busy, told=told))
        for field, now in shown.items()
        if field in of
    ]
