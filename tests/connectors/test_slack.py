"""The Slack connector: each of the vendor's answers, its sandbox under faults, and the contract."""

import html
import json
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from itertools import count
from typing import Any

import httpx
import pytest
import respx
from fastapi import FastAPI

from connectors.chat.slack import CHANNEL, LONGEST_TEXT, MOST_PAGES, Slack
from connectors.contract import Key, NetworkContract, NetworkSubject, Stored
from connectors.registry import open_destination, system_spec
from connectors.sandbox import slack as sandbox_slack
from connectors.sandbox.faults import FaultPlan
from connectors.sandbox.proxy import Proxy
from domain.delivery import Hindrance, Invalid, Operation, RetryAfter, Unknown, Written
from domain.errors import PolicyInvalid

URL = "https://slack.test/api"
POST = f"{URL}/chat.postMessage"
HISTORY = f"{URL}/conversations.history"
HERE = {"channel": "C0000000001"}
TOKEN = "xoxb-s3cret"
PATIENT_S = 60
DAY_S = 86_400
Json = dict[str, Any]


def operation(number: int = 1, options: dict[str, str] | None = None, **values: str) -> Operation:
    return Operation(
        operation_id=f"op-{number}",
        item_id="item-1",
        policy="support",
        destination="chat",
        system="slack",
        record_key=f"item-{number}",
        values=values or {"text": "A refund waits for you"},
        options=HERE | (options or {}),
    )


def page(*operations: str, cursor: str = "") -> httpx.Response:
    messages = [
        {"ts": f"{number}.0001", "text": "x", "metadata": {"event_type": "e", "event_payload": {"operation_id": name}}}
        for number, name in enumerate(operations)
    ]
    body = {"ok": True, "messages": [{"ts": "99.1", "text": "a person's"}, *messages], "has_more": bool(cursor)}
    return httpx.Response(200, json=body | {"response_metadata": {"next_cursor": cursor}})


@pytest.fixture
async def slack() -> AsyncIterator[Slack]:
    connector = Slack(URL, TOKEN, timeout_s=1)
    yield connector
    await connector.aclose()


async def test_a_message_carries_the_operations_id_unseen(slack: Slack, respx_mock: respx.MockRouter) -> None:
    post = respx_mock.post(POST).respond(200, json={"ok": True, "channel": "C0000000001", "ts": "17.5"})

    outcome = await slack.send(operation())

    request = post.calls.last.request
    assert outcome == Written(kind="created", external_id="C0000000001/17.5")
    assert request.headers["Authorization"] == f"Bearer {TOKEN}"
    assert json.loads(request.content) == {
        "channel": "C0000000001",
        "text": "A refund waits for you",
        "mrkdwn": False,
        "metadata": {"event_type": "interlock_operation", "event_payload": {"operation_id": "op-1"}},
        "unfurl_links": False,
        "unfurl_media": False,
    }


@pytest.mark.parametrize(
    ("markup", "sent"),
    [
        ("plain", "&lt;!channel&gt; Tom &amp; Ann"),
        ("mrkdwn", "<!channel> Tom & Ann"),
    ],
)
async def test_a_customers_words_can_call_nobody_unless_the_policy_vouches_for_them(
    slack: Slack, respx_mock: respx.MockRouter, markup: str, sent: str
) -> None:
    post = respx_mock.post(POST).respond(200, json={"ok": True, "channel": "C0000000001", "ts": "17.5"})

    await slack.send(operation(1, {"markup": markup}, text="<!channel> Tom & Ann"))

    body = json.loads(post.calls.last.request.content)
    assert (body["text"], body["mrkdwn"]) == (sent, markup == "mrkdwn")


