"""Keeping records in step doubles none: whatever fails, whoever is quicker, whatever is left out."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from databases import sqlite_database
from kept_tables import Pair, side, sync_resources, write_sync

from connectors.kept import Kept, Record
from connectors.store.engine import Store
from domain.delivery import Invalid, RetryAfter
from domain.errors import Unavailable
from domain.review import ReviewKind
from domain.source_state import SourceState
from tasks.deliver import deliver_due
from tasks.in_step import keep_in_step, note_written
from tasks.observe import keep_read, note_changes, read_changed, sides
from tasks.recognise import recognise
from tasks.resources import opened

CREATES = {"crm": side("crm"), "desk": side("desk", creates=True)}
READS = (note_changes, read_changed, recognise, keep_in_step)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    store = Store(sqlite_database(tmp_path / "store.db"))
    yield Pair(tmp_path, store)
    store.close()


class Unread:
    """A system that tells of changes, and gives no record."""

    def __init__(self, kept: Kept) -> None:
        self._kept = kept

    def __getattr__(self, name: str) -> Any:
        return getattr(self._kept, name)

    async def read(self, external_ids: Sequence[str]) -> dict[str, Record | None]:
        raise Unavailable("it asks to be left alone")


async def read_and_merge(pair: Pair) -> None:
    """A run that ends before anything is sent."""
    async with opened(sync_resources(pair.store, pair.tables)):
        for step in READS:
            await step.fn(pair.policy)


async def test_nothing_is_made_while_a_systems_records_cannot_be_read(pair):
    pair.policy = write_sync(pair.folder, {"crm": side("crm", creates=True), "desk": side("desk", creates=True)})
    for system, key in (("crm", "1"), ("desk", "7")):
        pair.tables.put(system, key, name="Ann", email="ann@x.org")
    pair.tables.put("crm", "2", name="Bob", email="bob@x.org")

    def around(table: str, kept: Kept) -> Kept:
        return Unread(kept) if table == "desk" else kept

    async with opened(sync_resources(pair.store, pair.tables, around=around)):
        for step in READS:
            await step.fn(pair.policy)
        await deliver_due.fn(1)
        await note_written.fn(pair.policy)
    assert pair.tables.sent == []
    with pair.store.transaction() as tx:
        tx.sources.put("tiny_sync/person/desk", "tiny_sync", "person in desk", SourceState(), datetime.now(UTC))
    await pair.run()
    assert (len(pair.tables.rows("crm")), len(pair.tables.rows("desk"))) == (2, 2), "Bob was made once all was read"


async def test_a_record_that_somebody_makes_while_ours_waits_to_be_sent_takes_its_place(pair):
    pair.policy = write_sync(pair.folder, CREATES)
    pair.tables.put("crm", "1", name="Ann", email="ann@x.org")
    await read_and_merge(pair)
    pair.tables.put("desk", "7", name="Ann", email="ann@x.org", town="Ulm")
    await pair.run()
    assert pair.tables.rows("desk").keys() == {"7"}
    assert pair.tables.row("crm")["town"] == "Ulm"
    pair.tables.edit("desk", "7", town="Bonn")
    await pair.run()
    assert pair.tables.row("crm")["town"] == "Bonn"


async def test_one_that_was_put_off_is_not_sent_either(pair):
    pair.policy = write_sync(pair.folder, CREATES)
    pair.tables.put("crm", "1", name="Ann", email="ann@x.org")
    pair.tables.before = lambda _operation: RetryAfter(detail="paused", seconds=0)
    await read_and_merge(pair)
    async with opened(sync_resources(pair.store, pair.tables)):
        await deliver_due.fn(0)
    pair.tables.put("desk", "7", name="Ann", email="ann@x.org")
    pair.tables.before = lambda _operation: None
    await pair.run()
    assert pair.tables.rows("desk").keys() == {"7"}


async def test_a_record_that_somebody_makes_after_ours_was_refused_takes_its_place(pair):
    pair.policy = write_sync(pair.folder, CREATES)
    pair.tables.put("crm", "1", name="Ann", email="ann@x.org")
    pair.tables.before = lambda _operation: Invalid(detail="no")
    await pair.run()
    pair.tables.before = lambda _operation: None
    pair.tables.put("desk", "7", name="Ann", email="ann@x.org", town="Ulm")
    await pair.run()
    assert (pair.tables.rows("desk").keys(), pair.tables.row("crm")["town"]) == ({"7"}, "Ulm")


async def test_a_record_whose_key_only_another_systems_record_has_is_asked_about_if_its_own_has_one(pair):
    at = {"crm": "email", "desk": "email"}
    fields = {"email": {"type": "email", "at": at}, "name": {"at": {"crm": "name", "desk": "name"}}}
    pair.policy = write_sync(pair.folder, person={"fields": fields})
    for system in ("crm", "desk"):
        pair.tables.put(system, "1", name="Ann", email="ann@x.org")
    await pair.run()
    pair.tables.edit("crm", "1", email="ann@a.org")
    pair.tables.edit("desk", "1", email="ann@b.org")
    await pair.run()
    pair.tables.put("crm", "2", name="Bob", email="ann@b.org")
    await pair.run()
    assert sorted(review.kind for review in pair.reviews()) == [ReviewKind.CONFLICT, ReviewKind.LINK]
    assert pair.tables.row("desk")["name"] == "Ann"
    pair.tables.edit("crm", "1", name="Anna")
    await pair.run()
    assert pair.tables.row("desk")["name"] == "Anna", "her own record is still heard"


async def test_none_is_made_where_a_record_of_the_same_key_is_left_out_until_it_is_not(pair):
    pair.policy = write_sync(
        pair.folder, {"crm": side("crm", creates=True, only='stage == "won"'), "desk": side("desk")}
    )
    pair.tables.put("crm", "1", name="Ann", email="ann@x.org", stage="lead")
    pair.tables.put("desk", "7", name="Ann", email="ANN@x.org")
    pair.tables.put("desk", "8", name="Bob", email="bob@x.org")
    await pair.run()
    assert sorted(row["email"] for row in pair.tables.rows("crm").values()) == ["ann@x.org", "bob@x.org"]
    pair.tables.edit("crm", "1", stage="won", town="Ulm")
    await pair.run()
    assert (len(pair.tables.rows("crm")), pair.tables.row("desk", "7")["town"]) == (2, "Ulm")


async def test_what_was_read_while_somebody_else_wrote_is_followed_nowhere(pair):
    pair.tables.put("crm", "1", name="Ann", email="ann@x.org")
    await pair.run()
    here = sync_resources(pair.store, pair.tables)
    crm = sides(here, here.workflow(pair.policy))[0]
    with pair.store.transaction() as tx:
        row = tx.candidates.record(crm.of, "crm", "1")
        merged_away = {"1": Record("2", {"name": "Ann"})}
        assert keep_read(tx, crm, [row], {row.seq: row.told - 1}, merged_away, datetime.now(UTC)) == 0
        assert (row.external_id, row.unread) == ("1", True)


async def test_a_row_that_somebody_else_made_under_our_key_is_not_overwritten(pair):
    pair.policy = write_sync(pair.folder, {"crm": side("crm"), "desk": side("desk", creates=True, key="{{ name }}")})
    pair.tables.put("crm", "1", name="K7", email="ann@x.org", town="Bonn")
    await read_and_merge(pair)
    pair.tables.put("desk", "K7", name="K7", email="bob@x.org", town="Ulm")
    async with opened(sync_resources(pair.store, pair.tables)):
        await deliver_due.fn(1)
        await note_written.fn(pair.policy)
    await pair.run()
    assert pair.tables.row("desk", "K7")["town"] == "Ulm"
    with pair.store.reading() as tx:
        (letter,) = tx.dead_letters.of(system="sql_table")
    assert letter.operation.record_key == "K7"
