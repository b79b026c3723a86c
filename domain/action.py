"""Whether an action that was decided may be taken, and what a person's answer makes of one that waits.

`domain.decide` chooses an action as it chooses a route. Nothing here chooses: it holds back.
"""

from collections.abc import Iterable
from decimal import Decimal, InvalidOperation

from pydantic import AwareDatetime

from domain.case import Gate, Plan
from domain.decision import OF_CASES, Decision, Kind, Mode, Reason, RuleMatch, Terms
from domain.review import Answer
from domain.route_review import relieve

BARRED: dict[Gate, Reason] = {
    Gate.EARLY: Reason.EVENT_EARLY,
    Gate.NOT_ALLOWED: Reason.EVENT_NOT_ALLOWED,
    Gate.UNKNOWN: Reason.EVENT_UNKNOWN,
}
"""Why an event goes to a person whatever model, examples and rules say."""


def people_needed(asked: int, irreversible: bool, cost: str | None, two_above: str | None) -> int:
    """How many different people must agree to an action.

    Args:
        asked: what the policy asks for in any case.
        cost: what it costs, `1234.50 EUR`; empty where that could not be read, None where it costs nothing.
        two_above: the largest cost that one person may agree to alone; None where there is no limit.
    """
    if cost is None:
        return max(asked, int(irreversible))
    return 2 if two_above is not None and above(cost, two_above) else max(asked, 1)


def above(cost: str, limit: str) -> bool:
    """Whether a cost is more than a limit; one that cannot be compared counts as more."""
    amount, _, currency = cost.partition(" ")
    most, _, known = limit.partition(" ")
    try:
        return currency != known or Decimal(amount) > Decimal(most)
    except InvalidOperation:
        return True


def restrain(decision: Decision, plan: Plan | None, doubts: Iterable[Reason]) -> Decision:
    """The decision with its plan; a person's where anything speaks against the plan or it needs one.

    Never the other way: what waits for a person goes on waiting, and what a rule ends stays ended.
    """
    if decision.kind is Kind.REJECT:
        return decision
    against = tuple(dict.fromkeys((*doubts, *_needs(plan))))
    holds = tuple(dict.fromkeys((*decision.holds, *against)))
    if decision.waits:
        return decision.model_copy(update={"plan": plan, "holds": holds})
    if plan is None or plan.action != decision.route:
        against = against or (Reason.ACTION_NOT_ALLOWED,)
    if not against:
        return decision.model_copy(update={"plan": plan})
    update = {"kind": Kind.HUMAN, "reason": against[0], "route": None, "holds": holds, "writes": False}
    return decision.model_copy(update=update | {"by": "nobody yet", "plan": plan})


def _needs(plan: Plan | None) -> tuple[Reason, ...]:
    """Why the plan cannot go without people, however well all else stands."""
    if plan is None or not plan.approvals:
        return ()
    return (Reason.NEEDS_TWO_PEOPLE if plan.approvals > 1 else Reason.NEEDS_APPROVAL,)


def relieve_action(
    held: Decision,
    rule: RuleMatch | None,
    plan: Plan | None,
    doubts: Iterable[Reason],
    terms: Terms,
    now: AwareDatetime,
) -> Decision | None:
    """The decision that a rule makes of an event that waits, where people have more than they can take.

    As `relieve`; None too where anything speaks against the action, or it needs a person in any case. What spoke
    against one before, whoever proposed it, is no doubt of the model's.

    Args:
        plan: of the rule's action, as things stand now, and `doubts` what speaks against that.
    """
    unsure = tuple(hold for hold in held.holds if hold not in OF_CASES)
    decision = relieve(held.model_copy(update={"holds": unsure}), rule, terms, now)
    if decision is None:
        return None
    acts = restrain(decision.model_copy(update={"holds": held.holds}), plan, doubts)
    return None if acts.waits else acts


def settle_action(answer: Answer, held: Decision, plan: Plan | None, mode: Mode, now: AwareDatetime) -> Decision:
    """The decision that a valid answer makes of one that waits.

    Args:
        answer: with everybody who agreed to it; whether they are enough, `permitted` asks.
        plan: of the action that was chosen; None finds that no action fits.
    """
    agreed = {"kind": Kind.HUMAN, "by": answer.by, "note": answer.note.strip(), "decided_at": now}
    if plan is None:
        dismissed = {"reason": Reason.DISMISSED, "route": None, "writes": False, "plan": None}
        return held.model_copy(update=agreed | dismissed)
    approved = held.proposed == plan.action
    return held.model_copy(
        update=agreed
        | {
            "reason": Reason.APPROVED if approved else Reason.OVERRIDDEN,
            "route": plan.action,
            "writes": mode is not Mode.SHADOW,
            "plan": plan.model_copy(update={"approved_by": (*answer.agreed, answer.reviewer.strip())}),
        }
    )


def permitted(decision: Decision, plan: Plan) -> bool:
    """Whether `decision` may carry `plan` out: asked once more in the transaction that does it."""
    pinned = decision.plan
    if decision.waits or pinned is None or pinned.binding != plan.binding or decision.route != plan.action:
        return False
    return len(set(pinned.approved_by)) >= plan.approvals
