"""What holds of every ladder: it ends, it waits, it stops at an acknowledgement, and nothing is forgotten."""

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.business_time import Calendar, Span, Weekday
from domain.escalation import Cause, Course, Given, Ladder, LadderStep, Move, Pending, escalation_id, fold, next_notice

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
CALENDARS = st.sampled_from([Calendar(), Calendar(hours={Weekday.MON: (Span(opens=540, closes=1020),)})])
LADDERS = st.builds(
    Ladder,
    steps=st.lists(
        st.builds(LadderStep, to=st.just("x"), after_minutes=st.integers(0, 300)), min_size=1, max_size=4
    ).map(tuple),
    repeats=st.integers(0, 4),
    repeat_minutes=st.integers(1, 500),
    quiet_minutes=st.integers(1, 100),
)
WAITS = st.lists(st.tuples(st.integers(0, 5000), st.booleans()), min_size=30, max_size=30)


@given(LADDERS, CALENDARS, WAITS)
@settings(max_examples=100)
def test_whatever_fails_a_ladder_gives_each_turn_once_and_ends(ladder, calendar, waits):
    course, now, turns = Course(began_at=START, last_at=START), START, []
    for minutes, failed in waits:
        now += timedelta(minutes=minutes)
        coming = next_notice(ladder, course, calendar, now)
        if coming.turn is not None:
            turns.append(coming.turn)
            course = course.model_copy(update={"given": (*course.given, Given(at=now, failed=failed))})
    assert turns == list(range(len(turns)))
    assert len(turns) <= ladder.turns


@given(LADDERS, CALENDARS, st.integers(0, 3), st.integers(0, 20_000))
def test_what_is_waited_for_is_due_then_and_not_a_moment_before(ladder, calendar, given_before, minutes):
    notices = tuple(Given(at=START) for _ in range(min(given_before, ladder.turns)))
    course, now = Course(began_at=START, last_at=START, given=notices), START + timedelta(minutes=minutes)
    coming = next_notice(ladder, course, calendar, now)
    if coming.move is Move.WAIT and coming.turn is None and len(notices) < ladder.turns:
        assert coming.at is not None
        assert coming.at > now
        assert next_notice(ladder, course, calendar, coming.at).move is Move.GIVE


@given(LADDERS, CALENDARS, st.integers(0, 5), st.integers(0, 20_000), st.integers(0, 20_000))
def test_nothing_is_given_after_an_acknowledgement(ladder, calendar, given_before, acknowledged, minutes):
    notices = tuple(Given(at=START) for _ in range(given_before))
    at = START + timedelta(minutes=acknowledged)
    course = Course(began_at=START, last_at=START, given=notices, acknowledged_at=at)
    assert next_notice(ladder, course, calendar, at + timedelta(minutes=minutes)).move is not Move.GIVE


@given(
    st.lists(st.tuples(st.sampled_from(list(Cause)), st.integers(0, 2)), max_size=30),
    st.dictionaries(st.tuples(st.sampled_from(list(Cause)), st.integers(0, 2)), st.integers(0, 30)),
)
def test_folding_forgets_and_doubles_nothing_and_holds_back_only_what_was_told_just_now(topics, told):
    due = [Pending(escalation_id=f"es-{n}", cause=cause, turn=turn) for n, (cause, turn) in enumerate(topics)]
    last = {topic: START - timedelta(minutes=minutes) for topic, minutes in told.items()}
    groups = fold(due, last, 10, START)
    out = [one for group in groups for one in group]
    assert len(out) == len({one.escalation_id for one in out})
    assert all(len({(one.cause, one.turn) for one in group}) == 1 for group in groups)
    assert len(groups) == len({(group[0].cause, group[0].turn) for group in groups})
    for one in due:
        assert (one in out) == (told.get((one.cause, one.turn), 99) >= 10)


def test_two_escalations_about_the_same_have_two_ids_by_when_they_began():
    ids = {escalation_id("p", Cause.REVIEW_LATE, "it-1", START + timedelta(days=day)) for day in (0, 0, 1)}
    assert len(ids) == 2
