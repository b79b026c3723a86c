"""Sends what the outbox holds."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from prefect import task

from connectors.capabilities import Idempotency
from connectors.links import with_link, without_key
from connectors.ports import BatchDestination
from connectors.registry import completed
from connectors.store.engine import Transaction
from connectors.store.figures import Choice
from connectors.store.outbox import Due
from domain.breaker import Breaker, telling
from domain.delivery import (
    DeliveryOutcome,
    Hindrance,
    NotThere,
    Operation,
    RetryAfter,
    Step,
    Unknown,
    next_step,
)
from domain.duplicates import Comparison, Finding
from domain.errors import PolicyInvalid
from domain.escalation import Cause
from domain.figures import Work
from domain.settling import not_there
from tasks.artifact import leave, table
from tasks.duplicates import Searched, keep, search_for
from tasks.escalate import escalate
from tasks.names import ACT
from tasks.resources import Resources, resources

AT_ONCE = 8
"""Requests in flight at the same time from one process, each about other records, however many senders it has."""

TOGETHER_S = 0.02
"""Requests that end within so long of each other are recorded in one transaction."""

LEASE = timedelta(seconds=20)
"""A sender that is silent for so long is taken for dead."""

LONGEST_TRY_S = 15.0
"""A try ends well before its lease does, so that two never send at once."""

LOOK_AGAIN_S = 1.0
"""Longest sleep between two looks: another sender may have finished what this one waits for."""


@dataclass(frozen=True)
class _Answered:
    """What came of a request, for each of its writes; `fault` is a connector's own."""

    request: Sequence[Due]
    outcomes: Sequence[DeliveryOutcome | Searched]
    fault: Exception | None = None


@task(**ACT)
async def deliver_due(patience_s: float) -> int:
    """Send what is due until nothing is, or the next is due later than `patience_s`; an act.

    Before each send its beginning is committed. Whoever dies in the middle leaves an
    operation whose outcome is unknown; the next sender looks it up and sends it only if it
    is not there. What has ended about the same time is recorded, and the next begun, in one
    transaction. Returns how many operations were tried.
    """
    here = resources()
    under_way: set[asyncio.Task[_Answered]] = set()
    ended: set[asyncio.Task[_Answered]] = set()
    tried = 0
    try:
        while True:
            room = AT_ONCE - len(here.sending)
            claimed, next_due_at = _turn(here, [one.result() for one in ended], room)
            tried += len(claimed)
            under_way |= {_begun(here, request) for request in _requests(here, claimed)}
            if not under_way and room <= 0:
                return tried  # this process' other senders go on until nothing is due
            wait_s = (next_due_at - here.now()).total_seconds() if next_due_at else None
            if under_way:
                rest = None if len(here.sending) >= AT_ONCE or wait_s is None else _nap(wait_s)
                ended, under_way = await _some(under_way, rest)
            elif wait_s is None or wait_s > patience_s:
                return tried
            else:
                ended = set()
                await asyncio.sleep(_nap(wait_s))
    finally:
        if under_way:
            left = await asyncio.gather(*under_way)
            _turn(here, left, 0)


def _begun(here: Resources, request: Sequence[Due]) -> asyncio.Task[_Answered]:
    sending = asyncio.create_task(_try(here, request))
    here.sending.add(sending)
    sending.add_done_callback(here.sending.discard)
    return sending


async def leave_rest(tried: int) -> None:
    """Leave beside the run how many writes were tried, and what every system's are that are not written."""
    with resources().store.reading() as tx:
        unwritten = tx.workload.unwritten(Choice())
    rows = [(system, of.get(Work.UNWRITTEN, 0), of.get(Work.DEAD_LETTERS, 0)) for system, of in unwritten.items()]
    await leave("outbox", f"**{tried}** tried\n\n{table(('system', 'to be sent', 'given up'), rows)}\n")


