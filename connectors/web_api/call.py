"""One kind of request of a description: filled in, sent, and its answer read by the description's rules."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import assert_never

import httpx
from pydantic import BaseModel, JsonValue, RootModel

from connectors.error_bodies import LONGEST_MESSAGE, vendors_words
from connectors.http_outcomes import LONGEST_RETRY_AFTER_S, HttpApi, Meaning, Refusal, Shape, Vendor, retry_after_s
from connectors.web_api.description import Answer, Description, Means, Read, Request, Wait
from connectors.web_api.templates import Kind, render, render_json
from domain.delivery import Conflict, Invalid, RetryAfter, Unknown
from domain.errors import InputInvalid

NONE_THERE = Answer(status=404, means=Means.NOT_THERE)
"""Where a look-up's answer is the record itself, not found is an answer."""
UNREADABLE = object()
"""A body that is no JSON."""


class AnyJson(RootModel[JsonValue]):
    """A body as the description's template makes it."""


class Reply(BaseModel):
    """An answer that is neither refused nor lost.

    Attributes:
        means: what the description says it means, if it says anything.
        said: for people.
    """

    body: JsonValue
    means: Means | None = None
    said: str


class Call(HttpApi):
    """A request, again and again with other values."""

    def __init__(
        self, vendor: Vendor, client: httpx.AsyncClient, secret: str, api: Description, request: Request
    ) -> None:
        super().__init__(vendor, client, secret)
        self._request = request
        alone = isinstance(request, Read) and request.records is None
        self._answers = api.answers + request.answers + ((NONE_THERE,) if alone else ())
        self._wait = api.retry_after
        self._pointer = api.message

    async def make(
        self, seen: Mapping[str, object], headers: Mapping[str, str]
    ) -> Reply | Conflict | Invalid | RetryAfter | Unknown:
        """Send it, filled in with what the templates see; values that cannot be sent are `Invalid`."""
        said = self._request
        try:
            answered = await self.exchange(
                Reply,
                said.method,
                render(Kind.PATH, said.path, seen),
                params={name: render(Kind.TEXT, source, seen) for name, source in said.params.items()} or None,
                body=None if said.body is None else AnyJson(render_json(said.body, seen)),
                headers={**headers, **{name: render(Kind.TEXT, source, seen) for name, source in said.headers.items()}},
            )
        except (InputInvalid, UnicodeEncodeError, httpx.InvalidURL) as exc:  # a header takes ASCII alone
            return Invalid(detail=self._says(str(exc)))
        return answered.outcome if isinstance(answered, Refusal) else answered

    def _read(self, shape: type[Shape], response: httpx.Response) -> Shape | Refusal | RetryAfter | Unknown:
        body = _body(response)
        rule = next((answer for answer in self._answers if fits(answer, response.status_code, body)), None)
        if rule is not None:
            return self._by_rule(shape, rule.means, response, body)
        if response.is_success and body is UNREADABLE:
            return Unknown(detail=self._says(f"HTTP {response.status_code}, but its body is no JSON"))
        if response.is_success:
            return shape.model_validate({"body": body, "said": self._says(f"HTTP {response.status_code}")})
        usual = super()._read(shape, response)
        if isinstance(usual, RetryAfter) and (told := wait_s(self._wait, response, body)) is not None:
            return usual.model_copy(update={"seconds": told})
        return usual

    def _by_rule(
        self, shape: type[Shape], means: Means, response: httpx.Response, body: object
    ) -> Shape | Refusal | RetryAfter | Unknown:
        status, said = response.status_code, self._said(response, body)
        match means:
            case Means.CONFLICT:
                return Refusal(Meaning.CONFLICT, status, said)
            case Means.INVALID:
                return Refusal(Meaning.REFUSED, status, said)
            case Means.RETRY_AFTER:
                return RetryAfter(seconds=wait_s(self._wait, response, body), detail=said)
            case Means.UNKNOWN:
                return Unknown(detail=said)
            case Means.CREATED | Means.UPDATED | Means.UNCHANGED | Means.NOT_THERE | Means.AMBIGUOUS:
                known = None if body is UNREADABLE else body
                return shape.model_validate({"body": known, "means": means, "said": said})
            case other:
                assert_never(other)

    def _said(self, response: httpx.Response, body: object) -> str:
        """What the API says, in its own words where the description tells where they are."""
        known = "" if body is UNREADABLE else body
        words = known if self._pointer is None else at(body, self._pointer)
        text = vendors_words(words) or json.dumps(known, ensure_ascii=False)
        struck = text.replace(self._secret, "***") if self._secret else text
        return self._says(f"{struck[:LONGEST_MESSAGE]} (HTTP {response.status_code})")


def _body(response: httpx.Response) -> object:
    """The answer's JSON; an empty answer is an empty object."""
    if not response.content:
        return {}
    try:
        return json.loads(response.content)
    except ValueError:
        return UNREADABLE


def fits(answer: Answer, status: int, body: object) -> bool:
    """Whether an answer is one of those that a rule is about."""
    if answer.status is not None and answer.status != status:
        return False
    return answer.field is None or holds(body, answer.field, answer.equals)


def holds(body: object, field: str, equals: JsonValue) -> bool:
    """Whether a field has the value, or, where none is asked for, any that is not empty."""
    value = at(body, field)
    if equals is None:
        return bool(value)
    return value == equals and isinstance(value, bool) == isinstance(equals, bool)  # to Python, true is 1


def at(body: object, pointer: str) -> object:
    """What stands at a JSON pointer (RFC 6901); None if nothing does."""
    here = body
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        match here:
            case dict() if name in here:
                here = here[name]
            case list() if name.isdecimal() and int(name) < len(here):
                here = here[int(name)]
            case _:
                return None
    return here


def text_at(body: object, pointer: str) -> str | None:
    """A text or a number at a pointer, as text; None for anything else."""
    value = at(body, pointer)
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) and value != "" else None


def wait_s(wait: Wait, response: httpx.Response, body: object) -> float | None:
    """Seconds to wait, 0 to an hour, where the description says they are told; None if nothing usable is there."""
    told = response.headers.get(wait.header) if wait.header is not None else at(body, wait.field or "")
    seconds = retry_after_s(str(told), datetime.now(UTC)) if isinstance(told, str | int | float) else None
    if seconds is None or not wait.milliseconds:
        return seconds
    return min(float(str(told)) / 1000, LONGEST_RETRY_AFTER_S) if str(told).replace(".", "", 1).isdecimal() else seconds
