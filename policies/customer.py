"""The policy's section on answers that customers owe, and which item is such an answer."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from domain.business_time import Calendar
from domain.sla import LongestPause
from domain.values import Frozen
from policies.destination import Name

FORTNIGHT_MINUTES = 14 * 24 * 60
"""Ours: long enough for most answers, short enough that no item is forgotten over a pause."""


class Customer(Frozen):
    """How clocks wait for customers.

    Attributes:
        longest_pause_minutes: of working time, by the calendar; then clocks run on, answered or not.
        calendar: one of `calendars`; without it every minute counts.
        known_by: field that tells who the customer is: a later item with the same value in it is
            the answer; without it somebody records the answer. Cases need none: their events are.
        answered_by: the events of a case that are the customer's answer; without it every event but a
            deadline's, so that a clock runs on too early rather than too late.
    """

    longest_pause_minutes: float = Field(default=FORTNIGHT_MINUTES, gt=0, le=5_000_000)
    calendar: Name | None = None
    known_by: Name | None = None
    answered_by: Annotated[tuple[Name, ...], Field(min_length=1)] | None = None

    def longest(self, calendar: Calendar) -> LongestPause:
        """The longest pause, to read."""
        return LongestPause(within=timedelta(minutes=self.longest_pause_minutes), calendar=calendar)
