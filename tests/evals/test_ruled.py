"""An item that a rule takes over never acts alone, wherever labelled items are looked at."""

from dataclasses import replace

import pytest
from builders import calibration, proof, proposal, workflow

from domain.calibration import OTHERS, Guards
from domain.decision import Reason, RuleAction, RuleMatch
from evals.calibrate import judge_all, scored
from evals.fit import fit_guards
from evals.gate import gate
from evals.items import Item
from evals.recorded import Row, Run, load_run
from evals.ruled import rule_match, weigh_row

TRUSTS_80 = replace(workflow(), calibration=calibration(proof(threshold=0.8)))
PERSON = RuleMatch(name="threat", action=RuleAction.PERSON)
REJECT = RuleMatch(name="junk", action=RuleAction.REJECT)
ROUTES = RuleMatch(name="many_toys", action=RuleAction.ROUTE, route="sales", flags=("bulk",))


def row(rule: RuleMatch | None = None, **said: object) -> Row:
    """An item of `sales`; model and examples say so, the model 90 % sure."""
    return Row(item=Item(id="x", text="hello", label="sales"), proposal=proposal(**said), rule=rule)


def run(*rows: Row) -> Run:
    return Run(
        policy="tiny",
        reference="tiny",
        model="m",
        classifier="c",
        data="d",
        made_at=calibration().made_at,
        rows=rows,
    )


@pytest.mark.parametrize(
    ("rule", "confidence", "holds"),
    [
        pytest.param(None, 0.9, (), id="no rule"),
        pytest.param(ROUTES, 0.9, (), id="one that routes gives way to the model"),
        pytest.param(ROUTES, 0.7, (Reason.BELOW_THRESHOLD,), id="and takes no doubt away"),
        pytest.param(PERSON, 0.9, (Reason.RULE_WANTS_PERSON,), id="one that wants a person"),
        pytest.param(REJECT, 0.7, (Reason.RULE_REJECTS, Reason.BELOW_THRESHOLD), id="one that rejects, before doubts"),
    ],
)
def test_a_rule_that_takes_an_item_over_is_the_first_reason(rule, confidence, holds):
    assert weigh_row(row(rule, confidence=confidence), TRUSTS_80.terms)[1] == holds


@pytest.mark.parametrize(
    ("rule", "score"),
    [
        pytest.param(None, 0.9, id="no rule"),
        pytest.param(ROUTES, 0.9, id="one that routes"),
        pytest.param(PERSON, 0, id="one that wants a person"),
        pytest.param(REJECT, 0, id="one that rejects"),
    ],
)
def test_no_threshold_is_proven_on_what_a_rule_takes_over(rule, score):
    judged = judge_all(TRUSTS_80, [row(rule)], proof(threshold=0))
    assert [one.score for one in scored(judged, OTHERS, {})] == [pytest.approx(score)]


def test_guards_are_fitted_on_what_could_act():
    assert fit_guards([row(), row(PERSON, similarity=0.1)], 0.01).similarity == 0.5
    assert fit_guards([row(REJECT)], 0.01) == Guards()


def test_the_gate_counts_what_rules_take_over_as_not_acting():
    free, taken = run(row()), run(row(PERSON))
    comparison = gate(taken, free, TRUSTS_80).comparison
    assert (comparison.coverage_a.value, comparison.coverage_b.value) == (1, 0)


def test_the_rule_that_matches_is_recorded_whole_and_read_again(tmp_path):
    item = Item(id="x", text="toys, please", label="sales", fields={"toys": "200", "unknown": "left out"})
    match = rule_match(TRUSTS_80.policy, item)
    assert match == ROUTES
    recorded = run(Row(item=item, proposal=proposal(), rule=match))
    recorded.save(tmp_path / "run.jsonl")
    assert load_run(tmp_path / "run.jsonl") == recorded
    assert rule_match(TRUSTS_80.policy, item.model_copy(update={"text": "my lawyer", "fields": {}})) == PERSON
