"""Sends what the outbox holds."""

import asyncio
from datetime import timedelta

from prefect import task

from connectors.store.outbox import Due
from domain.delivery import DeliveryOutcome, NotThere, RetryAfter, Step, Unknown, next_step
from domain.errors import PolicyInvalid
from tasks.alert import alert
from tasks.names import ACT
from tasks.resources import Resources, resources

AT_ONCE = 8
"""Operations in flight at the same time, each on another record."""

LEASE = timedelta(seconds=20)
"""A sender that is silent for so long is taken for dead; many times a connector's timeout (1 s by default)."""


LONGEST_TRY_S = 15.0
"""A try ends well before its lease does, so that two never send at once."""

LOOK_AGAIN_S = 1.0
"""Longest sleep between two looks: another sender may have finished what this one waits for."""


@task(**ACT)
async def deliver_due(patience_s: float) -> int:
    """Send what is due until nothing is, or the next is due later than `patience_s`; an act.

    Before each send its beginning is committed. Whoever dies in the middle leaves an
    operation whose outcome is unknown; the next sender looks it up and sends it only if it
    is not there. Returns how many operations were tried.
    """
    here = resources()
    tried = 0
    while True:
        with here.store.transaction() as tx:
            batch = tx.outbox.claim(AT_ONCE, LEASE, here.now())
            next_due_at = tx.outbox.next_due_at()
        if batch:
            tried += len(batch)
            await asyncio.gather(*[_try(here, due) for due in batch])
            continue
        wait_s = (next_due_at - here.now()).total_seconds() if next_due_at else None
        if wait_s is None or wait_s > patience_s:
            return tried
        await asyncio.sleep(min(max(wait_s, 0.01), LOOK_AGAIN_S))


async def _try(here: Resources, due: Due) -> None:
    try:
        async with asyncio.timeout(LONGEST_TRY_S):
            outcome = await _outcome(here, due)
    except TimeoutError:
        outcome = Unknown(detail=f"no answer in {LONGEST_TRY_S:g} s")
    except Exception as exc:
        _settle(here, due, Unknown(detail=f"a fault of the connector: {type(exc).__name__}"))
        raise
    _settle(here, due, outcome)


def _settle(here: Resources, due: Due, outcome: DeliveryOutcome) -> None:
    now = here.now()
    step = next_step(outcome, due.operation.operation_id, due.tries, due.patience, now)
    with here.store.transaction() as tx:
        settled = tx.outbox.settle(due, outcome, step, now)
    if settled and step.step is Step.DEAD_LETTER:
        write = due.operation
        message = f"the write of {write.item_id} to {write.destination} was given up: {step.reason}"
        where = {"policy": write.policy, "destination": write.destination}
        alert("write.dead_lettered", "item", write.item_id, message, **where)


async def _outcome(here: Resources, due: Due) -> DeliveryOutcome:
    try:
        destination = here.destination(due.operation.system)
    except PolicyInvalid as exc:  # not set up here: the write waits for somebody who mends that
        return Unknown(detail=str(exc)) if due.tries.looking_up else RetryAfter(detail=str(exc))
    if due.tries.looking_up:
        return await destination.find(due.operation) or NotThere()
    return await destination.send(due.operation)
