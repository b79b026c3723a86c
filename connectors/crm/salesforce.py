"""Salesforce: records of any object, upserted by an external id field that holds our record key.

To set up: a text field marked "External ID" and "Unique" for the key, a text field for the
operation's id, and an access token that may read and write both.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import assert_never
from urllib.parse import quote

import httpx

from connectors.batching import RefusedWhole, by_target
from connectors.capabilities import Capabilities, Idempotency, Upsert
from connectors.crm.salesforce_api import (
    NAME,
    PASSING,
    ROOT,
    SILENT,
    TOKEN,
    URL,
    VENDOR,
    Collection,
    Rows,
    Upserted,
    UpsertedList,
    Values,
)
from connectors.crm.salesforce_diagnosis import diagnosed
from connectors.crm.soql import alike, all_equal
from connectors.diagnosis import Diagnosis, Use
from connectors.http_outcomes import HttpApi, Refusal
from connectors.ports import Candidate
from connectors.spec import TIMEOUT_S, Option, SystemSpec, client, seconds, secret, url
from domain.delivery import Ambiguous, DeliveryOutcome, Invalid, Operation, RetryAfter, Unknown, Written
from domain.errors import PolicyInvalid

LARGEST_BATCH = 200
MOST_CANDIDATES = 100
PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+")
"""Keys that are safe in a path. Salesforce takes others' ends for file types: "ann@example.inc" is a 404."""
IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
SEVERAL = frozenset({"DUPLICATES_DETECTED", "DUPLICATE_VALUE", "DUPLICATE_EXTERNAL_ID"})
"""Error codes for a record that is there already, under another key or more than once."""


@dataclass(frozen=True)
class Target:
    """Where an operation's record is kept, by its options."""

    object: str
    key: str
    operation_field: str


