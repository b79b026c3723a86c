"""What holds of `decide` for any proposal, rule, terms and missing fields."""

from builders import CLASSIFIER, NOW, VOTER, proof, proposal, terms
from hypothesis import assume, given
from hypothesis import strategies as st

from domain.calibration import Guards, Proof
from domain.confidence import Fusion, Source, judge
from domain.decide import decide
from domain.decision import Kind, Mode, Reason, RuleAction, RuleMatch, Terms
from domain.proposal import AskOutcome, Proposal, ScoresFrom

LABELS = st.sampled_from(["sales", "repairs", "none_of_these", "refunds", None])
SHARES = st.floats(0, 1)
THRESHOLDS = st.none() | SHARES
LOTS = st.sampled_from(["item-1", "item-2", "item-3"])


@st.composite
def routing_rules(draw: st.DrawFn) -> RuleMatch:
    action = draw(st.sampled_from(RuleAction))
    route = draw(st.sampled_from(["sales", "repairs", "refunds"])) if action is RuleAction.ROUTE else None
    return RuleMatch(name="rule", action=action, route=route)


@st.composite
def proofs(draw: st.DrawFn) -> tuple[Proof, ...]:
    sources = draw(st.lists(st.sampled_from([one for one in Source if one is not Source.NONE]), unique=True))
    fusion = st.builds(Fusion, examples=st.floats(0, 3), model=st.floats(0, 3))
    guards = st.builds(Guards, similarity=SHARES, weakest=SHARES, dissent=SHARES) | st.just(Guards())
    return tuple(
        proof(source, draw(THRESHOLDS), guards=draw(guards), repairs=draw(THRESHOLDS)).model_copy(
            update={"fusion": draw(fusion)}
        )
        for source in sources
    )


def proposals(outcomes: st.SearchStrategy[AskOutcome]) -> st.SearchStrategy[Proposal]:
    return st.builds(
        proposal,
        label=LABELS,
        confidence=st.none() | SHARES,
        opinion=LABELS,
        outcome=outcomes,
        key=st.text(max_size=3),
        classifier=st.sampled_from([CLASSIFIER, "another"]),
        voter=st.sampled_from([VOTER, "another"]),
        scores_from=st.sampled_from([ScoresFrom.LOGPROBS, ScoresFrom.SAMPLES]),
        votes=SHARES,
        similarity=SHARES,
        weakest=SHARES,
        dissent=SHARES,
        tampering=st.sampled_from([(), (), ("chat_markup",)]),
    )


PROPOSALS = proposals(st.sampled_from(AskOutcome))
ANSWERED = proposals(st.just(AskOutcome.ANSWERED))
RULES = st.none() | routing_rules()
TERMS = st.builds(
    terms,
    mode=st.sampled_from(Mode),
    threshold=THRESHOLDS,
    canary_share=SHARES,
    audit_share=SHARES,
    ends_out_of_scope=st.booleans(),
    proofs=proofs(),
)
MISSING = st.sampled_from([(), ("email",)])


def sureness(proposed: Proposal, under: Terms) -> tuple[str | None, float]:
    """What is proposed, and how surely."""
    judged = judge(proposed, {source: one.fusion for source, one in under.proofs.items()})
    return judged.label, -1 if judged.confidence is None else judged.confidence


@given(PROPOSALS, SHARES, SHARES, RULES, TERMS, MISSING, LOTS)
def test_less_confidence_never_removes_a_person(
    proposed: Proposal,
    confidence: float,
    votes: float,
    rule: RuleMatch | None,
    under: Terms,
    missing: tuple[str, ...],
    lot: str,
) -> None:
    """Whatever either side's probabilities become, as long as they come to the same label."""
    assume(proposed.opinion is not None)
    other = proposal(proposed.label, confidence, proposed.opinion.label, votes=votes)
    said = proposed.opinion.model_copy(update={"scores": other.opinion.scores})
    both = [proposed, proposed.model_copy(update={"scores": other.scores if proposed.scores else {}, "opinion": said})]
    less, more = sorted(both, key=lambda one: sureness(one, under)[1])
    assume(sureness(less, under)[0] == sureness(more, under)[0])
    assume(less.opinion.label == more.opinion.label)

    assert decide(less, rule, under, NOW, missing, lot).waits or not decide(more, rule, under, NOW, missing, lot).waits


@given(ANSWERED, RULES, TERMS, MISSING, LOTS)
def test_a_proposal_without_probabilities_has_a_person_wherever_one_with_them_has(
    proposed: Proposal, rule: RuleMatch | None, under: Terms, missing: tuple[str, ...], lot: str
) -> None:
    bare = proposed.model_copy(update={"scores": {}, "scores_from": ScoresFrom.NOWHERE})

    assert (
        decide(bare, rule, under, NOW, missing, lot).waits or not decide(proposed, rule, under, NOW, missing, lot).waits
    )


