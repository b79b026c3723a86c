"""Starts, follows and ends the review flow runs that show the forms in Prefect's UI."""

import asyncio
import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from prefect import get_run_logger, task
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import State, StateType
from prefect.client.schemas.responses import SetStateStatus
from prefect.deployments.flow_runs import arun_deployment
from prefect.exceptions import ObjectNotFound
from prefect.states import AwaitingRetry, Cancelled, Crashed

from connectors.store.tables import ReviewRow
from domain.review import Answer
from tasks.alert import alert
from tasks.names import ACT, named
from tasks.resources import Resources, resources

DEPLOYMENT = "review/review"
"""Flow and deployment, as `prefect.yaml` has them."""

AT_ONCE = 4
"""Flow runs that are created at the same time; SQLite behind Prefect answers 503 to many."""

STARTING = timedelta(minutes=5)
"""A run that is still starting after so long was killed, and its worker too: nobody has said so."""

FINISHING = timedelta(minutes=30)
"""So was one that is still not over so long after it began, though its review is decided."""

MOST_FORMS, MOST_CANCELLED = 6, 2
"""Flow runs that one review gets, whatever becomes of them, and how often somebody may cancel one before
the review is left to the page and the command line: who cancels says that it is not to be answered there."""

READ_AT_ONCE = 200
"""Flow runs that Prefect gives in one answer."""

SUSPENDED, ASKED = "suspended-", "asked-"
"""How Prefect calls what it keeps of a form, and which of a run's forms it is: `suspended-asked-1-response`."""

INPUT = "input_"
"""Before the names of the texts that a form asks for, as some names would hide parts of the form's model."""

DIED = {StateType.FAILED, StateType.CRASHED}
OVER = DIED | {StateType.COMPLETED}
CANCELLED = {StateType.CANCELLED, StateType.CANCELLING}
BEGUN = {StateType.PENDING, StateType.RUNNING}


@task(task_run_name=named("open-forms"), **ACT)
async def open_forms(policy: str) -> int:
    """Give the most urgent reviews that wait a flow run with a form each; an act, safe to repeat.

    As many as the policy has forms at a time: the others wait in the store. A review whose flow
    run is over though nobody answered gets a new one, and so does one whose run somebody
    cancelled; a run that died with an answer in it runs again with that. All this a bounded
    number of times. Without the deployment the reviews wait in the store, and the log says so.
    Returns how many were started.
    """
    here = resources()
    workflow = here.workflow(policy).policy
    with here.store.reading() as tx:
        waiting = tx.reviews.in_forms(workflow.name)
    states = await _states(review.flow_run for review in waiting if review.flow_run)
    _note_cancelled(here, waiting, states)
    shown = {review.review_id for review in waiting if _is_live(states.get(review.flow_run or ""), here.now())}
    ended = [review for review in waiting if review.flow_run in states and review.review_id not in shown]
    await _bury((review.flow_run or "" for review in ended), states)
    shown |= {review.review_id for review in ended if await _resumed(here, review, states)}
    room = max(0, workflow.review.forms - len(shown))
    with here.store.reading() as tx:
        lacking = tx.reviews.lacking_forms(workflow.name, shown, MOST_FORMS, MOST_CANCELLED, room)
    try:
        await _start(here, workflow.name, [(review.review_id, review.forms) for review in lacking])
    except ObjectNotFound:
        get_run_logger().warning(
            "reviews wait, and Prefect has no deployment %s to show them. Run 'prefect deploy --all', "
            "or answer on the page of 'interlock serve', or with 'interlock reviews list' and 'decide'.",
            DEPLOYMENT,
        )
        return 0
    return len(lacking)


@task(task_run_name=named("close-forms"), **ACT)
async def close_forms(policy: str) -> int:
    """Let flow runs go on that wait with a form though their review was decided elsewhere; an act, safe to repeat.

    That is so where Prefect could not be reached when the answer came. Those whose form has no room for the
    answer, as a rule gave it or it is no choice of theirs, are cancelled. Those whose process and worker were
    killed since, Prefect is told of: they would hold a slot of the pool forever. Returns how many end.
    """
    here = resources()
    name = here.workflow(policy).policy.name
    wanted = FlowRunFilter(
        tags=FlowRunFilterTags(all_=[name]),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.PAUSED, *BEGUN])),
    )
    async with get_client() as client:
        runs = await client.read_flow_runs(flow_run_filter=wanted, limit=READ_AT_ONCE)
    with here.store.reading() as tx:
        reviews = {str(run.id): tx.reviews.get(str(run.parameters.get("review_id", ""))) for run in runs}
    states = {str(run.id): run.state for run in runs if run.state is not None}
    decided = {run: review for run, review in reviews.items() if review is not None and review.answered_at is not None}
    await _bury((run for run in decided if here.now() - states[run].timestamp > FINISHING), states)
    waiting = {run: review for run, review in decided.items() if states[run].type is StateType.PAUSED}
    return sum([await _goes_on(run, review) or await _cancelled(run) for run, review in waiting.items()])


async def resume(flow_run: str, answer: Answer) -> bool:
    """Let a flow run that waits with a form take an answer; False if it does not wait, or is gone.

    Raises:
        httpx.HTTPError: Prefect cannot be reached.
    """
    given = answer.model_dump(include={"choice", "reviewer", "note"})
    given |= {f"{INPUT}{name}": text for name, text in answer.inputs.items()}
    try:
        async with get_client() as client:
            response = await client.resume_flow_run(UUID(flow_run), run_input=given)
    except ObjectNotFound:
        return False
    return response.status is SetStateStatus.ACCEPT


