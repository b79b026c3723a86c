"""Looks, before a run touches anything, whether it can do its work; says what it cannot."""

from prefect import get_run_logger, task

from domain.decision import Reason
from domain.explain import BECAUSE
from domain.values import Frozen
from policies.load import Workflow
from tasks.names import ACT, named
from tasks.resources import Resources, resources


class Plan(Frozen):
    """What a run will do: at most `items`, `chunk` at a time."""

    items: int
    chunk: int


@task(task_run_name=named("prepare"), **ACT)
async def prepare(policy: str) -> Plan:
    """Load the policy, reach for its systems, and say on the first line who will decide; an ask.

    Raises:
        PolicyInvalid: the policy is wrong, or a system that it writes to is not set up.
    """
    here = resources()
    workflow = here.workflow(policy)
    reach_systems(here, workflow)
    log = get_run_logger()
    (log.info if nobody_alone(here, workflow) is None else log.warning)(who_decides(here, workflow))
    batch = workflow.policy.batch
    return Plan(items=batch.items, chunk=batch.chunk)


def reach_systems(here: Resources, workflow: Workflow) -> None:
    """Open the connector of every system that a workflow writes to.

    Raises:
        PolicyInvalid: one is unknown or not set up; says which variable to set.
    """
    for destination in workflow.policy.destinations.values():
        here.destination(destination.system)


def nobody_alone(here: Resources, workflow: Workflow) -> Reason | None:
    """Why no proposal of this run may act alone; None if some may."""
    threshold = workflow.terms.threshold
    if here.model is None:
        return Reason.NO_MODEL
    if threshold is None:
        return Reason.NO_CALIBRATION
    return None if threshold.classifier == here.classifier(workflow) else Reason.STALE_CALIBRATION


def who_decides(here: Resources, workflow: Workflow) -> str:
    """One line: which model decides alone from which confidence, or that rules and people decide."""
    reason, threshold = nobody_alone(here, workflow), workflow.terms.threshold
    if reason is not None or threshold is None:
        return f"{workflow.policy.name}: {BECAUSE[reason or Reason.NO_CALIBRATION]}; rules and people decide"
    return f"{workflow.policy.name}: {here.model_name} decides alone from a confidence of {threshold.value:.3f}"
