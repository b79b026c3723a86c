"""Looks, before a run touches anything, whether it can do its work; says what it cannot."""

from prefect import get_run_logger, task

from domain.decision import Reason
from domain.explain import BECAUSE
from domain.values import Frozen
from tasks.names import named
from tasks.resources import resources


class Plan(Frozen):
    """What a run will do: at most `items`, `chunk` at a time."""

    items: int
    chunk: int


@task(task_run_name=named("prepare"))
async def prepare(policy: str) -> Plan:
    """Load the policy, reach for its systems, and say on the first line who will decide; an ask.

    Raises:
        PolicyInvalid: the policy is wrong, or a system that it writes to is not set up.
    """
    here = resources()
    workflow = here.workflow(policy)
    for destination in workflow.policy.destinations.values():
        here.destination(destination.system)
    threshold, log = workflow.terms.threshold, get_run_logger()
    if here.model is None:
        log.warning("%s: %s; rules and people decide", policy, BECAUSE[Reason.NO_MODEL])
    elif threshold is None:
        log.warning("%s: %s; rules and people decide", policy, BECAUSE[Reason.NO_CALIBRATION])
    elif threshold.classifier != here.classifier(workflow):
        log.warning("%s: %s; rules and people decide", policy, BECAUSE[Reason.STALE_CALIBRATION])
    else:
        log.info("%s: %s decides alone from a confidence of %.3f", policy, here.model_name, threshold.value)
    batch = workflow.policy.batch
    return Plan(items=batch.items, chunk=batch.chunk)
