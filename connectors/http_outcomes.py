"""Turns whatever can happen to an HTTP request into the domain's outcomes.

The line that matters: *could the write have been stored?* Refused before it was sent, or
turned away by a limiter, no: `RetryAfter`. Sent without a readable answer, perhaps:
`Unknown`, to be looked up before anything is sent again.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import TypeVar, assert_never

import httpx
from pydantic import BaseModel, ValidationError

from domain.delivery import Conflict, Invalid, RetryAfter, Unknown

LONGEST_RETRY_AFTER_S = 3600.0
"""A target that asks for more is asked again after an hour all the same."""
LONGEST_MESSAGE = 300
"""Characters of a vendor's message that go into an outcome."""

Shape = TypeVar("Shape", bound=BaseModel)
Failure = Conflict | Invalid | RetryAfter | Unknown


class Meaning(StrEnum):
    """What an answer says about the request."""

    DONE = "done"
    LATER = "later"  # nothing was written
    CONFLICT = "conflict"  # nothing was written: the record is not what we took it for
    REFUSED = "refused"  # nothing was written, nor will be if it is sent again
    UNAUTHORISED = "unauthorised"
    BROKEN = "broken"  # it may have been written before it broke


MEANING_OF_STATUS: Mapping[int, Meaning] = {
    401: Meaning.UNAUTHORISED,
    403: Meaning.UNAUTHORISED,
    408: Meaning.LATER,  # RFC 9110, 15.5.9: the request never arrived whole
    409: Meaning.CONFLICT,
    412: Meaning.CONFLICT,
    423: Meaning.LATER,  # RFC 4918, 11.3: locked
    425: Meaning.LATER,  # RFC 8470, 5.2: refused unprocessed
    429: Meaning.LATER,
    503: Meaning.LATER,
}
"""Every other status follows its class: 2xx done, 5xx broken, the rest refused."""


@dataclass(frozen=True)
class Vendor:
    """What differs from vendor to vendor.

    Attributes:
        name: for messages to people.
        key_variable: environment variable that holds the key, or None where there is no key.
        codes: meanings of the vendor's own error codes, which go before the status.
    """

    name: str
    key_variable: str | None = None
    codes: Mapping[str, Meaning] = field(default_factory=dict)


class HttpApi:
    """One vendor's HTTP interface."""

    def __init__(self, vendor: Vendor, client: httpx.AsyncClient) -> None:
        self._vendor = vendor
        self._client = client

    async def ask(self, shape: type[Shape], path: str, params: Mapping[str, str]) -> Shape | Invalid | RetryAfter:
        """Read something; whatever may pass, and any lost or unreadable answer, is `RetryAfter`."""
        request = self._client.build_request("GET", path, params=params)
        match await self._exchange(shape, request):
            case Conflict(detail=detail) | Unknown(detail=detail):
                return RetryAfter(detail=detail)
            case usable:
                return usable

    async def act(
        self, shape: type[Shape], method: str, path: str, body: BaseModel, headers: Mapping[str, str] | None = None
    ) -> Shape | Failure:
        """Write something, once; `Unknown` when it may have been stored all the same."""
        request = self._client.build_request(method, path, json=body.model_dump(mode="json"), headers=headers)
        return await self._exchange(shape, request)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _exchange(self, shape: type[Shape], request: httpx.Request) -> Shape | Failure:
        try:
            response = await self._client.send(request)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError) as exc:
            return RetryAfter(detail=self._says(f"not reached, nothing was sent: {_named(exc)}"))
        except (httpx.LocalProtocolError, httpx.UnsupportedProtocol) as exc:
            return Invalid(detail=self._says(f"cannot be sent: {_named(exc)}; check the address and the key"))
        except httpx.RequestError as exc:
            return Unknown(detail=self._says(f"sent, but no whole answer came: {_named(exc)}"))
        return self._read(shape, response)

    def _read(self, shape: type[Shape], response: httpx.Response) -> Shape | Failure:
        status, body = response.status_code, _error_body(response)
        message = self._says(f"{_message(body) or response.reason_phrase} (HTTP {status})")
        match meaning_of(status, _code(body), self._vendor.codes):
            case Meaning.DONE:
                return self._parse(shape, response)
            case Meaning.LATER:
                return RetryAfter(seconds=retry_after_s(response.headers.get("Retry-After"), _now()), detail=message)
            case Meaning.CONFLICT:
                return Conflict(detail=message)
            case Meaning.REFUSED:
                return Invalid(detail=message)
            case Meaning.UNAUTHORISED:
                return Invalid(detail=f"{message}. {self._key_advice()}")
            case Meaning.BROKEN:
                return Unknown(detail=message)
            case other:
                assert_never(other)

    def _parse(self, shape: type[Shape], response: httpx.Response) -> Shape | Unknown:
        content = response.content if response.status_code != httpx.codes.NO_CONTENT else b"{}"
        try:
            return shape.model_validate_json(content)
        except ValidationError as exc:
            fault = exc.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, fault["loc"])) or "body"
            said = f"HTTP {response.status_code}, but its {where} cannot be read: {fault['msg']}"
            return Unknown(detail=self._says(said))

    def _key_advice(self) -> str:
        if self._vendor.key_variable is None:
            return "This system takes no key: check its address."
        return f"Check the key in {self._vendor.key_variable} and what it is allowed to do."

    def _says(self, message: str) -> str:
        return f"{self._vendor.name}: {message}"


def meaning_of(status: int, code: str | None, codes: Mapping[str, Meaning]) -> Meaning:
    """What an answer means, by its vendor's code if that is known, else by its status."""
    if code is not None and code in codes and not httpx.codes.is_success(status):
        return codes[code]
    match status // 100:
        case _ if status in MEANING_OF_STATUS:
            return MEANING_OF_STATUS[status]
        case 2:
            return Meaning.DONE
        case 5:
            return Meaning.BROKEN
        case _:
            return Meaning.REFUSED


def retry_after_s(header: str | None, now: datetime) -> float | None:
    """Seconds to wait by a Retry-After header (RFC 9110, 10.2.3), 0 to an hour; None if it says nothing usable.

    Fractions of a second, which some vendors send, are taken too.
    """
    if header is None:
        return None
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", header.strip()):
        return min(float(header), LONGEST_RETRY_AFTER_S)
    try:
        at = parsedate_to_datetime(header)
    except ValueError:
        return None
    seconds = (at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds()
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER_S)


def _now() -> datetime:
    return datetime.now(UTC)


def _named(exc: httpx.RequestError) -> str:
    return f"{type(exc).__name__} {exc}".strip()


def _error_body(response: httpx.Response) -> object:
    """The JSON of an error answer, its text if it is no JSON; nothing for a success."""
    if response.is_success:
        return None
    try:
        return json.loads(response.content)
    except ValueError:
        return response.text


def _message(body: object) -> str:
    """The vendor's own words: `message`, `detail` or `error`, lists and objects down to their text."""
    match body:
        case str():
            return " ".join(body.split())[:LONGEST_MESSAGE]
        case {"message": said} | {"msg": said} | {"detail": said} | {"error": said} | {"errors": said}:
            return _message(said)
        case [*parts]:
            return "; ".join(filter(None, map(_message, parts)))[:LONGEST_MESSAGE]
        case _:
            return ""


def _code(body: object) -> str | None:
    """The vendor's own error code: `code`, `errorCode` or `category`, of the first error if there are several."""
    match body:
        case {"code": str(code)} | {"errorCode": str(code)} | {"category": str(code)}:
            return code
        case [first, *_] | {"error": first} | {"errors": [first, *_]}:
            return _code(first)
        case _:
            return None
