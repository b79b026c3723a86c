"""Paperless-ngx: a document is uploaded, and becomes one when its consumption has succeeded.

https://docs.paperless-ngx.com/api/: an upload answers with the id of a task; the task's result
names the document. The operation's id goes into the file's name, where the task shows it while
the document is not there yet, and into a custom field or else the title, by which it is found.
"""

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import PurePosixPath

from pydantic import BaseModel, Field, RootModel, field_validator

from connectors.capabilities import Capabilities, Idempotency, Upsert
from connectors.diagnosis import Diagnosis, Use
from connectors.documents.content import VALUES, document
from connectors.documents.paperless_diagnosis import diagnosed
from connectors.http_outcomes import HttpApi, Refusal, Vendor
from connectors.spec import TIMEOUT_S, Option, SystemSpec, Variable, client, seconds, secret, url
from domain.delivery import DeliveryOutcome, Invalid, Operation, RetryAfter, Unknown, Written
from domain.errors import InputInvalid

URL = Variable("INTERLOCK_PAPERLESS_URL", "address of Paperless-ngx, such as https://paperless.example.com")
TOKEN = Variable("INTERLOCK_PAPERLESS_TOKEN", "API token of a user who may add and view documents", secret=True)
FIELD = Option("operation_field", "number of a text custom field for the operation's id; without it, the title", "")
VENDOR = Vendor(name="Paperless", key_variable=TOKEN.name)
METADATA = ("title", "created", "correspondent", "document_type", "storage_path", "tags", "archive_serial_number")
"""What an upload may carry beside the document; correspondents and the like by their numbers."""

LONGEST_CONSUMPTION_S = 8.0
"""How long one try waits for a document; what takes longer is looked up. A try ends after 15 s."""
POLL_S = 0.5
LONGEST_TITLE = 127
"""Characters that Paperless keeps of a title (its consumer cuts the rest)."""
DUPLICATE = re.compile(r"duplicate of .*\(#(\d+)\)", re.DOTALL)

CARRIED = re.compile(r" \[op-[^\]]*\]$")
"""What an upload of ours, be it of another operation, has added to its title."""


class State(StrEnum):
    """Where a task stands."""

    RUNNING = "running"
    SUCCESS = "success"
    FAILURE = "failure"


class TaskId(RootModel[str]):
    """Answer to an upload."""


class Task(BaseModel):
    """A consumption. `result` says why it failed."""

    task_id: str = ""
    task_file_name: str | None = None
    status: State
    result: str | None = None
    related_document: str | None = Field(default=None, coerce_numbers_to_str=True)

    @field_validator("status", mode="before")
    @classmethod
    def _of_celery(cls, status: object) -> object:
        """Celery's words: PENDING, RECEIVED, STARTED and RETRY all mean that it is not over."""
        match str(status).upper():
            case "SUCCESS":
                return State.SUCCESS
            case "FAILURE" | "REVOKED":
                return State.FAILURE
            case _:
                return State.RUNNING


class Tasks(RootModel[list[Task]]):
    """Answer to a question about tasks."""


class FieldValue(BaseModel):
    """A custom field of a document."""

    field: int
    value: object = None


class Found(BaseModel):
    """A document in a search's answer."""

    id: int
    title: str = ""
    custom_fields: list[FieldValue] = []


class FoundList(BaseModel):
    """Answer to a search."""

    results: list[Found]


class Details(BaseModel):
    """What a document holds beside its content; `created` is a date, of older servers with a time."""

    title: str
    created: str
    correspondent: int | None
    document_type: int | None
    storage_path: int | None
    tags: list[int]
    archive_serial_number: int | None


class PaperlessApi(HttpApi):
    """Paperless takes documents as forms, not as JSON."""

    async def upload(
        self, file: tuple[str, bytes], form: Mapping[str, str | list[str]]
    ) -> TaskId | Refusal | RetryAfter | Unknown:
        """Upload a document; the answer is the id of the task that consumes it."""
        path = "/api/documents/post_document/"
        request = self._client.build_request("POST", path, files={"document": file}, data=dict(form))
        return await self._exchanged(TaskId, request)


