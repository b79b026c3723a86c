"""Request Tracker 5: tickets by a custom field, updated by ETag, and read again after every write."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, assert_never

from connectors.capabilities import Capabilities, Idempotency, Upsert, Versioning
from connectors.diagnosis import Diagnosis, Use
from connectors.help_desk.request_tracker_api import (
    EXPANDED,
    NAME,
    RT_TOKEN,
    RT_URL,
    VENDOR,
    Body,
    Created,
    CustomField,
    Ids,
    Messages,
    Queue,
    Ticket,
    Tickets,
    connections,
    field_is,
    quoted,
)
from connectors.help_desk.request_tracker_definitions import Definitions
from connectors.help_desk.request_tracker_diagnosis import diagnosed
from connectors.help_desk.request_tracker_patch import Patches
from connectors.help_desk.request_tracker_tickets import (
    KEY_FIELD,
    OPERATION_FIELD,
    PEOPLE,
    UPDATE_AS,
    Wanted,
    carries,
    changes,
    is_patch,
    kept_key,
    new_ticket,
    option,
    unsaved,
    unusable,
    wanted,
)
from connectors.help_desk.request_tracker_values import values_of
from connectors.http_outcomes import HttpApi
from connectors.ports import Candidate
from connectors.spec import TIMEOUT_S, SystemSpec, seconds, secret, url
from domain.delivery import Ambiguous, Conflict, DeliveryOutcome, Invalid, Operation, RetryAfter, Unknown, Written

MOST_CANDIDATES = 20
Kind = Literal["created", "updated", "unchanged"]


class RequestTracker:
    """Writes tickets; an operation's record key and id are kept in custom fields.

    Values are `queue`, `subject`, `content`, `status`, `priority`, `owner`, `requestor` and `cc`
    (addresses parted by commas), and the queue's custom fields, by their names in lower case with
    underscores. The content begins a new ticket, and is added to one that there is.

    RT skips custom fields that it does not have, and values that they do not take, and says
    so nowhere: both are looked up before a write, and the ticket is read after it.
    """

    capabilities = Capabilities(
        upsert=Upsert.SEARCH, idempotency=Idempotency.TRACE, versioning=Versioning.COMPARE, deltas=True
    )

    def __init__(self, url: str, token: str, timeout_s: float) -> None:
        self._api = HttpApi(VENDOR, connections(url, token, timeout_s), token)
        self._definitions = Definitions(self._api)
        self._patches = Patches(self._api, self._definitions)

    async def send(self, operation: Operation) -> DeliveryOutcome:
        """Create the ticket, or set what differs and add the content.

        Safe to repeat: a ticket that has the operation's id is left alone and judged as `find`
        does, as is one that has the values already when there is no content to add.
        """
        if is_patch(operation):
            return await self._patches.send(operation)
        want = await self._wanted(operation)
        if not isinstance(want, Wanted):
            return want
        if operation.external_id:
            return await self._update(operation.external_id, operation, want)
        key = field_is(option(operation, KEY_FIELD), operation.record_key)
        match await self._api.ask(Ids, "/tickets", {"query": key}):
            case Ids(items=[]):
                return await self._create(operation, want)
            case Ids(items=[ticket]):
                return await self._update(str(ticket.id), operation, want)
            case Ids(items=tickets):
                ids = ", ".join(str(ticket.id) for ticket in tickets)
                return Ambiguous(detail=f"{NAME}: tickets {ids} all have the record key {operation.record_key}")
            case Invalid() | RetryAfter() as failure:
                return failure
            case other:
                assert_never(other)

    async def find(self, operation: Operation) -> DeliveryOutcome | None:
        """The ticket with the operation's id, which is `Invalid` if it did not take all of the values.

        The operation is said to have created the ticket unless that was updated since. A look-up
        that is refused is `RetryAfter`, for it tells nothing of the write.
        """
        query = field_is(option(operation, OPERATION_FIELD), operation.operation_id)
        match await self._api.look_up(Tickets, "/tickets", {"query": query, **EXPANDED}):
            case Tickets(items=tickets):
                ours = [ticket for ticket in tickets if carries(ticket, operation)]
                return await self._found(ours[0], operation) if ours else None
            case RetryAfter() as later:
                return later
            case other:
                assert_never(other)

    async def candidates(self, operation: Operation) -> list[Candidate] | RetryAfter | Invalid:
        """The latest tickets of the same requestor or with the same subject."""
        key = field_is(option(operation, KEY_FIELD), operation.record_key)
        match await self._api.ask(Tickets, "/tickets", {"query": key, **EXPANDED}):
            case Tickets(items=[_, *_] as ours):
                return [Candidate(str(ticket.id), ticket_values(ticket), ours=True) for ticket in ours]
            case Invalid() | RetryAfter() as failure:
                return failure
        conditions = [
            f"{field} = {quoted(text)}"
            for field, name in (("Requestor.EmailAddress", "requestor"), ("Subject", "subject"))
            if (text := operation.values.get(name))
        ]
        if not conditions:
            return []
        page = {"orderby": "LastUpdated", "order": "DESC", "per_page": str(MOST_CANDIDATES)}
        match await self._api.ask(Tickets, "/tickets", {"query": " OR ".join(conditions), **page, **EXPANDED}):
            case Tickets(items=tickets):
                return [Candidate(external_id=str(ticket.id), values=ticket_values(ticket)) for ticket in tickets]
            case Invalid() | RetryAfter() as failure:
                return failure
            case other:
                assert_never(other)

    async def diagnose(self, uses: Sequence[Use]) -> Diagnosis:
        """How it stands to what is written there."""
        return await diagnosed(self._api, uses)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._api.aclose()

    async def _found(self, ticket: Ticket, operation: Operation) -> DeliveryOutcome | None:
        if is_patch(operation):
            return await self._patches.found(ticket, operation)
        want = await self._wanted(operation)
        if not isinstance(want, Wanted):
            return want if isinstance(want, RetryAfter) else RetryAfter(detail=want.detail)
        kind: Kind = "created" if ticket.created == ticket.last_updated else "updated"
        return _judged(ticket, kept_key(ticket, want, option(operation, KEY_FIELD)), kind, found=True)

    async def _wanted(self, operation: Operation) -> Wanted | Invalid | RetryAfter:
        """What the ticket is to hold, by what its queue and custom fields take."""
        if refused := unusable(operation):
            return refused

        def hold(queue: Queue, fields: dict[str, CustomField]) -> Wanted | Invalid:
            return wanted(operation, queue, fields)

        return await self._definitions.resolved(operation, operation.values["queue"], hold)

    async def _create(self, operation: Operation, want: Wanted) -> DeliveryOutcome:
        body = new_ticket(want, operation.values.get("content", ""))
        match await self._api.act(Created, "POST", "/ticket", body):
            case Created(id=ticket_id):
                return await self._checked(str(ticket_id), want, "created", operation.values)
            case Conflict() | Invalid() | RetryAfter() | Unknown() as failure:
                return failure
            case other:
                assert_never(other)

    async def _update(self, ticket_id: str, operation: Operation, want: Wanted) -> DeliveryOutcome:
        """Set what differs over the version that was read; the operation's id goes with the last write."""
        ticket = await self._ticket(ticket_id)
        if not isinstance(ticket, Ticket):
            return ticket
        want = kept_key(ticket, want, option(operation, KEY_FIELD))
        if carries(ticket, operation):
            return _judged(ticket, want, "unchanged")
        content = operation.values.get("content", "")
        if not content and changes(ticket, want, but=[want.own_field]) is None:
            return Written(kind="unchanged", external_id=ticket_id)
        if change := changes(ticket, want, but=[want.own_field] if content else []):
            if_match = {"If-Match": ticket.headers.get("etag", "")}
            done = await self._api.act(Messages, "PUT", f"/ticket/{ticket_id}", change, if_match)
            if not isinstance(done, Messages):
                return done
        if content:
            way = "correspond" if option(operation, UPDATE_AS) == "reply" else "comment"
            body = _addition(content, want.own_field, operation)
            added = await self._api.act(Messages, "POST", f"/ticket/{ticket_id}/{way}", body)
            if not isinstance(added, Messages):
                return added
        return await self._checked(ticket_id, want, "updated")

    async def _checked(self, ticket_id: str, want: Wanted, kind: Kind, names: Iterable[str] = ()) -> DeliveryOutcome:
        """What was written, by reading it, and what it holds of `names`."""
        match await self._ticket(ticket_id):
            case Ticket() as ticket:
                return _judged(ticket, want, kind, names=names)
            case Invalid(detail=detail) | RetryAfter(detail=detail):
                return Unknown(detail=f"ticket {ticket_id} was {kind}, and could not be read again: {detail}")
            case other:
                assert_never(other)

    async def _ticket(self, ticket_id: str) -> Ticket | Invalid | RetryAfter:
        return await self._api.ask(Ticket, f"/ticket/{ticket_id}", {}, one_record=True)


