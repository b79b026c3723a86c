"""`evals replay`: what-if questions answered from recorded proposals, without a call."""

import subprocess
import sys
from dataclasses import replace

import pytest
from builders import FUSIONS, NOW, calibration, claimed, proof, proposal, terms, workflow
from hypothesis import given
from hypothesis import strategies as st

from domain.calibration import Guards
from domain.confidence import Source
from domain.decide import decide
from domain.decision import Decision, Kind, Reason, RuleAction, RuleMatch
from domain.proposal import NONE_OF_THESE, AskOutcome, Proposal
from evals.items import Item
from evals.recorded import Row
from evals.replay import Replayed, Weights, WhatIf, from_ledger, replay
from evals.ruled import rule_match
from policies.load import Workflow

TRUSTS_80 = replace(workflow(), calibration=calibration(proof(threshold=0.8)))
STANDS = TRUSTS_80.policy
ENDS = workflow(out_of_scope="end").policy
BOTH_SOURCES = calibration(proof(threshold=0.8), proof(Source.EXAMPLES, threshold=0.7))


TO_SALES = RuleMatch(name="many_toys", action=RuleAction.ROUTE, route="sales")
THREAT = RuleMatch(name="threat", action=RuleAction.PERSON)
JUNK = RuleMatch(name="junk", action=RuleAction.REJECT)


def row(
    name: str = "x", right: str = "sales", rule: RuleMatch | None = None, text: str = "hello", **said: object
) -> Row:
    """An item of `sales`; by default model and examples say so, the model 90 % sure."""
    return Row(item=Item(id=name, text=text, label=right), proposal=proposal(**{"key": name, **said}), rule=rule)


def told(found: Replayed) -> dict[str, int]:
    """The counts that are not 0."""
    names = ("auto", "ended", "by_rule", "rejected", "to_person", "wrong_auto", "wrong_rule", "unscored", "changed")
    return {name: getattr(found, name) for name in names if getattr(found, name)}


SURE, UNSURE = row("sure"), row("unsure", confidence=0.7)
STRANGE = row("strange", similarity=0.1)
WRONG = row("wrong", right="repairs")
RULED = row("ruled", confidence=0.7, rule=TO_SALES)
MISRULED = row("misruled", right="repairs", confidence=0.7, rule=TO_SALES)
TAMPERED = row("tampered", rule=TO_SALES, tampering=("speaks to a machine",))
DOWN = row("down", outcome=AskOutcome.TIMED_OUT)
LAWYER, REJECTED = row("lawyer", rule=THREAT), row("junk", rule=JUNK)
STEERED_JUNK = row("steered", rule=JUNK, tampering=("speaks to a machine",))


@pytest.mark.parametrize(
    ("given_row", "fate"),
    [
        pytest.param(SURE, {"auto": 1}, id="sure enough"),
        pytest.param(UNSURE, {"to_person": 1}, id="not sure enough"),
        pytest.param(STRANGE, {"to_person": 1}, id="unlike the examples"),
        pytest.param(WRONG, {"auto": 1, "wrong_auto": 1}, id="sure and wrong"),
        pytest.param(RULED, {"by_rule": 1}, id="a rule routes what the model may not"),
        pytest.param(MISRULED, {"by_rule": 1, "wrong_rule": 1}, id="and may be wrong"),
        pytest.param(TAMPERED, {"to_person": 1}, id="no rule routes what was written for a machine"),
        pytest.param(DOWN, {"unscored": 1}, id="unscored is not zero"),
        pytest.param(LAWYER, {"to_person": 1}, id="a rule that wants a person stands above the model"),
        pytest.param(REJECTED, {"rejected": 1}, id="so does one that rejects"),
        pytest.param(STEERED_JUNK, {"rejected": 1}, id="even what was written for a machine"),
    ],
)
def test_the_workflow_as_it_stands(given_row, fate):
    assert told(replay([given_row], TRUSTS_80)) == fate


@pytest.mark.parametrize(
    ("what_if", "given_row", "fate"),
    [
        pytest.param(WhatIf(threshold=0.6), UNSURE, {"auto": 1, "changed": 1}, id="a looser threshold"),
        pytest.param(WhatIf(threshold=0.95), SURE, {"to_person": 1, "changed": 1}, id="a stricter threshold"),
        pytest.param(WhatIf(threshold=0.95), RULED, {"by_rule": 1}, id="which rules do not mind"),
        pytest.param(WhatIf(guards_off=True), STRANGE, {"auto": 1, "changed": 1}, id="no guards"),
        pytest.param(WhatIf(fusion=Weights.EXAMPLES), SURE, {"to_person": 1, "changed": 1}, id="examples: 75 %"),
        pytest.param(WhatIf(fusion=Weights.MODEL), SURE, {"auto": 1}, id="model: 90 %"),
        pytest.param(WhatIf(fusion=Weights.BOTH, threshold=0.79), SURE, {"auto": 1}, id="both: .785 / (.785 + .199)"),
        pytest.param(WhatIf(fusion=Weights.BOTH, threshold=0.8), SURE, {"to_person": 1, "changed": 1}, id="is 79.8 %"),
        pytest.param(WhatIf(wrong_cost=1), SURE, {"auto": 1}, id="prices change no decision"),
    ],
)
def test_what_if(what_if, given_row, fate):
    assert told(replay([given_row], TRUSTS_80, what_if)) == fate


