"""Zendesk: tickets by external id, made under an idempotency key and updated by compare-and-set.

Sources: developer.zendesk.com, API reference, "Tickets", "Ticket Fields", "Search" and "Introduction"
(idempotency, rate limits), and the guide "Adding tags to tickets without overwriting existing tags".
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal, assert_never

import httpx

from connectors.capabilities import Capabilities, Idempotency, Upsert, Versioning
from connectors.diagnosis import Diagnosis, Use
from connectors.help_desk.zendesk_diagnosis import diagnosed
from connectors.help_desk.zendesk_tickets import (
    NAME,
    OPERATION_FIELD,
    UPDATE_COMMENT,
    FieldList,
    OneTicket,
    SearchResults,
    Ticket,
    TicketList,
    carries,
    change_of,
    custom_fields,
    lacking,
    new_ticket,
    shown,
    similar,
    unusable,
)
from connectors.http_outcomes import HttpApi, Limit, Meaning, Refusal, Vendor
from connectors.ports import Candidate
from connectors.spec import TIMEOUT_S, SystemSpec, Variable, client, seconds, secret, url
from domain.delivery import Ambiguous, Conflict, DeliveryOutcome, Invalid, Operation, RetryAfter, Unknown, Written

ZENDESK_URL = Variable("INTERLOCK_ZENDESK_URL", "address of your Zendesk, such as https://example.zendesk.com")
ZENDESK_EMAIL = Variable("INTERLOCK_ZENDESK_EMAIL", "e-mail address of the agent whose API token is used")
ZENDESK_TOKEN = Variable("INTERLOCK_ZENDESK_TOKEN", "API token, from Admin Center, Apps and integrations", secret=True)
RATE_PER_S = 200 / 60
"""Of the smallest plan; others have up to 700 a minute ("Rate limits")."""
MOST_CANDIDATES = 20


def _limit(refusal: Refusal, _: datetime) -> Limit:
    """The account's limit when nothing of it is left; else that of one ticket or path ("Rate limits")."""
    spent = refusal.headers.get("X-Rate-Limit-Remaining") == "0"
    return Limit(name="requests a minute") if spent else Limit()


VENDOR = Vendor(
    name=NAME,
    key_variable=ZENDESK_TOKEN.name,
    # The key was used before with other contents: an earlier try arrived, so look at the ticket.
    codes={"UpdateConflict": Meaning.CONFLICT, "IdempotentRequestError": Meaning.CONFLICT},
    limit=_limit,
)


