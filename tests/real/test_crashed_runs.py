"""A run whose process and worker are killed is found by the automation that is shipped, and the next one runs."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from uuid import UUID

import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy, StateType
from prefect.deployments.flow_runs import arun_deployment
from prefect.states import Cancelling, Pending, Submitting
from prefect.types.entrypoint import EntrypointType
from stuck import stuck

from console.doctor_prefect import AUTOMATIONS
from console.local_prefect import background

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]

ROOT = Path(__file__).parents[2]
PATIENCE_S = 90
POOL = "crashed-runs"
SHARED = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))["definitions"]


@contextmanager
def worker(home: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = ["prefect", "worker", "start", "--pool", POOL, "--type", "process", "--install-policy", "never"]
    environ = {"PREFECT_HOME": str(home), "PREFECT_WORKER_QUERY_SECONDS": "1", "INTERLOCK_TEST_STUCK": str(home)}
    with background(command, environ, home / "worker.log") as process:
        yield process


@asynccontextmanager
async def automations(folder: Path, ui: str, within_s: int) -> AsyncIterator[None]:
    """As the file says, but for the patience; ten seconds is the least that Prefect takes."""
    file = folder / "automations.yaml"
    file.write_text(AUTOMATIONS.read_text(encoding="utf-8").replace("within: 180", f"within: {within_s}"))
    command = [str(Path(sys.executable).with_name("prefect")), "automation", "create", "--from-file", str(file)]
    environ = {"PREFECT_API_URL": f"{ui}/api", "PREFECT_HOME": str(folder), "PATH": "/usr/bin:/bin"}
    done = await asyncio.to_thread(subprocess.run, command, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    try:
        yield
    finally:
        async with get_client() as client:
            for name in (one["name"] for one in yaml.safe_load(file.read_text(encoding="utf-8"))["automations"]):
                for one in await client.read_automations_by_name(name):
                    await client.delete_automation(one.id)


async def deploy(at_once: int) -> None:
    """As `prefect.yaml` does: so many runs at a time, and as many slots; the tag by which runs are watched."""
    async with get_client() as client:
        wanted = WorkPoolCreate(name=POOL, type="process", concurrency_limit=at_once)
        await client.create_work_pool(wanted, overwrite=True)
    deployment = await stuck.ato_deployment(
        name="stuck",
        work_pool_name=POOL,
        entrypoint_type=EntrypointType.MODULE_PATH,
        tags=SHARED["watched"],
        job_variables=SHARED["pool"]["job_variables"],
        concurrency_limit=ConcurrencyLimitConfig(limit=at_once, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW),
    )
    deployment.entrypoint = "stuck.stuck"
    await deployment.aapply()


async def until(true: Callable[[], Awaitable[bool]]) -> None:
    for _ in range(PATIENCE_S * 2):
        if await true():
            return
        await asyncio.sleep(0.5)
    raise AssertionError("waited too long")


async def started(home: Path) -> UUID:
    """A run of the deployment, once its process works."""
    run = await arun_deployment("stuck/stuck", timeout=0, as_subflow=False)

    async def works() -> bool:
        assert await state(run.id) not in {StateType.CANCELLED, StateType.CRASHED}
        return (home / "pid").exists()

    await until(works)
    return run.id


async def state(run: UUID) -> StateType | None:
    async with get_client() as client:
        return (await client.read_flow_run(run)).state_type


async def test_a_run_whose_worker_died_crashes_and_holds_no_slot_any_more(
    prefect: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", f"{ROOT / 'tests'}:{ROOT}")
    monkeypatch.setenv("PREFECT_API_URL", f"{prefect}/api")
    async with automations(tmp_path, prefect, within_s=40):  # in which a process begins, whatever runs beside it
        await deploy(at_once=1)
        with worker(tmp_path) as first:
            killed = await started(tmp_path)
            first.kill()
            os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
            first.wait()
        (tmp_path / "pid").unlink()
        assert await state(killed) is StateType.RUNNING

        async def crashed() -> bool:
            return await state(killed) is StateType.CRASHED

        await until(crashed)
        with worker(tmp_path):
            following = await started(tmp_path)
            (tmp_path / "stop").touch()

            async def completed() -> bool:
                return await state(following) is StateType.COMPLETED

            await until(completed)


async def test_runs_whose_worker_died_before_their_process_began_or_was_cancelled_end_too(
    prefect: str, tmp_path: Path
) -> None:
    left = {Pending(): StateType.CRASHED, Submitting(): StateType.CRASHED, Cancelling(): StateType.CANCELLED}
    async with automations(tmp_path, prefect, within_s=10):
        await deploy(at_once=len(left))
        runs = {}
        for as_it_was, end in left.items():
            run = await arun_deployment("stuck/stuck", timeout=0, as_subflow=False)
            async with get_client() as client:
                await client.set_flow_run_state(run.id, as_it_was)
            runs[run.id] = end

        async def ended() -> bool:
            return {run: await state(run) for run in runs} == runs

        await until(ended)