class Paperless:
    """Adds documents, once each: Paperless itself refuses the same content a second time.

    Args:
        consumption_s: how long to wait for a document after its upload.
        poll_s: between two looks at its task.
    """

    capabilities = Capabilities(upsert=Upsert.NONE, idempotency=Idempotency.CONTENT)

    def __init__(
        self,
        address: str,
        token: str,
        timeout_s: float,
        *,
        consumption_s: float = LONGEST_CONSUMPTION_S,
        poll_s: float = POLL_S,
    ) -> None:
        # Version 9 is the newest that the servers of today and of the last years have in common.
        headers = {"Authorization": f"Token {token}", "Accept": "application/json; version=9"}
        self._api = PaperlessApi(VENDOR, client(address, timeout_s, headers), token)
        self._consumption_s, self._poll_s = consumption_s, poll_s

    async def send(self, operation: Operation) -> DeliveryOutcome:
        """Upload the document and wait until it is consumed.

        One that is there already is unchanged if it has the values beside its content too, else `Invalid`.
        """
        if strange := sorted(operation.values.keys() - {*VALUES, *METADATA}):
            return Invalid(detail=f"Paperless: no {', '.join(strange)}; use {', '.join((*VALUES, *METADATA))}")
        if fault := _bad_field(operation):
            return Invalid(detail=fault)
        try:
            file = (_file_name(operation), document(operation.values).content)
        except InputInvalid as exc:
            return Invalid(detail=f"Paperless: {exc}")
        match await self._api.upload(file, _form(operation)):
            case TaskId(root=task_id):
                return await self._consumed(task_id, operation)
            case Refusal() as refusal:
                return refusal.outcome
            case failure:
                return failure

    async def find(self, operation: Operation) -> DeliveryOutcome | None:
        """The document that carries the operation's id, or what became of its consumption, as `send` says it.

        A look-up that is refused is `RetryAfter`, for it tells nothing of the write.
        """
        if fault := _bad_field(operation):
            return RetryAfter(detail=fault)
        match await self._api.look_up(FoundList, "/api/documents/", _query(operation)):
            case FoundList(results=documents):
                ours = [found for found in documents if _carries(found, operation)]
                if ours:
                    return Written(kind="created", external_id=str(ours[0].id), found=True)
                return await self._underway(operation)
            case later:
                return later

    async def diagnose(self, uses: Sequence[Use]) -> Diagnosis:
        """How it stands to what is uploaded."""
        return await diagnosed(self._api, (*VALUES, *METADATA), uses)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._api.aclose()

    async def _consumed(self, task_id: str, operation: Operation) -> DeliveryOutcome:
        clock = asyncio.get_running_loop().time
        deadline = clock() + self._consumption_s
        while True:
            match await self._api.ask(Tasks, "/api/tasks/", {"task_id": task_id}):
                case Tasks(root=[task]) if task.status is not State.RUNNING:
                    return await self._result(task, operation, found=False)
                case Tasks():
                    waiting = "its consumption goes on"
                case Invalid(detail=detail) | RetryAfter(detail=detail):
                    waiting = detail
            if clock() + self._poll_s > deadline:
                return Unknown(detail=f"Paperless: uploaded, and not seen as a document yet: {waiting}")
            await asyncio.sleep(self._poll_s)

    async def _underway(self, operation: Operation) -> DeliveryOutcome | None:
        """What the tasks tell of an upload whose document cannot be found."""
        match await self._api.look_up(Tasks, "/api/tasks/", {"acknowledged": "false"}):
            case Tasks(root=tasks):
                ours = [task for task in tasks if f"{operation.operation_id}-" in (task.task_file_name or "")]
                return await self._result(ours[0], operation, found=True) if ours else None
            case later:
                return later

    async def _result(self, task: Task, operation: Operation, *, found: bool) -> DeliveryOutcome:
        said = " ".join((task.result or "").split())
        if task.status is State.RUNNING:
            return Unknown(detail="Paperless: uploaded, and its consumption goes on")
        if task.status is State.SUCCESS and task.related_document is not None:
            return Written(kind="created", external_id=task.related_document, found=found)
        if task.status is State.SUCCESS:
            return Unknown(detail=f"Paperless: consumed, and no document is named: {said}")
        if "trash" not in said and (known := DUPLICATE.search(said)):
            return await self._there_already(known[1], operation, found=found)
        return Invalid(detail=f"Paperless: {said or 'the consumption failed and does not say why'}")

    async def _there_already(self, document_id: str, operation: Operation, *, found: bool) -> DeliveryOutcome:
        """What a document of the same content says: an upload that is refused for it leaves it as it is."""
        there = Written(kind="unchanged", external_id=document_id, found=found)
        if not operation.values.keys() & set(METADATA):
            return there
        match await self._api.look_up(Details, f"/api/documents/{document_id}/", {}):
            case Details() as details if wrong := _lacking(details, operation.values):
                has = f"document {document_id} has this content already, but not {', '.join(wrong)}"
                return Invalid(detail=f"Paperless: {has}; set that there, and try again")
            case Details():
                return there
            case later:
                return later


