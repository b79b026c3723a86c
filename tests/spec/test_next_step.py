"""What the outbox does after each outcome: the whole of `domain.delivery.next_step`."""

from datetime import datetime, timedelta

import pytest
from builders import NOW
from hypothesis import given
from hypothesis import strategies as st

from domain.delivery import (
    Ambiguous,
    Conflict,
    DeliveryOutcome,
    Hindrance,
    Invalid,
    NotThere,
    Patience,
    RetryAfter,
    Step,
    Tries,
    Unknown,
    Written,
    next_step,
)
from domain.settling import not_there

THREE = Patience(attempts=3, first_delay_s=2, longest_delay_s=60)

SENDING, LAST_SEND = Tries(sends=1), Tries(sends=3)
LOOKING, LAST_LOOK = Tries(sends=1, look_ups=1), Tries(sends=1, look_ups=3)
LOOKING_AFTER_LAST_SEND = Tries(sends=3, look_ups=1)

CREATED = Written(kind="created", external_id="7")
UPDATED = Written(kind="updated", external_id="7")
UNCHANGED = Written(kind="unchanged", external_id="7")
CONFLICT = Conflict(detail="changed meanwhile")
MOVED_ON = Conflict(detail="stage is not what it was", moved=True)
AMBIGUOUS = Ambiguous(detail="two records match")
INVALID = Invalid(detail="no such queue")
LATER = RetryAfter(detail="busy")
NO_TURN = RetryAfter(hindrance=Hindrance.TURN, detail="others went first")
NO_KEY = RetryAfter(hindrance=Hindrance.KEY, detail="401")
NO_RIGHT = RetryAfter(hindrance=Hindrance.RIGHTS, detail="403")
GONE = Invalid(detail="no record 77 any more", gone=True)
MUCH_LATER = RetryAfter(detail="busy", seconds=90)
UNKNOWN = Unknown(detail="no answer")
NOT_THERE = NotThere()
NOT_THERE_YET = NotThere(believed_from=NOW + timedelta(seconds=40))

NO_WAIT = (0, 0)
FIRST_WAIT = (2, 3)
SECOND_WAIT = (4, 6)

