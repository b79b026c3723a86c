"""What happened to one workflow's items in a stretch of time."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, event, text

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


def test_both_are_found_by_an_index_and_not_by_reading_all_of_it(desk, raw: Engine) -> None:
    for number in range(200):
        desk.accept(f"other-{number}", policy="support_triage")
    asked: list[tuple[str, Any]] = []
    with desk.store.reading() as tx:
        connection = tx.session.connection()
        event.listen(connection, "before_cursor_execute", lambda *given: asked.append(given[2:4]))
        list(tx.traffic.entries(POLICY, NOON))
        tx.traffic.sources(POLICY, NOON)
    explain = "EXPLAIN QUERY PLAN" if raw.dialect.name == "sqlite" else "EXPLAIN"
    with raw.connect() as connection:
        if raw.dialect.name == "postgresql":
            connection.execute(text("ANALYZE"))
            connection.execute(text("SET enable_seqscan = off"))  # of a few rows it would always read all
        plans = [
            " ".join(str(row) for row in connection.exec_driver_sql(f"{explain} {sql}", given)) for sql, given in asked
        ]
    assert [name in plan for name, plan in zip(("ix_ledger_at", "journeys_of_policy"), plans, strict=True)] == [
        True
    ] * 2


def test_entries_come_the_oldest_first(desk) -> None:
    for number in range(5):
        desk.accept(f"m-{number}")
        desk.later(minutes=-(number % 2))  # some at the same moment, and some by a clock that was set back
    with desk.store.reading() as tx:
        found = [(entry.at, entry.seq) for entry, _ in tx.traffic.entries(POLICY, NOON - timedelta(hours=1))]
    assert found == sorted(found)
    assert [seq for _, seq in found] != sorted(seq for _, seq in found)
    assert len(found) == 5
