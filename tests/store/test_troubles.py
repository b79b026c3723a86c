"""Whether what was escalated goes on, in the store: by clocks that are late and writes that are given up."""

from datetime import timedelta

import pytest

from domain.delivery import Invalid, Invitation
from domain.escalation import Cause
from domain.sla import Clock, ClockName

POLICY = "lead_routing"
SOON = (Clock(name=ClockName.FIRST_DECISION, within=timedelta(minutes=15), warn_at=None),)


def escalated(desk, cause: Cause, subject: str, policy: str = POLICY) -> str:
    with desk.store.transaction() as tx:
        return tx.escalations.begin(policy, cause, subject, "told", desk.now)


def watched(desk) -> None:
    with desk.store.transaction() as tx:
        tx.clocks.follow(POLICY, SOON, 100, desk.now)
        tx.clocks.ring(POLICY, SOON, 100, desk.now)


def late(desk, *clocks: ClockName) -> set[str]:
    with desk.store.reading() as tx:
        return tx.troubles.late(POLICY, clocks or [ClockName.FIRST_DECISION])


def given_up(desk) -> dict[str, bool]:
    with desk.store.reading() as tx:
        return tx.troubles.given_up(POLICY)


def test_what_was_late_goes_on_until_it_is_done(desk) -> None:
    (item, _), (_unescalated, _) = desk.accept("m-1"), desk.accept("m-2")
    desk.later(minutes=16)
    watched(desk)
    escalated(desk, Cause.SLA_BREACHED, item)

    assert late(desk) == {item}
    assert late(desk, ClockName.DELIVERED) == set()
    desk.decide(item)
    watched(desk)
    assert late(desk) == set()


@pytest.mark.parametrize("invites", [None, Invitation(review_id="it-1")], ids=["a write", "a message to people"])
def test_what_was_given_up_goes_on_until_it_is_put_back(desk, invites) -> None:
    item, _ = desk.accept()
    desk.put(desk.operation(item).model_copy(update={"invites": invites}))
    desk.due()
    desk.settle(Invalid(detail="no such queue"))
    assert given_up(desk) == {}, "nobody was told of it"
    escalated(desk, Cause.WRITE_DEAD_LETTERED, item)

    assert given_up(desk) == {item: invites is None}
    with desk.store.transaction() as tx:
        tx.dead_letters.put_back(tx.dead_letters.of(item_id=item), "Ada", desk.now)
    assert given_up(desk) == {}


def test_an_escalation_that_is_over_is_no_trouble(desk) -> None:
    item, _ = desk.accept()
    desk.later(minutes=16)
    watched(desk)
    escalated(desk, Cause.SLA_BREACHED, item)
    with desk.store.transaction() as tx:
        tx.escalations.resolve(Cause.SLA_BREACHED, item, "it is done", desk.now)

    assert late(desk) == set()
