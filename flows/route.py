"""Input → classification → threshold → rules → person → validated write."""

from prefect import flow

from domain.account import Account
from domain.item import ClaimedItem
from flows.chunks import work_off
from flows.deliver import WAIT_S
from tasks.decide import decide_items
from tasks.extract import extract
from tasks.names import named, whole
from tasks.propose import propose


@flow(name="route", flow_run_name=named("route"))
async def route(policy: str, wait_s: float = WAIT_S) -> Account:
    """Route what waits in a policy's inbox: leads to sales, tickets to queues.

    Each item is proposed a route by the model and the labelled examples, and is decided by
    threshold, rule or person; what may be written goes out through the outbox, and what a
    person must decide gets a review. Run it as often as you like: an item is decided once
    and written once.

    Args:
        policy: name of a shipped policy, or path of a YAML file; one with routes.
        wait_s: how long the run waits for writes that other systems put off, in seconds.
    """

    async def decide_chunk(items: list[ClaimedItem]) -> None:
        await extract(policy, items)
        proposed = await propose(policy, items)
        await decide_items(policy, whole(items), whole(proposed))

    return await work_off(policy, wait_s, decide_chunk, classifies=True)
