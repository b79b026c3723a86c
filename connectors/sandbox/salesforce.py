"""Salesforce's records as far as the connector meets them, with the traps of the real ones.

300 where several records have the external id; 403 where others say 429; duplicate rules;
collections whose records fail one by one inside a 200; a path that takes the end of a key
for a file type; 412 for a record that was modified since.
"""

from collections import Counter
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, NoReturn, cast

from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException, Request
from fastapi.responses import JSONResponse, Response

from connectors.sandbox.crm import EMAIL
from connectors.sandbox.faults import FaultPlan, Kind, answer
from connectors.sandbox.records import Records
from connectors.sandbox.salesforce_query import MalformedQueryError, parse
from connectors.sandbox.salesforce_shapes import (
    Collection,
    Fields,
    ItemError,
    Result,
    Results,
    Rows,
    Settings,
    StoredObject,
    described,
)
from connectors.sandbox.service import Stats, TokenBucket, assemble, control_routes

ROOT = "/services/data/v68.0"
LARGEST_BATCH = 200
LONGEST_VALUE = 32_000
FILE_TYPES = (".inc", ".json", ".xml")
"""Ends of a path that are taken for a format."""
DAILY_TOTAL = 15_000

Allow = Annotated[str, Header(alias="Sforce-Duplicate-Rule-Header")]
Since = Annotated[str | None, Header(alias="If-Unmodified-Since")]


class Org:
    """The rules of one org over its records."""

    def __init__(self, records: Records[StoredObject]) -> None:
        self.records, self.settings, self.requests = records, Settings(), 0

    def matching(self, kind: str, key: str, value: str) -> list[StoredObject]:
        """The records of an object with this external id."""
        return [one for one in self.records.under(_key(kind, key, value)) if one.fields.get(key) == value]

    def problem(self, kind: str, key: str, value: str, fields: dict[str, str], *, allow: bool) -> ItemError | None:
        """Why a record cannot be upserted, if it cannot."""
        known = self.matching(kind, key, value)
        missing = [name for name in self.settings.required.get(kind, ()) if not fields.get(name)]
        if len(known) > 1:
            return ItemError(statusCode="DUPLICATE_EXTERNAL_ID", message=f"{key} matches more than one record")
        if value in self.settings.locked:
            return ItemError(
                statusCode="UNABLE_TO_LOCK_ROW", message="unable to obtain exclusive access to this record"
            )
        if not known and missing:
            message = f"Required fields are missing: [{', '.join(missing)}]"
            return ItemError(statusCode="REQUIRED_FIELD_MISSING", message=message, fields=missing)
        if bad := self._bad(fields):
            return bad
        if not known and not allow and self.twins(kind, fields):
            message = "You're creating a duplicate record. We recommend you use an existing record instead."
            return ItemError(statusCode="DUPLICATES_DETECTED", message=message)
        return None

    def problem_of_update(self, record: StoredObject, fields: dict[str, str]) -> ItemError | None:
        """Why a record cannot be changed, if it cannot: a lock, a unique value that another has, a bad one."""
        for name, value in fields.items():
            others = [one for one in self.matching(record.object, name, value) if one.id != record.id]
            if name.endswith("__c") and name != self.settings.operation_field and others:
                message = f"duplicate value found: {name} duplicates value on record with id: {others[0].id}"
                return ItemError(statusCode="DUPLICATE_VALUE", message=message, fields=[name])
        if {*record.fields.values()} & {*self.settings.locked}:
            return ItemError(statusCode="UNABLE_TO_LOCK_ROW", message="unable to obtain exclusive access")
        return self._bad(fields)

    def update(self, record: StoredObject, fields: dict[str, str]) -> Result:
        """Set fields of a record."""
        return Result(id=self.save(record.object, record, fields).id, success=True)

    def _bad(self, fields: dict[str, str]) -> ItemError | None:
        if (email := fields.get("Email")) and not EMAIL.fullmatch(email):
            message = f"Email: invalid email address: {email}"
            return ItemError(statusCode="INVALID_EMAIL_ADDRESS", message=message, fields=["Email"])
        if too_long := [name for name, text in fields.items() if len(text) > LONGEST_VALUE]:
            message = f"{too_long[0]}: data value too large (max length={LONGEST_VALUE})"
            return ItemError(statusCode="STRING_TOO_LONG", message=message, fields=too_long)
        return None

    def twins(self, kind: str, fields: dict[str, str]) -> list[StoredObject]:
        """Records that the duplicate rule takes for the same."""
        email = fields.get("Email", "").lower()
        if not (self.settings.unique_email and email):
            return []
        found = self.records.under(_key(kind, "Email", email))
        return [one for one in found if one.fields.get("Email", "").lower() == email]

    def upsert(self, kind: str, key: str, value: str, fields: dict[str, str]) -> Result:
        """Store a record that has no problem."""
        known = self.matching(kind, key, value)
        record = self.save(kind, known[0] if known else None, {**fields, key: value})
        return Result(id=record.id, success=True, created=not known)

    def save(self, kind: str, known: StoredObject | None, fields: dict[str, str]) -> StoredObject:
        """Store a new record, or new fields of one; the same again is not counted as a change."""
        if known and fields.items() <= known.fields.items():
            return self.records.save(known.model_copy(update={"modified": _now()}))
        now = _now()
        operation = fields.get(self.settings.operation_field, "")
        record = StoredObject(
            id=known.id if known else self.records.new_id(),
            object=kind,
            fields=(known.fields if known else {}) | fields,
            created=known.created if known else now,
            modified=now,
            operation_id=operation or (known.operation_id if known else ""),
            operation_ids=[*(known.operation_ids if known else []), *filter(None, [operation])],
        )
        return self.records.save(record)

    def query(self, soql: str) -> Rows:
        """The rows of a query; SOQL reads the records themselves, so it never lags."""
        try:
            query = parse(soql)
        except MalformedQueryError as exc:
            refuse(400, "MALFORMED_QUERY", str(exc))
        rows = [_row(one) for one in self.records.all() if one.object == query.object]
        found = [row for row in rows if query.holds(row)][: query.limit]
        records = [{name: row.get(name) for name in query.fields} for row in found]
        return Rows(totalSize=len(records), records=records)

    def stats(self, plan: FaultPlan) -> Stats:
        """The org's books."""
        records = self.records.all()
        applied = Counter(operation for record in records for operation in record.operation_ids)
        doubled = sum(times - 1 for times in applied.values())
        return Stats(records=len(records), writes=applied.total(), doubled=doubled, faults=dict(plan.counts))


