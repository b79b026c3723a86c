"""A person's answer to a decision that waits, and what it settles.

An answer is bound to the proposal that the person was shown: if the stored one differs,
or the time for the review is over, nothing happens and the person is asked again.
"""

from enum import StrEnum

from pydantic import AwareDatetime, Field

from domain.decision import Decision, Kind, Mode, Reason, RuleAction, RuleMatch, Terms
from domain.proposal import NONE_OF_THESE, Proposal
from domain.values import Frozen


class Answer(Frozen):
    """What a reviewer filled in.

    Attributes:
        route: one of the policy's routes, or `none_of_these` to end the item unwritten.
        reviewer: the name given; claimed, not proven.
        proposal_hash: of the proposal that the reviewer was shown.
        aware_late: whether the reviewer was told that the review's time is over.
    """

    route: str
    reviewer: str = Field(max_length=200)
    note: str = Field(default="", max_length=2000)
    proposal_hash: str
    aware_late: bool = False


class Refusal(StrEnum):
    """Why an answer does not settle a review, which goes on waiting."""

    ALREADY_DECIDED = "already_decided"
    REVIEWER_MISSING = "reviewer_missing"
    UNKNOWN_ROUTE = "unknown_route"
    PROPOSAL_CHANGED = "proposal_changed"
    LATE = "late"


EXPLAIN: dict[Refusal, str] = {
    Refusal.ALREADY_DECIDED: "Somebody else has decided this already.",
    Refusal.REVIEWER_MISSING: "Please fill in your name, so that the ledger knows who decided.",
    Refusal.UNKNOWN_ROUTE: "That route is not in the policy; please choose one from the list.",
    Refusal.PROPOSAL_CHANGED: "What you were shown has changed since; please look again.",
    Refusal.LATE: (
        "The time for this review is over and it was escalated. "
        "Please confirm that nobody has dealt with the message in the meantime."
    ),
}


def settle(
    answer: Answer, held: Decision, proposal: Proposal, terms: Terms, due_at: AwareDatetime, now: AwareDatetime
) -> Decision | Refusal:
    """The decision that an answer makes of one that waits, or why it makes none.

    Args:
        held: the decision that waits for a person.
        proposal: as stored with the item.
        due_at: when the review's time ends; a later answer must be `aware_late`.
    """
    if not held.waits:
        return Refusal.ALREADY_DECIDED
    if not answer.reviewer.strip():
        return Refusal.REVIEWER_MISSING
    if answer.route not in terms.routes and answer.route != NONE_OF_THESE:
        return Refusal.UNKNOWN_ROUTE
    if not answer.proposal_hash == held.proposal_hash == proposal.hash:
        return Refusal.PROPOSAL_CHANGED
    if now > due_at and not answer.aware_late:
        return Refusal.LATE
    dismissed = answer.route == NONE_OF_THESE
    return held.model_copy(
        update={
            "kind": Kind.HUMAN,
            "reason": _reason(answer, held, dismissed),
            "route": None if dismissed else answer.route,
            "writes": not dismissed and terms.mode is not Mode.SHADOW,
            "by": answer.reviewer.strip(),
            "note": answer.note.strip(),
            "decided_at": now,
        }
    )


def _reason(answer: Answer, held: Decision, dismissed: bool) -> Reason:
    if dismissed:
        return Reason.DISMISSED
    return Reason.APPROVED if answer.route == held.proposed else Reason.OVERRIDDEN


RELIEVED = frozenset({Reason.MODE_ASSIST, Reason.OUTSIDE_CANARY})
"""Reasons to wait that a rule may end: a person was to confirm what would have acted. What was doubted,
what a rule leaves to people and what the blind audit drew goes to a person however many wait."""


def relieve(held: Decision, rule: RuleMatch | None, terms: Terms, now: AwareDatetime) -> Decision | None:
    """The decision that a rule makes of one that waits, where people have more than they can take.

    None unless the policy's rule names a route for it: what model and examples propose never acts here,
    and where they are sure of another route, a person decides.
    """
    if held.reason not in RELIEVED or rule is None:
        return None
    if rule.action is not RuleAction.ROUTE or rule.route not in terms.routes:
        return None
    if not held.holds and held.proposed != rule.route:
        return None
    return held.model_copy(
        update={
            "kind": Kind.RULE,
            "reason": Reason.RULE_RELIEVES,
            "route": rule.route,
            "rule": rule.name,
            "flags": tuple(dict.fromkeys((*rule.flags, *held.flags))),
            "writes": terms.mode is not Mode.SHADOW,
            "by": "rule",
            "decided_at": now,
        }
    )
