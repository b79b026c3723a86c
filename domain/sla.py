"""Promises on time: what a clock shows for an item, and how many of them were kept.

A clock runs from one moment of an item to another, in working time, and stands still while the
customer owes an answer. What it shows depends on the moments and on `now` alone; what has been
late once stays late.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import assert_never

from pydantic import AwareDatetime, Field

from domain.business_time import NO_TIME, Calendar
from domain.moments import Moments, Pause
from domain.values import Frozen


class ClockName(StrEnum):
    """What can be promised."""

    FIRST_DECISION = "first_decision"
    """From acceptance to the first decision, be it to ask a person."""
    DELIVERED = "delivered"
    """From acceptance until every write is written. Items that end without a write are unscored."""
    REVIEW_ANSWERED = "review_answered"
    """From the moment when a person was asked to the answer."""
    SYNCED = "synced"
    """Of records that are kept in step: from when a change of one was observed until every other system holds it.

    What systems contradict each other in belongs nowhere before a person has said what it is: meanwhile
    `REVIEW_ANSWERED` runs, and this clock from the answer on.
    """


class LongestPause(Frozen):
    """How long clocks stand still at most for one question to the customer.

    Attributes:
        within: working time by `calendar`, whatever those of the clocks are.
    """

    within: timedelta = Field(gt=NO_TIME)
    calendar: Calendar = Calendar()

    def over_at(self, asked_at: datetime) -> datetime:
        """When clocks run on, answered or not."""
        return self.calendar.add(asked_at, self.within)


class Clock(Frozen):
    """A promise on time.

    Attributes:
        within: working time.
        warn_at: share of it after which somebody is warned; None for no warning.
        pauses: whether it stands still while the customer owes an answer.
        longest: how long at most; None for as long as the answer is owed.
    """

    name: ClockName
    within: timedelta = Field(gt=NO_TIME)
    warn_at: float | None = Field(default=None, gt=0, lt=1)
    pauses: bool = True
    longest: LongestPause | None = None
    calendar: Calendar = Calendar()


class State(StrEnum):
    """How a clock stands."""

    RUNNING = "running"
    WARNED = "warned"
    """Running, and its warning time is over."""
    PAUSED = "paused"
    """The customer owes an answer."""
    MET = "met"
    BREACHED = "breached"
    """Its time was over before it ended; it stays so, ended or not."""
    UNSCORED = "unscored"
    """It ended without that which was promised being called for."""


OPEN = (State.RUNNING, State.WARNED, State.PAUSED)
"""States that a clock leaves again."""


class Reading(Frozen):
    """What a clock shows.

    Attributes:
        due_at: the last moment in time; None while nobody knows, as the customer owes an answer.
        warn_at: from when on somebody is to be warned; None for never, or not known.
        ended_at: None while what was promised has not happened.
        used: working time that has counted; with `met`, how long it took.
        left: of what was promised.
    """

    clock: ClockName
    state: State
    started_at: AwareDatetime
    due_at: AwareDatetime | None
    warn_at: AwareDatetime | None
    ended_at: AwareDatetime | None
    used: timedelta
    left: timedelta


class Compliance(Frozen):
    """How many clocks of a name were in time.

    Attributes:
        met: ended in time.
        breached: were late, ended or not; `late` of them have not ended.
        running: have time left; `paused` wait for a customer.
        unscored: ended without being called for; no part of the share.
    """

    clock: ClockName
    met: int = Field(default=0, ge=0)
    breached: int = Field(default=0, ge=0)
    late: int = Field(default=0, ge=0)
    running: int = Field(default=0, ge=0)
    paused: int = Field(default=0, ge=0)
    unscored: int = Field(default=0, ge=0)

    @property
    def share(self) -> float | None:
        """The share met of those met or breached; None where there are none."""
        return self.met / (self.met + self.breached) if self.met + self.breached else None


def read(clock: Clock, happened: Moments, now: datetime) -> Reading | None:
    """What a clock shows at `now`; None before it starts. What happened after `now` does not count yet."""
    started, ended, scored = _span(clock.name, happened)
    if started is None or started > now:
        return None
    ended = ended if ended is not None and ended <= now else None
    until = ended or now
    pauses = list(_known(_limited(happened.pauses, clock.longest), now)) if clock.pauses else []
    due_at = _passes(clock.calendar, started, clock.within, pauses)
    warn_at = None if clock.warn_at is None else _passes(clock.calendar, started, clock.within * clock.warn_at, pauses)
    used = _used(clock.calendar, started, until, pauses)
    if due_at is not None and due_at < until:
        state = State.BREACHED
    elif ended is not None:
        state = State.MET if scored else State.UNSCORED
    elif pauses and pauses[-1].ends is None:
        state = State.PAUSED
    else:
        state = State.WARNED if warn_at is not None and warn_at <= now else State.RUNNING
    return Reading(
        clock=clock.name,
        state=state,
        started_at=started,
        due_at=due_at,
        warn_at=warn_at,
        ended_at=ended,
        used=used,
        left=max(clock.within - used, NO_TIME),
    )


def _span(name: ClockName, happened: Moments) -> tuple[datetime | None, datetime | None, bool]:
    """When a clock starts and ends, and whether it then ends with what was promised."""
    match name:
        case ClockName.FIRST_DECISION:
            return happened.accepted_at, happened.decided_at, True
        case ClockName.DELIVERED:
            delivered = happened.delivered_at
            return happened.accepted_at, delivered or happened.closed_at, delivered is not None
        case ClockName.REVIEW_ANSWERED:
            return happened.review_opened_at, happened.answered_at, True
        case ClockName.SYNCED:
            synced = happened.synced_at
            return happened.changed_at, synced or happened.closed_at, synced is not None
        case _:
            assert_never(name)


def _limited(pauses: Iterable[Pause], longest: LongestPause | None) -> Iterator[Pause]:
    """The pauses, none longer than clocks stand still."""
    for pause in pauses:
        over_at = longest.over_at(pause.begins) if longest else None
        ends = min(filter(None, (pause.ends, over_at)), default=None)
        yield Pause(begins=pause.begins, ends=ends)


def _known(pauses: Iterable[Pause], now: datetime) -> Iterator[Pause]:
    """The pauses as far as `now` knows of them."""
    for pause in pauses:
        if pause.begins <= now:
            yield pause if pause.ends is None or pause.ends <= now else Pause(begins=pause.begins)


def _passes(calendar: Calendar, start: datetime, working: timedelta, pauses: Sequence[Pause]) -> datetime | None:
    """The first moment at which `working` has counted; None if that depends on a pause that has no end yet."""
    at = calendar.add(start, working)
    for pause in pauses:
        if pause.begins >= at:
            break
        if pause.ends is None:
            return None
        at = calendar.add(at, calendar.between(max(pause.begins, start), pause.ends))
    return at


def _used(calendar: Calendar, start: datetime, until: datetime, pauses: Sequence[Pause]) -> timedelta:
    paused = (
        calendar.between(max(pause.begins, start), until if pause.ends is None else min(pause.ends, until))
        for pause in pauses
    )
    return calendar.between(start, until) - sum(paused, NO_TIME)
