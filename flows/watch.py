"""Looks after what waits and what acts: deadlines, audit, drift, late reviews, ladders, forms, promises, the books."""

from prefect import flow

from domain.account import Account
from tasks.account import balance
from tasks.assign import assign_reviews
from tasks.clocks import watch_clocks
from tasks.escalate import climb
from tasks.forms import close_forms, open_forms
from tasks.heartbeat import beat
from tasks.meet import note_deadlines
from tasks.names import named
from tasks.resources import opened
from tasks.review import escalate_late
from tasks.standing import step_back, watch_drift


@flow(name="watch", flow_run_name=named("watch"))
async def watch(policy: str) -> Account:
    """For a schedule: nothing waits longer than the policy says, or goes wrong unseen, without somebody being told."""
    async with opened():
        await note_deadlines(policy)
        await step_back(policy)
        await watch_drift(policy)
        await escalate_late(policy)
        await assign_reviews(policy)
        await watch_clocks(policy)
        await climb(policy)
        await open_forms(policy)
        await close_forms(policy)
        account = await balance(policy)
        await beat(policy)
        return account
