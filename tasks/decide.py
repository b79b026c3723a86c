"""Decides about items and keeps the decisions, with the writes and reviews they ask for."""

from collections.abc import Sequence
from typing import Any

from prefect import task

from connectors.store.engine import Transaction
from domain.decide import decide, fingerprint
from domain.decision import Decision
from domain.delivery import Operation
from domain.item import ClaimedItem
from domain.ledger import Event
from domain.proposal import AskOutcome, Proposal
from domain.review import Review, ReviewKind
from policies.intake import check, match_rule
from policies.load import Workflow
from policies.writes import operations
from tasks.names import ACT, named
from tasks.propose import Proposed
from tasks.resources import resources
from tasks.standing import in_force


@task(task_run_name=named("decide"), **ACT)
async def decide_items(policy: str, items: list[ClaimedItem], proposed: dict[str, Proposed]) -> list[Decision]:
    """Decide about a chunk; an act, safe to repeat: an item keeps its first decision.

    The mode is the policy's, or a lower one to which the audit made it step back. Proposal,
    decision, writes, review and ledger entries of the whole chunk are one transaction.
    """
    here = resources()
    workflow = here.workflow(policy)
    terms = workflow.terms.model_copy(update={"mode": in_force(here, workflow)[0]})
    with here.store.reading() as tx:
        extracted = tx.extractions.of([claimed.item_id for claimed in items])
    checks = [check(claimed.item, workflow.policy, extracted.get(claimed.item_id)) for claimed in items]
    decisions = []
    for claimed, checked in zip(items, checks, strict=True):
        rule = match_rule(claimed.item, checked, workflow.policy)
        proposal = proposed[claimed.item_id].proposal
        decisions.append(decide(proposal, rule, terms, here.now(), checked.missing, claimed.item_id))
    with here.store.transaction() as tx:
        for claimed, checked, decision in zip(items, checks, decisions, strict=True):
            writes = operations(claimed, checked, decision, workflow)
            _keep(tx, workflow, claimed, proposed[claimed.item_id], decision, writes)
    return decisions


def _keep(
    tx: Transaction,
    workflow: Workflow,
    claimed: ClaimedItem,
    proposed: Proposed,
    decision: Decision,
    writes: Sequence[Operation],
) -> None:
    proposal, now = proposed.proposal, decision.decided_at
    if tx.inbox.is_decided(claimed.item_id):
        return
    tx.ledger.append(claimed.item_id, Event.PROPOSED, now, **_facts(proposed, decision))
    tx.inbox.keep_decision(claimed.item_id, proposal, decision, len(writes), now)
    for write in writes:
        tx.outbox.put(write, workflow.policy.destinations[write.destination].patience, now)
    if decision.waits:
        tx.reviews.open(_review(workflow, claimed, proposal, decision), now)


def _review(workflow: Workflow, claimed: ClaimedItem, proposal: Proposal, held: Decision) -> Review:
    return Review(
        kind=ReviewKind.ROUTE,
        item_id=claimed.item_id,
        policy=claimed.policy,
        workflow=workflow.reference,
        binding=proposal.hash,
        why=held.reason.value,
        proposed=held.proposed,
        classifier=fingerprint(proposal, held.source),
        due_at=held.decided_at + workflow.policy.review.answer_within,
    )


def _facts(proposed: Proposed, decision: Decision) -> dict[str, Any]:
    proposal = proposed.proposal
    answered = proposal.outcome is AskOutcome.ANSWERED
    return {
        "label": decision.proposed,
        "confidence": decision.confidence,
        "source": decision.source.value,
        "model_label": proposal.label,
        "outcome": proposal.outcome.value,
        "detail": proposal.detail,
        "scores_from": proposal.scores_from.value,
        "tampering": proposal.tampering,
        "opinion": proposal.opinion.label if proposal.opinion else None,
        "model": proposal.model,
        "classifier": fingerprint(proposal, decision.source),
        "hash": proposal.hash,
        "cached": proposed.cached,
        "calls": proposal.calls if answered and not proposed.cached else 0,  # failed calls have entries of their own
        "tokens": proposal.tokens.model_dump(),
        "latency_s": round(proposal.latency_s, 3),
    }
