"""One described API: looks first where its description says so, writes, and looks a lost write up."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, assert_never

import httpx

from connectors.capabilities import Capabilities, Idempotency, Upsert, Versioning
from connectors.diagnosis import Aspect, Finding, ahead_s, well, wrong
from connectors.http_outcomes import Headed, Vendor
from connectors.spec import Variable, client, secret, url
from connectors.web_api.call import Call, Reply, at, holds, text_at
from connectors.web_api.description import Auth, Description, Means, Read, Write, load_description
from connectors.web_api.templates import Kind, render, values_used
from domain.delivery import Ambiguous, Conflict, DeliveryOutcome, Invalid, Operation, RetryAfter, Unknown, Written
from domain.errors import PolicyInvalid

KINDS: Mapping[Means, Literal["created", "updated", "unchanged"]] = {
    Means.CREATED: "created",
    Means.UPDATED: "updated",
    Means.UNCHANGED: "unchanged",
}
"""The meanings of an answer to a write that was done."""


@dataclass(frozen=True)
class Record:
    """A record that a look-up found."""

    external_id: str
    version: str | None
    fields: Mapping[str, object] | None
    created: bool

    def seen(self, changed: Mapping[str, str]) -> dict[str, object]:
        """What an update's templates see of it."""
        return {"id": self.external_id, "version": self.version, "fields": self.fields or {}, "changed": changed}


class Api:
    """What a description tells, in action."""

    def __init__(self, name: str, described: Description, http: httpx.AsyncClient, key: str) -> None:
        self._name, self._described, self._http = name, described, http
        vendor = Vendor(name=name, key_variable=described.auth.variable if described.auth else None)
        self._calls = {kind: Call(vendor, http, key, described, request) for kind, request in described.requests()}
        self._taken = [taken for write in (described.create, described.update) if (taken := _taken(write)) is not None]

    @property
    def capabilities(self) -> Capabilities:
        """What the description says that the system can do."""
        described = self._described
        traced = Idempotency.TRACE if described.find is not None else Idempotency.NONE
        harmless = Idempotency.KEY if described.idempotency_header else Idempotency.CONTENT
        kept = harmless if described.after_unknown == "send_again" else traced
        versioned = described.search is not None and described.search.version is not None
        return Capabilities(
            upsert=Upsert.SEARCH if described.search is not None else Upsert.NONE,
            idempotency=kept,
            versioning=Versioning.COMPARE if versioned else Versioning.NONE,
            search_lag_s=described.search_lag_s,
            rate_per_s=described.rate_per_s,
        )

    async def send(self, operation: Operation) -> DeliveryOutcome:
        """Create the record, or update the one that the search finds by what differs.

        A value that no template passes on is `Invalid`, for it would be dropped unseen.
        """
        for taken in self._taken:
            if strange := sorted(operation.values.keys() - taken):
                known = ", ".join(sorted(taken)) or "none"
                return self._invalid(f"its description passes no {', '.join(strange)} on; it passes on {known}")
        if self._described.search is None:
            return await self._create(operation)
        match await self._records("search", self._described.search, operation):
            case []:
                return await self._create_or_update(operation, self._described.search)
            case [record]:
                return await self._update(record, operation)
            case list() as records:
                return self._ambiguous(records, operation)
            case Invalid() | RetryAfter() | Ambiguous() as failure:
                return failure
            case other:
                assert_never(other)

    async def find(self, operation: Operation) -> DeliveryOutcome | None:
        """The record that carries the operation's id; `Invalid` if its fields are told and lack some of the values.

        A look-up that is refused is `RetryAfter`, for it tells nothing of the write. Without one
        the description says whether the write can be sent again or is a person's to clear up.
        """
        if self._described.find is None:
            if self._described.after_unknown == "send_again":
                return None
            return Unknown(
                detail=f"{self._name}: it may have been written, and cannot be looked up: a person must look"
            )
        match await self._records("find", self._described.find, operation):
            case []:
                return None
            case list() as records:
                return self._found(records[0], operation, self._described.find)
            case Invalid(detail=detail) | Ambiguous(detail=detail):
                return RetryAfter(detail=detail)
            case RetryAfter() as later:
                return later
            case other:
                assert_never(other)

    async def reached(self) -> tuple[Finding, float | None]:
        """Whether anything answers at its address, whatever it says, and how far its clock is ahead."""
        try:
            response = await self._http.get("")
        except httpx.HTTPError as exc:
            said = f"{self._name}: nobody answers at its address: {type(exc).__name__}"
            return wrong(Aspect.ANSWERS, said, "See whether it is up, and whether its address is right"), None
        says = f"{self._name} answers (HTTP {response.status_code} at its address)"
        return well(Aspect.ANSWERS, says), ahead_s(Headed(headers=dict(response.headers)))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _create_or_update(self, operation: Operation, search: Read) -> DeliveryOutcome:
        """Create; if somebody else did since we looked, look once more."""
        created = await self._create(operation)
        if not isinstance(created, Conflict):
            return created
        match await self._records("search", search, operation):
            case [record]:
                return await self._update(record, operation)
            case Invalid() | RetryAfter() as failure:
                return failure
            case _:
                return created

    async def _create(self, operation: Operation) -> DeliveryOutcome:
        return await self._write("create", self._described.create, operation, {}, Means.CREATED, operation.record_key)

    async def _update(self, record: Record, operation: Operation) -> DeliveryOutcome:
        held = record.fields
        changed = {
            name: value for name, value in operation.values.items() if held is None or not _same(held.get(name), value)
        }
        if not changed:
            return Written(kind="unchanged", external_id=record.external_id)
        update = self._described.update or self._described.create
        return await self._write("update", update, operation, record.seen(changed), Means.UPDATED, record.external_id)

    async def _write(
        self, kind: str, write: Write, operation: Operation, more: Mapping[str, object], usual: Means, known_id: str
    ) -> DeliveryOutcome:
        key = self._described.idempotency_header
        headers = {} if key is None else {key: operation.operation_id}
        match await self._calls[kind].make({**_seen(operation), **more}, headers):
            case Reply(means=Means.AMBIGUOUS, said=said):
                return Ambiguous(detail=said)
            case Reply(body=body, means=means, said=said):
                external_id = known_id if write.id is None else text_at(body, write.id)
                if external_id is None:
                    return Unknown(detail=f"{said}, but there is no id at {write.id}")
                return Written(kind=KINDS[means or usual], external_id=external_id)
            case Conflict() | Invalid() | RetryAfter() | Unknown() as failure:
                return failure
            case other:
                assert_never(other)

    async def _records(
        self, kind: str, read: Read, operation: Operation
    ) -> list[Record] | Invalid | RetryAfter | Ambiguous:
        """The records that a look-up gives; what it cannot say now is `RetryAfter`, for nothing was written."""
        match await self._calls[kind].make(_seen(operation), {}):
            case Reply(means=Means.NOT_THERE):
                return []
            case Reply(body=body):
                found = [body] if read.records is None else at(body, read.records)
                if not isinstance(found, list):
                    return RetryAfter(detail=f"{self._name}: its answer to '{kind}' has no list at {read.records}")
                records = [_record(read, each) for each in found]
                known = [record for record in records if record is not None]
                if len(known) < len(records):
                    return RetryAfter(
                        detail=f"{self._name}: its answer to '{kind}' has a record without an id at {read.id}"
                    )
                return known
            case Conflict(detail=detail) | Unknown(detail=detail):
                return RetryAfter(detail=detail)
            case Invalid() | RetryAfter() as failure:
                return failure
            case other:
                assert_never(other)

    def _found(self, record: Record, operation: Operation, find: Read) -> Written | Invalid | RetryAfter:
        if find.fields is not None and record.fields is None:
            return RetryAfter(detail=f"{self._name}: its answer to 'find' has no fields at {find.fields}")
        held = operation.values if record.fields is None else record.fields
        if wrong := [f"{name} '{text}'" for name, text in operation.values.items() if not _same(held.get(name), text)]:
            lacking = f"record {record.external_id} was written, but did not take {', '.join(wrong)}"
            return self._invalid(f"{lacking}; set that there, and try again")
        return Written(kind="created" if record.created else "updated", external_id=record.external_id, found=True)

    def _ambiguous(self, records: list[Record], operation: Operation) -> Ambiguous:
        ids = ", ".join(record.external_id for record in records)
        return Ambiguous(detail=f"{self._name}: records {ids} all have the key {operation.record_key}")

    def _invalid(self, message: str) -> Invalid:
        return Invalid(detail=f"{self._name}: {message}")


