"""Which requests a write is made of, found out by watching one that goes well."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from connectors.capabilities import Upsert
from connectors.contract.subject import NetworkSubject, hold
from connectors.sandbox.proxy import Meanwhile, Rule, Seen, WireFault
from domain.delivery import DeliveryOutcome, Operation, Written

END_OF_HEAD = b"\r\n\r\n"
WITHIN_THE_FIRST_LINE = 9
"""Bytes of a request's or an answer's first line: `HTTP/1.1 ` without its status."""


@dataclass(frozen=True)
class Write:
    """A kind of write: what it is called, and how an operation for one is come by."""

    name: str
    make: Callable[[], Awaitable[Operation]]


@dataclass(frozen=True)
class Rehearsal:
    """The requests of a write, in order; number `write` is the one by which the target stored it."""

    exchanges: Sequence[Seen]
    write: int


def writes(subject: NetworkSubject) -> list[Write]:
    """A creation, and where the system holds one record under our key, an update."""

    async def creation() -> Operation:
        return subject.fresh()

    async def update() -> Operation:
        first = subject.fresh()
        await subject.destination.send(first)
        return subject.after(first, **{subject.text: "a later text"})

    if subject.destination.capabilities.upsert is Upsert.NONE:
        return [Write("creation", creation)]
    return [Write("creation", creation), Write("update", update)]


async def rehearse(subject: NetworkSubject, write: Write) -> Rehearsal:
    """Make a write and watch it; what the connector asks once in its life, it has asked before."""
    await subject.destination.send(subject.fresh())
    operation = await write.make()
    stored_before: list[int] = []

    async def look() -> None:
        stored_before.append(len(await subject.stored(operation)))

    begun = len(subject.proxy.seen)
    subject.proxy.next(Meanwhile(look), times=None)
    outcome = await subject.destination.send(operation)
    subject.proxy.clear()
    hold(isinstance(outcome, Written), f"{write.name}: must be Written on a network without faults, is {outcome!r}")
    storing = max(number for number, count in enumerate(stored_before) if count == 0)
    return Rehearsal(subject.proxy.seen[begun:], storing)


async def send_under(
    subject: NetworkSubject, operation: Operation, fault: WireFault, number: int, case: str
) -> DeliveryOutcome:
    """Send with `fault` at request `number` of the write."""
    rule = subject.proxy.next(fault, skip=number)
    outcome = await subject.destination.send(operation)
    check_struck(subject, rule, case)
    return outcome


def check_struck(subject: NetworkSubject, rule: Rule, case: str) -> None:
    """The fault came; the proxy lets everything pass again."""
    subject.proxy.clear()
    hold(rule.struck > 0, f"{case}: the write made fewer requests than the one before it, so nothing was tried")


def cuts(message: bytes, samples: int) -> list[int]:
    """Places to cut an HTTP message, as numbers of bytes that still arrive.

    One of each kind that either side can take differently: nothing, the first byte, a piece of
    the first line, all headers, half of the body, all but the last byte, all of it. Beside
    them `samples` more, evenly between.
    """
    length = len(message)
    head = message.find(END_OF_HEAD) + len(END_OF_HEAD) if END_OF_HEAD in message else length
    kinds = {0, 1, WITHIN_THE_FIRST_LINE, head, (head + length) // 2, length - 1, length}
    between = range(0, length, max(1, length // samples)) if samples else ()
    return sorted(place for place in {*kinds, *between} if 0 <= place <= length)
