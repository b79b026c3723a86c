"""What a review flow run reads and settles about one item that waits for a person."""

from prefect import task
from pydantic import AwareDatetime

from domain.decision import Decision
from domain.escalation import Cause
from domain.proposal import NONE_OF_THESE
from domain.review import EXPLAIN, Answer, Refusal, settle
from domain.values import Frozen
from policies.intake import check
from policies.writes import operations
from prompts.review import review_form
from tasks.escalate import escalate
from tasks.names import ACT, named
from tasks.resources import resources


class Form(Frozen):
    """What a reviewer is shown.

    Attributes:
        routes: what can be chosen; `proposed` is preselected if it is one of them.
        late: whether the form says that the review's time is over.
    """

    markdown: str
    routes: tuple[str, ...]
    proposed: str | None
    proposal_hash: str
    due_at: AwareDatetime
    late: bool


class Settled(Frozen):
    """What an answer did: nothing, because of `refusal`, or it decided, `by` whom and for which route."""

    refusal: Refusal | None
    by: str
    route: str | None


@task(task_run_name="show-{item_id}", persist_result=True)
async def show(item_id: str, refusal: Refusal | None = None) -> Form | None:
    """The form of an item that waits; None if it no longer does. An ask; never asks the model."""
    here = resources()
    with here.store.reading() as tx:
        review, stored = tx.reviews.get(item_id), tx.inbox.decided(item_id)
    if review is None or stored is None or not stored[2].waits:
        return None
    claimed, proposal, held = stored
    policy = here.workflow(review.workflow).policy
    late = here.now() > review.due_at
    notice = EXPLAIN[refusal or Refusal.LATE] if refusal or late else ""
    return Form(
        markdown=review_form(claimed, proposal, held, policy, review.due_at, notice),
        routes=policy.labels,
        proposed=held.proposed if held.proposed in policy.labels and not held.blind else None,
        proposal_hash=review.proposal_hash,
        due_at=review.due_at,
        late=late,
    )


@task(task_run_name="settle-{item_id}", persist_result=True)
async def settle_review(item_id: str, answer: Answer) -> Settled:
    """Let an answer decide; an act, safe to repeat: the first valid answer wins.

    The decision and the writes that it asks for are one transaction. An answer that
    settles nothing is recorded, and the review goes on waiting.
    """
    here = resources()
    now = here.now()
    with here.store.transaction() as tx:
        review, stored = tx.reviews.get(item_id), tx.inbox.decided(item_id)
        if review is None or stored is None:
            raise LookupError(f"item {item_id} has no review")
        claimed, proposal, held = stored
        workflow = here.workflow(review.workflow)
        outcome = settle(answer, held, proposal, workflow.terms, review.due_at, now)
        if outcome is Refusal.ALREADY_DECIDED and _is_same(answer, held):
            return Settled(refusal=None, by=held.by, route=held.route)
        if isinstance(outcome, Refusal):
            tx.reviews.refuse(item_id, answer, EXPLAIN[outcome], now)
            return Settled(refusal=outcome, by=held.by, route=held.route)
        extraction = tx.extractions.of([item_id]).get(item_id)
        checked = check(claimed.item, workflow.policy, extraction)
        writes = operations(claimed, checked, outcome, workflow.policy)
        tx.inbox.replace_decision(item_id, outcome, len(writes), now)
        tx.reviews.answered(item_id, now, outcome)
        tx.escalations.resolve(Cause.REVIEW_LATE, item_id, f"{outcome.by} has answered", now, by=outcome.by)
        for write in writes:
            tx.outbox.put(write, workflow.policy.destinations[write.destination].patience, now)
    return Settled(refusal=None, by=outcome.by, route=outcome.route)


def _is_same(answer: Answer, decided: Decision) -> bool:
    """Whether a decision is what this answer has made of it before."""
    return (answer.reviewer.strip(), answer.route) == (decided.by, decided.route or NONE_OF_THESE)


@task(task_run_name=named("escalate"), **ACT)
async def escalate_late(policy: str) -> list[str]:
    """Escalate reviews whose time is over, once each; an act. Returns their items."""
    here = resources()
    name, now = here.workflow(policy).policy.name, here.now()
    with here.store.transaction() as tx:
        late = tx.reviews.mark_late(name, now)
        for review in late:
            item_id = review.item_id
            message = f"nobody answered the review of {item_id} by {review.due_at:%Y-%m-%d %H:%M} UTC"
            escalate(tx, Cause.REVIEW_LATE, item_id, name, message, now, item_id=item_id)
    return [review.item_id for review in late]
