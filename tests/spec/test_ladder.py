"""Ladders: when an escalation began, what was given, who acknowledged, now in; the next notice out, with its reason."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from domain.business_time import Calendar, Span, Weekday
from domain.escalation import (
    Cause,
    Course,
    Given,
    Ladder,
    LadderStep,
    Matter,
    Move,
    Next,
    Pending,
    Why,
    fold,
    kind,
    lasts,
    next_notice,
    say,
)
from domain.people import Channel

NINE = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)  # a Monday
ALWAYS = Calendar()
OFFICE = Calendar(hours={day: (Span(opens=540, closes=1020),) for day in list(Weekday)[:5]})
LADDER = Ladder(
    steps=(
        LadderStep(to="the lead", by=Channel.SLACK),
        LadderStep(to="the head", by=Channel.MAIL, after_minutes=30),
        LadderStep(to="the board", after_minutes=60),
    ),
    repeats=2,
    repeat_minutes=120,
    quiet_minutes=60,
)


def at(minutes: float) -> datetime:
    return NINE + timedelta(minutes=minutes)


def given(*when: float, failed: tuple[int, ...] = ()) -> tuple[Given, ...]:
    """Notices at these minutes; those of the `failed` turns reached nobody."""
    return tuple(Given(at=at(minutes), failed=turn in failed) for turn, minutes in enumerate(when))


def give(turn: int, why: Why) -> Next:
    return Next(move=Move.GIVE, why=why, turn=turn)


def wait(why: Why, until: float | None) -> Next:
    return Next(move=Move.WAIT, why=why, at=None if until is None else at(until))


TURNS = [
    pytest.param((), 0, give(0, Why.BEGUN), id="the first step is due at once"),
    pytest.param(given(0), 29, wait(Why.NOT_YET, 30), id="the second waits its time"),
    pytest.param(given(0), 30, give(1, Why.UNANSWERED), id="and is due when it has passed"),
    pytest.param(given(7), 36, wait(Why.NOT_YET, 37), id="which passes from the notice, not from the beginning"),
    pytest.param(given(0), 900, give(1, Why.UNANSWERED), id="a watch that was late gives one notice, not three"),
    pytest.param(given(0, failed=(0,)), 0, give(1, Why.UNDELIVERED), id="after one that reached nobody, at once"),
    pytest.param(given(0, 0, failed=(0, 1)), 0, give(2, Why.UNDELIVERED), id="however many in a row"),
    pytest.param(given(0, 30, 90), 209, wait(Why.NOT_YET, 210), id="the last step is repeated after its own time"),
    pytest.param(given(0, 30, 90), 210, give(3, Why.REPEATED), id="and no earlier"),
    pytest.param(given(0, 0, 0, failed=(0, 1, 2)), 119, wait(Why.NOT_YET, 120), id="a repetition never comes at once"),
    pytest.param(given(0, 30, 90, 210), 330, give(4, Why.REPEATED), id="twice"),
    pytest.param(given(0, 30, 90, 210, 330), 389, wait(Why.EXHAUSTED, 390), id="and then never again"),
    pytest.param(given(0, 30, 90, 210, 330), 9999, wait(Why.EXHAUSTED, None), id="though it stays open"),
]


@pytest.mark.parametrize(("notices", "now", "expected"), TURNS)
def test_the_ladder_climbs_until_somebody_acknowledges(notices, now, expected):
    course = Course(began_at=NINE, last_at=NINE, given=notices)
    assert next_notice(LADDER, course, ALWAYS, at(now)) == expected


ENDS = [
    pytest.param(5, 0, 6, wait(Why.ACKNOWLEDGED, 65), id="an acknowledgement stops the ladder"),
    pytest.param(5, 0, 65, Next(move=Move.CLOSE, why=Why.ACKNOWLEDGED), id="what did not come back is over"),
    pytest.param(5, 40, 64, wait(Why.ACKNOWLEDGED, 65), id="what goes on while it is mended is counted"),
    pytest.param(5, 40, 65, Next(move=Move.RENEW, why=Why.WENT_ON), id="and told anew if it still goes on"),
    pytest.param(5, 5, 65, Next(move=Move.CLOSE, why=Why.ACKNOWLEDGED), id="what came before the end does not"),
]


@pytest.mark.parametrize(("acknowledged", "last", "now", "expected"), ENDS)
def test_what_an_acknowledgement_does(acknowledged, last, now, expected):
    course = Course(began_at=NINE, last_at=at(last), given=given(0), acknowledged_at=at(acknowledged))
    assert next_notice(LADDER, course, ALWAYS, at(now)) == expected


def test_what_lasts_for_as_long_as_it_stands_is_told_anew_though_it_is_never_seen_again():
    course = Course(began_at=NINE, last_at=NINE, given=given(0), acknowledged_at=at(5), lasts=True)
    assert next_notice(LADDER, course, ALWAYS, at(64)).move is Move.WAIT
    assert next_notice(LADDER, course, ALWAYS, at(65)) == Next(move=Move.RENEW, why=Why.WENT_ON)


def test_what_goes_on_after_everybody_was_told_begins_anew():
    course = Course(began_at=NINE, last_at=at(331), given=given(0, 30, 90, 210, 330))
    assert next_notice(LADDER, course, ALWAYS, at(390)) == Next(move=Move.RENEW, why=Why.WENT_ON)


def test_minutes_are_working_minutes():
    friday = datetime(2026, 3, 6, 16, 50, tzinfo=UTC)
    course = Course(began_at=friday, last_at=friday, given=(Given(at=friday),))
    monday = datetime(2026, 3, 9, 9, 20, tzinfo=UTC)
    assert next_notice(LADDER, course, OFFICE, friday + timedelta(hours=20)).at == monday
    assert next_notice(LADDER, course, OFFICE, monday).move is Move.GIVE


def test_one_name_is_a_ladder_of_one_step():
    ladder = Ladder(to="the lead", repeats=0)
    assert ladder.all_steps == (LadderStep(to="the lead", by=Channel.PREFECT),)
    assert ladder.turns == 1


def test_who_is_told_by_no_channel_of_the_ladder_is_known():
    assert Ladder(to="the lead").by_event == ("the lead",)
    assert LADDER.by_event == ("the board",)
    assert Ladder(steps=LADDER.steps[:2]).by_event == ()
    assert Ladder(steps=(LadderStep(to="a"), LadderStep(to="a"), LadderStep(to="b"))).by_event == ("a", "b")


@pytest.mark.parametrize("given", [{}, {"to": "a", "steps": [{"to": "b"}]}])
def test_a_ladder_is_one_name_or_steps(given):
    with pytest.raises(ValidationError, match="either 'to' or 'steps'"):
        Ladder.model_validate(given)


def pending(number: int, cause: Cause = Cause.WRITE_DEAD_LETTERED, turn: int = 0) -> Pending:
    return Pending(escalation_id=f"es-{number}", cause=cause, turn=turn)


FOLDS = [
    pytest.param([], {}, [], id="nothing is due"),
    pytest.param([pending(1)], {}, [(pending(1),)], id="the first goes out at once"),
    pytest.param([pending(1), pending(2)], {}, [(pending(1), pending(2))], id="what is due together goes together"),
    pytest.param([pending(3)], {0: 0}, [], id="what follows within minutes waits"),
    pytest.param([pending(3), pending(4)], {0: -10}, [(pending(3), pending(4))], id="for the rest of them"),
    pytest.param([pending(5, turn=1)], {0: 0}, [(pending(5, turn=1),)], id="another step is told by itself"),
    pytest.param(
        [pending(6, Cause.REVIEW_LATE), pending(7)],
        {0: 0},
        [(pending(6, Cause.REVIEW_LATE),)],
        id="and so is another cause",
    ),
]


@pytest.mark.parametrize(("due", "last", "expected"), FOLDS)
def test_many_of_one_cause_within_minutes_are_one_message(due, last, expected):
    told = {(Cause.WRITE_DEAD_LETTERED, turn): at(minutes) for turn, minutes in last.items()}
    assert fold(due, told, 10, NINE) == expected


def matter(number: int, occurrences: int = 1) -> Matter:
    return Matter(escalation_id=f"es-{number}", message=f"message {number}", occurrences=occurrences, began_at=at(0))


def test_a_notice_says_what_happened_and_how_to_acknowledge():
    assert say("tiny", [matter(1)], Why.BEGUN).splitlines() == [
        "tiny: message 1",
        "Who takes it over: interlock escalations acknowledge es-1 --by NAME",
    ]


def test_a_notice_names_the_page_where_it_is_taken_over():
    assert say("tiny", [matter(1)], Why.BEGUN, "https://reviews.example.com/escalations").splitlines()[-2:] == [
        "Who takes it over: interlock escalations acknowledge es-1 --by NAME",
        "or at https://reviews.example.com/escalations",
    ]


def test_a_later_notice_says_that_nobody_acknowledged_and_how_often_it_was_seen():
    assert say("tiny", [matter(1, occurrences=3)], Why.UNANSWERED).splitlines() == [
        "tiny: message 1",
        "It was seen 3 times since 2026-03-02 09:00 UTC.",
        "Nobody has acknowledged this so far.",
        "Who takes it over: interlock escalations acknowledge es-1 --by NAME",
    ]


def test_a_folded_notice_names_ten_and_counts_the_others():
    lines = say("tiny", [matter(number) for number in range(500)], Why.BEGUN).splitlines()
    assert lines[0] == "tiny: message 0 (and 499 more)"
    assert lines[1] == "- es-0: message 0"
    assert lines[-2:] == [
        "- and 490 more: interlock escalations list",
        "Who takes it over: interlock escalations acknowledge ID --by NAME",
    ]
    assert len(lines) == 13


def test_a_folded_notice_of_two_names_both():
    assert say("tiny", [matter(1), matter(2)], Why.BEGUN).splitlines()[1:3] == [
        "- es-1: message 1",
        "- es-2: message 2",
    ]


@pytest.mark.parametrize(
    ("cause", "subjects"),
    [
        (Cause.REVIEW_LATE, "item"),
        (Cause.STEPPED_BACK, "policy"),
        (Cause.VERSION_LOST, "policy"),
        (Cause.SOURCE_UNREADABLE, "source"),
        (Cause.RECORDS_REFUSED, "source"),
        (Cause.SYSTEM_PAUSED, "system"),
    ],
)
def test_what_the_subjects_of_a_cause_are(cause, subjects):
    assert kind(cause) == subjects


def test_what_happens_once_and_goes_on_lasts():
    assert {cause for cause in Cause if lasts(cause)} == {
        Cause.REVIEW_LATE,
        Cause.SLA_BREACHED,
        Cause.WRITE_DEAD_LETTERED,
    }
