"""Decides about items and keeps the decisions, with the writes and reviews they ask for."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from prefect import task

from connectors.store.engine import Transaction
from connectors.store.parts import in_parts
from domain.decide import decide, fingerprint
from domain.decision import Decision, RuleMatch, Terms
from domain.delivery import Operation
from domain.errors import PolicyInvalid
from domain.extraction import Extraction
from domain.intake import decide_intake
from domain.item import ClaimedItem
from domain.ledger import Event
from domain.proposal import AskOutcome, Proposal
from domain.review import Review, ReviewKind
from domain.tampering import signs
from domain.values import digest
from policies.intake import Checked, check, match_rule
from policies.load import Workflow
from policies.writes import operations, patient
from tasks.begun import begin
from tasks.customer import hear, whom
from tasks.extract import reader
from tasks.names import ACT, named
from tasks.propose import Proposed
from tasks.resources import Resources, resources
from tasks.standing import in_force

TOGETHER = 25
"""Decisions that are kept in one transaction, some tens of milliseconds: as long as other workers wait for the store,
and this one's requests for their turn."""


@task(task_run_name=named("decide"), **ACT)
async def decide_items(policy: str, items: list[ClaimedItem], proposed: dict[str, Proposed]) -> list[Decision]:
    """Decide where a chunk is routed; an act, safe to repeat: an item keeps its first decision.

    The mode is the policy's, or a lower one to which the audit made it step back. Proposal,
    decision, writes, review and ledger entries of an item are one transaction.
    """
    here = resources()
    workflow, terms = _in_force(here, policy)
    if workflow.cases:  # its actions have preconditions and approvals that nobody looks at here
        raise PolicyInvalid(f"{workflow.path} is about cases: run flows.next_action on it")

    def outcome(one: _Reading) -> _Outcome:
        what = proposed[one.claimed.item_id]
        decided = decide(what.proposal, one.rule, terms, here.now(), one.checked.missing, one.claimed.item_id)
        return _outcome(workflow, one, what.proposal, decided, facts_of(what, decided))

    return await _decide(here, workflow, items, outcome)


@task(task_run_name=named("decide"), **ACT)
async def decide_fields(policy: str, items: list[ClaimedItem]) -> list[Decision]:
    """Decide by its fields whether each item of a chunk is written; otherwise as `decide_items`."""
    here = resources()
    workflow, terms = _in_force(here, policy)

    def outcome(one: _Reading) -> _Outcome:
        proposal = _unlabelled(here, workflow, one)
        decided = decide_intake(proposal, one.checked.gaps, one.rule, terms, here.now(), one.claimed.item_id)
        return _outcome(workflow, one, proposal, decided)

    return await _decide(here, workflow, items, outcome)


@dataclass(frozen=True)
class _Reading:
    """An item with what was found in it, its checked fields, and the rule that matches."""

    claimed: ClaimedItem
    extraction: Extraction | None
    checked: Checked
    rule: RuleMatch | None


@dataclass(frozen=True)
class _Outcome:
    """A decision with all that it asks for; `facts`: of its proposal, where the ledger tells of that by itself."""

    reading: _Reading
    proposal: Proposal
    decision: Decision
    writes: Sequence[Operation]
    review: Review | None
    facts: dict[str, Any] | None


def _in_force(here: Resources, policy: str) -> tuple[Workflow, Terms]:
    workflow = here.workflow(policy)
    return workflow, workflow.terms.model_copy(update={"mode": in_force(here, workflow)[0]})


def _readings(here: Resources, workflow: Workflow, items: Sequence[ClaimedItem]) -> list[_Reading]:
    with here.store.reading() as tx:
        extracted = tx.extractions.of([claimed.item_id for claimed in items])
    readings = []
    for claimed in items:
        extraction = extracted.get(claimed.item_id)
        checked = check(claimed.item, workflow.policy, extraction)
        readings.append(_Reading(claimed, extraction, checked, match_rule(claimed.item, checked, workflow.policy)))
    return readings


def _unlabelled(here: Resources, workflow: Workflow, one: _Reading) -> Proposal:
    """What stands for the proposal where nothing is classified: the extraction, and the signs of tampering."""
    item = one.claimed.item
    read = one.extraction or Extraction(key=digest(item.text, item.fields))
    return Proposal(
        key=read.key,
        outcome=read.outcome,
        tampering=signs(item.text, {}),
        model=read.model,
        classifier=reader(here, workflow.policy),
        detail=read.detail,
    )


def _outcome(
    workflow: Workflow,
    one: _Reading,
    proposal: Proposal,
    decision: Decision,
    facts: dict[str, Any] | None = None,
) -> _Outcome:
    """What is kept of a decision; made before anybody else has to wait for the store."""
    writes = operations(one.claimed, one.checked, decision, workflow)
    review = _review(workflow, one.claimed, proposal, decision) if decision.waits else None
    return _Outcome(one, proposal, decision, writes, review, facts)


async def _decide(
    here: Resources, workflow: Workflow, items: Sequence[ClaimedItem], outcome: Callable[[_Reading], _Outcome]
) -> list[Decision]:
    """Keep each item's first decision, with what it asks for; gives the decisions."""
    decisions: list[Decision] = []
    for part in in_parts(items, TOGETHER):
        await asyncio.sleep(0)  # what is asked and sent at the same time goes on
        outcomes = [outcome(one) for one in _readings(here, workflow, part)]
        with here.store.transaction() as tx:
            begin(tx, workflow, here.now())
            tx.inbox.read([claimed.item_id for claimed in part])
            with tx.ledger.together():
                kept = [one for one in outcomes if _keep(tx, one)]
                tx.outbox.put_all(patient((write for one in kept for write in one.writes), workflow), here.now())
            _hear(tx, workflow, [one.reading for one in outcomes], here.now())
        decisions += [one.decision for one in outcomes]
    return decisions


def _keep(tx: Transaction, one: _Outcome) -> bool:
    """Store an item's first decision, its proposal's facts first, and its review; False if it has one: that holds."""
    item_id, now = one.reading.claimed.item_id, one.decision.decided_at
    if tx.inbox.is_decided(item_id):
        return False
    if one.facts is not None:
        tx.ledger.append(item_id, Event.PROPOSED, now, **one.facts)
    tx.inbox.keep_decision(item_id, one.proposal, one.decision, len(one.writes), now)
    if one.review is not None:
        tx.reviews.open(one.review, now)
    return True


def _hear(tx: Transaction, workflow: Workflow, readings: Sequence[_Reading], now: datetime) -> None:
    policy = workflow.policy
    if policy.customer.known_by:
        hear(tx, policy, {one.claimed.item_id: whom(policy, one.claimed.item, one.extraction) for one in readings}, now)


def _review(workflow: Workflow, claimed: ClaimedItem, proposal: Proposal, held: Decision) -> Review:
    return Review(
        kind=ReviewKind.ROUTE if workflow.policy.classifies else ReviewKind.FIELDS,
        item_id=claimed.item_id,
        policy=claimed.policy,
        workflow=workflow.reference,
        binding=proposal.hash,
        why=held.reason.value,
        proposed=held.proposed,
        classifier=fingerprint(proposal, held.source),
        due_at=workflow.policy.review_due_at(held.decided_at),
    )


def facts_of(proposed: Proposed, decision: Decision) -> dict[str, Any]:
    """What the ledger keeps of a proposal that was decided on."""
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
