"""Escalations in the store: one about the same, counted; notices; acknowledgements; the books stay as they are."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.account import Account
from domain.delivery import Patience
from domain.escalation import Cause, LadderStep, Matter, Why
from domain.people import Channel, Recipient
from policies.notices import messages

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LEAD = LadderStep(to="the lead", by=Channel.SLACK)


def begin(desk, subject: str = "it-1", cause: Cause = Cause.WRITE_DEAD_LETTERED, policy: str = "p", **more) -> str:
    with desk.store.transaction() as tx:
        return tx.escalations.begin(policy, cause, subject, f"about {subject}", desk.now, **more)


def standing(desk, policy: str = "p"):
    with desk.store.reading() as tx:
        return tx.escalations.standing(policy)


def give(desk, *subjects: str, operation_id: str | None = "op-1", step: LadderStep = LEAD, turn: int = 0) -> None:
    with desk.store.transaction() as tx:
        rows = [one.row for one in tx.escalations.standing("p") if one.row.subject in subjects]
        told = {"the lead": operation_id} if operation_id else {}
        tx.escalations.gave(rows, turn, step, told, Why.BEGUN, desk.now)


def test_the_same_about_the_same_is_one_escalation_that_counts(desk):
    first = begin(desk)
    desk.later(minutes=5)
    assert begin(desk) == first
    (one,) = standing(desk)
    assert (one.row.occurrences, one.course.began_at, one.course.last_at) == (2, NOON, NOON + timedelta(minutes=5))
    assert desk.events(first) == ["escalated", "recurred"]


@pytest.mark.parametrize(
    "other", [{"subject": "it-2"}, {"cause": Cause.REVIEW_LATE}, {"policy": "q"}], ids=["subject", "cause", "policy"]
)
def test_another_subject_cause_or_policy_is_another(desk, other):
    assert begin(desk) != begin(desk, **other)


def test_one_about_an_item_is_told_in_its_story(desk):
    begin(desk, item_id="it-1", facts={"destination": "crm"})
    (entry,) = desk.entries("it-1")
    assert entry.facts["details"] == {"destination": "crm"}


def test_a_notice_is_remembered_with_each_that_it_tells_of(desk):
    begin(desk, "it-1"), begin(desk, "it-2")
    give(desk, "it-1", "it-2")
    assert [[(one.at, one.failed) for one in each.course.given] for each in standing(desk)] == [[(NOON, False)]] * 2
    with desk.store.reading() as tx:
        assert tx.escalations.last_given("p") == {(Cause.WRITE_DEAD_LETTERED, 0): NOON}
    assert desk.events().count("notified") == 2


def test_a_notice_that_was_given_up_has_failed_for_each_that_it_told_of(desk):
    begin(desk, "it-1"), begin(desk, "it-2")
    give(desk, "it-1", "it-2")
    with desk.store.transaction() as tx:
        assert tx.escalations.failed("op-1", desk.now)
        assert not tx.escalations.failed("op-of-an-item", desk.now)
    assert [each.course.given[0].failed for each in standing(desk)] == [True, True]
    assert desk.events().count("notice_failed") == 2


def test_a_turn_for_several_has_failed_when_all_were_missed(desk):
    begin(desk)
    with desk.store.transaction() as tx:
        rows = [one.row for one in tx.escalations.standing("p")]
        tx.escalations.gave(rows, 0, LEAD, {"a": "op-a", "b": "op-b"}, Why.BEGUN, desk.now)
        tx.escalations.failed("op-a", desk.now)
    assert not standing(desk)[0].course.given[0].failed
    with desk.store.transaction() as tx:
        tx.escalations.failed("op-b", desk.now)
    assert standing(desk)[0].course.given[0].failed


def test_a_step_that_reaches_nobody_has_failed_at_once(desk):
    here = begin(desk)
    give(desk, "it-1", operation_id=None)
    assert standing(desk)[0].course.given[0].failed
    assert desk.events(here)[-1] == "notice_failed"


def test_the_first_acknowledgement_counts(desk):
    here = begin(desk)
    with desk.store.transaction() as tx:
        assert tx.escalations.acknowledge(here, "Ada", desk.now)
        assert not tx.escalations.acknowledge(here, "Ben", desk.now)
        assert not tx.escalations.acknowledge("es-none", "Ben", desk.now)
        assert tx.escalations.waiting() == []
    assert standing(desk)[0].course.acknowledged_at == NOON
    assert desk.entries(here)[-1].facts["by"] == "Ada"


def test_what_is_resolved_is_over_and_the_next_begins_anew(desk):
    first = begin(desk)
    with desk.store.transaction() as tx:
        resolve = tx.escalations.resolve
        assert resolve(Cause.WRITE_DEAD_LETTERED, "it-1", "it was written", desk.now, policy="q") == 0
        assert resolve(Cause.WRITE_DEAD_LETTERED, "it-1", "it was written", desk.now, by="Ada") == 1
        assert resolve(Cause.WRITE_DEAD_LETTERED, "it-1", "it was written", desk.now) == 0
        row = tx.escalations.get(first)
        assert row is not None
        assert row.acknowledged_by == "Ada"
    assert standing(desk) == []
    desk.later(seconds=1)
    assert begin(desk) != first


def test_what_goes_on_is_renewed_with_its_own_ladder(desk):
    first = begin(desk, item_id="it-1")
    give(desk, "it-1")
    desk.later(hours=1)
    with desk.store.transaction() as tx:
        row = tx.escalations.get(first)
        assert row is not None
        second = tx.escalations.renew(row, desk.now)
    (one,) = standing(desk)
    assert (one.row.escalation_id, one.course.given, one.row.item_id) == (second, (), "it-1")


def test_ids_are_found_by_their_beginning_and_the_waiting_by_policy(desk):
    here = begin(desk)
    with desk.store.reading() as tx:
        assert tx.escalations.find(here[:6]) == [here]
        assert tx.escalations.find("es-%") == []
        assert [row.escalation_id for row in tx.escalations.waiting("p")] == [here]
        assert tx.escalations.waiting("q") == []
        assert tx.escalations.stands("p", Cause.WRITE_DEAD_LETTERED, "it-1")
        assert [notice.to for notice in tx.escalations.notices(here)] == []


def test_writes_of_notices_are_no_items_and_leave_the_books_alone(desk):
    item, _ = desk.accept()
    here = begin(desk, item, item_id=item)
    matter = Matter(escalation_id=here, message="m", occurrences=1, began_at=NOON)
    lead = Recipient(name="the lead", address="C0123")
    (notice,) = messages("p", Channel.SLACK, [lead], 0, [matter], Why.BEGUN)
    with desk.store.transaction() as tx:
        tx.outbox.put(notice, Patience(attempts=1), desk.now)
        assert tx.accounts.balance() == Account(accepted=1, done=0, waiting=1, escalated=0, dead_lettered=0)
    assert desk.events(here)[-1] == "queued"


def test_what_waits_is_read_in_pages_and_what_was_taken_over_by_itself(desk):
    ids = []
    for number in range(5):
        ids.append(begin(desk, f"it-{number}"))
        desk.later(minutes=number // 3)
    with desk.store.transaction() as tx:
        tx.escalations.acknowledge(ids[2], "Ada", desk.now)
        tx.escalations.resolve(Cause.WRITE_DEAD_LETTERED, "it-4", "it was written", desk.now)
    with desk.store.reading() as tx:
        first = tx.escalations.page(None, 2)
        last = first[-1]
        rest = tx.escalations.page((last.began_at, last.escalation_id), 2)
        assert sorted(row.escalation_id for row in (*first, *rest)) == sorted([ids[0], ids[1], ids[3]])
        assert [row.began_at for row in first] == sorted(row.began_at for row in first)
        assert tx.escalations.count() == 3
        assert [row.escalation_id for row in tx.escalations.taken(9)] == [ids[2]]
        assert [row.outcome for row in map(tx.escalations.get, ids)] == [
            "",
            "",
            "Ada has taken it over.",
            "",
            "It is over.",
        ]


def test_who_was_told_of_several_is_read_at_once(desk):
    first, second, third = begin(desk, "it-1"), begin(desk, "it-2"), begin(desk, "it-3")
    give(desk, "it-1", "it-2")
    give(desk, "it-1", operation_id=None, turn=1)
    with desk.store.reading() as tx:
        told = tx.escalations.notices_of([first, second, third])
    assert {known: [one.told for one in notices] for known, notices in told.items()} == {
        first: ["the lead by slack", "the lead by slack (not reached)"],
        second: ["the lead by slack"],
    }
