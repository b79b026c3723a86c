"""The policy's section on promises on time."""

from datetime import timedelta

from pydantic import Field

from domain.business_time import Calendar
from domain.sla import Clock, ClockName, LongestPause
from domain.values import Frozen


class SlaClock(Frozen):
    """A promise on time.

    Attributes:
        minutes: of working time, by the calendar.
        warn_at: share of them after which somebody is warned.
        calendar: one of `calendars`; without it every minute counts.
        pauses: whether it stands still while the customer owes an answer.
    """

    minutes: float = Field(gt=0, le=5_000_000)
    warn_at: float | None = Field(default=0.8, gt=0, lt=1)
    calendar: str | None = None
    pauses: bool = True

    def clock(self, name: ClockName, calendar: Calendar, longest: LongestPause) -> Clock:
        """The same, to read."""
        within = timedelta(minutes=self.minutes)
        return Clock(
            name=name, within=within, warn_at=self.warn_at, pauses=self.pauses, longest=longest, calendar=calendar
        )
