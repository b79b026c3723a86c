"""A Zendesk with tickets: idempotency keys that end, tags replaced by updates, stamps, a search that lags.

Fields that the account does not have are skipped in silence, as there. Custom fields 1001 and
1002 exist.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, NoReturn

from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException, Request
from fastapi.responses import JSONResponse, Response
from pydantic import JsonValue

from connectors.sandbox.faults import Fault, FaultPlan, Kind, answer
from connectors.sandbox.records import Record, Records
from connectors.sandbox.service import Stats, TokenBucket, assemble, control_routes
from connectors.sandbox.zendesk_shapes import (
    Attributes,
    Change,
    ChangeBody,
    Comment,
    FieldValue,
    NewTicket,
    NewTicketBody,
    Shown,
    ShownResults,
    ShownTicket,
    ShownTickets,
    TicketField,
    TicketFields,
)

KEY_LIFE_S = 7200.0
"""How long an idempotency key is known ("Introduction", idempotency)."""
SEARCH_LAG_S = 120.0
"""How far the search is behind; "up to a few minutes" ("Search")."""
CUSTOM_FIELDS = (1001, 1002)
CREATED_AT = datetime(2026, 1, 1, tzinfo=UTC)
STATUSES = ("new", "open", "pending", "hold", "solved", "closed")
Clock = Callable[[], float]


class StoredTicket(Record):
    """A ticket as the server keeps it; `versions` counts writes, each a second later than the one before."""

    external_id: str | None
    requester: str
    attributes: dict[str, JsonValue]
    tags: list[str]
    custom: dict[int, JsonValue]
    comments: list[Comment]
    versions: int
    stored_at: float
    key: str | None
    request: str

    def shown(self) -> Shown:
        """As an answer has it."""
        custom = [FieldValue(id=number, value=self.custom.get(number)) for number in CUSTOM_FIELDS]
        return Shown.model_validate(
            {
                "subject": None,
                "type": None,
                "priority": None,
                "group_id": None,
                "assignee_id": None,
                "status": "new",
                **self.attributes,
                "id": int(self.id),
                "external_id": self.external_id,
                "tags": sorted(self.tags),
                "custom_fields": custom,
                "created_at": _stamp(1),
                "updated_at": _stamp(self.versions),
            }
        )


class Desk:
    """The rules over the tickets."""

    def __init__(self, records: Records[StoredTicket], clock: Clock) -> None:
        self.records = records
        self._clock = clock

    def made_with(self, key: str | None, new: NewTicket) -> StoredTicket | None:
        """The ticket that was made under this idempotency key, if it is known still."""
        tickets = self.records.under(f"key:{key}") if key else []
        known = [ticket for ticket in tickets if self._clock() - ticket.stored_at < KEY_LIFE_S]
        if known and known[0].request != new.model_dump_json():
            _refuse(400, "IdempotentRequestError", "The parameters differ from those first used with this key")
        return known[0] if known else None

    def create(self, key: str | None, new: NewTicket) -> ShownTicket:
        """Store a new ticket."""
        blank = StoredTicket(
            id=self.records.new_id(),
            external_id=None,
            requester=new.requester.email if new.requester else "",
            attributes={},
            tags=[],
            custom={},
            comments=[],
            versions=0,
            stored_at=self._clock(),
            key=key,
            request=new.model_dump_json(),
        )
        return self._write(blank, new)

    def check_change(self, ticket: StoredTicket, change: Change) -> None:
        """Refuse what `update` could not store."""
        _check(change)
        if ticket.attributes.get("status") == "closed":
            _refuse(422, "RecordInvalid", "Status: closed prevents ticket update")
        if change.safe_update and change.updated_stamp != _stamp(ticket.versions):
            _refuse(409, "UpdateConflict", "Safe Update prevented the update due to outdated ticket data")

    def update(self, ticket: StoredTicket, change: Change) -> ShownTicket:
        """Set what the change sets; its tags take the place of all others."""
        return self._write(ticket, change)

    def edit_by_an_agent(self, ticket: StoredTicket) -> StoredTicket:
        """Add a tag that no client of ours writes."""
        tags = [*ticket.tags, f"seen_by_agent_{ticket.versions}"]
        return self.records.save(ticket.model_copy(update={"versions": ticket.versions + 1, "tags": tags}))

    def search(self, query: str) -> ShownResults:
        """Those that have every quoted text and are old enough for the index."""
        texts = [text.casefold() for text in query.split('"')[1::2]]
        indexed = [one for one in self.records.all() if self._clock() - one.stored_at >= SEARCH_LAG_S]
        found = [one.shown() for one in indexed if all(text in one.model_dump_json().casefold() for text in texts)]
        return ShownResults(results=found, count=len(found))

    def _write(self, ticket: StoredTicket, change: NewTicket | Change) -> ShownTicket:
        given = change.model_dump(include=set(Attributes.model_fields), exclude_none=True, mode="json")
        tags, fields = given.pop("tags", ticket.tags), given.pop("custom_fields", [])
        custom = {field["id"]: field["value"] for field in fields if field["id"] in CUSTOM_FIELDS}
        written = {
            "external_id": given.pop("external_id", ticket.external_id),
            "attributes": ticket.attributes | given,
            "tags": sorted({tag.lower() for tag in tags}),
            "custom": ticket.custom | custom,
            "comments": [*ticket.comments, *([change.comment] if change.comment else [])],
            "versions": ticket.versions + 1,
        }
        return ShownTicket(ticket=self.records.save(ticket.model_copy(update=written)).shown())


def create_app(
    plan: FaultPlan, state: Path | None = None, limit: TokenBucket | None = None, clock: Clock = time.time
) -> FastAPI:
    """The server.

    Its `doubled` counts tickets that share an external id or an idempotency key with an
    earlier one, and comments that repeat one of the same ticket.
    """
    records = Records(StoredTicket, _keys, state)
    desk = Desk(records, clock)

    def stats() -> Stats:
        tickets = records.all()
        said_again = sum(len(one.comments) - len({comment.body for comment in one.comments}) for one in tickets)
        return Stats(
            records=len(tickets),
            writes=sum(ticket.versions for ticket in tickets),
            doubled=records.beyond_the_first() + said_again,
            faults=dict(plan.counts),
        )

    control = control_routes(records, plan, stats)
    app = assemble("Sandbox Zendesk", _ticket_routes(desk, plan, limit or TokenBucket()), control, records.close)
    app.add_exception_handler(HTTPException, _in_zendesks_words)
    return app


def _ticket_routes(desk: Desk, plan: FaultPlan, limit: TokenBucket) -> APIRouter:
    router = APIRouter(prefix="/api/v2", dependencies=[Depends(_logged_in), Depends(limit.take)])

    @router.post("/tickets.json")
    async def create_ticket(
        body: NewTicketBody, idempotency_key: Annotated[str | None, Header(max_length=255)] = None
    ) -> Response:
        _check(body.ticket)
        made = desk.made_with(idempotency_key, body.ticket)
        fault = plan.draw(Kind.CREATE, _named(idempotency_key, body.ticket.external_id))
        whole = answer(
            plan,
            fault,
            201,
            lambda: ShownTicket(ticket=made.shown()) if made else desk.create(idempotency_key, body.ticket),
        )
        whole.headers["x-idempotency-lookup"] = "hit" if made else "miss"
        return whole

    @router.put("/tickets/{ticket_id}.json")
    async def update_ticket(ticket_id: str, body: ChangeBody) -> Response:
        ticket = _known(desk, ticket_id)
        desk.check_change(ticket, body.ticket)
        fault = plan.draw(Kind.UPDATE, _named(ticket.external_id))
        if fault is Fault.STALE:
            desk.check_change(desk.edit_by_an_agent(ticket), body.ticket)
        return answer(plan, fault, 200, lambda: desk.update(ticket, body.ticket))

    @router.get("/tickets.json")
    async def list_tickets(external_id: str) -> Response:
        found = [ticket.shown() for ticket in desk.records.under(f"external:{external_id}")]
        fault = plan.draw(Kind.READ, (external_id,))
        return answer(plan, fault, 200, lambda: ShownTickets(tickets=found, count=len(found)))

    @router.get("/tickets/show_many.json")
    async def show_many(ids: str) -> Response:
        found = [ticket.shown() for one in ids.split(",") if (ticket := desk.records.get(one))]
        fault = plan.draw(Kind.READ, (ids,))
        return answer(plan, fault, 200, lambda: ShownTickets(tickets=found, count=len(found)))

    @router.get("/users/me.json")
    async def who_we_are() -> Response:
        told = {"user": {"id": 1, "role": "agent", "email": "agent@example.com"}}
        return JSONResponse(told, headers={"X-Rate-Limit": "200", "X-Rate-Limit-Remaining": "199"})

    @router.get("/ticket_fields.json")
    async def list_ticket_fields() -> Response:
        fields = [TicketField(id=number) for number in CUSTOM_FIELDS]
        fault = plan.draw(Kind.READ, ("ticket_fields",))
        return answer(plan, fault, 200, lambda: TicketFields(ticket_fields=fields))

    @router.get("/search.json")
    async def search(query: str) -> Response:
        fault = plan.draw(Kind.READ, (query,))
        return answer(plan, fault, 200, lambda: desk.search(query))

    @router.get("/tickets/{ticket_id}.json")
    async def read_ticket(ticket_id: str) -> Response:
        ticket = _known(desk, ticket_id)
        fault = plan.draw(Kind.READ, _named(ticket.external_id))
        return answer(plan, fault, 200, lambda: ShownTicket(ticket=ticket.shown()))

    return router


def _keys(ticket: StoredTicket) -> list[str]:
    """Those under which no two tickets should be."""
    return [f"{kind}:{key}" for kind, key in (("external", ticket.external_id), ("key", ticket.key)) if key]


def _named(*keys: str | None) -> list[str]:
    return [key for key in keys if key]


async def _logged_in(authorization: Annotated[str | None, Header()] = None) -> None:
    if not (authorization or "").startswith("Basic "):
        _refuse(401, "Couldn't authenticate you", "")


def _known(desk: Desk, ticket_id: str) -> StoredTicket:
    return desk.records.get(ticket_id) or _refuse(404, "RecordNotFound", "Not found")


def _check(attributes: Attributes) -> None:
    if attributes.status is not None and attributes.status not in STATUSES:
        _refuse(422, "RecordInvalid", f"Status: {attributes.status} is not included in the list")


def _refuse(status: int, error: str, description: str) -> NoReturn:
    raise HTTPException(status, {"error": error, "description": description})


async def _in_zendesks_words(_: Request, exc: Exception) -> JSONResponse:
    if not isinstance(exc, HTTPException):
        raise exc
    detail: object = exc.detail
    said = detail if isinstance(detail, dict) else {"error": str(detail)}
    return JSONResponse(said, exc.status_code, exc.headers)


def _stamp(versions: int) -> str:
    return (CREATED_AT + timedelta(seconds=versions - 1)).strftime("%Y-%m-%dT%H:%M:%SZ")
