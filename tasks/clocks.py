"""Watches the promises on time: tells of those that run out and of those that are broken."""

from prefect import task

from connectors.store.clocks import Alarm
from domain.escalation import Cause
from domain.sla import ClockName, State
from policies.model import Policy
from tasks.alert import alert
from tasks.customer import give_up
from tasks.escalate import escalate
from tasks.names import ACT, named
from tasks.resources import Resources, resources

ENTRIES, ALARMS = 100, 100
"""Entries that are followed, and clocks that ring, in one transaction: others wait for it a moment."""


@task(task_run_name=named("watch-clocks"), **ACT)
async def watch_clocks(policy: str) -> int:
    """Warn of what is due soon and tell of what is late, once each; an act, safe to repeat.

    First the clocks run on that stood still for a customer for too long, which is told too. Who
    comes after a long silence reads all that has happened since, so that what was late in the
    meantime and has ended is in the figures and the ledger too. Returns of how many somebody was told.
    """
    here = resources()
    chosen = here.workflow(policy).policy
    told = give_up(here, chosen)
    while _follow(here, chosen):
        pass
    while (alarms := _ring(here, chosen)) is not None:
        for alarm in alarms:
            _tell(chosen, alarm)
        told += len(alarms)
    return told


def _follow(here: Resources, policy: Policy) -> bool:
    with here.store.transaction() as tx:
        return tx.clocks.follow(policy.name, policy.clocks, ENTRIES, here.now())


def _ring(here: Resources, policy: Policy) -> list[Alarm] | None:
    """Those that ring now; what is late and not done is escalated in the same transaction."""
    now = here.now()
    with here.store.transaction() as tx:
        alarms = tx.clocks.ring(policy.name, policy.clocks, ALARMS, now)
        for alarm in filter(_is_for_somebody, alarms or ()):
            item_id = alarm.item_id
            escalate(tx, Cause.SLA_BREACHED, item_id, policy.name, _late(alarm), now, item_id=item_id)
    return alarms


def _is_for_somebody(alarm: Alarm) -> bool:
    """Whether it is late and not done; a late review is escalated when its own time is over."""
    reading = alarm.reading
    unfinished = reading.state is State.BREACHED and reading.ended_at is None
    return unfinished and reading.clock is not ClockName.REVIEW_ANSWERED


def _tell(policy: Policy, alarm: Alarm) -> None:
    """Prefect's event for each clock; people are told of what is late by the ladder, many as one."""
    item_id, due = alarm.item_id, _due(alarm)
    if alarm.reading.state is not State.BREACHED:
        alert("sla.warned", "item", item_id, f"{item_id}: {_what(alarm)} is {due}", policy=policy.name)
    elif _is_for_somebody(alarm):
        first = policy.escalation.step(0).to
        alert("sla.breached", "item", item_id, _late(alarm), policy=policy.name, to=first)
    else:
        message = f"{item_id}: {_what(alarm)} was late, it was {due}"
        alert("sla.breached", "item", item_id, message, policy=policy.name)


def _late(alarm: Alarm) -> str:
    return f"{alarm.item_id}: {_what(alarm)} is late, it was {_due(alarm)}"


def _what(alarm: Alarm) -> str:
    return alarm.reading.clock.value.replace("_", " ")


def _due(alarm: Alarm) -> str:
    return f"due by {alarm.reading.due_at:%Y-%m-%d %H:%M} UTC"
