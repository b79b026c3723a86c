"""Input → classification → threshold → rules → person → validated write."""

import asyncio

from prefect import flow, get_run_logger
from prefect.runtime import flow_run

from domain.account import Account
from flows.deliver import WAIT_S
from tasks.account import balance
from tasks.claim import claim
from tasks.decide import decide_items
from tasks.deliver import deliver_due
from tasks.extract import extract
from tasks.forms import open_forms
from tasks.names import named
from tasks.prepare import prepare
from tasks.propose import propose
from tasks.resources import opened
from tasks.review import escalate_late
from tasks.standing import step_back


@flow(name="route", flow_run_name=named("route"))
async def route(policy: str, wait_s: float = WAIT_S) -> Account:
    """Route what waits in a policy's inbox: leads to sales, tickets to queues.

    Each item is proposed a route by the model and the labelled examples, and is decided by
    threshold, rule or person; what may be written goes out through the outbox, and what a
    person must decide gets a review. Where the blind audit refutes the promise, the mode steps
    back for the next items. Run it as often as you like: an item is decided once
    and written once.

    Args:
        policy: name of a shipped policy, or path of a YAML file.
        wait_s: how long the run waits for writes that other systems put off, in seconds.
            What takes longer stays in the outbox for `flows.deliver`.
    """
    async with opened():
        plan = await prepare(policy)
        try:
            left = plan.items
            while left and (items := await claim(policy, str(flow_run.id), min(left, plan.chunk))):
                await extract(policy, items)
                proposed = await propose(policy, items)
                await decide_items(policy, items, proposed)
                left -= len(items)
            await step_back(policy)
            await escalate_late(policy)
            async with asyncio.TaskGroup() as at_once:
                at_once.create_task(open_forms(policy))
                at_once.create_task(deliver_due(wait_s))
            await open_forms(policy)  # of records that may be in their system already, which delivery found
        finally:
            account = await balance(policy)
        get_run_logger().info("%s: %s", policy, account)
        return account
