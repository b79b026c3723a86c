"""Looks after what waits and what acts: audit, drift, late reviews, lost forms, promises on time, the books."""

from prefect import flow

from domain.account import Account
from tasks.account import balance
from tasks.clocks import watch_clocks
from tasks.forms import open_forms
from tasks.heartbeat import beat
from tasks.names import named
from tasks.resources import opened
from tasks.review import escalate_late
from tasks.standing import step_back, watch_drift


@flow(name="watch", flow_run_name=named("watch"))
async def watch(policy: str) -> Account:
    """For a schedule: nothing waits longer than the policy says, or goes wrong unseen, without somebody being told."""
    async with opened():
        await step_back(policy)
        await watch_drift(policy)
        await escalate_late(policy)
        await open_forms(policy)
        await watch_clocks(policy)
        account = await balance(policy)
        await beat(policy)
        return account
