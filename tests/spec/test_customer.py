"""Answers that customers owe: questions and what came in, in; which item is the answer, and who is silent, out."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.business_time import Calendar, Span, Weekday
from domain.customer import Answered, Arrived, Owed, answers, overdue
from domain.sla import LongestPause

NOON = datetime(2026, 3, 6, 12, 0, tzinfo=UTC)  # a Friday


def at(minutes: int) -> datetime:
    return NOON + timedelta(minutes=minutes)


def owed(whom: str = "ann", asked: int = 0, item_id: str = "it-1") -> Owed:
    return Owed(item_id=item_id, whom=whom, asked_at=at(asked))


def came(whom: str = "ann", accepted: int = 10, item_id: str = "it-9") -> Arrived:
    return Arrived(item_id=item_id, whom=whom, accepted_at=at(accepted))


def by(through: str, since: int, item_id: str = "it-1") -> Answered:
    return Answered(item_id=item_id, through=through, since=at(since))


ANSWERS = [
    # owed, what came -> answered
    pytest.param([], [came()], [], id="nothing is owed"),
    pytest.param([owed()], [], [], id="nothing came"),
    pytest.param([owed()], [came()], [by("it-9", 10)], id="the next item of the same customer"),
    pytest.param([owed()], [came("bob")], [], id="another customer's is none"),
    pytest.param([owed("")], [came("")], [], id="where nothing tells who it is, nothing is an answer"),
    pytest.param([owed(asked=10)], [came()], [], id="what came at the moment of the question is none"),
    pytest.param([owed(asked=11)], [came()], [], id="nor what came before"),
    pytest.param(
        [owed()], [came(accepted=20), came(accepted=10, item_id="it-8")], [by("it-8", 10)], id="the first counts"
    ),
    pytest.param(
        [owed(), owed(item_id="it-2")],
        [came()],
        [by("it-9", 10), by("it-9", 10, "it-2")],
        id="one item answers every question to its customer",
    ),
    pytest.param(
        [owed(asked=-60), owed(asked=60, item_id="it-2")], [came()], [by("it-9", 10)], id="but none that came later"
    ),
]


@pytest.mark.parametrize(("owing", "arrived", "expected"), ANSWERS)
def test_what_is_an_answer(owing: list[Owed], arrived: list[Arrived], expected: list[Answered]) -> None:
    assert list(answers(owing, arrived)) == expected


NAMES, MINUTES = st.sampled_from(["", "ann", "bob"]), st.integers(-100, 100)
OWING = st.lists(st.tuples(NAMES, MINUTES), max_size=6).map(
    lambda given: [owed(whom, asked, f"it-{number}") for number, (whom, asked) in enumerate(given)]
)
CAME = st.lists(st.tuples(NAMES, MINUTES), max_size=6).map(
    lambda given: [came(whom, accepted, f"in-{number}") for number, (whom, accepted) in enumerate(given)]
)


@given(OWING, CAME)
def test_each_question_has_one_answer_at_most_and_it_came_from_whom_was_asked_after_it(owing, arrived) -> None:
    items, questions = {one.item_id: one for one in arrived}, {one.item_id: one for one in owing}
    found = list(answers(owing, arrived))

    assert len({one.item_id for one in found}) == len(found)
    for one in found:
        assert items[one.through].whom == questions[one.item_id].whom != ""
        assert one.since == items[one.through].accepted_at > questions[one.item_id].asked_at


@given(OWING, CAME)
def test_the_order_in_which_items_are_seen_changes_nothing(owing, arrived) -> None:
    assert list(answers(owing, arrived)) == list(answers(owing, arrived[::-1]))


WEEKDAYS = Calendar(hours=dict.fromkeys(list(Weekday)[:5], (Span(opens=9 * 60, closes=17 * 60),)))


@pytest.mark.parametrize(
    ("longest", "now", "expected"),
    [
        pytest.param(LongestPause(within=timedelta(hours=6)), 359, [], id="a minute is left"),
        pytest.param(LongestPause(within=timedelta(hours=6)), 360, [(owed(), at(360))], id="it is over"),
        pytest.param(
            LongestPause(within=timedelta(hours=6)),
            9999,
            [(owed(), at(360))],
            id="it was over then",
        ),
        pytest.param(
            LongestPause(within=timedelta(hours=6), calendar=WEEKDAYS), 2 * 24 * 60, [], id="a weekend does not count"
        ),
    ],
)
def test_who_is_silent(longest: LongestPause, now: int, expected: list[tuple[Owed, datetime]]) -> None:
    assert list(overdue([owed()], longest, at(now))) == expected
