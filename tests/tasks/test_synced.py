"""From when a change is observed until every other system holds it: what the promise `synced` counts, and what not."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from databases import sqlite_database
from kept_tables import Pair, side, sync_resources, write_sync

from connectors.store.crosswalk_rows import Of
from connectors.store.engine import Store
from connectors.store.figures import Choice
from domain.breaker import Breaker
from domain.delivery import Invalid
from domain.figures import Share
from domain.ledger import Event
from domain.source_state import SourceState
from tasks.clocks import watch_clocks
from tasks.resources import opened

NOON = datetime(2036, 3, 5, 12, 0, tzinfo=UTC)
CREATED = {"systems": {"crm": side("crm"), "desk": side("desk", creates=True)}}
PROMISED = {"sla": {"synced": {"minutes": 60, "warn_at": 0.5}}}


class Office(Pair):
    """People in two tables, kept in step by a clock that is moved by hand."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.now = NOON
        super().__init__(folder, store, clock=lambda: self.now)
        self.policy = write_sync(folder, **PROMISED)

    async def later(self, **later: float) -> list[str]:
        """Let time pass, and watch; gives what there is of promises in the ledger since."""
        self.now += timedelta(**later)
        with self.store.reading() as tx:
            before = tx.ledger.head()[0]
        async with opened(sync_resources(self.store, self.tables, self.clock)):
            await watch_clocks.fn(self.policy)
        with self.store.reading() as tx:
            return [
                entry.event.value for entry in tx.ledger.entries() if entry.seq > before and entry.facts.get("clock")
            ]

    def figures(self) -> dict[str, int]:
        """What is counted of the promise, over all time; without what is nothing."""
        with self.store.reading() as tx:
            told = tx.clocks.compliance("tiny_sync", NOON - timedelta(days=1), self.now)
        return {name: count for one in told for name, count in one.model_dump(exclude={"clock"}).items() if count}

    def spells(self) -> list[tuple[str, int, timedelta]]:
        """What began and ended, each with its number and how long it was since the change was observed."""
        with self.store.reading() as tx:
            entries = [one for one in tx.ledger.entries() if one.event in (Event.OUT_OF_STEP, Event.IN_STEP)]
        return [
            (one.event.value, one.facts["spell"], one.at - datetime.fromisoformat(one.facts["since"]))
            for one in entries
        ]

    def late(self) -> tuple[int, list[str]]:
        """How many clocks the dashboard counts as late, and whose it lists."""
        with self.store.reading() as tx:
            kept = tx.figures.kept(Choice(), self.now).get("tiny_sync", Share())
            return kept.of - kept.part, [one.item_id for one in tx.workload.late(Choice(), self.now, None, 9)]

    def unreadable(self, system: str, *, for_now: bool) -> None:
        until = self.now + timedelta(days=1) if for_now else None
        with self.store.transaction() as tx:
            state = SourceState(breaker=Breaker(open_until=until))
            tx.sources.put(f"tiny_sync/person/{system}", "tiny_sync", f"person in {system}", state, self.now)

    def refuse(self) -> None:
        self.tables.before = lambda _operation: Invalid(detail="no such town")


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    store = Store(sqlite_database(tmp_path / "store.db"))
    yield Office(tmp_path, store)
    store.close()


@pytest.fixture
async def linked(office: Office) -> Office:
    """Ann, in both systems and in step, with nothing that anybody waited for."""
    for system in ("crm", "desk"):
        office.tables.put(system, "1", name="Ann", email="ann@x.org", town="Bonn", tags="a", stage="lead")
    await office.run()
    assert office.spells() == []
    return office


async def test_a_change_that_reaches_the_other_system_at_once_is_met(linked):
    linked.tables.edit("crm", "1", town="Ulm")
    await linked.run()
    assert linked.spells() == [("out_of_step", 1, timedelta(0)), ("in_step", 1, timedelta(0))]
    assert await linked.later(hours=3) == []
    assert linked.figures() == {"met": 1}


async def test_each_change_is_counted_by_itself(linked):
    for town in ("Ulm", "Rom", "Bern"):
        linked.tables.edit("desk", "1", town=town)
        await linked.run()
        await linked.later(minutes=1)
    assert linked.figures() == {"met": 3}


async def test_what_is_late_is_listed_by_its_entity_whether_somebody_was_told_or_not(linked):
    linked.refuse()
    linked.tables.edit("crm", "1", town="Ulm")
    await linked.run()
    assert await linked.later(minutes=1) == []
    assert linked.late() == (0, [])
    linked.now += timedelta(minutes=60)  # and nobody watches
    with linked.store.reading() as tx:
        (entity,) = [one.item_id for one in tx.ledger.entries() if one.event is Event.OUT_OF_STEP]
    assert linked.late() == (1, [entity])
    assert await linked.later(minutes=1) == ["sla_breached"]
    assert linked.late() == (1, [entity])


