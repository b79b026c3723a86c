"""A help desk with tickets and no uniqueness whatever: a client that sends twice doubles."""

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, HTTPException
from fastapi.responses import Response
from pydantic import BaseModel, Field

from connectors.sandbox.faults import FaultPlan, Kind, answer
from connectors.sandbox.records import Record, Records
from connectors.sandbox.service import Stats, TokenBucket, assemble, control_routes

Filled = Annotated[str, Field(min_length=1)]


class NewTicket(BaseModel):
    """Body of `POST /tickets`."""

    operation_id: Filled
    queue: Filled
    subject: Filled
    body: str = ""
    requester: str = ""
    tags: list[str] = []


class Ticket(NewTicket, Record):
    """A ticket with its id."""


class TicketList(BaseModel):
    """Answer to a search."""

    results: list[Ticket]


def create_app(plan: FaultPlan, state: Path | None = None, limit: TokenBucket | None = None) -> FastAPI:
    """The help desk's server.

    Its `doubled` counts tickets that share an operation id with an earlier one.
    """
    records: Records[Ticket] = Records(Ticket, lambda ticket: [ticket.operation_id], state)

    def stats() -> Stats:
        count = len(records.all())
        return Stats(records=count, writes=count, doubled=records.beyond_the_first(), faults=dict(plan.counts))

    routes = _ticket_routes(records, plan, limit or TokenBucket())
    return assemble("Sandbox help desk", routes, control_routes(records, plan, stats), records.close)


def _ticket_routes(records: Records[Ticket], plan: FaultPlan, limit: TokenBucket) -> APIRouter:
    router = APIRouter(dependencies=[Depends(limit.take)])

    @router.post("/tickets")
    async def create_ticket(new: NewTicket) -> Response:
        fault = plan.draw(Kind.CREATE, (new.operation_id,))
        return answer(plan, fault, 201, lambda: records.save(Ticket(id=records.new_id(), **new.model_dump())))

    @router.get("/tickets")
    async def search_tickets(operation_id: str) -> Response:
        fault = plan.draw(Kind.READ, (operation_id,))
        return answer(plan, fault, 200, lambda: TicketList(results=records.under(operation_id)))

    @router.get("/tickets/{ticket_id}")
    async def read_ticket(ticket_id: str) -> Response:
        if (ticket := records.get(ticket_id)) is None:
            raise HTTPException(404, f"There is no ticket {ticket_id}")
        fault = plan.draw(Kind.READ, (ticket.operation_id,))
        return answer(plan, fault, 200, lambda: ticket)

    return router
