"""Answers that customers owe, in the store: a question is found until something ends it."""

from datetime import UTC, datetime, timedelta

from domain.customer import Answered

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
POLICY = "lead_routing"


def ask(desk, item: str) -> bool:
    with desk.store.transaction() as tx:
        return tx.customers.asked(item, "the order number", "Ada", desk.now)


def owing(desk, policy: str = POLICY) -> list[tuple[str, datetime]]:
    with desk.store.reading() as tx:
        return [(one.item_id, one.asked_at) for one in tx.customers.owing(policy)]


def answer_by(desk, item: str, other: str) -> bool:
    with desk.store.transaction() as tx:
        return tx.customers.answered_by_item(Answered(item_id=item, through=other, since=desk.now - MINUTE), desk.now)


def silence(desk, item: str) -> bool:
    with desk.store.transaction() as tx:
        return tx.customers.silent(item, desk.now - MINUTE, desk.now)


def test_questions_are_owed_an_answer_the_oldest_first_each_policy_by_itself(desk) -> None:
    (first, _), (second, _), (other, _) = desk.accept("m-1"), desk.accept("m-2"), desk.accept("m-3", "other")
    ask(desk, second)
    desk.later(minutes=1)
    ask(desk, first)
    ask(desk, other)

    assert owing(desk) == [(second, NOON), (first, NOON + MINUTE)]
    assert owing(desk, "other") == [(other, NOON + MINUTE)]


def test_an_item_that_came_in_ends_what_its_sender_owed_once_from_when_it_was_accepted(desk) -> None:
    (item, _), (answer, _) = desk.accept("m-1"), desk.accept("m-2")
    ask(desk, item)
    desk.later(minutes=5)

    assert [answer_by(desk, item, answer), answer_by(desk, item, answer), silence(desk, item)] == [True, False, False]
    assert owing(desk) == []
    assert desk.entries(item)[-1].facts == {"by": "", "through": answer, "since": "2026-03-01T12:04:00+00:00"}


def test_silence_ends_a_question_and_another_may_follow(desk) -> None:
    item, _ = desk.accept()
    ask(desk, item)
    desk.later(minutes=5)

    assert [silence(desk, item), silence(desk, item), answer_by(desk, item, "it-9")] == [True, False, False]
    assert owing(desk) == []
    assert ask(desk, item)
    assert owing(desk) == [(item, NOON + 5 * MINUTE)]


def test_when_items_were_accepted_is_known(desk) -> None:
    item, _ = desk.accept()

    with desk.store.reading() as tx:
        assert tx.customers.accepted_at([item, "it-none"]) == {item: NOON}
