"""The moments that promises are measured between, as the ledger tells them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.delivery import Step
from domain.duplicates import Finding
from domain.ledger import GENESIS, Entry, Event, link
from domain.moments import Moments, Pause, moments

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
Happened = tuple[Event, dict[str, Any]]

ACCEPTED: Happened = (Event.ACCEPTED, {})
LEFT_TO_A_PERSON: Happened = (Event.DECIDED, {"waits": True, "writes": False})
WRITES: Happened = (Event.DECIDED, {"waits": False, "writes": True})
WRITES_NOT: Happened = (Event.DECIDED, {"waits": False, "writes": False})
OPENED: Happened = (Event.REVIEW_OPENED, {})
ANSWERED: Happened = (Event.REVIEW_ANSWERED, {})
ASKED: Happened = (Event.CUSTOMER_ASKED, {})
TOLD: Happened = (Event.CUSTOMER_ANSWERED, {})
SOMETHING_ELSE: Happened = (Event.BALANCED, {})


def told_at(minutes: int, event: Event = Event.CUSTOMER_ANSWERED) -> Happened:
    """That the pause ended so many minutes after noon, whenever that was noticed."""
    return event, {"since": (NOON + timedelta(minutes=minutes)).isoformat()}


def queued(name: str) -> Happened:
    return Event.QUEUED, {"operation": name}


def tried(name: str, step: Step = Step.DONE) -> Happened:
    return Event.ATTEMPTED, {"operation": name, "next": step.value}


def moved(name: str) -> Happened:
    return Event.ATTEMPTED, {"operation": name, "next": Step.DONE.value, "moved": True}


def given_up_for_a_later_one(name: str) -> Happened:
    return Event.SUPERSEDED, {"operation": name, "by": "Ann", "newer": "it-2"}


def compared(name: str, finding: Finding) -> Happened:
    return Event.COMPARED, {"operation": name, "finding": finding.value}


def story(*happened: Happened) -> list[Entry]:
    """What happened, a minute apart from noon."""
    return [
        link(GENESIS, minute + 1, "it-1", NOON + timedelta(minutes=minute), event, facts)
        for minute, (event, facts) in enumerate(happened)
    ]


def minute(number: int) -> datetime:
    return NOON + timedelta(minutes=number)


TABLE = [
    pytest.param([ACCEPTED, SOMETHING_ELSE], {}, id="nothing but acceptance"),
    pytest.param([ACCEPTED, WRITES, queued("a")], {"decided": 1}, id="a write that waits"),
    pytest.param(
        [ACCEPTED, WRITES, queued("a"), tried("a")], {"decided": 1, "delivered": 3}, id="a write that is done"
    ),
    pytest.param(
        [ACCEPTED, WRITES, queued("a"), tried("a", Step.SEND_AGAIN), tried("a", Step.LOOK_UP), tried("a")],
        {"decided": 1, "delivered": 5},
        id="tries that ended otherwise are no delivery",
    ),
    pytest.param(
        [ACCEPTED, WRITES, queued("a"), moved("a")], {"decided": 1}, id="a write that ended unwritten is no delivery"
    ),
    pytest.param(
        [ACCEPTED, WRITES, queued("a"), queued("b"), tried("b"), tried("a")],
        {"decided": 1, "delivered": 5},
        id="delivered is when the last write is",
    ),
    pytest.param(
        [ACCEPTED, WRITES, queued("a"), tried("a", Step.DEAD_LETTER), tried("a")],
        {"decided": 1, "delivered": 4},
        id="a dead letter is not delivered until it is mended",
    ),
    pytest.param(
        [ACCEPTED, WRITES, queued("a"), tried("a", Step.DEAD_LETTER), given_up_for_a_later_one("a")],
        {"decided": 1, "closed": 4},
        id="a dead letter that a later write has taken the place of is over",
    ),
    pytest.param(
        [ACCEPTED, WRITES, queued("a"), compared("a", Finding.ASK_PERSON), compared("a", Finding.UNWANTED)],
        {"decided": 1, "closed": 4},
        id="a write that a person does not want is over",
    ),
    pytest.param(
        [ACCEPTED, WRITES, queued("a"), compared("a", Finding.SAME)], {"decided": 1}, id="one that is compared is not"
    ),
    pytest.param(
        [ACCEPTED, WRITES, queued("a"), queued("b"), tried("a"), compared("b", Finding.UNWANTED)],
        {"decided": 1, "delivered": 5},
        id="what is wanted is delivered when it is known that the rest is not",
    ),
    pytest.param(
        [ACCEPTED, WRITES, queued("a"), queued("b"), compared("b", Finding.UNWANTED), tried("a"), tried("a")],
        {"decided": 1, "delivered": 5},
        id="or when the last that is wanted is written",
    ),
    pytest.param(
        [ACCEPTED, WRITES, SOMETHING_ELSE], {"decided": 1, "closed": 1}, id="a decision that no destination is meant by"
    ),
    pytest.param(
        [ACCEPTED, queued("a"), WRITES, tried("a")], {"decided": 2, "delivered": 3}, id="queued with the decision"
    ),
    pytest.param(
        [ACCEPTED, LEFT_TO_A_PERSON, queued("a"), tried("a"), OPENED, WRITES],
        {"decided": 1, "review_opened": 4, "answered": 5, "closed": 5},
        id="what was written before the last word was no delivery",
    ),
    pytest.param([ACCEPTED, WRITES_NOT], {"decided": 1, "closed": 1}, id="an end without a write"),
    pytest.param(
        [ACCEPTED, (Event.EVENT_WAITS, {}), SOMETHING_ELSE, WRITES, queued("a"), tried("a")],
        {"decided": 1, "delivered": 5},
        id="to let an event before its turn wait is a decision, and no end",
    ),
    pytest.param([ACCEPTED, LEFT_TO_A_PERSON, OPENED], {"decided": 1, "review_opened": 2}, id="a person is asked"),
    pytest.param(
        [ACCEPTED, LEFT_TO_A_PERSON, OPENED, WRITES, queued("a"), tried("a")],
        {"decided": 1, "review_opened": 2, "answered": 3, "delivered": 5},
        id="a person answers",
    ),
    pytest.param(
        [ACCEPTED, LEFT_TO_A_PERSON, OPENED, WRITES_NOT],
        {"decided": 1, "review_opened": 2, "answered": 3, "closed": 3},
        id="a person ends it",
    ),
    pytest.param(
        [ACCEPTED, WRITES, queued("a"), OPENED, ANSWERED, tried("a")],
        {"decided": 1, "review_opened": 3, "answered": 4, "delivered": 5},
        id="a person is asked about the write",
    ),
    pytest.param(
        [ACCEPTED, LEFT_TO_A_PERSON, queued("a"), tried("a")],
        {"decided": 1},
        id="a write before the last word is no delivery",
    ),
]


@pytest.mark.parametrize(("happened", "expected"), TABLE)
def test_what_the_ledger_tells(happened: list[Happened], expected: dict[str, int]) -> None:
    told = {f"{name}_at": minute(number) for name, number in expected.items()}

    assert moments(story(*happened)) == Moments(accepted_at=NOON, **told)


@pytest.mark.parametrize(
    ("happened", "pauses"),
    [
        ([ASKED], [(1, None)]),
        ([ASKED, TOLD], [(1, 2)]),
        ([ASKED, ASKED, TOLD], [(1, 3)]),
        ([ASKED, TOLD, TOLD], [(1, 2)]),
        ([TOLD, ASKED, TOLD, SOMETHING_ELSE, ASKED], [(2, 3), (5, None)]),
        ([ASKED, SOMETHING_ELSE, SOMETHING_ELSE, told_at(2)], [(1, 2)]),
        ([ASKED, told_at(5)], [(1, 2)]),
        ([SOMETHING_ELSE, ASKED, told_at(1)], [(2, 2)]),
        ([ASKED, SOMETHING_ELSE, told_at(2, Event.CUSTOMER_SILENT), TOLD], [(1, 2)]),
        ([ASKED, told_at(2, Event.CUSTOMER_SILENT), ASKED], [(1, 2), (3, None)]),
    ],
    ids=[
        "owed",
        "answered",
        "asked twice",
        "answered twice",
        "again",
        "an answer that is noticed later",
        "no answer comes later than it is noticed",
        "none comes before its question",
        "silence, and an answer after it",
        "asked again after a silence",
    ],
)
def test_the_customer_owes_from_the_first_question_to_the_next_answer(
    happened: list[Happened], pauses: list[tuple[int, int | None]]
) -> None:
    told = moments(story(ACCEPTED, *happened))

    assert told is not None
    assert told.pauses == tuple(
        Pause(begins=minute(begins), ends=None if ends is None else minute(ends)) for begins, ends in pauses
    )


def test_what_was_never_accepted_has_no_moments() -> None:
    assert moments(story(SOMETHING_ELSE, ASKED)) is None
