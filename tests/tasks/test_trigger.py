"""Starting a policy's deployment for what has come, on a real Prefect server."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Cancelled, Running
from prefect.types.entrypoint import EntrypointType
from tiny import write_tiny

from console.local_prefect import free_port
from domain.errors import Unavailable
from flows.route import route
from policies.load import Workflow, load_workflow
from tasks.trigger import Start, start_route


@pytest.fixture
def workflow(tmp_path, prefect: str) -> Workflow:
    return load_workflow(write_tiny(tmp_path))


@pytest.fixture
async def deployment(workflow: Workflow) -> AsyncIterator[UUID]:
    """The policy's deployment, on a pool without a worker."""
    async with get_client() as client:
        await client.create_work_pool(WorkPoolCreate(name="triggered", type="process"), overwrite=True)
    made = await route.ato_deployment(
        name="tiny",
        parameters={"policy": workflow.reference},
        work_pool_name="triggered",
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    made_id = await made.aapply()
    yield made_id
    async with get_client() as client:
        for run in await client.read_flow_runs():
            if run.deployment_id == made_id:
                await client.set_flow_run_state(run.id, Cancelled(), force=True)
        await client.delete_deployment(made_id)


async def start(workflow: Workflow, **later: float) -> Start:
    return await start_route(workflow, datetime.now(UTC) + timedelta(seconds=1, **later))


async def test_a_run_is_started_unless_one_is_due_or_at_work(workflow: Workflow, deployment: UUID) -> None:
    assert await start(workflow) is Start.STARTED
    assert await start(workflow) is Start.AHEAD, "that one takes what has come, whenever a worker is there"

    async with get_client() as client:
        [run] = [run for run in await client.read_flow_runs() if run.deployment_id == deployment]
        await client.set_flow_run_state(run.id, Running(), force=True)
    assert await start(workflow) is Start.AT_WORK
    assert run.parameters == {"policy": workflow.reference}

    assert await start(workflow, hours=2) is Start.STARTED, "one that works so long was killed"


async def test_without_a_deployment_nothing_is_started(workflow: Workflow) -> None:
    assert await start(workflow) is Start.NO_DEPLOYMENT


async def test_a_prefect_that_does_not_answer_is_unavailable(workflow: Workflow) -> None:
    with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{free_port()}/api"}), pytest.raises(Unavailable):
        await start(workflow)
