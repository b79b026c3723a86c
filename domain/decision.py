"""The decision: whether a proposal may act, a rule acts, or a person decides.

`decide` is one pure function. Everything that is unknown, missing, doubted or out of date
can only move a decision away from the model and toward a rule or a person.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import assert_never

from pydantic import AwareDatetime, Field

from domain.proposal import NONE_OF_THESE, AskOutcome, Proposal
from domain.values import Frozen, share


class Mode(StrEnum):
    """How much of a workflow acts without a person; the order in which a rollout moves."""

    SHADOW = "shadow"
    """Decide and record, write nothing."""
    ASSIST = "assist"
    """A person confirms every decision."""
    CANARY = "canary"
    """A fixed share acts alone, a person confirms the rest."""
    AUTO = "auto"


class Kind(StrEnum):
    """Who decided, or must decide."""

    AUTO = "auto"
    RULE = "rule"
    HUMAN = "human"
    REJECT = "reject"


class Reason(StrEnum):
    """Why a decision is what it is; one code for each way through `decide` and `settle`."""

    CONFIDENT = "confident"
    RULE_ROUTES = "rule_routes"
    RULE_REJECTS = "rule_rejects"
    RULE_WANTS_PERSON = "rule_wants_person"
    NO_MODEL = "no_model"
    LLM_UNAVAILABLE = "llm_unavailable"
    LLM_TIMED_OUT = "llm_timed_out"
    LLM_THROTTLED = "llm_throttled"
    LLM_REFUSED = "llm_refused"
    ANSWER_CUT_OFF = "answer_cut_off"
    ANSWER_NONSENSE = "answer_nonsense"
    UNKNOWN_LABEL = "unknown_label"
    NONE_OF_THESE = "none_of_these"
    NO_CONFIDENCE = "no_confidence"
    NO_CALIBRATION = "no_calibration"
    STALE_CALIBRATION = "stale_calibration"
    NO_SECOND_OPINION = "no_second_opinion"
    OPINIONS_DISAGREE = "opinions_disagree"
    BELOW_THRESHOLD = "below_threshold"
    FIELDS_MISSING = "fields_missing"
    MODE_ASSIST = "mode_assist"
    OUTSIDE_CANARY = "outside_canary"
    APPROVED = "approved"
    OVERRIDDEN = "overridden"
    DISMISSED = "dismissed"


class RuleAction(StrEnum):
    """What a matching rule does."""

    ROUTE = "route"
    """Routes an item that the model may not route alone."""
    PERSON = "person"
    """Sends the item to a person, however sure the model is."""
    REJECT = "reject"
    """Ends the item: nothing is written."""


class RuleMatch(Frozen):
    """The first rule of a policy that matched an item."""

    name: str
    action: RuleAction
    route: str | None = None
    flags: tuple[str, ...] = ()


class Threshold(Frozen):
    """A threshold with evidence behind it.

    Attributes:
        value: smallest confidence, 0 to 1, that may act alone.
        classifier: fingerprint that the evidence was gathered under.
    """

    value: float = Field(ge=0)
    classifier: str


class Terms(Frozen):
    """What `decide` needs to know of a policy.

    Attributes:
        fingerprint: of the whole policy, kept with each decision.
        canary_share: share of decisions, 0 to 1, that act alone in canary mode.
        threshold: None when no calibration was ever made.
    """

    policy: str
    fingerprint: str
    mode: Mode
    routes: frozenset[str]
    canary_share: float = Field(default=0, ge=0, le=1)
    threshold: Threshold | None = None


class Decision(Frozen):
    """What shall happen with an item, and why.

    Attributes:
        route: where it goes; None while a person must still decide, and when nothing is written.
        holds: every reason for which the model's proposal may not act alone.
        writes: whether anything may leave the house.
        by: who decided: `model`, `rule`, or the name a reviewer gave.
    """

    kind: Kind
    reason: Reason
    route: str | None
    holds: tuple[Reason, ...] = ()
    rule: str | None = None
    flags: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    confidence: float | None = None
    threshold: float | None = None
    mode: Mode
    writes: bool
    by: str
    note: str = ""
    proposal_hash: str
    policy_fingerprint: str
    decided_at: AwareDatetime

    @property
    def waits(self) -> bool:
        """Whether a person must still answer."""
        return self.kind is Kind.HUMAN and self.reason not in SETTLED


SETTLED = frozenset({Reason.APPROVED, Reason.OVERRIDDEN, Reason.DISMISSED})
"""Reasons that only a person's answer gives."""