@pytest.mark.parametrize(
    ("values", "options", "says"),
    [
        ({"text": "x", "colour": "red"}, {}, "messages have no colour"),
        ({"text": "  "}, {}, "text is empty"),
        ({"text": "x" * (LONGEST_TEXT + 1)}, {}, f"text has {LONGEST_TEXT + 1} characters"),
        ({"text": "x"}, {"channel": "#support"}, "option channel is '#support'; give the id of the channel"),
        ({"text": "x"}, {"markup": "html"}, "use plain or mrkdwn"),
        ({"text": "x"}, {"look_back_hours": "a week"}, "no number of hours"),
    ],
    ids=["unknown value", "nothing to say", "too long", "a channel's name", "unknown markup", "no number"],
)
async def test_what_slack_would_change_or_could_not_find_again_is_not_sent(
    slack: Slack, values: dict[str, str], options: dict[str, str], says: str
) -> None:
    outcome = await slack.send(operation(1, options, **values))

    assert isinstance(outcome, Invalid)
    assert says in outcome.detail


def no(code: str, **headers: str) -> httpx.Response:
    return httpx.Response(200, json={"ok": False, "error": code}, headers=headers)


ERRORS: dict[str, tuple[httpx.Response | Exception, type[object]]] = {
    **{code: (no(code), Invalid) for code in ("channel_not_found", "not_in_channel", "is_archived", "msg_too_long")},
    **{code: (no(code), RetryAfter) for code in ("invalid_auth", "not_authed", "token_revoked", "missing_scope")},
    "a code of tomorrow": (no("no_such_code_yet"), Invalid),
    "ratelimited in a 200": (no("ratelimited", **{"Retry-After": "30"}), RetryAfter),
    "service_unavailable": (no("service_unavailable"), RetryAfter),
    "internal_error": (no("internal_error"), Unknown),
    "fatal_error": (no("fatal_error"), Unknown),
    "no without a reason": (httpx.Response(200, json={"ok": False}), Invalid),
    "throttled": (httpx.Response(429, headers={"Retry-After": "30"}), RetryAfter),
    "down": (httpx.Response(503), Unknown),
    "broken inside": (httpx.Response(500), Unknown),
    "not reached": (httpx.ConnectError("refused"), RetryAfter),
    "no answer in time": (httpx.ReadTimeout("late"), Unknown),
    "cut answer": (httpx.RemoteProtocolError("cut"), Unknown),
    "another's page": (httpx.Response(200, html="<html>"), Unknown),
}


@pytest.mark.parametrize(("effect", "expected"), ERRORS.values(), ids=ERRORS)
async def test_every_failure_has_its_outcome(
    slack: Slack, respx_mock: respx.MockRouter, effect: httpx.Response | Exception, expected: type[object]
) -> None:
    respx_mock.post(POST).mock(side_effect=[effect])
    respx_mock.get(HISTORY).mock(side_effect=[effect])

    outcome, found = await slack.send(operation()), await slack.find(operation())

    assert isinstance(outcome, expected)
    assert isinstance(found, RetryAfter)
    assert TOKEN not in f"{outcome!r} {found!r}"


@pytest.mark.parametrize("refusal", [no("ratelimited", **{"Retry-After": "30"}), ERRORS["throttled"][0]])
async def test_the_wait_that_slack_asks_for_is_kept(
    slack: Slack, respx_mock: respx.MockRouter, refusal: httpx.Response
) -> None:
    respx_mock.post(POST).mock(side_effect=[refusal])

    outcome = await slack.send(operation())

    assert isinstance(outcome, RetryAfter)
    assert outcome.seconds == 30


async def test_a_refused_token_names_its_variable(slack: Slack, respx_mock: respx.MockRouter) -> None:
    respx_mock.post(POST).mock(return_value=no("invalid_auth"))

    outcome = await slack.send(operation())

    says = "Check the key in INTERLOCK_SLACK_TOKEN and what it is allowed to do."
    assert outcome == RetryAfter(hindrance=Hindrance.KEY, detail=f"Slack: invalid_auth (HTTP 200). {says}")


