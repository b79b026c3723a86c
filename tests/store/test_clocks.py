"""Clocks follow the ledger, ring once, and are counted; on every database."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, text

from connectors.store.clocks import Alarm
from domain.decision import Kind, Reason
from domain.delivery import Written
from domain.ledger import Event
from domain.review import Answer
from domain.sla import Clock, ClockName, Compliance, State

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
POLICY = "lead_routing"
MINUTE = timedelta(minutes=1)
DECISION = Clock(name=ClockName.FIRST_DECISION, within=15 * MINUTE, warn_at=0.8)
DELIVERED = Clock(name=ClockName.DELIVERED, within=60 * MINUTE)
ANSWERED = Clock(name=ClockName.REVIEW_ANSWERED, within=30 * MINUTE, warn_at=0.5)
CLOCKS = (DECISION, DELIVERED, ANSWERED)


def follow(desk, *clocks: Clock, count: int = 1000, policy: str = POLICY) -> int:
    """Follow the ledger to its end; gives the transactions that it took."""
    turns = 0
    while True:
        with desk.store.transaction() as tx:
            if not tx.clocks.follow(policy, clocks or CLOCKS, count, desk.now):
                return turns
        turns += 1


def ring(desk, *clocks: Clock, count: int = 100, policy: str = POLICY) -> list[Alarm]:
    """All that rings now."""
    rung: list[Alarm] = []
    while True:
        with desk.store.transaction() as tx:
            more = tx.clocks.ring(policy, clocks or CLOCKS, count, desk.now)
        if more is None:
            return rung
        rung += more


def watch(desk, *clocks: Clock) -> list[tuple[str, str, str]]:
    """Follow and ring, as the watch does; gives item, clock and state."""
    follow(desk, *clocks)
    return [(alarm.item_id, alarm.reading.clock.value, alarm.reading.state.value) for alarm in ring(desk, *clocks)]


def figures(desk, since: datetime = NOON - MINUTE, until: datetime | None = None) -> dict[str, Compliance]:
    with desk.store.reading() as tx:
        return {one.clock.value: one for one in tx.clocks.compliance(POLICY, since, until or desk.now)}


def asked(desk, item_id: str) -> bool:
    with desk.store.transaction() as tx:
        return tx.customers.asked(item_id, "the order number", "Ada", desk.now)


def told(desk, item_id: str) -> bool:
    with desk.store.transaction() as tx:
        return tx.customers.answered(item_id, "Ada", desk.now)


def deliver(desk) -> None:
    desk.due()
    desk.settle(Written(kind="created", external_id="r-1"))


def test_an_item_that_nobody_decides_is_warned_of_and_then_late_once_each(desk) -> None:
    item, _ = desk.accept()
    rung = {}
    for minute in (0, 11, 12, 13, 15, 16, 17, 59):
        desk.now = NOON + minute * MINUTE
        rung[minute] = watch(desk)

    assert {minute: what for minute, what in rung.items() if what} == {
        12: [(item, "first_decision", "warned")],
        16: [(item, "first_decision", "breached")],
    }
    assert desk.events(item) == ["accepted", "sla_warned", "sla_breached"]
    assert desk.broken_at() is None


def test_the_ledger_keeps_what_was_late_and_when_it_was_due(desk) -> None:
    item, _ = desk.accept()
    desk.later(minutes=20)
    watch(desk)

    (late,) = [entry.facts for entry in desk.entries(item) if entry.event is Event.SLA_BREACHED]
    assert late == {"clock": "first_decision", "due_at": "2026-03-01T12:15+00:00", "ended_at": None}


def test_what_was_done_in_time_never_rings(desk) -> None:
    item, _ = desk.accept()
    desk.later(minutes=5)
    desk.decide_and_queue(item)
    deliver(desk)
    desk.later(days=3)

    assert watch(desk) == []
    assert figures(desk)["delivered"] == Compliance(clock=ClockName.DELIVERED, met=1)


def test_what_was_late_and_done_between_two_watches_is_late_all_the_same(desk) -> None:
    item, _ = desk.accept()
    watch(desk)
    desk.later(minutes=20)
    desk.decide_and_queue(item)
    deliver(desk)
    desk.later(days=1)

    assert watch(desk) == [(item, "first_decision", "breached")]
    assert figures(desk)["first_decision"] == Compliance(clock=ClockName.FIRST_DECISION, breached=1)


def test_what_ends_after_the_ledger_was_followed_and_before_it_rings_does_not_ring(desk) -> None:
    item, _ = desk.accept()
    follow(desk)
    desk.later(minutes=14)
    desk.decide_and_queue(item)
    desk.later(minutes=10)

    assert ring(desk) == []


def test_what_was_warned_of_is_not_warned_of_again_after_a_pause(desk) -> None:
    item, _ = desk.accept()
    desk.later(minutes=13)
    assert watch(desk) == [(item, "first_decision", "warned")]
    asked(desk, item)
    desk.later(days=2)
    assert watch(desk) == []
    told(desk, item)
    desk.later(minutes=1)

    assert watch(desk) == []
    desk.later(minutes=2)
    assert watch(desk) == [(item, "first_decision", "breached")]


def test_a_clock_stands_still_while_the_customer_owes_an_answer(desk) -> None:
    item, _ = desk.accept()
    desk.later(minutes=5)
    assert asked(desk, item)
    watch(desk)
    desk.later(days=1)

    assert watch(desk) == []
    assert figures(desk)["delivered"] == Compliance(clock=ClockName.DELIVERED, paused=1)


def test_a_question_while_an_answer_is_owed_and_an_answer_to_none_change_nothing(desk) -> None:
    item, _ = desk.accept()

    assert [told(desk, item), asked(desk, item), asked(desk, item), told(desk, item), told(desk, item)] == [
        False, True, False, True, False,
    ]  # fmt: skip
    assert desk.events(item) == ["accepted", "customer_asked", "customer_answered"]


def test_a_review_has_a_clock_of_its_own(desk) -> None:
    item, _ = desk.accept()
    desk.wait_for_person(item, NOON + timedelta(hours=4))
    desk.later(minutes=15)
    assert watch(desk) == [(item, "review_answered", "warned")]
    desk.later(minutes=10)
    with desk.store.transaction() as tx:
        tx.inbox.replace_decision(item, desk.decision(Kind.HUMAN, Reason.DISMISSED, by="Ada"), 0, desk.now)
        tx.reviews.answered(item, Answer(choice="none_of_these", reviewer="Ada", binding="any"), desk.now)
    watch(desk)

    assert figures(desk) == {
        "first_decision": Compliance(clock=ClockName.FIRST_DECISION, met=1),
        "delivered": Compliance(clock=ClockName.DELIVERED, unscored=1),
        "review_answered": Compliance(clock=ClockName.REVIEW_ANSWERED, met=1),
    }


def test_an_items_clocks_can_ring_together(desk) -> None:
    item, _ = desk.accept()
    desk.later(hours=2)

    assert sorted(watch(desk)) == [(item, "delivered", "breached"), (item, "first_decision", "breached")]


def test_many_ring_a_few_in_a_transaction(desk) -> None:
    items = [desk.accept(f"m-{number}")[0] for number in range(7)]
    follow(desk, DECISION, count=2)
    desk.later(hours=1)

    assert sorted(alarm.item_id for alarm in ring(desk, DECISION, count=2)) == sorted(items)


def test_the_ledger_is_followed_from_where_it_was_left(desk) -> None:
    for number in range(5):
        desk.accept(f"m-{number}")

    assert follow(desk, count=2) == 3
    assert follow(desk, count=2) == 0
    desk.accept("m-5")
    assert follow(desk, count=2) == 1


def test_each_policy_follows_its_own_items(desk) -> None:
    ours, theirs = desk.accept("m-1")[0], desk.accept("m-2", "support_triage")[0]
    desk.later(minutes=20)
    follow(desk)
    follow(desk, DECISION, policy="support_triage")

    assert {alarm.item_id for alarm in ring(desk)} == {ours}
    assert {alarm.item_id for alarm in ring(desk, DECISION, policy="support_triage")} == {theirs}


def test_duplicates_have_no_clocks_of_their_own(desk) -> None:
    desk.accept(desk.item("m-1", "the same words"))
    desk.accept(desk.item("m-2", "the same words"))
    follow(desk)

    assert figures(desk)["first_decision"].running == 1


def test_a_clock_that_the_policy_no_longer_has_never_rings_again(desk) -> None:
    item, _ = desk.accept()
    follow(desk)
    desk.later(hours=2)

    assert [alarm.reading.clock for alarm in ring(desk, DELIVERED)] == [ClockName.DELIVERED]
    assert ring(desk) == []
    assert item


def test_a_promise_holds_for_what_comes_in_after_it_was_made(desk) -> None:
    desk.accept("m-1")
    with desk.store.transaction() as tx:
        assert tx.clocks.follow(POLICY, (), 1, desk.now)
        assert not tx.clocks.follow(POLICY, (), 1, desk.now)
    later, _ = desk.accept("m-2")
    desk.later(hours=1)

    assert watch(desk, DECISION) == [(later, "first_decision", "breached")]


def test_where_no_promise_is_left_nothing_rings(desk) -> None:
    desk.accept()
    follow(desk)
    desk.later(hours=2)
    with desk.store.transaction() as tx:
        assert tx.clocks.ring(POLICY, (), 10, desk.now) == []
        assert tx.clocks.ring(POLICY, (), 10, desk.now) is None


def test_more_time_in_the_policy_holds_for_what_waits(desk) -> None:
    desk.accept()
    follow(desk, DECISION)
    desk.later(minutes=20)

    assert ring(desk, DECISION.model_copy(update={"within": timedelta(hours=1)})) == []
    assert figures(desk)["first_decision"].running == 1


def test_what_a_machine_wrote_whose_clock_is_ahead_has_happened(desk) -> None:
    desk.later(minutes=1)
    item, _ = desk.accept()
    desk.now = NOON
    follow(desk)
    desk.later(minutes=20)

    assert [alarm.item_id for alarm in ring(desk)] == [item]


@pytest.mark.parametrize(
    ("since", "until", "met", "breached"),
    [(-60, 60, 1, 1), (0, 4, 0, 0), (0, 5, 1, 0), (5, 60, 0, 1), (0, 15, 1, 1), (15, 60, 0, 0)],
)
def test_a_period_counts_what_was_met_or_became_late_in_it(
    desk, since: int, until: int, met: int, breached: int
) -> None:
    met_after_five, late_after_fifteen = desk.accept("m-1")[0], desk.accept("m-2")[0]
    desk.later(minutes=5)
    desk.decide_and_queue(met_after_five)
    desk.later(minutes=25)
    desk.decide_and_queue(late_after_fifteen, "bob")
    watch(desk)

    figure = figures(desk, NOON + since * MINUTE, NOON + until * MINUTE).get("first_decision")
    assert ((figure.met, figure.breached) if figure else (0, 0)) == (met, breached)


def test_what_is_late_is_counted_before_anybody_has_rung_for_it(desk) -> None:
    desk.accept()
    follow(desk)
    desk.later(minutes=16)

    figure = figures(desk)["first_decision"]
    assert (figure.breached, figure.late, figure.running, figure.share) == (1, 1, 0, 0.0)


def test_a_warned_clock_counts_as_running(desk) -> None:
    desk.accept()
    desk.later(minutes=13)
    watch(desk)

    assert figures(desk)["first_decision"] == Compliance(clock=ClockName.FIRST_DECISION, running=1)


def test_the_ledger_tells_all_that_the_rows_say(desk, raw: Engine) -> None:
    item, _ = desk.accept()
    desk.accept("m-2")
    desk.later(minutes=5)
    desk.decide_and_queue(item)
    desk.later(minutes=5)
    deliver(desk)
    follow(desk)
    before = figures(desk)
    with raw.connect() as connection:
        connection.execute(text("DELETE FROM clocks"))
        connection.execute(text("DELETE FROM cursors"))
    assert figures(desk) == {}
    follow(desk)

    assert figures(desk) == before


def test_a_lost_lease_changes_nothing_about_the_clocks(desk) -> None:
    desk.accept()
    desk.claim()
    desk.now += 6 * MINUTE
    desk.claim("run-2")
    follow(desk)

    assert figures(desk)["first_decision"].running == 1


def test_a_reading_comes_with_its_alarm(desk) -> None:
    desk.accept()
    desk.later(minutes=13)
    follow(desk)
    (alarm,) = ring(desk)

    assert (alarm.reading.state, alarm.reading.due_at) == (State.WARNED, NOON + 15 * MINUTE)


def test_a_heartbeat_is_the_last_one(desk) -> None:
    with desk.store.transaction() as tx:
        assert tx.heartbeats.last("watch:tiny") is None
        tx.heartbeats.beat("watch:tiny", NOON)
    with desk.store.transaction() as tx:
        tx.heartbeats.beat("watch:tiny", NOON + MINUTE)
    with desk.store.reading() as tx:
        assert tx.heartbeats.last("watch:tiny") == NOON + MINUTE
        assert tx.heartbeats.last("watch:other") is None
