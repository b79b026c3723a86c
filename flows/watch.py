"""Looks after what waits: late reviews escalate, lost forms come back, the books are checked."""

from prefect import flow

from domain.account import Account
from tasks.account import balance
from tasks.forms import open_forms
from tasks.names import named
from tasks.resources import opened
from tasks.review import escalate_late


@flow(name="watch", flow_run_name=named("watch"))
async def watch(policy: str) -> Account:
    """For a schedule: nothing waits longer than the policy says without somebody being told."""
    async with opened():
        await escalate_late(policy)
        await open_forms(policy)
        return await balance(policy)
