"""What a review flow run shows and settles, whatever the review asks."""

from typing import Protocol, assert_never

from prefect import task
from pydantic import AwareDatetime

from connectors.store.engine import Transaction
from connectors.store.tables import ReviewRow
from domain.review import EXPLAIN, Answer, Form, Refusal, ReviewKind, refusal
from domain.values import Frozen
from tasks.alert import alert
from tasks.duplicates import DuplicateReview
from tasks.names import ACT, named
from tasks.resources import Resources, resources
from tasks.route_review import RouteReview


class Question(Protocol):
    """An open review with all that its kind needs to know, as it stands in the store."""

    def form(self, notice: str, *, late: bool) -> Form:
        """What the reviewer is shown, `notice` before everything else."""
        ...

    def settle(self, tx: Transaction, answer: Answer, now: AwareDatetime) -> bool:
        """Keep what an answer settles that nothing speaks against; returns whether something will be written."""
        ...


def question(here: Resources, tx: Transaction, review: ReviewRow) -> Question:
    """The question that a review asks, by its kind: the one place that knows them all."""
    kind = ReviewKind(review.kind)
    match kind:
        case ReviewKind.ROUTE:
            return RouteReview.load(here, tx, review)
        case ReviewKind.DUPLICATE:
            return DuplicateReview.load(tx, review)
        case _:
            assert_never(kind)


class Settled(Frozen):
    """What an answer did: it decided, or nothing because of `refusal`.

    Attributes:
        notice: what the reviewer must know of a refusal.
        by: who has decided, and for which `choice`; empty while nobody has.
        writes: whether something will be written.
    """

    refusal: Refusal | None = None
    notice: str = ""
    by: str = ""
    choice: str = ""
    writes: bool = False


@task(task_run_name="show-{review_id}", persist_result=True)
async def show(review_id: str, notice: str = "") -> Form | None:
    """The form of a review that waits; None if it no longer does. An ask; never asks the model.

    Args:
        notice: why the former answer was refused, if there was one.
    """
    here = resources()
    with here.store.reading() as tx:
        review = tx.reviews.get(review_id)
        if review is None or review.answered_at is not None:
            return None
        late = here.now() > review.due_at
        return question(here, tx, review).form(notice or (EXPLAIN[Refusal.LATE] if late else ""), late=late)


@task(task_run_name="settle-{review_id}", persist_result=True)
async def settle_review(review_id: str, answer: Answer) -> Settled:
    """Let an answer decide; an act, safe to repeat: the first valid answer wins.

    What is decided and the writes that it asks for are one transaction. An answer that
    settles nothing is recorded, and the review goes on waiting; whoever comes too late is
    told who decided.
    """
    here = resources()
    now = here.now()
    with here.store.transaction() as tx:
        review = tx.reviews.get(review_id)
        if review is None:
            raise LookupError(f"no review {review_id}")
        if review.answered_at is not None:
            return _too_late(tx, review, answer, now)
        asked = question(here, tx, review)
        refused = refusal(answer, asked.form("", late=False), review.binding, now)
        if refused is not None:
            tx.reviews.refuse(review_id, answer, EXPLAIN[refused], now)
            return Settled(refusal=refused, notice=EXPLAIN[refused])
        writes = asked.settle(tx, answer, now)
        tx.reviews.answered(review_id, answer, now)
    return Settled(by=answer.reviewer.strip(), choice=answer.choice, writes=writes)


def _too_late(tx: Transaction, review: ReviewRow, answer: Answer, now: AwareDatetime) -> Settled:
    """What stands already: this very answer, given before, or somebody else's."""
    by, choice = review.reviewer or "", review.answer or ""
    if (by, choice) == (answer.reviewer.strip(), answer.choice):
        return Settled(by=by, choice=choice)
    notice = f"{EXPLAIN[Refusal.ALREADY_DECIDED]} It was {by}, who chose {choice}."
    tx.reviews.refuse(review.review_id, answer, notice, now)
    return Settled(refusal=Refusal.ALREADY_DECIDED, notice=notice, by=by, choice=choice)


@task(task_run_name=named("escalate"), **ACT)
async def escalate_late(policy: str) -> list[str]:
    """Escalate reviews whose time is over, once each; an act. Returns their items."""
    here = resources()
    workflow = here.workflow(policy)
    name, to = workflow.policy.name, workflow.policy.escalation.to
    with here.store.transaction() as tx:
        late = tx.reviews.escalate_late(name, to, here.now())
    for item_id in late:
        message = f"nobody answered the review of {item_id} in time: for {to}"
        alert("review.late", "item", item_id, message, policy=name, to=to)
    return late
