"""A clock agrees with one that counts minutes, never forgives, and is never hurried by a pause."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.business_time import WEEK, Calendar, Span
from domain.moments import Moments, Pause
from domain.sla import Clock, ClockName, Compliance, LongestPause, State, read

MINUTE = timedelta(minutes=1)
START = datetime(2026, 3, 27, 12, 0, tzinfo=UTC)  # a Friday; on Sunday the clocks of Europe change
EARLY, LATE, OFFICE = Span(opens=60, closes=300), Span(opens=600, closes=1440), Span(opens=540, closes=1020)
CALENDARS = st.sampled_from(
    [
        Calendar(),
        Calendar(zone="Europe/Berlin", hours=dict.fromkeys(WEEK, (EARLY, LATE))),
        Calendar(zone="Asia/Kathmandu", hours=dict.fromkeys(WEEK[:5], (OFFICE,))),
    ]
)
MINUTES = st.integers(0, 3 * 24 * 60)
CLOCKS = st.builds(
    Clock,
    name=st.sampled_from(ClockName),
    within=st.integers(1, 900).map(lambda minutes: minutes * MINUTE),
    warn_at=st.none() | st.sampled_from([0.25, 0.5, 0.75]),
    pauses=st.booleans(),
    longest=st.none()
    | st.builds(
        LongestPause, within=st.integers(1, 3 * 24 * 60).map(lambda minutes: minutes * MINUTE), calendar=CALENDARS
    ),
    calendar=CALENDARS,
)


def moment(minutes: int) -> datetime:
    return START + minutes * MINUTE


@st.composite
def stories(draw: st.DrawFn) -> Moments:
    named = ("decided_at", "delivered_at", "closed_at", "review_opened_at", "answered_at", "changed_at", "synced_at")
    known = {name: moment(draw(MINUTES)) for name in named if draw(st.booleans())}
    cuts = sorted(draw(st.lists(MINUTES, max_size=6, unique=True)))
    ends = [*map(moment, cuts), None]
    pauses = [Pause(begins=moment(cuts[at]), ends=ends[at + 1]) for at in range(0, len(cuts), 2)]
    return Moments(accepted_at=START, pauses=tuple(pauses), **known)


def still(clock: Clock, pauses: tuple[Pause, ...], until: datetime) -> set[datetime]:
    """The minutes in which it stands still, counted one by one: of each pause no more than the longest."""
    minutes = set()
    for pause in pauses:
        at, waited = pause.begins, timedelta()
        while at < (pause.ends or until) and not (clock.longest and waited >= clock.longest.within):
            minutes.add(at)
            waited += MINUTE if clock.longest and clock.longest.calendar.open_at(at) else timedelta()
            at += MINUTE
    return minutes


@given(CLOCKS, stories(), st.integers(0, 1_500))
def test_it_counts_open_minutes_in_which_nobody_waits_for_the_customer(
    clock: Clock, happened: Moments, minutes: int
) -> None:
    shown = read(clock, happened, moment(minutes))
    if shown is None:
        return
    pauses, counted, due_at = happened.pauses if clock.pauses else (), timedelta(), None
    at, until = shown.started_at, shown.ended_at or moment(minutes)
    paused = still(clock, pauses, until)
    while at < until:
        counted += MINUTE if clock.calendar.open_at(at) and at not in paused else timedelta()
        at += MINUTE
        if counted == clock.within and due_at is None:
            due_at = at

    assert shown.used == counted
    assert (shown.state is State.BREACHED) == (due_at is not None and due_at < until)
    assert due_at is None or shown.due_at == due_at


@given(CLOCKS, stories(), MINUTES, MINUTES)
def test_what_is_breached_stays_so(clock: Clock, happened: Moments, one: int, other: int) -> None:
    sooner, later = (read(clock, happened, moment(minutes)) for minutes in sorted((one, other)))
    if sooner is None or sooner.state is not State.BREACHED:
        return

    assert later is not None
    assert (later.state, later.due_at) == (State.BREACHED, sooner.due_at)


@given(CLOCKS, stories(), MINUTES, st.data())
def test_a_pause_never_brings_the_due_time_forward(
    clock: Clock, happened: Moments, minutes: int, data: st.DataObject
) -> None:
    fewer = data.draw(st.integers(0, max(len(happened.pauses) - 1, 0)))
    without = happened.model_copy(update={"pauses": happened.pauses[:fewer]})
    more, less = (read(clock, one, moment(minutes)) for one in (happened, without))
    if more is None or less is None or more.due_at is None:
        return

    assert less.due_at is not None
    assert more.due_at >= less.due_at
    assert more.used <= less.used


@given(CLOCKS, stories(), MINUTES)
def test_the_same_story_at_the_same_time_shows_the_same(clock: Clock, happened: Moments, minutes: int) -> None:
    assert read(clock, happened, moment(minutes)) == read(clock, happened, moment(minutes))


@given(CLOCKS, stories(), MINUTES)
def test_nobody_is_warned_after_the_time_is_over(clock: Clock, happened: Moments, minutes: int) -> None:
    shown = read(clock, happened, moment(minutes))
    if shown is None or shown.due_at is None or clock.warn_at is None:
        return

    assert shown.warn_at is not None
    assert shown.warn_at <= shown.due_at
    assert shown.state is not State.WARNED or shown.warn_at <= moment(minutes) <= shown.due_at


@given(CLOCKS, stories(), st.integers(1, 1_000), MINUTES)
def test_no_question_holds_a_clock_for_longer_than_the_longest_pause(
    clock: Clock, happened: Moments, longest: int, minutes: int
) -> None:
    limited = clock.model_copy(update={"longest": LongestPause(within=longest * MINUTE)})
    shown = read(limited, happened, moment(minutes))
    if shown is None:
        return
    asked = [pause for pause in happened.pauses if pause.begins <= moment(minutes)]
    elapsed = clock.calendar.between(shown.started_at, shown.ended_at or moment(minutes))

    assert shown.used >= elapsed - len(asked) * longest * MINUTE
    assert shown.state is not State.PAUSED or asked[-1].begins + longest * MINUTE > moment(minutes)


@given(CLOCKS, stories(), MINUTES, MINUTES)
def test_a_shorter_pause_never_gives_a_clock_more_time(clock: Clock, happened: Moments, one: int, other: int) -> None:
    lengths = [LongestPause(within=(minutes + 1) * MINUTE) for minutes in sorted((one, other))]
    shorter, longer = (
        read(clock.model_copy(update={"longest": longest}), happened, moment(3 * 24 * 60)) for longest in lengths
    )
    if shorter is None or longer is None:
        return

    assert shorter.used >= longer.used
    assert longer.state is not State.BREACHED or shorter.state is State.BREACHED


ORDER = {State.RUNNING: 0, State.PAUSED: 0, State.WARNED: 1, State.MET: 2, State.UNSCORED: 2, State.BREACHED: 3}


@given(CLOCKS, stories())
def test_without_pauses_a_clock_goes_through_its_states_in_one_direction(clock: Clock, happened: Moments) -> None:
    unpaused = happened.model_copy(update={"pauses": ()})
    shown = [read(clock, unpaused, moment(minutes)) for minutes in range(0, 3 * 24 * 60, 240)]
    states = [ORDER[one.state] for one in shown if one is not None]

    assert all(before <= after for before, after in pairwise(states))


def test_the_share_met_is_of_those_met_or_breached() -> None:
    figure = Compliance(clock=ClockName.DELIVERED, met=3, breached=1, late=1, running=50, paused=6, unscored=7)

    assert figure.share == pytest.approx(0.75)


def test_where_nothing_was_scored_there_is_no_share() -> None:
    assert Compliance(clock=ClockName.DELIVERED, running=50, unscored=7).share is None
