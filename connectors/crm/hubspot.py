"""HubSpot: records of any object, upserted by a unique property that holds our record key.

To set up: a property for the key, with unique values, and one for the operation's id, both
single-line text; a service key that may read and write the object.
"""

from collections.abc import Mapping, Sequence
from typing import assert_never

from connectors.batching import RefusedWhole, by_target
from connectors.capabilities import Capabilities, Idempotency, Upsert
from connectors.crm.hubspot_api import (
    NAME,
    TIME_ZONE,
    TOKEN,
    URL,
    Answer,
    RecordError,
    Search,
    Stored,
    UpsertBatch,
    UpsertInput,
    connect,
)
from connectors.crm.hubspot_diagnosis import diagnosed
from connectors.crm.hubspot_patch import change, found
from connectors.crm.hubspot_record import Target, record_of, refused_as
from connectors.crm.hubspot_search import alike
from connectors.diagnosis import Diagnosis, Use
from connectors.http_outcomes import HttpApi, Refusal
from connectors.ports import Candidate
from connectors.spec import TIMEOUT_S, Option, SystemSpec
from domain.delivery import Conflict, DeliveryOutcome, Invalid, Operation, RetryAfter, Unknown, Written
from domain.errors import PolicyInvalid

LARGEST_BATCH = 100
MOST_CANDIDATES = 100
ABOUT_RECORDS = frozenset({400, 409, 413, 414, 422})
"""Statuses that may be one record's fault, so that halving the batch helps."""


class HubSpot:
    """Upserts records of `options.object` under the operation's record key.

    Sending again is harmless: it sets the same values on the same record. A lifecycle stage
    behind the record's own is left out by HubSpot without a word, for stages move forward only.
    """

    capabilities = Capabilities(
        upsert=Upsert.KEY, idempotency=Idempotency.TRACE, batch=LARGEST_BATCH, searches_per_s=5, deltas=True
    )  # no search lag: `find` reads by the key; five searches a second, by HubSpot's guide to its search

    def __init__(self, api: HttpApi, token: str = "", zone: str = "UTC") -> None:
        self._api, self._token, self._zone = api, token, zone

    async def diagnose(self, uses: Sequence[Use]) -> Diagnosis:
        """How the account stands to what is written there."""
        return await diagnosed(self._api, self._token, self._zone, uses)

    async def send(self, operation: Operation) -> DeliveryOutcome:
        """Upsert one record, as a batch of one; one of a known id is changed there."""
        if operation.external_id:
            target = _target(operation)
            return await change(self._api, operation, target) if isinstance(target, Target) else target
        [outcome] = await self.send_all([operation])
        return outcome

    async def send_all(self, operations: Sequence[Operation]) -> list[DeliveryOutcome]:
        """Upsert the records, in one request for each object."""
        return await by_target(operations, _target, self._upsert)

    async def find(self, operation: Operation) -> DeliveryOutcome | None:
        """Whether the record under our key has, or ever had, the operation's id.

        It reads the record, which is up to date when the write is; HubSpot's search is not.
        The operation is said to have created the record if its id was the first there. One that overwrote what
        somebody had just changed, and whose sender died before it put that back, is to be sent again.
        """
        target = _target(operation)
        if isinstance(target, Invalid):
            return RetryAfter(detail=target.detail)
        expected = sorted(operation.expected or ())
        match await record_of(self._api, operation, target, expected, expected):
            case Stored() as record:
                return found(record, operation, target)
            case Invalid(detail=detail):
                return RetryAfter(detail=detail)
            case nothing_or_later:
                return nothing_or_later

    async def candidates(self, operation: Operation) -> list[Candidate] | RetryAfter | Invalid:
        """Up to a hundred records under other keys with the same e-mail, phone, domain or name.

        HubSpot's search takes a few moments to see a new record, so a fresh twin may be missed.
        """
        target = _target(operation)
        if isinstance(target, Invalid):
            return target
        wanted = sorted({*operation.values, target.key})
        match await record_of(self._api, operation, target, wanted):
            case Stored() as record:
                return [_candidate(record, wanted, ours=True)]
            case Invalid() | RetryAfter() as failure:
                return failure
        if not (groups := alike(operation.values)):
            return []
        search = Search(filter_groups=groups, properties=wanted, limit=MOST_CANDIDATES)
        match await self._api.ask(Answer, f"{target.path}/search", {}, search):
            case Answer(results=records):
                return [_candidate(record, wanted) for record in records]
            case Invalid() | RetryAfter() as failure:
                return failure
            case other:
                assert_never(other)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._api.aclose()

    async def _upsert(self, target: Target, operations: Sequence[Operation]) -> list[DeliveryOutcome] | RefusedWhole:
        batch = UpsertBatch(inputs=[_input(operation, target) for operation in operations])
        match await self._api.exchange(Answer, "POST", f"{target.path}/batch/upsert", body=batch):
            case Answer() as answer:
                return _outcomes(operations, target, answer)
            case Refusal(status=status) as refusal if status in ABOUT_RECORDS:
                return RefusedWhole(refused_as(refusal.outcome, operations[0], target))
            case Refusal() as refusal:
                return [refusal.outcome for _ in operations]
            case RetryAfter() | Unknown() as failure:
                return [failure for _ in operations]
            case other:
                assert_never(other)


