"""How a source has answered lately: read, left in peace, or refusing us; and when somebody must be told."""

from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import AwareDatetime

from domain.breaker import LONGEST_PAUSE_S, Breaker, after
from domain.delivery import RetryAfter
from domain.errors import Permanent, Retryable, Throttled
from domain.values import Frozen


class Trouble(StrEnum):
    """What keeps a source from being read."""

    AWAY = "away"
    """It failed several times in a row, or asked to be left alone for long."""
    REFUSED = "refused"
    """It refuses us: somebody has to mend something."""


class SourceState(Frozen):
    """A source's breaker, and the trouble that somebody was told of.

    Attributes:
        since: when the trouble began.
    """

    breaker: Breaker = Breaker()
    trouble: Trouble | None = None
    since: AwareDatetime | None = None

    def paused(self, now: datetime) -> bool:
        """Whether it is left in peace at `now`."""
        return self.breaker.paused(now)


def failed(state: SourceState, failure: Retryable | Permanent, now: datetime) -> SourceState:
    """The state after one more failure.

    A source that refuses us is asked again every five minutes: a wrong password that is tried more
    often locks an account. A limit is believed, and is no trouble while it ends as soon as that.
    """
    why = str(failure)
    if isinstance(failure, Permanent):
        until = now + timedelta(seconds=LONGEST_PAUSE_S)
        refused = Breaker(failures=state.breaker.failures, open_until=until, why=why)
        return _in(Trouble.REFUSED, refused, state, now)
    limit = "of the source" if isinstance(failure, Throttled) else None
    breaker = after(state.breaker, RetryAfter(seconds=failure.retry_after_s, limit=limit, detail=why), now)
    long = breaker.open_until is not None and breaker.open_until - now > timedelta(seconds=LONGEST_PAUSE_S)
    if breaker.probing or long:
        return _in(Trouble.AWAY, breaker, state, now)
    return state.model_copy(update={"breaker": breaker})


def _in(trouble: Trouble, breaker: Breaker, before: SourceState, now: datetime) -> SourceState:
    since = before.since if before.trouble is trouble else now
    return SourceState(breaker=breaker, trouble=trouble, since=since)
