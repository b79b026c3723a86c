"""Plays the outbox around one operation: the real next step after each outcome, without its waits."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import assert_never

from connectors.capabilities import Idempotency
from connectors.contract.subject import Subject, hold
from domain.delivery import (
    Ambiguous,
    Conflict,
    DeliveryOutcome,
    Invalid,
    NotThere,
    Operation,
    Patience,
    RetryAfter,
    Step,
    Tries,
    Unknown,
    Written,
    next_step,
)
from domain.settling import SETTLES_S, not_there

PATIENCE = Patience(attempts=12)
START = datetime(2026, 1, 1, tzinfo=UTC)

HARMLESS_TO_REPEAT = {Idempotency.KEY, Idempotency.CONTENT}
"""With these a look-up may miss what was written: to send it again changes nothing."""


async def deliver(
    subject: Subject,
    operation: Operation,
    first: DeliveryOutcome | None = None,
    late: Callable[[], Awaitable[None]] | None = None,
) -> DeliveryOutcome:
    """Send, look up and send again as the outbox would, to the end; the last outcome.

    Every outcome on the way is checked against the target. Waits are skipped, on the target's
    clock too where it has one that can be moved.

    Args:
        first: the outcome of a first send that was made already.
        late: lets the target carry it out; done once a look-up has missed it, or else at the end.

    Raises:
        AssertionError: an outcome claimed what is not so.
    """
    now = sent_until = START
    traceless = subject.destination.capabilities.idempotency is Idempotency.NONE
    tries = Tries(sends=1)
    outcome = first or await subject.destination.send(operation)
    await check_send(subject, operation, outcome)
    while True:
        step = next_step(outcome, operation.operation_id, tries, PATIENCE, now, traceless=traceless)
        if subject.passes is not None:
            await subject.passes((step.at - now).total_seconds())
        now = step.at
        final = step.step in (Step.DONE, Step.DEAD_LETTER)
        if late is not None and (final or (isinstance(outcome, NotThere) and step.step is Step.LOOK_UP)):
            await late()
            late = None
        match step.step:
            case Step.DONE | Step.DEAD_LETTER | Step.SEARCH_AGAIN:  # the kit searches for nothing
                return outcome
            case Step.SEND_AGAIN:
                tries, sent_until = Tries(sends=tries.sends + 1), now
                outcome = await subject.destination.send(operation)
                await check_send(subject, operation, outcome)
            case Step.LOOK_UP:
                tries = tries.model_copy(update={"look_ups": tries.look_ups + 1})
                outcome = await _found(subject, operation, now, sent_until)
            case other:
                assert_never(other)


async def ends_with_one_effect(
    subject: Subject,
    operation: Operation,
    case: str,
    first: DeliveryOutcome | None = None,
    late: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Delivery ends with the write stored once; where nothing identifies a write, with no more than one."""
    last = await deliver(subject, operation, first, late)
    if subject.destination.capabilities.idempotency is Idempotency.NONE and not isinstance(last, Written):
        records = await subject.stored(operation)
        hold(len(records) <= 1, f"{case}: in doubt it must be left to a person, and was written {len(records)} times")
        return
    hold(isinstance(last, Written), f"{case}: delivery must end in Written, and ended in {last!r}")
    await subject.holds_once(operation, case)


async def check_send(subject: Subject, operation: Operation, outcome: DeliveryOutcome) -> None:
    """What a send claims of the target is so."""
    records = await subject.stored(operation)
    writes = sum(record.writes for record in records)
    match outcome:
        case Written(kind="unchanged"):
            hold(writes <= 1, f"claims unchanged, but the target was changed {writes} times")
        case Written(external_id=external_id):
            hold(writes == 1, f"claims {outcome.kind}, but the target holds the write {writes} times")
            hold(external_id != "", "claims Written without the target's id of the record")
        case Conflict() | Ambiguous() | Invalid() | RetryAfter() | NotThere():
            hold(writes == 0, f"claims that nothing was written ({outcome!r}), but the target holds the write")
        case Unknown():
            pass
        case other:
            assert_never(other)


async def _found(subject: Subject, operation: Operation, now: datetime, sent_until: datetime) -> DeliveryOutcome:
    """What a look-up says; that there is nothing is believed once nothing can come of the send any more."""
    found = await subject.destination.find(operation)
    records = await subject.stored(operation)
    if isinstance(found, Written):
        hold(len(records) > 0, f"a look-up claims {found!r}, but the target holds nothing of the operation")
    if found is not None:
        return found
    can = subject.destination.capabilities
    nothing = not_there(sent_until, SETTLES_S, can.search_lag_s)
    if nothing.believed_from and now < nothing.believed_from:
        return nothing
    harmless = can.idempotency in HARMLESS_TO_REPEAT
    hold(harmless or not records, "a look-up says that nothing was written, but the target holds the write")
    return nothing
