"""Business calendars, as people write them down."""

import re
import warnings
from datetime import date
from functools import cached_property
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationError, model_validator

from domain.business_time import WEEK, Calendar, Span, Weekday
from domain.values import Frozen

COUNTRY_YEARS = range(2020, 2046)
"""Years whose holidays are looked up for a country. A fixed range: what a policy means depends on no clock."""

_DAY = "|".join(WEEK)
_CLOCK = r"(?:[01]\d|2[0-3]):[0-5]\d"
_HOURS = re.compile(rf"{_CLOCK}-(?:{_CLOCK}|24:00)")


def _span(text: str) -> str:
    if not _HOURS.fullmatch(text):
        raise ValueError("not working hours; write them as 09:00-17:00, up to 24:00")
    if text[6:] <= text[:5]:
        raise ValueError("these hours end before they begin; write those past midnight under the next day")
    return text


Days = Annotated[str, Field(pattern=rf"^({_DAY})(-({_DAY}))?$")]
"""A weekday, or from one to another: `sat`, `mon-fri`."""

Hours = Annotated[str, AfterValidator(_span)]
"""From when to when, by the wall clock: `09:00-17:30`."""


class WorkingHours(Frozen):
    """When people work, for a zone.

    Attributes:
        zone: IANA name of the time zone, such as `Europe/Berlin`.
        hours: by weekday or range of weekdays; what is left out is closed.
        holidays: dates on which nobody works.
        country: ISO code whose public holidays are closed too, with a subdivision where they
            differ: `DE`, `DE-BY`. They are those that the package `holidays` knows.
    """

    zone: str
    hours: dict[Days, tuple[Hours, ...]] = Field(min_length=1)
    holidays: tuple[date, ...] = ()
    country: Annotated[str, Field(pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$")] | None = None

    @cached_property
    def calendar(self) -> Calendar:
        """The same, to count with."""
        spans: dict[Weekday, tuple[Span, ...]] = {}
        for days, hours in self.hours.items():
            for day in _days(days):
                if day in spans:
                    raise ValueError(f"{day} is given twice; give each day its hours once")
                spans[day] = tuple(map(_minutes, hours))
        closed = {*self.holidays, *(_public(self.country) if self.country else ())}
        return Calendar(zone=self.zone, hours=spans, holidays=frozenset(closed))

    @model_validator(mode="after")
    def _can_be_counted_with(self) -> "WorkingHours":
        try:
            _ = self.calendar
        except ValidationError as exc:
            raise ValueError(exc.errors()[0]["msg"].removeprefix("Value error, ")) from exc
        return self


def _days(days: str) -> tuple[Weekday, ...]:
    first, _, last = days.partition("-")
    begin, end = WEEK.index(Weekday(first)), WEEK.index(Weekday(last or first))
    if end < begin:
        raise ValueError(f"'{days}' runs backwards; a week begins on mon")
    return WEEK[begin : end + 1]


def _minutes(hours: str) -> Span:
    opens, closes = ((int(clock[:2]) * 60 + int(clock[3:])) for clock in hours.split("-"))
    return Span(opens=opens, closes=closes)


def _public(country: str) -> list[date]:
    from holidays import country_holidays  # noqa: PLC0415  a big package, needed by few policies

    code, _, subdivision = country.partition("-")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # years that it does not know of a country have no holidays
        try:
            return list(country_holidays(code, subdiv=subdivision or None, years=COUNTRY_YEARS))
        except NotImplementedError as exc:
            raise ValueError(f"no holidays are known for '{country}'; list them under holidays instead") from exc
