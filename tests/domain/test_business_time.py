"""Working time is what a clock on the wall shows as open, counted in elapsed time."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.business_time import ALL_DAY, DAY_MINUTES, WEEK, Calendar, Span, Weekday

MINUTE = timedelta(minutes=1)
OFFICE = Span(opens=9 * 60, closes=17 * 60)
BERLIN = Calendar(
    zone="Europe/Berlin", hours=dict.fromkeys(WEEK[:5], (OFFICE,)), holidays=frozenset({date(2026, 5, 1)})
)

AROUND = {
    "UTC": datetime(2026, 3, 28, 20, tzinfo=UTC),
    "Europe/Berlin": datetime(2026, 3, 28, 20, tzinfo=UTC),
    "America/New_York": datetime(2026, 10, 31, 22, tzinfo=UTC),
    "Asia/Kathmandu": datetime(2026, 3, 28, 20, tzinfo=UTC),
    "Australia/Lord_Howe": datetime(2026, 4, 4, 6, tzinfo=UTC),
    "America/St_Johns": datetime(2006, 10, 28, 20, tzinfo=UTC),
    "Pacific/Apia": datetime(2011, 12, 29, 20, tzinfo=UTC),
    "America/Havana": datetime(2026, 11, 1, 0, tzinfo=UTC),
}
"""Zones with the hours before something odd: half-hour changes, a change just after midnight, a day left out."""


def wall(text: str, zone: str = "Europe/Berlin", fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold)


@st.composite
def spans(draw: st.DrawFn) -> tuple[Span, ...]:
    cuts = draw(st.lists(st.integers(0, DAY_MINUTES), unique=True, max_size=6).filter(lambda cuts: len(cuts) % 2 == 0))
    cuts = sorted(cuts)
    return tuple(Span(opens=cuts[at], closes=cuts[at + 1]) for at in range(0, len(cuts), 2))


@st.composite
def calendars(draw: st.DrawFn, zone: str) -> Calendar:
    some = draw(st.dictionaries(st.sampled_from(WEEK), st.one_of(spans(), st.just((ALL_DAY,)))))
    near = st.integers(-1, 3).map(lambda days: AROUND[zone].date() + timedelta(days=days))
    if not any(some.values()):
        some |= {draw(st.sampled_from(WEEK)): (OFFICE,)}
    return Calendar(zone=zone, hours=some, holidays=frozenset(draw(st.sets(near, max_size=2))))


MOMENTS = st.integers(0, 4 * 24 * 60).map(lambda minutes: minutes * MINUTE)
CASES = st.sampled_from(sorted(AROUND)).flatmap(
    lambda zone: st.tuples(calendars(zone), MOMENTS.map(lambda after: AROUND[zone] + after))
)
WORKING = st.integers(0, 3_000).map(lambda minutes: minutes * MINUTE)


def brute_open(calendar: Calendar, moment: datetime) -> bool:
    here = moment.astimezone(ZoneInfo(calendar.zone))
    if here.date() in calendar.holidays:
        return False
    for span in calendar.hours.get(Weekday(here.strftime("%a").lower()), ()):
        closes = None if span.closes == DAY_MINUTES else time(*divmod(span.closes, 60))
        if time(*divmod(span.opens, 60)) <= here.time() and (closes is None or here.time() < closes):
            return True
    return False


def brute_between(calendar: Calendar, start: datetime, end: datetime) -> timedelta:
    minutes = int((end - start) / MINUTE)
    return sum((MINUTE for after in range(minutes) if brute_open(calendar, start + after * MINUTE)), timedelta())


@given(CASES)
def test_it_is_open_when_the_wall_clock_says_so(case: tuple[Calendar, datetime]) -> None:
    calendar, moment = case

    assert calendar.open_at(moment) == brute_open(calendar, moment)


@given(CASES, st.integers(0, 1_500))
def test_working_time_is_the_sum_of_its_open_minutes(case: tuple[Calendar, datetime], minutes: int) -> None:
    calendar, start = case
    end = start + minutes * MINUTE

    assert calendar.between(start, end) == brute_between(calendar, start, end)


@given(CASES, st.integers(1, 600))
def test_a_due_time_is_the_first_minute_by_which_so_many_open_ones_have_passed(
    case: tuple[Calendar, datetime], minutes: int
) -> None:
    calendar, start = case
    end = calendar.add(start, minutes * MINUTE)
    assume(end - start < 3_000 * MINUTE)

    assert brute_between(calendar, start, end) == minutes * MINUTE
    assert brute_open(calendar, end - MINUTE)


@given(CASES, st.timedeltas(timedelta(), timedelta(days=30)))
def test_as_much_lies_between_as_was_added(case: tuple[Calendar, datetime], working: timedelta) -> None:
    calendar, start = case

    assert calendar.between(start, calendar.add(start, working)) == working


@given(CASES, WORKING, WORKING)
def test_more_working_time_never_ends_earlier(
    case: tuple[Calendar, datetime], one: timedelta, other: timedelta
) -> None:
    calendar, start = case
    less, more = sorted((one, other))

    assert calendar.add(start, less) <= calendar.add(start, more)


@given(CASES, WORKING, WORKING)
def test_time_added_in_two_parts_is_time_added_at_once(
    case: tuple[Calendar, datetime], one: timedelta, other: timedelta
) -> None:
    calendar, start = case

    assert calendar.add(calendar.add(start, one), other) == calendar.add(start, one + other)


@given(CASES, st.lists(MOMENTS, min_size=2, max_size=2))
def test_time_between_adds_up(case: tuple[Calendar, datetime], after: list[timedelta]) -> None:
    calendar, start = case
    middle, end = (start + later for later in sorted(after))

    assert calendar.between(start, middle) + calendar.between(middle, end) == calendar.between(start, end)


@given(CASES)
def test_a_moment_is_open_as_long_as_its_time_counts(case: tuple[Calendar, datetime]) -> None:
    calendar, moment = case
    minute = moment.replace(second=0, microsecond=0)

    assert (calendar.between(minute, minute + MINUTE) == MINUTE) == calendar.open_at(minute)


def test_by_default_every_minute_counts() -> None:
    start = wall("2026-03-28 22:00")

    assert Calendar().add(start, timedelta(days=400)) == start.astimezone(UTC) + timedelta(days=400)
    assert Calendar().open_at(start)


@pytest.mark.parametrize(
    ("start", "minutes", "due"),
    [
        ("2026-04-29 09:00", 60, "2026-04-29 10:00"),
        ("2026-04-29 16:30", 30, "2026-04-29 17:00"),
        ("2026-04-29 16:30", 31, "2026-04-30 09:01"),
        ("2026-04-30 16:30", 60, "2026-05-04 09:30"),
        ("2026-05-02 12:00", 60, "2026-05-04 10:00"),
    ],
    ids=["within a day", "to the end of a day", "into the next", "over a holiday and a weekend", "from a weekend"],
)
def test_office_hours(start: str, minutes: int, due: str) -> None:
    assert BERLIN.add(wall(start), minutes * MINUTE) == wall(due)


def test_an_hour_that_daylight_saving_skips_passes_for_nobody() -> None:
    night = Calendar(zone="Europe/Berlin", hours={Weekday.SUN: (Span(opens=60, closes=5 * 60),)})

    assert night.between(wall("2026-03-29 00:00"), wall("2026-03-29 12:00")) == timedelta(hours=3)
    assert night.add(wall("2026-03-29 00:00"), timedelta(hours=2)) == wall("2026-03-29 04:00")


def test_an_hour_that_daylight_saving_repeats_passes_twice() -> None:
    half = Calendar(zone="Europe/Berlin", hours={Weekday.SUN: (Span(opens=150, closes=5 * 60),)})

    assert half.between(wall("2026-10-25 00:00"), wall("2026-10-25 12:00")) == timedelta(hours=3)
    assert half.add(wall("2026-10-25 00:00"), 45 * MINUTE) == wall("2026-10-25 02:45", fold=1).astimezone(UTC)


def test_years_are_walked_by_days() -> None:
    due = BERLIN.add(wall("2026-01-01 00:00"), timedelta(hours=8 * 5 * 52 * 20))

    assert due.year == 2045


def test_no_time_lies_between_a_moment_and_an_earlier_one() -> None:
    assert BERLIN.between(wall("2026-04-29 12:00"), wall("2026-04-29 10:00")) == timedelta()
    assert Calendar().between(wall("2026-04-29 12:00"), wall("2026-04-29 10:00")) == timedelta()


def test_working_time_cannot_be_taken_back() -> None:
    with pytest.raises(ValueError, match="forward only"):
        BERLIN.add(wall("2026-04-29 12:00"), -MINUTE)


def test_what_is_due_after_the_last_year_is_an_error() -> None:
    last = datetime(9998, 12, 31, 20, tzinfo=UTC)

    with pytest.raises(OverflowError, match="9998"):
        BERLIN.add(last, timedelta(hours=9))
    assert BERLIN.between(last, last + timedelta(minutes=5)) == timedelta()


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"hours": {}}, "never open"),
        ({"hours": {Weekday.MON: ()}}, "never open"),
        ({"zone": "Europe/Nowhere"}, "unknown time zone 'Europe/Nowhere'"),
        ({"zone": "../etc/passwd"}, "unknown time zone"),
        ({"zone": "Europe"}, "unknown time zone"),
        ({"zone": ""}, "unknown time zone"),
        ({"hours": {Weekday.MON: (OFFICE, Span(opens=16 * 60, closes=18 * 60))}}, "hours of mon overlap"),
        ({"hours": {Weekday.MON: ({"opens": 1080, "closes": 120},)}}, "as two spans"),
    ],
)
def test_a_calendar_that_cannot_be_is_refused(fault: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Calendar.model_validate(fault)