def _lacking(details: Details, values: Mapping[str, str]) -> list[str]:
    """The values that a document does not have, in words; it has a title that was cut, or that carries an id."""
    wanted = {name: values[name] for name in METADATA if name in values}
    held = {name: "" if value is None else str(value) for name, value in details}
    title = CARRIED.sub("", details.title)
    cut = len(details.title) >= LONGEST_TITLE and wanted.get("title", "").startswith(title)
    same = {
        "title": title == wanted.get("title") or cut,
        "created": details.created[:10] == wanted.get("created", "")[:10],
        "tags": set(_tags(values)) <= set(map(str, details.tags)),
    }
    return [f"{name} '{text}'" for name, text in wanted.items() if not same.get(name, held[name] == text)]


def _tags(values: Mapping[str, str]) -> list[str]:
    return [tag.strip() for tag in values.get("tags", "").split(",") if tag.strip()]


def _bad_field(operation: Operation) -> str:
    """What is wrong with the option; empty if nothing is."""
    field = operation.options[FIELD.name]
    return (
        "" if field == "" or field.isdecimal() else f"Paperless: options: {FIELD.name} '{field}' is no {FIELD.meaning}"
    )


def _form(operation: Operation) -> dict[str, str | list[str]]:
    values, field = operation.values, operation.options[FIELD.name]
    form: dict[str, str | list[str]] = {name: values[name] for name in METADATA if name in values}
    title = values.get("title") or values.get("name") or operation.record_key
    if "tags" in values:
        form["tags"] = _tags(values)
    if field:
        return form | {"title": title, "custom_fields": json.dumps({field: operation.operation_id})}
    mark = _mark(operation)
    return form | {"title": f"{title[: LONGEST_TITLE - len(mark) - 1]} {mark}"}


def _query(operation: Operation) -> dict[str, str]:
    field = operation.options[FIELD.name]
    if field:
        return {"custom_field_query": json.dumps([int(field), "exact", operation.operation_id])}
    return {"title__icontains": _mark(operation)}


def _carries(found: Found, operation: Operation) -> bool:
    """Whether it is ours indeed: a filter that a server does not know gives every document."""
    field = operation.options[FIELD.name]
    if field:
        return any(str(own.field) == field and own.value == operation.operation_id for own in found.custom_fields)
    return _mark(operation) in found.title


def _mark(operation: Operation) -> str:
    return f"[{operation.operation_id}]"


def _file_name(operation: Operation) -> str:
    name = PurePosixPath((operation.values.get("name") or "document.txt").replace("\\", "/")).name
    return f"{operation.operation_id}-{name}"


def _open(values: Mapping[str, str]) -> Paperless:
    return Paperless(url(values, URL), secret(values, TOKEN), seconds(values, TIMEOUT_S))


SPEC = SystemSpec(_open, (URL, TOKEN, TIMEOUT_S), (FIELD,))
