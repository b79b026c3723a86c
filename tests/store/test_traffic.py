"""What happened to one workflow's items in a stretch of time."""

from datetime import UTC, datetime, timedelta

from domain.delivery import Written
from domain.ledger import Event

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
POLICY = "lead_routing"


def test_the_entries_of_a_workflow_and_a_time_are_told_and_no_others(desk) -> None:
    old, _ = desk.accept("m-1")
    begun = desk.later(hours=1)
    mine, _ = desk.accept("m-2")
    desk.accept("m-3", policy="support_triage")
    desk.claim()
    desk.decide_and_queue(mine)
    desk.due()
    desk.settle(Written(kind="created", external_id="r1"))
    with desk.store.reading() as tx:
        found = list(tx.traffic.entries(POLICY, begun))
        ever = list(tx.traffic.entries(POLICY, NOON))
    assert [entry.event for entry, _ in found] == [Event.ACCEPTED, Event.DECIDED, Event.QUEUED, Event.ATTEMPTED]
    assert {entry.item_id for entry, _ in found} == {mine}
    assert {kind for _, kind in found} == {""}
    assert {entry.item_id for entry, _ in ever} == {old, mine}


def test_items_are_counted_by_their_source_and_duplicates_are_not(desk) -> None:
    desk.accept("m-1")
    desk.accept("m-1")
    desk.accept(desk.item("m-2", source="webhook"))
    desk.accept("m-3", policy="support_triage")
    with desk.store.reading() as tx:
        assert tx.traffic.sources(POLICY, NOON) == {"mail": 1, "webhook": 1}
        assert tx.traffic.sources(POLICY, NOON + timedelta(days=1)) == {}
