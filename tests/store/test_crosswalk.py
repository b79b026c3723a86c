"""The crosswalk keeps what was read unless a write began meanwhile, and follows records where vendors move them."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from databases import sqlite_database
from sqlalchemy import event, insert

from connectors.store.crosswalk_rows import Due, Of, Shown
from connectors.store.crosswalk_tables import EntityRow, RecordRow
from connectors.store.engine import Store, Transaction
from domain.entity import Entity, Standing
from domain.linking import Apart

OF = Of("people", "person")
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def known(tx: Transaction, system: str, external_id: str, **now: str) -> RecordRow:
    """A record that was read."""
    tx.crosswalk.note(OF, system, [external_id])
    (row,) = [row for row in tx.crosswalk.unread(OF, system, 100) if row.external_id == external_id]
    tx.crosswalk.shown(row, row.told, Shown(now or {"name": "Ann"}, keys=frozenset({f"name={now.get('name', 'Ann')}"})))
    return row


def entity(tx: Transaction, *records: RecordRow) -> str:
    """An entity with these records."""
    first, *more = records
    entity_id = tx.crosswalk.begin(OF, first, NOON)
    for record in more:
        tx.crosswalk.link(record, entity_id, NOON)
    return entity_id


def due(tx: Transaction) -> Due:
    (one,) = tx.crosswalk.due(OF, 10)
    return one


def test_a_record_is_read_once_until_it_changes_again(store: Store) -> None:
    with store.transaction() as tx:
        known(tx, "crm", "1")
        assert tx.crosswalk.unread(OF, "crm", 10) == []
        tx.crosswalk.note(OF, "crm", ["1", "2", "2"])
        assert [row.external_id for row in tx.crosswalk.unread(OF, "crm", 10)] == ["1", "2"]


def test_a_change_that_comes_while_a_record_is_read_has_it_read_again(store: Store) -> None:
    with store.transaction() as tx:
        row = known(tx, "crm", "1")
        told = row.told
        tx.crosswalk.note(OF, "crm", ["1"])
        tx.session.refresh(row)
        tx.crosswalk.shown(row, told, Shown({"name": "Anna"}))
        assert [one.external_id for one in tx.crosswalk.unread(OF, "crm", 10)] == ["1"]


def test_what_was_read_while_a_write_began_is_thrown_away(store: Store) -> None:
    with store.transaction() as tx:
        row = known(tx, "crm", "1")
        entity(tx, row)
        tx.crosswalk.sending(due(tx), "crm", "op-1", {"name": "Anna"})
        assert tx.crosswalk.shown(row, row.told, Shown({"name": "before the write"})) is False
        assert row.now == {"name": "Ann"}


def test_only_what_is_new_makes_an_entity_due(store: Store) -> None:
    with store.transaction() as tx:
        row = known(tx, "crm", "1")
        entity(tx, row)
        tx.crosswalk.keep(due(tx), Entity(fields={"name": Standing(agreed="Ann")}), [], NOON)
        assert tx.crosswalk.shown(row, row.told, Shown({"name": "Ann"})) is False
        assert tx.crosswalk.due(OF, 10) == []
        assert tx.crosswalk.shown(row, row.told, Shown({"name": "Anna"})) is True
        assert due(tx).entity.records["crm"].now == {"name": "Anna"}


def test_a_record_that_was_merged_away_is_followed_to_one_that_nobody_knew(store: Store) -> None:
    with store.transaction() as tx:
        row = known(tx, "crm", "1")
        entity_id = entity(tx, row, known(tx, "desk", "9"))
        tx.crosswalk.renamed(row, "2", NOON)
        assert tx.crosswalk.get(entity_id).records["crm"].external_id == "2"


def test_two_entities_whose_records_a_vendor_has_merged_are_one(store: Store) -> None:
    with store.transaction() as tx:
        gone, survivor = known(tx, "crm", "1"), known(tx, "crm", "2")
        first, second = entity(tx, gone, known(tx, "desk", "9")), entity(tx, survivor)
        tx.crosswalk.renamed(gone, "2", NOON)
        tx.session.flush()
        one = tx.crosswalk.get(second)
        assert {system: record.external_id for system, record in one.records.items()} == {"crm": "2", "desk": "9"}
        assert one.records["desk"].base == {}, "whatever it holds is news"
        assert tx.crosswalk.get(first).row.merged_into == second
        assert (gone.gone, gone.apart) == (True, Apart.MERGED)


def test_where_that_leaves_a_system_with_two_records_the_second_stays_apart(store: Store) -> None:
    with store.transaction() as tx:
        gone, survivor = known(tx, "crm", "1"), known(tx, "crm", "2")
        second = known(tx, "desk", "9")
        entity(tx, gone, second)
        into = entity(tx, survivor, known(tx, "desk", "8"))
        tx.crosswalk.renamed(gone, "2", NOON)
        tx.session.flush()
        assert tx.crosswalk.get(into).records["desk"].external_id == "8"
        assert (second.entity_id, second.apart) == (None, Apart.SECOND)


def test_a_survivor_of_which_nothing_was_known_takes_the_place(store: Store) -> None:
    with store.transaction() as tx:
        gone, survivor = known(tx, "crm", "1"), known(tx, "crm", "2")
        entity_id = entity(tx, gone)
        tx.crosswalk.renamed(gone, "2", NOON)
        assert survivor.entity_id == entity_id


@pytest.mark.parametrize("done", [True, False], ids=["the write is done", "nobody said so yet"])
def test_a_record_that_a_write_of_ours_made_is_no_stranger(store: Store, done: bool) -> None:
    with store.transaction() as tx:
        entity_id = entity(tx, known(tx, "crm", "1"))
        tx.crosswalk.sending(due(tx), "desk", "op-1", {"name": "Ann"})
        tx.session.flush()
        made = tx.crosswalk.get(entity_id).records["desk"]
        if done:
            tx.crosswalk.written(made, "77", {"name": "Ann"}, {}, NOON)
        tx.crosswalk.note(OF, "desk", ["77"])
        if not done:
            stranger = tx.crosswalk.unread(OF, "desk", 10)[0]
            assert tx.crosswalk.came_back(stranger, entity_id, NOON) is True
            tx.session.flush()
            tx.crosswalk.written(made, "77", {"name": "Ann"}, {}, NOON)
        tx.session.flush()
        assert [row.external_id for row in tx.crosswalk.unread(OF, "desk", 10)] == ["77"]
        assert tx.crosswalk.get(entity_id).records["desk"].external_id == "77"


def test_a_copy_of_a_record_is_a_record_of_its_own(store: Store) -> None:
    with store.transaction() as tx:
        entity_id = entity(tx, known(tx, "desk", "1"))
        copy = known(tx, "desk", "2")
        assert tx.crosswalk.came_back(copy, entity_id, NOON) is False


def test_a_record_is_found_by_any_key(store: Store) -> None:
    with store.transaction() as tx:
        row, other = known(tx, "crm", "1", name="ann"), known(tx, "desk", "9", name="ann")
        entity(tx, row)
        assert tx.places.alike(OF, ["name=ann"], other.seq or 0) == [row]
        assert tx.places.alike(OF, [], other.seq or 0) == []
        assert tx.entities.find("ann") == tx.entities.find("1") == [row.entity_id]


def test_a_new_record_that_came_to_nothing_is_forgotten(store: Store) -> None:
    with store.transaction() as tx:
        entity_id = entity(tx, known(tx, "crm", "1"))
        tx.crosswalk.sending(due(tx), "desk", "op-1", {"name": "Ann"})
        tx.session.flush()
        tx.crosswalk.not_written(tx.crosswalk.get(entity_id).records["desk"], {}, {})
        tx.session.flush()
        assert tx.crosswalk.get(entity_id).records.keys() == {"crm"}


def test_an_unknown_entity_is_said_to_be_none(store: Store) -> None:
    with store.reading() as tx, pytest.raises(LookupError, match="no entity en-0"):
        tx.crosswalk.get("en-0")


def test_more_entities_are_due_than_a_query_has_parameters(store: Store) -> None:
    many = 70_000
    rows = [
        EntityRow(entity_id=f"en-{number:06}", policy=OF.policy, object=OF.object, fields={}, made_at=NOON).model_dump()
        for number in range(many)
    ]
    with store.transaction() as tx:
        for begin in range(0, many, 5_000):
            tx.session.execute(insert(EntityRow), rows[begin : begin + 5_000])
        assert len(tx.crosswalk.due(OF, 100_000)) == many


def test_the_first_that_are_due_are_found_in_the_order_of_an_index(tmp_path: Path) -> None:
    asked: list[str] = []
    store = Store(sqlite_database(tmp_path / "store.db"))
    with store.transaction() as tx:
        connection = tx.session.connection()
        event.listen(connection, "before_cursor_execute", lambda *told: asked.append(told[2]))
        tx.crosswalk.due(OF, 200)
        (query,) = [one for one in asked if "FROM entities" in one]
        steps = connection.exec_driver_sql(f"explain query plan {query}", (OF.policy, OF.object, "", 200, 0)).all()
    store.close()
    assert [step[3] for step in steps] == [
        "SEARCH entities USING INDEX entities_due (policy=? AND object=? AND entity_id>?)"
    ]


def test_entities_are_not_made_one_while_a_write_to_either_is_under_way(store: Store) -> None:
    with store.transaction() as tx:
        gone, survivor, desk = known(tx, "crm", "1"), known(tx, "crm", "2"), known(tx, "desk", "9")
        first, second = entity(tx, gone, desk), entity(tx, survivor)
        tx.crosswalk.sending(tx.crosswalk.get(first), "desk", "op-1", {"name": "Anna"})
        gone.unread = True
        tx.session.flush()
        assert tx.crosswalk.renamed(gone, "2", NOON) is None
        assert [row.external_id for row in tx.crosswalk.unread(OF, "crm", 10)] == ["1"]
        tx.crosswalk.written(desk, "9", {"name": "Anna"}, {}, NOON)
        assert tx.crosswalk.renamed(gone, "2", NOON) == []
        assert tx.crosswalk.still(first) == second


def test_a_second_record_that_carries_our_write_stays_apart(store: Store) -> None:
    with store.transaction() as tx:
        second = known(tx, "desk", "9")
        first, into = entity(tx, known(tx, "crm", "1"), second), entity(tx, known(tx, "desk", "8"))
        tx.crosswalk.merge(first, into, NOON)
        tx.session.flush()
        assert tx.crosswalk.came_back(second, first, NOON) is False
        assert (second.entity_id, second.apart) == (None, Apart.SECOND)


def test_a_record_that_our_write_made_comes_back_to_what_its_entity_has_become(store: Store) -> None:
    with store.transaction() as tx:
        first, into = entity(tx, known(tx, "crm", "1")), entity(tx, known(tx, "base", "8"))
        made = known(tx, "desk", "9")
        tx.crosswalk.merge(first, into, NOON)
        tx.session.flush()
        assert tx.crosswalk.came_back(made, first, NOON) is True
        assert made.entity_id == into


def test_a_write_that_went_to_a_record_that_was_asked_about_takes_it_in(store: Store) -> None:
    with store.transaction() as tx:
        entity_id = entity(tx, known(tx, "crm", "1"))
        there = known(tx, "desk", "K7", name="Ann", town="Ulm")
        there.apart = Apart.ASKED
        tx.crosswalk.sending(due(tx), "desk", "op-1", {"name": "Ann"})
        tx.session.flush()
        tx.crosswalk.written(tx.crosswalk.get(entity_id).records["desk"], "K7", {"name": "Ann"}, {}, NOON)
        tx.session.flush()
        held = tx.crosswalk.get(entity_id).entity.records["desk"]
        assert (held.external_id, held.base) == ("K7", {"name": "Ann"})
        assert held.now["town"] == "Ulm", "what it held beside is heard as an edit"


def test_a_write_that_went_to_a_record_of_another_entity_makes_the_two_one(store: Store) -> None:
    with store.transaction() as tx:
        first, other = entity(tx, known(tx, "crm", "1")), entity(tx, known(tx, "desk", "K7"))
        tx.crosswalk.sending(tx.crosswalk.get(first), "desk", "op-1", {"name": "Ann"})
        tx.session.flush()
        tx.crosswalk.written(tx.crosswalk.get(first).records["desk"], "K7", {"name": "Ann"}, {}, NOON)
        tx.session.flush()
        records = tx.crosswalk.get(other).records
        assert {system: record.external_id for system, record in records.items()} == {"crm": "1", "desk": "K7"}
        assert tx.crosswalk.still(first) == other


def test_a_record_that_is_there_stands_for_its_entity_before_one_that_was_deleted(store: Store) -> None:
    with store.transaction() as tx:
        live, gone = known(tx, "crm", "1"), known(tx, "crm", "2")
        gone.gone = True
        entity_id = entity(tx, live, gone)
        tx.session.flush()
        assert tx.crosswalk.get(entity_id).records["crm"].external_id == "1"


def test_a_record_that_is_still_to_be_made_keeps_none_that_is_there_from_being_of_its_entity(store: Store) -> None:
    with store.transaction() as tx:
        crm = known(tx, "crm", "1")
        one = entity(tx, crm)
        tx.crosswalk.sending(due(tx), "desk", "op-1", {"name": "Ann"})
        tx.session.flush()
        assert [found.entity for found in tx.candidates.sharing(OF, "desk", ["name=Ann"])] == [one]


def test_an_entity_whose_record_turned_out_to_be_a_busy_ones_is_looked_at_again(store: Store) -> None:
    with store.transaction() as tx:
        one, other = entity(tx, known(tx, "crm", "1")), entity(tx, known(tx, "desk", "2"))
        first, second = (tx.crosswalk.get(name) for name in (one, other))
        tx.crosswalk.sending(first, "desk", "op-1", {"name": "Ann"})
        tx.crosswalk.sending(second, "desk", "op-2", {"name": "Anna"})
        tx.session.flush()
        for name in (first, second):
            tx.crosswalk.keep(name, name.entity, [], NOON)
        made = tx.crosswalk.get(one).records["desk"]
        tx.session.flush()
        tx.crosswalk.written(made, "2", {"name": "Ann"}, {}, NOON)
        assert [found.row.entity_id for found in tx.crosswalk.due(OF, 10)] == [one]