class Salesforce:
    """Upserts records of `options.object` under the operation's record key.

    Sending again is harmless: it sets the same values on the same record. Salesforce's own
    duplicate rules stay in force: what they find is `Ambiguous`, for a person.
    """

    capabilities = Capabilities(
        upsert=Upsert.KEY, idempotency=Idempotency.TRACE, batch=LARGEST_BATCH
    )  # no search lag: SOQL reads the database, unlike SOSL

    def __init__(self, api: HttpApi) -> None:
        self._api = api

    async def send(self, operation: Operation) -> DeliveryOutcome:
        """Upsert one record."""
        target = _target(operation)
        if isinstance(target, Invalid):
            return target
        if operation.external_id:
            return await self._update_known(operation, target)
        if not PLAIN_KEY.fullmatch(operation.record_key):
            [outcome] = await self.send_all([operation])
            return outcome
        values = Values(operation.values | {target.operation_field: operation.operation_id})
        path = f"{ROOT}/sobjects/{target.object}/{target.key}/{operation.record_key}"
        match await self._patched(path, values):
            case Upserted() as upserted if upserted is SILENT:
                return await self._written_silently(operation, target)
            case Upserted() as upserted:
                return _outcome(upserted)
            case failure:
                return failure

    async def send_all(self, operations: Sequence[Operation]) -> list[DeliveryOutcome]:
        """Upsert the records, in one request for each object; each succeeds or fails by itself."""
        return await by_target(operations, _target, self._upsert)

    async def find(self, operation: Operation) -> DeliveryOutcome | None:
        """The record under our key, if it has the operation's id.

        An operation is said to have created the record while nothing has modified it since.
        """
        target = _target(operation)
        if isinstance(target, Invalid):
            return RetryAfter(detail=target.detail)
        record = {"Id": operation.external_id} if operation.external_id else {target.key: operation.record_key}
        matching = record | {target.operation_field: operation.operation_id}
        match await self._query(["Id", "CreatedDate", "LastModifiedDate"], target, all_equal(matching)):
            case Rows(records=records):
                return _found(records[0]) if records else None
            case Invalid(detail=detail):
                return RetryAfter(detail=detail)
            case RetryAfter() as later:
                return later
            case other:
                assert_never(other)

    async def candidates(self, operation: Operation) -> list[Candidate] | RetryAfter | Invalid:
        """Up to a hundred records under other keys with the same e-mail, phone or name."""
        target = _target(operation)
        if isinstance(target, Invalid):
            return target
        fields = sorted({"Id", target.key, *operation.values})
        match await self._query(fields, target, all_equal({target.key: operation.record_key})):
            case Rows(records=[_, *_] as rows):
                return [_candidate(row, ours=True) for row in rows]
            case Invalid() | RetryAfter() as failure:
                return failure
        if not (where := alike(operation.values)):
            return []
        match await self._query(fields, target, where):
            case Rows(records=rows):
                return [_candidate(row) for row in rows]
            case Invalid() | RetryAfter() as failure:
                return failure
            case other:
                assert_never(other)

    async def diagnose(self, uses: Sequence[Use]) -> Diagnosis:
        """How the org stands to what is written there."""
        return await diagnosed(self._api, uses)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._api.aclose()

    async def _upsert(self, target: Target, operations: Sequence[Operation]) -> list[DeliveryOutcome] | RefusedWhole:
        collection = Collection(records=[_record(operation, target) for operation in operations])
        path = f"{ROOT}/composite/sobjects/{target.object}/{target.key}"
        match await self._api.exchange(UpsertedList, "PATCH", path, body=collection):
            case UpsertedList(root=upserted) if len(upserted) == len(operations):
                return [_outcome(one) for one in upserted]
            case UpsertedList(root=upserted):
                said = f"{NAME}: {len(upserted)} results for {len(operations)} records"
                return [Unknown(detail=said) for _ in operations]
            case Refusal(status=httpx.codes.BAD_REQUEST) as refusal:
                return RefusedWhole(refusal.outcome)
            case Refusal() as refusal:
                return [refusal.outcome for _ in operations]
            case RetryAfter() | Unknown() as failure:
                return [failure for _ in operations]
            case other:
                assert_never(other)

    async def _update_known(self, operation: Operation, target: Target) -> DeliveryOutcome:
        """Set the values on a record of Salesforce's own id, and our key if it has none."""
        match await self._query(["Id", target.key], target, all_equal({"Id": operation.external_id})):
            case Rows(records=[row, *_]):
                key = {} if row.get(target.key) else {target.key: operation.record_key}
            case Rows():
                return Invalid(detail=f"{NAME}: there is no record {operation.external_id} any more", gone=True)
            case Invalid() | RetryAfter() as unread:
                return unread
            case neither:
                assert_never(neither)
        values = Values(operation.values | key | {target.operation_field: operation.operation_id})
        path = f"{ROOT}/sobjects/{target.object}/{quote(operation.external_id, safe='')}"
        match await self._patched(path, values):
            case Upserted():
                return Written(kind="updated", external_id=operation.external_id)
            case failure:
                return failure

    async def _patched(self, path: str, values: Values) -> Upserted | DeliveryOutcome:
        """The answer to a write of one record; SILENT where there is none to speak of."""
        match await self._api.exchange(Upserted, "PATCH", path, body=values, nothing=SILENT):
            case Refusal() as refusal:
                return _refused(refusal)
            case answer:
                return answer

    async def _written_silently(self, operation: Operation, target: Target) -> DeliveryOutcome:
        """A 204 says that the record was updated, but not which it is."""
        match await self._query(["Id"], target, all_equal({target.key: operation.record_key})):
            case Rows(records=[{"Id": str(record_id)}, *_]):
                return Written(kind="updated", external_id=record_id)
            case Rows():
                return Unknown(detail=f"{NAME}: updated, but the record cannot be seen")
            case Invalid(detail=detail) | RetryAfter(detail=detail):
                return Unknown(detail=f"updated, but its id cannot be read: {detail}")
            case other:
                assert_never(other)

    async def _query(self, fields: Sequence[str], target: Target, where: str) -> Rows | Invalid | RetryAfter:
        if strange := [name for name in fields if not IDENTIFIER.fullmatch(name)]:
            return Invalid(detail=f"{NAME}: '{strange[0]}' is no name of a field")
        soql = f"SELECT {', '.join(fields)} FROM {target.object} WHERE {where} LIMIT {MOST_CANDIDATES}"  # noqa: S608 - quoted
        return await self._api.ask(Rows, f"{ROOT}/query", {"q": soql})


