"""Watches the promises on time: tells of those that run out and of those that are broken."""

from prefect import task

from connectors.store.clocks import Alarm
from domain.sla import ClockName, State
from policies.model import Policy
from tasks.alert import alert, escalate
from tasks.names import ACT, named
from tasks.resources import Resources, resources

ENTRIES, ALARMS = 100, 100
"""Entries that are followed, and clocks that ring, in one transaction: others wait for it a moment."""


@task(task_run_name=named("watch-clocks"), **ACT)
async def watch_clocks(policy: str) -> int:
    """Warn of what is due soon and tell of what is late, once each; an act, safe to repeat. Returns how many rang.

    Who comes after a long silence reads all that has happened since, so that what was late in
    the meantime and has ended is in the figures and the ledger too.
    """
    here = resources()
    chosen = here.workflow(policy).policy
    while _follow(here, chosen):
        pass
    rung = 0
    while (alarms := _ring(here, chosen)) is not None:
        for alarm in alarms:
            _tell(chosen, alarm)
        rung += len(alarms)
    return rung


def _follow(here: Resources, policy: Policy) -> bool:
    with here.store.transaction() as tx:
        return tx.clocks.follow(policy.name, policy.clocks, ENTRIES, here.now())


def _ring(here: Resources, policy: Policy) -> list[Alarm] | None:
    with here.store.transaction() as tx:
        return tx.clocks.ring(policy.name, policy.clocks, ALARMS, here.now())


def _tell(policy: Policy, alarm: Alarm) -> None:
    """Escalate what is late and not done; a late review is escalated when its own time is over."""
    item_id, reading = alarm.item_id, alarm.reading
    what = reading.clock.value.replace("_", " ")
    due = f"due by {reading.due_at:%Y-%m-%d %H:%M} UTC"
    if reading.state is not State.BREACHED:
        alert("sla.warned", "item", item_id, f"{item_id}: {what} is {due}", policy=policy.name)
    elif reading.ended_at is None and reading.clock is not ClockName.REVIEW_ANSWERED:
        escalate(
            "sla.breached", item_id, policy, f"{item_id}: {what} is late, it was {due}: for {policy.escalation.to}"
        )
    else:
        alert("sla.breached", "item", item_id, f"{item_id}: {what} was late, it was {due}", policy=policy.name)
