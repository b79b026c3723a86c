"""Drains the outbox: for a schedule, and for what a run could not wait for."""

from prefect import flow

from tasks.deliver import deliver_due, leave_rest
from tasks.resources import opened

WAIT_S = 30.0
"""Seconds that a run waits by default for writes that other systems put off."""


@flow(name="deliver")
async def deliver(wait_s: float = WAIT_S) -> int:
    """Send every write that is due, and those that fall due within `wait_s`; returns the tries."""
    async with opened():
        tried = await deliver_due(wait_s)
        await leave_rest(tried)
        return tried
