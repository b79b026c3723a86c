"""The decision: whether a proposal may act, a rule acts, or a person decides.

`decide` is one pure function. Everything that is unknown, missing, doubted or out of date
can only move a decision away from the model and toward a rule or a person.
"""

from collections.abc import Iterator
from typing import assert_never

from pydantic import AwareDatetime

from domain.calibration import Guards, Proof
from domain.confidence import Judgement, Source, judge
from domain.decision import ENRICH, Decision, Kind, Mode, Reason, RuleAction, RuleMatch, Terms
from domain.proposal import NONE_OF_THESE, AskOutcome, Opinion, Proposal
from domain.values import share

CANARY_AUDIT_SHARE = 0.2
"""Smallest share of what acts in canary mode that is audited.

Only the canary's share is there to draw from: at 10 % of the traffic, 2 % of it would be two
answers in a thousand items, and people confirm the rest anyway. At a fifth, twenty in a thousand
tell whether the workflow deserves `auto`; so much is our choice.
"""


def decide(
    proposal: Proposal,
    rule: RuleMatch | None,
    terms: Terms,
    now: AwareDatetime,
    missing: tuple[str, ...] = (),
    lot: str = "",
) -> Decision:
    """Who decides about an item, what, and why.

    Args:
        rule: the first rule that matched, whatever the model says.
        missing: required fields that the item lacks.
        lot: by which the item is drawn for the canary's share and the audit, such as its id.

    Returns:
        A decision whose reason is never empty. Less confidence never turns a person's
        decision into one without a person, and a route that the policy does not have
        never acts.
    """
    judgement, holds = weigh(proposal, terms, missing)
    kind, reason, route, by = _choose(proposal, judgement, rule, terms, holds)
    kind, reason, route = under_mode(kind, reason, route, by, terms, lot)
    flags = rule.flags if rule else ()
    if missing and ENRICH not in flags:
        flags = (*flags, ENRICH)
    return Decision(
        kind=kind,
        reason=reason,
        route=route,
        proposed=judgement.label,
        source=judgement.source,
        holds=holds,
        rule=rule.name if rule else None,
        flags=flags,
        missing=missing,
        confidence=judgement.confidence,
        threshold=_threshold(judgement, terms),
        mode=terms.mode,
        writes=terms.mode is not Mode.SHADOW and route is not None,
        by=by,
        proposal_hash=proposal.hash,
        policy_fingerprint=terms.fingerprint,
        decided_at=now,
    )


def weigh(proposal: Proposal, terms: Terms, missing: tuple[str, ...] = ()) -> tuple[Judgement, tuple[Reason, ...]]:
    """What model and examples come to together, and every reason why that may not act alone, the weightiest first."""
    judgement = judge(proposal, {source: proof.fusion for source, proof in terms.proofs.items()})
    return judgement, tuple(_holds(proposal, judgement, terms, missing))


def _holds(proposal: Proposal, judgement: Judgement, terms: Terms, missing: tuple[str, ...]) -> Iterator[Reason]:
    proof = terms.proofs.get(judgement.source)
    if proposal.tampering:
        yield Reason.TAMPERING
    failure = failure_of(proposal.outcome)
    if failure is not None and not (proposal.outcome.silent and proof and proof.proven):
        yield failure
    elif judgement.label == NONE_OF_THESE and not terms.ends_out_of_scope:
        yield Reason.NONE_OF_THESE
    elif judgement.label not in {*terms.routes, NONE_OF_THESE}:
        yield Reason.UNKNOWN_LABEL
    else:
        yield from _doubts(proposal, judgement, proof)
    if missing:
        yield Reason.FIELDS_MISSING


def _doubts(proposal: Proposal, judgement: Judgement, proof: Proof | None) -> Iterator[Reason]:
    opinion = proposal.opinion
    if opinion is None:
        yield Reason.NO_SECOND_OPINION
    elif disagree(proposal) or opinion.label != judgement.label:
        yield Reason.OPINIONS_DISAGREE
    if proof and opinion:
        yield from _strange(opinion, proof.guards, judgement.label)
    yield from _unproven(proposal, judgement, proof)


def _strange(opinion: Opinion, guards: Guards, label: str | None) -> Iterator[Reason]:
    unlike = opinion.similarity < guards.similarity or opinion.weakest < guards.weakest
    if unlike and label != NONE_OF_THESE:  # what is out of scope should be unlike the examples
        yield Reason.UNLIKE_EXAMPLES
    if opinion.dissent > guards.dissent:
        yield Reason.PARTS_DISAGREE


