"""What holds of every assignment: it is fair, whole and repeatable, and nobody away or barred gets work."""

from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from domain.assignment import Assigned, Assigning, Because, Seat, assign, notice_id, say_assigned
from domain.business_time import Calendar, Span, Weekday
from domain.people import Absence, Person

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
NIGHTS = Calendar(hours={day: (Span(opens=0, closes=480),) for day in Weekday})
AWAY = (Absence(first=date(2026, 3, 1), last=date(2026, 3, 3)),)
NAMES = ("a", "b", "c", "d")
PEOPLE = st.lists(
    st.builds(
        lambda calendar, absences, limit: {"calendar": calendar, "absences": absences, "limit": limit},
        st.sampled_from([Calendar(), Calendar(), NIGHTS]),
        st.sampled_from([(), (), AWAY]),
        st.sampled_from([None, None, 1, 3]),
    ),
    max_size=4,
).map(lambda made: [Person(name=name, **one) for name, one in zip(NAMES, made, strict=False)])
SEATS = st.lists(
    st.tuples(
        st.frozensets(st.sampled_from(NAMES), max_size=2),
        st.sampled_from([None, None, *NAMES]),
        st.integers(0, 200),
        st.lists(st.sampled_from(NAMES), max_size=2).map(tuple),
    ),
    max_size=12,
).map(
    lambda made: [
        Seat(
            review_id=f"r{number}",
            opened_at=NOON - timedelta(minutes=number),
            barred=barred,
            assignee=assignee,
            assigned_at=None if assignee is None else NOON - timedelta(minutes=minutes),
            passed=passed,
        )
        for number, (barred, assignee, minutes, passed) in enumerate(made)
    ]
)
TERMS = Assigning(team="desk", limit=4, answer_minutes=120)


@given(SEATS, PEOPLE, PEOPLE)
def test_every_review_is_placed_or_the_reason_given_and_always_alike(seats, team, helpers):
    helpers = [person.model_copy(update={"name": person.name.upper()}) for person in helpers]
    placements = assign(seats, team, helpers, TERMS, NOON, {}, {})
    assert sorted(one.review_id for one in placements) == sorted(seat.review_id for seat in seats)
    nobody = {Because.OFF_SHIFT, Because.NOBODY_MAY, Because.FULL}
    assert all((one.to is None) == (one.why in nobody) for one in placements)
    assert assign(list(reversed(seats)), team, helpers, TERMS, NOON, {}, {}) == placements


@given(SEATS, PEOPLE)
def test_nobody_gets_work_who_is_away_out_of_hours_barred_or_at_their_limit(seats, team):
    people, before = {person.name: person for person in team}, {seat.review_id: seat for seat in seats}
    placements = assign(seats, team, [], TERMS, NOON, {}, {})
    for one in placements:
        if one.to is not None:
            assert not people[one.to].absent(NOON)
            assert one.to not in before[one.review_id].barred
        if one.to is not None and one.why is not Because.STAYS:
            assert people[one.to].at_work(NOON)
            assert one.to not in before[one.review_id].passed
            assert sum(other.to == one.to for other in placements) <= max(
                people[one.to].limit or TERMS.limit, sum(seat.assignee == one.to for seat in seats)
            )


@given(st.integers(0, 20), st.integers(1, 4), st.integers(1, 6))
def test_the_loads_of_the_equally_available_differ_by_one_at_most(count, people, limit):
    seats = [Seat(review_id=f"r{number:02}", opened_at=NOON) for number in range(count)]
    team = [Person(name=name) for name in NAMES[:people]]
    placements = assign(seats, team, [], TERMS.model_copy(update={"limit": limit}), NOON, {}, {})
    loads = [sum(one.to == person.name for one in placements) for person in team]
    assert max(loads) - min(loads) <= 1
    assert sum(loads) == min(count, people * limit)


@given(st.lists(st.sampled_from(NAMES), max_size=12))
def test_nobody_gets_another_while_somebody_who_could_take_it_has_fewer(held):
    loads = {name: held.count(name) for name in NAMES}
    (placement,) = assign(
        [Seat(review_id="r", opened_at=NOON)],
        [Person(name=name) for name in NAMES],
        [],
        TERMS.model_copy(update={"limit": 99}),
        NOON,
        loads,
        {},
    )
    assert loads[placement.to or ""] == min(loads.values())


def review(number: int, kind: str = "route", why: str = "below_threshold") -> Assigned:
    return Assigned(review_id=f"it-{number}", kind=kind, why=why, due_at=NOON + timedelta(hours=number))


def test_somebody_is_told_what_is_asked_why_and_until_when():
    subject, text = say_assigned("tiny", [review(1)])
    assert subject == "tiny: a review is yours to answer"
    assert text.splitlines() == [
        subject,
        "What is asked: route",
        "Why a person is asked: below threshold",
        f"Due by {NOON + timedelta(hours=1):%Y-%m-%d %H:%M} UTC",
    ]


def test_of_many_they_are_told_how_many():
    _, text = say_assigned("tiny", [review(3, "fields", "audit"), review(2), review(4)])
    assert text.splitlines() == [
        "tiny: 3 reviews are yours to answer",
        "What is asked: route (2), fields (1)",
        "Why a person is asked: below threshold (2), audit (1)",
        f"Due by {NOON + timedelta(hours=2):%Y-%m-%d %H:%M} UTC, the first of them",
    ]


def test_what_is_given_again_later_or_to_somebody_else_is_told_under_another_name():
    once = notice_id("Ann", [review(1)], NOON)
    assert once == notice_id("Ann", [review(1)], NOON)
    later = NOON + timedelta(seconds=1)
    others = {
        notice_id("Ben", [review(1)], NOON),
        notice_id("Ann", [review(2)], NOON),
        notice_id("Ann", [review(1)], later),
    }
    assert len(others | {once}) == 4
