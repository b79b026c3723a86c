"""The policies that come along are whole: examples, held-aside cases and rules that do something."""

import json
import re
from pathlib import Path

import pytest

from policies.fields import FieldType
from policies.load import Workflow, load_workflow, shipped_policies
from policies.model import Rule
from policies.rules import matches

DATA = Path(__file__).parents[2] / "evals" / "data"
NAMES = shipped_policies()
SHIPPED = {name: load_workflow(name) for name in NAMES}
GUARDED_AGAINST = {
    ("lead_routing", "auto_reply"): "Automatic reply: back on Monday",
    ("lead_routing", "legal_threat"): "You will hear from my lawyer.",
}
"""What a rule is for where the examples, which have a label, have no such message."""

RULES = [
    pytest.param(workflow, rule, id=f"{name}: {rule.name}")
    for name, workflow in SHIPPED.items()
    for rule in workflow.policy.rules
]


def held_aside(name: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in (DATA / f"{name}.jsonl").read_text(encoding="utf-8").split("\n") if line]


def spelt_the_same(text: str) -> str:
    return " ".join(text.split()).casefold()


def test_the_two_workflows_are_shipped() -> None:
    assert {"lead_routing", "support_triage"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_policy_has_at_least_200_examples_and_some_of_each_label(name: str) -> None:
    workflow = SHIPPED[name]

    assert len(workflow.examples) >= 200
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
    texts = [example.text for example in workflow.examples] + ([guarded] if guarded else [])

    matched = sum(matches(rule.when, kinds, seen(text)) for text in texts)

    assert 0 < matched < len(texts)


def seen(text: str) -> dict[str, object]:
    """An example's text, with the number that its rendering ended in."""
    employees = re.search(r"^Employees: (\d+)$", text, re.MULTILINE)
    return {"text": text, "missing": []} | ({"employees": float(employees[1])} if employees else {})
