"""Every flow of `prefect.yaml` is deployed by the one command that the README names, and runs by its schedule."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.settings import get_current_settings

ROOT = Path(__file__).parents[2]
DEPLOYMENTS = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]


def run(*command: str) -> subprocess.CompletedProcess[str]:
    script = str(Path(sys.executable).with_name(command[0]))
    api = get_current_settings().api.url or ""
    environ = {**os.environ, "PREFECT_API_URL": api, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [script, *command[1:]], cwd=ROOT, env=environ, capture_output=True, text=True, timeout=600, check=False
    )


@pytest.fixture
async def left_alone(prefect: str) -> AsyncIterator[None]:
    """Afterwards no worker of another test finds these deployments' runs."""
    yield
    async with get_client() as client:
        for one in await client.read_deployments(limit=200):
            await client.delete_deployment(one.id)


@pytest.mark.timeout(900)
@pytest.mark.usefixtures("left_alone")
async def test_prefect_deploy_takes_every_flow_as_the_file_stands() -> None:
    run("prefect", "work-pool", "create", "interlock", "--type", "process", "--overwrite")

    deployed = run("prefect", "deploy", "--all", "--no-prompt")

    assert deployed.returncode == 0, deployed.stdout + deployed.stderr
    async with get_client() as client:
        there = {one.name: one for one in await client.read_deployments(limit=200)}
    assert there.keys() >= {one["name"] for one in DEPLOYMENTS}
    for one in DEPLOYMENTS:
        assert there[one["name"]].entrypoint == one["entrypoint"]
        assert len(there[one["name"]].schedules) == len(one.get("schedules", []))
    await planned({there[one["name"]].id for one in DEPLOYMENTS if one.get("schedules")})


async def planned(deployments: set[UUID]) -> None:
    """Wait until Prefect has planned runs of every one."""
    async with get_client() as client, asyncio.timeout(120):
        while deployments:
            runs = await client.get_scheduled_flow_runs_for_deployments(list(deployments))
            deployments = deployments - {run.deployment_id for run in runs}
            await asyncio.sleep(0.5)
