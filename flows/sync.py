"""Changes of several systems → three-way merge by field → person for what contradicts → compare-and-set writes."""

from prefect import flow

from domain.account import Account
from flows.deliver import WAIT_S
from flows.in_rounds import ask_people, in_rounds
from tasks.account import balance
from tasks.names import named
from tasks.prepare import prepare
from tasks.resources import opened


@flow(name="sync", flow_run_name=named("sync"))
async def sync(policy: str, wait_s: float = WAIT_S) -> Account:
    """Keep what several systems hold of the same things in step.

    Reads what changed, finds out what new records are of, hears every edit, and has what differs
    written through the outbox. Run it as often as you like: an edit is heard once, and a system is
    written to only where it holds something else than what is agreed on.

    Args:
        policy: name of a shipped policy about records, or path of a YAML file.
        wait_s: how long the run waits for writes that other systems put off, in seconds.
    """
    async with opened():
        await prepare(policy, classifies=False, syncs=True)
        try:
            await in_rounds(policy, wait_s)
            await ask_people(policy)
        finally:
            account = await balance(policy)
        return account
