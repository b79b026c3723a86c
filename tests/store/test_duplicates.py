"""Writes that are compared with what their target has before they are sent."""

from datetime import timedelta

import pytest

from connectors.store.outbox import Due
from domain.delivery import Invalid, Operation, RetryAfter, Search, Written
from domain.duplicates import Comparison, Finding
from domain.review import Answer, Review, ReviewKind

SEARCH = Search(workflow="lead_routing")
GONE = Invalid(detail="there is no record 17 any more", gone=True)
DIFFERENT = Comparison(finding=Finding.DIFFERENT, why="nobody is like her")
SAME = Comparison(finding=Finding.SAME, records=("17",), why="the names agree")
ASK = Comparison(finding=Finding.ASK_PERSON, records=("17", "18"), why="only the names agree")
UNWANTED = Comparison(finding=Finding.UNWANTED, why="a test", by="Ada")


def searched(desk, item: str, key: str = "ann") -> Operation:
    return desk.operation(item, key).model_copy(update={"search": SEARCH})


def queue(desk, external_id: str = "m-1", key: str = "ann") -> Operation:
    """An item with one write whose target is searched first."""
    item, _ = desk.accept(external_id)
    desk.decide(item, writes_due=1)
    operation = searched(desk, item, key)
    desk.put(operation)
    return operation


def claim(desk) -> list[Due]:
    desk.due()
    return desk.held


def compared(desk, due: Due, comparison: Comparison) -> bool:
    with desk.store.transaction() as tx:
        return tx.outbox.compared(due, comparison, desk.now)


def answered(desk, operation: Operation, comparison: Comparison) -> None:
    with desk.store.transaction() as tx:
        tx.outbox.answered(operation.operation_id, comparison, desk.now)


def ask(desk, operation: Operation) -> Review:
    review = Review(
        kind=ReviewKind.DUPLICATE,
        item_id=operation.item_id,
        policy=operation.policy,
        workflow="lead_routing",
        about=operation.destination,
        question={"records": ["17", "18"]},
        binding="b",
        why="possible_duplicate",
        due_at=desk.now + timedelta(hours=1),
    )
    with desk.store.transaction() as tx:
        tx.reviews.open(review, desk.now)
    return review


def stands(desk) -> str:
    with desk.store.reading() as tx:
        account = tx.accounts.balance()
    names = ("done", "waiting", "escalated", "dead_lettered", "unaccounted")
    (stand,) = [name for name in names if getattr(account, name)]
    return stand


@pytest.mark.parametrize(("comparison", "record"), [(DIFFERENT, ""), (SAME, "17")], ids=["different", "same"])
def test_what_is_clear_is_sent_next_with_what_was_found(desk, comparison: Comparison, record: str) -> None:
    operation = queue(desk)
    (due,) = claim(desk)
    assert due.operation == operation
    assert compared(desk, due, comparison)

    (send,) = claim(desk)
    assert (send.operation.search, send.operation.external_id, send.tries.sends) == (None, record, 1)
    assert desk.events(operation.item_id)[-1] == "compared"
    assert stands(desk) == "waiting"
    assert desk.broken_at() is None


def test_what_waits_for_a_person_is_claimed_by_nobody_and_holds_its_record_back(desk) -> None:
    asked = queue(desk, "m-1", "ann")
    (due,) = claim(desk)
    compared(desk, due, ASK)
    ask(desk, asked)
    queue(desk, "m-2", "ann")
    other = queue(desk, "m-3", "bob")

    assert [due.operation for due in claim(desk)] == [other]
    compared(desk, desk.held[0], DIFFERENT)
    claim(desk)
    desk.settle(Written(kind="created", external_id="1"))
    assert desk.next_due_at() is None, "no sleep until somebody answers"

    answered(desk, asked, SAME)
    assert desk.next_due_at() == desk.now
    (send,) = claim(desk)
    assert send.operation.external_id == "17"


def test_a_write_that_nobody_wants_is_done(desk) -> None:
    operation = queue(desk)
    (due,) = claim(desk)
    compared(desk, due, ASK)
    review = ask(desk, operation)
    assert stands(desk) == "waiting"

    with desk.store.transaction() as tx:
        tx.outbox.answered(operation.operation_id, UNWANTED, desk.now)
        tx.reviews.answered(review.review_id, Answer(choice="x", reviewer="Ada", binding="b"), desk.now)

    assert stands(desk) == "done"
    with desk.store.reading() as tx:
        assert tx.outbox.confirmed() == set()


def test_a_write_that_waits_for_an_answer_for_which_nobody_is_asked_is_unaccounted(desk) -> None:
    queue(desk)
    (due,) = claim(desk)
    compared(desk, due, ASK)

    assert stands(desk) == "unaccounted"


