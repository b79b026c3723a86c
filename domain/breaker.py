"""Circuit breaker: whether a system is sent to, so that one that is down is left in peace.

After a few failures in a row nothing is sent for a while; then a single write probes whether
the system is back (M. Nygard, "Release It!", 2007, chapter 5). A limit that a system names
holds for all that is sent there, and pauses it as long as it asked. A key that it does not take
pauses it at once: what waits goes on when somebody has mended that.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import assert_never

from pydantic import AwareDatetime, Field

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
from domain.values import Frozen

FAILURES = 5
"""In a row, until a system is taken for down: rare by chance where one answer in five fails (1 in 3,000)."""
FIRST_PAUSE_S = 2.0
LONGEST_PAUSE_S = 300.0
"""Pauses double from the first to the longest; a system that is back is noticed within five minutes."""
UNSAID_LIMIT_S = 10.0
"""Pause after a limit that does not say for how long: the window that most vendors count in."""


class Breaker(Frozen):
    """How a system has answered lately.

    Attributes:
        failures: in a row, since the last answer that shows that it works.
        open_until: nothing is sent to it before; None for no pause.
        why: what opened it.
    """

    failures: int = Field(default=0, ge=0)
    open_until: AwareDatetime | None = None
    why: str = ""

    @property
    def probing(self) -> bool:
        """Whether it has failed so often that one write at a time is enough."""
        return self.failures >= FAILURES

    def down(self, now: datetime) -> bool:
        """Whether it is paused for so long that a person should know."""
        return self.open_until is not None and self.open_until - now >= timedelta(seconds=LONGEST_PAUSE_S)

    def paused(self, now: datetime) -> bool:
        """Whether nothing may be sent at `now`."""
        return self.open_until is not None and now < self.open_until


NOT_ASKED = (Hindrance.SETUP, Hindrance.TURN)
"""What keeps a write from being sent and says nothing of its system."""


def telling(outcomes: Sequence[DeliveryOutcome]) -> DeliveryOutcome:
    """The one of a request's outcomes that tells of its system.

    A request is one sign, however many records it was about: of a limit or a key that is not
    taken, if it met one, else that the system works, if any answer shows it, else that it failed.

    Args:
        outcomes: of each record of the request; at least one.
    """
    return min(outcomes, key=_rank)


def _rank(outcome: DeliveryOutcome) -> int:
    match outcome:
        case RetryAfter(hindrance=hindrance) if hindrance in NOT_ASKED:
            return 3
        case RetryAfter(hindrance=Hindrance.KEY) | RetryAfter(limit=str()):
            return 0
        case RetryAfter() | Unknown():
            return 2
        case _:
            return 1


def after(breaker: Breaker, outcome: DeliveryOutcome, now: datetime) -> Breaker:
    """The breaker after one more request to its system; see `telling`."""
    match outcome:
        case Written() | Conflict() | Ambiguous() | Invalid() | NotThere():
            return Breaker() if not breaker.paused(now) else breaker.model_copy(update={"failures": 0})
        case RetryAfter(hindrance=hindrance) if hindrance in NOT_ASKED:
            return breaker
        case RetryAfter(hindrance=Hindrance.KEY):
            if breaker.paused(now):  # those that were under way say the same again
                return breaker
            until = now + timedelta(seconds=LONGEST_PAUSE_S)  # a wrong key that is tried more often locks an account
            return _paused(breaker, max(breaker.failures + 1, FAILURES), until, outcome.detail)
        case RetryAfter(limit=str(limit), seconds=seconds):
            until = now + timedelta(seconds=UNSAID_LIMIT_S if seconds is None else seconds)
            return _paused(breaker, breaker.failures, until, f"limit {limit}: {outcome.detail}")
        case RetryAfter() | Unknown():
            if breaker.probing and breaker.paused(now):  # it was under way: eight at once would double it eight times
                return breaker
            failures = breaker.failures + 1
            if failures < FAILURES:
                return breaker.model_copy(update={"failures": failures})
            pause = min(FIRST_PAUSE_S * 2.0 ** min(failures - FAILURES, 64), LONGEST_PAUSE_S)
            return _paused(breaker, failures, now + timedelta(seconds=pause), outcome.detail)
        case _:
            assert_never(outcome)


def _paused(breaker: Breaker, failures: int, until: datetime, why: str) -> Breaker:
    """Never shorter than a pause that holds already."""
    longest = max(until, breaker.open_until or until)
    return Breaker(failures=failures, open_until=longest, why=why)
