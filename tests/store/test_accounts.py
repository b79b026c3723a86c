"""Accepted = done + waiting + escalated + dead-lettered, and what it looks like when it is not."""

from datetime import timedelta

import pytest

from domain.account import Account
from domain.decision import Kind, Reason
from domain.delivery import Invalid, RetryAfter, Unknown, Written
from domain.review import Answer


def account(desk, policy: str | None = None) -> Account:
    with desk.store.reading() as tx:
        return tx.accounts.balance(policy)


def stands(desk) -> str:
    """Where the one item stands."""
    counts = account(desk).model_dump()
    assert counts.pop("accepted") == 1
    return next((stand for stand, count in counts.items() if count), "nowhere")


def test_an_empty_store_balances(desk) -> None:
    assert account(desk) == Account(accepted=0, done=0, waiting=0, escalated=0, dead_lettered=0)


def test_an_item_waits_while_it_is_unclaimed_and_while_a_run_holds_it(desk) -> None:
    desk.accept()
    assert stands(desk) == "waiting"

    desk.claim()
    assert stands(desk) == "waiting"


@pytest.mark.parametrize("kind", [Kind.REJECT, Kind.AUTO])
def test_an_item_whose_decision_wants_no_write_is_done(desk, kind: Kind) -> None:
    item, _ = desk.accept()
    desk.decide(item, desk.decision(kind, Reason.RULE_REJECTS), writes_due=0)

    assert stands(desk) == "done"


def test_an_item_waits_until_its_write_is_confirmed(desk) -> None:
    item, _ = desk.accept()
    desk.decide_and_queue(item)
    seen = [stands(desk)]
    for outcome in (Unknown(detail="no answer"), RetryAfter(detail="429"), Written(kind="created", external_id="r-1")):
        desk.later(hours=1)
        desk.due()
        seen.append(stands(desk))
        desk.settle(outcome)
        seen.append(stands(desk))

    assert seen == ["waiting"] * 6 + ["done"]


def test_an_item_whose_write_was_given_up_is_dead_lettered_until_it_is_retried(desk) -> None:
    item, _ = desk.accept()
    desk.decide_and_queue(item)
    desk.due()
    desk.settle(Invalid(detail="no e-mail"))
    assert stands(desk) == "dead_lettered"

    with desk.store.transaction() as tx:
        tx.dead_letters.put_back(tx.dead_letters.of(item_id=item), "", desk.now)
    assert stands(desk) == "waiting"


def test_one_dead_letter_of_two_writes_is_enough(desk) -> None:
    item, _ = desk.accept()
    desk.decide(item, writes_due=2)
    desk.put(desk.operation(item, "ann", "crm"), desk.operation(item, "ann-2", "help_desk"))
    desk.due()
    desk.settle(Invalid(detail="no"), which=0)

    assert stands(desk) == "dead_lettered"


def test_an_item_is_done_when_all_its_writes_are(desk) -> None:
    item, _ = desk.accept()
    desk.decide(item, writes_due=2)
    desk.put(desk.operation(item, "ann", "crm"), desk.operation(item, "ann-2", "help_desk"))
    desk.due()
    desk.settle(Written(kind="created", external_id="r-1"), which=0)
    assert stands(desk) == "waiting"

    desk.settle(Written(kind="unchanged", external_id="r-2"), which=1)
    assert stands(desk) == "done"


def test_an_item_before_a_person_waits_then_is_escalated_then_done(desk) -> None:
    item, _ = desk.accept()
    desk.wait_for_person(item, desk.now + timedelta(hours=1))
    assert stands(desk) == "waiting"

    desk.later(hours=2)
    with desk.store.transaction() as tx:
        tx.reviews.mark_late("lead_routing", desk.now)
    assert stands(desk) == "escalated"

    with desk.store.transaction() as tx:
        tx.inbox.replace_decision(item, desk.decision(Kind.HUMAN, Reason.DISMISSED), 0, desk.now)
        tx.reviews.answered(item, Answer(choice="sales", reviewer="Ann", binding="h"), desk.now)
    assert stands(desk) == "done"


def test_an_item_whose_decision_wants_a_write_that_nobody_queued_is_unaccounted(desk) -> None:
    item, _ = desk.accept()
    desk.decide(item, writes_due=1)

    assert stands(desk) == "nowhere"
    assert account(desk).unaccounted == 1


def test_an_item_with_a_write_that_its_decision_never_asked_for_is_unaccounted(desk) -> None:
    item, _ = desk.accept()
    desk.decide_and_queue(item)
    desk.put(desk.operation(item, "ann-2", "help_desk"))
    desk.due()
    for which in (0, 1):
        desk.settle(Written(kind="created", external_id=f"r-{which}"), which)

    assert account(desk).unaccounted == 1


def test_an_item_that_vanished_from_the_tables_is_unaccounted(desk, raw) -> None:
    desk.accept("m-1")
    desk.accept("m-2")
    with raw.connect() as connection:
        connection.exec_driver_sql("DELETE FROM inbox WHERE external_id = 'm-1'")

    assert (account(desk).accepted, account(desk).waiting, account(desk).unaccounted) == (2, 1, 1)


def test_duplicates_are_no_items(desk) -> None:
    desk.accept(desk.item("m-1", text="hello"))
    desk.accept(desk.item("m-2", text="hello"))
    desk.accept("m-1")

    assert account(desk) == Account(accepted=1, done=0, waiting=1, escalated=0, dead_lettered=0)


def test_each_policy_has_its_own_balance(desk) -> None:
    leads, _ = desk.accept("m-1", policy="lead_routing")
    desk.accept("m-2", policy="lead_routing")
    desk.accept("m-1", policy="support_triage")
    desk.decide(leads, writes_due=0)

    assert account(desk, "lead_routing") == Account(accepted=2, done=1, waiting=1, escalated=0, dead_lettered=0)
    assert account(desk, "support_triage") == Account(accepted=1, done=0, waiting=1, escalated=0, dead_lettered=0)
    assert account(desk, "nowhere").accepted == 0
    assert account(desk) == Account(accepted=3, done=1, waiting=2, escalated=0, dead_lettered=0)


def test_a_balance_is_not_disturbed_by_what_comes_in_while_it_is_read(desk, desks) -> None:
    desk.accept("m-1")
    other = desks()

    with desk.store.reading() as tx:
        before = tx.accounts.balance()
        other.accept("m-2")
        assert tx.accounts.balance() == before
        assert tx.ledger.head()[0] == len(list(tx.ledger.entries())) == 1
    assert account(desk).accepted == 2