@pytest.mark.parametrize(
    "stands",
    [
        pytest.param(workflow(), id="nothing was ever proven"),
        pytest.param(replace(workflow(), calibration=calibration(proof(classifier="another"))), id="for another one"),
    ],
)
def test_a_what_if_threshold_answers_where_nothing_is_proven(stands):
    assert told(replay([SURE], stands)) == {"to_person": 1}
    asked = WhatIf(threshold=0.7, fusion=Weights.MODEL)
    assert told(replay([SURE], stands, asked)) == {"auto": 1, "changed": 1}


@pytest.mark.parametrize(("weights", "auto"), [(None, 1), (Weights.EXAMPLES, 1), (Weights.BOTH, 1), (Weights.MODEL, 0)])
def test_without_a_model_only_the_examples_can_act(weights, auto):
    alone = row(outcome=AskOutcome.NO_MODEL, confidence=None)
    assert replay([alone], TRUSTS_80, WhatIf(threshold=0.7, fusion=weights)).auto == auto


def test_costs_count_wrong_routes_and_reviews():
    rows = [SURE, WRONG, MISRULED, UNSURE, STRANGE]
    found = replay(rows, TRUSTS_80, WhatIf(wrong_cost=20, review_cost=1.5))
    assert found.cost == 2 * 20 + 2 * 1.5
    assert replay(rows, TRUSTS_80, WhatIf(review_cost=1.5)).cost == 3
    assert replay(rows, TRUSTS_80).cost is None


def test_rates_are_of_what_was_scored_and_of_what_acts():
    found = replay([SURE, WRONG, UNSURE, RULED, DOWN], TRUSTS_80)
    assert (found.n, found.coverage.value, found.misroute_rate.value) == (5, 2 / 4, 1 / 2)
    assert found.misroute_rate.low == pytest.approx(0.0126, abs=1e-4)  # Clopper and Pearson for 1 of 2


def test_the_first_ten_changed_items_are_named():
    rows = [row(f"{number:02}", confidence=0.7) for number in range(15)]
    found = replay(rows, TRUSTS_80, WhatIf(threshold=0.5))
    assert (found.changed, found.changed_ids) == (15, tuple(f"{number:02}" for number in range(10)))


def with_rules(*rules: dict[str, str]) -> Workflow:
    return replace(TRUSTS_80, policy=workflow(rules=rules).policy)


@pytest.mark.parametrize(
    ("rule", "fate"),
    [
        pytest.param({"when": 'text =~~ "wheel"', "route": "repairs"}, {"by_rule": 1, "changed": 1}, id="routes"),
        pytest.param({"when": 'text =~~ "wheel"', "action": "reject"}, {"rejected": 1, "changed": 1}, id="rejects"),
        pytest.param({"when": 'text =~~ "wheel"', "action": "person"}, {"to_person": 1}, id="wants a person"),
        pytest.param({"when": 'text =~~ "train"', "route": "repairs"}, {"to_person": 1}, id="does not match"),
    ],
)
def test_other_rules_are_matched_anew(rule, fate):
    broken = row(right="repairs", confidence=0.7, text="the wheel came off")
    assert told(replay([broken], TRUSTS_80, other=with_rules({"name": "new", **rule}))) == fate


def test_with_the_same_rules_the_recorded_ones_stand():
    other = replace(TRUSTS_80, calibration=calibration(proof(threshold=0.95)))
    assert told(replay([SURE, RULED], TRUSTS_80, other=other)) == {"by_rule": 1, "to_person": 1, "changed": 1}


def test_what_is_surely_out_of_scope_may_end_by_itself():
    said = {"label": NONE_OF_THESE, "opinion": NONE_OF_THESE}
    rows = [row("right", right=NONE_OF_THESE, **said), row("wrong", **said), SURE]
    found = replay(rows, TRUSTS_80, other=replace(TRUSTS_80, policy=ENDS))
    assert told(found) == {"auto": 1, "ended": 2, "wrong_auto": 1, "changed": 2}
    assert (found.coverage.value, found.misroute_rate.value) == (1, 1 / 3)


def test_required_fields_hold_an_item_only_where_they_are_known():
    assert told(replay([SURE], TRUSTS_80)) == {"auto": 1}
    assert told(replay([SURE], TRUSTS_80, fields_known=True)) == {"to_person": 1}
    with_mail = SURE.model_copy(update={"item": SURE.item.model_copy(update={"fields": {"email": "a@toys.example"}})})
    assert told(replay([with_mail], TRUSTS_80, fields_known=True)) == {"auto": 1}


