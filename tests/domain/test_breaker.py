"""A system that is down is left in peace, and one that names a limit is believed."""

from datetime import timedelta

import pytest
from builders import NOW
from hypothesis import given
from hypothesis import strategies as st

from domain.breaker import FAILURES, FIRST_PAUSE_S, LONGEST_PAUSE_S, UNSAID_LIMIT_S, Breaker, after, telling
from domain.delivery import (
    Ambiguous,
    Conflict,
    DeliveryOutcome,
    Hindrance,
    Invalid,
    NotThere,
    RetryAfter,
    Unknown,
    Written,
)

WELL = (
    Written(kind="created", external_id="r-1"),
    Conflict(detail="changed since"),
    Ambiguous(detail="two of them"),
    Invalid(detail="no such field"),
    NotThere(),
)
FAILED = (RetryAfter(detail="503"), RetryAfter(seconds=60, detail="busy with this record"), Unknown(detail="no answer"))
NOT_ASKED = tuple(RetryAfter(hindrance=each, detail=each) for each in (Hindrance.SETUP, Hindrance.TURN))
NO_KEY = RetryAfter(hindrance=Hindrance.KEY, detail="401: check the key")
LIMITED = RetryAfter(seconds=7, limit="daily", detail="429")
OUTCOMES = st.sampled_from((*WELL, *FAILED, *NOT_ASKED, LIMITED))


def told(*outcomes: DeliveryOutcome) -> Breaker:
    breaker = Breaker()
    for outcome in outcomes:
        breaker = after(breaker, outcome, NOW)
    return breaker


@pytest.mark.parametrize("failure", FAILED, ids=lambda outcome: outcome.detail)
def test_a_few_failures_in_a_row_pause_a_system(failure: DeliveryOutcome) -> None:
    assert not told(*[failure] * (FAILURES - 1)).paused(NOW)

    down = told(*[failure] * FAILURES)

    assert down.probing
    assert down.open_until == NOW + timedelta(seconds=FIRST_PAUSE_S)
    assert down.why == failure.detail


@pytest.mark.parametrize("well", WELL, ids=lambda outcome: outcome.kind)
def test_any_answer_that_shows_it_works_ends_the_count(well: DeliveryOutcome) -> None:
    failures = [Unknown(detail="no answer")] * (FAILURES - 1)

    assert not told(*failures, well, *failures).probing


def test_pauses_double_up_to_the_longest() -> None:
    breaker, now, pauses = told(*[FAILED[0]] * (FAILURES - 1)), NOW, []
    for _ in range(10):
        breaker = after(breaker, FAILED[0], now)
        assert breaker.open_until is not None
        pauses.append((breaker.open_until - now).total_seconds())
        now = breaker.open_until

    assert pauses == [2, 4, 8, 16, 32, 64, 128, 256, LONGEST_PAUSE_S, LONGEST_PAUSE_S]


def test_a_limit_pauses_the_whole_system_as_long_as_it_asked() -> None:
    limited = told(LIMITED)

    assert limited.open_until == NOW + timedelta(seconds=7)
    assert limited.why == "limit daily: 429"
    assert not limited.probing


def test_a_limit_that_names_no_time_pauses_for_the_usual_window() -> None:
    assert told(RetryAfter(limit="ten_seconds", detail="429")).open_until == NOW + timedelta(seconds=UNSAID_LIMIT_S)


def test_a_write_that_was_under_way_does_not_lift_a_limit() -> None:
    assert told(LIMITED, WELL[0]).paused(NOW)
    assert not told(LIMITED, WELL[0]).paused(NOW + timedelta(seconds=7))


@given(st.lists(OUTCOMES))
def test_no_outcome_shortens_a_pause(outcomes: list[DeliveryOutcome]) -> None:
    breaker = Breaker()
    for outcome in outcomes:
        was, breaker = breaker, after(breaker, outcome, NOW)
        if was.paused(NOW):
            assert was.open_until
            assert breaker.open_until
            assert breaker.open_until >= was.open_until


@given(st.lists(OUTCOMES))
def test_only_failures_in_a_row_make_it_probe_and_none_counts_once_it_does(outcomes: list[DeliveryOutcome]) -> None:
    in_a_row = 0
    for outcome in outcomes:
        in_a_row = 0 if outcome in WELL else in_a_row + (outcome in FAILED)

    assert told(*outcomes).failures == min(in_a_row, FAILURES)


@pytest.mark.parametrize(
    ("outcomes", "tells"),
    [
        ((FAILED[2],) * 100, FAILED[2]),
        ((FAILED[2], WELL[0], FAILED[0]), WELL[0]),
        ((WELL[0], LIMITED, FAILED[0]), LIMITED),
        ((FAILED[0], WELL[0], NO_KEY), NO_KEY),
        ((*NOT_ASKED, WELL[3]), WELL[3]),
        ((*NOT_ASKED, FAILED[0]), FAILED[0]),
    ],
    ids=[
        "as all of them say",
        "one that worked",
        "a limit",
        "a refused key",
        "one that was refused",
        "one that was asked",
    ],
)
def test_a_request_is_one_sign_however_many_records_it_was_about(
    outcomes: tuple[DeliveryOutcome, ...], tells: DeliveryOutcome
) -> None:
    assert telling(outcomes) == tells


def test_a_key_that_is_not_taken_pauses_the_system_at_once_and_tells_somebody() -> None:
    refused = told(NO_KEY)

    assert refused.open_until == NOW + timedelta(seconds=LONGEST_PAUSE_S)
    assert refused.down(NOW)
    assert refused.probing
    assert refused.why == NO_KEY.detail
    assert told(NO_KEY, NO_KEY, NO_KEY) == refused, "those that were under way add nothing"


@pytest.mark.parametrize("outcome", NOT_ASKED, ids=lambda outcome: outcome.detail)
def test_what_was_never_sent_says_nothing_of_a_system(outcome: RetryAfter) -> None:
    assert told(*[outcome] * (2 * FAILURES)) == Breaker()
    assert told(*[FAILED[0]] * 3, outcome).failures == 3


def test_a_person_should_know_of_a_pause_that_is_as_long_as_pauses_get_and_of_no_shorter() -> None:
    assert not Breaker().down(NOW)
    assert not told(LIMITED).down(NOW)
    assert told(RetryAfter(seconds=LONGEST_PAUSE_S, limit="daily", detail="429")).down(NOW)
    breaker, now, failing = Breaker(), NOW, []
    for _ in range(1, 20):
        breaker = after(breaker, FAILED[0], now)
        failing.append(breaker.down(now))
        now = breaker.open_until or now
    assert failing == [times >= FAILURES + 8 for times in range(1, 20)]


def test_what_was_under_way_when_a_system_was_paused_makes_the_pause_no_longer() -> None:
    down = told(*[FAILED[0]] * FAILURES)
    assert told(*[FAILED[0]] * (FAILURES + 7)) == down
    assert after(down, FAILED[0], down.open_until or NOW).failures == FAILURES + 1
