"""Whole snapshots are compared with what is known: what was missed is mended, and everything is counted once."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from databases import sqlite_database
from kept_tables import Tables, side, sync_resources, write_sync

from connectors.kept import Changed, Kept, Page, Record
from connectors.store.crosswalk import Of
from connectors.store.drift_tables import PassRow
from connectors.store.engine import Store
from domain.consistency import Tally
from domain.errors import Throttled, Unauthorised
from domain.review import Answer, ReviewKind
from tasks.deliver import deliver_due
from tasks.in_step import keep_in_step, note_written
from tasks.observe import note_changes, read_changed
from tasks.recognise import recognise
from tasks.reconcile import AT_ONCE, read_whole
from tasks.repair import propose_repairs
from tasks.resources import opened
from tasks.review import form_of, settle_answer

PEOPLE = Of("tiny_sync", "person")
LATER = timedelta(hours=1)
"""By then every change has been told of, or never will be."""


class Beset:
    """A table's records as they are kept in step, with something that happens before a page is read."""

    def __init__(self, real: Kept, before: Callable[[str], None]) -> None:
        self._real, self._before = real, before

    async def changed(self, cursor: str, count: int) -> Changed:
        return await self._real.changed(cursor, count)

    async def read(self, external_ids: Sequence[str]) -> dict[str, Record | None]:
        return await self._real.read(external_ids)

    async def page(self, after: str, count: int) -> Page:
        self._before(after)
        return await self._real.page(after, count)

    async def aclose(self) -> None:
        await self._real.aclose()


