"""What a clock shows: what happened to an item, the promise, and the time in; the state and the moments out."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from domain.business_time import WEEK, Calendar, Span
from domain.moments import Moments, Pause
from domain.sla import Clock, ClockName, LongestPause, State, read

BERLIN = ZoneInfo("Europe/Berlin")
OFFICE = Calendar(
    zone="Europe/Berlin",
    hours=dict.fromkeys(WEEK[:5], (Span(opens=9 * 60, closes=17 * 60),)),
    holidays=frozenset({date(2026, 5, 1)}),
)
DECISION, DELIVERED, ANSWERED = ClockName.FIRST_DECISION, ClockName.DELIVERED, ClockName.REVIEW_ANSWERED


def at(text: str) -> datetime:
    """Such as `wed 10:00`: a time in the week of Wednesday, 29 April 2026, or `mon+` in the week after."""
    day, clock = text.split()
    days = ("mon", "tue", "wed", "thu", "fri", "sat", "sun", "mon+", "tue+").index(day)
    return datetime.fromisoformat(f"2026-04-27 {clock}").replace(tzinfo=BERLIN) + timedelta(days=days)


def happened(accepted: str, *pauses: tuple[str, str | None], **moments: str) -> Moments:
    owed = tuple(Pause(begins=at(begins), ends=at(ends) if ends else None) for begins, ends in pauses)
    return Moments(accepted_at=at(accepted), pauses=owed, **{f"{name}_at": at(when) for name, when in moments.items()})


def promise(
    name: ClockName = DELIVERED, minutes: int = 120, warn_at: float | None = 0.5, *, pauses: bool = True
) -> Clock:
    return Clock(name=name, within=timedelta(minutes=minutes), warn_at=warn_at, pauses=pauses, calendar=OFFICE)


TWO_HOURS = promise()
HOUR_AT_MOST = TWO_HOURS.model_copy(update={"longest": LongestPause(within=timedelta(hours=1), calendar=OFFICE)})
FRIDAY_OFF = happened("thu 16:00")  # and Friday is a holiday

TABLE = [
    # clock, what happened, now -> state, due, used minutes
    pytest.param(TWO_HOURS, happened("wed 10:00"), "wed 10:30", State.RUNNING, "wed 12:00", 30, id="it runs"),
    pytest.param(TWO_HOURS, happened("wed 10:00"), "wed 11:00", State.WARNED, "wed 12:00", 60, id="half is over"),
    pytest.param(TWO_HOURS, happened("wed 10:00"), "wed 12:00", State.WARNED, "wed 12:00", 120, id="the last moment"),
    pytest.param(TWO_HOURS, happened("wed 10:00"), "wed 12:01", State.BREACHED, "wed 12:00", 121, id="too late"),
    pytest.param(
        promise(warn_at=None), happened("wed 10:00"), "wed 11:59", State.RUNNING, "wed 12:00", 119, id="no warning"
    ),
    pytest.param(TWO_HOURS, FRIDAY_OFF, "sat 12:00", State.WARNED, "mon+ 10:00", 60, id="over a holiday and a weekend"),
    pytest.param(
        TWO_HOURS, happened("wed 15:00"), "wed 23:00", State.BREACHED, "wed 17:00", 120, id="due when the office closes"
    ),
    # What was promised happens.
    pytest.param(
        TWO_HOURS, happened("wed 10:00", delivered="wed 11:40"), "fri 10:00", State.MET, "wed 12:00", 100, id="in time"
    ),
    pytest.param(
        TWO_HOURS, happened("wed 10:00", delivered="wed 12:00"), "fri 10:00", State.MET, "wed 12:00", 120, id="just so"
    ),
    pytest.param(
        TWO_HOURS,
        happened("wed 10:00", delivered="wed 12:30"),
        "wed 13:00",
        State.BREACHED,
        "wed 12:00",
        150,
        id="late, and done",
    ),
    pytest.param(
        TWO_HOURS,
        happened("wed 10:00", delivered="wed 11:40"),
        "wed 11:00",
        State.WARNED,
        "wed 12:00",
        60,
        id="what is still to come does not count",
    ),
    # Nothing is to be written.
    pytest.param(
        TWO_HOURS,
        happened("wed 10:00", closed="wed 10:20"),
        "fri 10:00",
        State.UNSCORED,
        "wed 12:00",
        20,
        id="unscored",
    ),
    pytest.param(
        TWO_HOURS,
        happened("wed 10:00", closed="wed 12:20"),
        "fri 10:00",
        State.BREACHED,
        "wed 12:00",
        140,
        id="who was late before nothing was to be written was late",
    ),
    # The customer owes an answer.
    pytest.param(
        TWO_HOURS, happened("wed 10:00", ("wed 10:30", None)), "thu 12:00", State.PAUSED, None, 30, id="it stands still"
    ),
    pytest.param(
        TWO_HOURS,
        happened("wed 10:00", ("wed 10:30", "thu 10:00")),
        "wed 12:00",
        State.PAUSED,
        None,
        30,
        id="it stands still as long as nobody knows when that ends",
    ),
    pytest.param(
        TWO_HOURS,
        happened("wed 10:00", ("wed 10:30", "thu 10:00")),
        "thu 10:15",
        State.RUNNING,
        "thu 11:30",
        45,
        id="it runs on",
    ),
    pytest.param(
        TWO_HOURS,
        happened("wed 10:00", ("wed 10:30", "wed 11:00"), ("wed 11:30", "wed 12:00")),
        "wed 12:10",
        State.WARNED,
        "wed 13:00",
        70,
        id="two pauses",
    ),
    pytest.param(
        TWO_HOURS,
        happened("wed 10:00", ("wed 10:30", "wed 10:40"), delivered="wed 10:35"),
        "wed 12:10",
        State.MET,
        "wed 12:10",
        30,
        id="done while the customer owes an answer",
    ),
    pytest.param(
        TWO_HOURS,
        happened("wed 10:00", ("wed 13:00", None)),
        "wed 14:00",
        State.BREACHED,
        "wed 12:00",
        180,
        id="asking a customer afterwards mends nothing",
    ),
    pytest.param(
        TWO_HOURS,
        happened("wed 10:00", ("wed 12:00", None)),
        "wed 13:00",
        State.BREACHED,
        "wed 12:00",
        120,
        id="asking a customer at the last moment mends nothing",
    ),
    pytest.param(
        promise(pauses=False),
        happened("wed 10:00", ("wed 10:30", None)),
        "wed 12:30",
        State.BREACHED,
        "wed 12:00",
        150,
        id="a clock that does not pause",
    ),
    # It waits an hour for the customer at most.
    pytest.param(
        HOUR_AT_MOST,
        happened("wed 10:00", ("wed 10:30", None)),
        "wed 11:29",
        State.PAUSED,
        None,
        30,
        id="within the longest pause it stands still",
    ),
    pytest.param(
        HOUR_AT_MOST,
        happened("wed 10:00", ("wed 10:30", None)),
        "wed 11:45",
        State.RUNNING,
        "wed 13:00",
        45,
        id="after the longest pause it runs on without an answer",
    ),
    pytest.param(
        HOUR_AT_MOST,
        happened("wed 10:00", ("wed 10:30", "thu 10:00")),
        "thu 10:00",
        State.BREACHED,
        "wed 13:00",
        420,
        id="an answer that came after the longest pause changes nothing",
    ),
    pytest.param(
        HOUR_AT_MOST,
        happened("wed 10:00", ("wed 16:30", None), decided="wed 16:00"),
        "thu 09:15",
        State.BREACHED,
        "wed 12:00",
        390,
        id="what was late before the question stays late",
    ),
    pytest.param(
        promise(minutes=480).model_copy(update={"longest": HOUR_AT_MOST.longest}),
        happened("wed 10:00", ("wed 16:30", None)),
        "thu 09:29",
        State.PAUSED,
        None,
        390,
        id="the longest pause is working time too",
    ),
    # The other clocks.
    pytest.param(
        promise(DECISION),
        happened("wed 10:00", decided="wed 10:01", delivered="wed 15:00"),
        "fri 10:00",
        State.MET,
        "wed 12:00",
        1,
        id="first decision",
    ),
    pytest.param(
        promise(ANSWERED),
        happened("wed 10:00", review_opened="wed 12:00", answered="wed 14:30"),
        "fri 10:00",
        State.BREACHED,
        "wed 14:00",
        150,
        id="review answered",
    ),
    pytest.param(
        promise(ANSWERED),
        happened("wed 10:00", ("wed 10:30", "wed 12:30"), review_opened="wed 12:00"),
        "wed 12:45",
        State.RUNNING,
        "wed 14:30",
        15,
        id="a pause that began before the clock did",
    ),
    pytest.param(
        promise(ANSWERED),
        happened("wed 10:00", ("wed 10:30", "wed 11:30"), review_opened="wed 12:00"),
        "wed 12:45",
        State.RUNNING,
        "wed 14:00",
        45,
        id="a pause that was over before the clock began",
    ),
]


@pytest.mark.parametrize(("clock", "moments", "now", "state", "due", "used"), TABLE)
def test_what_a_clock_shows(clock: Clock, moments: Moments, now: str, state: State, due: str | None, used: int) -> None:
    shown = read(clock, moments, at(now))

    assert shown is not None
    assert (shown.clock, shown.state, shown.due_at) == (clock.name, state, at(due) if due else None)
    assert shown.used == timedelta(minutes=used)
    assert shown.left == max(clock.within - shown.used, timedelta())


def test_a_clock_shows_when_it_warns_and_when_it_began_and_ended() -> None:
    shown = read(TWO_HOURS, happened("wed 10:00", ("wed 10:30", "wed 10:40"), delivered="wed 12:00"), at("wed 13:00"))

    assert shown is not None
    assert (shown.started_at, shown.warn_at, shown.ended_at) == (at("wed 10:00"), at("wed 11:10"), at("wed 12:00"))


@pytest.mark.parametrize(
    ("clock", "now"),
    [(promise(ANSWERED), "fri 10:00"), (promise(DECISION), "wed 09:59")],
    ids=["no review", "too soon"],
)
def test_a_clock_that_has_not_started_shows_nothing(clock: Clock, now: str) -> None:
    assert read(clock, happened("wed 10:00"), at(now)) is None