def _target(operation: Operation) -> Target | Invalid:
    try:
        options = SPEC.chosen(operation.options)
    except PolicyInvalid as exc:
        return Invalid(detail=f"{NAME}: {exc}")
    target = Target(options["object"], options["key"], options["operation_property"])
    if ours := sorted({target.key, target.operation_property} & operation.values.keys()):
        return Invalid(detail=f"{NAME}: leave {ours[0]} out of the values; it is written by itself")
    return target


def _input(operation: Operation, target: Target) -> UpsertInput:
    return UpsertInput(
        id=operation.record_key,
        id_property=target.key,
        properties=operation.values | {target.operation_property: operation.operation_id},
        object_write_trace_id=operation.operation_id,
    )


def _outcomes(operations: Sequence[Operation], target: Target, answer: Answer) -> list[DeliveryOutcome]:
    """Each operation's part of an answer, whose results and errors come in any order.

    An operation that is not mentioned may have been written, so it is unknown; but a single
    one beside errors that name nobody is their culprit.
    """
    said = {operation.operation_id: _said(operation, target, answer) for operation in operations}
    silent = [operation for operation in operations if said[operation.operation_id] is None]
    names = {name for operation in operations for name in (operation.operation_id, operation.record_key)}
    nobodys = [error for error in answer.errors if not error.named & names]
    if len(silent) == 1 and nobodys:
        said[silent[0].operation_id] = _failed(nobodys[0], silent[0], target)
    unsaid = Unknown(detail=f"{NAME}: the answer does not say what became of it")
    return [said[operation.operation_id] or unsaid for operation in operations]


def _said(operation: Operation, target: Target, answer: Answer) -> DeliveryOutcome | None:
    for one in answer.results:
        if operation.operation_id == one.object_write_trace_id or operation.record_key == one.properties.get(
            target.key
        ):
            kind = "created" if one.new else "updated"
            return Written(kind=kind, external_id=one.id, values=one.values(operation.values))
    for error in answer.errors:
        if error.named & {operation.operation_id, operation.record_key}:
            return _failed(error, operation, target)
    return None


def _failed(error: RecordError, operation: Operation, target: Target) -> DeliveryOutcome:
    detail = f"{NAME}: {error.message or 'refused'} ({error.category or 'no category'})"
    match error.category:
        case "CONFLICT":
            return refused_as(Conflict(detail=detail), operation, target)
        case "RATE_LIMITS" | "RATE_LIMIT":
            return RetryAfter(detail=detail)
        case "" | "INTERNAL_ERROR":
            return Unknown(detail=detail)
        case _:
            return Invalid(detail=detail)


def _candidate(record: Stored, wanted: Sequence[str], *, ours: bool = False) -> Candidate:
    return Candidate(record.id, {name: text for name in wanted if (text := record.properties.get(name))}, ours)


def _open(values: Mapping[str, str]) -> HubSpot:
    return HubSpot(connect(values), values[TOKEN.name], values[TIME_ZONE.name])


SPEC = SystemSpec(
    _open,
    (TOKEN, URL, TIME_ZONE, TIMEOUT_S),
    (
        Option("object", "HubSpot object, such as contacts, companies or tickets", "contacts"),
        Option("key", "unique property that holds the record key", "interlock_id"),
        Option("operation_property", "property that holds the operation's id", "interlock_operation"),
    ),
    searchable=True,
)