def _target(operation: Operation) -> Target | Invalid:
    try:
        options = SPEC.chosen(operation.options)
    except PolicyInvalid as exc:
        return Invalid(detail=f"{NAME}: {exc}")
    target = Target(options["object"], options["key"], options["operation_field"])
    if strange := [name for name in options.values() if not IDENTIFIER.fullmatch(name)]:
        return Invalid(detail=f"{NAME}: '{strange[0]}' is no name of an object or a field")
    if ours := sorted({"Id", target.key, target.operation_field} & operation.values.keys()):
        return Invalid(detail=f"{NAME}: leave {ours[0]} out of the values; it is written by itself")
    return target


def _record(operation: Operation, target: Target) -> dict[str, str | dict[str, str]]:
    ours = {target.key: operation.record_key, target.operation_field: operation.operation_id}
    return {"attributes": {"type": target.object}, **operation.values, **ours}


def _outcome(upserted: Upserted) -> DeliveryOutcome:
    match upserted:
        case Upserted(success=True, id=str(record_id), created=created):
            return Written(kind="created" if created else "updated", external_id=record_id)
        case Upserted(success=False, errors=[error, *_]):
            return _failed(error.status_code, f"{NAME}: {error.message} ({error.status_code})", error.model_dump())
        case _:
            return Unknown(detail=f"{NAME}: the answer does not say what became of it")


def _failed(code: str, detail: str, body: object) -> Ambiguous | Invalid | RetryAfter:
    if code in SEVERAL:
        return Ambiguous(detail="; records ".join(filter(None, (detail, ", ".join(_matches(body))))))
    return RetryAfter(detail=detail) if code in PASSING else Invalid(detail=detail)


def _refused(refusal: Refusal) -> DeliveryOutcome:
    match refusal:
        case Refusal(status=httpx.codes.MULTIPLE_CHOICES, body=[*addresses]):
            ids = ", ".join(str(address).rpartition("/")[2] for address in addresses)
            return Ambiguous(detail=f"{NAME}: records {ids} all have this external id (HTTP 300)")
        case Refusal(code=str(code), detail=detail, body=body) if code in SEVERAL:
            return _failed(code, detail, body)
        case _:
            return refusal.outcome


def _matches(body: object) -> Iterable[str]:
    """The ids of the duplicates in an error; how deep they lie differs from version to version."""
    match body:
        case {"record": {"Id": str(record_id)}}:
            return [record_id]
        case dict():
            return chain.from_iterable(map(_matches, body.values()))
        case list():
            return chain.from_iterable(map(_matches, body))
        case _:
            return []


def _found(row: Mapping[str, object]) -> Written:
    kind = "created" if row.get("CreatedDate") == row.get("LastModifiedDate") else "updated"
    return Written(kind=kind, external_id=str(row.get("Id")), found=True)


def _candidate(row: Mapping[str, object], *, ours: bool = False) -> Candidate:
    values = {name: str(value) for name, value in row.items() if value is not None and name not in {"Id", "attributes"}}
    return Candidate(str(row.get("Id")), values, ours)


def _open(values: Mapping[str, str]) -> Salesforce:
    token = secret(values, TOKEN)
    connections = client(url(values, URL), seconds(values, TIMEOUT_S), {"Authorization": f"Bearer {token}"})
    return Salesforce(HttpApi(VENDOR, connections, token))


SPEC = SystemSpec(
    _open,
    (TOKEN, URL, TIMEOUT_S),
    (
        Option("object", "Salesforce object, such as Lead or Contact", "Lead"),
        Option("key", "external id field that holds the record key", "InterlockId__c"),
        Option("operation_field", "field that holds the operation's id", "InterlockOperation__c"),
    ),
    searchable=True,
)
