"""Asks the model and the labelled examples what they say about texts."""

import asyncio
import time
from collections.abc import Container, Sequence
from typing import Any

from prefect import Task, task
from prefect.client.schemas.objects import State, TaskRun
from prefect.context import TaskRunContext

from connectors.ports import Consulted, LanguageModel, Message
from domain.errors import (
    AnswerCutOff,
    AnswerUnknownLabel,
    InterlockError,
    ModelOutputInvalid,
    Permanent,
    Retryable,
    Throttled,
    TimedOut,
)
from domain.item import ClaimedItem
from domain.ledger import Event
from domain.proposal import AskOutcome, Proposal
from domain.tampering import signs
from domain.values import Frozen, digest
from policies.load import Workflow
from prompts.render import conversation
from tasks.names import named, whole
from tasks.resources import Resources, resources

FIRST_RETRY_S = 1.0
"""Wait before the first retry where the endpoint does not say; doubled after each."""


class Question(Frozen):
    """A text to classify. The key holds everything that the answer depends on."""

    key: str
    text: str
    item_ids: tuple[str, ...]


class Proposed(Frozen):
    """What became of a question; `cached` when it cost no call in this run."""

    proposal: Proposal
    cached: bool


class Unfinished(InterlockError):
    """Some questions of a chunk have no usable answer; those that have one are remembered.

    Attributes:
        proposals: every question's outcome.
        again: whether trying again may help.
        retry_after_s: what the endpoint asked for, the longest.
    """

    def __init__(self, proposals: list[Proposal], again: bool, retry_after_s: float | None) -> None:
        failed = [proposal.detail for proposal in proposals if proposal.outcome is not AskOutcome.ANSWERED]
        super().__init__(f"{len(failed)} of {len(proposals)} texts without a usable answer: {failed[0]}")
        self.proposals, self.again, self.retry_after_s = proposals, again, retry_after_s


async def propose(policy: str, items: Sequence[ClaimedItem]) -> dict[str, Proposed]:
    """What the model and the examples say of each item, by item id; never raises for the model's failures.

    The same text under the same model, prompt and policy costs one call, ever: chunks are
    cached by Prefect and single texts in the store.
    """
    here = resources()
    workflow = here.workflow(policy)
    questions = _questions(here, workflow, items)
    with here.store.reading() as tx:
        known = tx.proposals.recall(question.key for question in questions)
    asking = ask_chunk.with_options(retries=workflow.policy.classifier.retries)
    state = await asking(policy, whole(questions), return_state=True)  # type: ignore[misc]  # Prefect forgets: async
    await asyncio.sleep(0)  # before these are decided, the answers to others are read
    proposed = await _settled(state, known)
    return {
        item_id: answer if number == 0 else answer.model_copy(update={"cached": True})
        for question, answer in zip(questions, proposed, strict=True)
        for number, item_id in enumerate(question.item_ids)
    }


async def _settled(state: State[list[Proposal]], known: Container[str]) -> list[Proposed]:
    """What a chunk's final state holds; what was `known` before, or Prefect remembered, cost no call.

    Raises:
        Exception: the task failed for another reason than the model's failures.
    """
    try:
        proposals = await state.aresult()
    except Unfinished as exc:
        proposals = exc.proposals
    remembered = state.name == "Cached"
    return [Proposed(proposal=proposal, cached=remembered or proposal.key in known) for proposal in proposals]


def question_key(here: Resources, workflow: Workflow, text: str) -> str:
    """Digest of all that the answer on `text` depends on: model, prompt, labels, examples and their index."""
    return digest(text, here.classifier(workflow))


def _questions(here: Resources, workflow: Workflow, items: Sequence[ClaimedItem]) -> list[Question]:
    by_text: dict[str, list[str]] = {}
    for claimed in items:
        by_text.setdefault(claimed.item.text, []).append(claimed.item_id)
    return [
        Question(key=question_key(here, workflow, text), text=text, item_ids=tuple(item_ids))
        for text, item_ids in by_text.items()
    ]


def _chunk_key(_context: TaskRunContext, arguments: dict[str, Any]) -> str:
    """By value: each question's key holds text, model, prompt, labels and examples."""
    return "proposals-" + digest([question.key for question in arguments["questions"]])


async def _can_help(asking: Task[Any, Any], run: TaskRun, state: State[Any]) -> bool:
    """Retry what may pass, and no sooner than the endpoint asked for.

    `asking` is this call's own copy of the task, so its delay can be set.
    """
    failure = await state.aresult(raise_on_failure=False)
    if not isinstance(failure, Unfinished) or not failure.again:
        return False
    delay_s = max(FIRST_RETRY_S * 2 ** max(run.run_count - 1, 0), failure.retry_after_s or 0.0)
    asking.retry_delay_seconds = delay_s
    return True


