"""What people do to records that are kept in step: put writes back, say what is the same, make two one."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from databases import sqlite_database
from kept_tables import COLUMNS, Pair, side, sync_resources, write_sync

from connectors.kept import Record
from connectors.store.crosswalk_rows import Of
from connectors.store.engine import Store
from domain.delivery import Invalid
from domain.review import Answer
from tasks.link_review import ask_about
from tasks.observe import keep_read, sides
from tasks.resources import opened
from tasks.review import escalate_late, form_of, settle_answer


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    store = Store(sqlite_database(tmp_path / "store.db"))
    yield Pair(tmp_path, store)
    store.close()


def entity(pair: Pair, key: str) -> str:
    with pair.store.reading() as tx:
        return tx.entities.find(key)[0]


def merge(pair: Pair, gone: str, into: str) -> None:
    with pair.store.transaction() as tx:
        tx.crosswalk.merge(gone, into, datetime.now(UTC))


def put_back(pair: Pair) -> int:
    with pair.store.transaction() as tx:
        return tx.dead_letters.put_back(tx.dead_letters.of(system="sql_table"), "Ann", datetime.now(UTC))


async def test_a_record_that_was_refused_and_is_put_back_is_made_of_what_is_agreed_on_by_then(pair):
    fields = {name: {"at": {"crm": name, "desk": name}} for name in COLUMNS}
    fields["email"] |= {"type": "email"}
    fields["town"] |= {"owner": "desk"}
    pair.policy = write_sync(
        pair.folder, {"crm": side("crm"), "desk": side("desk", creates=True)}, person={"fields": fields}
    )
    pair.tables.put("crm", "1", name="Ann", email="ann@x.org", town="Bonn")
    pair.tables.before = lambda _operation: Invalid(detail="no such town")
    await pair.run()
    pair.tables.before = lambda _operation: None
    pair.tables.edit("crm", "1", town="Köln")
    put_back(pair)
    await pair.run()
    (made,) = pair.tables.rows("desk").values()
    assert (made["town"], pair.tables.row("crm")["town"]) == ("Köln", "Köln")
    assert put_back(pair) == 0


async def test_a_write_that_was_refused_and_is_put_back_is_made_again_if_it_still_differs(pair):
    for system in ("crm", "desk"):
        pair.tables.put(system, "1", name="Ann", email="ann@x.org", town="Bonn")
    await pair.run()
    pair.tables.edit("crm", "1", town="Ulm")
    pair.tables.before = lambda _operation: Invalid(detail="no such town")
    await pair.run()
    pair.tables.before = lambda _operation: None
    assert put_back(pair) == 1
    await pair.run()
    assert pair.tables.row("desk")["town"] == "Ulm"
    assert pair.history("town")[-1] == ("Bonn", "Ulm", "one_edit"), "what was written is no edit of the desk's"


async def test_an_answer_that_names_what_has_become_another_means_that(tmp_path):
    store = Store(sqlite_database(tmp_path / "store.db"))
    trio = Pair(tmp_path, store, ("crm", "desk", "base"))
    trio.policy = write_sync(trio.folder, {"crm": side("crm"), "desk": side("desk"), "base": side("base")})
    trio.tables.put("crm", "1", name="Ann", email="ann@x.org")
    trio.tables.put("desk", "2", name="Ann", email="ann@y.org")
    await trio.run()
    trio.tables.edit("desk", "2", email="ann@x.org")
    await trio.run()
    trio.tables.put("base", "9", name="Ann", email="ann@x.org", town="Rom")
    await trio.run()
    (review,) = trio.reviews()
    merge(trio, entity(trio, "1"), into := entity(trio, "2"))
    here = sync_resources(store, trio.tables)
    with store.reading() as tx:
        form = form_of(here, tx, tx.reviews.get(review.review_id))
    assert form.choices.keys() == {into, "new"}
    assert form.choices[into] in ("the same as desk 2, crm 1", "the same as crm 1, desk 2")
    answer = Answer(choice=into, reviewer="a person", binding=form.binding)
    assert settle_answer(here, review.review_id, answer).by == "a person"
    await trio.run()
    assert [trio.tables.row("crm")["town"], trio.tables.row("desk", "2")["town"]] == ["Rom", "Rom"]
    store.close()


async def test_nothing_is_asked_any_more_of_what_turned_out_to_be_another(pair):
    for key, name, email in (("1", "Ann", "ann@x.org"), ("5", "Ann B", "b@x.org")):
        for system in ("crm", "desk"):
            pair.tables.put(system, key, name=name, email=email)
    await pair.run()
    pair.tables.edit("crm", "1", name="Anna")
    pair.tables.edit("desk", "1", name="Hanna")
    await pair.run()
    assert len(pair.reviews()) == 1
    merge(pair, entity(pair, "1"), entity(pair, "5"))
    account = await pair.run()
    assert (pair.reviews(), account.waiting) == ([], 0)


async def test_nobody_is_told_on_of_a_late_question_once_the_systems_agree(pair):
    for system in ("crm", "desk"):
        pair.tables.put(system, "1", name="Ann", email="ann@x.org")
    await pair.run()
    pair.tables.edit("crm", "1", name="Anna")
    pair.tables.edit("desk", "1", name="Hanna")
    await pair.run()
    pair.clock = lambda: datetime.now(UTC) + timedelta(days=3)
    async with opened(sync_resources(pair.store, pair.tables, pair.clock)):
        assert len(await escalate_late.fn(pair.policy)) == 1
    pair.tables.edit("desk", "1", name="Anna")
    await pair.run()
    with pair.store.reading() as tx:
        assert (tx.reviews.waiting("tiny_sync"), tx.escalations.waiting("tiny_sync")) == ([], [])


async def test_an_answer_that_comes_before_that_is_noticed_raises_nothing(pair):
    for key, name, email in (("1", "Ann", "ann@x.org"), ("5", "Ann B", "b@x.org")):
        for system in ("crm", "desk"):
            pair.tables.put(system, key, name=name, email=email)
    await pair.run()
    pair.tables.edit("crm", "1", name="Anna")
    pair.tables.edit("desk", "1", name="Hanna")
    await pair.run()
    merge(pair, entity(pair, "1"), entity(pair, "5"))
    _, settled = pair.answer("crm")
    assert settled.by == "a person"
    account = await pair.run()
    assert account.waiting == 0


async def test_a_second_record_takes_the_place_once_the_first_is_deleted(pair):
    for system in ("crm", "desk"):
        pair.tables.put(system, "1", name="Ann", email="ann@x.org")
    await pair.run()
    pair.tables.put("crm", "2", name="Ann", email="ann@x.org")
    await pair.run()
    pair.answer(entity(pair, "1"))
    pair.tables.delete("crm", "1")
    pair.tables.note("crm", "1", pair.store)
    await pair.run()
    pair.tables.edit("crm", "2", town="Ulm")
    await pair.run()
    assert pair.tables.row("desk")["town"] == "Ulm"


async def test_a_record_that_is_restored_is_looked_at_again(pair):
    pair.policy = write_sync(
        pair.folder, {"crm": side("crm"), "desk": side("desk", creates=True)}, person={"when_gone": "make_again"}
    )
    for system in ("crm", "desk"):
        pair.tables.put(system, "1", name="Ann", email="ann@x.org")
    await pair.run()
    pair.tables.delete("desk", "1")
    pair.tables.note("desk", "1", pair.store)
    await pair.run()
    pair.tables.put("desk", "1", name="Ann", email="ann@x.org")
    await pair.run()
    (review,) = pair.reviews()
    assert "another record of the one" in review.question["why"]


async def test_two_are_not_made_one_while_a_write_to_either_is_under_way(pair):
    for key, email in (("1", "ann@x.org"), ("2", "ann@y.org")):
        for system in ("crm", "desk"):
            pair.tables.put(system, key, name="Ann", email=email)
    await pair.run()
    first, second = entity(pair, "1"), entity(pair, "2")
    here = sync_resources(pair.store, pair.tables)
    with pair.store.transaction() as tx:
        due, workflow = tx.crosswalk.get(first), here.workflow(pair.policy)
        of = Of(due.row.policy, due.row.object)
        ask_about(tx, workflow, of, due.records["crm"], [second], "", datetime.now(UTC))
        tx.crosswalk.sending(due, "desk", "op-1", {"name": "Anna"})
    _, settled = pair.answer(second)
    assert "under way" in settled.notice
    with pair.store.transaction() as tx:
        tx.crosswalk.not_written(tx.crosswalk.get(first).records["desk"], {}, {})
    _, settled = pair.answer(second)
    assert settled.by == "a person"
    with pair.store.reading() as tx:
        assert tx.crosswalk.still(first) == second


async def test_a_person_is_asked_about_a_second_record_that_a_vendors_merge_leaves(pair):
    for key, email in (("1", "ann@x.org"), ("2", "ann@y.org")):
        for system in ("crm", "desk"):
            pair.tables.put(system, key, name="Ann", email=email)
    await pair.run()
    into = entity(pair, "2")
    here = sync_resources(pair.store, pair.tables)
    crm = sides(here, here.workflow(pair.policy))[0]
    with pair.store.transaction() as tx:
        row = tx.candidates.record(crm.of, "crm", "1")
        keep_read(tx, crm, [row], {row.seq: row.told}, {"1": Record("2", {"name": "Ann"})}, datetime.now(UTC))
    (review,) = pair.reviews()
    assert review.question["entities"] == [into]
    _, settled = pair.answer("new")
    assert settled.by == "a person"
    pair.tables.edit("desk", "1", town="Ulm")
    await pair.run()
    assert pair.tables.row("desk", "2")["town"] is None
