"""What holds of `decide` for any proposal, rule, terms and missing fields."""

from builders import CLASSIFIER, NOW, proposal, terms
from hypothesis import given
from hypothesis import strategies as st

from domain.decision import Kind, Mode, Reason, RuleAction, RuleMatch, Terms, decide
from domain.proposal import AskOutcome, Proposal

LABELS = st.sampled_from(["sales", "repairs", "none_of_these", "refunds", None])
SHARES = st.floats(0, 1)
CONFIDENCES = st.none() | SHARES


@st.composite
def routing_rules(draw: st.DrawFn) -> RuleMatch:
    action = draw(st.sampled_from(RuleAction))
    route = draw(st.sampled_from(["sales", "repairs", "refunds"])) if action is RuleAction.ROUTE else None
    return RuleMatch(name="rule", action=action, route=route)


PROPOSALS = st.builds(
    proposal,
    label=LABELS,
    confidence=CONFIDENCES,
    opinion=LABELS,
    outcome=st.sampled_from(AskOutcome),
    key=st.text(max_size=3),
    classifier=st.sampled_from([CLASSIFIER, "another"]),
)
RULES = st.none() | routing_rules()
TERMS = st.builds(terms, mode=st.sampled_from(Mode), threshold=CONFIDENCES, canary_share=SHARES)
MISSING = st.sampled_from([(), ("email",)])


def sureness(proposed: Proposal) -> float:
    return -1 if proposed.confidence is None else proposed.confidence


@given(PROPOSALS, CONFIDENCES, RULES, TERMS, MISSING)
def test_less_confidence_never_removes_a_person(
    proposed: Proposal, other: float | None, rule: RuleMatch | None, under: Terms, missing: tuple[str, ...]
) -> None:
    both = [proposed, proposed.model_copy(update={"confidence": other})]
    less, more = (decide(one, rule, under, NOW, missing) for one in sorted(both, key=sureness))

    assert less.waits or not more.waits


@given(PROPOSALS, RULES, TERMS, MISSING)
def test_a_route_that_the_policy_does_not_have_never_acts(
    proposed: Proposal, rule: RuleMatch | None, under: Terms, missing: tuple[str, ...]
) -> None:
    decision = decide(proposed, rule, under, NOW, missing)

    assert decision.route in {*under.routes, None}
    assert decision.route is not None or not decision.writes


@given(PROPOSALS, RULES, TERMS, MISSING)
def test_the_same_input_gives_the_same_decision(
    proposed: Proposal, rule: RuleMatch | None, under: Terms, missing: tuple[str, ...]
) -> None:
    assert decide(proposed, rule, under, NOW, missing) == decide(proposed, rule, under, NOW, missing)


@given(PROPOSALS, RULES, TERMS, MISSING)
def test_a_proposal_that_anything_holds_back_does_not_act_alone(
    proposed: Proposal, rule: RuleMatch | None, under: Terms, missing: tuple[str, ...]
) -> None:
    decision = decide(proposed, rule, under, NOW, missing)

    assert decision.kind is not Kind.AUTO or not decision.holds
    assert (decision.kind is Kind.AUTO) == (decision.reason is Reason.CONFIDENT)


@given(PROPOSALS, RULES, TERMS, MISSING)
def test_a_decision_that_waits_has_no_route_and_writes_nothing(
    proposed: Proposal, rule: RuleMatch | None, under: Terms, missing: tuple[str, ...]
) -> None:
    decision = decide(proposed, rule, under, NOW, missing)

    assert not decision.waits or (decision.route is None and not decision.writes)


@given(PROPOSALS, TERMS, MISSING, st.sampled_from([RuleAction.PERSON, RuleAction.REJECT]))
def test_a_rule_for_a_person_or_against_the_item_is_always_obeyed(
    proposed: Proposal, under: Terms, missing: tuple[str, ...], action: RuleAction
) -> None:
    decision = decide(proposed, RuleMatch(name="rule", action=action), under, NOW, missing)

    confirmed = decision.reason in {Reason.MODE_ASSIST, Reason.OUTSIDE_CANARY}
    assert decision.kind is (Kind.HUMAN if action is RuleAction.PERSON or confirmed else Kind.REJECT)
    assert not decision.writes
