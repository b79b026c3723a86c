"""The decision of a workflow without routes: whether an item's fields may be written as they stand.

Nothing is classified and nothing calibrated: each value has its own ground and confidence (see
`domain.extraction`), and the fields that the policy requires, with its checks, say whether they do.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum

from pydantic import AwareDatetime

from domain.decide import failure_of, under_mode
from domain.decision import ENRICH, Decision, Kind, Mode, Reason, RuleAction, RuleMatch, Terms
from domain.proposal import AskOutcome, Proposal


class Gap(StrEnum):
    """Why a field that a write cannot do without has no value that may be written."""

    ABSENT = "absent"
    """It did not come in, and nothing was found."""
    MALFORMED = "malformed"
    """It came in, in no form that its type has."""
    UNSURE = "unsure"
    """Something was found in the text, and not surely enough."""
    FAULTY = "faulty"
    """A check of the policy does not hold."""


_HOLDS = {
    Gap.FAULTY: Reason.CHECK_FAILED,
    Gap.UNSURE: Reason.FIELDS_UNSURE,
    Gap.MALFORMED: Reason.FIELDS_MISSING,
    Gap.ABSENT: Reason.FIELDS_MISSING,
}
"""What each gap is a reason for; the weightiest first."""

_ASKED_WELL = (AskOutcome.ANSWERED, AskOutcome.NO_MODEL)


def decide_intake(
    proposal: Proposal,
    gaps: Mapping[str, Gap],
    rule: RuleMatch | None,
    terms: Terms,
    now: AwareDatetime,
    lot: str = "",
) -> Decision:
    """Whether an item's fields are written, by whom, and why; never a route.

    Args:
        proposal: without a label; its `outcome` is how asking the model for fields ended.
        gaps: by field, why it has no value that may be written.
        rule: the first rule that matched: it can leave the item to a person or end it.
        lot: by which the item is drawn for the canary's share and the audit, such as its id.

    Returns:
        A decision whose reason is never empty. A gap, or a sign of tampering, never acts alone.
    """
    holds = tuple(dict.fromkeys(_holds(proposal, gaps)))
    kind, reason, by = _choose(rule, holds)
    kind, reason, _ = under_mode(kind, reason, None, by, terms, lot)
    flags = rule.flags if rule else ()
    if gaps and ENRICH not in flags:
        flags = (*flags, ENRICH)
    return Decision(
        kind=kind,
        reason=reason,
        route=None,
        holds=holds,
        rule=rule.name if rule else None,
        flags=flags,
        missing=tuple(gaps),
        mode=terms.mode,
        writes=kind is Kind.AUTO and terms.mode is not Mode.SHADOW,
        by="nobody yet" if kind is Kind.HUMAN else by,
        proposal_hash=proposal.hash,
        policy_fingerprint=terms.fingerprint,
        decided_at=now,
    )


def _holds(proposal: Proposal, gaps: Mapping[str, Gap]) -> Iterator[Reason]:
    if proposal.tampering:
        yield Reason.TAMPERING
    for gap, reason in _HOLDS.items():
        if gap in gaps.values():
            yield reason
    failure = failure_of(proposal.outcome)
    if failure is not None and gaps and proposal.outcome not in _ASKED_WELL:
        yield failure  # what is missing may stand in the text all the same


def _choose(rule: RuleMatch | None, holds: tuple[Reason, ...]) -> tuple[Kind, Reason, str]:
    if rule and rule.action is RuleAction.REJECT:
        return Kind.REJECT, Reason.RULE_REJECTS, "rule"
    if rule and rule.action is RuleAction.PERSON:
        return Kind.HUMAN, Reason.RULE_WANTS_PERSON, "nobody yet"
    if holds:
        return Kind.HUMAN, holds[0], "nobody yet"
    return Kind.AUTO, Reason.COMPLETE, "checks"
