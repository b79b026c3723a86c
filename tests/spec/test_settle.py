"""What a person's answer makes of a decision that waits: the whole of `domain.review.settle`."""

from datetime import datetime, timedelta

import pytest
from builders import NOW, proposal, terms

from domain.decide import decide
from domain.decision import ENRICH, Decision, Kind, Mode, Reason
from domain.explain import BECAUSE
from domain.review import EXPLAIN, Answer, Refusal, settle

SHOWN = proposal(confidence=0.5)
HELD = decide(SHOWN, None, terms(), NOW - timedelta(hours=1))
DUE = NOW + timedelta(hours=1)
LATE = DUE + timedelta(seconds=1)


def answer(route: str = "sales", reviewer: str = "Ada", **more: object) -> Answer:
    return Answer(route=route, reviewer=reviewer, **({"proposal_hash": SHOWN.hash} | more))


DECISIONS = [
    pytest.param(answer("sales"), NOW, Mode.AUTO, Reason.APPROVED, "sales", True,
                 id="the proposed route approves"),
    pytest.param(answer("repairs"), NOW, Mode.AUTO, Reason.OVERRIDDEN, "repairs", True,
                 id="another route overrides"),
    pytest.param(answer("none_of_these"), NOW, Mode.AUTO, Reason.DISMISSED, None, False,
                 id="none_of_these ends the item unwritten"),
    pytest.param(answer("sales"), DUE, Mode.AUTO, Reason.APPROVED, "sales", True,
                 id="an answer in the last moment is in time"),
    pytest.param(answer("sales", aware_late=True), LATE, Mode.AUTO, Reason.APPROVED, "sales", True,
                 id="a late answer counts if the reviewer knows that it is late"),
    pytest.param(answer("none_of_these", aware_late=True), LATE, Mode.AUTO, Reason.DISMISSED, None, False,
                 id="a late dismissal counts if the reviewer knows that it is late"),
    pytest.param(answer("sales", aware_late=True), NOW, Mode.AUTO, Reason.APPROVED, "sales", True,
                 id="knowing of lateness too early does no harm"),
    pytest.param(answer("sales"), NOW, Mode.ASSIST, Reason.APPROVED, "sales", True,
                 id="in assist mode what a person approved is written"),
    pytest.param(answer("repairs"), NOW, Mode.CANARY, Reason.OVERRIDDEN, "repairs", True,
                 id="in canary mode what a person chose is written"),
    pytest.param(answer("repairs"), NOW, Mode.SHADOW, Reason.OVERRIDDEN, "repairs", False,
                 id="in shadow mode not even a person's decision is written"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "now", "mode", "reason", "route", "writes"), DECISIONS)
def test_an_answer_settles(
    given: Answer, now: datetime, mode: Mode, reason: Reason, route: str | None, writes: bool
) -> None:
    settled = settle(given, HELD, SHOWN, terms(mode), DUE, now)

    assert isinstance(settled, Decision)
    assert (settled.kind, settled.reason, settled.route, settled.writes) == (Kind.HUMAN, reason, route, writes)
    assert settled.decided_at == now
    assert not settled.waits


DONE = decide(proposal(), None, terms(), NOW)
APPROVED = settle(answer(), HELD, SHOWN, terms(), DUE, NOW)

REFUSALS = [
    pytest.param(answer(), DONE, NOW, Refusal.ALREADY_DECIDED, id="the model has decided"),
    pytest.param(answer("repairs"), APPROVED, NOW, Refusal.ALREADY_DECIDED, id="somebody else was faster"),
    pytest.param(answer(reviewer=""), HELD, NOW, Refusal.REVIEWER_MISSING, id="no name"),
    pytest.param(answer(reviewer=" \n"), HELD, NOW, Refusal.REVIEWER_MISSING, id="a name of white space"),
    pytest.param(answer("refunds"), HELD, NOW, Refusal.UNKNOWN_ROUTE, id="a route that the policy does not have"),
    pytest.param(answer(""), HELD, NOW, Refusal.UNKNOWN_ROUTE, id="no route"),
    pytest.param(answer(proposal_hash="old"), HELD, NOW, Refusal.PROPOSAL_CHANGED, id="shown another proposal"),
    pytest.param(
        answer(),
        HELD.model_copy(update={"proposal_hash": "old"}),
        NOW,
        Refusal.PROPOSAL_CHANGED,
        id="the decision was made on another proposal",
    ),
    pytest.param(answer(), HELD, LATE, Refusal.LATE, id="late, and not aware of it"),
    pytest.param(answer("none_of_these"), HELD, LATE, Refusal.LATE, id="a dismissal that is late, and not aware of it"),
]


@pytest.mark.parametrize(("given", "held", "now", "refusal"), REFUSALS)
def test_an_answer_settles_nothing(given: Answer, held: Decision, now: datetime, refusal: Refusal) -> None:
    assert settle(given, held, SHOWN, terms(), DUE, now) is refusal


def test_an_answer_settles_nothing_if_the_stored_proposal_is_another() -> None:
    stored = proposal(label="repairs", confidence=0.5)

    assert settle(answer(), HELD, stored, terms(), DUE, NOW) is Refusal.PROPOSAL_CHANGED


def test_the_table_has_a_row_for_every_refusal() -> None:
    assert {row.values[3] for row in REFUSALS} == set(Refusal)


def test_every_refusal_is_explained_and_every_reason_has_words() -> None:
    assert set(EXPLAIN) == set(Refusal)
    assert set(BECAUSE) == set(Reason)


def test_a_settled_decision_keeps_who_decided_and_all_that_held_the_proposal() -> None:
    held = decide(SHOWN, None, terms(), NOW, ("email",))
    settled = settle(answer(reviewer=" Ada ", note=" phoned them\n"), held, SHOWN, terms(), DUE, NOW)

    assert settled == held.model_copy(
        update={
            "reason": Reason.APPROVED,
            "route": "sales",
            "writes": True,
            "by": "Ada",
            "note": "phoned them",
        }
    )
    assert settled.holds == (Reason.BELOW_THRESHOLD, Reason.FIELDS_MISSING)
    assert settled.flags == (ENRICH,)
