"""Zendesk: tickets by external id, made under an idempotency key and updated by compare-and-set.

Sources: developer.zendesk.com, API reference, "Tickets", "Search" and "Introduction" (idempotency, rate
limits), and the guide "Adding tags to tickets without overwriting existing tags".
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, assert_never

import httpx

from connectors.help_desk.zendesk_tickets import (
    NAME,
    OPERATION_FIELD,
    UPDATE_COMMENT,
    OneTicket,
    SearchResults,
    Ticket,
    TicketList,
    carries,
    change_of,
    custom_fields,
    field_value,
    new_ticket,
    shown,
    similar,
    unusable,
)
from connectors.http_outcomes import HttpApi, Limit, Meaning, Refusal, Vendor
from connectors.ports import Candidate, Capabilities, Idempotency, Upsert, Versioning
from connectors.spec import TIMEOUT_S, SystemSpec, Variable, seconds, url
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
        self._api = HttpApi(VENDOR, httpx.AsyncClient(base_url=f"{url}/api/v2", auth=auth, timeout=timeout_s), token)

    async def send(self, operation: Operation) -> DeliveryOutcome:
        """Create the ticket, or set what differs, add the tags and comment.

        Safe to repeat: a ticket that has the operation's id is left alone, as is one that has the
        values already when there is no body to add.
        """
        if refused := unusable(operation):
            return refused
        match await self._tickets_of(operation):
            case TicketList(tickets=[]) if operation.external_id:
                return Invalid(detail=f"{NAME}: there is no ticket {operation.external_id} any more", gone=True)
            case TicketList(tickets=[]):
                return await self._create(operation)
            case TicketList(tickets=[ticket]) if carries(ticket, operation):
                return Written(kind="unchanged", external_id=str(ticket.id))
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
        """The record key's ticket, if it has the operation's id.

        The operation is said to have created the ticket unless that was updated since. A look-up
        that is refused is `RetryAfter`, for it tells nothing of the write.
        """
        match await self._tickets_of(operation):
            case TicketList(tickets=tickets):
                return next((_found(ticket) for ticket in tickets if carries(ticket, operation)), None)
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

    async def aclose(self) -> None:
        """Close the connections."""
        await self._api.aclose()

    async def _tickets_of(self, operation: Operation) -> TicketList | Invalid | RetryAfter:
        """The operation's ticket by Zendesk's id where that is known, else those under our key."""
        if operation.external_id:
            return await self._api.ask(TicketList, "/tickets/show_many.json", {"ids": operation.external_id})
        return await self._api.ask(TicketList, "/tickets.json", {"external_id": operation.record_key})

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
    """Fields that the account does not have are skipped in silence: they are missing in the answer."""
    match answer:
        case OneTicket(ticket=ticket):
            if missing := [
                f"field_{number}" for number in custom_fields(operation) if field_value(ticket, number) is None
            ]:
                detail = f"ticket {ticket.id} was {kind}, but there is no ticket field {', '.join(missing)}"
                return Invalid(detail=f"{NAME}: {detail}")
            return Written(kind=kind, external_id=str(ticket.id))
        case Conflict() | Invalid() | RetryAfter() | Unknown() as failure:
            return failure
        case other:
            assert_never(other)


def _found(ticket: Ticket) -> Written:
    untouched = ticket.created_at == ticket.updated_at
    return Written(kind="created" if untouched else "updated", external_id=str(ticket.id), found=True)


def _open(values: Mapping[str, str]) -> Zendesk:
    email, token = values[ZENDESK_EMAIL.name], values[ZENDESK_TOKEN.name]
    return Zendesk(url(values, ZENDESK_URL), email, token, seconds(values, TIMEOUT_S))


SPEC = SystemSpec(
    _open,
    (ZENDESK_URL, ZENDESK_EMAIL, ZENDESK_TOKEN, TIMEOUT_S),
    (OPERATION_FIELD, UPDATE_COMMENT),
    searchable=True,
)