class Zendesk:
    """Writes tickets; an operation's record key is the ticket's external id.

    Values are `subject`, `body`, `requester` (an e-mail address), `requester_name`, `type`, `priority`,
    `status`, `tags` (parted by commas), the ids `group_id`, `assignee_id`, `brand_id` and `ticket_form_id`,
    and custom fields as `field_` and their id. The body is a new ticket's first comment, and a comment
    on one that there is.

    Zendesk takes or refuses a write whole, but for custom fields: one that the account does not have it
    skips and says so nowhere. They are looked up before a write, and looked at in the ticket after it.
    """

    # The idempotency key holds for two hours only, and for creations only: it helps, but what
    # always tells an earlier try is the id that it left on the ticket.
    capabilities = Capabilities(
        upsert=Upsert.SEARCH,
        idempotency=Idempotency.TRACE,
        versioning=Versioning.COMPARE,
        rate_per_s=RATE_PER_S,
    )

    def __init__(self, url: str, email: str, token: str, timeout_s: float) -> None:
        auth = httpx.BasicAuth(f"{email}/token", token)
        self._api = HttpApi(VENDOR, client(f"{url}/api/v2", timeout_s, auth=auth), token)
        self._fields: set[int] = set()

    async def send(self, operation: Operation) -> DeliveryOutcome:
        """Create the ticket, or set what differs, add the tags and comment.

        Safe to repeat: a ticket that has the operation's id is left alone and judged as `find`
        does, as is one that has the values already when there is no body to add.
        """
        if refused := unusable(operation) or await self._unknown_field(operation):
            return refused
        match await self._tickets_of(operation):
            case TicketList(tickets=[]) if operation.external_id:
                return Invalid(detail=f"{NAME}: there is no ticket {operation.external_id} any more", gone=True)
            case TicketList(tickets=[]):
                return await self._create(operation)
            case TicketList(tickets=[ticket]) if carries(ticket, operation):
                return _judged(ticket, operation, "unchanged")
            case TicketList(tickets=[ticket]):
                return await self._update(ticket, operation)
            case TicketList(tickets=tickets):
                ids = ", ".join(str(ticket.id) for ticket in tickets)
                return Ambiguous(detail=f"{NAME}: tickets {ids} all have external id {operation.record_key}")
            case Invalid() | RetryAfter() as failure:
                return failure
            case other:
                assert_never(other)

    async def find(self, operation: Operation) -> DeliveryOutcome | None:
        """The record key's ticket, if it has the operation's id; `Invalid` if it did not take all of the values.

        The operation is said to have created the ticket unless that was updated since. A look-up
        that is refused is `RetryAfter`, for it tells nothing of the write.
        """
        match await self._tickets_of(operation):
            case TicketList(tickets=tickets):
                return next((_found(ticket, operation) for ticket in tickets if carries(ticket, operation)), None)
            case Invalid(detail=detail):
                return RetryAfter(detail=detail)
            case RetryAfter() as later:
                return later
            case other:
                assert_never(other)

    async def candidates(self, operation: Operation) -> list[Candidate] | RetryAfter | Invalid:
        """The latest tickets of the same requester; without one, those with the subject's words.

        Archived tickets and those of the last minutes may be missing.
        """
        match await self._tickets_of(operation):
            case TicketList(tickets=[_, *_] as tickets):
                return [Candidate(str(ticket.id), shown(ticket), ours=True) for ticket in tickets]
            case Invalid() | RetryAfter() as failure:
                return failure
        if (query := similar(operation.values)) is None:
            return []
        wanted = {"query": query, "sort_by": "updated_at", "sort_order": "desc", "per_page": str(MOST_CANDIDATES)}
        match await self._api.ask(SearchResults, "/search.json", wanted):
            case SearchResults(results=tickets):
                theirs = {name: text for name in ("requester",) if (text := operation.values.get(name))}
                return [Candidate(external_id=str(ticket.id), values=shown(ticket) | theirs) for ticket in tickets]
            case Invalid() | RetryAfter() as failure:
                return failure
            case other:
                assert_never(other)

    async def diagnose(self, uses: Sequence[Use]) -> Diagnosis:
        """How the account stands to what is written there."""
        return await diagnosed(self._api, uses)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._api.aclose()

    async def _tickets_of(self, operation: Operation) -> TicketList | Invalid | RetryAfter:
        """The operation's ticket by Zendesk's id where that is known, else those under our key."""
        if operation.external_id:
            return await self._api.ask(TicketList, "/tickets/show_many.json", {"ids": operation.external_id})
        return await self._api.ask(TicketList, "/tickets.json", {"external_id": operation.record_key})

    async def _unknown_field(self, operation: Operation) -> Invalid | RetryAfter | None:
        """What is wrong with the custom fields; those of the account are remembered, and read again if one is not."""
        wanted = custom_fields(operation).keys()
        if wanted <= self._fields:
            return None
        match await self._api.ask(FieldList, "/ticket_fields.json", {}):
            case FieldList(ticket_fields=fields):
                self._fields = {field.id for field in fields if field.active}
            case Invalid() | RetryAfter() as failure:
                return failure
            case other:
                assert_never(other)
        missing = ", ".join(f"field_{number}" for number in sorted(wanted - self._fields))
        return Invalid(detail=f"{NAME}: the account has no ticket field {missing}") if missing else None

    async def _create(self, operation: Operation) -> DeliveryOutcome:
        headers = {"Idempotency-Key": operation.operation_id}
        answer = await self._api.act(OneTicket, "POST", "/tickets.json", new_ticket(operation), headers)
        return _outcome(answer, "created", operation)

    async def _update(self, ticket: Ticket, operation: Operation) -> DeliveryOutcome:
        if (change := change_of(ticket, operation)) is None:
            return Written(kind="unchanged", external_id=str(ticket.id))
        answer = await self._api.act(OneTicket, "PUT", f"/tickets/{ticket.id}.json", change)
        return _outcome(answer, "updated", operation)


def _outcome(
    answer: OneTicket | Conflict | Invalid | RetryAfter | Unknown,
    kind: Literal["created", "updated"],
    operation: Operation,
) -> DeliveryOutcome:
    match answer:
        case OneTicket(ticket=ticket):
            return _judged(ticket, operation, kind)
        case Conflict() | Invalid() | RetryAfter() | Unknown() as failure:
            return failure
        case other:
            assert_never(other)


def _found(ticket: Ticket, operation: Operation) -> Written | Invalid:
    untouched = ticket.created_at == ticket.updated_at
    return _judged(ticket, operation, "created" if untouched else "updated", found=True)


def _judged(
    ticket: Ticket, operation: Operation, kind: Literal["created", "updated", "unchanged"], *, found: bool = False
) -> Written | Invalid:
    """A ticket that was written, by whether it holds the custom fields that were sent."""
    if wrong := lacking(ticket, operation):
        detail = f"ticket {ticket.id} was written, but did not take {', '.join(wrong)}; set that there, and try again"
        return Invalid(detail=f"{NAME}: {detail}")
    return Written(kind=kind, external_id=str(ticket.id), found=found)


def _open(values: Mapping[str, str]) -> Zendesk:
    email, token = values[ZENDESK_EMAIL.name], secret(values, ZENDESK_TOKEN)
    return Zendesk(url(values, ZENDESK_URL), email, token, seconds(values, TIMEOUT_S))


SPEC = SystemSpec(
    _open,
    (ZENDESK_URL, ZENDESK_EMAIL, ZENDESK_TOKEN, TIMEOUT_S),
    (OPERATION_FIELD, UPDATE_COMMENT),
    searchable=True,
)
