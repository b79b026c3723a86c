"""Assignment: reviews and people in; with whom each review is, and why, out."""

from datetime import UTC, date, datetime, timedelta

import pytest
from pydantic import ValidationError

from domain.assignment import Assigning, Because, Overload, Placement, Seat, assign
from domain.business_time import Calendar, Span, Weekday
from domain.people import Absence, Person

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)  # a Monday
DAYS = Calendar(hours={day: (Span(opens=540, closes=1020),) for day in list(Weekday)[:5]})
NIGHTS = Calendar(hours={day: (Span(opens=0, closes=480),) for day in Weekday})
AWAY = (Absence(first=date(2026, 3, 2), last=date(2026, 3, 6)),)
TERMS = Assigning(team="desk", limit=2, answer_minutes=60)


def person(name: str, **values: object) -> Person:
    return Person.model_validate({"name": name, "calendar": DAYS, "teams": ("desk",)} | values)


def seat(number: int, **values: object) -> Seat:
    opened_at = NOON - timedelta(minutes=100 - number)
    return Seat.model_validate({"review_id": f"r{number}", "opened_at": opened_at} | values)


def held_by(name: str, minutes: float) -> dict[str, object]:
    """That a review has been with somebody for so long."""
    return {"assignee": name, "assigned_at": NOON - timedelta(minutes=minutes)}


def placed(seats, team, *, helpers=(), terms=TERMS, held=None, last=None, now=NOON):
    placements = assign(seats, team, helpers, terms, now, held or {}, last or {})
    return {one.review_id: (one.to, one.why.value) for one in placements}


A, B = person("a"), person("b")
PLACES = [
    pytest.param([seat(1), seat(2), seat(3)], [A, B], {"r1": "a", "r2": "b", "r3": "a"}, "new", id="turn by turn"),
    pytest.param([seat(2), seat(1)], [A, B], {"r1": "a", "r2": "b"}, "new", id="the oldest first"),
    pytest.param([seat(1)], [person("a", absences=AWAY), B], {"r1": "b"}, "new", id="nobody who is away"),
    pytest.param([seat(1)], [person("a", calendar=NIGHTS), B], {"r1": "b"}, "new", id="nobody out of hours"),
    pytest.param([seat(1, barred={"a"})], [A, B], {"r1": "b"}, "new", id="nobody about their own"),
    pytest.param([seat(1, **held_by("a", 61))], [A, B], {"r1": "b"}, "unanswered", id="on, when it lay too long"),
    pytest.param([seat(1, **held_by("a", 59))], [A, B], {"r1": "a"}, "stays", id="not before"),
    pytest.param([seat(1, **held_by("a", 61))], [A], {"r1": "a"}, "stays", id="and not when nobody else can"),
    pytest.param([seat(1, **held_by("a", 61), passed=("b",))], [A, B], {"r1": "a"}, "stays", id="never back and forth"),
    pytest.param(
        [seat(1, **held_by("a", 5))], [person("a", absences=AWAY), B], {"r1": "b"}, "away", id="on, when they go away"
    ),
    pytest.param([seat(1, **held_by("z", 5))], [A], {"r1": "a"}, "not_theirs", id="on, when they left the team"),
    pytest.param(
        [seat(1, barred={"a"}, **held_by("a", 5))], [A, B], {"r1": "b"}, "not_theirs", id="on, when they may not"
    ),
    pytest.param([seat(1)], [person("a", calendar=NIGHTS)], {"r1": None}, "off_shift", id="nobody is at work"),
    pytest.param([seat(1, barred={"a"})], [A], {"r1": None}, "nobody_may", id="nobody may"),
    pytest.param(
        [seat(1, **held_by("a", 5))], [person("a", absences=AWAY)], {"r1": None}, "off_shift", id="nobody is left"
    ),
]


@pytest.mark.parametrize(("seats", "team", "expected", "why"), PLACES)
def test_with_whom_a_review_is(seats, team, expected, why):
    assert placed(seats, team) == {review: (to, why) for review, to in expected.items()}


def test_who_has_fewer_comes_first_whichever_policy_they_are_of():
    assert placed([seat(1)], [A, B], held={"a": 1}) == {"r1": ("b", "new")}


def test_among_equals_who_was_given_one_the_longest_ago_comes_first():
    last = {"a": NOON, "b": NOON - timedelta(hours=1)}
    assert placed([seat(1), seat(2)], [A, B], last=last) == {"r1": ("b", "new"), "r2": ("a", "new")}


def test_a_night_out_of_hours_does_not_count_against_somebody():
    yesterday = datetime(2026, 3, 2, 16, 30, tzinfo=UTC)
    here = seat(1, assignee="a", assigned_at=yesterday)
    assert placed([here], [A, B], now=datetime(2026, 3, 3, 9, 20, tzinfo=UTC)) == {"r1": ("a", "stays")}
    assert placed([here], [A, B], now=datetime(2026, 3, 3, 9, 30, tzinfo=UTC)) == {"r1": ("b", "unanswered")}


def test_a_review_that_goes_on_makes_room_where_it_was():
    seats = [seat(1, **held_by("a", 61)), seat(2), seat(3)]
    assert placed(seats, [A, B], terms=TERMS.model_copy(update={"limit": 2})) == {
        "r1": ("b", "unanswered"),
        "r2": ("a", "new"),
        "r3": ("b", "new"),
    }


FOUR = [seat(number) for number in range(4)]


@pytest.mark.parametrize("overload", [Overload.WAIT, Overload.RULES])
def test_beyond_everybodys_limit_reviews_are_with_nobody(overload):
    terms = TERMS.model_copy(update={"overload": overload})
    assert placed(FOUR, [A], terms=terms) == {
        "r0": ("a", "new"),
        "r1": ("a", "new"),
        "r2": (None, "full"),
        "r3": (None, "full"),
    }


def test_a_persons_own_limit_goes_before_the_policys():
    own = person("a", limit=3)
    assert [to for to, _ in placed(FOUR, [own]).values()] == ["a", "a", "a", None]


def test_beyond_everybodys_limit_helpers_join_in_and_only_then():
    assert placed(FOUR[:3], [A], helpers=[person("h")]) == {
        "r0": ("a", "new"),
        "r1": ("a", "new"),
        "r2": ("h", "new"),
    }
    assert placed([seat(1)], [person("a", calendar=NIGHTS)], helpers=[person("h")]) == {"r1": (None, "off_shift")}


def test_helpers_have_limits_too():
    assert [to for to, _ in placed(FOUR, [A], helpers=[person("h", limit=1)]).values()] == ["a", "a", "h", None]


@pytest.mark.parametrize("given", [{"team": "a", "next_team": "b"}, {"team": "a", "overload": "widen"}])
def test_another_team_goes_with_widening(given):
    with pytest.raises(ValidationError, match="next_team goes with"):
        Assigning.model_validate(given)


def test_a_placement_of_nobody_says_why():
    assert assign([seat(1)], [], [], TERMS, NOON, {}, {}) == [Placement(review_id="r1", to=None, why=Because.OFF_SHIFT)]