@given(
    label=st.sampled_from(["sales", "repairs", NONE_OF_THESE, "nowhere", None]),
    opinion=st.sampled_from(["sales", "repairs", NONE_OF_THESE, None]),
    confidence=st.sampled_from([None, 0.5, 0.9]),
    outcome=st.sampled_from([AskOutcome.ANSWERED, AskOutcome.NO_MODEL, AskOutcome.NONSENSE]),
    similarity=st.sampled_from([0.1, 0.9]),
    tampering=st.sampled_from([(), ("hidden",)]),
    text=st.sampled_from(["hello", "my lawyer", "many toys"]),
    ends=st.booleans(),
)
def test_every_fate_is_what_decide_says(label, opinion, confidence, outcome, similarity, tampering, text, ends):
    policy = ENDS if ends else STANDS
    here = replace(TRUSTS_80, policy=policy, calibration=BOTH_SOURCES)
    said = proposal(label, confidence, opinion, outcome, similarity=similarity, tampering=tampering)
    item = Item(id="x", text=text, label="sales", fields={"toys": "100"} if text == "many toys" else {})
    match = rule_match(policy, item)
    decision = decide(said, match, here.terms.model_copy(update={"audit_share": 0}), NOW)
    found = replay([Row(item=item, proposal=said, rule=match)], here)
    expected = {
        Kind.AUTO: "auto",
        Kind.RULE: "by_rule",
        Kind.HUMAN: "to_person",
        Kind.REJECT: "ended" if decision.reason is Reason.OUT_OF_SCOPE else "rejected",
    }[decision.kind]
    assert set(told(found)) - {"wrong_auto", "wrong_rule"} == {expected}


def settled(said: Proposal, **changes: object) -> Decision:
    """A decision on a proposal that a person approved, or whatever `changes` say."""
    approved = {"kind": Kind.HUMAN, "reason": Reason.APPROVED, "route": "sales", "by": "Ann"}
    return decide(said, None, terms(), NOW).model_copy(update=approved | changes)


@pytest.mark.parametrize(
    ("decision", "label"),
    [
        pytest.param({}, "sales", id="approved"),
        pytest.param({"reason": Reason.OVERRIDDEN, "route": "repairs"}, "repairs", id="overridden"),
        pytest.param({"reason": Reason.DISMISSED, "route": None}, NONE_OF_THESE, id="dismissed"),
        pytest.param({"reason": Reason.BELOW_THRESHOLD, "route": None}, None, id="still waits"),
        pytest.param({"kind": Kind.AUTO, "reason": Reason.CONFIDENT}, None, id="nobody looked"),
        pytest.param({"kind": Kind.RULE, "reason": Reason.RULE_ROUTES}, None, id="a rule's word is no truth"),
        pytest.param({"route": "marketing"}, None, id="a route that the policy no longer has"),
    ],
)
def test_in_the_ledger_only_a_persons_answer_is_a_label(decision, label):
    rows, unknown = from_ledger([(claimed(), proposal(), settled(proposal(), **decision))], STANDS)
    assert ([found.item.label for found in rows], unknown) == ([label] if label else [], 0 if label else 1)


def test_ledger_items_keep_their_text_fields_and_the_rule_that_matched():
    mine = claimed("we want 200 toys", toys="200")
    (found,), _ = from_ledger([(mine, proposal(), settled(proposal(), rule="many_toys"))], STANDS)
    assert (found.item.id, found.item.text, found.item.fields) == ("item-1", "we want 200 toys", {"toys": "200"})
    assert found.rule == TO_SALES.model_copy(update={"flags": ("bulk",)})
    (threat,), _ = from_ledger([(mine, proposal(), settled(proposal(), rule="threat"))], STANDS)
    assert threat.rule == THREAT
    (gone,), _ = from_ledger([(mine, proposal(), settled(proposal(), rule="a rule that was removed"))], STANDS)
    assert gone.rule is None


def test_replay_and_compare_start_without_heavy_libraries():
    heavy = "('sklearn', 'scipy', 'numpy', 'prefect', 'tasks', 'httpx', 'sqlmodel')"
    script = f"import sys, evals.replay, evals.compare; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_guards_and_weights_of_the_proof_stay_unless_asked_about():
    loose = replace(TRUSTS_80, calibration=calibration(proof(guards=Guards())))
    assert told(replay([STRANGE], loose, WhatIf(threshold=0.85))) == {"auto": 1}
    assert FUSIONS[Source.LOGPROBS_AND_EXAMPLES].model == 1
    assert told(replay([STRANGE], TRUSTS_80, WhatIf(threshold=0.85))) == {"to_person": 1}