async def _goes_on(flow_run: str, review: ReviewRow) -> bool:
    """Let a run that waits take what was answered elsewhere; False where nobody did, or its form refuses it."""
    if review.answer is None:
        return False
    return await resume(flow_run, Answer(choice=review.answer, reviewer=review.reviewer or "", binding=review.binding))


async def _cancelled(flow_run: str) -> bool:
    """Cancel a run that waits with a form; False where it does not wait any more."""
    async with get_client() as client:
        state = (await client.read_flow_run(UUID(flow_run))).state
        if state is None or state.type is not StateType.PAUSED:
            return False
        why = "its review was decided elsewhere, by what its form has no choice for"
        cancelled: State[object] = Cancelled(message=why)
        await client.set_flow_run_state(UUID(flow_run), cancelled, force=True)
    return True


async def _bury(flow_runs: Iterable[str], states: dict[str, State[object]]) -> None:
    """Tell Prefect of those runs that have begun, and whose processes nobody watches any more, that they crashed."""
    dead = [flow_run for flow_run in flow_runs if states[flow_run].type in BEGUN]
    if not dead:
        return
    async with get_client() as client:
        for flow_run in dead:
            states[flow_run] = Crashed(message="its process and its worker were killed")
            await client.set_flow_run_state(UUID(flow_run), states[flow_run], force=True)


async def _resumed(here: Resources, review: ReviewRow, states: dict[str, State[object]]) -> bool:
    """Let a run that died with an answer in it go on with that; False where it has none, or may not any more."""
    flow_run = review.flow_run or ""
    if states[flow_run].type not in DIED or review.forms >= MOST_FORMS:
        return False
    if not await _holds_answer(here, review, flow_run):
        return False
    with here.store.transaction() as tx:
        noted = tx.reviews.resumed(review.review_id, flow_run, review.forms, here.now())
    if noted:
        async with get_client() as client:
            await client.set_flow_run_state(UUID(flow_run), AwaitingRetry())
    return noted


async def _holds_answer(here: Resources, review: ReviewRow, flow_run: str) -> bool:
    """Whether the last form of a run was answered, and by somebody whose answer was not kept."""
    async with get_client() as client:
        kept = await client.filter_flow_run_input(UUID(flow_run), f"{SUSPENDED}{ASKED}", READ_AT_ONCE, set())
    forms: dict[int, dict[str, str]] = {}
    for one in kept:
        number, _, part = one.key.removeprefix(f"{SUSPENDED}{ASKED}").partition("-")
        forms.setdefault(int(number), {})[part] = one.value
    last = forms[max(forms)] if forms else {}
    if "response" not in last:
        return False
    with here.store.reading() as tx:
        given = {one.reviewer for one in tx.reviews.given(review.review_id)}
    return str(json.loads(last["response"])["reviewer"]).strip() not in given


def _note_cancelled(here: Resources, waiting: Iterable[ReviewRow], states: dict[str, State[object]]) -> None:
    """Record and tell which forms somebody cancelled: their reviews go on waiting."""
    for review in waiting:
        state = states.get(review.flow_run or "")
        if review.flow_run is None or state is None or state.type not in CANCELLED:
            continue
        again = review.cancelled + 1 < MOST_CANCELLED
        with here.store.transaction() as tx:
            noted = tx.reviews.cancelled(review.review_id, review.flow_run, here.now(), again=again)
        if noted:
            message = f"the form of review {review.review_id} was cancelled in Prefect; the review goes on waiting"
            alert("review.cancelled", "item", review.item_id, message, policy=review.policy)


async def _start(here: Resources, policy: str, lacking: Iterable[tuple[str, int]]) -> None:
    limit = asyncio.Semaphore(AT_ONCE)

    async def start(review_id: str, former: int) -> None:
        async with limit:
            flow_run = await arun_deployment(
                DEPLOYMENT,
                parameters={"review_id": review_id},
                idempotency_key=f"review-{review_id}-{former}",
                timeout=0,
                as_subflow=False,
                tags=[policy],
            )
        with here.store.transaction() as tx:
            tx.reviews.shown(review_id, str(flow_run.id), here.now())

    await asyncio.gather(*[start(review_id, former) for review_id, former in lacking])


def _is_live(state: State[object] | None, now: datetime) -> bool:
    """Whether a run can still take an answer: neither over nor killed while it started."""
    if state is None or state.type in OVER | CANCELLED:
        return False
    return not (state.type in BEGUN and now - state.timestamp > STARTING)


async def _states(flow_runs: Iterable[str]) -> dict[str, State[object]]:
    """The states of flow runs; those that Prefect no longer has are left out."""
    ids = [UUID(flow_run) for flow_run in flow_runs]
    states: dict[str, State[object]] = {}
    if not ids:
        return states
    async with get_client() as client:
        for start in range(0, len(ids), READ_AT_ONCE):
            wanted = FlowRunFilter(id=FlowRunFilterId(any_=ids[start : start + READ_AT_ONCE]))
            found = await client.read_flow_runs(flow_run_filter=wanted, limit=READ_AT_ONCE)
            states |= {str(run.id): run.state for run in found if run.state is not None}
    return states
