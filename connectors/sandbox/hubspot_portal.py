"""The records of the HubSpot sandbox, and the rules by which they are kept and shown."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal, NoReturn

from fastapi import HTTPException
from pydantic import BaseModel, ConfigDict

from connectors.sandbox.faults import FaultPlan
from connectors.sandbox.hubspot_search import DATES, MOST_RESULTS, LaggingIndex, Search
from connectors.sandbox.hubspot_shapes import (
    Changed,
    Merge,
    NewObject,
    Next,
    Paging,
    PeoplesEdit,
    ReadBatch,
    RecordError,
    Results,
    Shown,
    StoredObject,
    UpsertBatch,
    UpsertInput,
    Version,
)
from connectors.sandbox.hubspot_values import forward_only, problem_of
from connectors.sandbox.records import Records
from connectors.sandbox.service import Stats

LARGEST_BATCH = 100
CLOCK = Callable[[], datetime]


class Settings(BaseModel):
    """The switches beside the faults.

    Attributes:
        search_lag_s: how old a write must be for the search to see it.
        errors_status: of an answer in which single records failed.
        undefined: properties that the account does not have: shown nowhere, and refused.
        made: properties that were made in the account, told of beside its standard ones.
        unique: properties that are unique, by which records can be upserted.
        operation_property: holds the operation's id, by which the books are kept where no trace id is sent.
        locked: record keys about which every write is answered 423.
        daily_quota: requests until the daily limit; None for no limit.
        away: whether every request is answered 503.
        window_ms: the rolling window that a limit names; HubSpot's own is 10,000.
    """

    model_config = ConfigDict(extra="forbid")

    search_lag_s: float = 2
    errors_status: Literal[200, 207] = 207
    undefined: tuple[str, ...] = ()
    made: tuple[str, ...] = ()
    unique: tuple[str, ...] = ("interlock_id",)
    operation_property: str = "interlock_operation"
    locked: tuple[str, ...] = ()
    daily_quota: int | None = None
    away: bool = False
    window_ms: int = 1000


class Portal:
    """The rules of one account over its records."""

    def __init__(self, records: Records[StoredObject], clock: CLOCK) -> None:
        self.records, self.settings, self.requests = records, Settings(), 0
        self._clock = clock
        self._index = LaggingIndex()
        for record in records.all():
            self._index.add(record.id, 0, record.properties)

    def find(self, kind: str, name: str, value: str) -> StoredObject | None:
        """The record of an object whose unique property has a value."""
        named = self.records.under(_key(kind, name, value))
        found = [one for one in named if one.there and one.properties.get(name) == value]
        return found[0] if found else None

    def _of(self, kind: str, id_property: str | None, name: str) -> StoredObject | None:
        """A record by a unique property, or by an id: its own, or that of one that was merged into it."""
        if id_property is not None:
            return self.find(kind, id_property, name)
        record = self.records.get(name)
        while record and record.merged_into:
            record = self.records.get(record.merged_into)
        return record if record and record.object == kind and not record.archived else None

    def check_batch(self, kind: str, batch: UpsertBatch) -> None:
        """Refuse what is refused whole: too many, repeated ids, no unique property, a lock, a taken address."""
        ids = [one.id for one in batch.inputs]
        if len(ids) > LARGEST_BATCH:
            refuse(400, f"Batch size {len(ids)} exceeds the limit of {LARGEST_BATCH}")
        if repeated := [name for name, times in Counter(ids).items() if times > 1]:
            refuse(400, f"Duplicate IDs found in batch input: {repeated}. IDs must be unique")
        for one in batch.inputs:
            if one.id_property not in self.settings.unique:
                refuse(400, f"Unable to perform update/upsert by non-unique property {one.id_property}")
            if one.id in self.settings.locked:
                refuse(423, "The record is locked by another write", "LOCKED")
            known = self.find(kind, one.id_property, one.id)
            self._check_email(kind, one.properties, known)
            if not one.object_write_trace_id and (problem := self.problem_of(one.properties)):
                refuse(400, problem)

    def upsert(self, kind: str, batch: UpsertBatch) -> Results:
        """Store the records that can be, and tell of the others."""
        problems = {one.id: self.problem_of(one.properties) for one in batch.inputs}
        errors = [_record_error(one, problem) for one in batch.inputs if (problem := problems[one.id])]
        results = [self._upsert_one(kind, one) for one in batch.inputs if not problems[one.id]]
        return Results(results=results, errors=errors, num_errors=len(errors))

    def create(self, kind: str, new: NewObject) -> Shown:
        """Store a new record, or refuse it as HubSpot does when the address is taken."""
        self._check_email(kind, new.properties, None)
        if problem := self.problem_of(new.properties):
            refuse(400, problem)
        return self._show(self._save(kind, None, new.properties, ""), list(new.properties))

    def check_patch(self, kind: str, record_id: str, patch: NewObject) -> StoredObject:
        """The record to change, unless that is refused: unknown, a lock, a taken address or unique value, a bad one."""
        record = self._of(kind, None, record_id) or refuse(404, "resource not found", "OBJECT_NOT_FOUND")
        if self.settings.locked and {*record.properties.values()} & {*self.settings.locked}:
            refuse(423, "The record is locked by another write", "LOCKED")
        self._check_email(kind, patch.properties, record)
        for name in self.settings.unique:
            owner = self.find(kind, name, patch.properties[name]) if name in patch.properties else None
            if owner and owner.id != record.id:
                refuse(400, f"{name} '{patch.properties[name]}' is already set on record {owner.id}")
        if problem := self.problem_of(patch.properties):
            refuse(400, problem)
        return record

    def patch(self, kind: str, record: StoredObject, patch: NewObject) -> Shown:
        """Merge values into a record as it is by now: a late write must not take back what somebody made meanwhile."""
        latest = self._of(kind, None, record.id) or record
        saved = self._save(kind, latest, patch.properties, patch.properties.get(self.settings.operation_property, ""))
        return self._show(saved, list(patch.properties))

    def read(self, kind: str, batch: ReadBatch) -> Results:
        """The records that there are; an error for each other."""
        found = {one.id: self._of(kind, batch.id_property, one.id) for one in batch.inputs}
        missing = [record_id for record_id, record in found.items() if record is None]
        errors = [
            RecordError(category="OBJECT_NOT_FOUND", message="Could not get some objects", context={"ids": missing})
        ]
        results = [self._show(one, batch.properties, batch.properties_with_history) for one in found.values() if one]
        return Results(results=results, errors=errors if missing else [], num_errors=len(missing))

    def page(self, kind: str, after: str, limit: int, properties: list[str]) -> Results:
        """All records by their ids, those after one of them."""
        mine = [one for one in self.records.all() if one.object == kind and one.there and int(one.id) > int(after or 0)]
        shown = [self._show(one, properties) for one in mine[:limit]]
        return Results(results=shown, paging=Paging(next=Next(after=shown[-1].id)) if len(mine) > limit else None)

    def one(self, kind: str, record_id: str, properties: list[str]) -> Shown:
        """A record by its id."""
        record = self._of(kind, None, record_id) or refuse(404, "resource not found", "OBJECT_NOT_FOUND")
        return self._show(record, properties)

    def archive(self, kind: str, record_id: str) -> None:
        """Delete a record; one that is not there is deleted already."""
        if record := self._of(kind, None, record_id):
            self.records.save(record.model_copy(update={"archived": True}))

    def merge(self, kind: str, merge: Merge) -> Shown:
        """Make one record of two, which has the first one's id and, where that has none, the second one's values."""
        pair = [self._of(kind, None, one) for one in (merge.primary_object_id, merge.object_id_to_merge)]
        match pair:
            case [StoredObject() as primary, StoredObject() as other] if primary.id != other.id:
                self.records.save(other.model_copy(update={"merged_into": primary.id}))
                filled = {n: v for n, v in other.properties.items() if v and not primary.properties.get(n)}
                merged = {"hs_merged_object_ids": other.id}
                return self._show(self._save(kind, primary, filled | merged, ""), [])
            case _:
                return refuse(404, "one of the records to merge was not found", "OBJECT_NOT_FOUND")

    def named(self, kind: str, name: str, value: str) -> list[StoredObject]:
        """The records of an object whose property has a value."""
        return [
            one for one in self.records.all() if one.object == kind and one.there and one.properties.get(name) == value
        ]

    def edit(self, kind: str, record_id: str, edit: PeoplesEdit) -> Shown:
        """Somebody who works in the account edits a record, or makes one under the id `new`."""
        record = None if record_id == "new" else self._of(kind, None, record_id)
        held = record.properties if record else {}
        if any(held.get(name, "") != text for name, text in edit.shown.items()):
            refuse(409, "the record shows something else by now", "CONFLICT")
        return self._show(self._save(kind, record, edit.properties, ""), [*edit.properties])

    def problem_of(self, properties: dict[str, str]) -> str:
        """What is wrong with the values, empty if nothing is."""
        if unknown := sorted(properties.keys() & {*self.settings.undefined}):
            return f'Property values were not valid: Property "{unknown[0]}" does not exist (PROPERTY_DOESNT_EXIST)'
        return problem_of(properties)

    def search(self, kind: str, search: Search) -> Results:
        """What the index shows."""
        until_ms = self._now_ms() - round(self.settings.search_lag_s * 1000)
        seen = [(one, self.records.get(one), state) for one, state in self._index.visible(until_ms)]
        mine = [(one, state) for one, record, state in seen if record and record.object == kind and record.there]
        matching = [(one, state) for one, state in mine if search.matches(state)]
        if search.after + search.limit > MOST_RESULTS:
            refuse(400, f"There was a problem with the request: no more than {MOST_RESULTS} results")
        matching.sort(key=lambda pair: search.order(pair[1]), reverse=_descending(search))
        page = matching[search.after : search.after + search.limit]
        wanted = {*search.properties, "hs_object_id", *DATES}
        shown = [Shown(id=one, properties={n: v for n, v in state.items() if n in wanted}) for one, state in page]
        return Results(results=shown, total=len(matching))

    def stats(self, plan: FaultPlan) -> Stats:
        """The account's books."""
        records = [record for record in self.records.all() if record.there]
        applied = Counter(operation for record in self.records.all() for operation in record.operation_ids)
        keys = Counter((one.object, name, one.properties.get(name)) for one in records for name in self.settings.unique)
        twins = sum(times - 1 for (_, _, value), times in keys.items() if value)
        doubled = sum(times - 1 for times in applied.values()) + twins
        return Stats(records=len(records), writes=applied.total(), doubled=doubled, faults=dict(plan.counts))

    def _upsert_one(self, kind: str, one: UpsertInput) -> Shown:
        known = self.find(kind, one.id_property, one.id)
        values = {one.id_property: one.id, **one.properties}
        record = self._save(kind, known, values, one.object_write_trace_id)
        shown = self._show(record, [*values])
        return shown.model_copy(update={"new": known is None, "object_write_trace_id": one.object_write_trace_id})

    def _save(self, kind: str, known: StoredObject | None, values: dict[str, str], operation: str) -> StoredObject:
        now_ms = self._now_ms()
        modified = "lastmodifieddate" if kind == "contacts" else "hs_lastmodifieddate"
        record_id = known.id if known else self.records.new_id()
        before = known.properties if known else {"hs_object_id": record_id, "createdate": _iso(now_ms)}
        kept = forward_only(before, values)
        if known and kept.items() <= before.items():
            return known  # the same values again leave no trace at HubSpot either
        history = dict(known.history) if known else {}
        fresh = {name: value for name, value in kept.items() if before.get(name) != value}
        for name, value in fresh.items():
            history[name] = [Version(value=value, timestamp=_iso(now_ms)), *history.get(name, [])]
        record = StoredObject(
            id=record_id,
            object=kind,
            operation_id=operation or (known.operation_id if known else ""),
            operation_ids=[*(known.operation_ids if known else []), *filter(None, [operation])],
            properties=before | kept | {modified: _iso(now_ms)},
            history=history,
            changes=[
                *(known.changes if known else []),
                Changed(at_ms=now_ms, operation=operation, properties=fresh),
            ],
        )
        if known is None:
            self._index.forget(record.id)  # ids begin anew when the records are cleared
        self._index.add(record.id, now_ms, record.properties)
        return self.records.save(record)

    def _show(self, record: StoredObject, properties: list[str], past: list[str] | None = None) -> Shown:
        wanted = {*properties, "hs_object_id", *DATES}
        blank = dict.fromkeys(name for name in properties if name not in self.settings.undefined)
        values = blank | {name: value for name, value in record.properties.items() if name in wanted}
        history = {name: record.history.get(name, []) for name in past or []}
        return Shown(id=record.id, properties=values, properties_with_history=history or None)

    def _check_email(self, kind: str, values: dict[str, str], known: StoredObject | None) -> None:
        if kind != "contacts" or not (email := values.get("email")):
            return
        named = self.records.under(_key(kind, "email", email))
        owners = [one for one in named if one.there and one.properties.get("email") == email]
        if others := [one for one in owners if known is None or one.id != known.id]:
            refuse(409, f"Contact already exists. Existing ID: {others[0].id}", "CONFLICT")

    def _now_ms(self) -> int:
        return round(self._clock().timestamp() * 1000)


def _key(kind: str, name: str, value: str) -> str:
    return f"{kind}/{name}/{value}"


def keys(record: StoredObject, unique: tuple[str, ...]) -> list[str]:
    """The index keys of a record."""
    named = {name: record.properties.get(name) for name in (*unique, "email")}
    return [_key(record.object, name, value) for name, value in named.items() if value]


def _record_error(one: UpsertInput, problem: str) -> RecordError:
    context = {"objectWriteTraceId": [one.object_write_trace_id]}
    return RecordError(category="VALIDATION_ERROR", message=problem, context=context)


def _descending(search: Search) -> bool:
    return bool(search.sorts) and search.sorts[0].direction == "DESCENDING"


def _iso(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def refuse(status: int, message: str, category: str = "VALIDATION_ERROR") -> NoReturn:
    """Answer with an error in HubSpot's shape."""
    raise HTTPException(status, {"message": message, "category": category})
