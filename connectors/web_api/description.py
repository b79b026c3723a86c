"""What a YAML file says of an HTTP interface, as strict models."""

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import httpx
from pydantic import AfterValidator, Field, JsonValue, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from connectors.web_api.templates import Kind, check
from domain.values import Frozen
from policies.strict_yaml import load_yaml

LONGEST_TIMEOUT_S = 14
"""A try ends after 15 s, and an answer should still be read before that."""

OPERATION = ("record_key", "operation_id", "item_id", "values")
"""What every template sees."""
FOUND = ("id", "version", "fields", "changed")
"""What an update's templates see besides: the record that `search` found, and the values in which it differs."""

Pointer = Annotated[str, Field(pattern=r"^(/([^~/]|~[01])*)*$")]
"""A JSON pointer (RFC 6901), such as `/data/id`; empty is the whole."""

VariableName = Annotated[str, Field(pattern=r"^INTERLOCK_API_[A-Z0-9_]+$")]
"""Only variables that begin so are shown to descriptions."""


def _check_url(text: str) -> str:
    try:
        parsed = httpx.URL(text)
    except httpx.InvalidURL as exc:
        raise ValueError(f"no address: {exc}; write https://host/path") from exc
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise ValueError("no address; write https://host/path")
    return text


class Means(StrEnum):
    """What an answer says."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    NOT_THERE = "not_there"
    CONFLICT = "conflict"
    AMBIGUOUS = "ambiguous"
    INVALID = "invalid"
    RETRY_AFTER = "retry_after"
    UNKNOWN = "unknown"


WRITTEN = (Means.CREATED, Means.UPDATED, Means.UNCHANGED)


class Condition(Frozen):
    """Something that a field holds: `equals`, or without it anything but nothing."""

    field: Pointer
    equals: JsonValue = None


class Answer(Frozen):
    """Which answers mean something else than their status usually does.

    Attributes:
        status: only answers with this HTTP status.
        field: only answers with this field: with the value `equals`, or without that any but
            null, false, and what is empty.
    """

    status: int | None = Field(default=None, ge=100, le=599)
    field: Pointer | None = None
    equals: JsonValue = None
    means: Means

    @model_validator(mode="after")
    def _says_which(self) -> "Answer":
        if self.status is None and self.field is None:
            raise ValueError("say which answers: give 'status' or 'field'")
        return self


class Request(Frozen):
    """One kind of request.

    Attributes:
        path: template, relative to the base URL; each `{{ … }}` is one part of the path.
        params: templates of the query's parameters.
        headers: templates.
        body: template of JSON; each `{{ … }}` becomes JSON by itself, so it takes no quotes.
        answers: what answers mean, after the description's own `answers`; the first that fits counts.
    """

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: str = Field(min_length=1)
    params: dict[str, str] = Field(default_factory=dict)
    headers: dict[str, str] = Field(default_factory=dict)
    body: str | None = None
    answers: tuple[Answer, ...] = ()

    def templates(self) -> Iterator[tuple[tuple[str, ...], Kind, str]]:
        """Each template with where it stands."""
        yield ("path",), Kind.PATH, self.path
        for name, source in self.params.items():
            yield ("params", name), Kind.TEXT, source
        for name, source in self.headers.items():
            yield ("headers", name), Kind.TEXT, source
        if self.body is not None:
            yield ("body",), Kind.JSON, self.body


class Write(Request):
    """A request that writes a record.

    Attributes:
        id: where the answer tells the record's id; without it, the record's key is its id.
    """

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    id: Pointer | None = None


class Read(Request):
    """A request that looks for records.

    Attributes:
        records: where the answer lists them; without it the answer is the record, and 404 that
            there is none.
        id: where a record tells its id.
        version: where it tells its version, if it has any.
        fields: where its fields are, by the names of our values, to compare them with what should be written
            or, in a look-up after a lost answer, was.
        created: what is true of a record that nobody updated since it was created.
    """

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    records: Pointer | None = None
    id: Pointer
    version: Pointer | None = None
    fields: Pointer | None = None
    created: Condition | None = None


class Auth(Frozen):
    """The header by which the API knows us.

    Attributes:
        variable: environment variable that holds the key.
        value: template of the header; sees `key`.
    """

    variable: VariableName
    header: str = "Authorization"
    value: str = "Bearer {{ key }}"


class Wait(Frozen):
    """Where an answer tells how long to wait: in a header (seconds, or a date), or in a field."""

    header: str | None = None
    field: Pointer | None = None
    milliseconds: bool = False

    @model_validator(mode="after")
    def _one_place(self) -> "Wait":
        if (self.header is None) == (self.field is None):
            raise ValueError("give either 'header' or 'field'")
        return self


class Description(Frozen):
    """An HTTP interface that takes records.

    Attributes:
        base_url: its address; or, where that differs from place to place,
        base_url_variable: the environment variable that holds it.
        timeout_s: seconds to wait for each answer.
        idempotency_header: header that carries the operation's id with each write, where the
            API recognises a repeated write by it.
        search: looks for the record under our key before anything is written; goes with
        update: writes to the record that was found.
        create: writes a new record, or, without `search`, whatever is there under the key.
        find: looks for the record that an operation's id was left on.
        after_unknown: what follows a lost answer: `find`; `send_again`, where the API itself
            recognises a repeated write; or a `person`.
        search_lag_s: seconds that `search` and `find` may be behind the writes.
        rate_per_s: requests a second that the API allows.
        retry_after: where answers tell how long to wait; by default the header Retry-After.
        message: where error answers tell what is wrong, if not in `message`, `detail` or `error`.
        answers: which answers are failures, whatever was asked; they go before those of a request.
    """

    description: str = Field(min_length=10)
    base_url: Annotated[str, AfterValidator(_check_url)] | None = None
    base_url_variable: VariableName | None = None
    auth: Auth | None = None
    headers: dict[str, str] = Field(default_factory=dict)
    timeout_s: float = Field(default=10, gt=0, le=LONGEST_TIMEOUT_S)
    idempotency_header: str | None = None
    search: Read | None = None
    update: Write | None = None
    create: Write
    find: Read | None = None
    after_unknown: Literal["find", "send_again", "person"] = "find"
    search_lag_s: float = Field(default=0, ge=0)
    rate_per_s: float | None = Field(default=None, gt=0)
    retry_after: Wait = Wait(header="Retry-After")
    message: Pointer | None = None
    answers: tuple[Answer, ...] = ()

    @model_validator(mode="after")
    def _parts_agree(self) -> "Description":
        if faults := [*self._disagreements(), *self._bad_templates(), *self._odd_answers()]:
            raise ValidationError.from_exception_data("Description", faults)
        return self

    def requests(self) -> Iterator[tuple[str, Request]]:
        """The requests that are described, by name."""
        for name, request in (
            ("search", self.search), ("update", self.update), ("create", self.create), ("find", self.find),
        ):  # fmt: skip
            if request is not None:
                yield name, request

    def _disagreements(self) -> Iterator[InitErrorDetails]:
        if (self.base_url is None) == (self.base_url_variable is None):
            yield _at("base_url", fault="give either 'base_url' or 'base_url_variable'")
        if (self.search is None) != (self.update is None):
            yield _at("search", fault="'search' and 'update' go together; add the other or remove this one")
        if (self.find is None) == (self.after_unknown == "find"):
            fault = (
                "a lost answer must be followed by something: add 'find', or say 'after_unknown: send_again' where "
                "the API recognises a repeated write, else 'after_unknown: person'"
                if self.find is None
                else f"'find' is described, so that 'after_unknown: {self.after_unknown}' is not needed; remove it"
            )
            yield _at("after_unknown", fault=fault)

    def _bad_templates(self) -> Iterator[InitErrorDetails]:
        for name, request in self.requests():
            known = OPERATION + (FOUND if name == "update" else ())
            for where, kind, source in request.templates():
                try:
                    check(kind, source, known)
                except ValueError as exc:
                    yield _at(name, *where, fault=str(exc))
        if self.auth is not None:
            try:
                check(Kind.TEXT, self.auth.value, ("key",))
            except ValueError as exc:
                yield _at("auth", "value", fault=str(exc))

    def _odd_answers(self) -> Iterator[InitErrorDetails]:
        reads = (*WRITTEN, Means.AMBIGUOUS)
        for name, request in self.requests():
            odd = reads if isinstance(request, Read) else (Means.NOT_THERE,)
            yield from _meaning(request.answers, odd, name, "answers")
        yield from _meaning(self.answers, (*reads, Means.NOT_THERE), "answers")


def _meaning(answers: tuple[Answer, ...], odd: tuple[Means, ...], *loc: str) -> Iterator[InitErrorDetails]:
    for index, answer in enumerate(answers):
        if answer.means in odd:
            usable = ", ".join(means for means in Means if means not in odd)
            yield _at(*loc, index, "means", fault=f"an answer here cannot mean '{answer.means}'; use one of: {usable}")


def _at(*loc: str | int, fault: str) -> InitErrorDetails:
    return InitErrorDetails(type=PydanticCustomError("description", "{fault}", {"fault": fault}), loc=loc, input=None)


def load_description(path: Path) -> Description:
    """The description in `path`, checked.

    Raises:
        PolicyInvalid: one line a fault: file, line, path inside it and mend.
    """
    return load_yaml(path, Description, "description: <what it is>")
