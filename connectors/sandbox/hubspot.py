"""HubSpot's CRM objects as far as the connector meets them, with the traps of the real ones.

Errors of single records inside a success; a batch refused whole for repeated ids or one
taken e-mail address, whose owner only the message's text names; a search that lags; limits
that speak in `policyName` and no Retry-After; lifecycle stages that move forward only, and
silently not back; property values beside their history; a merged record that answers under its
old id with its survivor, and an archived one that is not there; a blank property that is shown
as null, and one that the account does not have, which is not shown at all.
"""

from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException, Query, Request
from fastapi.responses import JSONResponse, Response

from connectors.sandbox.faults import FaultPlan, Kind, answer
from connectors.sandbox.hubspot_account import account_routes
from connectors.sandbox.hubspot_portal import CLOCK, LARGEST_BATCH, Portal, Settings, keys, refuse
from connectors.sandbox.hubspot_search import Search
from connectors.sandbox.hubspot_shapes import Merge, NewObject, PeoplesEdit, ReadBatch, Shown, StoredObject, UpsertBatch
from connectors.sandbox.records import Records
from connectors.sandbox.service import TokenBucket, assemble, control_routes

SEARCHES_PER_S = 5


def utc_now() -> datetime:
    """The time."""
    return datetime.now(UTC)


def create_app(
    plan: FaultPlan,
    state: Path | None = None,
    limit: TokenBucket | None = None,
    searches: TokenBucket | None = None,
    clock: CLOCK = utc_now,
) -> FastAPI:
    """The server.

    Its `doubled` counts operations that changed something again, and records that share a unique
    value with an earlier one. `POST /_settings` changes the `Settings`. People who work in the account
    look up records by `GET /_people/…` and edit them by `POST /_people/…`, which nothing limits or disturbs.
    """
    unique = Settings().unique
    records = Records(StoredObject, lambda record: keys(record, unique), state)
    portal = Portal(records, clock)
    control = control_routes(records, plan, lambda: portal.stats(plan))

    @control.post("/_settings")
    async def change_settings(change: dict[str, object]) -> Settings:
        portal.settings = Settings.model_validate(portal.settings.model_dump() | change)
        portal.requests = 0
        return portal.settings

    @control.get("/_people/{kind}")
    async def look_up(kind: str, name: str, value: str) -> list[StoredObject]:
        return portal.named(kind, name, value)

    @control.post("/_people/{kind}/{record_id}")
    async def edit(kind: str, record_id: str, edit: PeoplesEdit) -> Shown:
        return portal.edit(kind, record_id, edit)

    routes = _routes(portal, plan, limit or TokenBucket(), searches or TokenBucket(SEARCHES_PER_S, SEARCHES_PER_S))
    app = assemble("Sandbox HubSpot", routes, control, records.close)

    @app.exception_handler(HTTPException)
    async def as_hubspot(_: Request, exc: HTTPException) -> JSONResponse:
        return _error(exc, portal.settings)

    return app