async def test_a_message_is_found_on_a_later_page_of_the_history(slack: Slack, respx_mock: respx.MockRouter) -> None:
    history = respx_mock.get(HISTORY).mock(side_effect=[page("op-9", cursor="next"), page("op-8", "op-1")])

    found = await slack.find(operation())

    first, second = (call.request.url.params for call in history.calls)
    assert found == Written(kind="created", external_id="C0000000001/1.0001", found=True)
    assert (first["channel"], first["include_all_metadata"]) == ("C0000000001", "true")
    assert ("cursor" in first, second["cursor"]) == (False, "next")


async def test_a_message_is_found_however_long_ago_it_was_posted(slack: Slack, respx_mock: respx.MockRouter) -> None:
    """A write that was given up may be put back after weeks; Slack leaves out what is before `oldest`."""
    posted_at = datetime.now(UTC).timestamp() - 60 * DAY_S

    def history(request: httpx.Request) -> httpx.Response:
        shown = posted_at >= float(request.url.params.get("oldest", 0))
        return page("op-1") if shown else page()

    respx_mock.get(HISTORY).mock(side_effect=history)

    found = await slack.find(operation())

    assert isinstance(found, Written)
    assert found.found


async def test_a_history_without_it_says_that_it_is_not_there(slack: Slack, respx_mock: respx.MockRouter) -> None:
    respx_mock.get(HISTORY).mock(side_effect=[page("op-9", cursor="next"), page("op-8")])

    assert await slack.find(operation()) is None


@pytest.mark.parametrize(
    ("hours", "told"), [("25", Unknown), ("23", type(None))], ids=["shorter than asked for", "long enough"]
)
async def test_a_history_too_long_to_read_tells_only_of_the_time_that_was_read(
    slack: Slack, respx_mock: respx.MockRouter, hours: str, told: type[object]
) -> None:
    """What may lie before that is left to a person."""
    a_day_ago = {"ts": f"{datetime.now(UTC).timestamp() - DAY_S:.6f}", "text": "x"}
    body = {"ok": True, "messages": [a_day_ago], "has_more": True, "response_metadata": {"next_cursor": "next"}}
    history = respx_mock.get(HISTORY).respond(200, json=body)

    found = await slack.find(operation(1, {"look_back_hours": hours}))

    assert isinstance(found, told)
    assert history.call_count == MOST_PAGES


async def test_a_history_that_breaks_off_says_nothing_of_the_write(slack: Slack, respx_mock: respx.MockRouter) -> None:
    respx_mock.get(HISTORY).respond(200, json={"ok": True, "messages": [], "has_more": True})

    assert isinstance(await slack.find(operation()), RetryAfter)


async def test_it_opens_from_the_environment_and_asks_for_a_channel() -> None:
    destination = open_destination("slack", {"INTERLOCK_SLACK_TOKEN": TOKEN})
    await destination.aclose()

    assert isinstance(destination, Slack)
    with pytest.raises(PolicyInvalid, match=f"give 'channel', {CHANNEL.meaning}"):
        system_spec("slack").chosen({})


def asgi(app: FastAPI, token: str = TOKEN) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://slack.test/api", headers=headers)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"channel": "C0000000001", "text": ""}, "no_text"),
        ({"channel": "C4242424242", "text": "x"}, "channel_not_found"),
        ({"channel": "C0000000009", "text": "x"}, "is_archived"),
    ],
)
async def test_the_sandbox_says_no_in_a_200(body: Json, error: str) -> None:
    async with asgi(sandbox_slack.create_app(FaultPlan())) as server:
        answer = await server.post("/chat.postMessage", json=body)

    assert (answer.status_code, answer.json()) == (200, {"ok": False, "error": error})


@pytest.mark.parametrize(("token", "error"), [("", "not_authed"), ("abc", "invalid_auth")])
async def test_the_sandbox_knows_its_tokens(token: str, error: str) -> None:
    async with asgi(sandbox_slack.create_app(FaultPlan()), token) as server:
        answer = await server.post("/chat.postMessage", json={"channel": "C0000000001", "text": "x"})

    assert answer.json()["error"] == error