async def _some(
    under_way: set[asyncio.Task[_Answered]], rest: float | None
) -> tuple[set[asyncio.Task[_Answered]], set[asyncio.Task[_Answered]]]:
    """Those that have ended within `rest` seconds, and the others: with the first come those that are as fast."""
    ended, under_way = await asyncio.wait(under_way, timeout=rest, return_when=asyncio.FIRST_COMPLETED)
    if ended and under_way:
        more, under_way = await asyncio.wait(under_way, timeout=TOGETHER_S)
        ended |= more
    return ended, under_way


def _turn(here: Resources, answered: Sequence[_Answered], room: int) -> tuple[list[Due], datetime | None]:
    """Record what came of requests, and begin up to `room` writes; with when the next is due if that was all.

    Raises:
        Exception: a connector's own fault, once everything is recorded.
    """
    claimed: list[Due] = []
    next_due_at = None
    with here.store.transaction() as tx:
        tx.outbox.read([due.operation.operation_id for one in answered for due in one.request])
        with tx.ledger.together():
            for one in answered:
                _settle(here, tx, one)
        faults = [one.fault for one in answered if one.fault is not None]
        if room > 0 and not faults:
            claimed = tx.outbox.claim(room, LEASE, here.now(), here.batches, here.rates, partial(_meet, here))
            full = len(claimed) >= room  # then there may be more
            next_due_at = here.now() if full else tx.outbox.next_due_at(here.now())
    if faults:
        raise faults[0]
    return claimed, next_due_at


def _meet(here: Resources, system: str) -> None:
    """Open a system before anything is claimed of it: what it allows must be known by then."""
    with suppress(PolicyInvalid):  # not set up here: told when its writes are tried
        here.destination(system)


def _nap(wait_s: float) -> float:
    return min(max(wait_s, 0.01), LOOK_AGAIN_S)


def _requests(here: Resources, claimed: Sequence[Due]) -> list[list[Due]]:
    """What goes out together: the new writes of a system that takes batches, everything else alone."""
    requests: list[list[Due]] = []
    filling: dict[str, list[Due]] = {}
    for due in claimed:
        scope, batch = due.scope, here.batches.get(due.operation.system, 1)
        most = 1 if due.tries.looking_up or due.operation.external_id else batch
        if most > 1 and scope in filling and len(filling[scope]) < most:
            filling[scope].append(due)
            continue
        requests.append([due])
        if most > 1:
            filling[scope] = requests[-1]
    return requests


async def _try(here: Resources, request: Sequence[Due]) -> _Answered:
    try:
        async with asyncio.timeout(LONGEST_TRY_S):
            return _Answered(request, await _outcomes(here, request))
    except TimeoutError:
        lost = RetryAfter if request[0].tries.looking_up else Unknown
        return _Answered(request, [lost(detail=f"no answer in {LONGEST_TRY_S:g} s")] * len(request))
    except Exception as exc:  # noqa: BLE001  recorded as what it leaves behind, then raised
        unknown = Unknown(detail=f"a fault of the connector: {type(exc).__name__}")
        return _Answered(request, [unknown] * len(request), exc)


def _settle(here: Resources, tx: Transaction, answered: _Answered) -> None:
    now, request = here.now(), answered.request
    told = [NotThere() if isinstance(outcome, Searched) else outcome for outcome in answered.outcomes]
    tx.systems.note(request[0].scope, telling(told), now)
    for due, outcome in zip(request, answered.outcomes, strict=True):
        if isinstance(outcome, Searched):
            keep(here, tx, due, outcome, now)
            continue
        traceless = isinstance(outcome, Unknown) and _is_traceless(here, due.operation)
        write, searched = due.operation, due.operation.searched is not None
        step = next_step(
            outcome, write.operation_id, due.tries, due.patience, now, traceless=traceless, searched=searched
        )
        if tx.outbox.settle(due, outcome, step, now) and step.step is Step.DEAD_LETTER:
            _tell_of_dead_letter(tx, write, step.reason, now)
    for system, (before, after) in tx.systems.changed.items():
        _tell_of_system(tx, system, request[0].operation.policy, (before, after), now)
    tx.systems.changed.clear()