def _unproven(proposal: Proposal, judgement: Judgement, proof: Proof | None) -> Iterator[Reason]:
    if judgement.confidence is None or judgement.label is None:
        yield Reason.NO_CONFIDENCE
        return
    if proof is None:
        yield Reason.NO_CALIBRATION
        return
    threshold = proof.promise(judgement.label).threshold
    if proof.classifier != fingerprint(proposal, judgement.source):
        yield Reason.STALE_CALIBRATION
    elif threshold is None:
        yield Reason.ROUTE_UNPROVEN
    elif judgement.confidence < threshold:
        yield Reason.BELOW_THRESHOLD


def disagree(proposal: Proposal) -> bool:
    """Whether a model answered and the labelled examples name another label."""
    answered = proposal.outcome is AskOutcome.ANSWERED
    return answered and proposal.opinion is not None and proposal.opinion.label != proposal.label


def fingerprint(proposal: Proposal, source: Source) -> str:
    """The fingerprint that a proof of confidences from `source` must have to be trusted."""
    return proposal.voter if source is Source.EXAMPLES else proposal.classifier


def _threshold(judgement: Judgement, terms: Terms) -> float | None:
    proof = terms.proofs.get(judgement.source)
    return proof.promise(judgement.label).threshold if proof and judgement.label else None


def _choose(
    proposal: Proposal, judgement: Judgement, rule: RuleMatch | None, terms: Terms, holds: tuple[Reason, ...]
) -> tuple[Kind, Reason, str | None, str]:
    action = rule.action if rule else None
    if action is RuleAction.REJECT:
        return Kind.REJECT, Reason.RULE_REJECTS, None, "rule"
    if action is RuleAction.PERSON:
        return Kind.HUMAN, Reason.RULE_WANTS_PERSON, None, "nobody yet"
    if proposal.tampering:
        return Kind.HUMAN, Reason.TAMPERING, None, "nobody yet"
    if not holds:
        by = "examples" if judgement.source is Source.EXAMPLES else "model"
        if judgement.label == NONE_OF_THESE:
            return Kind.REJECT, Reason.OUT_OF_SCOPE, None, by
        return Kind.AUTO, Reason.CONFIDENT, judgement.label, by
    if rule and rule.route in terms.routes:
        return Kind.RULE, Reason.RULE_ROUTES, rule.route, "rule"
    return Kind.HUMAN, holds[0], None, "nobody yet"


def under_mode(
    kind: Kind, reason: Reason, route: str | None, by: str, terms: Terms, lot: str
) -> tuple[Kind, Reason, str | None]:
    """What the rollout's mode, and the audit, leave of a decision that would act without a person."""
    if kind is Kind.HUMAN:
        return kind, reason, route
    match terms.mode:
        case Mode.ASSIST:
            return Kind.HUMAN, Reason.MODE_ASSIST, None
        case Mode.CANARY if share(f"canary {lot}") >= terms.canary_share:
            return Kind.HUMAN, Reason.OUTSIDE_CANARY, None
        case Mode.CANARY | Mode.AUTO if by != "rule" and share(f"audit {lot}") < _audit_share(terms):
            return Kind.HUMAN, Reason.AUDIT, None
        case Mode.SHADOW | Mode.CANARY | Mode.AUTO:
            return kind, reason, route
        case _:
            assert_never(terms.mode)


def _audit_share(terms: Terms) -> float:
    return max(terms.audit_share, CANARY_AUDIT_SHARE) if terms.mode is Mode.CANARY else terms.audit_share


def failure_of(outcome: AskOutcome) -> Reason | None:
    """What a model that was asked and gave no usable answer is a reason for; None where it answered."""
    match outcome:
        case AskOutcome.ANSWERED:
            return None
        case AskOutcome.NO_MODEL:
            return Reason.NO_MODEL
        case AskOutcome.UNAVAILABLE:
            return Reason.LLM_UNAVAILABLE
        case AskOutcome.TIMED_OUT:
            return Reason.LLM_TIMED_OUT
        case AskOutcome.THROTTLED:
            return Reason.LLM_THROTTLED
        case AskOutcome.REFUSED:
            return Reason.LLM_REFUSED
        case AskOutcome.CUT_OFF:
            return Reason.ANSWER_CUT_OFF
        case AskOutcome.NONSENSE:
            return Reason.ANSWER_NONSENSE
        case AskOutcome.UNKNOWN_LABEL:
            return Reason.UNKNOWN_LABEL
        case _:
            assert_never(outcome)
