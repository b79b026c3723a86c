"""Fetches what sources have: mails, files, other systems' changes."""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import assert_never

from prefect import get_run_logger, task

from connectors.ports import Arrival, Unreadable
from connectors.registry import reading_of
from connectors.store.engine import Transaction
from connectors.store.sources import Troubled
from domain.errors import Permanent, Retryable, Unavailable
from domain.escalation import Cause
from domain.source_state import SourceState, Trouble, failed
from policies.load import Workflow
from policies.sources import IntakeSource
from policies.webhooks import payload_fields
from tasks.accept import Admitted, Reading, Refused, admit
from tasks.artifact import leave, table
from tasks.escalate import escalate
from tasks.names import ACT, named
from tasks.resources import Resources, resources
from tasks.trigger import start_route

AT_ONCE = 100
"""Arrivals in one fetch and one transaction."""

LONGEST_ROUND = 100
"""Fetches from one source in one run; what is left comes with the next."""

Arrivals = Sequence[Arrival | Unreadable]


@task(task_run_name=named("collect"), **ACT)
async def collect(policy: str) -> int:
    """Store what is new in a policy's sources; an act, safe to repeat.

    What a fetch gave is stored together with the cursor: whoever dies between two fetches
    loses nothing, and what was stored is never read again. What is nothing but a write of ours
    come back is left out. A source that fails keeps the others waiting no longer than its
    timeout; one that fails in a row or refuses us is left in peace for a while, and somebody is
    told once, and again when it is read again. A source that the policy does not name any more is
    in no trouble. A run that routes what came is started. Returns how many items came.

    Raises:
        PolicyInvalid: a source is unknown or not set up.
    """
    here = resources()
    workflow = here.workflow(policy)
    read = [(str(wanted), await _read(here, policy, wanted)) for wanted in workflow.policy.intake.sources]
    came = sum(count for _, count in read)
    _forget(here, workflow)
    await leave(f"collected-{workflow.policy.name}", table(("source", "items that came"), read))
    if came:
        with suppress(Unavailable):  # then the schedule takes what came
            await start_route(workflow, here.now())
    return came


def _forget(here: Resources, workflow: Workflow) -> None:
    """End the trouble of sources that the policy does not name any more, which would last for ever."""
    name = workflow.policy.name
    read = {kept_as(name, wanted) for wanted in workflow.policy.intake.sources}
    if workflow.sync:  # what is kept in step is read by another flow
        return
    with here.store.reading() as tx:
        if not _unread(tx, name, read):
            return
    with here.store.transaction() as tx:
        for one in _unread(tx, name, read):
            tx.sources.forget(one.source)
            why = f"the policy does not name the source {one.shown} any more"
            tx.escalations.resolve(Cause.SOURCE_UNREADABLE, one.shown, why, here.now(), policy=name)


def _unread(tx: Transaction, policy: str, read: Collection[str]) -> list[Troubled]:
    return [one for one in tx.sources.troubled() if one.policy == policy and one.source not in read]


def kept_as(policy: str, wanted: IntakeSource) -> str:
    """The name by which a source's cursor and state are kept for a policy."""
    return f"{policy}/{reading_of(wanted.source, wanted.options)}"


async def _read(here: Resources, policy: str, wanted: IntakeSource) -> int:
    """Read a source, unless it is paused; what it failed to say is in its state."""
    name = kept_as(here.workflow(policy).policy.name, wanted)
    with here.store.reading() as tx:
        before, cursor = tx.sources.of(name), tx.cursors.of(name)
    log = get_run_logger()
    if before.paused(here.now()):
        log.info("%s is left in peace until %s: %s", wanted, before.breaker.open_until, before.breaker.why)
        return 0
    if not cursor:
        log.info("%s is read for the first time, or its options are others now", wanted)
    came = 0
    try:
        async for fetched in _fetches(here, policy, wanted, cursor):
            came += fetched
    except (Retryable, Permanent) as exc:
        log.warning("%s cannot be read now: %s", wanted, exc)
        note_state(here, policy, name, str(wanted), failed(before, exc, here.now()))
    else:
        note_state(here, policy, name, str(wanted), SourceState())
    return came


async def _fetches(here: Resources, policy: str, wanted: IntakeSource, cursor: str) -> AsyncIterator[int]:
    """How many items each fetch brought, once they are stored."""
    source, name = here.source(wanted), kept_as(here.workflow(policy).policy.name, wanted)
    for _ in range(LONGEST_ROUND):
        fetched = await source.fetch(cursor, AT_ONCE)
        if fetched.note:
            get_run_logger().info("%s: %s", wanted, fetched.note)
        if fetched.arrivals or fetched.cursor != cursor:
            new = _new(here, policy, wanted, fetched.arrivals)
            verdicts = admit(here, policy, new, Reading(name, str(wanted), fetched.cursor))
            for refused in [verdict for verdict in verdicts if isinstance(verdict, Refused)]:
                get_run_logger().warning("%s: %s is no item: %s", wanted, refused.where, refused.why)
            yield sum(isinstance(verdict, Admitted) for verdict in verdicts)
        cursor = fetched.cursor
        if not fetched.more:
            break


def _new(here: Resources, policy: str, wanted: IntakeSource, arrivals: Arrivals) -> list[Arrival | Unreadable]:
    """The arrivals without our own writes, their fields by the policy's names."""
    carrying = [one for one in arrivals if isinstance(one, Arrival) and one.operation_id]
    echoes: set[str] = set()
    if carrying:
        with here.store.transaction() as tx:
            echoes = tx.sources.echoes(here.workflow(policy).policy.name, carrying, here.now())
    return [
        replace(one, fields=payload_fields(one.fields, wanted.fields))
        if isinstance(one, Arrival) and wanted.fields
        else one
        for one in arrivals
        if not (isinstance(one, Arrival) and one.external_id in echoes)
    ]


def note_state(here: Resources, policy: str, name: str, shown: str, state: SourceState) -> None:
    """Keep a source's state, and tell somebody if its trouble is another than before.

    Args:
        name: by which its cursor is kept, and `shown` the one for people.
    """
    kept = here.workflow(policy).policy.name
    with here.store.reading() as tx:
        if tx.sources.of(name) == state:
            return
    with here.store.transaction() as tx:
        if not tx.sources.put(name, kept, shown, state, here.now()):
            return
        match state.trouble:
            case Trouble.AWAY:
                message = f"the source {shown} does not answer: {state.breaker.why}"
            case Trouble.REFUSED:
                message = f"the source {shown} cannot be read: {state.breaker.why}"
            case None:
                message = f"the source {shown} is read again"
                tx.escalations.resolve(Cause.SOURCE_UNREADABLE, shown, message, here.now(), policy=kept)
                return
            case other:
                assert_never(other)
        escalate(tx, Cause.SOURCE_UNREADABLE, shown, kept, message, here.now())