TABLE = [
    # Written, found or not, is the end of it.
    *[
        pytest.param(outcome, tries, Step.DONE, NO_WAIT, id=f"{outcome.kind} while {doing} is done")
        for outcome in (CREATED, UPDATED, UNCHANGED)
        for doing, tries in {"sending": SENDING, "on the last send": LAST_SEND, "looking up": LOOKING}.items()
    ],
    # What would fail the same again is given up at once.
    *[
        pytest.param(outcome, tries, Step.DEAD_LETTER, NO_WAIT, id=f"{outcome.kind} while {doing} is given up at once")
        for outcome in (INVALID, AMBIGUOUS)
        for doing, tries in {"sending": SENDING, "on the last send": LAST_SEND, "looking up": LOOKING}.items()
    ],
    pytest.param(GONE, SENDING, Step.DEAD_LETTER, NO_WAIT, id="a record that is gone is given up"),
    # It must be decided anew: nothing is sent again.
    *[
        pytest.param(MOVED_ON, tries, Step.DONE, NO_WAIT, id=f"a record that moved on, while {doing}, ends the write")
        for doing, tries in {"sending": SENDING, "on the last send": LAST_SEND, "looking up": LOOKING}.items()
    ],
    # Nothing was written: send again.
    pytest.param(CONFLICT, SENDING, Step.SEND_AGAIN, NO_WAIT, id="a conflict is sent again at once on a fresh read"),
    pytest.param(CONFLICT, Tries(sends=2), Step.SEND_AGAIN, SECOND_WAIT, id="one that goes on is given time"),
    pytest.param(CONFLICT, LAST_SEND, Step.DEAD_LETTER, NO_WAIT, id="a conflict on the last send is given up"),
    pytest.param(LATER, SENDING, Step.SEND_AGAIN, FIRST_WAIT, id="busy is sent again after a wait"),
    pytest.param(LATER, Tries(sends=2), Step.SEND_AGAIN, SECOND_WAIT, id="busy again waits twice as long"),
    pytest.param(LATER, LAST_SEND, Step.DEAD_LETTER, NO_WAIT, id="busy on the last send is given up"),
    pytest.param(MUCH_LATER, SENDING, Step.SEND_AGAIN, (90, 90), id="a longer Retry-After is not undercut"),
    pytest.param(MUCH_LATER, LAST_SEND, Step.DEAD_LETTER, NO_WAIT, id="Retry-After on the last send is given up"),
    pytest.param(
        RetryAfter(detail="busy", seconds=0), SENDING, Step.SEND_AGAIN, FIRST_WAIT, id="a Retry-After of 0 waits anyway"
    ),
    # Nothing was tried: whatever came before, it is not given up.
    pytest.param(NO_TURN, SENDING, Step.SEND_AGAIN, FIRST_WAIT, id="what had no turn is sent later"),
    pytest.param(NO_TURN, LAST_SEND, Step.SEND_AGAIN, FIRST_WAIT, id="what had no turn is never given up for that"),
    pytest.param(NO_TURN, LAST_LOOK, Step.LOOK_UP, FIRST_WAIT, id="a look-up that had no turn comes later"),
    # Our key was not taken: every write waits until somebody mends that.
    pytest.param(NO_KEY, LAST_SEND, Step.SEND_AGAIN, FIRST_WAIT, id="without a key that is taken nothing is given up"),
    pytest.param(NO_KEY, LAST_LOOK, Step.LOOK_UP, FIRST_WAIT, id="nor is a look-up"),
    pytest.param(NO_RIGHT, SENDING, Step.SEND_AGAIN, FIRST_WAIT, id="what is not allowed may be allowed soon"),
    pytest.param(NO_RIGHT, LAST_SEND, Step.DEAD_LETTER, NO_WAIT, id="what is never allowed is given up"),
    # It may have been written: look it up.
    pytest.param(UNKNOWN, SENDING, Step.LOOK_UP, FIRST_WAIT, id="an unknown outcome is looked up after a wait"),
    pytest.param(UNKNOWN, LAST_SEND, Step.LOOK_UP, FIRST_WAIT, id="an unknown last send is looked up all the same"),
    pytest.param(UNKNOWN, LOOKING, Step.LOOK_UP, FIRST_WAIT, id="a look-up without an answer is repeated"),
    pytest.param(UNKNOWN, LAST_LOOK, Step.DEAD_LETTER, NO_WAIT, id="the last look-up without an answer is given up"),
    pytest.param(LATER, LOOKING, Step.LOOK_UP, FIRST_WAIT, id="busy while looking up is looked up again, never sent"),
    pytest.param(MUCH_LATER, LOOKING, Step.LOOK_UP, (90, 90), id="a Retry-After of a look-up is not undercut"),
    pytest.param(LATER, LAST_LOOK, Step.DEAD_LETTER, NO_WAIT, id="busy on the last look-up is given up"),
    pytest.param(CONFLICT, LOOKING, Step.LOOK_UP, FIRST_WAIT, id="a conflict says nothing of the write: look again"),
    pytest.param(CONFLICT, LAST_LOOK, Step.DEAD_LETTER, NO_WAIT, id="a conflict on the last look-up is given up"),
    # The look-up found nothing.
    pytest.param(NOT_THERE, LOOKING, Step.SEND_AGAIN, NO_WAIT, id="what is not there is sent again at once"),
    pytest.param(NOT_THERE, LAST_LOOK, Step.SEND_AGAIN, NO_WAIT, id="what is not there is sent after any look-up"),
    pytest.param(
        NOT_THERE, LOOKING_AFTER_LAST_SEND, Step.DEAD_LETTER, NO_WAIT, id="not there, and no send left, is given up"
    ),
    # A search that lags may not show it yet.
    pytest.param(
        NOT_THERE_YET, LOOKING, Step.LOOK_UP, (40, 40), id="not there yet is looked up when it can be believed"
    ),
    pytest.param(NOT_THERE_YET, LAST_LOOK, Step.LOOK_UP, (40, 40), id="however often it was looked up before"),
    pytest.param(NotThere(believed_from=NOW), LOOKING, Step.SEND_AGAIN, NO_WAIT, id="then it is sent again"),
]