def _tell_of_dead_letter(tx: Transaction, write: Operation, reason: str, now: datetime) -> None:
    """Escalate a write that was given up; a notice that was given up makes the next step of its ladder due instead."""
    if tx.escalations.failed(write.operation_id, now):
        return
    told = f"the {write.destination} ({write.item_id})" if write.invites else None
    record = f", record {write.external_id}" if write.external_id else ""
    message = f"{told or f'the write of {write.item_id} to {write.destination}{record}'} was given up: {reason}"
    escalate(
        tx,
        Cause.WRITE_DEAD_LETTERED,
        write.item_id,
        write.policy,
        message,
        now,
        item_id=write.item_id,
        destination=write.destination,
    )


def _tell_of_system(
    tx: Transaction, system: str, policy: str, breakers: tuple[Breaker, Breaker], now: datetime
) -> None:
    """Escalate a pause that is long enough for people to know; the end of it ends the escalation."""
    before, after = breakers
    if after.down(now):
        message = f"nothing is sent to {system} until {after.open_until:%Y-%m-%d %H:%M} UTC: {after.why}"
        escalate(tx, Cause.SYSTEM_PAUSED, system, policy, message, now)
    elif before.open_until is not None and after.open_until is None:
        tx.escalations.resolve(Cause.SYSTEM_PAUSED, system, f"{system} answers again", now)


async def _outcomes(here: Resources, request: Sequence[Due]) -> Sequence[DeliveryOutcome | Searched]:
    first = request[0]
    if first.operation.search and (known := _remembered(here, first)) is not None:
        return [known]
    try:
        if first.operation.search:
            here.workflow(first.operation.search.workflow)  # whoever is asked has the time that it gives
        destination = here.destination(first.operation.system)
        writes = [with_link(here.settings, completed(due.operation), here.now()) for due in request]
    except PolicyInvalid as exc:  # not set up here: the write waits for somebody who mends that
        return [RetryAfter(hindrance=Hindrance.SETUP, detail=str(exc))] * len(request)
    if first.operation.search:
        return [await search_for(destination, writes[0])]
    if first.tries.looking_up:
        return [await _found(here, writes[0], first)]
    if len(request) > 1 and isinstance(destination, BatchDestination):
        sent = await destination.send_all(writes)
    else:
        sent = [await destination.send(writes[0])]
    return [without_key(outcome, write) for outcome, write in zip(sent, writes, strict=True)]


def _remembered(here: Resources, due: Due) -> Searched | None:
    """What an earlier write of the same record was found to belong to: nobody is asked twice."""
    with here.store.reading() as tx:
        record = tx.outbox.remembered(due.operation)
    if record is None:
        return None
    why = "an earlier write of this record went there"
    return Searched(comparison=Comparison(finding=Finding.REMEMBERED, records=(record,), why=why))


async def _found(here: Resources, write: Operation, due: Due) -> DeliveryOutcome:
    """What a look-up says; that there is nothing is believed once nothing can come of the send any more.

    Where none can tell, a person who has put the write back (so that it has no sends) has told it.
    """
    destination = here.destination(write.system)
    found = await destination.find(write)
    found = without_key(found, write) if found else None
    if isinstance(found, Unknown) and not due.tries.sends and _is_traceless(here, write):
        return NotThere(detail="somebody looked and had it sent again")
    can = here.capabilities(write)
    recognised = can.idempotency is Idempotency.KEY  # what still comes of the send is known there by its key
    return found or not_there(None if recognised else due.sent_until, here.settings.settles_s, can.search_lag_s)


def _is_traceless(here: Resources, write: Operation) -> bool:
    """Whether no look-up can tell what became of a write there."""
    return here.capabilities(write).idempotency is Idempotency.NONE