class Works:
    """Two tables that are kept in step, a store, and a clock that is moved by hand."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.folder, self.store, self.ahead = folder, store, LATER
        self.tables = Tables(folder / "systems.db")
        self.tables.make()
        self.policy = write_sync(folder)
        self.before: dict[str, Callable[[str], None]] = {}
        self.here = sync_resources(store, self.tables, lambda: datetime.now(UTC) + self.ahead, self._beset)

    def _beset(self, table: str, kept: Kept) -> Kept:
        return Beset(kept, lambda after: self._reached(table, after))

    def _reached(self, table: str, after: str) -> None:
        if table in self.before:
            self.before[table](after)

    async def sync(self) -> None:
        """As the flow does, without Prefect."""
        async with opened(self.here):
            for _ in range(3):
                await note_changes.fn(self.policy)
                await read_changed.fn(self.policy)
                await recognise.fn(self.policy)
                await keep_in_step.fn(self.policy)
                await deliver_due.fn(2)
                await note_written.fn(self.policy)

    async def look(self) -> int:
        async with opened(self.here):
            return await read_whole.fn(self.policy)

    async def repair(self) -> int:
        async with opened(self.here):
            return await propose_repairs.fn(self.policy)

    def passes(self, system: str) -> list[PassRow]:
        with self.store.reading() as tx:
            return tx.passes.ended(PEOPLE, system, 10)

    def drift(self, system: str, field: str) -> Tally:
        (last, *_) = self.passes(system)
        with self.store.reading() as tx:
            figures = tx.passes.figures("tiny_sync", [last.run])
        return next(one for row, one in figures if (row.system, row.field) == (system, field))

    def answer(self, choice: str) -> None:
        with self.store.reading() as tx:
            (review,) = tx.reviews.waiting("tiny_sync")
            form = form_of(self.here, tx, review)
        assert form is not None
        chosen = next(one for one in form.choices if one.startswith(choice))
        answer = Answer(choice=chosen, reviewer="a person", binding=form.binding)
        assert settle_answer(self.here, review.review_id, answer).refusal is None

    def entities(self) -> list[str]:
        with self.store.reading() as tx:
            return [one for one in tx.crosswalk.find("en-") if tx.crosswalk.get(one).row.merged_into is None]


@pytest.fixture
async def works(tmp_path: Path) -> AsyncIterator[Works]:
    with closing(Store(sqlite_database(tmp_path / "store.db"))) as store:
        yield (works := Works(tmp_path, store))
        await works.here.aclose()


@pytest.fixture
async def linked(works: Works) -> Works:
    """Ann, in both systems and in step."""
    for system in ("crm", "desk"):
        works.tables.put(system, "1", name="Ann", email="ann@x.org", town="Bonn", tags="a, b", stage="lead")
    await works.sync()
    return works


async def test_what_is_in_step_is_all_equal(linked: Works) -> None:
    assert await linked.look() == 0
    assert linked.drift("desk", "town") == Tally(compared=1, equal=1)
    (last,) = linked.passes("desk")
    assert (last.records, last.new, last.gone) == (1, 0, 0)


async def test_an_edit_that_no_change_told_of_is_counted_and_reaches_the_other_system(linked: Works) -> None:
    linked.tables.edit_unheard("desk", "1", town="Ulm")
    await linked.sync()
    assert linked.tables.row("crm")["town"] == "Bonn"
    await linked.look()
    assert linked.drift("desk", "town") == Tally(compared=1, equal=0, missed=1)
    assert linked.drift("desk", "name").share == 1
    await linked.sync()
    assert linked.tables.row("crm")["town"] == "Ulm"
    await linked.look()
    assert linked.drift("desk", "town") == linked.drift("crm", "town") == Tally(compared=1, equal=1)


async def test_an_edit_that_a_change_tells_of_was_not_missed(linked: Works) -> None:
    linked.tables.edit("desk", "1", town="Ulm")
    await linked.look()
    assert linked.drift("desk", "town") == Tally(compared=1, equal=0)


async def test_an_edit_of_this_moment_may_still_be_told_of(linked: Works) -> None:
    linked.ahead = timedelta(0)
    linked.tables.edit_unheard("desk", "1", town="Ulm")
    await linked.look()
    assert linked.drift("desk", "town") == Tally(compared=1, equal=0)


async def test_what_means_the_same_is_equal_however_it_is_spelt(linked: Works) -> None:
    linked.tables.edit_unheard("desk", "1", email="ANN@X.org", tags="b,a")
    await linked.look()
    assert linked.drift("desk", "email").equal == linked.drift("desk", "tags").equal == 1


async def test_contradictions_and_malformed_values_are_no_drift(linked: Works) -> None:
    linked.tables.edit("crm", "1", name="Anna")
    linked.tables.edit("desk", "1", name="Hanna", email="nobody")
    await linked.sync()
    await linked.look()
    assert linked.drift("desk", "name") == linked.drift("crm", "name") == Tally(contested=1)
    assert linked.drift("desk", "email") == Tally(malformed=1)


async def test_a_record_that_is_being_written_to_is_left_for_the_end_and_is_no_drift(linked: Works) -> None:
    linked.tables.edit("crm", "1", town="Ulm")
    async with opened(linked.here):
        await note_changes.fn(linked.policy)
        await read_changed.fn(linked.policy)
        await keep_in_step.fn(linked.policy)
    await linked.look()
    assert linked.drift("desk", "town") == Tally(under_way=1)
    assert linked.drift("crm", "town") == Tally(compared=1, equal=1)


async def test_a_record_that_nobody_had_heard_of_is_taken_in(linked: Works) -> None:
    linked.tables.put("desk", "2", name="Bob", email="bob@x.org")
    await linked.look()
    assert linked.passes("desk")[0].new == 1
    await linked.sync()
    assert len(linked.entities()) == 2


async def test_a_record_that_was_deleted_is_found_to_be_gone_once(linked: Works) -> None:
    linked.tables.delete("desk", "1")
    await linked.look()
    assert (linked.passes("desk")[0].records, linked.passes("desk")[0].gone) == (0, 1)
    with linked.store.reading() as tx:
        assert tx.crosswalk.get(linked.entities()[0]).records["desk"].gone
    await linked.look()
    assert linked.passes("desk")[0].gone == 0


async def test_in_shadow_mode_it_is_measured_all_the_same_and_nothing_is_written(works: Works) -> None:
    works.policy = write_sync(works.folder, mode="shadow")
    works.tables.put("crm", "1", name="Ann", email="ann@x.org", town="Bonn")
    works.tables.put("desk", "1", name="Ann", email="ann@x.org", town="Ulm", tags="a")
    await works.sync()
    await works.look()
    assert works.drift("crm", "name") == Tally(compared=1, equal=1)
    assert works.drift("crm", "tags") == Tally(compared=1, equal=0)
    assert works.drift("crm", "town") == Tally(contested=1)
    assert works.tables.sent == []


@pytest.fixture
async def many(works: Works) -> Works:
    """More people than two pages take."""
    for number in range(2 * AT_ONCE + 5):
        for system in ("crm", "desk"):
            works.tables.put(system, f"{number:04}", name=f"Ann {number}", email=f"ann{number}@x.org")
    await works.sync()
    return works


async def test_a_system_that_asks_to_be_left_alone_is_gone_on_with_later_and_the_other_is_read(many: Works) -> None:
    asked = []

    def throttled(after: str) -> None:
        asked.append(after)
        if len(asked) == 2:
            raise Throttled("too many requests", retry_after_s=60)

    many.before["crm"] = throttled
    assert await many.look() == 1
    assert (many.passes("crm"), many.passes("desk")[0].records) == ([], 2 * AT_ONCE + 5)
    assert await many.look() == 1
    assert len(asked) == 2
    many.ahead += timedelta(seconds=61)
    assert await many.look() == 0
    assert asked == ["", asked[1], asked[1], asked[3]]
    assert many.drift("crm", "name") == Tally(compared=2 * AT_ONCE + 5, equal=2 * AT_ONCE + 5)


async def test_a_system_that_refuses_us_is_told_of_and_keeps_nobody_waiting(linked: Works) -> None:
    def refuse(_after: str) -> None:
        raise Unauthorised("wrong key")

    linked.before["crm"] = refuse
    async with opened(linked.here):
        assert await read_whole.fn(linked.policy, 3600) == 1
    assert len(linked.passes("desk")) == 1
    with linked.store.reading() as tx:
        assert len(tx.escalations.waiting("tiny_sync")) == 1


async def test_two_that_read_the_same_system_at_once_count_nothing_twice(many: Works) -> None:
    async def other() -> None:
        await many.look()

    await asyncio.gather(many.look(), other())
    for system in ("crm", "desk"):
        for last in many.passes(system):
            with many.store.reading() as tx:
                figures = tx.passes.figures("tiny_sync", [last.run])
            assert last.records == 2 * AT_ONCE + 5
            assert {one.compared for row, one in figures if row.system == system} == {2 * AT_ONCE + 5}


async def test_two_things_that_turn_out_to_be_one_are_asked_about_once(works: Works) -> None:
    works.tables.put("crm", "1", name="Ann", email="ann@x.org")
    works.tables.put("desk", "7", name="Ann B.")
    await works.sync()
    works.tables.edit("desk", "7", email="ann@x.org")
    await works.sync()
    assert len(works.entities()) == 2
    assert await works.repair() == 1
    await works.repair()
    with works.store.reading() as tx:
        (review,) = tx.reviews.waiting("tiny_sync")
    assert review.kind == ReviewKind.LINK
    works.answer("en-")
    await works.sync()
    assert len(works.entities()) == 1


async def test_what_a_person_told_apart_is_not_asked_about_again(linked: Works) -> None:
    linked.tables.put("crm", "2", name="Ann B.", email="ann@x.org")
    await linked.sync()
    linked.answer("new")
    await linked.sync()
    assert await linked.repair() == 0
    assert len(linked.entities()) == 2


async def test_what_is_missing_by_the_policy_of_now_is_made(linked: Works) -> None:
    linked.tables.put("crm", "2", name="Bob", email="bob@x.org")
    await linked.sync()
    assert len(linked.tables.rows("desk")) == 1
    linked.policy = write_sync(linked.folder, {"crm": side("crm"), "desk": side("desk", creates=True)})
    linked.here = linked.here.afresh()
    assert await linked.repair() == 1
    await linked.sync()
    assert len(linked.tables.rows("desk")) == 2
    assert await linked.repair() == 0