@task(
    task_run_name=named("propose"),
    cache_key_fn=_chunk_key,
    persist_result=True,
    retry_condition_fn=_can_help,
)
async def ask_chunk(policy: str, questions: list[Question]) -> list[Proposal]:
    """Ask about a chunk of texts; an ask. A retry redoes only what has no answer yet.

    Raises:
        Unfinished: a text got no usable answer; such a chunk is never cached.
    """
    here = resources()
    workflow = here.workflow(policy)
    with here.store.reading() as tx:
        known = tx.proposals.recall(question.key for question in questions)
    results = await _ask_all(here, workflow, [question for question in questions if question.key not in known])
    fresh = {proposal.key: (proposal, failure) for proposal, failure in results}
    _record(here, questions, fresh)
    proposals = [known.get(question.key) or fresh[question.key][0] for question in questions]
    failures = [failure for _, failure in fresh.values() if failure]
    if failures:
        waits = [failure.retry_after_s for failure in failures if isinstance(failure, Retryable)]
        raise Unfinished(proposals, bool(waits), max((wait for wait in waits if wait is not None), default=None))
    return proposals


async def _ask_all(
    here: Resources, workflow: Workflow, questions: Sequence[Question]
) -> list[tuple[Proposal, InterlockError | None]]:
    """The proposal on each text, and the failure if it is none."""
    texts = [question.text for question in questions]
    try:
        consulted = await here.examples(workflow).consult(texts, workflow.policy.classifier.neighbours)
    except InterlockError as exc:
        return [(failed(_bare(here, workflow, question, None), exc, 0.0), exc) for question in questions]
    bare = [_bare(here, workflow, *pair) for pair in zip(questions, consulted, strict=True)]
    if here.model is None or workflow.cases:  # of a case an agent is asked, beside the examples
        return [(proposal, None) for proposal in bare]
    limit = here.asking(workflow.policy)
    asking = [
        _ask_once(here.model, workflow, question.text, one, proposal, limit)
        for question, one, proposal in zip(questions, consulted, bare, strict=True)
    ]
    return await asyncio.gather(*asking)


async def _ask_once(
    model: LanguageModel,
    workflow: Workflow,
    text: str,
    consulted: Consulted,
    bare: Proposal,
    limit: asyncio.Semaphore,
) -> tuple[Proposal, InterlockError | None]:
    classifier = workflow.policy.classifier
    async with limit:  # made in its turn: a whole chunk's would keep the others' answers waiting
        turns = conversation(workflow, text, [(near.text, near.label) for near in consulted.nearest])
        asked_at = time.perf_counter()
        try:
            answer = await model.choose(
                [Message(role, content) for role, content in turns],
                workflow.policy.labels,
                reasks=classifier.reasks,
                samples=classifier.samples,
                timeout_s=classifier.timeout_s,
            )
        except InterlockError as exc:
            return failed(bare, exc, time.perf_counter() - asked_at), exc
        update = {
            "outcome": AskOutcome.ANSWERED,
            "detail": "",
            "label": answer.label,
            "scores": answer.scores,
            "scores_from": answer.scores_from,
            "tokens": answer.tokens,
            "calls": answer.calls,
            "latency_s": time.perf_counter() - asked_at,
        }
        return bare.model_copy(update=update), None


def failed(bare: Proposal, exc: InterlockError, latency_s: float) -> Proposal:
    """The proposal that is left when asking the model failed."""
    calls = 0 if bare.opinion is None else 1
    update = {"outcome": outcome_of(exc), "detail": str(exc), "calls": calls, "latency_s": latency_s}
    return bare.model_copy(update=update)


def _bare(here: Resources, workflow: Workflow, question: Question, consulted: Consulted | None) -> Proposal:
    """What the examples say alone."""
    return Proposal(
        key=question.key,
        outcome=AskOutcome.NO_MODEL,
        detail="no model: neither INTERLOCK_LLM_BASE_URL nor the extra 'local'",
        opinion=consulted.opinion if consulted else None,
        tampering=signs(question.text, {name: route.description for name, route in workflow.policy.routes.items()}),
        model=here.asked_by(workflow),
        classifier=here.classifier(workflow),
        voter=here.voter(workflow),
    )


def _record(
    here: Resources, questions: list[Question], fresh: dict[str, tuple[Proposal, InterlockError | None]]
) -> None:
    """Remember the answers and put the failures in the ledger, each try its own entry."""
    context = TaskRunContext.get()
    attempt = context.task_run.run_count if context else 1
    answered = [proposal for proposal, _ in fresh.values() if proposal.outcome is AskOutcome.ANSWERED]
    with here.store.transaction() as tx:
        tx.proposals.remember(answered, here.now())
        for question in questions:
            proposal, failure = fresh.get(question.key, (None, None))
            if proposal and failure:
                facts = {"attempt": attempt, "outcome": proposal.outcome.value, "detail": proposal.detail}
                for number, item_id in enumerate(question.item_ids):
                    calls = proposal.calls if number == 0 else 0
                    tx.ledger.append(item_id, Event.ASK_FAILED, here.now(), calls=calls, **facts)


def outcome_of(exc: InterlockError) -> AskOutcome:
    """How asking a model ended that raised `exc`; raises it again if it is no model's."""
    match exc:
        case Throttled():
            return AskOutcome.THROTTLED
        case TimedOut():
            return AskOutcome.TIMED_OUT
        case Retryable():
            return AskOutcome.UNAVAILABLE
        case Permanent():
            return AskOutcome.REFUSED
        case AnswerCutOff():
            return AskOutcome.CUT_OFF
        case AnswerUnknownLabel():
            return AskOutcome.UNKNOWN_LABEL
        case ModelOutputInvalid():
            return AskOutcome.NONSENSE
        case _:
            raise exc
