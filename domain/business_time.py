"""Working time: which moments count, how much of it lies between two, when so much has passed.

Working time is elapsed time while the clocks on the wall of a zone show open hours. So an hour
that daylight saving skips passes for nobody, and one that it repeats passes twice. Walks go by
stretches of unchanging offset and days inside them, never by minutes.
"""

from collections.abc import Iterator
from datetime import MAXYEAR, UTC, date, datetime, timedelta
from enum import StrEnum
from functools import cached_property, lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, model_validator

from domain.values import Frozen

DAY = timedelta(days=1)
NO_TIME = timedelta(0)
DAY_MINUTES = 24 * 60
_SECOND = timedelta(seconds=1)


class Weekday(StrEnum):
    """A day of the week, in the order of `date.weekday`."""

    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"


WEEK = tuple(Weekday)


class Span(Frozen):
    """Open hours within a day, in minutes after midnight as the wall clock shows them: [opens, closes).

    Attributes:
        closes: up to 1440, which is 24:00.
    """

    opens: int = Field(ge=0, lt=DAY_MINUTES)
    closes: int = Field(gt=0, le=DAY_MINUTES)

    @model_validator(mode="after")
    def _opens_first(self) -> "Span":
        if self.closes <= self.opens:
            raise ValueError("hours end after they begin; write those past midnight as two spans")
        return self


ALL_DAY = Span(opens=0, closes=DAY_MINUTES)


class Calendar(Frozen):
    """When work is done. By default always.

    Attributes:
        zone: IANA name of the time zone that the hours and holidays are in.
        hours: of each weekday, in order and without overlap; a weekday that is left out is closed.
        holidays: dates without hours.
    """

    zone: str = "UTC"
    hours: dict[Weekday, tuple[Span, ...]] = dict.fromkeys(WEEK, (ALL_DAY,))
    holidays: frozenset[date] = frozenset()

    @model_validator(mode="after")
    def _opens_sometime(self) -> "Calendar":
        try:
            ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as exc:
            raise ValueError(f"unknown time zone '{self.zone}'; use an IANA name such as Europe/Berlin") from exc
        if not any(self.hours.values()):
            raise ValueError("this calendar is never open; give at least one weekday hours")
        for weekday, spans in self.hours.items():
            if any(later.opens < earlier.closes for earlier, later in pairwise(spans)):
                raise ValueError(f"the hours of {weekday} overlap or are out of order")
        return self

    def open_at(self, moment: datetime) -> bool:
        """Whether the time that begins at `moment` counts."""
        wall = moment.astimezone(ZoneInfo(self.zone))
        since_midnight = timedelta(hours=wall.hour, minutes=wall.minute, seconds=wall.second)
        minute = since_midnight // timedelta(minutes=1)
        return any(span.opens <= minute < span.closes for span in self._spans(wall.date()))

    def add(self, start: datetime, working: timedelta) -> datetime:
        """The first moment, in UTC, at which `working` has passed since `start`.

        Raises:
            ValueError: `working` is negative.
            OverflowError: that is after the year 9998.
        """
        if working < NO_TIME:
            raise ValueError("working time passes forward only")
        start, left = start.astimezone(UTC), working
        if left == NO_TIME or self._always_open:
            return start + left
        for opens, closes in self._open(start):
            if closes - opens >= left:
                return opens + left
            left -= closes - opens
        raise OverflowError(f"{working} of working time after {start} ends after the year 9998")

    def between(self, start: datetime, end: datetime) -> timedelta:
        """The working time in [`start`, `end`); none when it ends before it starts."""
        start, end = start.astimezone(UTC), end.astimezone(UTC)
        if end <= start or self._always_open:
            return max(end - start, NO_TIME)
        passed = NO_TIME
        for opens, closes in self._open(start):
            if opens >= end:
                break
            passed += min(closes, end) - opens
        return passed

    @cached_property
    def _always_open(self) -> bool:
        return not self.holidays and all(self.hours.get(weekday) == (ALL_DAY,) for weekday in WEEK)

    def _spans(self, day: date) -> tuple[Span, ...]:
        return () if day in self.holidays else self.hours.get(WEEK[day.weekday()], ())

    def _open(self, since: datetime) -> Iterator[tuple[datetime, datetime]]:
        """The open stretches of time from `since` on, in order, in UTC; none is empty."""
        for year in range(since.year, MAXYEAR):
            for begins, ends, offset in _stretches(self.zone, year):
                if ends > since:
                    yield from self._open_within(max(begins, since), ends, offset)

    def _open_within(self, begins: datetime, ends: datetime, offset: timedelta) -> Iterator[tuple[datetime, datetime]]:
        """Those in [begins, ends), while the wall clock is `offset` from UTC."""
        day = (begins + offset).date()
        while (midnight := datetime(day.year, day.month, day.day, tzinfo=UTC) - offset) < ends:
            for span in self._spans(day):
                opens = max(midnight + timedelta(minutes=span.opens), begins)
                closes = min(midnight + timedelta(minutes=span.closes), ends)
                if opens < closes:
                    yield opens, closes
            day += DAY


@lru_cache(maxsize=1024)
def _stretches(zone: str, year: int) -> tuple[tuple[datetime, datetime, timedelta], ...]:
    """A year of UTC, cut where a zone's offset changes: begin, end, offset.

    Two changes within a day that undo each other would be missed; no zone has had that.
    """
    here = ZoneInfo(zone)
    begins, ends = datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
    cuts, day = [begins], begins
    while day < ends:
        if _offset(here, day) != _offset(here, day + DAY):
            cuts.append(_change(here, day))
        day += DAY
    return tuple((cut, until, _offset(here, cut)) for cut, until in pairwise((*cuts, ends)) if cut < until)


def _change(here: ZoneInfo, day: datetime) -> datetime:
    """The second within the 24 hours after `day` from which another offset holds."""
    before, low, high = _offset(here, day), day, day + DAY
    while high - low > _SECOND:
        middle = low + (high - low) // _SECOND // 2 * _SECOND
        low, high = (middle, high) if _offset(here, middle) == before else (low, middle)
    return high


def _offset(here: ZoneInfo, moment: datetime) -> timedelta:
    return moment.astimezone(here).utcoffset() or NO_TIME
