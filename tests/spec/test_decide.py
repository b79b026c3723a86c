"""Who decides about an item: the whole of `domain.decision.decide`, as a table."""

import pytest
from builders import NOW, proposal, terms

from domain.decision import ENRICH, SETTLED, Decision, Kind, Mode, Reason, RuleAction, RuleMatch, Terms, decide
from domain.proposal import AskOutcome, Proposal
from domain.values import share

SURE = proposal()
UNSURE = proposal(confidence=0.79)
NO_ROUTE = proposal(label="none_of_these", opinion="none_of_these", confidence=1)
STRANGE = proposal(label="refunds", opinion="refunds", confidence=1)

REPAIRS = RuleMatch(name="broken", action=RuleAction.ROUTE, route="repairs", flags=("urgent",))
NOWHERE = RuleMatch(name="broken", action=RuleAction.ROUTE, route="a_route_that_was_removed")
PERSON = RuleMatch(name="threat", action=RuleAction.PERSON)
REJECT = RuleMatch(name="auto_reply", action=RuleAction.REJECT)

AUTO, ASSIST, SHADOW = terms(), terms(Mode.ASSIST), terms(Mode.SHADOW)
ALL_OF_IT, NONE_OF_IT = terms(Mode.CANARY, canary_share=1), terms(Mode.CANARY, canary_share=0)
UNPROVEN = terms(threshold=None)
GAP = ("email",)


def failed(outcome: AskOutcome) -> Proposal:
    return proposal(label=None, confidence=None, opinion="sales", outcome=outcome)


