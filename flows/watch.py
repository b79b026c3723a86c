"""Looks after what waits and what acts: deadlines, audit, drift, late reviews, ladders, forms, promises, the books."""

from collections.abc import Coroutine
from typing import Any

from prefect import Task, flow

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

STEPS: tuple[Task[[str], Coroutine[Any, Any, Any]], ...] = (
    note_deadlines,
    step_back,
    watch_drift,
    escalate_late,
    assign_reviews,
    watch_clocks,
    climb,
    open_forms,
    close_forms,
)
"""In this order: what one of them escalates, `climb` tells."""


@flow(name="watch", flow_run_name=named("watch"))
async def watch(policy: str) -> Account:
    """For a schedule: nothing waits longer than the policy says, or goes wrong unseen, without somebody being told.

    A step that fails keeps none of the others; the run fails at the end, and counts as no watch.
    """
    async with opened():
        ended = [await step(policy, return_state=True) for step in STEPS]  # type: ignore[misc]  # Prefect's own slip
        account = await balance(policy)
        for state in ended:
            await state.aresult()
        await beat(policy)
        return account
