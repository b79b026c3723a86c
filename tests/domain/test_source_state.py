"""A source that is away or refuses us is left in peace, and its trouble changes only when something does."""

from datetime import timedelta

import pytest
from builders import NOW

from domain.breaker import FAILURES, FIRST_PAUSE_S, LONGEST_PAUSE_S
from domain.errors import Permanent, Retryable, Throttled, Unauthorised, Unavailable
from domain.source_state import SourceState, Trouble, failed

DOWN = Unavailable("no answer")
REFUSED = Unauthorised("wrong password")


def after(*failures: Retryable | Permanent) -> SourceState:
    state = SourceState()
    for failure in failures:
        state = failed(state, failure, NOW)
    return state


def test_a_source_is_taken_for_away_after_some_failures_in_a_row() -> None:
    before, away = after(*[DOWN] * (FAILURES - 1)), after(*[DOWN] * FAILURES)

    assert (before.trouble, before.paused(NOW)) == (None, False)
    assert (away.trouble, away.since, away.breaker.why) == (Trouble.AWAY, NOW, "no answer")
    assert away.paused(NOW + timedelta(seconds=FIRST_PAUSE_S / 2))
    assert not away.paused(NOW + timedelta(seconds=FIRST_PAUSE_S))


def test_a_trouble_that_goes_on_began_when_it_began() -> None:
    later = failed(after(*[DOWN] * FAILURES), DOWN, NOW + timedelta(hours=1))

    assert (later.trouble, later.since) == (Trouble.AWAY, NOW)


def test_a_source_that_refuses_us_is_in_trouble_at_once_and_asked_again_in_five_minutes() -> None:
    refused = after(REFUSED)

    assert (refused.trouble, refused.since) == (Trouble.REFUSED, NOW)
    assert refused.breaker.open_until == NOW + timedelta(seconds=LONGEST_PAUSE_S)


def test_a_source_that_was_away_and_refuses_us_is_in_another_trouble() -> None:
    later = NOW + timedelta(hours=1)

    refused = failed(after(*[DOWN] * FAILURES), REFUSED, later)

    assert (refused.trouble, refused.since) == (Trouble.REFUSED, later)


def test_a_single_failure_does_not_end_a_refusal() -> None:
    assert after(REFUSED, DOWN).trouble is Trouble.REFUSED


@pytest.mark.parametrize(("asked_s", "trouble"), [(None, None), (30, None), (LONGEST_PAUSE_S + 1, Trouble.AWAY)])
def test_a_limit_is_believed_and_is_trouble_only_where_it_is_long(asked_s: float | None, trouble: Trouble) -> None:
    limited = after(*[Throttled("429", retry_after_s=asked_s)] * FAILURES)

    assert limited.paused(NOW)
    assert limited.trouble is trouble
