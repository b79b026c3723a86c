"""Changes of several systems → three-way merge by field → person for what contradicts → compare-and-set writes."""

from prefect import flow

from domain.account import Account
from flows.deliver import WAIT_S
from tasks.account import balance
from tasks.assign import assign_reviews
from tasks.deliver import deliver_due
from tasks.escalate import climb
from tasks.forms import open_forms
from tasks.in_step import keep_in_step, note_written
from tasks.names import named
from tasks.observe import note_changes, read_changed
from tasks.prepare import prepare
from tasks.recognise import recognise
from tasks.resources import opened
from tasks.review import escalate_late

MOST_ROUNDS = 5
"""Rounds in one run: what a write brings about, such as a conflict with an edit in between, is seen in the next."""


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
            for _ in range(MOST_ROUNDS):
                await note_changes(policy)
                await read_changed(policy)
                await recognise(policy)
                merged = await keep_in_step(policy)
                await deliver_due(wait_s)
                if not merged + await note_written(policy):
                    break
            await escalate_late(policy)
            await assign_reviews(policy)
            await climb(policy)
            await open_forms(policy)
        finally:
            account = await balance(policy)
        return account
