"""Erases what is kept of a person, or of what a policy no longer keeps, in the store and in Prefect."""

from collections.abc import Collection
from contextlib import suppress
from datetime import timedelta
from uuid import UUID

from prefect import task
from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound
from prefect.settings import get_current_settings

from connectors.http_outcomes import HttpFailure
from domain.erasure import Erasure, Subjects
from domain.errors import Unavailable
from tasks.names import ACT, named
from tasks.resources import Resources, resources

AT_ONCE = 100
"""Items that are erased in one transaction: others wait for it a moment."""

RETENTION = "retention"
"""Who erases, where a policy says so."""


@task(task_run_name=named("retain"), **ACT)
async def erase_aged(policy: str) -> Erasure:
    """Erase what came in, or ended, longer ago than the policy keeps it; an act, safe to repeat.

    What is not done stays until it is. The forms go first: of what is erased, nobody would look for them again.

    Raises:
        Unavailable: Prefect has, or may have, some of the forms still; what they showed is kept until they are gone.
    """
    here = resources()
    chosen = here.workflow(policy).policy
    total = Erasure()
    if chosen.retention.days is None:
        return total
    why = f"kept for {chosen.retention.days:g} days by {chosen.name}"
    before = here.now() - timedelta(days=chosen.retention.days)
    while True:
        with here.store.reading() as tx:
            subjects = tx.erasing.search.aged(chosen.name, before, AT_ONCE)
            forms = tx.erasing.forms(subjects)
        if not subjects:
            return total
        if left := await _forget(forms):
            raise Unavailable(f"{left} runs of review forms are left in Prefect: nothing is erased before these are")
        with here.store.transaction() as tx:
            erased = tx.erasing.erase(subjects, RETENTION, why, here.now())
        counts = {name: count + getattr(erased, name) for name, count in total.model_dump().items()}
        if total == (total := Erasure(**counts)):
            return total


async def erase(here: Resources, subjects: Subjects, by: str, why: str) -> tuple[Erasure, int]:
    """Erase subjects in the store, and the runs that Prefect keeps of their forms; how many of those are left.

    Raises:
        NotEndedError: something of it is not done; nothing was erased.
    """
    with here.store.transaction() as tx:
        forms = tx.erasing.forms(subjects)
        erased = tx.erasing.erase(subjects, by, why, here.now())
    return erased, await _forget(forms)


async def _forget(flow_runs: Collection[str]) -> int:
    """Delete flow runs with what their forms showed and were answered; how many Prefect still has, or may have."""
    left = len(flow_runs)
    if not flow_runs or not get_current_settings().api.url:  # a server of its own would know none of them
        return left
    try:
        async with get_client() as client:
            for flow_run in flow_runs:
                with suppress(ObjectNotFound, ValueError):  # gone already, or never one of Prefect's
                    await client.delete_flow_run(UUID(flow_run))
                left -= 1
    except HttpFailure:
        return left
    return left