async def test_the_sandbox_cuts_long_texts_in_silence_and_shows_metadata_only_if_asked() -> None:
    body = {"channel": "C0000000001", "text": "x" * 50_000, "metadata": {"event_type": "e"}}
    async with asgi(sandbox_slack.create_app(FaultPlan())) as server:
        posted = await server.post("/chat.postMessage", json=body)
        plain = await server.get("/conversations.history", params=HERE)
        full = await server.get("/conversations.history", params=HERE | {"include_all_metadata": "true"})

    assert posted.json()["ok"] is True
    assert len(plain.json()["messages"][0]["text"]) == LONGEST_TEXT
    assert ["metadata" in answer.json()["messages"][0] for answer in (plain, full)] == [False, True]


async def test_the_sandbox_gives_its_history_in_pages_the_newest_first() -> None:
    async with asgi(sandbox_slack.create_app(FaultPlan())) as server:
        for text in ("first", "second", "third"):
            await server.post("/chat.postMessage", json=HERE | {"text": text})
        one = (await server.get("/conversations.history", params=HERE | {"limit": "2"})).json()
        cursor = one["response_metadata"]["next_cursor"]
        two = (await server.get("/conversations.history", params=HERE | {"limit": "2", "cursor": cursor})).json()

    assert [[message["text"] for message in part["messages"]] for part in (one, two)] == [
        ["third", "second"],
        ["first"],
    ]
    assert (one["has_more"], two["has_more"]) == (True, False)


@pytest.fixture
async def server(sandbox: dict[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    """The sandbox itself, empty and without faults, for switching faults and reading its books."""
    async with httpx.AsyncClient(base_url=sandbox["slack"], timeout=PATIENT_S, trust_env=False) as client:
        (await client.delete("/_records")).raise_for_status()
        yield client
        (await client.post("/_faults", json={"rate": 0, "next": [], "seed": 1})).raise_for_status()


async def test_under_every_fault_a_client_that_looks_before_it_repeats_posts_once(
    sandbox: dict[str, str], server: httpx.AsyncClient
) -> None:
    connector = Slack(f"{sandbox['slack']}/api", TOKEN, PATIENT_S)
    every = ["throttled", "server_error", "lost_answer", "malformed"]
    (await server.post("/_faults", json={"rate": 0.5, "only": every, "seed": 3})).raise_for_status()
    for number in range(1, 9):
        doubtful, outcome = False, None
        while not isinstance(outcome, Written):
            outcome = await (connector.find if doubtful else connector.send)(operation(number))
            doubtful = isinstance(outcome, Unknown) or (doubtful and isinstance(outcome, RetryAfter))
    await connector.aclose()

    stats = (await server.get("/_stats")).json()
    assert (stats["records"], stats["doubled"]) == (8, 0)


class TestSlack(NetworkContract):
    @pytest.fixture
    async def subject(self, sandbox: dict[str, str], server: httpx.AsyncClient) -> AsyncIterator[NetworkSubject]:
        async with Proxy(sandbox["slack"]) as proxy:
            destination = Slack(f"{proxy.url}/api", TOKEN, PATIENT_S)
            yield contract_subject(destination, proxy, server)
            await destination.aclose()


def contract_subject(destination: Slack, proxy: Proxy, server: httpx.AsyncClient) -> NetworkSubject:
    numbers = count(1)

    async def stored(operation: Operation) -> Sequence[Stored]:
        messages: list[Json] = (await server.get("/_records")).json()["records"]
        mine = [one for one in messages if one["metadata"]["event_payload"]["operation_id"] == operation.operation_id]
        return [Stored({"text": html.unescape(message["text"])}) for message in mine]

    async def passes(_: float) -> None:
        """Its history does not lag."""

    return NetworkSubject(
        destination=destination,
        proxy=proxy,
        fresh=lambda: operation(next(numbers)),
        stored=stored,
        text="text",
        refused=("colour", "red"),
        passes=passes,
        key=Key("INTERLOCK_SLACK_TOKEN", TOKEN),
    )
