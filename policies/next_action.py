"""What shall happen about an event in its case: everything that is known of it comes together here."""

from pydantic import AwareDatetime

from domain.action import restrain
from domain.case import Gate
from domain.decide import decide
from domain.decision import Decision, Kind, Reason, Terms
from domain.proposal import Proposal
from domain.values import Frozen
from policies.cases import CasePolicy
from policies.intake import match_rule
from policies.situations import Situation, plan


class Said(Frozen):
    """What an agent chose: the action, its parameters as it said them, and what it looked up."""

    action: str
    parameters: dict[str, str]
    found: dict[str, str]


def decide_action(
    cases: CasePolicy, terms: Terms, met: Situation, proposal: Proposal, said: Said | None, now: AwareDatetime
) -> Decision:
    """What shall happen about an event: as about any item, with the action as the route; then held back.

    Deterministic, and beyond any proposal: what the case does not allow, what has no evidence and
    what needs people goes to people.
    """
    claimed = met.claimed
    rule = match_rule(claimed.item, met.checked, cases)
    decision = decide(proposal, rule, terms, now, met.checked.missing, claimed.item_id)
    if met.gate is Gate.MOOT:
        return _ended(decision)
    sure = decision.proposed if decision.waits and not decision.holds else None  # what would act, but for the mode
    action = decision.route or sure or (rule.route if rule else None) or decision.proposed
    mine = said is not None and said.action == action
    made, doubts = plan(cases, met, action, said.parameters, said.found) if said and mine else plan(cases, met, action)
    return restrain(decision, made, (*met.barred, *doubts))


def _ended(decision: Decision) -> Decision:
    """The decision about a deadline of ours that no longer stands: nothing."""
    update = {"kind": Kind.REJECT, "reason": Reason.DEADLINE_MOOT, "route": None, "writes": False, "rule": None}
    return decision.model_copy(update=update)