def create_app(plan: FaultPlan, state: Path | None = None, limit: TokenBucket | None = None) -> FastAPI:
    """The server.

    Its `doubled` counts operations that changed something again. `POST /_settings` changes the `Settings`.
    """
    records = Records(StoredObject, _keys, state)
    org = Org(records)
    control = control_routes(records, plan, lambda: org.stats(plan))

    @control.post("/_settings")
    async def change_settings(change: dict[str, object]) -> Settings:
        org.settings, org.requests = Settings.model_validate(org.settings.model_dump() | change), 0
        return org.settings

    app = assemble("Sandbox Salesforce", _routes(org, plan, limit or TokenBucket()), control, records.close)

    @app.exception_handler(HTTPException)
    async def as_salesforce(_: Request, exc: HTTPException) -> JSONResponse:
        status, detail = exc.status_code, cast("object", exc.detail)
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            message = "ConcurrentRequests (Concurrent API Requests) Limit exceeded."
            status, detail = 403, [{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": message}]
        unlisted = [{"errorCode": "UNKNOWN_EXCEPTION", "message": detail}]
        return JSONResponse(detail if isinstance(detail, list) else unlisted, status, _usage(org))

    return app


def _routes(org: Org, plan: FaultPlan, limit: TokenBucket) -> APIRouter:
    async def admit(authorization: Annotated[str, Header()] = "") -> None:
        if not authorization.startswith("Bearer "):
            refuse(401, "INVALID_SESSION_ID", "Session expired or invalid")
        org.requests += 1
        if org.settings.daily_quota is not None and org.requests > org.settings.daily_quota:
            refuse(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
        await limit.take()

    router = APIRouter(prefix=ROOT, dependencies=[Depends(admit)])

    @router.patch("/sobjects/{kind}/{key}/{value}")
    async def upsert(
        kind: str, key: str, value: str, fields: Fields, allow: Allow = "", since: Since = None
    ) -> Response:
        if value.endswith(FILE_TYPES):
            refuse(404, "NOT_FOUND", "The requested resource does not exist")
        if forbidden := sorted({"Id", key} & fields.root.keys()):
            refuse(400, "INVALID_FIELD", f"The {forbidden[0]} field should not be specified in the sobject data.")
        known = org.matching(kind, key, value)
        if len(known) > 1:
            return JSONResponse([f"{ROOT}/sobjects/{kind}/{one.id}" for one in known], 300)
        if known and since and datetime.fromisoformat(known[0].modified) > parsedate_to_datetime(since):
            refuse(412, "PRECONDITION_FAILED", "The record has been modified since")
        allowed = "allowSave=true" in allow
        if problem := org.problem(kind, key, value, fields.root, allow=allowed):
            refuse(400, problem.statusCode, problem.message, org.twins(kind, fields.root))
        fault = plan.draw(Kind.CREATE, (fields.root.get(org.settings.operation_field, value), value))
        written = answer(plan, fault, 200 if known else 201, lambda: org.upsert(kind, key, value, fields.root))
        silent = known and fault is None and org.settings.silent_updates
        return Response(status_code=204) if silent else _told(written, org)

    @router.patch("/sobjects/{kind}/{record_id}")
    async def update(kind: str, record_id: str, fields: Fields) -> Response:
        if (record := org.records.get(record_id)) is None or record.object != kind:
            refuse(404, "NOT_FOUND", "The requested resource does not exist")
        if problem := org.problem_of_update(record, fields.root):
            refuse(400, problem.statusCode, problem.message)
        fault = plan.draw(Kind.CREATE, (fields.root.get(org.settings.operation_field, record_id), record_id))
        written = answer(plan, fault, 200, lambda: org.update(record, fields.root))
        return Response(status_code=204) if fault is None else _told(written, org)

    @router.patch("/composite/sobjects/{kind}/{key}")
    async def upsert_all(kind: str, key: str, collection: Collection, allow: Allow = "") -> Response:
        if len(collection.records) > LARGEST_BATCH:
            refuse(400, "EXCEEDED_ID_LIMIT", f"record limit reached. cannot submit more than {LARGEST_BATCH}")
        records = [{n: v for n, v in one.items() if isinstance(v, str)} for one in collection.records]
        if not all(one.get(key) for one in records):
            refuse(400, "MISSING_ARGUMENT", f"{key} not specified in an upsert call")
        names = [name for one in records for name in (one.get(org.settings.operation_field, ""), one[key]) if name]
        allowed = "allowSave=true" in allow
        fault = plan.draw(Kind.CREATE, names)
        return _told(answer(plan, fault, 200, lambda: _upserted(org, kind, key, records, allow=allowed)), org)

    @router.post("/sobjects/{kind}")
    async def create(kind: str, fields: Fields) -> Response:
        record = org.save(kind, None, fields.root)
        return JSONResponse({"id": record.id, "success": True, "errors": []}, 201)

    @router.get("/limits")
    async def limits() -> Response:
        most = org.settings.daily_quota or DAILY_TOTAL
        told = {"DailyApiRequests": {"Max": most, "Remaining": max(most - org.requests, 0)}}
        return _told(JSONResponse(told), org)

    @router.get("/sobjects/{kind}/describe")
    async def describe(kind: str) -> Response:
        if kind not in org.settings.objects:
            refuse(404, "NOT_FOUND", "The requested resource does not exist")
        return _told(JSONResponse(described(kind, org.settings.operation_field)), org)

    @router.get("/query")
    async def query(q: str) -> Response:
        return _told(answer(plan, plan.draw(Kind.READ, (q,)), 200, lambda: org.query(q)), org)

    return router


def refuse(status: int, code: str, message: str, twins: list[StoredObject] | None = None) -> NoReturn:
    """Answer with an error in Salesforce's shape; with duplicates, where there are some."""
    error: dict[str, object] = {"errorCode": code, "message": message}
    if code == "DUPLICATES_DETECTED":
        matches = [{"matchConfidence": 100.0, "record": {"Id": one.id}} for one in twins or []]
        error["duplicateResult"] = {"allowSave": True, "matchResults": [{"matchRecords": matches}]}
    raise HTTPException(status, [error])


def _upserted(org: Org, kind: str, key: str, records: list[dict[str, str]], *, allow: bool) -> Results:
    results = []
    for fields in records:
        if problem := org.problem(kind, key, fields[key], fields, allow=allow):
            results.append(Result(success=False, errors=[problem]))
        else:
            results.append(org.upsert(kind, key, fields[key], fields))
    return Results(results)


def _key(kind: str, name: str, value: str) -> str:
    return f"{kind}/{name}/{value}"


def _keys(record: StoredObject) -> list[str]:
    names = {name: value for name, value in record.fields.items() if name.endswith("__c")}
    names["Email"] = record.fields.get("Email", "").lower()
    return [_key(record.object, name, value) for name, value in names.items() if value]


def _row(record: StoredObject) -> dict[str, str]:
    return {**record.fields, "Id": record.id, "CreatedDate": record.created, "LastModifiedDate": record.modified}


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f+0000")


def _usage(org: Org) -> dict[str, str]:
    return {"Sforce-Limit-Info": f"api-usage={org.requests}/{org.settings.daily_quota or DAILY_TOTAL}"}


def _told(response: Response, org: Org) -> Response:
    response.headers.update(_usage(org))
    return response
