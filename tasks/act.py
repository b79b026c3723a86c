"""Decides about events of cases, and carries out what may be done without a person."""

from prefect import task

from connectors.store.engine import Transaction
from domain.action import permitted
from domain.case import Case, moved
from domain.decide import fingerprint
from domain.decision import Decision, Kind
from domain.ledger import Event
from domain.review import Review, ReviewKind
from domain.values import digest
from policies.load import Workflow, cases_of
from policies.next_action import Said, decide_action
from policies.situations import Situation, stands
from policies.writes import operations, patient
from tasks.begun import begin
from tasks.customer import hear
from tasks.decide import facts_of
from tasks.meet import stored
from tasks.names import ACT, named
from tasks.propose import Proposed
from tasks.resources import resources
from tasks.standing import in_force


@task(task_run_name=named("act"), **ACT)
async def act(
    policy: str, situations: list[Situation], proposed: dict[str, Proposed], said: dict[str, Said]
) -> list[Decision]:
    """Decide about events and carry out what may be; an act, safe to repeat: an event keeps its first decision.

    Decision, writes, review, the case's new state and ledger entries are one transaction. An
    event whose case has moved on since it was met is given back, to be met again.
    """
    here = resources()
    workflow = here.workflow(policy)
    cases = cases_of(workflow)
    terms = workflow.terms.model_copy(update={"mode": in_force(here, workflow)[0]})
    now = here.now()
    decided = []
    heard = {}
    with here.store.transaction() as tx:
        begin(tx, workflow, now)
        for met in situations:
            item_id = met.claimed.item_id
            decision = decide_action(cases, terms, met, proposed[item_id].proposal, said.get(item_id), now)
            if tx.inbox.is_decided(item_id):
                continue
            if stored(tx, cases, met.case.key).version != met.case.version:
                tx.inbox.put_off(item_id, now)
                continue
            _keep(tx, workflow, met, proposed[item_id], decision)
            decided.append(decision)
            if cases.answers(met.event):
                heard[item_id] = met.case.key
        hear(tx, cases, heard, now)
    return decided


def _keep(tx: Transaction, workflow: Workflow, met: Situation, proposed: Proposed, decision: Decision) -> None:
    claimed, now = met.claimed, decision.decided_at
    tx.ledger.append(claimed.item_id, Event.PROPOSED, now, **facts_of(proposed, decision))
    if decision.waits:
        tx.inbox.keep_decision(claimed.item_id, proposed.proposal, decision, 0, now)
        classifier = fingerprint(proposed.proposal, decision.source)
        tx.reviews.open(action_review(workflow, met, decision, classifier), now)
        return
    due = carry_out(tx, workflow, met, decision)
    tx.inbox.keep_decision(claimed.item_id, proposed.proposal, decision, due, now)


def carry_out(tx: Transaction, workflow: Workflow, met: Situation, decision: Decision) -> int:
    """Put the decision's writes in the outbox and move the case on; returns the number of writes.

    Args:
        met: with the case as this very transaction has it.

    Raises:
        RuntimeError: the plan is not the one that was decided on, or no longer stands; a fault of
            ours, for whoever calls has looked, and nothing of the transaction happens.
    """
    cases, now, made = cases_of(workflow), decision.decided_at, decision.plan
    if decision.route is not None and (made is None or not permitted(decision, made) or not stands(cases, met, made)):
        raise RuntimeError(f"{met.claimed.item_id}: {decision.route} was decided on and may not be carried out")
    writes = operations(met.claimed, met.checked, decision, workflow)
    tx.outbox.put_all(patient(writes, workflow), now)
    if met.case.key and decision.kind is not Kind.REJECT:
        renewed = cases.deadline(made.to if made else met.case.state, now)
        after = moved(met.case, met.event, met.fields, made, renewed)
        if not tx.cases.move(met.claimed.item_id, met.case, after, met.event, made, decision.by, now):
            raise RuntimeError(f"{met.claimed.item_id}: case {met.case.key} has moved on")
    return len(writes)


def action_review(workflow: Workflow, met: Situation, held: Decision, classifier: str) -> Review:
    """The question whether an action may be taken, or which.

    Args:
        classifier: fingerprint of what the confidence in the proposal depends on, for audits.
    """
    return Review(
        kind=ReviewKind.ACTION,
        item_id=met.claimed.item_id,
        policy=met.claimed.policy,
        workflow=workflow.reference,
        question={"case": met.case.key},
        binding=shown_binding(met.case, held),
        why=held.reason.value,
        proposed=held.proposed,
        classifier=classifier,
        due_at=workflow.policy.review_due_at(held.decided_at),
    )


def shown_binding(case: Case, held: Decision) -> str:
    """Digest of what a person is shown: void once the case moves on, or the version of the policy is lost."""
    planned = held.plan.binding if held.plan else ""
    return digest(held.proposal_hash, case.key, case.version, planned, held.policy_fingerprint)
