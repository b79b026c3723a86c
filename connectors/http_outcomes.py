"""Turns whatever can happen to an HTTP request into the domain's outcomes.

The line that matters: *could the write have been stored?* Refused before it was sent, or
turned away by a limiter or for our key's sake, no: `RetryAfter`. Sent without a readable answer, perhaps:
`Unknown`, to be looked up before anything is sent again.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import TypeVar, assert_never

import httpx
from pydantic import BaseModel, Field, ValidationError

from connectors.error_bodies import error_body, vendors_code, vendors_words
from domain.delivery import LONGEST_WAIT_S, Conflict, Hindrance, Invalid, RetryAfter, Unknown

LONGEST_RETRY_AFTER_S = float(LONGEST_WAIT_S)
"""A target that asks for more than a week is asked again after a week all the same."""

HttpFailure = httpx.HTTPError
"""What any client on httpx raises, Prefect's among them, for those who may not import it."""

Shape = TypeVar("Shape", bound=BaseModel)
Failure = Conflict | Invalid | RetryAfter | Unknown


class Meaning(StrEnum):
    """What an answer says about the request."""

    DONE = "done"
    LATER = "later"  # nothing was written
    CONFLICT = "conflict"  # nothing was written: the record is not what we took it for
    REFUSED = "refused"  # nothing was written, nor will be if it is sent again
    UNAUTHORISED = "unauthorised"  # our key is not taken: nothing is done, whatever is asked
    FORBIDDEN = "forbidden"  # our key is taken, and this is not allowed with it
    BROKEN = "broken"  # it may have been written before it broke


MEANING_OF_STATUS: Mapping[int, Meaning] = {
    401: Meaning.UNAUTHORISED,
    403: Meaning.FORBIDDEN,
    408: Meaning.LATER,  # RFC 9110, 15.5.9: the request never arrived whole
    409: Meaning.CONFLICT,
    412: Meaning.CONFLICT,
    423: Meaning.LATER,  # RFC 4918, 11.3: locked
    425: Meaning.LATER,  # RFC 8470, 5.2: refused unprocessed
    429: Meaning.LATER,
}
"""Every other status follows its class: 2xx done, 5xx broken, the rest refused. 503 is later where it comes
with Retry-After, which somebody meant; without, a proxy may have lost the answer of a server that had acted."""

NOT_THERE = frozenset({404, 410})
"""What is said of a record that is not there, or not any more."""


@dataclass(frozen=True)
class Refusal:
    """An answer that says no; nothing was written.

    Attributes:
        status: None where the request could not even be sent.
        code: the vendor's own error code.
        body: the answer's JSON, or its text.
        detail: what it says, for people.
    """

    meaning: Meaning
    status: int | None
    detail: str
    code: str | None = None
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def outcome(self) -> Conflict | Invalid:
        """What it means where no vendor's own reading of it goes before."""
        return Conflict(detail=self.detail) if self.meaning is Meaning.CONFLICT else Invalid(detail=self.detail)


@dataclass(frozen=True)
class Limit:
    """What an answer to come later says of the wait.

    Attributes:
        name: of a limit that holds for the whole system; None for one of a record or a path.
        seconds: where no Retry-After header tells them.
    """

    name: str | None = None
    seconds: float | None = None


def _unnamed(_: Refusal, __: datetime) -> Limit:
    return Limit()


@dataclass(frozen=True)
class Vendor:
    """What differs from vendor to vendor.

    Attributes:
        name: for messages to people.
        key_variable: environment variable that holds the key, or None where there is no key.
        codes: meanings of the vendor's own error codes, which go before the status.
        statuses: meanings of statuses that only this vendor uses so.
        limit: reads the limit out of an answer that puts us off, at the time of that answer.
        success_field: what is false in a 2xx answer that is none; one whose code is not known is a refusal.
    """

    name: str
    key_variable: str | None = None
    codes: Mapping[str, Meaning] = field(default_factory=dict)
    statuses: Mapping[int, Meaning] = field(default_factory=dict)
    limit: Callable[[Refusal, datetime], Limit] = _unnamed
    success_field: str | None = None


class Headed(BaseModel):
    """The shape of an answer whose headers count too; their names in lower case."""

    headers: dict[str, str] = Field(default_factory=dict)


