"""The queue of decisions that wait for a person."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.exc import IntegrityError

from domain.review import Answer

ANSWER = Answer(choice="sales", reviewer=" Ann ", binding="another")
NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def waiting(desk, policy: str | None = None) -> list[str]:
    with desk.store.reading() as tx:
        return [row.item_id for row in tx.reviews.waiting(policy)]


def leave_to_person(desk, external_id: str, hours: float, policy: str = "lead_routing") -> str:
    item, _ = desk.accept(external_id, policy)
    desk.wait_for_person(item, NOON + timedelta(hours=hours), policy)
    return item


def escalate(desk, policy: str = "lead_routing") -> list[str]:
    with desk.store.transaction() as tx:
        return tx.reviews.escalate_late(policy, "the lead", desk.now)


def test_an_opened_review_waits_and_the_ledger_says_until_when(desk) -> None:
    item = leave_to_person(desk, "m-1", hours=4)

    with desk.store.reading() as tx:
        row = tx.reviews.get(item)
        assert (row.policy, row.workflow, row.binding) == ("lead_routing", "lead_routing", desk.proposal().hash)
        assert (row.opened_at, row.due_at) == (NOON, NOON + timedelta(hours=4))
        assert (row.answered_at, row.escalated_at, row.flow_run) == (None, None, None)
    assert waiting(desk) == [item]
    assert desk.events(item)[-1] == "review_opened"
    assert desk.entries(item)[-1].facts == {"review": item, "asks": "route", "due_at": "2026-03-01T16:00+00:00"}


def test_an_item_without_a_review_has_none(desk) -> None:
    with desk.store.reading() as tx:
        assert tx.reviews.get("it-nowhere") is None


def test_a_review_is_opened_once(desk) -> None:
    item = leave_to_person(desk, "m-1", hours=4)

    with pytest.raises(IntegrityError):
        desk.wait_for_person(item, NOON)

    assert desk.events(item).count("review_opened") == 1


def test_the_most_urgent_review_waits_first(desk) -> None:
    later, soon, soonest = (leave_to_person(desk, f"m-{hours}", hours) for hours in (9, 4, 1))

    assert waiting(desk) == [soonest, soon, later]


def test_a_policys_reviews_can_be_told_apart(desk) -> None:
    ours = leave_to_person(desk, "m-1", hours=4)
    theirs = leave_to_person(desk, "m-2", hours=1, policy="support_triage")

    assert waiting(desk, "lead_routing") == [ours]
    assert waiting(desk, "support_triage") == [theirs]


def test_an_answered_review_waits_no_more(desk) -> None:
    item = leave_to_person(desk, "m-1", hours=4)
    with desk.store.transaction() as tx:
        tx.reviews.answered(item, ANSWER, desk.later(hours=1))

    assert waiting(desk) == []
    with desk.store.reading() as tx:
        row = tx.reviews.get(item)
        assert (row.answered_at, row.answer, row.reviewer) == (desk.now, "sales", "Ann")


def test_the_form_that_shows_a_review_is_noted_once_a_flow_run(desk) -> None:
    item = leave_to_person(desk, "m-1", hours=4)
    for flow_run in ("run-1", "run-1", "run-2"):
        with desk.store.transaction() as tx:
            tx.reviews.shown(item, flow_run, desk.now)

    shown = [entry.facts["flow_run"] for entry in desk.entries(item) if entry.event == "review_shown"]
    assert shown == ["run-1", "run-2"]


def test_an_answer_that_settles_nothing_is_recorded_and_the_review_goes_on(desk) -> None:
    item = leave_to_person(desk, "m-1", hours=4)
    with desk.store.transaction() as tx:
        tx.reviews.refuse(item, ANSWER, "what you were shown has changed", desk.now)

    assert waiting(desk) == [item]
    assert desk.entries(item)[-1].facts == {
        "review": item,
        "reviewer": " Ann ",
        "choice": "sales",
        "why": "what you were shown has changed",
    }


def test_a_review_past_its_time_is_escalated_once(desk) -> None:
    late = leave_to_person(desk, "m-1", hours=4)
    leave_to_person(desk, "m-2", hours=9)

    desk.later(hours=4)
    assert escalate(desk) == []

    desk.later(seconds=1)
    assert escalate(desk) == [late]
    assert escalate(desk) == []
    assert desk.events(late).count("escalated") == 1
    assert desk.entries(late)[-1].facts == {"review": late, "due_at": "2026-03-01T16:00+00:00", "to": "the lead"}


def test_an_escalated_review_can_still_be_answered(desk) -> None:
    late = leave_to_person(desk, "m-1", hours=4)
    desk.later(hours=5)
    escalate(desk)

    assert waiting(desk) == [late]


def test_answered_reviews_and_other_policies_are_not_escalated(desk) -> None:
    answered = leave_to_person(desk, "m-1", hours=1)
    leave_to_person(desk, "m-2", hours=1, policy="support_triage")
    with desk.store.transaction() as tx:
        tx.reviews.answered(answered, ANSWER, desk.now)
    desk.later(hours=2)

    assert escalate(desk) == []
