"""A policy's terms, its writes and its fingerprint."""

from datetime import timedelta

import pytest
from builders import NOW, claimed, policy, proposal, terms, workflow

from domain.calibration import Calibration
from domain.decision import ENRICH, Mode, Threshold, decide
from domain.delivery import operation_id
from policies.intake import check
from policies.templates import render
from policies.writes import operations

TINY = policy()
RECORD = Calibration(
    policy="tiny",
    classifier="c",
    model="m",
    data="d",
    target=0.05,
    delta=0.05,
    threshold=0.8,
    n=100,
    accepted=80,
    errors=0,
    made_at=NOW,
)


def test_a_calibration_for_the_policys_target_gives_its_threshold() -> None:
    assert TINY.terms(RECORD).threshold == Threshold(value=0.8, classifier="c")


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(None, id="none was made"),
        pytest.param(RECORD.model_copy(update={"target": 0.1}), id="a looser target"),
        pytest.param(RECORD.model_copy(update={"delta": 0.1}), id="a weaker confidence"),
        pytest.param(RECORD.model_copy(update={"target": 0.01, "delta": 0.01}), id="even a stricter promise"),
    ],
)
def test_a_calibration_for_another_promise_is_not_trusted(record: Calibration | None) -> None:
    assert TINY.terms(record).threshold is None


def test_terms_say_of_a_policy_what_decide_must_know() -> None:
    found = policy(mode="canary", canary_share=0.3).terms(None)

    assert (found.policy, found.mode, found.canary_share) == ("tiny", Mode.CANARY, 0.3)
    assert found.routes == {"sales", "repairs"}


def test_a_workflow_without_a_record_has_no_threshold() -> None:
    assert workflow().terms.threshold is None


def test_the_fingerprint_changes_with_anything_the_file_says() -> None:
    changed = [TINY, policy(version=2), policy(escalation={"to": "the owner"}), policy(rules=[])]

    assert len({one.fingerprint for one in changed}) == len(changed)
    assert policy().fingerprint == TINY.fingerprint


def test_a_reviewers_time_is_a_duration() -> None:
    assert policy(review={"answer_within_minutes": 90}).review.answer_within == timedelta(hours=1.5)


def test_an_operation_renders_checked_values_only() -> None:
    fields = {"email": "Ada@Example.com", "toys": "a lot", "website": "evil.example"}
    values = {"mail": "{{ email }}", "toys": "{{ toys }}", "site": "{{ website }}", "queue": "{{ route }}"}
    values |= {"flags": "{{ flags | join(', ') }}", "by": "{{ by }}", "text": "{{ text }}", "id": "{{ item_id }}"}
    destination = {"system": "sandbox_crm", "record_key": "{{ email or item_id }}", "values": values}
    wide = policy(destinations={"crm": destination, "help_desk": destination | {"record_key": "{{ item_id }}"}})
    here = claimed("A train, please", **fields)
    checked = check(here.item, wide)

    crm, help_desk = operations(here, checked, decide(proposal(), None, terms(), NOW), wide)

    assert crm.values == {
        "mail": "ada@example.com",
        "queue": "sales",
        "by": "model",
        "text": "A train, please",
        "id": "item-1",
    }
    assert (crm.record_key, help_desk.record_key) == ("ada@example.com", "item-1")
    assert (crm.system, crm.policy, crm.item_id) == ("sandbox_crm", "tiny", "item-1")
    assert (crm.operation_id, help_desk.operation_id) == (
        operation_id("item-1", "crm"),
        operation_id("item-1", "help_desk"),
    )


def test_an_operation_carries_its_flags_and_what_is_missing() -> None:
    values = {"flags": "{{ flags | join(', ') }}", "missing": "{{ missing | join(', ') }}"}
    wide = policy(destinations={"crm": {"system": "sandbox_crm", "record_key": "{{ item_id }}", "values": values}})
    here = claimed("A train, please")
    decision = decide(proposal(), None, terms(), NOW, ("email",)).model_copy(update={"writes": True, "route": "sales"})

    (crm,) = operations(here, check(here.item, wide), decision, wide)

    assert crm.values == {"flags": ENRICH, "missing": "email"}


@pytest.mark.parametrize(
    "under", [pytest.param(terms(Mode.SHADOW), id="shadow"), pytest.param(terms(Mode.ASSIST), id="waiting")]
)
def test_a_decision_that_writes_nothing_asks_for_no_operation(under: object) -> None:
    here = claimed()

    assert operations(here, check(here.item, TINY), decide(proposal(), None, under, NOW), TINY) == []


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ email.__class__.__base__.__subclasses__ }}",
        "{{ nobody.knows.this }}",
    ],
)
def test_a_template_reaches_nothing_but_its_values(source: str) -> None:
    assert render(source, {"email": "ada@example.com"}) == ""


def test_what_is_filled_in_is_not_a_template_itself() -> None:
    assert render("{{ text }}", {"text": "{{ 7 * 7 }}"}) == "{{ 7 * 7 }}"