TABLE = [
    # The model acts alone only if nothing at all speaks against it.
    pytest.param(SURE, None, AUTO, (), Kind.AUTO, Reason.CONFIDENT, "sales", (), True,
                 id="a sure model that the examples agree with acts alone"),
    pytest.param(proposal(confidence=0.8), None, AUTO, (), Kind.AUTO, Reason.CONFIDENT, "sales", (), True,
                 id="exactly the threshold is enough"),
    pytest.param(SURE, REPAIRS, AUTO, (), Kind.AUTO, Reason.CONFIDENT, "sales", (), True,
                 id="a sure model goes before a rule that routes"),
    pytest.param(SURE, NOWHERE, AUTO, (), Kind.AUTO, Reason.CONFIDENT, "sales", (), True,
                 id="a sure model is not disturbed by a rule without a place to route to"),
    # Each doubt sends the item to a person.
    pytest.param(UNSURE, None, AUTO, (), Kind.HUMAN, Reason.BELOW_THRESHOLD, None, (Reason.BELOW_THRESHOLD,), False,
                 id="less confidence than the threshold asks for a person"),
    pytest.param(proposal(opinion="repairs"), None, AUTO, (), Kind.HUMAN, Reason.OPINIONS_DISAGREE, None,
                 (Reason.OPINIONS_DISAGREE,), False,
                 id="a sure model that the examples contradict asks for a person"),
    pytest.param(proposal(opinion=None), None, AUTO, (), Kind.HUMAN, Reason.NO_SECOND_OPINION, None,
                 (Reason.NO_SECOND_OPINION,), False,
                 id="without a second opinion a person is asked"),
    pytest.param(proposal(confidence=None), None, AUTO, (), Kind.HUMAN, Reason.NO_CONFIDENCE, None,
                 (Reason.NO_CONFIDENCE,), False,
                 id="an answer without log-probabilities never acts alone"),
    pytest.param(proposal(confidence=1), None, UNPROVEN, (), Kind.HUMAN, Reason.NO_CALIBRATION, None,
                 (Reason.NO_CALIBRATION,), False,
                 id="without a calibration not even certainty is enough"),
    pytest.param(proposal(confidence=1, classifier="another prompt"), None, AUTO, (), Kind.HUMAN,
                 Reason.STALE_CALIBRATION, None, (Reason.STALE_CALIBRATION,), False,
                 id="a threshold that was proven for another classifier is not trusted"),
    pytest.param(SURE, None, AUTO, GAP, Kind.HUMAN, Reason.FIELDS_MISSING, None, (Reason.FIELDS_MISSING,), False,
                 id="a sure model waits for a person when required fields are missing"),
    pytest.param(proposal(confidence=0.1, opinion="repairs"), None, AUTO, GAP, Kind.HUMAN, Reason.OPINIONS_DISAGREE,
                 None, (Reason.OPINIONS_DISAGREE, Reason.BELOW_THRESHOLD, Reason.FIELDS_MISSING), False,
                 id="every doubt is kept and the weightiest is the reason"),
    # Labels that are no routes.
    pytest.param(NO_ROUTE, None, AUTO, (), Kind.HUMAN, Reason.NONE_OF_THESE, None, (Reason.NONE_OF_THESE,), False,
                 id="none_of_these never acts, however sure"),
    pytest.param(STRANGE, None, AUTO, (), Kind.HUMAN, Reason.UNKNOWN_LABEL, None, (Reason.UNKNOWN_LABEL,), False,
                 id="a label that is no route never acts, however sure"),
    pytest.param(proposal(label=None), None, AUTO, (), Kind.HUMAN, Reason.UNKNOWN_LABEL, None,
                 (Reason.UNKNOWN_LABEL,), False,
                 id="an answer without a label never acts"),
    pytest.param(NO_ROUTE, REPAIRS, AUTO, (), Kind.RULE, Reason.RULE_ROUTES, "repairs", (Reason.NONE_OF_THESE,), True,
                 id="a rule routes what the model found no route for"),
    # Asking failed.
    *[
        pytest.param(failed(outcome), None, AUTO, (), Kind.HUMAN, reason, None, (reason,), False,
                     id=f"asking that ended {outcome.value} asks for a person")
        for outcome, reason in {
            AskOutcome.NO_MODEL: Reason.NO_MODEL,
            AskOutcome.UNAVAILABLE: Reason.LLM_UNAVAILABLE,
            AskOutcome.TIMED_OUT: Reason.LLM_TIMED_OUT,
            AskOutcome.THROTTLED: Reason.LLM_THROTTLED,
            AskOutcome.REFUSED: Reason.LLM_REFUSED,
            AskOutcome.CUT_OFF: Reason.ANSWER_CUT_OFF,
            AskOutcome.NONSENSE: Reason.ANSWER_NONSENSE,
            AskOutcome.UNKNOWN_LABEL: Reason.UNKNOWN_LABEL,
        }.items()
    ],
    pytest.param(proposal(outcome=AskOutcome.NONSENSE, confidence=1), None, AUTO, (), Kind.HUMAN,
                 Reason.ANSWER_NONSENSE, None, (Reason.ANSWER_NONSENSE,), False,
                 id="a label and a confidence count for nothing if asking failed"),
    pytest.param(failed(AskOutcome.NO_MODEL), REPAIRS, AUTO, (), Kind.RULE, Reason.RULE_ROUTES, "repairs",
                 (Reason.NO_MODEL,), True,
                 id="without a model the rules go on routing"),
    pytest.param(failed(AskOutcome.TIMED_OUT), None, AUTO, GAP, Kind.HUMAN, Reason.LLM_TIMED_OUT, None,
                 (Reason.LLM_TIMED_OUT, Reason.FIELDS_MISSING), False,
                 id="a failed call is the reason even where fields are missing too"),
    # Rules.
    pytest.param(UNSURE, REPAIRS, AUTO, (), Kind.RULE, Reason.RULE_ROUTES, "repairs", (Reason.BELOW_THRESHOLD,), True,
                 id="a rule routes what the model may not"),
    pytest.param(SURE, REPAIRS, AUTO, GAP, Kind.RULE, Reason.RULE_ROUTES, "repairs", (Reason.FIELDS_MISSING,), True,
                 id="a rule routes an item with missing fields"),
    pytest.param(UNSURE, NOWHERE, AUTO, (), Kind.HUMAN, Reason.BELOW_THRESHOLD, None, (Reason.BELOW_THRESHOLD,), False,
                 id="a rule whose route is gone does not act"),
    pytest.param(SURE, PERSON, AUTO, (), Kind.HUMAN, Reason.RULE_WANTS_PERSON, None, (), False,
                 id="a rule that wants a person beats a sure model"),
    pytest.param(UNSURE, PERSON, AUTO, (), Kind.HUMAN, Reason.RULE_WANTS_PERSON, None, (Reason.BELOW_THRESHOLD,), False,
                 id="a rule that wants a person is the reason before the model's own doubts"),
    pytest.param(SURE, REJECT, AUTO, (), Kind.REJECT, Reason.RULE_REJECTS, None, (), False,
                 id="a rule that rejects beats a sure model, and nothing is written"),
    pytest.param(failed(AskOutcome.NO_MODEL), REJECT, AUTO, GAP, Kind.REJECT, Reason.RULE_REJECTS, None,
                 (Reason.NO_MODEL, Reason.FIELDS_MISSING), False,
                 id="a rule that rejects needs no model and no fields"),
    # Modes.
    pytest.param(SURE, None, SHADOW, (), Kind.AUTO, Reason.CONFIDENT, "sales", (), False,
                 id="in shadow mode the decision is made and nothing is written"),
    pytest.param(UNSURE, REPAIRS, SHADOW, (), Kind.RULE, Reason.RULE_ROUTES, "repairs", (Reason.BELOW_THRESHOLD,),
                 False, id="in shadow mode a rule writes nothing either"),
    pytest.param(UNSURE, None, SHADOW, (), Kind.HUMAN, Reason.BELOW_THRESHOLD, None, (Reason.BELOW_THRESHOLD,), False,
                 id="in shadow mode doubts go to a person as ever"),
    pytest.param(SURE, None, ASSIST, (), Kind.HUMAN, Reason.MODE_ASSIST, None, (), False,
                 id="in assist mode a person confirms the sure model"),
    pytest.param(UNSURE, REPAIRS, ASSIST, (), Kind.HUMAN, Reason.MODE_ASSIST, None, (Reason.BELOW_THRESHOLD,), False,
                 id="in assist mode a person confirms the rule"),
    pytest.param(UNSURE, None, ASSIST, (), Kind.HUMAN, Reason.BELOW_THRESHOLD, None, (Reason.BELOW_THRESHOLD,), False,
                 id="in assist mode a doubt stays the reason"),
    pytest.param(SURE, REJECT, ASSIST, (), Kind.HUMAN, Reason.MODE_ASSIST, None, (), False,
                 id="in assist mode a person confirms a rejection too"),
    pytest.param(SURE, REJECT, NONE_OF_IT, (), Kind.HUMAN, Reason.OUTSIDE_CANARY, None, (), False,
                 id="in canary mode the share holds for rejections too"),
    pytest.param(SURE, None, ALL_OF_IT, (), Kind.AUTO, Reason.CONFIDENT, "sales", (), True,
                 id="in canary mode the share acts alone"),
    pytest.param(SURE, None, terms(Mode.CANARY, canary_share=share(SURE.key)), (), Kind.HUMAN, Reason.OUTSIDE_CANARY,
                 None, (), False, id="in canary mode an item on the share's very edge is outside"),
    pytest.param(SURE, None, NONE_OF_IT, (), Kind.HUMAN, Reason.OUTSIDE_CANARY, None, (), False,
                 id="in canary mode a person confirms what is outside the share"),
    pytest.param(UNSURE, REPAIRS, NONE_OF_IT, (), Kind.HUMAN, Reason.OUTSIDE_CANARY, None, (Reason.BELOW_THRESHOLD,),
                 False, id="in canary mode the share holds for rules too"),
    pytest.param(SURE, PERSON, ALL_OF_IT, (), Kind.HUMAN, Reason.RULE_WANTS_PERSON, None, (), False,
                 id="in canary mode a rule that wants a person has its person"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("proposed", "rule", "under", "missing", "kind", "reason", "route", "holds", "writes"), TABLE
)  # fmt: skip
def test_decide(
    proposed: Proposal,
    rule: RuleMatch | None,
    under: Terms,
    missing: tuple[str, ...],
    kind: Kind,
    reason: Reason,
    route: str | None,
    holds: tuple[Reason, ...],
    writes: bool,
) -> None:
    decision = decide(proposed, rule, under, NOW, missing)

    assert (decision.kind, decision.reason, decision.route) == (kind, reason, route)
    assert (decision.holds, decision.writes) == (holds, writes)
    assert decision.waits == (kind is Kind.HUMAN)


def test_the_table_has_a_row_for_every_reason_that_decide_can_give() -> None:
    assert {row.values[5] for row in TABLE} == set(Reason) - SETTLED


def test_the_table_has_a_row_for_every_mode_and_every_way_that_asking_can_end() -> None:
    assert {row.values[2].mode for row in TABLE} == set(Mode)
    assert {row.values[0].outcome for row in TABLE} == set(AskOutcome)


@pytest.mark.parametrize(
    ("rule", "missing", "flags"),
    [
        pytest.param(None, (), (), id="nothing to flag"),
        pytest.param(REPAIRS, (), ("urgent",), id="the rule's flags"),
        pytest.param(None, GAP, (ENRICH,), id="missing fields without a rule"),
        pytest.param(REPAIRS, GAP, ("urgent", ENRICH), id="missing fields beside the rule's flags"),
        pytest.param(
            REPAIRS.model_copy(update={"flags": (ENRICH,)}),
            GAP,
            (ENRICH,),
            id="a flag that the rule set is not doubled",
        ),
    ],
)
def test_a_decision_is_flagged_by_its_rule_and_for_enrichment(
    rule: RuleMatch | None, missing: tuple[str, ...], flags: tuple[str, ...]
) -> None:
    decision = decide(SURE, rule, AUTO, NOW, missing)

    assert decision.flags == flags
    assert decision.missing == missing


@pytest.mark.parametrize(
    ("proposed", "rule", "by"),
    [
        pytest.param(SURE, None, "model", id="the model"),
        pytest.param(UNSURE, REPAIRS, "rule", id="a rule"),
        pytest.param(SURE, REJECT, "rule", id="a rule that rejects"),
        pytest.param(UNSURE, None, "nobody yet", id="nobody yet"),
    ],
)
def test_a_decision_says_who_made_it(proposed: Proposal, rule: RuleMatch | None, by: str) -> None:
    assert decide(proposed, rule, AUTO, NOW).by == by


def test_a_decision_keeps_what_it_was_made_of() -> None:
    assert decide(UNSURE, REPAIRS, AUTO, NOW, GAP) == Decision(
        kind=Kind.RULE,
        reason=Reason.RULE_ROUTES,
        route="repairs",
        holds=(Reason.BELOW_THRESHOLD, Reason.FIELDS_MISSING),
        rule="broken",
        flags=("urgent", ENRICH),
        missing=GAP,
        confidence=0.79,
        threshold=0.8,
        mode=Mode.AUTO,
        writes=True,
        by="rule",
        proposal_hash=UNSURE.hash,
        policy_fingerprint="policy-fingerprint",
        decided_at=NOW,
    )
