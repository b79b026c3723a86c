"""What every workflow does with what waits in its inbox: in chunks, and to the end."""

import asyncio
from collections.abc import Awaitable, Callable

from prefect import get_run_logger
from prefect.runtime import flow_run

from domain.account import Account
from domain.item import ClaimedItem
from tasks.account import balance
from tasks.assign import assign_reviews
from tasks.claim import claim
from tasks.deliver import deliver_due
from tasks.escalate import climb
from tasks.forms import open_forms
from tasks.prepare import prepare
from tasks.resources import opened
from tasks.review import escalate_late
from tasks.standing import step_back


async def work_off(
    policy: str, wait_s: float, decide_chunk: Callable[[list[ClaimedItem]], Awaitable[None]], *, classifies: bool
) -> Account:
    """Let `decide_chunk` decide what waits; then deliver what may be written, and ask people about the rest.

    Where the blind audit refutes the promise, the mode steps back for the next items. The
    books are balanced whatever happens.

    Args:
        wait_s: how long the run waits for writes that other systems put off, in seconds.
            What takes longer stays in the outbox for `flows.deliver`.
        classifies: whether the workflow is one with routes.
    """
    async with opened():
        plan = await prepare(policy, classifies=classifies)
        try:
            left = plan.items
            while left and (items := await claim(policy, str(flow_run.id), min(left, plan.chunk))):
                await decide_chunk(items)
                left -= len(items)
            await step_back(policy)
            await escalate_late(policy)
            await assign_reviews(policy)
            await climb(policy)
            async with asyncio.TaskGroup() as at_once:
                at_once.create_task(open_forms(policy))
                at_once.create_task(deliver_due(wait_s))
            await open_forms(policy)  # of records that may be in their system already, which delivery found
        finally:
            account = await balance(policy)
        get_run_logger().info("%s: %s", policy, account)
        return account
