"""What a policy's rules make of labelled items: which one matches, and what it keeps from acting alone."""

from datetime import UTC, datetime

from domain.confidence import Judgement
from domain.decide import weigh
from domain.decision import Reason, RuleAction, RuleMatch, Terms
from domain.item import InboundItem
from evals.actions import situation_of
from evals.items import Item
from evals.recorded import Row
from policies.cases import CasePolicy
from policies.intake import check, match_rule
from policies.model import Policy

NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)
"""Stands where an item needs a time; rules see none."""


def inbound(policy: Policy, item: Item) -> InboundItem:
    """A labelled item as if it had come in from the source `evals`."""
    fields = {name: value for name, value in item.fields.items() if name in policy.input.fields}
    return InboundItem(source="evals", external_id=item.id, received_at=NO_TIME, text=item.text, fields=fields)


def rule_match(policy: Policy, item: Item) -> RuleMatch | None:
    """The first of a policy's rules that holds for a labelled item."""
    if isinstance(policy, CasePolicy):
        situation = situation_of(policy, item)
        return match_rule(situation.claimed.item, situation.checked, policy)
    came_in = inbound(policy, item)
    return match_rule(came_in, check(came_in, policy), policy)


def weigh_row(row: Row, terms: Terms) -> tuple[Judgement, tuple[Reason, ...]]:
    """`domain.decide.weigh`, with the rule that takes the item over, if one does, as the first reason.

    Required fields, which labelled items rarely have, hold nothing.
    """
    judgement, holds = weigh(row.proposal, terms)
    if row.rule is None or not row.rule.takes_over:
        return judgement, holds
    rejects = row.rule.action is RuleAction.REJECT
    return judgement, (Reason.RULE_REJECTS if rejects else Reason.RULE_WANTS_PERSON, *holds)