@pytest.mark.parametrize(("outcome", "tries", "step", "wait_s"), TABLE)
def test_next_step(outcome: DeliveryOutcome, tries: Tries, step: Step, wait_s: tuple[float, float]) -> None:
    after = next_step(outcome, "op-1", tries, THREE, NOW)

    shortest, longest = (timedelta(seconds=bound) for bound in wait_s)
    assert after.step is step
    assert shortest <= after.at - NOW <= longest


@pytest.mark.parametrize(
    ("outcome", "tries", "step"),
    [
        pytest.param(UNKNOWN, SENDING, Step.LOOK_UP, id="what a look-up can say for a person is asked at once"),
        pytest.param(UNKNOWN, LOOKING, Step.DEAD_LETTER, id="then a person is told, at once"),
        pytest.param(NOT_THERE, LOOKING, Step.SEND_AGAIN, id="what somebody had sent again is sent"),
        pytest.param(CREATED, SENDING, Step.DONE, id="what is written is done as everywhere"),
    ],
)
def test_where_writes_leave_no_trace_nothing_waits_for_one(outcome: DeliveryOutcome, tries: Tries, step: Step) -> None:
    after = next_step(outcome, "op-1", tries, THREE, NOW, traceless=True)

    assert (after.step, after.at) == (step, NOW)


@pytest.mark.parametrize(
    ("sent_until", "lag_s", "believed_from"),
    [(NOW, 30, NOW + timedelta(seconds=90)), (NOW, 0, NOW + timedelta(seconds=60)), (None, 30, None)],
    ids=["a search that lags", "one that does not", "nothing is under way"],
)
def test_that_nothing_is_there_is_believed_when_nothing_can_come_of_the_send_and_the_search_can_lag_no_more(
    sent_until: datetime | None, lag_s: float, believed_from: datetime | None
) -> None:
    assert not_there(sent_until, 60, lag_s) == NotThere(believed_from=believed_from)


@pytest.mark.parametrize(
    ("outcome", "tries", "reason"),
    [
        pytest.param(CREATED, SENDING, "created", id="done"),
        pytest.param(
            MOVED_ON,
            SENDING,
            "not written: the record has changed since the write was decided: stage is not what it was",
            id="moved",
        ),
        pytest.param(INVALID, SENDING, "no such queue", id="refused"),
        pytest.param(LATER, SENDING, "busy", id="to be sent again"),
        pytest.param(LATER, LAST_SEND, "gave up after 3 tries: busy", id="given up"),
    ],
)
def test_the_next_step_says_why(outcome: DeliveryOutcome, tries: Tries, reason: str) -> None:
    assert next_step(outcome, "op-1", tries, THREE, NOW).reason == reason


OUTCOMES = [CREATED, CONFLICT, AMBIGUOUS, INVALID, LATER, MUCH_LATER, UNKNOWN]


@given(st.lists(st.sampled_from(OUTCOMES)), st.lists(st.sampled_from([*OUTCOMES, NOT_THERE])))
def test_after_an_unknown_outcome_nothing_is_sent_before_a_look_up_said_not_there(
    of_sends: list[DeliveryOutcome], of_look_ups: list[DeliveryOutcome]
) -> None:
    tries, maybe_written, step = Tries(), False, Step.SEND_AGAIN
    while step in (Step.SEND_AGAIN, Step.LOOK_UP):
        if step is Step.SEND_AGAIN:
            assert not maybe_written
            tries = Tries(sends=tries.sends + 1)
        else:
            tries = Tries(sends=tries.sends, look_ups=tries.look_ups + 1)
        answers = of_look_ups if tries.looking_up else of_sends
        outcome = answers.pop() if answers else CREATED
        maybe_written = (maybe_written or outcome == UNKNOWN) and outcome != NOT_THERE
        step = next_step(outcome, "op-1", tries, THREE, NOW).step
        assert tries.sends <= THREE.attempts
        assert tries.look_ups <= THREE.attempts


@pytest.mark.parametrize(("tries", "step"), [(SENDING, Step.SEARCH_AGAIN), (LAST_SEND, Step.DEAD_LETTER)])
def test_where_its_record_was_searched_for_and_is_gone_it_is_searched_for_again(tries: Tries, step: Step) -> None:
    following = next_step(GONE, "op-1", tries, THREE, NOW, searched=True)

    assert (following.step, following.at, following.reason) == (step, NOW, GONE.detail)
