"""Whole snapshots are compared with what is known: what was missed is mended, and everything is counted once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from databases import sqlite_database
from kept_tables import side, write_sync
from reconciling import Works

from connectors.store.engine import Store
from domain.consistency import Tally
from domain.errors import Throttled, Unauthorised, Unavailable
from domain.review import ReviewKind
from policies.load import load_workflow
from tasks.drift_report import drift_report
from tasks.in_step import keep_in_step
from tasks.observe import note_changes, read_changed
from tasks.reconcile import AT_ONCE, HELD_UP, read_whole
from tasks.resources import opened


@pytest.fixture
async def works(tmp_path: Path) -> AsyncIterator[Works]:
    with closing(Store(sqlite_database(tmp_path / "store.db"))) as store:
        works = Works(tmp_path, store)
        works.tables.make()
        yield works
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


async def test_a_system_that_is_away_for_long_does_not_keep_the_others_from_being_read_again(linked: Works) -> None:
    def away(_after: str) -> None:
        raise Unavailable("nobody there")

    linked.before["crm"] = away
    await linked.look()
    await linked.look()
    assert len(linked.passes("desk")) == 1
    linked.ahead += HELD_UP
    await linked.look()
    assert len(linked.passes("desk")) == 2
    assert linked.passes("crm") == []


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


async def test_the_report_names_what_is_to_be_mended(works: Works) -> None:
    crm = side("crm", only='town != "Rome"')
    works.policy = write_sync(works.folder, {"crm": crm, "desk": side("desk", creates=True)})
    works.tables.put("crm", "1", name="Ann", email="ann@x.org", town="Bonn")
    works.tables.put("crm", "2", name="Bob", email="bob@x.org")
    works.tables.put("crm", "3", name="Cid", town="Rome")
    works.tables.put("desk", "1", name="Anna", email="ann@x.org")
    await works.sync()
    (made,) = works.tables.rows("desk").keys() - {"1"}
    works.tables.delete("desk", made)
    works.tables.put("crm", "4", name="Ann B.", email="ann@x.org")
    await works.sync()
    works.tables.edit_unheard("crm", "1", email="nobody")
    await works.look()
    with works.store.reading() as tx:
        told = drift_report(tx, load_workflow(works.policy))
    assert [(one.field, one.why[:16]) for one in told.contradictions] == [("name", "a person is aske")]
    assert [(one.system, one.record) for one in told.duplicates] == [("crm", "4")]
    assert [(one.system, one.why) for one in told.orphans] == [("desk", "it was deleted there")]
    assert [(one.system, one.record) for one in told.outside] == [("crm", "3")]
    assert [(one.system, one.field, one.examples) for one in told.malformed] == [("crm", "email", {"malformed": ["1"]})]
    (run,) = told.runs
    assert run.consistency == run.equal / run.compared
    assert {one.run for one in told.drift} == {run.run}


async def test_the_figures_go_back_over_the_runs(linked: Works) -> None:
    await linked.look()
    linked.tables.edit_unheard("desk", "1", town="Ulm")
    await linked.look()
    with linked.store.reading() as tx:
        told = drift_report(tx, load_workflow(linked.policy))
    assert [one.consistency for one in told.runs] == [0.9, 1.0]
    towns = [one for one in told.history if (one.system, one.field) == ("desk", "town")]
    assert [(one.equal, one.missed) for one in towns] == [(0, 1), (1, 0)]
    assert towns[0].examples == {"missed": ["1"]}
