"""A business calendar says what people write down, and refuses what cannot be."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from domain.business_time import ALL_DAY, Span, Weekday
from policies.calendars import WorkingHours

MORNING, AFTERNOON = Span(opens=540, closes=750), Span(opens=810, closes=1020)


def calendar(**changes: Any) -> WorkingHours:
    return WorkingHours.model_validate({"zone": "UTC", "hours": {"mon-fri": ["09:00-17:00"]}} | changes)


def test_hours_are_written_by_weekdays_and_ranges_of_them() -> None:
    hours = {"mon-tue": ["09:00-12:30", "13:30-17:00"], "sat": ["00:00-24:00"], "sun": []}

    assert calendar(hours=hours).calendar.hours == {
        Weekday.MON: (MORNING, AFTERNOON),
        Weekday.TUE: (MORNING, AFTERNOON),
        Weekday.SAT: (ALL_DAY,),
        Weekday.SUN: (),
    }


def test_it_is_open_by_the_clock_of_its_zone() -> None:
    berlin = calendar(zone="Europe/Berlin").calendar

    assert berlin.open_at(datetime(2026, 7, 1, 7, 0, tzinfo=UTC))
    assert not berlin.open_at(datetime(2026, 1, 7, 7, 0, tzinfo=UTC))


def test_holidays_are_dates_and_those_of_a_country_and_its_parts() -> None:
    ours = date(2026, 12, 31)
    germany, bavaria = calendar(country="DE", holidays=[ours]).calendar, calendar(country="DE-BY").calendar
    epiphany, unity = date(2026, 1, 6), date(2026, 10, 3)

    assert {ours, unity} <= germany.holidays
    assert epiphany not in germany.holidays
    assert {epiphany, unity} <= bavaria.holidays


def test_a_country_whose_holidays_are_known_for_some_years_has_those() -> None:
    assert calendar(country="IN").calendar.holidays


def test_nobody_works_on_a_holiday() -> None:
    germany = calendar(zone="Europe/Berlin", country="DE").calendar
    labour_day = datetime(2026, 5, 1, 10, 0, tzinfo=ZoneInfo("Europe/Berlin"))

    assert germany.add(labour_day, timedelta(minutes=1)) == datetime(2026, 5, 4, 7, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"hours": {"monday": ["09:00-17:00"]}}, "should match pattern"),
        ({"hours": {"mon": ["9:00-17:00"]}}, "not working hours"),
        ({"hours": {"mon": ["09:00-24:30"]}}, "not working hours"),
        ({"hours": {"mon": ["17:00-09:00"]}}, "under the next day"),
        ({"hours": {"fri-mon": ["09:00-17:00"]}}, "'fri-mon' runs backwards"),
        ({"hours": {"mon-fri": ["09:00-17:00"], "fri": ["09:00-12:00"]}}, "fri is given twice"),
        ({"hours": {"mon": ["09:00-12:00", "11:00-13:00"]}}, "hours of mon overlap"),
        ({"hours": {"mon": []}}, "never open"),
        ({"hours": {}}, "at least 1 item"),
        ({"zone": "Mars/Olympus"}, "unknown time zone 'Mars/Olympus'"),
        ({"country": "Germany"}, "should match pattern"),
        ({"country": "ZZ"}, "no holidays are known for 'ZZ'"),
        ({"country": "DE-ZZ"}, "no holidays are known for 'DE-ZZ'"),
        ({"country": False}, "valid string"),
    ],
)
def test_what_cannot_be_is_refused(fault: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        calendar(**fault)