async def test_what_is_not_written_is_warned_of_then_late_and_escalated_until_it_is(linked):
    linked.refuse()
    linked.tables.edit("crm", "1", town="Ulm")
    await linked.run()
    assert await linked.later(minutes=29) == []
    assert await linked.later(minutes=1) == ["sla_warned"]
    assert await linked.later(minutes=30) == []
    assert await linked.later(minutes=1) == ["sla_breached"]
    assert await linked.later(minutes=1) == []
    assert linked.figures() == {"breached": 1, "late": 1}
    with linked.store.reading() as tx:
        messages = [one.message for one in tx.escalations.waiting("tiny_sync")]
    assert [one for one in messages if "synced is late, it was due by 2036-03-05 13:00 UTC" in one]
    linked.tables.before = lambda _operation: None
    linked.tables.edit("crm", "1", town="Rom")
    await linked.run()
    assert await linked.later(minutes=1) == []
    assert linked.figures() == {"breached": 1}, "it was late, and stays so"
    assert [one[0] for one in linked.spells()] == ["out_of_step", "in_step"], "what changed meanwhile belongs to it"


async def test_it_counts_from_when_the_change_was_told_not_from_when_it_could_be_read(linked):
    with linked.store.transaction() as tx:
        tx.crosswalk.note(Of("tiny_sync", "person"), "crm", ["1"], linked.now)
    linked.unreadable("crm", for_now=True)
    linked.tables.edit("crm", "1", town="Ulm")
    await linked.run()
    assert linked.spells() == []
    assert await linked.later(minutes=61) == []
    linked.unreadable("crm", for_now=False)
    await linked.run()
    assert linked.spells()[0] == ("out_of_step", 1, timedelta(minutes=61))
    assert await linked.later(minutes=0) == ["sla_breached"], "and what was late and done is told too"
    assert linked.figures() == {"breached": 1}


async def test_what_changes_nothing_anywhere_else_has_no_clock(linked):
    for system in ("crm", "desk"):
        linked.tables.edit(system, "1", town="Ulm")
    await linked.run()
    linked.tables.note("crm", "1", linked.store)
    await linked.run()
    assert linked.spells() == []


async def test_a_contradiction_belongs_nowhere_until_a_person_has_said_what_it_is(linked):
    linked.tables.edit("crm", "1", name="Anna")
    linked.tables.edit("desk", "1", name="Hanna")
    await linked.run()
    assert linked.spells() == []
    await linked.later(hours=3)
    linked.answer("desk")
    await linked.later(minutes=20)
    await linked.run()
    assert linked.spells() == [("out_of_step", 1, timedelta(minutes=20)), ("in_step", 1, timedelta(minutes=20))]
    await linked.later(minutes=1)
    assert linked.figures() == {"met": 1}


async def test_the_other_fields_of_a_contested_record_keep_their_clock(linked):
    linked.refuse()
    linked.tables.edit("crm", "1", name="Anna", town="Ulm")
    linked.tables.edit("desk", "1", name="Hanna")
    await linked.run()
    assert await linked.later(minutes=61) == ["sla_breached"]


async def test_a_new_record_counts_from_when_it_was_told_of(linked):
    linked.policy = write_sync(linked.folder, **PROMISED, person=CREATED)
    linked.tables.put("crm", "2", name="Bob", email="bob@x.org", town="Ulm")
    await linked.run()
    assert len(linked.tables.rows("desk")) == 2
    assert [one[0] for one in linked.spells()] == ["out_of_step", "in_step"]


async def test_what_was_there_before_is_no_change_that_anybody_waits_for(office):
    office.policy = write_sync(office.folder, **PROMISED, person=CREATED)
    office.tables.put("crm", "1", name="Ann", email="ann@x.org", town="Bonn")
    await office.run()
    assert len(office.tables.rows("desk")) == 1
    assert office.spells() == []


@pytest.mark.parametrize("unpromised", [{}, {"mode": "shadow", **PROMISED}])
async def test_where_nothing_is_promised_nothing_is_counted(linked, unpromised):
    linked.policy = write_sync(linked.folder, **unpromised)
    linked.tables.edit("crm", "1", town="Ulm")
    await linked.run()
    linked.policy = write_sync(linked.folder, **PROMISED)
    await linked.later(hours=5)
    await linked.run()
    assert linked.spells() == []


async def test_what_turns_out_to_be_of_another_goes_on_there(linked):
    linked.policy = write_sync(linked.folder, **PROMISED, person=CREATED)
    linked.tables.put("desk", "3", name="Bob", email="bobby@x.org", town="Ulm")
    await linked.run()
    linked.refuse()
    linked.tables.put("crm", "2", name="Bob", email="bob@x.org", town="Ulm")
    await linked.run()
    linked.now += timedelta(minutes=10)
    with linked.store.transaction() as tx:
        (new,), (known,) = tx.entities.find("bob@x.org"), tx.entities.find("bobby@x.org")
        tx.crosswalk.merge(new, known, linked.now)
    await linked.run()
    assert sorted(linked.spells()) == [
        ("in_step", 1, timedelta(minutes=10)),
        ("out_of_step", 1, timedelta(0)),
        ("out_of_step", 1, timedelta(minutes=10)),
    ]
    await linked.later(minutes=1)
    assert linked.figures() == {"unscored": 1, "running": 1}
