"""The shipped policies about cases on their labelled events: nothing that needs a person goes without one."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from builders import calibration, proof, proposal
from cases import write_cases
from fakes import FakeSystem, fake_resources
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from llm_server import Status, Text, label_tokens, llm_server
from typer.testing import CliRunner

from connectors.llm.agent import open_agent
from connectors.settings import Settings
from connectors.store.engine import Store
from domain.calibration import OTHERS, Promise
from domain.case import Gate
from domain.confidence import Source
from domain.decision import Decision, Mode
from domain.proposal import AskOutcome, Opinion, Proposal
from evals.actions import NO_TIME, decided, measure_actions, situation_of
from evals.items import Data, Item, load_data
from evals.main import app
from evals.proposals import propose_all
from evals.recorded import Row
from evals.ruled import rule_match
from policies.cases import CasePolicy
from policies.load import Workflow, cases_of, load_workflow
from policies.next_action import Said, decide_action
from tasks.resources import opened

DATA = Path(__file__).parents[2] / "evals" / "data"
NAMES = ("onboarding", "order_processing")
SHIPPED = {name: load_workflow(name) for name in NAMES}
ITEMS = {name: load_data(DATA / f"{name}.jsonl", SHIPPED[name]) for name in NAMES}


def policy_of(name: str) -> CasePolicy:
    return cases_of(SHIPPED[name])


def row(name: str, item: Item, label: str | None = None) -> Row:
    said = proposal(label or item.label, confidence=None, opinion=label or item.label, outcome=AskOutcome.NO_MODEL)
    return Row(item=item, proposal=said, rule=rule_match(policy_of(name), item))


@pytest.mark.parametrize("name", NAMES)
def test_there_are_at_least_120_labelled_events_of_every_action(name):
    data: Data = ITEMS[name]
    assert len(data.items) >= 120
    assert data.warnings == ()


@pytest.mark.parametrize("name", NAMES)
def test_a_labelled_event_is_the_text_that_its_situation_gives(name):
    for item in ITEMS[name].items:
        situation = situation_of(policy_of(name), item)
        assert situation.claimed.item.text == item.text
        assert situation.gate is Gate.ALLOWED, item.id
        assert situation.checked.missing == (), item.id


@pytest.mark.parametrize("name", NAMES)
def test_every_rule_matches_some_labelled_events_and_not_all(name):
    matched = [found.name for item in ITEMS[name].items if (found := rule_match(policy_of(name), item))]
    assert len(matched) < len(ITEMS[name].items)
    assert {rule.name for rule in policy_of(name).rules} - set(matched) <= {"dangerous"}  # an example has it


@pytest.mark.parametrize("name", NAMES)
def test_rules_alone_decide_most_events_and_none_wrongly(name):
    rows = [row(name, item) for item in ITEMS[name].items]
    measures = measure_actions(SHIPPED[name], rows)
    assert (measures.wrong, measures.without_approval, measures.wrongly_done) == (0, 0, ())
    assert measures.share.value > 0.5
    assert measures.alone + measures.to_people == measures.n == len(rows)
    assert measures.irreversible >= 15
    assert measures.misroute_bound < 0.05


@pytest.mark.parametrize("name", NAMES)
def test_an_item_without_a_known_state_or_event_is_an_event_all_the_same(name):
    situation = situation_of(policy_of(name), Item(id="x", text="hm", label="none_of_these", fields={"state": "lost"}))
    assert situation.case.state == policy_of(name).initial
    assert situation.gate is Gate.UNKNOWN


def trusting(workflow: Workflow) -> Workflow:
    """The workflow as if any confidence of the examples were proven enough."""
    anything = proof(Source.EXAMPLES, threshold=0.0).model_copy(
        update={
            "promises": {OTHERS: Promise(target=0.01, threshold=0.0)},
            "guards": proof().guards.model_copy(update={"similarity": 0, "weakest": 0, "dissent": 1}),
        }
    )
    record = calibration(anything, policy=workflow.policy.name, target=0.01, delta=0.01)
    return replace(workflow, calibration=record)


def said_by_examples(labels: tuple[str, ...], label: str) -> Proposal:
    scores = {other: (0.9 if other == label else 0.1 / (len(labels) - 1)) for other in labels}
    alone = proposal(None, None, None, AskOutcome.NO_MODEL)
    return alone.model_copy(update={"opinion": Opinion(scores=scores, similarity=1)})


def grave(policy: CasePolicy) -> set[str]:
    return {name for name, action in policy.actions.items() if action.irreversible or action.cost is not None}


@pytest.mark.parametrize("name", NAMES)
def test_however_sure_everybody_is_what_cannot_be_undone_waits_for_a_person(name):
    workflow = trusting(SHIPPED[name])
    labels, policy = workflow.policy.labels, cases_of(workflow)
    acted = set()
    for item in ITEMS[name].items:
        for label in labels:
            one = Row(item=item, proposal=said_by_examples(labels, label), rule=None)
            ((_, decision),) = decided(workflow, [one])
            if not decision.waits:
                acted.add(decision.route)
                assert decision.route not in grave(policy)
    assert len(acted - {None}) > 5, "most actions can be taken alone by a proven confidence"


@st.composite
def situations(draw: st.DrawFn) -> tuple[str, Item]:
    """An event of any kind in any state with any fields, mostly none that fits."""
    name = draw(st.sampled_from(NAMES))
    policy = policy_of(name)
    item = draw(st.sampled_from(ITEMS[name].items))
    fields = dict(item.fields) | draw(
        st.dictionaries(
            st.sampled_from(sorted(policy.input.fields)),
            st.sampled_from(["", "0", "1", "5000 EUR", "2 USD", "nonsense", "a@b.example"]),
            max_size=3,
        ).filter(lambda more: not any(key.startswith(("seen_", "done_")) for key in more))
    )
    fields |= {"state": draw(st.sampled_from(sorted(policy.states)))}
    return name, item.model_copy(update={"fields": fields})


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=150)
@given(situations(), st.sampled_from(Mode), st.data())
def test_there_is_no_path_to_an_irreversible_action_without_a_person(here, mode, data):
    name, item = here
    workflow = trusting(SHIPPED[name])
    policy = cases_of(workflow)
    label = data.draw(st.sampled_from(workflow.policy.labels))
    said = data.draw(
        st.none()
        | st.builds(
            Said,
            action=st.sampled_from(workflow.policy.labels),
            parameters=st.dictionaries(st.sampled_from(["amount", "worth", "email"]), st.sampled_from(["1 EUR", "x"])),
            found=st.just({}),
        )
    )
    terms = workflow.terms.model_copy(update={"mode": mode})
    proposed = said_by_examples(workflow.policy.labels, label)
    decision: Decision = decide_action(policy, terms, situation_of(policy, item), proposed, said, NO_TIME)
    if decision.route in grave(policy):
        raise AssertionError("an action that needs a person was decided without one")
    if not decision.waits and decision.route:
        assert decision.plan is not None
        assert (decision.plan.action, decision.plan.approvals, decision.plan.faults) == (decision.route, 0, ())


def test_labels_of_the_files_are_the_policies_own():
    for name in NAMES:
        lines = (DATA / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
        assert {json.loads(line)["label"] for line in lines} == set(SHIPPED[name].policy.labels)


def test_a_run_prints_what_is_decided_automatically_and_that_nothing_grave_goes_without_approval(tmp_path, monkeypatch):
    monkeypatch.setenv("INTERLOCK_HOME", str(tmp_path))
    monkeypatch.setenv("INTERLOCK_EMBEDDINGS", "off")
    command = ["run", "onboarding", "--data", str(DATA / "onboarding.jsonl"), "--without-model"]
    shown = CliRunner().invoke(app, command)
    assert shown.exit_code == 0, shown.output
    assert "decided automatically: 84 of 124" in shown.output
    assert "of those wrong: 0, 0.0 % (0.0 to 4.3 %); at most 3.5 % with 95% confidence" in shown.output
    assert "irreversible actions without approval: 0" in shown.output


async def test_with_an_endpoint_an_agent_is_asked_about_each_event_and_can_look_nothing_up(tmp_path):
    store = Store(f"sqlite:///{tmp_path / 'store.db'}")
    answer = Text('{"label": "explain", "parameters": []}', label_tokens("explain", 0.9, ["explain", "nudge"]))
    texts = ["complained while sent\nwhere is it", "complained while sent\nhm"]
    items = [
        Item(id=str(n), text=text, label="explain", fields={"event": "complained", "state": "sent"})
        for n, text in enumerate(texts)
    ]
    with llm_server(answer, Status(401)) as server:
        settings = Settings(llm_base_url=server.base_url, llm_model="scripted")
        here = fake_resources(store, None, FakeSystem(), open_agent=lambda: open_agent(settings))
        async with opened(here):
            run = await propose_all(write_cases(tmp_path), Data(tuple(items), ()), lambda _count: None)
        await here.aclose()
    assert [row.proposal.outcome for row in run.rows] == [AskOutcome.ANSWERED, AskOutcome.REFUSED]
    assert (run.rows[0].proposal.label, run.model) == ("explain", "scripted")
    assert "tools" not in server.requests[0]
