"""Event → the case it belongs to → one action out of a closed list → person → validated write."""

import asyncio

from prefect import flow, get_run_logger
from prefect.runtime import flow_run

from domain.account import Account
from flows.deliver import WAIT_S
from tasks.account import balance
from tasks.act import act
from tasks.choose import choose_actions
from tasks.claim import claim
from tasks.deliver import deliver_due
from tasks.forms import open_forms
from tasks.meet import meet
from tasks.names import named
from tasks.prepare import prepare
from tasks.resources import opened
from tasks.review import escalate_late
from tasks.standing import step_back


@flow(name="next-action", flow_run_name=named("next-action"))
async def next_action(policy: str, wait_s: float = WAIT_S) -> Account:
    """Decide what is to be done about each event that waits: onboarding, orders.

    Each event meets its case as it stands; the agent and the labelled examples propose one of the
    policy's actions, and rules, preconditions and the action's weight decide whether it is taken
    or a person asked. Run it as often as you like: an event is decided once, and its action taken
    once. That a deadline has passed is an event too, of which `flows.watch` takes note.

    Args:
        policy: name of a shipped policy about cases, or path of a YAML file.
        wait_s: how long the run waits for writes that other systems put off, in seconds.
    """
    async with opened():
        plan = await prepare(policy)
        try:
            left = plan.items
            while left > 0 and (items := await claim(policy, str(flow_run.id), min(left, plan.chunk))):
                if met := await meet(policy, items):
                    await act(policy, met, *await choose_actions(policy, met))
                left -= len(items)
            await step_back(policy)
            await escalate_late(policy)
            async with asyncio.TaskGroup() as at_once:
                at_once.create_task(open_forms(policy))
                at_once.create_task(deliver_due(wait_s))
        finally:
            account = await balance(policy)
        get_run_logger().info("%s: %s", policy, account)
        return account