def test_an_item_whose_question_is_late_is_escalated(desk) -> None:
    operation = queue(desk)
    (due,) = claim(desk)
    compared(desk, due, ASK)
    ask(desk, operation)
    desk.later(hours=2)
    with desk.store.transaction() as tx:
        assert [row.item_id for row in tx.reviews.mark_late("lead_routing", desk.now)] == [operation.item_id]

    assert stands(desk) == "escalated"


def test_an_item_can_have_a_review_of_each_kind_one_after_the_other(desk) -> None:
    item, _ = desk.accept()
    desk.wait_for_person(item, desk.now + timedelta(hours=1))
    with desk.store.transaction() as tx:
        tx.reviews.answered(item, Answer(choice="sales", reviewer="Ann", binding="h"), desk.now)
    review = ask(desk, searched(desk, item))

    with desk.store.reading() as tx:
        assert [row.review_id for row in tx.reviews.of([item], item)] == [item, review.review_id]
        assert [row.review_id for row in tx.reviews.waiting()] == [review.review_id]
        assert [row.review_id for row in tx.reviews.of([], review.review_id[:-1])] == [review.review_id]


def test_answers_of_other_kinds_are_neither_audit_nor_case(desk) -> None:
    item, _ = desk.accept()
    review = ask(desk, searched(desk, item))
    with desk.store.transaction() as tx:
        row = tx.reviews.get(review.review_id)
        row.why, row.classifier, row.proposed = "audit", "c", "sales"
        tx.reviews.answered(review.review_id, Answer(choice="repairs", reviewer="Ann", binding="b"), desk.now)

    with desk.store.reading() as tx:
        assert tx.reviews.answers("lead_routing") == []
        assert tx.reviews.audited("lead_routing", "c").n == 0


def test_a_search_that_is_put_off_is_due_again_and_never_a_look_up(desk) -> None:
    queue(desk)
    claim(desk)
    desk.settle(RetryAfter(detail="busy"))
    desk.later(minutes=5)

    (again,) = claim(desk)
    assert (again.operation.search, again.tries.sends, again.tries.look_ups) == (SEARCH, 0, 2)


def test_a_searcher_that_was_taken_for_dead_changes_nothing(desk) -> None:
    queue(desk)
    (dead,) = claim(desk)
    desk.later(minutes=6)
    (alive,) = claim(desk)

    assert not compared(desk, dead, SAME)
    assert compared(desk, alive, DIFFERENT)
    assert claim(desk)[0].operation.external_id == ""


def test_only_a_write_that_waits_for_it_takes_an_answer(desk) -> None:
    operation = queue(desk)

    with pytest.raises(LookupError, match="waits for nobody"):
        answered(desk, operation, SAME)


def test_the_record_of_an_earlier_write_is_remembered_until_one_goes_elsewhere(desk) -> None:
    operation = queue(desk)

    def remembered() -> str | None:
        with desk.store.reading() as tx:
            return tx.outbox.remembered(operation)

    assert remembered() is None
    (due,) = claim(desk)
    compared(desk, due, SAME)
    assert remembered() is None, "not written yet"
    claim(desk)
    desk.settle(Written(kind="updated", external_id="17"))
    assert remembered() == "17"


def gone(desk) -> Operation:
    """A write that goes to record 17 by a search, and finds it gone."""
    operation = queue(desk)
    assert compared(desk, claim(desk)[0], SAME)
    claim(desk)
    desk.settle(GONE)
    return operation


def test_a_record_that_is_gone_is_searched_for_again(desk) -> None:
    operation = gone(desk)

    (search,) = claim(desk)
    assert search.operation == operation.model_copy(update={"gone": ("17",)})
    assert compared(desk, search, DIFFERENT)
    (send,) = claim(desk)
    assert (send.operation.external_id, send.tries.sends) == ("", 2)
    desk.settle(Written(kind="created", external_id="20"))
    assert stands(desk) == "done"
    assert "dead_lettered" not in desk.events()


def test_a_record_that_a_later_write_found_gone_is_remembered_no_more(desk) -> None:
    first = queue(desk)
    assert compared(desk, claim(desk)[0], SAME)
    claim(desk)
    desk.settle(Written(kind="updated", external_id="17"))
    with desk.store.reading() as tx:
        assert tx.outbox.remembered(first) == "17"

    queue(desk, "m-2")
    assert compared(desk, claim(desk)[0], SAME)
    claim(desk)
    desk.settle(GONE)

    with desk.store.reading() as tx:
        assert tx.outbox.remembered(first) is None