def _routes(portal: Portal, plan: FaultPlan, limit: TokenBucket, searches: TokenBucket) -> APIRouter:
    async def admit(authorization: Annotated[str, Header()] = "") -> None:
        if not authorization.startswith("Bearer "):
            refuse(401, "Authentication credentials not found", "INVALID_AUTHENTICATION")
        if portal.settings.away:
            refuse(503, "Service unavailable", "SERVICE_UNAVAILABLE")
        portal.requests += 1
        if portal.settings.daily_quota is not None and portal.requests > portal.settings.daily_quota:
            raise HTTPException(429, {"message": "You have reached your daily limit.", "policyName": "DAILY"})
        await limit.take()

    async def admit_search() -> None:
        try:
            await searches.take()
        except HTTPException as exc:
            said = {"message": "You have reached your secondly limit.", "policyName": "SECONDLY"}
            raise HTTPException(429, said) from exc

    router = APIRouter(prefix="/crm/objects/2026-09/{kind}", dependencies=[Depends(admit)])

    @router.post("/batch/upsert")
    async def upsert(kind: str, batch: UpsertBatch) -> Response:
        portal.check_batch(kind, batch)
        partly = any(portal.problem_of(one.properties) for one in batch.inputs)
        names = [name for one in batch.inputs for name in (one.object_write_trace_id, one.id)]
        status = portal.settings.errors_status if partly else 200
        return answer(plan, plan.draw(Kind.CREATE, names), status, lambda: portal.upsert(kind, batch))

    @router.post("/batch/read")
    async def read(kind: str, batch: ReadBatch) -> Response:
        found = portal.read(kind, batch)
        fault = plan.draw(Kind.READ, [one.id for one in batch.inputs])
        return answer(plan, fault, 207 if found.errors else 200, lambda: found)

    @router.post("/search", dependencies=[Depends(admit_search)])
    async def search(kind: str, search: Search) -> Response:
        return answer(plan, plan.draw(Kind.READ, ("search",)), 200, lambda: portal.search(kind, search))

    @router.get("")
    async def page(
        kind: str, properties: str = "", after: str = "", limit: Annotated[int, Query(ge=1, le=LARGEST_BATCH)] = 10
    ) -> Response:
        found = portal.page(kind, after, limit, properties.split(","))
        return answer(plan, plan.draw(Kind.READ, ("list",)), 200, lambda: found)

    @router.post("/merge")
    async def merge(kind: str, pair: Merge) -> Response:
        return JSONResponse(portal.merge(kind, pair).model_dump(mode="json"))

    @router.get("/{record_id}")
    async def one(kind: str, record_id: str, properties: str = "") -> Response:
        found = portal.one(kind, record_id, properties.split(","))
        return answer(plan, plan.draw(Kind.READ, (record_id,)), 200, lambda: found)

    @router.delete("/{record_id}", status_code=204)
    async def archive(kind: str, record_id: str) -> None:
        portal.archive(kind, record_id)

    @router.patch("/{record_id}")
    async def update(kind: str, record_id: str, patch: NewObject) -> Response:
        record = portal.check_patch(kind, record_id, patch)
        names = [patch.properties.get(portal.settings.operation_property, record_id), record_id]
        fault = plan.draw(Kind.CREATE, names)
        return answer(plan, fault, 200, lambda: portal.patch(kind, record, patch))

    @router.post("")
    async def create(kind: str, new: NewObject) -> Response:
        return JSONResponse(portal.create(kind, new).model_dump(mode="json"), 201)

    whole = APIRouter()
    whole.include_router(router)
    whole.include_router(account_routes(portal, admit))
    return whole


def _error(exc: HTTPException, settings: Settings) -> JSONResponse:
    """An error in HubSpot's words: a limit comes with headers, except the search's, and no Retry-After."""
    limited = exc.status_code == HTTPStatus.TOO_MANY_REQUESTS
    rolling = {"message": "You have reached your rolling limit.", "policyName": "TEN_SECONDLY_ROLLING"}
    broken = {"message": str(exc.detail), "category": "INTERNAL_ERROR"}
    detail: object = exc.detail
    said = detail if isinstance(detail, dict) else rolling if limited else broken
    body = {"status": "error", "correlationId": "c033cdaa-2c40-4a64-ae48-b4cec88dad24", **said}
    if not limited:
        return JSONResponse(body, exc.status_code)
    spent = {"X-HubSpot-RateLimit-Max": "100", "X-HubSpot-RateLimit-Remaining": "0"}
    window = {"X-HubSpot-RateLimit-Interval-Milliseconds": str(settings.window_ms)}
    headers = {} if said["policyName"] == "SECONDLY" else spent | window
    return JSONResponse(body | {"errorType": "RATE_LIMIT"}, exc.status_code, headers)
