"""What each thing that can happen to a request becomes."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import httpx
import pytest
import respx
from pydantic import BaseModel

from connectors.http_outcomes import (
    LONGEST_RETRY_AFTER_S,
    Failure,
    Headed,
    HttpApi,
    Limit,
    Meaning,
    Refusal,
    Vendor,
    retry_after_s,
)
from domain.delivery import Conflict, Hindrance, Invalid, RetryAfter, Unknown

URL = "http://vendor.test/notes"
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class Note(BaseModel):
    """What the vendor keeps."""

    id: str


class VersionedNote(Headed):
    """A note whose version stands in the headers."""

    id: str


@pytest.fixture
async def api() -> AsyncIterator[HttpApi]:
    vendor = Vendor("Vendor", "VENDOR_API_KEY", {"LIMIT": Meaning.LATER, "DUPLICATE": Meaning.CONFLICT})
    api = HttpApi(vendor, httpx.AsyncClient(base_url="http://vendor.test", timeout=1))
    yield api
    await api.aclose()


# what happens, what a write becomes, what a read becomes
LOST: dict[str, tuple[Exception, type[Failure], type[Failure]]] = {
    "connection refused": (httpx.ConnectError("refused"), RetryAfter, RetryAfter),
    "no connection in time": (httpx.ConnectTimeout("late"), RetryAfter, RetryAfter),
    "no free connection in time": (httpx.PoolTimeout("full"), RetryAfter, RetryAfter),
    "proxy refuses": (httpx.ProxyError("no"), RetryAfter, RetryAfter),
    "no answer in time": (httpx.ReadTimeout("late"), Unknown, RetryAfter),
    "not sent whole in time": (httpx.WriteTimeout("late"), Unknown, RetryAfter),
    "connection reset while sending": (httpx.WriteError("reset"), Unknown, RetryAfter),
    "connection reset while reading": (httpx.ReadError("reset"), Unknown, RetryAfter),
    "closed without an answer": (httpx.RemoteProtocolError("disconnected"), Unknown, RetryAfter),
    "answer cannot be decompressed": (httpx.DecodingError("gzip"), Unknown, RetryAfter),
    "our request is malformed": (httpx.LocalProtocolError("header"), Invalid, Invalid),
    "address is of no known protocol": (httpx.UnsupportedProtocol("ftp"), Invalid, Invalid),
}

ANSWERED: dict[str, tuple[httpx.Response, type[Failure], type[Failure]]] = {
    "body is no JSON": (httpx.Response(200, text="<html>"), Unknown, RetryAfter),
    "body lacks a field": (httpx.Response(201, json={"name": "a"}), Unknown, RetryAfter),
    "body is empty": (httpx.Response(200), Unknown, RetryAfter),
    "answer without content lacks a field": (httpx.Response(204), Unknown, RetryAfter),
    "moved elsewhere": (httpx.Response(302), Invalid, Invalid),
    "bad request": (httpx.Response(400, json={"message": "no"}), Invalid, Invalid),
    "unauthorised": (httpx.Response(401), RetryAfter, RetryAfter),
    "forbidden": (httpx.Response(403), RetryAfter, RetryAfter),
    "not found": (httpx.Response(404), Invalid, Invalid),
    "request never arrived whole": (httpx.Response(408), RetryAfter, RetryAfter),
    "exists already": (httpx.Response(409), Conflict, RetryAfter),
    "gone": (httpx.Response(410), Invalid, Invalid),
    "stale version": (httpx.Response(412), Conflict, RetryAfter),
    "field refused": (httpx.Response(422), Invalid, Invalid),
    "locked": (httpx.Response(423), RetryAfter, RetryAfter),
    "throttled": (httpx.Response(429), RetryAfter, RetryAfter),
    "forbidden with a code for the rate limit": (httpx.Response(403, json={"code": "LIMIT"}), RetryAfter, RetryAfter),
    "bad request with a code for a duplicate": (
        httpx.Response(400, json=[{"errorCode": "DUPLICATE"}]),
        Conflict,
        RetryAfter,
    ),
    "broken inside": (httpx.Response(500), Unknown, RetryAfter),
    "bad gateway": (httpx.Response(502), Unknown, RetryAfter),
    "down, or a proxy that lost the answer": (httpx.Response(503), Unknown, RetryAfter),
    "down on purpose": (httpx.Response(503, headers={"Retry-After": "5"}), RetryAfter, RetryAfter),
    "gateway timed out": (httpx.Response(504), Unknown, RetryAfter),
}


@pytest.mark.parametrize(("effect", "write", "read"), [*LOST.values(), *ANSWERED.values()], ids=[*LOST, *ANSWERED])
async def test_every_failure_has_its_outcome(
    api: HttpApi,
    respx_mock: respx.MockRouter,
    effect: Exception | httpx.Response,
    write: type[Failure],
    read: type[Failure],
) -> None:
    respx_mock.route(url=URL).mock(side_effect=[effect, effect])

    written = await api.act(Note, "POST", "/notes", Note(id="1"))
    found = await api.ask(Note, "/notes", {})

    assert (type(written), type(found)) == (write, read)


@pytest.mark.parametrize("status", [200, 201])
async def test_a_readable_answer_is_given_back(api: HttpApi, respx_mock: respx.MockRouter, status: int) -> None:
    respx_mock.route(url=URL).respond(status, json={"id": "7", "more": True})

    assert await api.act(Note, "POST", "/notes", Note(id="1")) == Note(id="7")
    assert await api.ask(Note, "/notes", {}) == Note(id="7")


@pytest.mark.parametrize(("status", "hindrance"), [(401, Hindrance.KEY), (403, Hindrance.RIGHTS)])
async def test_a_refused_key_names_the_variable_that_holds_it_and_is_no_fault_of_the_record(
    api: HttpApi, respx_mock: respx.MockRouter, status: int, hindrance: Hindrance
) -> None:
    respx_mock.post(URL).respond(status)

    match await api.act(Note, "POST", "/notes", Note(id="1")):
        case RetryAfter(detail=detail, hindrance=said):
            assert "VENDOR_API_KEY" in detail
            assert said is hindrance
        case other:
            pytest.fail(f"{other}")


async def test_a_refusal_of_a_system_without_a_key_speaks_of_its_address(respx_mock: respx.MockRouter) -> None:
    respx_mock.get(URL).respond(401)
    api = HttpApi(Vendor("Vendor"), httpx.AsyncClient(base_url="http://vendor.test"))

    answer = await api.ask(Note, "/notes", {})
    await api.aclose()

    said = "Vendor: Unauthorized (HTTP 401). This system takes no key: check its address."
    assert answer == RetryAfter(hindrance=Hindrance.KEY, detail=said)


@pytest.mark.parametrize(
    ("response", "words"),
    [
        (httpx.Response(400, json={"message": "no such stage"}), "no such stage"),
        (httpx.Response(400, json={"error": {"message": "no such stage"}}), "no such stage"),
        (httpx.Response(422, json={"detail": [{"loc": ["body"], "msg": "no"}, {"msg": "nor this"}]}), "no; nor this"),
        (httpx.Response(400, json=[{"errorCode": "X", "message": "no such stage"}]), "no such stage"),
        (
            httpx.Response(422, json={"error": "X", "description": "no", "details": {"a": [{"description": "nor a"}]}}),
            "no; nor a",
        ),
        (httpx.Response(400, text="no\n such   stage"), "no such stage"),
        (httpx.Response(400, json={"oddly": 1}), "Bad Request"),
        (httpx.Response(400, text="x" * 1000), "x" * 300),
    ],
    ids=[
        "message",
        "nested",
        "list of faults",
        "list of errors",
        "description and details",
        "text",
        "nothing said",
        "too long",
    ],
)
async def test_a_refusal_carries_the_vendors_words(
    api: HttpApi, respx_mock: respx.MockRouter, response: httpx.Response, words: str
) -> None:
    respx_mock.post(URL).mock(return_value=response)

    answer = await api.act(Note, "POST", "/notes", Note(id="1"))

    assert answer == Invalid(detail=f"Vendor: {words} (HTTP {response.status_code})")


@pytest.mark.parametrize("status", [429, 503])
async def test_the_wait_that_a_target_asks_for_is_kept(api: HttpApi, respx_mock: respx.MockRouter, status: int) -> None:
    respx_mock.route(url=URL).respond(status, headers={"Retry-After": "7"})

    for answer in (await api.act(Note, "POST", "/notes", Note(id="1")), await api.ask(Note, "/notes", {})):
        assert isinstance(answer, RetryAfter)
        assert answer.seconds == 7


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        ({"ok": True, "id": "7"}, Note),
        ({"ok": False, "error": "LIMIT"}, RetryAfter),
        ({"ok": False, "error": "DUPLICATE"}, Conflict),
        ({"ok": False, "error": "of tomorrow"}, Invalid),
        ({"ok": False}, Invalid),
        (["no object"], Unknown),
    ],
    ids=["success", "limit", "duplicate", "unknown code", "no code", "no object"],
)
async def test_a_no_inside_a_200_is_no_success_where_the_vendor_says_it_so(
    respx_mock: respx.MockRouter, body: object, outcome: type[object]
) -> None:
    codes = {"LIMIT": Meaning.LATER, "DUPLICATE": Meaning.CONFLICT}
    api = HttpApi(Vendor("Vendor", codes=codes, success_field="ok"), httpx.AsyncClient(base_url="http://vendor.test"))
    respx_mock.post(URL).respond(200, json=body)

    answer = await api.act(Note, "POST", "/notes", Note(id="1"))
    await api.aclose()

    assert isinstance(answer, outcome)


async def test_an_answer_has_its_headers_where_its_shape_wants_them(api: HttpApi, respx_mock: respx.MockRouter) -> None:
    respx_mock.get(URL).respond(200, json={"id": "7"}, headers={"ETag": '"41"'})

    answer = await api.ask(VersionedNote, "/notes", {})

    assert isinstance(answer, VersionedNote)
    assert (answer.id, answer.headers["etag"]) == ("7", '"41"')


async def test_a_success_is_not_overruled_by_a_code_in_its_body(api: HttpApi, respx_mock: respx.MockRouter) -> None:
    respx_mock.post(URL).respond(200, json={"id": "7", "code": "LIMIT"})

    assert await api.act(Note, "POST", "/notes", Note(id="1")) == Note(id="7")


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("2", 2),
        (" 0.5 ", 0.5),
        ("0", 0),
        ("-3", None),
        ("nan", None),
        ("soon", None),
        ("999999", LONGEST_RETRY_AFTER_S),
        ("Sun, 01 Mar 2026 12:01:30 GMT", 90),
        ("Sun, 01 Mar 2026 12:01:30 -0000", 90),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0),
        ("Sun, 01 Mar 2099 12:00:00 GMT", LONGEST_RETRY_AFTER_S),
    ],
)
def test_retry_after_is_read_as_seconds_or_date_within_an_hour(header: str | None, seconds: float | None) -> None:
    assert retry_after_s(header, NOW) == seconds


def odd_limit(refusal: Refusal, _: datetime) -> Limit:
    match refusal.body:
        case {"policy": str(name)}:
            return Limit(name, 30)
        case _:
            return Limit()


ODD = Vendor("Odd", statuses={477: Meaning.LATER, 422: Meaning.CONFLICT}, limit=odd_limit)


@pytest.fixture
async def odd() -> AsyncIterator[HttpApi]:
    """A vendor with ways of its own, and a key."""
    odd = HttpApi(ODD, httpx.AsyncClient(base_url="http://vendor.test"), "s3cret")
    yield odd
    await odd.aclose()


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (httpx.Response(429, json={"policy": "daily"}), RetryAfter(limit="daily", seconds=30, detail="")),
        (
            httpx.Response(429, json={"policy": "daily"}, headers={"Retry-After": "7"}),
            RetryAfter(limit="daily", seconds=7, detail=""),
        ),
        (httpx.Response(429, json={}), RetryAfter(detail="")),
        (httpx.Response(477), RetryAfter(detail="")),
        (httpx.Response(422), Conflict(detail="")),
    ],
    ids=["named limit", "named limit with a header", "unnamed limit", "odd wait", "odd conflict"],
)
async def test_a_vendors_own_ways_go_before_the_usual(
    odd: HttpApi, respx_mock: respx.MockRouter, response: httpx.Response, expected: Failure
) -> None:
    respx_mock.post(URL).mock(return_value=response)

    answer = await odd.act(Note, "POST", "/notes", Note(id="1"))

    assert answer.model_copy(update={"detail": ""}) == expected


async def test_who_reads_refusals_gets_them_whole(odd: HttpApi, respx_mock: respx.MockRouter) -> None:
    respx_mock.patch(URL).respond(300, json=["/notes/1", "/notes/2"])

    match await odd.exchange(Note, "PATCH", "/notes", body=Note(id="1")):
        case Refusal() as refusal:
            assert (refusal.status, refusal.code, refusal.body) == (300, None, ["/notes/1", "/notes/2"])
            assert isinstance(refusal.outcome, Invalid)
        case other:
            pytest.fail(f"{other}")


async def test_a_success_without_content_is_what_the_caller_says(odd: HttpApi, respx_mock: respx.MockRouter) -> None:
    respx_mock.patch(URL).respond(204)
    nothing = Note(id="")

    assert await odd.exchange(Note, "PATCH", "/notes", body=Note(id="1"), nothing=nothing) is nothing


async def test_a_search_is_a_post_and_still_a_read(odd: HttpApi, respx_mock: respx.MockRouter) -> None:
    respx_mock.post(URL).mock(side_effect=[httpx.ReadTimeout("late")])

    assert isinstance(await odd.ask(Note, "/notes", {}, Note(id="query")), RetryAfter)


@pytest.mark.parametrize("status", [400, 401, 409, 429, 500])
async def test_a_key_that_an_answer_quotes_is_struck_out(
    odd: HttpApi, respx_mock: respx.MockRouter, status: int
) -> None:
    padding = "x" * 295  # a message is cut at 300: half a key would be a key shown
    respx_mock.post(URL).respond(status, json={"message": f"{padding} s3cret"})

    answer = await odd.act(Note, "POST", "/notes", Note(id="1"))

    assert "s3c" not in str(answer)


async def test_a_request_that_cannot_be_sent_does_not_show_its_headers(
    odd: HttpApi, respx_mock: respx.MockRouter
) -> None:
    respx_mock.post(URL).mock(side_effect=[httpx.LocalProtocolError("Illegal header value b'Bearer s3cret'")])

    assert "s3cret" not in str(await odd.act(Note, "POST", "/notes", Note(id="1")))
