"""Changes a ticket of Request Tracker's that is as it was expected to be, over the version that was read."""

from collections.abc import Collection
from typing import assert_never

from connectors.help_desk.request_tracker_api import (
    EXPANDED,
    NAME,
    CustomField,
    Messages,
    Queue,
    Ticket,
    Tickets,
)
from connectors.help_desk.request_tracker_definitions import Definitions
from connectors.help_desk.request_tracker_history import History, Traced
from connectors.help_desk.request_tracker_tickets import (
    KEY_FIELD,
    OPERATION_FIELD,
    OWN,
    addresses,
    carries,
    held,
    invalid,
    option,
    slug,
    unusable,
)
from connectors.help_desk.request_tracker_values import DELETED, alike, body_of, values_of
from connectors.http_outcomes import HttpApi
from connectors.put_back import put_back
from domain.delivery import Conflict, DeliveryOutcome, Invalid, Operation, RetryAfter, Unknown, Written
from domain.expected import refused

MUST_BE_FILLED = ("queue", "status")


class Patches:
    """Writes patches: operations on a known ticket that say what they expect of it.

    A patch sets no more than what differs, and leaves a ticket in its queue unless it gives another one. A custom
    field that takes several values gets exactly those that are listed, parted by commas; none of them may hold a comma.

    RT compares the version and then writes, with no lock between: of two changes that reach it within the time that
    one takes, some tens of milliseconds, both may be taken. What they made of the ticket is read afterwards, and what
    ours replaced unseen is put back: the record has moved then.
    """

    def __init__(self, api: HttpApi, definitions: Definitions) -> None:
        self._api, self._definitions, self._history = api, definitions, History(api)

    async def send(self, operation: Operation) -> DeliveryOutcome:
        """Read the ticket, compare, change it if nobody else did since, and read it again."""
        if wrong := _unusable(operation):
            return wrong
        read = await self._api.ask(Ticket, f"/ticket/{operation.external_id}", {}, one_record=True)
        if not isinstance(read, Ticket):
            return read
        if read.status == DELETED:
            return Invalid(detail=f"{NAME}: ticket {operation.external_id} was deleted", gone=True)
        ticket = await self._whole(str(read.id))  # after the version was read: what changes in between is refused
        if not isinstance(ticket, Ticket):
            return ticket
        fields = await self._fields(operation, ticket)
        if not isinstance(fields, dict):
            return fields
        if carries(ticket, operation):  # it was sent before, and nobody has looked what it replaced
            traced = await self._traced(operation, ticket, fields, operation.values.keys())
            if isinstance(traced, RetryAfter):
                return traced
            if traced.replaced or traced.gone:
                wrote = _written(operation, _lacking(operation, ticket, fields), traced)
                return await self._put_back(operation, ticket, traced, wrote)
        now, same = values_of(ticket), alike(fields)
        if conflict := refused(NAME, operation, now, same):
            return conflict
        values = {name: text for name, text in operation.values.items() if not same(name, now.get(name, ""), text)}
        if not values:
            return Written(kind="unchanged", external_id=str(ticket.id), values=_given(operation, ticket))
        body = body_of(values | _own(operation, ticket), fields)
        if_match = {"If-Match": read.headers.get("etag", "")}
        match await self._api.act(Messages, "PUT", f"/ticket/{ticket.id}", body, if_match):
            case Messages():
                return await self._checked(operation, ticket, fields, values.keys(), _version(read))
            case Conflict(detail=detail):
                return Conflict(detail=detail, moved=True)
            case Invalid() | RetryAfter() | Unknown() as failure:
                return failure
            case other:
                assert_never(other)

    async def found(self, ticket: Ticket, operation: Operation) -> DeliveryOutcome | None:
        """What became of a patch whose id is on the ticket: one that holds something else has moved on since.

        None where it is to be sent again, as it replaced what somebody had just changed: that puts it back.
        """
        fields = await self._fields(operation, ticket)
        if not isinstance(fields, dict):
            return fields if isinstance(fields, RetryAfter) else RetryAfter(detail=fields.detail)
        traced = await self._traced(operation, ticket, fields, operation.values.keys())
        if isinstance(traced, RetryAfter):
            return traced
        if traced.replaced:
            return None
        if wrong := _lacking(operation, ticket, fields):
            said = f"{NAME}: ticket {ticket.id} has the operation's id, and {', '.join(wrong)} of something else"
            wrote = tuple(sorted(_written(operation, wrong, traced)))
            return Conflict(detail=said, moved=True, wrote=wrote, overwrote=traced.gone)
        return Written(kind="updated", external_id=str(ticket.id), found=True)

    async def _checked(
        self,
        operation: Operation,
        before: Ticket,
        fields: dict[str, CustomField],
        sent: Collection[str],
        version: int,
    ) -> DeliveryOutcome:
        """What was written, by reading it: RT skips what it does not take, and says so in words alone.

        What is neither as it was before nor as it was sent, somebody else has written: after us, where the history
        has what we sent as well.
        """
        ticket = await self._whole(str(before.id))
        if not isinstance(ticket, Ticket):
            return Unknown(detail=f"ticket {before.id} was updated, and could not be read again: {ticket.detail}")
        traced = await self._traced(operation, ticket, fields, sent, version)
        if isinstance(traced, RetryAfter):
            return Unknown(detail=f"ticket {before.id} was updated, and its history could not be read: {traced.detail}")
        wrong = _lacking(operation, ticket, fields)
        wrote = _written(operation, [name for name in wrong if name in sent], traced)
        if traced.replaced or traced.gone:
            return await self._put_back(operation, ticket, traced, wrote)
        if not wrong:
            return Written(kind="updated", external_id=str(ticket.id), values=_given(operation, ticket))
        now, then, same = values_of(ticket), values_of(before), alike(fields)
        kept = [name for name in wrong if same(name, now.get(slug(name), ""), then.get(slug(name), ""))]
        if skipped := [name for name in kept if name not in traced.stored]:
            lacking = f"ticket {ticket.id} was written, but did not take {', '.join(skipped)}"
            return Invalid(detail=f"{NAME}: {lacking}; set that there, and try again")
        said = f"{NAME}: ticket {ticket.id}: somebody else has written {', '.join(wrong)}"
        return Conflict(detail=said, moved=True, wrote=tuple(sorted(wrote)))

    async def _traced(
        self,
        operation: Operation,
        ticket: Ticket,
        fields: dict[str, CustomField],
        sent: Collection[str],
        version: int = 0,
    ) -> Traced | RetryAfter:
        """What the history tells of the values that were sent."""
        held = operation.values.keys() - {*_lacking(operation, ticket, fields)}
        return await self._history.traced(ticket, operation, sent, held, fields, version)

    async def _put_back(
        self, operation: Operation, ticket: Ticket, traced: Traced, wrote: Collection[str]
    ) -> DeliveryOutcome:
        edits, gone = traced.replaced, traced.gone
        said = f"{NAME}: ticket {ticket.id}: somebody changed {', '.join([*edits, *gone])} as it was written"
        moved = Conflict(detail=said, moved=True, wrote=tuple(sorted({*wrote} - edits.keys())), overwrote=gone)
        ours = {name: operation.values[name] for name in edits}
        return await put_back(self.send, operation, edits, ours, moved)

    async def _whole(self, ticket_id: str) -> Ticket | Invalid | RetryAfter:
        """The ticket with the names of its queue and people, which a search alone gives."""
        match await self._api.ask(Tickets, "/tickets", {"query": f"id = {ticket_id}", **EXPANDED}):
            case Tickets(items=[ticket]):
                return ticket
            case Tickets():
                return Invalid(detail=f"{NAME}: there is no ticket {ticket_id} any more", gone=True)
            case Invalid() | RetryAfter() as failure:
                return failure
            case other:
                assert_never(other)

    async def _fields(self, operation: Operation, ticket: Ticket) -> dict[str, CustomField] | Invalid | RetryAfter:
        """The custom fields that the operation writes, by the queue that the ticket is to be in."""

        def take(_queue: Queue, fields: dict[str, CustomField]) -> dict[str, CustomField] | Invalid:
            return _not_taken(operation, fields) or fields

        return await self._definitions.resolved(operation, operation.values.get("queue") or str(ticket.queue.id), take)