@given(PROPOSALS, RULES, TERMS, MISSING, LOTS)
def test_any_sign_of_tampering_keeps_an_item_from_acting(
    proposed: Proposal, rule: RuleMatch | None, under: Terms, missing: tuple[str, ...], lot: str
) -> None:
    steered = proposed.model_copy(update={"tampering": ("names_a_route",)})

    decision = decide(steered, rule, under, NOW, missing, lot)

    assert (decision.route, decision.writes) == (None, False)
    assert decision.waits or decision.reason is Reason.RULE_REJECTS
    assert decision.holds[0] is Reason.TAMPERING


@given(PROPOSALS, RULES, TERMS, MISSING, LOTS, st.sampled_from(["similarity", "weakest", "dissent"]), SHARES)
def test_a_stranger_message_never_removes_a_person(
    proposed: Proposal,
    rule: RuleMatch | None,
    under: Terms,
    missing: tuple[str, ...],
    lot: str,
    sign: str,
    by: float,
) -> None:
    assume(proposed.opinion is not None)
    before = getattr(proposed.opinion, sign)
    after = before + (1 - before) * by if sign == "dissent" else before * (1 - by)
    strange = proposed.model_copy(update={"opinion": proposed.opinion.model_copy(update={sign: after})})

    assert (
        decide(strange, rule, under, NOW, missing, lot).waits
        or not decide(proposed, rule, under, NOW, missing, lot).waits
    )


@given(PROPOSALS, RULES, TERMS, MISSING, LOTS)
def test_nothing_acts_without_a_rule_unless_something_is_proven_for_its_source(
    proposed: Proposal, rule: RuleMatch | None, under: Terms, missing: tuple[str, ...], lot: str
) -> None:
    decision = decide(proposed, rule, under, NOW, missing, lot)

    if decision.kind is Kind.AUTO or decision.reason is Reason.OUT_OF_SCOPE:
        assert decision.threshold is not None
        assert decision.confidence is not None
        assert decision.confidence >= decision.threshold
        assert decision.source in under.proofs


@given(PROPOSALS, RULES, TERMS, MISSING, LOTS)
def test_what_a_rule_decides_is_never_audited_and_an_audit_is_always_blind(
    proposed: Proposal, rule: RuleMatch | None, under: Terms, missing: tuple[str, ...], lot: str
) -> None:
    decision = decide(proposed, rule, under, NOW, missing, lot)

    assert decision.blind == (decision.reason is Reason.AUDIT)
    assert not decision.blind or (decision.by in {"model", "examples"} and not decision.holds)


@given(PROPOSALS, RULES, TERMS, MISSING, LOTS)
def test_a_route_that_the_policy_does_not_have_never_acts(
    proposed: Proposal, rule: RuleMatch | None, under: Terms, missing: tuple[str, ...], lot: str
) -> None:
    decision = decide(proposed, rule, under, NOW, missing, lot)

    assert decision.route in {*under.routes, None}
    assert decision.route is not None or not decision.writes


@given(PROPOSALS, RULES, TERMS, MISSING, LOTS)
def test_the_same_input_gives_the_same_decision(
    proposed: Proposal, rule: RuleMatch | None, under: Terms, missing: tuple[str, ...], lot: str
) -> None:
    assert decide(proposed, rule, under, NOW, missing, lot) == decide(proposed, rule, under, NOW, missing, lot)


@given(PROPOSALS, RULES, TERMS, MISSING, LOTS)
def test_a_proposal_that_anything_holds_back_does_not_act_alone(
    proposed: Proposal, rule: RuleMatch | None, under: Terms, missing: tuple[str, ...], lot: str
) -> None:
    decision = decide(proposed, rule, under, NOW, missing, lot)

    assert decision.kind is not Kind.AUTO or not decision.holds
    assert (decision.kind is Kind.AUTO) == (decision.reason is Reason.CONFIDENT)
    assert not decision.holds or decision.reason not in {Reason.OUT_OF_SCOPE, Reason.AUDIT}


@given(PROPOSALS, RULES, TERMS, MISSING, LOTS)
def test_a_decision_that_waits_has_no_route_and_writes_nothing(
    proposed: Proposal, rule: RuleMatch | None, under: Terms, missing: tuple[str, ...], lot: str
) -> None:
    decision = decide(proposed, rule, under, NOW, missing, lot)

    assert not decision.waits or (decision.route is None and not decision.writes)


@given(PROPOSALS, TERMS, MISSING, LOTS, st.sampled_from([RuleAction.PERSON, RuleAction.REJECT]))
def test_a_rule_for_a_person_or_against_the_item_is_always_obeyed(
    proposed: Proposal, under: Terms, missing: tuple[str, ...], lot: str, action: RuleAction
) -> None:
    decision = decide(proposed, RuleMatch(name="rule", action=action), under, NOW, missing, lot)

    confirmed = decision.reason in {Reason.MODE_ASSIST, Reason.OUTSIDE_CANARY}
    assert decision.kind is (Kind.HUMAN if action is RuleAction.PERSON or confirmed else Kind.REJECT)
    assert not decision.writes
