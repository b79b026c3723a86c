"""Changes a HubSpot record of a known id, and takes back what overwrote somebody's edit.

HubSpot has no compare-and-set: between our reading and our write lie some tens of milliseconds. What somebody
changes meanwhile is overwritten, but stays in the property's history, which is read after the write.
"""

from collections.abc import Awaitable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, assert_never
from urllib.parse import quote

from connectors.crm.hubspot_api import NAME, PastValue, Patch, Stored
from connectors.crm.hubspot_record import Target, record_of, refused_as
from connectors.http_outcomes import HttpApi
from connectors.put_back import put_back
from domain.delivery import Conflict, DeliveryOutcome, Invalid, Operation, RetryAfter, Unknown, Written
from domain.expected import refused

TOGETHER = timedelta(seconds=1)
"""The versions of a write's properties are of one moment; a second allows for a server that stamps each by itself."""


class Overwritten(NamedTuple):
    """What a write of ours replaced although somebody had just changed it.

    Attributes:
        edits: what it replaced, by property.
        ours: what it made of those that nobody has changed again, which are to be put back.
        gone: those of `edits` that somebody has changed again before they were put back.
    """

    edits: dict[str, str]
    ours: dict[str, str]
    gone: dict[str, str]


def overwritten(record: Stored, operation: Operation, target: Target) -> Overwritten | None:
    """What `operation`, if the record carries it, replaced that it did not expect; None for nothing.

    Args:
        record: with the past values of the operation's property and of those that are expected.
    """
    history = record.properties_with_history or {}
    carried = (one for one in history.get(target.operation_property, []) if one.value == operation.operation_id)
    if (at := next((one.timestamp for one in carried), None)) is None:
        return None
    lost = Overwritten({}, {}, {})
    for name, before in sorted((operation.expected or {}).items()):
        versions = history.get(name, [])
        if (number := _made(versions, operation.values.get(name), at)) is None:
            continue
        mine = versions[number].value or ""
        replaced = next((text for one in versions[number:] if (text := one.value or "") != mine), before)
        if replaced == before:
            continue
        lost.edits[name] = replaced
        if number == 0:
            lost.ours[name] = mine
        elif not any((one.value or "") == replaced for one in versions[:number]):
            lost.gone[name] = replaced
    return lost if lost.edits else None


async def change(api: HttpApi, operation: Operation, target: Target) -> DeliveryOutcome:
    """Set the values on a record of HubSpot's own id, and our key if it has none.

    Where something is expected of the record, only what differs is set; a record that was changed as it was written
    has moved, and holds afterwards what it was changed to.
    """
    wanted = sorted({*operation.values, *operation.expected}) if operation.expected is not None else []
    record = await record_of(api, operation, target, wanted, wanted)
    if record is None:
        return Invalid(detail=f"{NAME}: there is no record {operation.external_id} any more", gone=True)
    if not isinstance(record, Stored):
        return record
    if operation.expected is None:
        return await _patch(api, operation, target, record, operation.values)
    if lost := overwritten(record, operation, target):
        return await _put_back(api, operation, target, lost)
    held = record.values(wanted)
    if conflict := refused(NAME, operation, held):
        return conflict
    differing = {name: text for name, text in operation.values.items() if held.get(name) != text}
    if not differing:
        return Written(kind="unchanged", external_id=record.id, values=record.values(operation.values))
    outcome = await _patch(api, operation, target, record, differing)
    if not isinstance(outcome, Written) or differing.keys().isdisjoint(operation.expected):
        return outcome
    match await record_of(api, operation, target, wanted, wanted):
        case Stored() as after:
            lost = overwritten(after, operation, target)
            return await _put_back(api, operation, target, lost) if lost else outcome
        case _:
            return Unknown(detail=f"{NAME}: record {record.id} was written and could not be read again")


def found(record: Stored, operation: Operation, target: Target) -> Written | Conflict | None:
    """What became of the operation, by a record as `overwritten` wants it; None where it is to be sent.

    It is said to have created the record if its id was the first there.
    """
    name = target.operation_property
    past = (record.properties_with_history or {}).get(name) or [PastValue(value=record.properties.get(name))]
    operations = [version.value for version in past]
    if operation.operation_id not in operations:
        return None
    if lost := overwritten(record, operation, target):
        return None if lost.ours else _moved(operation, lost)
    made = operations[-1] == operation.operation_id and not operation.external_id
    return Written(kind="created" if made else "updated", external_id=record.id, found=True)


async def _patch(
    api: HttpApi, operation: Operation, target: Target, record: Stored, values: Mapping[str, str]
) -> DeliveryOutcome:
    key = {} if record.properties.get(target.key) else {target.key: operation.record_key}
    body = Patch(properties={**values, **key, target.operation_property: operation.operation_id})
    match await api.act(Stored, "PATCH", f"{target.path}/{quote(record.id, safe='')}", body):
        case Stored(id=record_id) as written:
            held = record.values(operation.values) | written.values(operation.values)
            return Written(kind="updated", external_id=record_id, values=held)
        case Conflict() | Invalid() as failure:
            return refused_as(failure, operation, target)
        case RetryAfter() | Unknown() as failure:
            return failure
        case other:
            assert_never(other)


async def _put_back(api: HttpApi, operation: Operation, target: Target, lost: Overwritten) -> DeliveryOutcome:
    def send(back: Operation) -> Awaitable[DeliveryOutcome]:
        return change(api, back, target)

    edits = {name: lost.edits[name] for name in lost.ours}
    return await put_back(send, operation, edits, lost.ours, _moved(operation, lost))


def _moved(operation: Operation, lost: Overwritten) -> Conflict:
    """What is said of a write once what is to be put back was."""
    detail = f"{NAME}: record {operation.external_id}: somebody changed {', '.join(lost.edits)} as it was written"
    wrote = tuple(sorted(operation.values.keys() - (lost.edits.keys() - lost.gone.keys())))
    return Conflict(detail=detail, moved=True, wrote=wrote, overwrote=lost.gone)


def _made(versions: Sequence[PastValue], text: str | None, at: datetime) -> int | None:
    """The number of the version that a write of that moment made, by its text, else by its very moment."""
    near = {number: one for number, one in enumerate(versions) if one.timestamp and abs(one.timestamp - at) <= TOGETHER}
    same = (number for number, one in near.items() if one.value == text)
    return next(same, next((number for number, one in near.items() if one.timestamp == at), None))
