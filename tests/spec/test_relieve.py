"""What becomes of a decision that waits when reviewers have more than they can take: the whole of `relieve`."""

import pytest
from builders import NOW, proposal, terms
from hypothesis import given
from hypothesis import strategies as st

from domain.action import relieve_action
from domain.case import Plan
from domain.decide import decide
from domain.decision import Decision, Kind, Mode, Reason, RuleAction, RuleMatch
from domain.route_review import RELIEVED, relieve

SURE, UNSURE = proposal(confidence=0.97), proposal(confidence=0.5)
ROUTES = RuleMatch(name="says_sales", action=RuleAction.ROUTE, route="sales", flags=("check_size",))
OTHERWISE = RuleMatch(name="says_repairs", action=RuleAction.ROUTE, route="repairs")
UNKNOWN = RuleMatch(name="says_nowhere", action=RuleAction.ROUTE, route="nowhere")
PERSON = RuleMatch(name="legal", action=RuleAction.PERSON)
REJECT = RuleMatch(name="auto_reply", action=RuleAction.REJECT)
ASSIST = terms(Mode.ASSIST)


def held(shown=UNSURE, rule=ROUTES, under=ASSIST) -> Decision:
    decision = decide(shown, rule, under, NOW)
    assert decision.waits
    return decision


RELIEVES = [
    pytest.param(held(), ROUTES, ASSIST, "sales", id="a rule takes what a person was to confirm"),
    pytest.param(held(SURE), ROUTES, ASSIST, "sales", id="also where the model agrees"),
    pytest.param(held(UNSURE, OTHERWISE), OTHERWISE, ASSIST, "repairs", id="or is not sure of another"),
    pytest.param(held(SURE, OTHERWISE), OTHERWISE, ASSIST, None, id="not against a model that is sure"),
    pytest.param(held(), None, ASSIST, None, id="no rule, no decision"),
    pytest.param(held(SURE, None), None, ASSIST, None, id="however sure the model is"),
    pytest.param(held(), UNKNOWN, ASSIST, None, id="not to a route that the policy does not have"),
    pytest.param(held(UNSURE, REJECT), REJECT, ASSIST, None, id="not to end an item"),
    pytest.param(held(UNSURE, PERSON), PERSON, ASSIST, None, id="not where a rule wants a person"),
    pytest.param(held(UNSURE, None, terms()), ROUTES, terms(), None, id="not where the model was in doubt"),
]


@pytest.mark.parametrize(("decision", "rule", "under", "route"), RELIEVES)
def test_what_a_rule_makes_of_it(decision, rule, under, route):
    relieved = relieve(decision, rule, under, NOW)
    assert (relieved.route if relieved else None) == route
    if relieved:
        assert (relieved.kind, relieved.reason, relieved.by) == (Kind.RULE, Reason.RULE_RELIEVES, "rule")
        assert relieved.writes
        assert not relieved.waits


def test_the_marks_of_both_are_kept():
    relieved = relieve(held().model_copy(update={"flags": ("needs_enrichment",)}), ROUTES, ASSIST, NOW)
    assert relieved is not None
    assert relieved.flags == ("check_size", "needs_enrichment")


def test_in_shadow_mode_nothing_is_written():
    relieved = relieve(held(), ROUTES, terms(Mode.SHADOW), NOW)
    assert relieved is not None
    assert not relieved.writes


def plan(action: str = "sales", approvals: int = 0) -> Plan:
    return Plan(case="c-1", version=1, state="open", event="asked", action=action, to="open", approvals=approvals)


ACTS = [
    pytest.param(held(), plan(), (), "sales", id="a rule acts that a person was to confirm"),
    pytest.param(held(), None, (), None, id="not without a plan"),
    pytest.param(held(), plan("repairs"), (), None, id="not by the plan of another action"),
    pytest.param(held(), plan(approvals=1), (), None, id="not what needs a person in any case"),
    pytest.param(held(), plan(approvals=2), (), None, id="nor what needs two"),
    pytest.param(held(), plan(), (Reason.PRECONDITION_FAILED,), None, id="not what something speaks against"),
    pytest.param(held(UNSURE, None, terms()), plan(), (), None, id="not where the model was in doubt"),
]


@pytest.mark.parametrize(("decision", "made", "doubts", "action"), ACTS)
def test_what_a_rule_makes_of_an_event(decision, made, doubts, action):
    relieved = relieve_action(decision, ROUTES, made, doubts, ASSIST, NOW)
    assert (relieved.route if relieved else None) == action
    if relieved:
        assert (relieved.reason, relieved.plan, relieved.waits) == (Reason.RULE_RELIEVES, made, False)


def test_what_spoke_against_an_action_is_no_doubt_of_a_model_that_is_sure_of_another():
    was_against = held(SURE, OTHERWISE).model_copy(update={"holds": (Reason.PRECONDITION_FAILED,)})
    assert relieve_action(was_against, OTHERWISE, plan("repairs"), (), ASSIST, NOW) is None


@given(
    st.sampled_from([SURE, UNSURE]),
    st.sampled_from(list(Reason)),
    st.sampled_from([None, ROUTES, OTHERWISE, UNKNOWN, PERSON, REJECT]),
    st.sampled_from(list(Mode)),
)
def test_overload_never_accepts_silently_what_was_proposed(shown, reason, rule, mode):
    waiting = decide(shown, rule, terms(), NOW).model_copy(update={"kind": Kind.HUMAN, "reason": reason, "route": None})
    relieved = relieve(waiting, rule, terms(mode), NOW)
    if relieved is not None:
        assert reason in RELIEVED
        assert rule is not None
        assert (relieved.kind, relieved.by, relieved.rule) == (Kind.RULE, "rule", rule.name)
        assert relieved.route == rule.route