ENRICH = "needs_enrichment"
"""Flag of an item that was routed though required fields are missing."""


def decide(
    proposal: Proposal,
    rule: RuleMatch | None,
    terms: Terms,
    now: AwareDatetime,
    missing: tuple[str, ...] = (),
) -> Decision:
    """Who decides about an item, what, and why.

    Args:
        rule: the first rule that matched, whatever the model says.
        missing: required fields that the item lacks.

    Returns:
        A decision whose reason is never empty. Less confidence never turns a person's
        decision into one without a person, and a route that the policy does not have
        never acts.
    """
    holds = tuple(_holds(proposal, terms, missing))
    kind, reason, route, by = _choose(proposal, rule, terms, holds)
    kind, reason, route = _under_mode(kind, reason, route, proposal, terms)
    flags = rule.flags if rule else ()
    if missing and ENRICH not in flags:
        flags = (*flags, ENRICH)
    return Decision(
        kind=kind,
        reason=reason,
        route=route,
        holds=holds,
        rule=rule.name if rule else None,
        flags=flags,
        missing=missing,
        confidence=proposal.confidence,
        threshold=terms.threshold.value if terms.threshold else None,
        mode=terms.mode,
        writes=terms.mode is not Mode.SHADOW and route is not None,
        by=by,
        proposal_hash=proposal.hash,
        policy_fingerprint=terms.fingerprint,
        decided_at=now,
    )


def _holds(proposal: Proposal, terms: Terms, missing: tuple[str, ...]) -> Iterator[Reason]:
    """Each reason for which this proposal may not act alone, the weightiest first."""
    if (failure := _failure(proposal.outcome)) is not None:
        yield failure
    elif proposal.label == NONE_OF_THESE:
        yield Reason.NONE_OF_THESE
    elif proposal.label not in terms.routes:
        yield Reason.UNKNOWN_LABEL
    else:
        yield from _doubts(proposal, terms.threshold)
    if missing:
        yield Reason.FIELDS_MISSING


def _doubts(proposal: Proposal, threshold: Threshold | None) -> Iterator[Reason]:
    if proposal.opinion is None:
        yield Reason.NO_SECOND_OPINION
    elif proposal.opinion.label != proposal.label:
        yield Reason.OPINIONS_DISAGREE
    if proposal.confidence is None:
        yield Reason.NO_CONFIDENCE
    elif threshold is None:
        yield Reason.NO_CALIBRATION
    elif threshold.classifier != proposal.classifier:
        yield Reason.STALE_CALIBRATION
    elif proposal.confidence < threshold.value:
        yield Reason.BELOW_THRESHOLD


def _choose(
    proposal: Proposal, rule: RuleMatch | None, terms: Terms, holds: tuple[Reason, ...]
) -> tuple[Kind, Reason, str | None, str]:
    action = rule.action if rule else None
    if action is RuleAction.REJECT:
        return Kind.REJECT, Reason.RULE_REJECTS, None, "rule"
    if action is RuleAction.PERSON:
        return Kind.HUMAN, Reason.RULE_WANTS_PERSON, None, "rule"
    if not holds:
        return Kind.AUTO, Reason.CONFIDENT, proposal.label, "model"
    if rule and rule.route in terms.routes:
        return Kind.RULE, Reason.RULE_ROUTES, rule.route, "rule"
    return Kind.HUMAN, holds[0], None, "nobody yet"


def _under_mode(
    kind: Kind, reason: Reason, route: str | None, proposal: Proposal, terms: Terms
) -> tuple[Kind, Reason, str | None]:
    """What the rollout's mode leaves of a decision that would act without a person."""
    if kind is Kind.HUMAN:
        return kind, reason, route
    match terms.mode:
        case Mode.ASSIST:
            return Kind.HUMAN, Reason.MODE_ASSIST, None
        case Mode.CANARY if share(proposal.key) >= terms.canary_share:
            return Kind.HUMAN, Reason.OUTSIDE_CANARY, None
        case Mode.SHADOW | Mode.CANARY | Mode.AUTO:
            return kind, reason, route
        case _:
            assert_never(terms.mode)


def _failure(outcome: AskOutcome) -> Reason | None:
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
