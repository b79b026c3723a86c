"""Whatever is sent, the server answers with what to do, or the ledger has it as refused; it never breaks.

The cases are in `bad_input.jsonl`: a body as text, as base64, or as parts that are repeated, with
its headers (JSON if none are given) and the status of the answer.
"""

import base64
import json
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from databases import sqlite_database
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sites import Site, serve_app

from connectors.store.engine import Store

CASES = [
    json.loads(line) for line in Path(__file__).with_name("bad_input.jsonl").read_text(encoding="utf-8").splitlines()
]
JSON = {"content-type": "application/json"}

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """One for all cases: what one of them breaks, the next one finds broken."""
    folder = tmp_path_factory.mktemp("bad_input")
    with closing(Store(sqlite_database(folder / "site.db"))) as over:
        async with serve_app(folder, over) as running:
            yield running
            assert (await running.post({"message": "all is well"})).status_code == 202
            assert running.entries()[-1].event.value == "accepted"


def body_of(case: dict[str, Any]) -> bytes:
    if "base64" in case:
        return base64.b64decode(case["base64"])
    if "repeat" in case:
        return "".join(text * times for text, times in case["repeat"]).encode()
    return str(case["body"]).encode()


async def send(site: Site, case: dict[str, Any]) -> httpx.Response:
    headers = [(name.encode(), value.encode("latin-1")) for name, value in case.get("headers", JSON).items()]
    path, method = case.get("path", "/intake/tiny"), case.get("method", "POST")
    return await site.client.request(method, f"http://serve.test{path}", content=body_of(case), headers=headers)


async def test_there_are_at_least_200_cases():
    assert len({case["name"] for case in CASES}) == len(CASES) >= 200


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
async def test_bad_input_is_answered_clearly(site, case):
    before = site.head()
    answer = await send(site, case)
    assert answer.status_code == case["status"], answer.text
    if case.get("method") == "HEAD":
        return
    told, events = answer.json(), site.events(before)
    match answer.status_code:
        case 202:
            assert events in (["accepted"], ["duplicate"])
            assert told["items"][0]["item"].startswith("it-")
        case 400 | 422:
            assert events == ["refused"] * max(1, len(told.get("items", [])))
            assert len(told["error"]) > 8
        case _:
            assert events == []
            assert len(told["error"]) > 8


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters()), inner, max_size=4),
    max_leaves=12,
)
TYPES = st.sampled_from(
    [
        "application/json",
        "application/cloudevents+json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=XX",
        "text/plain",
    ]
)
PIECES = st.lists(
    st.sampled_from(
        [
            b"--XX",
            b"--XX--",
            b"\r\n",
            b"\n",
            b'Content-Disposition: form-data; name="message"',
            b'; filename="a"',
            b"Content-Type: text/plain",
            b"message=",
            b"&",
            b"%ff",
            b'{"message": "',
            b'"}',
            b"[",
            b"]",
            b",",
            b"\x00",
            b"\xff",
        ]
    )
    | st.binary(max_size=8),
    max_size=24,
).map(b"".join)
UNHURRIED = settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))


@UNHURRIED
@given(st.binary(max_size=300) | PIECES | JSONS.map(lambda value: json.dumps(value).encode()), TYPES)
async def test_no_bytes_of_any_type_break_it(site, body, content_type):
    answer = await site.post(None, content=body, headers={"content-type": content_type})
    assert answer.status_code in (202, 400, 413, 415, 422), answer.text
    assert answer.json().get("error") or answer.json().get("items")


@UNHURRIED
@given(
    st.dictionaries(
        st.sampled_from(["content-type", "webhook-id", "idempotency-key", "content-encoding", "transfer-encoding"]),
        st.binary(max_size=40),
    )
)
async def test_no_header_breaks_it(site, headers):
    given_headers = [(name.encode(), value) for name, value in headers.items()]
    answer = await site.client.post("/intake/tiny", content=b'{"message": "hello"}', headers=given_headers)
    assert answer.status_code in (202, 400, 413, 415, 422), answer.text
