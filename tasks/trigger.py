"""Starts a policy's deployment when something has come for it, so that it does not wait for the schedule.

A start that is lost costs nothing but that wait: the schedule sweeps the inbox all the same.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from uuid import UUID

from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.sorting import FlowRunSort

from connectors.http_outcomes import HttpFailure
from domain.errors import Unavailable
from policies.load import Workflow

FLOWS = ("intake", "route")
"""The flows whose deployments take from the inboxes of policies without routes, and with them."""

LONGEST_RUN = timedelta(hours=1)
"""A run that began longer ago, and says that it still works, was killed with its worker."""

AHEAD = (StateType.SCHEDULED, StateType.PENDING)


class Start(StrEnum):
    """What came of a wish to start a run."""

    STARTED = "started"
    AHEAD = "ahead"
    """A run is due and has not begun: it will take what has come."""
    AT_WORK = "at_work"
    """A run is at work, and may have looked already: ask again when it is over."""
    NO_DEPLOYMENT = "no_deployment"


async def start_route(workflow: Workflow, now: datetime) -> Start:
    """Start a run of a policy's deployment, unless one is due or at work.

    Raises:
        Unavailable: Prefect does not answer.
    """
    try:
        async with get_client() as client:
            deployment = await _deployment(client, workflow)
            if deployment is None:
                return Start.NO_DEPLOYMENT
            states = await _under_way(client, deployment, now)
            if any(state in AHEAD for state in states):
                return Start.AHEAD
            if states:
                return Start.AT_WORK
            await client.create_flow_run_from_deployment(deployment)
    except HttpFailure as exc:
        raise Unavailable(f"Prefect does not answer: {type(exc).__name__}") from exc
    return Start.STARTED


async def _deployment(client: PrefectClient, workflow: Workflow) -> UUID | None:
    """The deployment that works off a policy's items, by the policy that its parameters name."""
    found = await client.read_deployments(
        flow_filter=FlowFilter(name=FlowFilterName(any_=[FLOWS[workflow.policy.classifies]]))
    )
    named = {one.id: str(one.parameters.get("policy", "")) for one in found if not one.paused}
    # Where the workers are, the same file may have another path.
    alike = [id_ for id_, policy in named.items() if policy and Path(policy).stem == workflow.path.stem]
    exactly = [id_ for id_ in alike if named[id_] == workflow.reference]
    return next(iter(exactly or alike), None)


async def _under_way(client: PrefectClient, deployment: UUID, now: datetime) -> list[StateType]:
    """States of the deployment's runs that should have begun and are not over."""
    wanted = FlowRunFilter(
        deployment_id=FlowRunFilterDeploymentId(any_=[deployment]),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[*AHEAD, StateType.RUNNING])),
        expected_start_time=FlowRunFilterExpectedStartTime(after_=now - LONGEST_RUN, before_=now),
    )
    runs = await client.read_flow_runs(flow_run_filter=wanted, sort=FlowRunSort.EXPECTED_START_TIME_DESC, limit=20)
    return [run.state_type for run in runs if run.state_type is not None]
