"""What a review flow run shows and settles, whatever the review asks."""

from collections.abc import Sequence
from typing import Any, Protocol, assert_never

from prefect import Task, task
from prefect.client.schemas.objects import State, TaskRun
from pydantic import AwareDatetime

from connectors.store.engine import Transaction
from connectors.store.tables import ReviewRow
from domain.agreement import Agreed, barred, before, missing, unknown
from domain.case import Case
from domain.errors import Retryable
from domain.escalation import Cause
from domain.item import InboundItem
from domain.review import EXPLAIN, Answer, Form, Proven, Refusal, ReviewKind, refusal
from domain.values import Frozen
from policies.fields import FieldType
from policies.load import Workflow
from prompts.review import on_one_line
from tasks.action_review import ActionReview
from tasks.begun import BEGUN, Begun, tell_of_lost
from tasks.conflict_review import ConflictReview
from tasks.duplicates import DuplicateReview
from tasks.escalate import escalate
from tasks.fields_review import FieldsReview
from tasks.link_review import LinkReview
from tasks.names import ACT, named
from tasks.resources import Resources, resources
from tasks.route_review import RouteReview


class Question(Protocol):
    """An open review with all that its kind needs to know, as it stands in the store."""

    @property
    def binding(self) -> str:
        """Digest of what the reviewer is shown."""
        ...

    @property
    def moves(self) -> bool:
        """Whether what is asked can change while it waits."""
        ...

    def form(self, notice: str, *, late: bool) -> Form:
        """What the reviewer is shown, `notice` before everything else."""
        ...

    def objection(self, answer: Answer) -> str:
        """Why what was chosen cannot be done, in words; empty where it can."""
        ...

    def needs(self, answer: Answer) -> int:
        """How many different people must give an answer that nothing speaks against."""
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
        case ReviewKind.ACTION:
            return ActionReview.load(here, tx, review)
        case ReviewKind.FIELDS:
            return FieldsReview.load(here, tx, review)
        case ReviewKind.DUPLICATE:
            return DuplicateReview.load(tx, review)
        case ReviewKind.CONFLICT:
            return ConflictReview.load(here, tx, review)
        case ReviewKind.LINK:
            return LinkReview.load(here, tx, review)
        case _:
            assert_never(kind)


class Settled(Frozen):
    """What an answer did: it decided, or was kept until others give it too, or nothing because of `refusal`.

    Attributes:
        notice: what the reviewer must know of a refusal, or of what is still missing.
        by: who has decided, and for which `choice`; empty while nobody has.
        missing: how many more people must give this answer before it decides.
        writes: whether something will be written.
    """

    refusal: Refusal | None = None
    notice: str = ""
    by: str = ""
    choice: str = ""
    missing: int = 0
    writes: bool = False


def form_of(here: Resources, tx: Transaction, review: ReviewRow, notice: str = "") -> Form | None:
    """The form of a review as it stands; None if it no longer waits.

    Args:
        notice: what its reader must know first, such as why the former answer was refused.
    """
    if review.answered_at is not None:
        return None
    late = here.now() > review.due_at
    told = [notice or (EXPLAIN[Refusal.LATE] if late else "")]
    asked = question(here, tx, review)
    # Who agreed to what stood there before has agreed to nothing.
    told += [_gave(one) for one in tx.reviews.given(review.review_id) if one.binding == asked.binding]
    return asked.form(" ".join(filter(None, told)), late=late)


def _gave(one: Agreed) -> str:
    """Who agreed to what: the next one agrees only with the same filled in."""
    filled = [f"{name} `{on_one_line(text)}`" for name, text in one.inputs.items() if text.strip()]
    return f"{one.reviewer} agreed to '{one.choice}'{' with ' if filled else ''}{', '.join(filled)}."


@task(task_run_name="show-{review_id}", persist_result=True)
async def show(review_id: str, notice: str = "", asking: int = 1) -> Form | None:  # noqa: ARG001  of its key
    """The form of a review that waits; None if it no longer does. An ask; never asks the model.

    Args:
        notice: why the former answer was refused, if there was one.
        asking: which of its run's forms it is: each is made anew, even after the same refusal.
    """
    here = resources()
    with here.store.reading() as tx:
        review = tx.reviews.get(review_id)
        return None if review is None else form_of(here, tx, review, notice)


