"""Accepting items once, leasing them, keeping what was decided."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from connectors.store.inbox import item_id
from domain.decision import Kind, Reason
from domain.item import Admission

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def test_a_new_item_is_accepted_and_the_ledger_says_so(desk) -> None:
    accepted, admission = desk.accept("m-1")

    assert (accepted, admission) == (item_id("lead_routing", desk.item("m-1")), Admission.ACCEPTED)
    (entry,) = desk.entries()
    assert (entry.item_id, entry.event, entry.at) == (accepted, "accepted", NOON)
    assert entry.facts == {"policy": "lead_routing", "source": "mail", "external_id": "m-1"}


def test_the_same_delivery_again_is_repeated_and_recorded(desk) -> None:
    first, _ = desk.accept("m-1")
    desk.later(days=400)

    assert desk.accept("m-1") == (first, Admission.REPEATED)
    assert desk.events() == ["accepted", "duplicate"]
    assert desk.entries()[-1].facts == {
        "source": "mail",
        "external_id": "m-1",
        "how": "repeated",
        "content": None,
    }


def test_the_same_delivery_with_other_words_is_repeated_and_the_difference_is_noted(desk) -> None:
    first, _ = desk.accept("m-1")

    assert desk.accept(desk.item("m-1", text="other words")) == (first, Admission.REPEATED)
    assert desk.entries()[-1].facts["content"] == desk.item("m-1", text="other words").fields


def test_the_same_delivery_twice_in_one_transaction_is_repeated(desk) -> None:
    with desk.store.transaction() as tx:
        first = tx.inbox.accept("lead_routing", desk.item("m-1"), timedelta(0), NOON)
        again = tx.inbox.accept("lead_routing", desk.item("m-1"), timedelta(0), NOON)

    assert again == (first[0], Admission.REPEATED)


@pytest.mark.parametrize(
    ("hours", "admission"),
    [
        (0, Admission.SAME_CONTENT),
        (71.9, Admission.SAME_CONTENT),
        (72, Admission.SAME_CONTENT),
        (72.1, Admission.ACCEPTED),
        (-72, Admission.SAME_CONTENT),
        (-72.1, Admission.ACCEPTED),
    ],
)
def test_the_same_content_is_a_duplicate_within_the_window_only(desk, hours: float, admission: Admission) -> None:
    first, _ = desk.accept(desk.item("m-1", text="Hello  World"))
    received_at = NOON + timedelta(hours=hours)

    second, how = desk.accept(
        desk.item("m-2", text="hello world", received_at=received_at),
    )

    assert how is admission
    assert (second == first) is (admission is Admission.SAME_CONTENT)


def test_the_same_content_in_another_time_zone_is_within_the_window(desk) -> None:
    desk.accept(desk.item("m-1", text="hello"))
    elsewhere = NOON.astimezone(timezone(timedelta(hours=13)))

    assert desk.accept(desk.item("m-2", text="hello", received_at=elsewhere))[1] is Admission.SAME_CONTENT


def test_the_same_content_twice_in_one_transaction_is_a_duplicate(desk) -> None:
    with desk.store.transaction() as tx:
        first, _ = tx.inbox.accept("lead_routing", desk.item("m-1", text="hello"), timedelta(hours=1), NOON)
        second = tx.inbox.accept("lead_routing", desk.item("m-2", text="hello"), timedelta(hours=1), NOON)

    assert second == (first, Admission.SAME_CONTENT)


def test_without_a_window_only_the_same_delivery_is_a_duplicate(desk) -> None:
    items = [desk.item("m-1", text="hello"), desk.item("m-2", text="hello"), desk.item("m-1", text="hello")]
    with desk.store.transaction() as tx:
        came = tx.inbox.accept_all("lead_routing", items, timedelta(0), NOON)

    assert [how for _, how in came] == [Admission.ACCEPTED, Admission.ACCEPTED, Admission.REPEATED]


def test_a_duplicate_of_a_duplicate_leads_to_the_item_that_was_accepted(desk) -> None:
    first, _ = desk.accept(desk.item("m-1", text="hello"))
    desk.accept(desk.item("m-2", text="hello"))

    assert desk.accept(desk.item("m-2", text="hello")) == (first, Admission.REPEATED)
    assert desk.accept(desk.item("m-3", text="hello")) == (first, Admission.SAME_CONTENT)
    assert desk.events(first) == ["accepted", "duplicate", "duplicate", "duplicate"]


def test_a_duplicate_does_not_stretch_the_window(desk) -> None:
    desk.accept(desk.item("m-1", text="hello"))
    desk.accept(desk.item("m-2", text="hello", received_at=NOON + timedelta(hours=70)))

    third = desk.accept(desk.item("m-3", text="hello", received_at=NOON + timedelta(hours=80)))

    assert third[1] is Admission.ACCEPTED


def test_the_same_words_from_somebody_else_are_another_item(desk) -> None:
    desk.accept(desk.item("m-1", text="hello"))

    other = desk.item("m-2", text="hello", fields={"message": "hello", "email": "bob@example.com"})

    assert desk.accept(other)[1] is Admission.ACCEPTED


def test_policies_do_not_see_each_others_items(desk) -> None:
    first, _ = desk.accept("m-1", policy="lead_routing")
    second, how = desk.accept("m-1", policy="support_triage")

    assert how is Admission.ACCEPTED
    assert first != second
    assert desk.claim(policy="support_triage") == [second]


def test_duplicates_are_never_claimed(desk) -> None:
    first, _ = desk.accept(desk.item("m-1", text="hello"))
    desk.accept(desk.item("m-2", text="hello"))
    desk.accept("m-1")

    assert desk.claim() == [first]


def test_the_oldest_items_are_claimed_first_up_to_the_count(desk) -> None:
    ids = []
    for number in (3, 1, 2):
        ids.append(desk.accept(f"m-{number}")[0])
        desk.later(seconds=1)

    assert desk.claim(count=2) == ids[:2]
    assert desk.claim(count=2) == ids[2:]
    assert desk.claim(count=2) == []


def test_a_claimed_item_is_whole(desk) -> None:
    item = desk.item("m-1", text="Grüße 🙂", fields={"message": "Grüße 🙂", "note": "line\nline\x00\u2028"})
    accepted, _ = desk.accept(item)

    with desk.store.transaction() as tx:
        (claimed,) = tx.inbox.claim("lead_routing", "run-1", 1, timedelta(minutes=1), desk.now)

    assert (claimed.item_id, claimed.policy, claimed.item) == (accepted, "lead_routing", item)


def test_a_leased_item_is_not_claimed_before_its_lease_ends(desk) -> None:
    item, _ = desk.accept()
    desk.claim("run-1")

    desk.later(minutes=4.99)
    assert desk.claim("run-2") == []

    desk.later(minutes=0.01)
    assert desk.claim("run-2") == [item]


def test_what_is_held_is_not_claimed_though_its_lease_ended(desk) -> None:
    first, _ = desk.accept("m-1")
    second, _ = desk.accept("m-2")
    desk.claim()
    desk.later(minutes=6)

    with desk.store.transaction() as tx:
        claimed = tx.inbox.claim("lead_routing", "run-1", 10, timedelta(minutes=1), desk.now, [first])

    assert [item.item_id for item in claimed] == [second]


def test_a_take_over_stands_in_the_ledger(desk) -> None:
    item, _ = desk.accept()
    desk.claim("run-1")
    desk.later(minutes=5)
    desk.claim("run-2")

    assert desk.events(item) == ["accepted", "taken_over"]
    assert desk.entries(item)[-1].facts == {"by": "run-2", "after": "run-1"}


def test_a_first_claim_is_no_take_over(desk) -> None:
    item, _ = desk.accept()
    desk.claim()

    assert desk.events(item) == ["accepted"]


def test_a_decided_item_is_not_claimed_again(desk) -> None:
    item, _ = desk.accept()
    desk.claim()
    desk.decide(item)
    desk.later(days=1)

    assert desk.claim("run-2") == []


def test_a_decision_is_kept_with_its_proposal(desk) -> None:
    item, _ = desk.accept()
    decision = desk.decision(holds=(Reason.NO_CALIBRATION,), flags=("check_size",), confidence=0.75)

    desk.decide(item, decision)

    with desk.store.reading() as tx:
        assert tx.inbox.is_decided(item)
        claimed, proposal, kept = tx.inbox.decided(item)
    assert (claimed.item_id, claimed.item) == (item, desk.item())
    assert (proposal, kept) == (desk.proposal(), decision)
    assert proposal.hash == decision.proposal_hash


def test_a_decision_stands_in_the_ledger_with_its_reason(desk) -> None:
    item, _ = desk.accept()
    desk.decide(item, desk.decision(Kind.HUMAN, Reason.BELOW_THRESHOLD, confidence=0.5, threshold=0.9))

    facts = desk.entries(item)[-1].facts

    assert desk.events(item) == ["accepted", "decided"]
    assert (facts["kind"], facts["reason"], facts["waits"]) == ("human", "below_threshold", True)
    assert (facts["confidence"], facts["threshold"]) == (0.5, 0.9)


def test_a_persons_decision_takes_the_place_of_the_one_that_waited(desk) -> None:
    item, _ = desk.accept()
    desk.decide(item, desk.decision(Kind.HUMAN, Reason.BELOW_THRESHOLD))
    answer = desk.decision(Kind.HUMAN, Reason.OVERRIDDEN, route="support", by="Ann", writes=True)

    with desk.store.transaction() as tx:
        tx.inbox.replace_decision(item, answer, 1, desk.now)

    with desk.store.reading() as tx:
        _, proposal, kept = tx.inbox.decided(item)
    assert kept == answer
    assert proposal == desk.proposal()
    assert [entry.facts.get("waits") for entry in desk.entries(item)] == [None, True, False]


def test_an_undecided_item_has_no_decision(desk) -> None:
    item, _ = desk.accept()

    with desk.store.reading() as tx:
        assert not tx.inbox.is_decided(item)
        assert tx.inbox.decided(item) is None


def test_a_review_of_an_item_about_which_nothing_was_decided_is_a_lookup_error(desk) -> None:
    item, _ = desk.accept()

    with desk.store.reading() as tx, pytest.raises(LookupError, match=f"nothing was decided about {item}"):
        tx.inbox.under_review(item)


def test_an_item_that_never_came_is_a_lookup_error(desk) -> None:
    with desk.store.reading() as tx, pytest.raises(LookupError, match="no item it-nowhere"):
        tx.inbox.decided("it-nowhere")


def test_items_are_found_by_the_beginning_of_their_id_or_their_external_id(desk) -> None:
    first, _ = desk.accept(desk.item("m-1", text="hello"))
    desk.accept(desk.item("m-2", text="hello"))
    other, _ = desk.accept("50%_off")

    with desk.store.reading() as tx:
        assert tx.inbox.find(first) == [first]
        assert tx.inbox.find(first[:8]) == [first]
        assert tx.inbox.find("m-2") == [first]
        assert tx.inbox.find("50%_off") == [other]
        assert tx.inbox.find("it-") == sorted([first, other])
        assert tx.inbox.find("%") == []
        assert tx.inbox.find("m-") == []


def test_a_mail_is_found_by_its_message_id_behind_which_stands_its_content(desk) -> None:
    one, _ = desk.accept(desk.item("form@shop.example#0a1b", text="hello"))
    other, _ = desk.accept(desk.item("form@shop.example#2c3d", text="good morning"))

    with desk.store.reading() as tx:
        assert tx.inbox.find("form@shop.example") == sorted([one, other])
        assert tx.inbox.find("form@shop") == []


def test_what_fails_half_way_leaves_nothing(desk) -> None:
    def fail_half_way() -> None:
        with desk.store.transaction() as tx:
            tx.inbox.accept("lead_routing", desk.item(), timedelta(0), NOON)
            raise RuntimeError("half-way")

    with pytest.raises(RuntimeError, match="half-way"):
        fail_half_way()

    assert desk.events() == []
    assert desk.accept()[1] is Admission.ACCEPTED
    assert desk.broken_at() is None
