"""Passes through whole systems, and what is found astray among records, on every database."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.store.crosswalk_rows import Of, Shown
from connectors.store.crosswalk_tables import RecordRow
from connectors.store.engine import Transaction
from connectors.store.passes import EXAMPLES
from domain.consistency import Found, Tally
from domain.linking import Apart

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
PEOPLE = Of("tiny_sync", "person")


def show(tx: Transaction, system: str, external_id: str, **now: str) -> RecordRow:
    """A system shows a record for the first time; it may be found by its e-mail address."""
    tx.crosswalk.note(PEOPLE, system, [external_id])
    row = tx.passes.records(PEOPLE, system, [external_id])[external_id]
    keys = frozenset({f"email={now['email']}"}) if "email" in now else frozenset[str]()
    tx.crosswalk.shown(row, row.told, Shown(now=now, keys=keys))
    return row


def figures(desk: Any, run: str) -> Mapping[str, Tally]:
    with desk.store.reading() as tx:
        return {row.field: one for row, one in tx.passes.figures(PEOPLE.policy, [run])}


def test_what_is_found_adds_up_over_the_parts_of_a_pass(desk: Any) -> None:
    for part in range(3):
        with desk.store.transaction() as tx:
            tx.passes.begin(PEOPLE, "crm", "rc-1", NOON)
            place = tx.passes.going_on(PEOPLE, "crm")
            assert place is not None
            found = [("name", f"{part}-{number}", Found.MISSED) for number in range(3)]
            tx.passes.found(place, [*found, ("town", "1", Found.EQUAL)])
    assert figures(desk, "rc-1") == {"name": Tally(compared=9, missed=9), "town": Tally(compared=3, equal=3)}
    with desk.store.reading() as tx:
        named = [row.examples for row, _ in tx.passes.figures(PEOPLE.policy, ["rc-1"]) if row.field == "name"]
    assert [len(one["missed"]) for one in named] == [EXAMPLES]


def test_a_pass_of_a_reconciliation_is_had_once(desk: Any) -> None:
    with desk.store.transaction() as tx:
        tx.passes.begin(PEOPLE, "crm", "rc-1", NOON)
        tx.passes.begin(PEOPLE, "desk", "rc-1", NOON)
        place = tx.passes.going_on(PEOPLE, "crm")
        assert place is not None
        place.ended_at = NOON
    with desk.store.transaction() as tx:
        tx.passes.begin(PEOPLE, "crm", "rc-1", NOON)
        assert tx.passes.going_on(PEOPLE, "crm") is None
        assert tx.passes.unfinished(PEOPLE.policy, NOON - timedelta(hours=1)) == "rc-1"
        assert tx.passes.unfinished(PEOPLE.policy, NOON) is None
        assert [one.run for one in tx.passes.ended(PEOPLE, "crm", 5)] == ["rc-1"]


def test_what_should_be_there_and_was_not_seen_is_named(desk: Any) -> None:
    with desk.store.transaction() as tx:
        tx.passes.begin(PEOPLE, "crm", "rc-1", NOON)
        show(tx, "crm", "1", name="Ann").seen = "rc-1"
        show(tx, "crm", "2", name="Bob")
        show(tx, "crm", "3", name="Cid").gone = True
        place = tx.passes.going_on(PEOPLE, "crm")
        assert place is not None
        assert [row.external_id for row in tx.passes.unseen(place, 10)] == ["2"]


def test_records_that_share_a_key_and_are_of_different_things_are_paired(desk: Any) -> None:
    with desk.store.transaction() as tx:
        first = show(tx, "crm", "1", email="ann@x.org")
        second = show(tx, "desk", "7", email="ann@x.org")
        other = show(tx, "crm", "2", email="bob@x.org")
        for row in (first, second, other):
            tx.crosswalk.begin(PEOPLE, row, NOON)
        assert [(one.seq, two.seq) for one, two in tx.strays.alike(PEOPLE, 10)] == [(first.seq, second.seq)]
        assert [row.seq for row in tx.places.alike(PEOPLE, ["email=ann@x.org"], first.seq or 0)] == [second.seq]
        assert tx.strays.told_apart(PEOPLE.policy, "new") == set()
        assert tx.strays.alike(PEOPLE, 10, (first.seq or 0, second.seq or 0)) == []
        assert tx.strays.alike(PEOPLE, 10, but="email=") == [], "by these keys they are not compared"


def test_what_has_no_record_in_a_system_is_named_with_what_became_of_it(desk: Any) -> None:
    with desk.store.transaction() as tx:
        ann, bob, cid = (show(tx, "crm", name, name=name) for name in ("ann", "bob", "cid"))
        entities = {row.external_id: tx.crosswalk.begin(PEOPLE, row, NOON) for row in (ann, bob, cid)}
        deleted = show(tx, "desk", "7", name="bob")
        tx.crosswalk.link(deleted, entities["bob"], NOON)
        tx.crosswalk.shown(deleted, deleted.told, None)
        tx.crosswalk.link(show(tx, "desk", "8", name="cid"), entities["cid"], NOON)
        lacking = tx.strays.lacking(PEOPLE, "desk", 1)
        while rest := tx.strays.lacking(PEOPLE, "desk", 1, lacking[-1][0].entity_id):
            lacking += rest
    assert {(row.entity_id, own and own.external_id) for row, own in lacking} == {
        (entities["ann"], None),
        (entities["bob"], "7"),
    }


def test_what_is_apart_and_what_was_refused_is_named(desk: Any) -> None:
    with desk.store.transaction() as tx:
        show(tx, "crm", "1", name="Ann").apart = Apart.SECOND
        show(tx, "crm", "2", name="Bob").refused = {"town": "Ulm"}
    with desk.store.reading() as tx:
        assert [row.external_id for row in tx.strays.apart(PEOPLE, Apart.SECOND, 10)] == ["1"]
        assert [row.external_id for row in tx.strays.refused(PEOPLE, 10)] == ["2"]
