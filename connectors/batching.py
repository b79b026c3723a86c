"""Batches: parted by where their records are kept, and halved where one record spoils them."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar, assert_never

from domain.delivery import Ambiguous, Conflict, DeliveryOutcome, Hindrance, Invalid, Operation, RetryAfter

MOST_REQUESTS = 24
"""At half a second each they end within the 15 s that a try may take; one bad record among 200 needs 17."""

Target = TypeVar("Target")


@dataclass(frozen=True)
class RefusedWhole:
    """A batch was turned away because of something in it, and nothing of it was written.

    Attributes:
        outcome: what a record that is refused alone comes to.
    """

    outcome: Conflict | Ambiguous | Invalid


SendBatch = Callable[[Sequence[Operation]], Awaitable[list[DeliveryOutcome] | RefusedWhole]]
"""One request: the outcome of each operation, in order, or the refusal of them all."""


async def bisected(
    send: SendBatch, operations: Sequence[Operation], most_requests: int = MOST_REQUESTS
) -> list[DeliveryOutcome]:
    """The outcome of each operation, in order; a batch that is refused whole is halved.

    The halves are sent in turn until what is refused stands alone: with k such records among n,
    1 + 2·k·⌈log2 n⌉ requests are enough. Only operations of a refused batch are sent again, so
    one whose outcome is unknown never is. What waits is put off (`RetryAfter` without a try, for
    nothing of it was sent) after `most_requests`, and once a limit of the whole system is hit, or our key is not taken.
    """
    outcomes: list[DeliveryOutcome] = []
    waiting = [operations] if operations else []
    for _ in range(most_requests):
        if not waiting:
            return outcomes
        batch = waiting.pop()
        match await send(batch):
            case RefusedWhole(outcome=outcome) if len(batch) == 1:
                outcomes.append(outcome)
            case RefusedWhole():
                middle = len(batch) // 2
                waiting += [batch[middle:], batch[:middle]]
            case list(answered):
                outcomes += answered
                if limit := _limit(answered):
                    unsent = RetryAfter(seconds=limit.seconds, hindrance=Hindrance.TURN, detail=limit.detail)
                    return outcomes + [unsent] * _count(waiting)
            case other:
                assert_never(other)
    spoilt = f"not sent yet: its batch was refused for others in it, in {most_requests} requests"
    put_off = RetryAfter(hindrance=Hindrance.TURN, detail=spoilt)
    return outcomes + [put_off] * _count(waiting)


async def by_target(
    operations: Sequence[Operation],
    target_of: Callable[[Operation], Target | Invalid],
    send: Callable[[Target, Sequence[Operation]], Awaitable[list[DeliveryOutcome] | RefusedWhole]],
) -> list[DeliveryOutcome]:
    """The outcome of each operation, in order, where a request can only be about one target.

    Each target's operations are sent together and `bisected`; those without one are not sent.
    """
    outcomes: dict[str, DeliveryOutcome] = {}
    groups: dict[Target, list[Operation]] = {}
    for operation in operations:
        target = target_of(operation)
        if isinstance(target, Invalid):
            outcomes[operation.operation_id] = target
        else:
            groups.setdefault(target, []).append(operation)
    for target, group in groups.items():
        results = await bisected(partial(send, target), group)
        outcomes |= {operation.operation_id: result for operation, result in zip(group, results, strict=True)}
    return [outcomes[operation.operation_id] for operation in operations]


def _limit(outcomes: Sequence[DeliveryOutcome]) -> RetryAfter | None:
    """What keeps the whole system from taking more now: a limit that it names, or that it takes no key of ours."""
    later = [outcome for outcome in outcomes if isinstance(outcome, RetryAfter)]
    return next((one for one in later if one.limit or one.hindrance is Hindrance.KEY), None)


def _count(batches: Sequence[Sequence[Operation]]) -> int:
    return sum(map(len, batches))
