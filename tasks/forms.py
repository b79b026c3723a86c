"""Starts the review flow runs that show the forms in Prefect's UI."""

import asyncio
from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from prefect import get_run_logger, task
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import State, StateType
from prefect.deployments.flow_runs import arun_deployment
from prefect.exceptions import ObjectNotFound

from tasks.names import ACT, named
from tasks.resources import resources

DEPLOYMENT = "review/review"
"""Flow and deployment, as `prefect.yaml` has them."""

AT_ONCE = 4
"""Flow runs that are created at the same time; SQLite behind Prefect answers 503 to many."""

STARTING = timedelta(minutes=5)
"""A run that is still starting after so long was killed."""

OVER = {StateType.COMPLETED, StateType.FAILED, StateType.CRASHED, StateType.CANCELLED}


@task(task_run_name=named("open-forms"), **ACT)
async def open_forms(policy: str) -> int:
    """Give each review that waits a flow run with its form; an act, safe to repeat.

    A review whose flow run is over though nobody answered gets a new one. Without the
    deployment the reviews wait in the store, and the log says so. Returns how many were
    started.
    """
    here = resources()
    name = here.workflow(policy).policy.name
    with here.store.reading() as tx:
        waiting = [(review.review_id, review.flow_run) for review in tx.reviews.waiting(name)]
    live = await _live([flow_run for _, flow_run in waiting if flow_run], here.now())
    lacking = [(review_id, former) for review_id, former in waiting if former not in live]
    limit = asyncio.Semaphore(AT_ONCE)

    async def start(review_id: str, former: str | None) -> None:
        async with limit:
            flow_run = await arun_deployment(
                DEPLOYMENT,
                parameters={"review_id": review_id},
                idempotency_key=f"review-{review_id}-{former or 'first'}",
                timeout=0,
                as_subflow=False,
                tags=[name],
            )
        with here.store.transaction() as tx:
            tx.reviews.shown(review_id, str(flow_run.id), here.now())

    try:
        await asyncio.gather(*[start(review_id, former) for review_id, former in lacking])
    except ObjectNotFound:
        get_run_logger().warning(
            "%d reviews wait, and Prefect has no deployment %s to show them. Run 'prefect deploy --all', "
            "or answer with 'interlock reviews list' and 'decide'.",
            len(lacking),
            DEPLOYMENT,
        )
        return 0
    return len(lacking)


def _is_over(state: State[object] | None, now: datetime) -> bool:
    """Whether a run can take no answer any more: ended, or silent since it was killed while starting."""
    if state is None or state.type in OVER:
        return True
    return state.type in (StateType.PENDING, StateType.RUNNING) and now - state.timestamp > STARTING


async def _live(flow_runs: Iterable[str], now: datetime) -> set[str]:
    """Those of the flow runs that can still take an answer."""
    ids = [UUID(flow_run) for flow_run in flow_runs]
    live: set[str] = set()
    async with get_client() as client:
        for start in range(0, len(ids), 200):
            wanted = FlowRunFilter(id=FlowRunFilterId(any_=ids[start : start + 200]))
            found = await client.read_flow_runs(flow_run_filter=wanted, limit=200)
            live |= {str(run.id) for run in found if not _is_over(run.state, now)}
    return live