def open_api(path: Path, environ: Mapping[str, str]) -> Api:
    """The API that a file describes, set up from the environment; the caller closes it.

    Raises:
        PolicyInvalid: the description is wrong, or a variable that it names is missing or unusable.
    """
    described = load_description(path)
    address = described.base_url or url(environ, _required(path, environ, described.base_url_variable or "", "address"))
    headers, key = ({}, "") if described.auth is None else _authorised(path, environ, described.auth)
    http = client(address, described.timeout_s, {**described.headers, **headers})
    return Api(path.stem, described, http, key)


def _authorised(path: Path, environ: Mapping[str, str], auth: Auth) -> tuple[dict[str, str], str]:
    key = secret(environ, _required(path, environ, auth.variable, "key"))
    return {auth.header: render(Kind.TEXT, auth.value, {"key": key})}, key


def _required(path: Path, environ: Mapping[str, str], name: str, what: str) -> Variable:
    if not environ.get(name):
        raise PolicyInvalid(f"{path}: set {name} to the {what} of this API")
    return Variable(name, f"{what} of the API that {path.name} describes")


def _taken(write: Write | None) -> frozenset[str] | None:
    """The values that a write's templates pass on; None if all, or if there is no such write."""
    if write is None:
        return None
    kinds = {kind for _, kind, _ in write.templates()}
    each = [values_used(kind, [source for _, one, source in write.templates() if one is kind]) for kind in kinds]
    known = [used for used in each if used is not None]
    return frozenset().union(*known) if len(known) == len(each) else None


def _seen(operation: Operation) -> dict[str, object]:
    return operation.model_dump(include={"record_key", "operation_id", "item_id", "values"})


def _record(read: Read, body: object) -> Record | None:
    if (external_id := text_at(body, read.id)) is None:
        return None
    version = None if read.version is None else text_at(body, read.version)
    fields = None if read.fields is None else at(body, read.fields)
    created = read.created is None or holds(body, read.created.field, read.created.equals)
    return Record(external_id, version, fields if isinstance(fields, dict) else None, created)


def _same(held: object, wanted: str) -> bool:
    """Whether a field holds a value already; numbers and truths by their JSON."""
    match held:
        case bool():
            return wanted.lower() == str(held).lower()
        case str() | int() | float():
            return str(held) == wanted
        case _:
            return False
