"""The policies that come along are whole: examples, held-aside cases and rules that do something."""

import asyncio
import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from builders import NOW, claimed, proposal, terms

from connectors.mail.message import read_mail
from connectors.ports import Arrival
from domain.decide import decide
from domain.decision import RuleAction
from policies.fields import FieldType
from policies.intake import check, make_item, match_rule
from policies.load import Workflow, load_workflow, shipped_policies
from policies.model import Rule
from policies.rules import matches
from policies.writes import operations
from tasks.extract import Search, look_through, section_of

DATA = Path(__file__).parents[2] / "evals" / "data"
SHIPPED = {name: load_workflow(name) for name in shipped_policies()}
NAMES = [name for name, workflow in SHIPPED.items() if workflow.policy.classifies]
LABELLED = [json.loads(line) for line in (DATA / "extraction.jsonl").read_text(encoding="utf-8").split("\n") if line]
GUARDED_AGAINST = {
    ("lead_routing", "auto_reply"): "Automatic reply: back on Monday",
    ("lead_routing", "legal_threat"): "You will hear from my lawyer.",
    ("order_intake", "written_by_a_machine"): "Automatic reply: back on Monday",
}
"""What a rule is for where the examples, which have a label, have no such message."""

RULES = [
    pytest.param(workflow, rule, id=f"{name}: {rule.name}")
    for name, workflow in SHIPPED.items()
    if not workflow.cases  # their rules see the case: `tests/evals/test_actions.py` has them on labelled events
    for rule in workflow.policy.rules
]


def held_aside(name: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in (DATA / f"{name}.jsonl").read_text(encoding="utf-8").split("\n") if line]


def spelt_the_same(text: str) -> str:
    return " ".join(text.split()).casefold()


def test_the_workflows_are_shipped() -> None:
    shipped = {"lead_routing", "order_intake", "support_triage", "onboarding", "order_processing", "crm_helpdesk_sync"}
    assert set(SHIPPED) >= shipped


def test_only_policies_about_messages_compare_content() -> None:
    comparing = {name for name, workflow in SHIPPED.items() if workflow.policy.input.duplicate_window_hours}
    assert comparing == {name for name, workflow in SHIPPED.items() if not workflow.cases and not workflow.sync}


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_policy_has_many_examples_and_some_of_each_label(name: str) -> None:
    workflow = SHIPPED[name]

    assert len(workflow.examples) >= (95 if workflow.cases else 200)
    assert {example.label for example in workflow.examples} == set(workflow.policy.labels)


@pytest.mark.parametrize("name", NAMES)
def test_every_route_has_held_aside_cases(name: str) -> None:
    assert {case["label"] for case in held_aside(name)} == set(SHIPPED[name].policy.labels)


@pytest.mark.parametrize("name", NAMES)
def test_no_text_is_both_an_example_and_a_held_aside_case(name: str) -> None:
    examples = {spelt_the_same(example.text) for example in SHIPPED[name].examples}

    assert not examples & {spelt_the_same(case["text"]) for case in held_aside(name)}


@pytest.mark.parametrize(("workflow", "rule"), RULES)
def test_every_rule_matches_some_messages_and_not_all(workflow: Workflow, rule: Rule) -> None:
    kinds = {name: kind is FieldType.NUMBER for name, kind in workflow.policy.input.fields.items()}

    guarded = GUARDED_AGAINST.get((workflow.policy.name, rule.name))
    taught = [example.text for example in workflow.examples] or [case["text"] for case in LABELLED]
    texts = taught + ([guarded] if guarded else [])

    matched = sum(matches(rule.when, kinds, seen(text)) for text in texts)

    assert 0 < matched < len(texts)


def seen(text: str) -> dict[str, object]:
    """An example's text, with the number that its rendering ended in."""
    employees = re.search(r"^Employees: (\d+)$", text, re.MULTILINE)
    return {"text": text, "missing": []} | ({"employees": float(employees[1])} if employees else {})


BOUNCE = b"""\
From: Mail Delivery System <MAILER-DAEMON@mx.example>
Subject: Undelivered Mail Returned to Sender
Message-ID: <3@mx.example>

I am sorry: <ann@a.example>: no such user (about your quote and price request, invoice and password)
"""
ABSENCE = b"""\
From: Ann Lee <ann@a.example>
Subject: Re: your order
Message-ID: <4@a.example>
Auto-Submitted: auto-replied

I am back on Monday. Price requests and invoices go to Bob.
"""
PERSON = b"""\
From: Ann Lee <ann@a.example>
Subject: Scanners
Message-ID: <5@a.example>

Your demo got me an automatic reply: out of office. What is the price of order SO-123456?
"""
TAKING_MAIL = [name for name in SHIPPED if not SHIPPED[name].cases and not SHIPPED[name].sync]