class HttpApi:
    """One vendor's HTTP interface; `secret` is the key, to be struck out of what an answer says."""

    def __init__(self, vendor: Vendor, client: httpx.AsyncClient, secret: str = "") -> None:
        self._vendor = vendor
        self._client = client
        self._secret = secret

    async def ask(
        self,
        shape: type[Shape],
        path: str,
        params: Mapping[str, str],
        body: BaseModel | None = None,
        *,
        one_record: bool = False,
    ) -> Shape | Invalid | RetryAfter:
        """Read something; whatever may pass, and any lost or unreadable answer, is `RetryAfter`.

        With a `body` it is a POST, as many vendors' searches are. Where the path names `one_record`
        and it is not there, it is gone.
        """
        method = "GET" if body is None else "POST"
        match await self.exchange(shape, method, path, params=params, body=body):
            case Refusal(meaning=Meaning.CONFLICT, detail=detail):
                return RetryAfter(detail=detail)
            case Refusal(detail=detail, status=status):
                return Invalid(detail=detail, gone=one_record and status in NOT_THERE)
            case Unknown(detail=detail):
                return RetryAfter(detail=detail)
            case usable:
                return usable

    async def look_up(
        self, shape: type[Shape], path: str, params: Mapping[str, str], body: BaseModel | None = None
    ) -> Shape | RetryAfter:
        """Look for the trace of a write; a refusal is `RetryAfter` too, for it tells nothing of the write."""
        match await self.ask(shape, path, params, body):
            case Invalid(detail=detail):
                return RetryAfter(detail=detail)
            case answered:
                return answered

    async def act(
        self, shape: type[Shape], method: str, path: str, body: BaseModel, headers: Mapping[str, str] | None = None
    ) -> Shape | Failure:
        """Write something, once; `Unknown` when it may have been stored all the same."""
        match await self.exchange(shape, method, path, body=body, headers=headers):
            case Refusal() as refusal:
                return refusal.outcome
            case answered:
                return answered

    async def exchange(
        self,
        shape: type[Shape],
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: BaseModel | None = None,
        headers: Mapping[str, str] | None = None,
        nothing: Shape | None = None,
    ) -> Shape | Refusal | RetryAfter | Unknown:
        """Send a request, once, for those who read refusals themselves, by status, code or body.

        `nothing` is what a success without content (204) stands for.
        """
        sent = None if body is None else body.model_dump(mode="json")
        request = self._client.build_request(method, path, params=params, json=sent, headers=headers)
        return await self._exchanged(shape, request, nothing)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _exchanged(
        self, shape: type[Shape], request: httpx.Request, nothing: Shape | None = None
    ) -> Shape | Refusal | RetryAfter | Unknown:
        try:
            response = await self._client.send(request)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError) as exc:
            return RetryAfter(detail=self._says(f"not reached, nothing was sent: {_named(exc)}"))
        except (httpx.LocalProtocolError, httpx.UnsupportedProtocol) as exc:  # its text may quote the key
            detail = self._says(f"cannot be sent: {type(exc).__name__}; check the address and the key")
            return Refusal(Meaning.REFUSED, None, detail)
        except httpx.RequestError as exc:
            return Unknown(detail=self._says(f"sent, but no whole answer came: {_named(exc)}"))
        if nothing is not None and response.status_code == httpx.codes.NO_CONTENT:
            return nothing
        return self._read(shape, response)

    def _read(self, shape: type[Shape], response: httpx.Response) -> Shape | Refusal | RetryAfter | Unknown:
        status, body = response.status_code, error_body(response, self._vendor.success_field, self._secret)
        code = vendors_code(body)
        message = self._says(f"{vendors_words(body) or response.reason_phrase} (HTTP {status})")
        denied, put_off = response.is_success and body is not None, "Retry-After" in response.headers
        meaning = meaning_of(status, code, self._vendor, denied=denied, put_off=put_off)
        refusal = Refusal(meaning, status, message, code, body, response.headers)
        match refusal.meaning:
            case Meaning.DONE:
                return self._parse(shape, response)
            case Meaning.LATER:
                return self._later(refusal)
            case Meaning.CONFLICT | Meaning.REFUSED:
                return refusal
            case Meaning.UNAUTHORISED:
                return RetryAfter(hindrance=Hindrance.KEY, detail=f"{message}. {self._key_advice()}")
            case Meaning.FORBIDDEN:
                return RetryAfter(hindrance=Hindrance.RIGHTS, detail=f"{message}. {self._key_advice()}")
            case Meaning.BROKEN:
                return Unknown(detail=message)
            case other:
                assert_never(other)

    def _later(self, refusal: Refusal) -> RetryAfter:
        now = datetime.now(UTC)
        limit = self._vendor.limit(refusal, now)
        asked = retry_after_s(refusal.headers.get("Retry-After"), now)
        return RetryAfter(seconds=limit.seconds if asked is None else asked, limit=limit.name, detail=refusal.detail)

    def _parse(self, shape: type[Shape], response: httpx.Response) -> Shape | Unknown:
        content = response.content if response.status_code != httpx.codes.NO_CONTENT else b"{}"
        try:
            parsed = shape.model_validate_json(content)
        except ValidationError as exc:
            fault = exc.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, fault["loc"])) or "body"
            said = f"HTTP {response.status_code}, but its {where} cannot be read: {fault['msg']}"
            return Unknown(detail=self._says(said))
        return parsed.model_copy(update={"headers": dict(response.headers)}) if isinstance(parsed, Headed) else parsed

    def _key_advice(self) -> str:
        if self._vendor.key_variable is None:
            return "This system takes no key: check its address."
        return f"Check the key in {self._vendor.key_variable} and what it is allowed to do."

    def _says(self, message: str) -> str:
        return f"{self._vendor.name}: {message}"


def meaning_of(
    status: int, code: str | None, vendor: Vendor, *, denied: bool = False, put_off: bool = False
) -> Meaning:
    """What an answer means, by its vendor's code if that is known, else by its status.

    One that is `denied` is a failure whatever its status says.

    Args:
        put_off: whether it says when to come again.
    """
    if denied:
        return vendor.codes.get(code or "", Meaning.REFUSED)
    if code is not None and code in vendor.codes and not httpx.codes.is_success(status):
        return vendor.codes[code]
    match status // 100:
        case _ if status in vendor.statuses:
            return vendor.statuses[status]
        case _ if status in MEANING_OF_STATUS:
            return MEANING_OF_STATUS[status]
        case _ if status == httpx.codes.SERVICE_UNAVAILABLE and put_off:
            return Meaning.LATER
        case 2:
            return Meaning.DONE
        case 5:
            return Meaning.BROKEN
        case _:
            return Meaning.REFUSED


def retry_after_s(header: str | None, now: datetime) -> float | None:
    """Seconds to wait by a Retry-After header (RFC 9110, 10.2.3), 0 to a week; None if it says nothing usable.

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


def _named(exc: httpx.RequestError) -> str:
    return f"{type(exc).__name__} {exc}".strip()
