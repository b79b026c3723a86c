"""All records of several systems → drift measured, what was missed heard → doubles and gaps proposed for repair."""

from prefect import flow

from domain.account import Account
from flows.deliver import WAIT_S
from flows.in_rounds import ask_people, in_rounds
from tasks.account import balance
from tasks.names import named
from tasks.prepare import prepare
from tasks.reconcile import read_whole
from tasks.repair import propose_repairs
from tasks.resources import opened

PATIENCE_S = 1_800.0
"""Seconds that a run waits by default for systems that ask to be left alone; what is left comes with the next run."""


@flow(name="reconcile", flow_run_name=named("reconcile"))
async def reconcile(policy: str, wait_s: float = WAIT_S, patience_s: float = PATIENCE_S) -> Account:
    """Compare every record of every system with what is agreed on, and mend what was missed.

    First the changes are heard, so that what then differs was missed. Run it as often as you like: one that was
    ended half-way, by whatever, is gone on with, and nothing is counted twice.

    Args:
        policy: name of a shipped policy about records, or path of a YAML file.
        wait_s: how long the run waits for writes that other systems put off, in seconds.
        patience_s: how long it waits in all for systems that ask not to be read for a while, in seconds.
    """
    async with opened():
        await prepare(policy, classifies=False, syncs=True)
        try:
            await in_rounds(policy, wait_s)
            await read_whole(policy, patience_s)
            await in_rounds(policy, wait_s)
            if await propose_repairs(policy):
                await in_rounds(policy, wait_s)
            await ask_people(policy)
        finally:
            account = await balance(policy)
        return account
