"""When an answer may settle a review, and what it makes of a decision that waits."""

from datetime import datetime, timedelta

import pytest
from builders import NOW, claimed, proposal, route_review, terms

from domain.decide import decide
from domain.decision import ENRICH, Kind, Mode, Reason
from domain.explain import BECAUSE
from domain.review import EXPLAIN, Answer, Form, Refusal, ReviewKind, refusal
from domain.route_review import settle_route

SHOWN = proposal(confidence=0.5)
HELD = decide(SHOWN, None, terms(), NOW - timedelta(hours=1))
DUE = NOW + timedelta(hours=1)
LATE = DUE + timedelta(seconds=1)


FORM = Form(
    markdown="Where should it go?",
    label="Route",
    choices={"sales": "wants to buy", "repairs": "is broken", "none_of_these": "nothing is written"},
    inputs={"phone": "their number, if you know it"},
    binding=SHOWN.hash,
    due_at=DUE,
    late=False,
)


def answer(choice: str = "sales", reviewer: str = "Ada", **more: object) -> Answer:
    return Answer.model_validate({"choice": choice, "reviewer": reviewer, "binding": SHOWN.hash} | more)


@pytest.mark.parametrize(
    ("given", "now"),
    [
        pytest.param(answer(), NOW, id="a choice and a name"),
        pytest.param(answer("none_of_these"), NOW, id="the choice that ends it"),
        pytest.param(answer(), DUE, id="in the last moment"),
        pytest.param(answer(aware_late=True), LATE, id="late, and aware of it"),
        pytest.param(answer(aware_late=True), NOW, id="in time, and aware of lateness"),
        pytest.param(answer(inputs={"phone": "030 1"}), NOW, id="with what was asked for"),
        pytest.param(answer(inputs={"phone": ""}), NOW, id="with what was asked for left empty"),
    ],
)
def test_nothing_speaks_against_an_answer(given: Answer, now: datetime) -> None:
    assert refusal(given, FORM, SHOWN.hash, now) is None


REFUSALS = [
    pytest.param(answer(reviewer=""), NOW, Refusal.REVIEWER_MISSING, id="no name"),
    pytest.param(answer(reviewer=" \n"), NOW, Refusal.REVIEWER_MISSING, id="a name of white space"),
    pytest.param(answer("refunds"), NOW, Refusal.UNKNOWN_CHOICE, id="what cannot be chosen"),
    pytest.param(answer(""), NOW, Refusal.UNKNOWN_CHOICE, id="no choice"),
    pytest.param(answer(inputs={"fax": "030 2"}), NOW, Refusal.UNKNOWN_INPUT, id="what nobody asked for"),
    pytest.param(answer(binding="old"), NOW, Refusal.CHANGED, id="shown something else"),
    pytest.param(answer(), LATE, Refusal.LATE, id="late, and not aware of it"),
    pytest.param(answer("none_of_these"), LATE, Refusal.LATE, id="a dismissal that is late, and not aware of it"),
]


@pytest.mark.parametrize(("given", "now", "why"), REFUSALS)
def test_an_answer_is_refused(given: Answer, now: datetime, why: Refusal) -> None:
    assert refusal(given, FORM, SHOWN.hash, now) is why


def test_an_answer_is_refused_if_what_would_be_shown_now_is_not_what_the_review_was_opened_for() -> None:
    assert (
        refusal(answer(binding="now"), FORM.model_copy(update={"binding": "now"}), SHOWN.hash, NOW) is Refusal.CHANGED
    )
    assert refusal(answer(), FORM, "opened for", NOW) is Refusal.CHANGED


def test_a_routes_review_has_its_items_name() -> None:
    review = route_review(claimed(), "tiny", SHOWN.hash, DUE, HELD)

    assert review.review_id == review.item_id


@pytest.mark.parametrize(("about", "name"), [("crm", "item-1-duplicate-crm"), ("", "item-1-duplicate")])
def test_every_other_review_says_in_its_name_what_it_asks(about: str, name: str) -> None:
    review = route_review(claimed(), "tiny", SHOWN.hash, DUE, HELD)

    assert review.model_copy(update={"kind": ReviewKind.DUPLICATE, "about": about}).review_id == name


def test_the_table_has_a_row_for_every_refusal_of_an_open_review() -> None:
    of_the_person = {
        Refusal.KEY_USED,
        Refusal.CONCERNED,
        Refusal.SAME_PERSON,
        Refusal.UNKNOWN_PERSON,
        Refusal.UNPROVEN,
    }  # see spec/test_agreement.py
    assert {row.values[2] for row in REFUSALS} == set(Refusal) - of_the_person - {
        Refusal.ALREADY_DECIDED,
        Refusal.IMPOSSIBLE,  # what a kind itself objects to
    }


DECISIONS = [
    pytest.param("sales", Mode.AUTO, Reason.APPROVED, "sales", True, id="the proposed route approves"),
    pytest.param("repairs", Mode.AUTO, Reason.OVERRIDDEN, "repairs", True, id="another route overrides"),
    pytest.param("none_of_these", Mode.AUTO, Reason.DISMISSED, None, False, id="none_of_these ends it unwritten"),
    pytest.param("sales", Mode.ASSIST, Reason.APPROVED, "sales", True, id="in assist mode the approved is written"),
    pytest.param("repairs", Mode.CANARY, Reason.OVERRIDDEN, "repairs", True, id="in canary mode the chosen is written"),
    pytest.param("repairs", Mode.SHADOW, Reason.OVERRIDDEN, "repairs", False, id="in shadow mode nothing is written"),
]


@pytest.mark.parametrize(("choice", "mode", "reason", "route", "writes"), DECISIONS)
def test_an_answer_settles_a_route(choice: str, mode: Mode, reason: Reason, route: str | None, writes: bool) -> None:
    settled = settle_route(answer(choice), HELD, mode, NOW)

    assert (settled.kind, settled.reason, settled.route, settled.writes) == (Kind.HUMAN, reason, route, writes)
    assert settled.decided_at == NOW
    assert not settled.waits


def test_every_refusal_is_explained_and_every_reason_has_words() -> None:
    assert set(EXPLAIN) == set(Refusal)
    assert set(BECAUSE) == set(Reason)


def test_a_settled_decision_keeps_who_decided_and_all_that_held_the_proposal() -> None:
    held = decide(SHOWN, None, terms(), NOW, ("email",))
    settled = settle_route(answer(reviewer=" Ada ", note=" phoned them\n"), held, Mode.AUTO, NOW)

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
