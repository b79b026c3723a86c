"""Writes that wait to be sent: in order, one at a time a record, never again before a look-up."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.exc import IntegrityError

from connectors.store.states import State
from domain.delivery import Ambiguous, Conflict, Invalid, NotThere, Patience, RetryAfter, Unknown, Written

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
CREATED = Written(kind="created", external_id="r-1")
LOST = Unknown(detail="no answer")
LATER = RetryAfter(seconds=60, detail="429")


def test_a_write_comes_out_as_it_was_put_in(desk) -> None:
    operation, patience = desk.operation(), Patience(attempts=5, first_delay_s=2, longest_delay_s=9)
    desk.put(operation, patience=patience)

    desk.due()

    (due,) = desk.held
    assert (due.operation, due.patience) == (operation, patience)
    assert (due.tries.sends, due.tries.looking_up) == (1, False)
    assert desk.entries("it-1")[0].facts == {
        "operation": operation.operation_id,
        "destination": "crm",
        "record_key": "ann",
    }


def test_the_same_operation_twice_is_refused(desk) -> None:
    desk.put(desk.operation())

    with pytest.raises(IntegrityError):
        desk.put(desk.operation())

    assert desk.events() == ["queued"]


def test_a_statement_that_fails_tells_nothing_of_what_would_have_been_written(desk) -> None:
    operation = desk.operation(record_key="ann@example.com")
    desk.put(operation)

    with pytest.raises(IntegrityError) as raised:
        desk.put(operation)

    assert "INSERT INTO outbox" in str(raised.value)
    assert "ann@example.com" not in str(raised.value)


def test_writes_to_one_record_are_sent_one_after_the_other_in_their_order(desk) -> None:
    first, second, third = (desk.operation(f"it-{number}") for number in (1, 2, 3))
    desk.put(first, second, third)

    sent: list[str] = []
    while due := desk.due():
        sent += [operation_id for operation_id, _, _ in due]
        desk.settle(CREATED)

    assert sent == [first.operation_id, second.operation_id, third.operation_id]


def test_other_records_and_other_systems_are_not_held_up(desk) -> None:
    ann, bob = desk.operation("it-1", "ann"), desk.operation("it-2", "bob")
    desk_of_ann = desk.operation("it-3", "ann", "desk").model_copy(update={"system": "sandbox_help_desk"})
    ann_again = desk.operation("it-4", "ann")
    desk.put(ann, ann_again, bob, desk_of_ann)

    assert [due[0] for due in desk.due()] == [ann.operation_id, bob.operation_id, desk_of_ann.operation_id]


def test_the_oldest_come_first_up_to_the_count(desk) -> None:
    operations = [desk.operation(f"it-{number}", f"r-{number}") for number in range(3)]
    desk.put(*operations)

    assert [due[0] for due in desk.due(count=2)] == [operations[0].operation_id, operations[1].operation_id]
    assert [due[0] for due in desk.due(count=2)] == [operations[2].operation_id]


def test_a_record_waits_while_its_earlier_write_waits_for_its_next_try(desk) -> None:
    desk.put(desk.operation("it-1"), desk.operation("it-2"))
    desk.due()
    desk.settle(LATER)

    assert desk.due() == []
    desk.later(seconds=90)
    assert [due[1:] for due in desk.due()] == [(2, 0)]


def test_a_write_that_is_done_is_not_sent_again_and_lets_the_next_go(desk) -> None:
    first, second = desk.operation("it-1"), desk.operation("it-2")
    desk.put(first, second)
    desk.due()
    desk.settle(CREATED)

    assert [due[0] for due in desk.due()] == [second.operation_id]
    assert desk.events("it-1") == ["queued", "attempted"]
    facts = desk.entries("it-1")[-1].facts
    assert (facts["outcome"], facts["external_id"], facts["next"]) == ("created", "r-1", "done")


def test_a_write_whose_record_has_moved_ends_unwritten_and_lets_the_next_go(desk) -> None:
    first, second = desk.operation("it-1"), desk.operation("it-2")
    desk.put(first, second)
    desk.due()
    desk.settle(Conflict(detail="stage is not what it was", moved=True))

    assert [due[0] for due in desk.due()] == [second.operation_id]
    facts = desk.entries("it-1")[-1].facts
    assert (facts["outcome"], facts["moved"], facts["next"]) == ("conflict", True, "done")
    with desk.store.reading() as tx:
        assert tx.outbox.confirmed() == set()


def test_what_a_record_holds_after_a_write_is_kept_with_it_and_not_in_the_ledger(desk) -> None:
    desk.put(desk.operation())
    desk.due()
    desk.settle(CREATED.model_copy(update={"values": {"email": "ann@example.com"}}))

    assert "values" not in desk.entries("it-1")[-1].facts


def test_what_a_write_replaced_is_not_in_the_ledger(desk) -> None:
    desk.put(desk.operation())
    desk.due()
    desk.settle(Conflict(detail="changed", moved=True, wrote=("email",), overwrote={"email": "ann@example.com"}))

    facts = desk.entries("it-1")[-1].facts
    assert facts["wrote"] == ["email"]
    assert "ann@example.com" not in str(facts)


@pytest.mark.parametrize("outcome", [LATER, Conflict(detail="409")])
def test_what_was_surely_not_written_is_sent_again_and_counted(desk, outcome) -> None:
    desk.put(desk.operation())
    desk.due()
    desk.settle(outcome)
    desk.later(minutes=2)

    ((_, sends, look_ups),) = desk.due()

    assert (sends, look_ups) == (2, 0)


def test_an_unknown_outcome_is_looked_up_until_it_is_known_and_only_then_sent_again(desk) -> None:
    desk.put(desk.operation())
    tries = []
    for outcome in (LOST, LATER, NotThere(), LOST, Written(kind="updated", external_id="r-1", found=True)):
        desk.later(minutes=10)
        ((_, sends, look_ups),) = desk.due()
        tries.append((sends, look_ups))
        desk.settle(outcome)

    assert tries == [(1, 0), (1, 1), (1, 2), (2, 0), (2, 1)]
    assert desk.due() == []
    assert desk.next_due_at() is None


def test_a_sender_that_died_leaves_a_look_up_once_its_lease_ends(desk) -> None:
    desk.put(desk.operation(), desk.operation("it-2"))
    desk.due()

    desk.later(minutes=4.99)
    assert desk.due() == []

    desk.later(minutes=0.01)
    ((operation_id, sends, look_ups),) = desk.due()
    assert (operation_id, sends, look_ups) == (desk.operation().operation_id, 1, 1)


def test_a_look_up_is_told_when_the_send_ended_or_at_the_latest_could_have(desk) -> None:
    desk.put(desk.operation(), desk.operation("it-2", "bob"))
    desk.due()
    lease_ends, ended = desk.now + timedelta(minutes=5), desk.later(minutes=1)
    desk.settle(LOST)
    desk.later(minutes=10)
    desk.due()
    assert [due.sent_until for due in desk.held] == [ended, lease_ends]

    desk.settle(LATER)
    desk.later(minutes=10)
    desk.due()
    assert ended in [due.sent_until for due in desk.held], "a look-up is no send"


@pytest.mark.parametrize("outcome", [Invalid(detail="no e-mail"), Ambiguous(detail="two of them")])
def test_a_dead_letter_does_not_hold_up_its_record_and_says_why(desk, outcome) -> None:
    second = desk.operation("it-2")
    desk.put(desk.operation("it-1"), second)
    desk.due()
    desk.settle(outcome)

    assert [due[0] for due in desk.due()] == [second.operation_id]
    assert desk.events("it-1") == ["queued", "attempted", "dead_lettered"]
    assert desk.entries("it-1")[-1].facts["why"] == outcome.detail


def test_a_write_is_given_up_after_the_policys_attempts(desk) -> None:
    desk.put(desk.operation(), patience=Patience(attempts=3))
    sends = 0
    while due := desk.due():
        sends = due[0][1]
        desk.settle(LATER)
        desk.later(hours=1)

    assert sends == 3
    assert desk.entries()[-1].facts["why"] == "gave up after 3 tries: 429"


def test_an_empty_outbox_has_nothing_due(desk) -> None:
    assert desk.next_due_at() is None
    assert desk.due() == []


def test_the_next_due_time_follows_every_step(desk) -> None:
    desk.put(desk.operation())
    assert desk.next_due_at() == NOON

    desk.due()
    assert desk.next_due_at() == NOON + timedelta(minutes=5)

    desk.settle(RetryAfter(seconds=200, detail="429"))
    assert desk.next_due_at() == NOON + timedelta(seconds=200)

    desk.later(seconds=200)
    desk.due()
    desk.settle(CREATED)
    assert desk.next_due_at() is None


def test_what_waits_for_an_earlier_write_is_not_due_before_it(desk) -> None:
    desk.put(desk.operation("it-1"), desk.operation("it-2"))
    desk.due()
    assert desk.next_due_at() == NOON + timedelta(minutes=5)

    desk.settle(RetryAfter(seconds=200, detail="429"))

    assert desk.next_due_at() == NOON + timedelta(seconds=200)


def test_many_sends_in_flight_do_not_hide_what_is_due_sooner(desk) -> None:
    desk.put(*[desk.operation(f"it-{number}", f"r-{number}") for number in range(250)])
    desk.due(count=250)
    desk.later(seconds=1)
    desk.put(desk.operation("it-late", "late"))

    assert desk.next_due_at() == desk.now


def test_at_the_next_due_time_there_is_always_something_to_claim(desk) -> None:
    desk.put(desk.operation("it-1", "ann"), desk.operation("it-2", "ann"), desk.operation("it-3", "bob"))
    outcomes = iter([LOST, LATER, NotThere(), LATER, CREATED, LOST, CREATED, LATER, CREATED, CREATED])

    while (at := desk.next_due_at()) is not None:
        desk.now = max(desk.now, at)
        assert desk.due(count=1)
        desk.settle(next(outcomes, CREATED))

    with desk.store.reading() as tx:
        assert len(tx.outbox.confirmed()) == 3


def test_confirmed_are_the_writes_that_left_a_trace(desk) -> None:
    names = ("ann", "bob", "cleo", "dan")
    desk.put(*[desk.operation(f"it-{name}", name) for name in names])
    desk.due()
    desk.settle(CREATED, which=0)
    desk.settle(Written(kind="updated", external_id="r-2"), which=1)
    desk.settle(Written(kind="unchanged", external_id="r-3"), which=2)
    desk.settle(LOST, which=3)

    with desk.store.reading() as tx:
        assert tx.outbox.confirmed() == {desk.operation(f"it-{name}").operation_id for name in ("ann", "bob")}


def test_states_are_words_that_people_can_read_in_the_table(desk, raw) -> None:
    desk.put(desk.operation("it-1", "ann"), desk.operation("it-2", "bob"))
    desk.due(count=1)

    with raw.connect() as connection:
        rows = connection.exec_driver_sql("SELECT state FROM outbox ORDER BY seq").scalars().all()

    assert rows == [State.SENDING.value, State.PENDING.value]