@pytest.mark.parametrize("name", TAKING_MAIL)
@pytest.mark.parametrize(
    ("mail", "ends"), [(BOUNCE, True), (ABSENCE, True), (PERSON, False)], ids=["bounce", "auto-reply", "person"]
)
def test_what_no_person_wrote_ends_and_what_mentions_it_does_not(name: str, mail: bytes, ends: bool) -> None:
    policy, read = SHIPPED[name].policy, read_mail(mail, "box:1", datetime(2026, 3, 2, tzinfo=UTC))
    assert isinstance(read, Arrival)
    item = make_item(policy, read.source, read.external_id, read.received_at, read.fields, read.envelope)

    match = match_rule(item, check(item, policy), policy)

    assert (match is not None and match.action is RuleAction.REJECT) == ends


@pytest.mark.parametrize("name", TAKING_MAIL)
@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("Out of Office: your question", True),
        ("Abwesenheitsnotiz\nIch bin wieder da am 10.03.", True),
        ("Delivery Status Notification (Failure)", True),
        ("We got an automatic reply to our order", False),
        ("Out of office hours nobody answers your hotline", False),
    ],
)
def test_what_comes_without_a_kind_is_told_by_how_it_begins(name: str, text: str, ends: bool) -> None:
    policy = SHIPPED[name].policy
    item = make_item(policy, "web_form", "7", datetime(2026, 3, 2, tzinfo=UTC), {"message": text})

    match = match_rule(item, check(item, policy), policy)

    assert (match is not None and match.action is RuleAction.REJECT) == ends


@pytest.mark.parametrize("name", [name for name in SHIPPED if SHIPPED[name].policy.extract])
def test_what_is_extracted_and_labelled_is_written_rightly_nearly_always(name: str) -> None:
    policy = SHIPPED[name].policy
    right = wrong = 0
    for case in LABELLED:
        given = {field: raw for field, raw in case["fields"].items() if field in policy.input.fields}
        extraction, _ = asyncio.run(look_through(None, policy, Search(key="", text=case["text"], given=given)))
        for field, found in extraction.sure(section_of(policy).threshold).items():
            if field in case["truth"]:
                truth = case["truth"][field]
                right += found.value in ([truth] if isinstance(truth, str) else truth)
                wrong += found.value not in ([truth] if isinstance(truth, str) else truth)
    assert right > 250
    assert wrong <= 0.03 * (right + wrong)


ORDER = (
    "Order SO-104233, the total is 980 EUR, please deliver by 18.05.2026.\n\n"
    "Best regards\nAnn Weber\nann@brightshelf.example"
)
LEAD = "We have 40 employees.\n\nBest regards\nAnn Weber\nann@brightshelf.example\n\nI work at Brightshelf Ltd now."


@pytest.mark.parametrize(
    ("name", "text", "written", "unconfirmed"),
    [
        ("order_intake", ORDER, {"last_order": "SO-104233"}, "amount: 980.00 EUR; deliver_by: 2026-05-18"),
        ("lead_routing", LEAD, {"missing": "company"}, "company: Brightshelf Ltd; employees: 40"),
    ],
)
def test_what_is_too_unsure_to_be_written_is_handed_on_unconfirmed(
    name: str, text: str, written: dict[str, str], unconfirmed: str
) -> None:
    policy = SHIPPED[name].policy
    here = claimed(text)
    extraction, _ = asyncio.run(look_through(None, policy, Search(key="", text=text, given={})))
    checked = check(here.item, policy, extraction)
    decision = decide(proposal(), None, terms(), NOW, checked.missing).model_copy(
        update={"writes": True, "route": next(iter(policy.routes), None)}
    )

    crm = operations(here, checked, decision, SHIPPED[name])[0]

    assert crm.values["unconfirmed"] == unconfirmed
    assert crm.values.items() >= written.items()
    assert crm.values.keys().isdisjoint({"amount", "employees", "company"})


def test_a_ticket_begins_with_what_was_found_of_the_order() -> None:
    policy, here = SHIPPED["order_intake"].policy, claimed(ORDER)
    extraction, _ = asyncio.run(look_through(None, policy, Search(key="", text=ORDER, given={})))
    checked = check(here.item, policy, extraction)
    decision = decide(proposal(), None, terms(), NOW, checked.missing).model_copy(update={"writes": True})

    _, ticket = operations(here, checked, decision, SHIPPED["order_intake"])

    found = "Order: SO-104233\nUnconfirmed: amount: 980.00 EUR; deliver_by: 2026-05-18"
    assert ticket.values["body"] == f"{found}\n\nWhat was written:\n{ORDER}"