def ticket_values(ticket: Ticket) -> dict[str, str]:
    """A ticket of a search as values."""
    values = {
        "queue": ticket.queue.name,
        "subject": ticket.subject,
        "status": ticket.status,
        "priority": ticket.priority,
        "owner": str(ticket.owner.id),
        "requestor": ", ".join(who.email or str(who.id) for who in ticket.requestors),
    }
    return {name: text for name, text in values.items() if text}


def _addition(content: str, own_field: str, operation: Operation) -> Body:
    """One request, so that the text and the id that tells of it are added together."""
    return Body({"Content": content, "ContentType": "text/plain", "CustomFields": {own_field: operation.operation_id}})


def _judged(
    ticket: Ticket, want: Wanted, kind: Kind, *, found: bool = False, names: Iterable[str] = ()
) -> Written | Invalid:
    """A ticket with the operation's id, by whether it holds what was sent with that.

    What it holds of `names` is told, but its queue and its people, whose names a ticket by itself does not tell.
    """
    if wrong := unsaved(ticket, want, new=kind == "created"):
        lacking = f"ticket {ticket.id} was written, but did not take {', '.join(wrong)}"
        return Invalid(detail=f"{NAME}: {lacking}; set that there, and try again")
    holds = values_of(ticket)
    told = {name: holds[name] for name in names if name in holds and name not in ("queue", *PEOPLE)}
    return Written(kind=kind, external_id=str(ticket.id), found=found, values=told)


def _open(values: Mapping[str, str]) -> RequestTracker:
    return RequestTracker(url(values, RT_URL), secret(values, RT_TOKEN), seconds(values, TIMEOUT_S))


SPEC = SystemSpec(_open, (RT_URL, RT_TOKEN, TIMEOUT_S), (KEY_FIELD, OPERATION_FIELD, UPDATE_AS), searchable=True)