async def _may_pass(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Whether the same answer may be kept a moment later."""
    return isinstance(await state.aresult(raise_on_failure=False), Retryable)


RETRY_AFTER_S = [1.0, 5.0, 20.0]
"""Seconds to wait before each repetition where the store does not answer: a person's answer is in hand."""


@task(
    task_run_name="settle-{review_id}",
    persist_result=True,
    retries=len(RETRY_AFTER_S),
    retry_delay_seconds=RETRY_AFTER_S,
    retry_condition_fn=_may_pass,
)
async def settle_review(review_id: str, answer: Answer, asking: int = 1) -> Settled:  # noqa: ARG001  of its key
    """`settle_answer` as a step of the review's flow run: once for each form (`asking`) and answer."""
    return settle_answer(resources(), review_id, answer)


def settle_answer(here: Resources, review_id: str, answer: Answer) -> Settled:
    """Let an answer decide; an act, safe to repeat: the first valid answer wins, wherever it comes from.

    What is decided and the writes that it asks for are one transaction. An answer that
    settles nothing is recorded, and the review goes on waiting; whoever comes too late is
    told who decided. Where several people must agree, all but the last are kept.

    Raises:
        LookupError: there is no such review.
    """
    now = here.now()
    with here.store.transaction() as tx:
        review = tx.reviews.get(review_id)
        if review is None:
            raise LookupError(f"no review {review_id}")
        if review.answered_at is not None:
            return _too_late(tx, review, answer, now)
        asked = question(here, tx, review)
        form, given = asked.form("", late=False), before(answer, tx.reviews.given(review_id))
        if asked.moves and form.binding != review.binding:
            tx.reviews.rebind(review_id, form.binding)  # what it is about has moved on: what was shown before is void
        refused = refusal(answer, form, review.binding, now) or _barred(here, tx, review, answer, given)
        refused = refused or _unknown(here, review, answer, asked)
        notice = EXPLAIN[refused] if refused else asked.objection(answer)
        if notice:
            tx.reviews.refuse(review_id, answer, notice, now)
            return Settled(refusal=refused or Refusal.IMPOSSIBLE, notice=notice)
        if answer.key:
            tx.keys.use(answer.key, answer.reviewer, now)
        still = missing(asked.needs(answer), given)
        if still or given:
            tx.reviews.agree(review_id, answer, still, now)
        if still:
            notice = _agreed(answer, still)
            return Settled(by=answer.reviewer.strip(), choice=answer.choice, missing=still, notice=notice)
        whole = answer.model_copy(update=_together(answer, given))
        tx.reviews.answered(review_id, whole, now)
        writes = asked.settle(tx, whole, now)
        tx.escalations.resolve(Cause.REVIEW_LATE, review_id, f"{whole.by} has answered", now, by=whole.by)
    return Settled(by=whole.by, choice=answer.choice, writes=writes)


def _barred(
    here: Resources, tx: Transaction, review: ReviewRow, answer: Answer, given: Sequence[Agreed]
) -> Refusal | None:
    """Why this person may not answer: nobody decides what they sent, or about a case of theirs."""
    workflow, item = here.workflow(review.workflow), tx.inbox.get(review.item_id).item
    asks = Begun.load(here, tx, review).workflow if ReviewKind(review.kind) in BEGUN else workflow
    about = concerned(asks, item, tx.cases.get(review.policy, case_of(review)))
    return barred(answer, about, given, _known(workflow), key_used=tx.keys.used(answer.key))


def case_of(review: ReviewRow) -> str:
    """The key of the case that a review is about; empty where it is about none."""
    return str(review.question.get("case", ""))


def concerned(workflow: Workflow, item: InboundItem, case: Case | None) -> list[str]:
    """Who sent an item, and whose case it is about, as it names them."""
    types = workflow.policy.input.fields
    told = [*item.fields.items(), *(case.values.items() if case else ())]
    senders = [text for name, text in told if types.get(name) in (FieldType.EMAIL, FieldType.NAME)]
    return [*senders, *item.other.values()]


def _unknown(here: Resources, review: ReviewRow, answer: Answer, asked: Question) -> Refusal | None:
    """That nobody knows who answers, where the policy wants that of those who must agree."""
    workflow = here.workflow(review.workflow)
    if not workflow.policy.knows_reviewers:
        return None
    links_alone = workflow.policy.review.proven == "link"
    return unknown(answer, asked.needs(answer), _known(workflow), links_alone=links_alone)


def _known(workflow: Workflow) -> list[frozenset[str]]:
    """What each person of the people file is called."""
    people = workflow.people.people
    return [frozenset(word.casefold() for word in (one.name, *one.addresses.values())) for one in people]


def _together(answer: Answer, given: Sequence[Agreed]) -> dict[str, object]:
    """An answer as that of everybody who gave it: proven only if all of them are."""
    claimed = Proven.CLAIMED in {answer.proven, *[one.proven for one in given]}
    return {"agreed": tuple(one.reviewer for one in given), "proven": Proven.CLAIMED if claimed else Proven.LINK}


def _agreed(answer: Answer, missing: int) -> str:
    more = "one more person" if missing == 1 else f"{missing} more people"
    return f"{answer.reviewer.strip()} agreed to '{answer.choice}'; {more} must agree."


def _too_late(tx: Transaction, review: ReviewRow, answer: Answer, now: AwareDatetime) -> Settled:
    """What stands already: this very answer, given before, or somebody else's."""
    by, choice = review.reviewer or "", review.answer or ""
    givers = {by, *[one.reviewer for one in tx.reviews.given(review.review_id)]}
    if choice == answer.choice and answer.reviewer.strip() in givers:
        return Settled(by=by, choice=choice)
    notice = f"{EXPLAIN[Refusal.ALREADY_DECIDED]} {review.outcome}"
    tx.reviews.refuse(review.review_id, answer, notice, now)
    return Settled(refusal=Refusal.ALREADY_DECIDED, notice=notice, by=by, choice=choice)


@task(task_run_name=named("escalate"), **ACT)
async def escalate_late(policy: str) -> list[str]:
    """Escalate, once each, reviews whose time is over, and versions of the policy that are lost; an act.

    Returns the reviews.
    """
    here = resources()
    name, now = here.workflow(policy).policy.name, here.now()
    with here.store.transaction() as tx:
        late = tx.reviews.mark_late(name, now)
        for review in late:
            message = f"nobody answered the review {review.review_id} by {review.due_at:%Y-%m-%d %H:%M} UTC"
            escalate(tx, Cause.REVIEW_LATE, review.review_id, name, message, now, item_id=review.item_id)
        tell_of_lost(here, tx, policy, now)
    return [review.review_id for review in late]
