"""Reads the bodies of requests: JSON objects and lists, forms. Bounded in depth and number of fields.

Files in forms are listed, not stored.
"""

import json
import re
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never
from urllib.parse import parse_qsl

from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from domain.errors import InputInvalid

MOST_EVENTS = 500
"""Events in one list; HubSpot sends at most 100."""

MOST_FIELDS = 1_000
"""Values in one event, nested ones counted."""

DEEPEST = 20
"""Levels of lists and objects in each other."""

Event = dict[str, object]


class Kind(StrEnum):
    """How a body is written."""

    JSON = "json"
    FORM = "form"
    MULTIPART = "multipart"


@dataclass(frozen=True)
class Payload:
    """What a request says.

    Attributes:
        listed: whether it was a list of events, be it of one.
    """

    events: Sequence[Event]
    listed: bool = False


def kind_of(content_type: str) -> Kind | None:
    """How a body with this Content-Type is read; None if it is not."""
    media_type = content_type.partition(";")[0].strip().lower()
    charset = _CHARSET.search(content_type)
    if charset and charset[1].lower() not in {"utf-8", "utf8", "us-ascii"}:
        return None
    if media_type == "application/json" or re.fullmatch(r"application/[\w.-]+\+json", media_type):
        return Kind.JSON
    return _FORMS.get(media_type)


async def read_payload(kind: Kind, content_type: str, body: bytes) -> Payload:
    """The events in a body.

    Raises:
        InputInvalid: it is not what it says, or there is too much of it, or nothing.
    """
    match kind:
        case Kind.JSON:
            payload = _json(body)
        case Kind.FORM:
            payload = Payload([_form(body)])
        case Kind.MULTIPART:
            payload = Payload([await _multipart(content_type, body)])
        case _:
            assert_never(kind)
    if not payload.events or not all(payload.events):
        raise InputInvalid("there is nothing in it; send at least one field")
    return payload


def _json(body: bytes) -> Payload:
    try:
        given = json.loads(body.decode("utf-8-sig"), parse_constant=_no_constant, object_pairs_hook=_object)
    except UnicodeDecodeError as exc:
        raise InputInvalid(f"not UTF-8 at byte {exc.start}; send JSON in UTF-8") from exc
    except (ValueError, RecursionError) as exc:  # bad JSON, endless digits, brackets without end
        raise InputInvalid(f"not JSON that can be read: {exc}") from exc
    match given:
        case dict():
            events = [given]
        case list() if len(given) > MOST_EVENTS:
            raise InputInvalid(f"{len(given)} events; send at most {MOST_EVENTS} in one list")
        case list():
            events = given
        case _:
            raise InputInvalid("neither an object nor a list of objects")
    for number, event in enumerate(events):
        if not isinstance(event, dict):
            raise InputInvalid(f"event {number} of the list is not an object")
        if _values(event) > MOST_FIELDS:
            raise InputInvalid(f"more than {MOST_FIELDS} values in one event; send fewer")
    return Payload(events, listed=isinstance(given, list))


def _values(value: object, depth: int = 0) -> int:
    """How many values there are in `value`, itself one of them."""
    if not isinstance(value, dict | list):
        return 1
    if depth >= DEEPEST:
        raise InputInvalid(f"nested deeper than {DEEPEST} levels; send it flatter")
    return 1 + sum(_values(child, depth + 1) for child in (value.values() if isinstance(value, dict) else value))


def _object(pairs: list[tuple[str, object]]) -> Event:
    event = dict(pairs)
    if len(event) != len(pairs):
        names = [name for name, _ in pairs]
        doubled = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"'{doubled[:60]}' stands twice in one object")
    return event


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON")


def _form(body: bytes) -> Event:
    try:
        pairs = parse_qsl(
            body.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS, separator="&"
        )
    except UnicodeDecodeError as exc:
        raise InputInvalid("not UTF-8; send the form in UTF-8") from exc
    except ValueError as exc:
        raise InputInvalid(f"more than {MOST_FIELDS} fields in one form; send fewer") from exc
    return _joined(pairs)


async def _multipart(content_type: str, body: bytes) -> Event:
    boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
    if not boundary or b"--" + boundary + b"--" not in body:
        raise InputInvalid("the form does not end: its closing boundary is missing")
    # Read as Latin-1, every byte is a character: text that is not UTF-8 is then found, not guessed at.
    headers = Headers(
        {"content-type": f'multipart/form-data; boundary="{boundary.decode("latin-1")}"; charset=latin-1'}
    )
    parser = MultiPartParser(
        headers, _whole(body), max_files=MOST_FIELDS, max_fields=MOST_FIELDS, max_part_size=len(body)
    )
    try:
        form = await parser.parse()
    except MultiPartException as exc:
        raise InputInvalid(f"not a form that can be read: {exc.message}") from exc
    try:
        return _joined([(_utf8(name), await _listed(value)) for name, value in form.multi_items()])
    except UnicodeError as exc:
        raise InputInvalid("not UTF-8; send the form in UTF-8") from exc
    finally:
        await form.close()


async def _whole(body: bytes) -> AsyncGenerator[bytes, None]:
    yield body


async def _listed(value: UploadFile | str) -> str:
    """A field's text; of a file its name, type and size."""
    if isinstance(value, str):
        return _utf8(value)
    return f"{_utf8(value.filename or 'file')} ({value.content_type or 'unknown type'}, {value.size or 0} bytes)"


def _utf8(text: str) -> str:
    return text.encode("latin-1").decode("utf-8")


def _joined(pairs: list[tuple[str, str]]) -> Event:
    """Fields by name; what stands several times, such as ticked boxes, parted by commas."""
    joined: dict[str, list[str]] = {}
    for name, value in pairs:
        joined.setdefault(name, []).append(value)
    return {name: ", ".join(values) for name, values in joined.items()}


_CHARSET = re.compile(r";\s*charset\s*=\s*\"?([^\s\";]+)", re.IGNORECASE)
_FORMS = {"application/x-www-form-urlencoded": Kind.FORM, "multipart/form-data": Kind.MULTIPART}
