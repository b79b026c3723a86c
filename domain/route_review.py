"""Reviews of kind `route`: a decision that waits, and what an answer makes of it."""

from pydantic import AwareDatetime

from domain.decision import Decision, Kind, Mode, Reason, RuleAction, RuleMatch, Terms
from domain.proposal import NONE_OF_THESE
from domain.review import Answer


def settle_route(answer: Answer, held: Decision, mode: Mode, now: AwareDatetime) -> Decision:
    """The decision that a valid answer makes of one that waits.

    Args:
        answer: its choice is a route, or `none_of_these` to end the item unwritten.
        held: the decision that waits for a person.
    """
    dismissed = answer.choice == NONE_OF_THESE
    return held.model_copy(
        update={
            "kind": Kind.HUMAN,
            "reason": _reason(answer, held, dismissed),
            "route": None if dismissed else answer.choice,
            "writes": not dismissed and mode is not Mode.SHADOW,
            "by": answer.by,
            "note": answer.note.strip(),
            "decided_at": now,
        }
    )


def _reason(answer: Answer, held: Decision, dismissed: bool) -> Reason:
    if dismissed:
        return Reason.DISMISSED
    return Reason.APPROVED if answer.choice == held.proposed else Reason.OVERRIDDEN


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
