"""Brings in what waits elsewhere: mailboxes, folders, other systems' changes."""

from prefect import flow

from tasks.collect import collect as collect_task
from tasks.names import named
from tasks.resources import opened


@flow(name="collect", flow_run_name=named("collect"))
async def collect(policy: str) -> int:
    """Store what is new in the sources that a policy names; `flows.route` takes it from there.

    Each run goes on where the one before stopped, so that a run that was missed costs time and
    no item. Returns how many items came.

    Args:
        policy: name of a shipped policy, or path of a YAML file.
    """
    async with opened():
        return await collect_task(policy)