def _written(operation: Operation, wrong: Collection[str], traced: Traced) -> set[str]:
    """The names of what was written, be it that the ticket holds something else by now: what RT did not take was not.

    Of values that say what they expect the history was asked.
    """
    return operation.values.keys() - ({*wrong} & (operation.expected or {}).keys() - traced.stored)


def _version(ticket: Ticket) -> int:
    """The number of the last change that a ticket's ETag tells of; 0 where it tells of none."""
    version = ticket.headers.get("etag", "").strip('"')
    return int(version) if version.isdecimal() else 0


def _unusable(operation: Operation) -> Invalid | None:
    if "content" in operation.values:
        return invalid("content is no part of a patch")
    if blank := [name for name in MUST_BE_FILLED if operation.values.get(name, "filled") == ""]:
        return invalid(f"{blank[0]} cannot be blank")
    if not operation.external_id.isdecimal():
        return Invalid(detail=f"{NAME}: there is no ticket '{operation.external_id}'", gone=True)
    return unusable(operation)


def _not_taken(operation: Operation, fields: dict[str, CustomField]) -> Invalid | None:
    """What a custom field would not take of the operation's values."""
    for name, text in operation.values.items():
        if name in OWN:
            continue
        field = fields[name]
        parts = addresses(text) if field.most != 1 else [text] if text else []
        if field.type == "Select" and (strange := [part for part in parts if part not in field.values]):
            choices = ", ".join(field.values)
            return invalid(f"{name}: custom field '{field.name}' does not take '{strange[0]}'; it takes {choices}")
        if text != text.strip() or "\x00" in text:
            return invalid(f"{name}: custom field '{field.name}' would lose blanks or control characters of its value")
    return None


def _own(operation: Operation, ticket: Ticket) -> dict[str, str]:
    """The operation's id, and our key where the ticket has none."""
    key, own = option(operation, KEY_FIELD), option(operation, OPERATION_FIELD)
    return {own: operation.operation_id} | ({} if held(ticket, key) else {key: operation.record_key})


def _given(operation: Operation, ticket: Ticket) -> dict[str, str]:
    now = values_of(ticket)
    return {name: now[name] for name in operation.values if name in now}


def _lacking(operation: Operation, ticket: Ticket, fields: dict[str, CustomField]) -> list[str]:
    """The values that the ticket does not hold as they were sent, the operation's id among them."""
    now, same = values_of(ticket), alike(fields)
    wrong = [name for name, text in operation.values.items() if not same(name, now.get(name, ""), text)]
    own = option(operation, OPERATION_FIELD)
    return wrong if operation.operation_id in held(ticket, own) else [*wrong, own]
