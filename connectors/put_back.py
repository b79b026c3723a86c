"""Puts back what a write of ours overwrote unseen, where a system has no compare-and-set that holds."""

from collections.abc import Awaitable, Callable, Mapping

from domain.delivery import Conflict, DeliveryOutcome, Operation, RetryAfter, Written

BACK = "/back"
"""Follows the id of a write in that of the write which puts back what it overwrote."""
MOST_BACKS = 4
"""Times that what was put back is itself looked after: each needs another edit within the same milliseconds."""


async def put_back(
    send: Callable[[Operation], Awaitable[DeliveryOutcome]],
    operation: Operation,
    edits: Mapping[str, str],
    ours: Mapping[str, str],
    moved: Conflict,
) -> DeliveryOutcome:
    """Write what was overwritten, as a write of its own that may overwrite as little.

    Where that found the record changed again, `operation` is to be sent once more: the history tells by then what of
    the edits still is to be put back, and what nobody can put back any more.

    Args:
        edits: the values to put back; with none, nothing is written.
        ours: what `operation` made of these.
        moved: what is said of `operation` once they are put back.
    """
    back = operation.model_copy(
        update={"operation_id": operation.operation_id + BACK, "values": dict(edits), "expected": dict(ours)}
    )
    if not edits:
        return moved
    if back.operation_id.count(BACK) > MOST_BACKS:
        return moved.model_copy(update={"overwrote": moved.overwrote | dict(edits)})
    match await send(back):
        case Written():
            return moved
        case Conflict(moved=True, overwrote=others) if others:
            return moved.model_copy(update={"overwrote": moved.overwrote | others})
        case Conflict(moved=True, detail=detail):
            return RetryAfter(detail=detail)
        case failure:
            return failure
