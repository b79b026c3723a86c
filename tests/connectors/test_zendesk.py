"""The Zendesk connector: each of the vendor's answers, its sandbox under faults, and the contract."""

import base64
import json
from collections.abc import AsyncIterator, Sequence
from itertools import count
from typing import Any

import httpx
import pytest
import respx
from fastapi import FastAPI

from connectors.contract import (
    Key,
    NetworkContract,
    NetworkSubject,
    SearchableContract,
    Stored,
    UpsertContract,
    VersionedContract,
)
from connectors.help_desk.zendesk import Zendesk
from connectors.ports import Candidate
from connectors.registry import open_destination, system_spec
from connectors.sandbox import zendesk as sandbox_zendesk
from connectors.sandbox.faults import FaultPlan
from connectors.sandbox.proxy import Proxy
from domain.delivery import Ambiguous, Conflict, Invalid, Operation, RetryAfter, Unknown, Written

URL = "https://acme.zendesk.test"
TICKETS = f"{URL}/api/v2/tickets.json"
TICKET = f"{URL}/api/v2/tickets/7.json"
FIELDS = f"{URL}/api/v2/ticket_fields.json"
PATIENT_S = 60
VALUES = {"subject": "Refund", "body": "Charged twice", "requester": "ann@example.com", "tags": "vip, refund"}
STORED = {
    "id": 7,
    "external_id": "item-1",
    "subject": "Refund",
    "status": "open",
    "priority": None,
    "tags": ["old"],
    "custom_fields": [{"id": 1001, "value": None}, {"id": 1002, "value": True}],
    "created_at": "2026-01-01T00:00:00Z",
    "updated_at": "2026-01-01T00:00:05Z",
}
Json = dict[str, Any]


def operation(number: int = 1, options: dict[str, str] | None = None, **values: str) -> Operation:
    return Operation(
        operation_id=f"op-{number}",
        item_id="item-1",
        policy="support",
        destination="help_desk",
        system="zendesk",
        record_key="item-1",
        values=values or VALUES,
        options=options or {},
    )


def listed(*tickets: Json) -> httpx.Response:
    return httpx.Response(200, json={"tickets": tickets, "count": len(tickets)})


def fields(mock: respx.MockRouter, *numbers: int) -> respx.Route:
    """The ticket fields that the account has."""
    return mock.get(FIELDS).respond(200, json={"ticket_fields": [{"id": number} for number in numbers]})


def holding(**values: object) -> Json:
    """The ticket with the operation's tag and these custom fields."""
    held = [{"id": int(name.removeprefix("field_")), "value": value} for name, value in values.items()]
    return STORED | {"tags": ["interlock_op-1"], "custom_fields": held}


def sent(route: respx.Route) -> Json:
    ticket: Json = json.loads(route.calls.last.request.content)["ticket"]
    return ticket


@pytest.fixture
async def zendesk() -> AsyncIterator[Zendesk]:
    connector = Zendesk(URL, "agent@example.com", "s3cret", timeout_s=1)
    yield connector
    await connector.aclose()


async def test_a_new_ticket_goes_out_under_the_operations_id_and_the_record_key(
    zendesk: Zendesk, respx_mock: respx.MockRouter
) -> None:
    fields(respx_mock, 1001)
    respx_mock.get(TICKETS, params={"external_id": "item-1"}).mock(return_value=listed())
    create = respx_mock.post(TICKETS).respond(201, json={"ticket": holding(field_1001="A-7")})

    outcome = await zendesk.send(operation(priority="high", group_id="12", field_1001="A-7", **VALUES))

    request = create.calls.last.request
    assert outcome == Written(kind="created", external_id="7")
    assert request.headers["Idempotency-Key"] == "op-1"
    assert (
        base64.b64decode(request.headers["Authorization"].removeprefix("Basic ")) == b"agent@example.com/token:s3cret"
    )
    assert sent(create) == {
        "external_id": "item-1",
        "comment": {"body": "Charged twice"},
        "subject": "Refund",
        "priority": "high",
        "group_id": 12,
        "requester": {"email": "ann@example.com", "name": "ann@example.com"},
        "tags": ["vip", "refund", "interlock_op-1"],
        "custom_fields": [{"id": 1001, "value": "A-7"}],
    }


async def test_an_update_sends_what_differs_over_the_version_that_was_read(
    zendesk: Zendesk, respx_mock: respx.MockRouter
) -> None:
    fields(respx_mock, 1001, 1002)
    respx_mock.get(TICKETS).mock(return_value=listed(STORED))
    update = respx_mock.put(TICKET).respond(200, json={"ticket": STORED})

    outcome = await zendesk.send(
        operation(subject="Refund", priority="high", tags="vip", body="More", field_1002="true")
    )

    assert outcome == Written(kind="updated", external_id="7")
    assert sent(update) == {
        "priority": "high",
        "tags": ["old", "vip", "interlock_op-1"],  # a PUT replaces the tags
        "comment": {"body": "More", "public": False},
        "updated_stamp": "2026-01-01T00:00:05Z",
        "safe_update": True,
    }


async def test_the_body_of_an_update_is_public_only_if_the_policy_says_so(
    zendesk: Zendesk, respx_mock: respx.MockRouter
) -> None:
    respx_mock.get(TICKETS).mock(return_value=listed(STORED))
    update = respx_mock.put(TICKET).respond(200, json={"ticket": STORED})

    await zendesk.send(operation(1, {"update_comment": "public"}, body="More"))

    assert sent(update)["comment"] == {"body": "More", "public": True}


async def test_the_operations_id_can_be_kept_in_a_field(zendesk: Zendesk, respx_mock: respx.MockRouter) -> None:
    marked = STORED | {"custom_fields": [{"id": 1001, "value": "op-1"}]}
    fields(respx_mock, 1001)
    respx_mock.get(TICKETS).mock(side_effect=[listed(), listed(marked)])
    create = respx_mock.post(TICKETS).respond(201, json={"ticket": marked})
    kept = operation(1, {"operation_field": "1001"}, subject="Refund")

    created, found = await zendesk.send(kept), await zendesk.find(kept)

    assert created == Written(kind="created", external_id="7")
    assert (sent(create)["tags"], sent(create)["custom_fields"]) == ([], [{"id": 1001, "value": "op-1"}])
    assert found == Written(kind="updated", external_id="7", found=True)


async def test_a_field_that_the_account_does_not_have_is_named_before_anything_is_written(
    zendesk: Zendesk, respx_mock: respx.MockRouter
) -> None:
    """Zendesk would make the ticket without it."""
    retired = {"id": 4243, "active": False}
    respx_mock.get(FIELDS).respond(200, json={"ticket_fields": [{"id": 1001}, retired]})

    outcome = await zendesk.send(operation(subject="Refund", field_4242="x", field_4243="x", field_1001="x"))

    assert outcome == Invalid(detail="Zendesk: the account has no ticket field field_4242, field_4243")


async def test_the_accounts_fields_are_asked_for_again_only_for_one_that_was_not_among_them(
    zendesk: Zendesk, respx_mock: respx.MockRouter
) -> None:
    asked = fields(respx_mock, 1001)
    respx_mock.get(TICKETS).mock(return_value=listed(holding(field_1001="x", field_1002="x")))
    for _ in range(2):
        await zendesk.send(operation(subject="Refund", field_1001="x"))
    once = asked.call_count
    fields(respx_mock, 1001, 1002)

    outcome = await zendesk.send(operation(subject="Refund", field_1001="x", field_1002="x"))

    assert (once, outcome) == (1, Written(kind="unchanged", external_id="7"))


async def test_a_field_that_cannot_be_asked_for_is_asked_for_later(
    zendesk: Zendesk, respx_mock: respx.MockRouter
) -> None:
    respx_mock.get(FIELDS).respond(503)

    assert isinstance(await zendesk.send(operation(subject="Refund", field_1001="x")), RetryAfter)


NOT_TAKEN: dict[str, Json] = {"no such field": {}, "empty": {"field_1001": None}, "another": {"field_1001": "Silver"}}


@pytest.mark.parametrize("held", NOT_TAKEN.values(), ids=NOT_TAKEN)
async def test_a_field_that_was_not_taken_is_told_by_the_answer_and_by_every_look_up(
    zendesk: Zendesk, respx_mock: respx.MockRouter, held: Json
) -> None:
    """It was there when the fields were read; and a write that was put back is first looked up."""
    fields(respx_mock, 1001)
    respx_mock.get(TICKETS).mock(side_effect=[listed(), listed(holding(**held)), listed(holding(**held))])
    respx_mock.post(TICKETS).respond(201, json={"ticket": holding(**held)})
    wanted = operation(subject="Refund", field_1001="Gold")

    told = [await zendesk.send(wanted), await zendesk.find(wanted), await zendesk.send(wanted)]

    wrong = "ticket 7 was written, but did not take field_1001 'Gold'; set that there, and try again"
    assert told == [Invalid(detail=f"Zendesk: {wrong}")] * 3


TAKEN: dict[str, tuple[object, str]] = {
    "a tag": ("gold", "Gold"),
    "one of several": (["gold", "vip"], "Gold"),
    "a number": (12.5, "12.50"),
}


@pytest.mark.parametrize(("held", "text"), TAKEN.values(), ids=TAKEN)
async def test_a_field_that_zendesk_keeps_in_its_own_way_was_taken(
    zendesk: Zendesk, respx_mock: respx.MockRouter, held: object, text: str
) -> None:
    respx_mock.get(TICKETS).mock(return_value=listed(holding(field_1001=held)))

    found = await zendesk.find(operation(subject="Refund", field_1001=text))

    assert found == Written(kind="updated", external_id="7", found=True)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"values": {"colour": "red"}}, "tickets have no colour"),
        ({"values": {"group_id": "billing"}}, "group_id is 'billing', no id"),
        ({"options": {"operation_field": "Operation"}}, "operation_field is 'Operation', no id"),
        ({"options": {"update_comment": "loud"}}, "use private or public"),
    ],
    ids=["unknown value", "a name for an id", "a name for a field", "unknown option"],
)
async def test_what_zendesk_would_drop_is_not_sent(zendesk: Zendesk, changed: Json, says: str) -> None:
    outcome = await zendesk.send(operation().model_copy(update=changed))

    assert isinstance(outcome, Invalid)
    assert says in outcome.detail


async def test_two_tickets_under_one_key_are_ambiguous(zendesk: Zendesk, respx_mock: respx.MockRouter) -> None:
    respx_mock.get(TICKETS).mock(return_value=listed(STORED, STORED | {"id": 8}))

    outcome = await zendesk.send(operation())

    assert outcome == Ambiguous(detail="Zendesk: tickets 7, 8 all have external id item-1")


ERRORS: dict[str, tuple[httpx.Response | Exception, type[object]]] = {
    "stale stamp": (httpx.Response(409, json={"error": "UpdateConflict"}), Conflict),
    "key used before with other contents": (httpx.Response(400, json={"error": "IdempotentRequestError"}), Conflict),
    "field refused": (httpx.Response(422, json={"error": "RecordInvalid", "description": "no"}), Invalid),
    "too large": (httpx.Response(413), Invalid),
    "wrong token": (httpx.Response(401, json={"error": "Couldn't authenticate you"}), RetryAfter),
    "not allowed": (httpx.Response(403), RetryAfter),
    "throttled": (httpx.Response(429, headers={"Retry-After": "93"}), RetryAfter),
    "in maintenance": (httpx.Response(503, headers={"Retry-After": "93"}), RetryAfter),
    "not reached": (httpx.ConnectError("refused"), RetryAfter),
    "broken inside": (httpx.Response(500), Unknown),
    "no answer in time": (httpx.ReadTimeout("late"), Unknown),
    "cut answer": (httpx.RemoteProtocolError("cut"), Unknown),
    "another's page": (httpx.Response(200, html="<html>"), Unknown),
}


@pytest.mark.parametrize("there", [[], [STORED]], ids=["creating", "updating"])
@pytest.mark.parametrize(("effect", "expected"), ERRORS.values(), ids=ERRORS)
async def test_every_failure_of_a_write_has_its_outcome(
    zendesk: Zendesk,
    respx_mock: respx.MockRouter,
    there: list[Json],
    effect: httpx.Response | Exception,
    expected: type[object],
) -> None:
    respx_mock.get(TICKETS).mock(return_value=listed(*there))
    respx_mock.route(method="PUT" if there else "POST").mock(side_effect=[effect])

    outcome = await zendesk.send(operation())

    assert isinstance(outcome, expected)
    assert "s3cret" not in repr(outcome)
    if isinstance(outcome, RetryAfter) and isinstance(effect, httpx.Response) and "Retry-After" in effect.headers:
        assert outcome.seconds == 93


@pytest.mark.parametrize("effect", [effect for effect, _ in ERRORS.values()], ids=ERRORS)
async def test_a_failure_to_look_says_nothing_of_the_write(
    zendesk: Zendesk, respx_mock: respx.MockRouter, effect: httpx.Response | Exception
) -> None:
    respx_mock.get(TICKETS).mock(side_effect=[effect, effect])

    found, sent_ = await zendesk.find(operation()), await zendesk.send(operation())

    assert isinstance(found, RetryAfter)
    assert isinstance(sent_, RetryAfter | Invalid)


async def test_a_refusal_tells_which_part_of_the_ticket(zendesk: Zendesk, respx_mock: respx.MockRouter) -> None:
    respx_mock.get(TICKETS).mock(return_value=listed())
    details = {"requester": [{"description": "Requester: Email is not properly formatted", "error": "InvalidFormat"}]}
    refusal = {"error": "RecordInvalid", "description": "Record validation errors", "details": details}
    respx_mock.post(TICKETS).respond(422, json=refusal)

    outcome = await zendesk.send(operation())

    said = "Record validation errors; Requester: Email is not properly formatted (HTTP 422)"
    assert outcome == Invalid(detail=f"Zendesk: {said}")


@pytest.mark.parametrize(("left", "limit"), [("0", "requests a minute"), ("300", None)], ids=["account", "one ticket"])
async def test_the_accounts_limit_is_told_from_that_of_one_ticket(
    zendesk: Zendesk, respx_mock: respx.MockRouter, left: str, limit: str | None
) -> None:
    respx_mock.get(TICKETS).respond(429, headers={"Retry-After": "7", "X-Rate-Limit-Remaining": left})

    outcome = await zendesk.send(operation())

    assert isinstance(outcome, RetryAfter)
    assert (outcome.limit, outcome.seconds) == (limit, 7)


@pytest.mark.parametrize(
    ("values", "query"),
    [
        ({"requester": "ann@example.com", "subject": "Refund"}, 'type:ticket requester:"ann@example.com"'),
        ({"subject": 'Refund "now" status:open'}, 'type:ticket subject:"Refund  now  status:open"'),
    ],
    ids=["requester", "subject, with quotes"],
)
async def test_like_tickets_are_those_of_the_requester_else_of_the_subject(
    zendesk: Zendesk, respx_mock: respx.MockRouter, values: dict[str, str], query: str
) -> None:
    respx_mock.get(TICKETS).respond(200, json={"tickets": []})
    search = respx_mock.get(f"{URL}/api/v2/search.json").respond(200, json={"results": [STORED]})

    found = await zendesk.candidates(operation(**values))

    assert isinstance(found, list)
    asked_by = {name: text for name, text in values.items() if name == "requester"}
    assert [(one.external_id, one.values) for one in found] == [
        ("7", {"subject": "Refund", "status": "open"} | asked_by)
    ]
    assert search.calls.last.request.url.params["query"] == query


async def test_with_nothing_to_go_by_there_are_no_like_tickets(zendesk: Zendesk, respx_mock: respx.MockRouter) -> None:
    respx_mock.get(TICKETS).respond(200, json={"tickets": []})

    assert await zendesk.candidates(operation(body="x")) == []


async def test_a_search_that_fails_is_no_empty_one(zendesk: Zendesk, respx_mock: respx.MockRouter) -> None:
    respx_mock.get(TICKETS).respond(200, json={"tickets": []})
    respx_mock.get(f"{URL}/api/v2/search.json").respond(503)

    assert isinstance(await zendesk.candidates(operation()), RetryAfter)


async def test_it_opens_from_the_environment() -> None:
    environ = {"INTERLOCK_ZENDESK_URL": URL, "INTERLOCK_ZENDESK_EMAIL": "a@b.c", "INTERLOCK_ZENDESK_TOKEN": "s3cret"}

    destination = open_destination("zendesk", environ)
    await destination.aclose()

    assert isinstance(destination, Zendesk)
    assert "s3cret" not in repr(vars(destination))
    assert system_spec("zendesk").chosen({}) == {"operation_field": "", "update_comment": "private"}


def asgi(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://zendesk.test", auth=("a", "b"))


@pytest.mark.parametrize("theirs", [None, "of-another"], ids=["none there", "another's"])
async def test_a_write_by_id_leaves_our_key_on_a_ticket_that_has_none(
    zendesk: Zendesk, respx_mock: respx.MockRouter, theirs: str | None
) -> None:
    read = respx_mock.get(f"{URL}/api/v2/tickets/show_many.json").respond(
        200, json={"tickets": [STORED | {"external_id": theirs}]}
    )
    update = respx_mock.put(TICKET).respond(200, json={"ticket": STORED})

    outcome = await zendesk.send(operation(subject="Refund, please").model_copy(update={"external_id": "7"}))

    assert outcome == Written(kind="updated", external_id="7")
    assert read.calls.last.request.url.params["ids"] == "7"
    assert sent(update).get("external_id") == (None if theirs else "item-1")


async def test_a_record_under_our_key_needs_no_search(zendesk: Zendesk, respx_mock: respx.MockRouter) -> None:
    respx_mock.get(TICKETS).mock(return_value=listed(STORED))

    assert await zendesk.candidates(operation()) == [Candidate("7", {"subject": "Refund", "status": "open"}, ours=True)]


async def test_the_sandbox_knows_an_idempotency_key_for_two_hours() -> None:
    now_s = 0.0
    body = {"ticket": {"subject": "Refund", "comment": {"body": "x"}}}
    app = sandbox_zendesk.create_app(FaultPlan(), clock=lambda: now_s)
    async with asgi(app) as desk:

        async def create(at_s: float, body: Json) -> httpx.Response:
            nonlocal now_s
            now_s = at_s
            return await desk.post("/api/v2/tickets.json", json=body, headers={"Idempotency-Key": "op-1"})

        answers = [await create(at_s, body) for at_s in (0.0, 7199.0, 7200.0)]
        other = {"ticket": {"subject": "Else", "comment": {"body": "x"}}}
        differs = await create(7201.0, other)
        books = (await desk.get("/_stats")).json()

    assert [answer.headers["x-idempotency-lookup"] for answer in answers] == ["miss", "hit", "miss"]
    assert len({answer.json()["ticket"]["id"] for answer in answers}) == 2
    assert (differs.status_code, differs.json()["error"]) == (400, "IdempotentRequestError")
    assert books["doubled"] == 1


async def test_the_sandboxs_search_lags_and_its_list_by_external_id_does_not() -> None:
    now_s = 0.0
    body = {"ticket": {"subject": "Refund", "external_id": "a", "comment": {"body": "x"}}}
    async with asgi(sandbox_zendesk.create_app(FaultPlan(), clock=lambda: now_s)) as desk:
        await desk.post("/api/v2/tickets.json", json=body)
        listed_ = await desk.get("/api/v2/tickets.json", params={"external_id": "a"})
        early = await desk.get("/api/v2/search.json", params={"query": 'subject:"refund"'})
        now_s = sandbox_zendesk.SEARCH_LAG_S
        late = await desk.get("/api/v2/search.json", params={"query": 'subject:"refund"'})

    assert [answer.json()["count"] for answer in (listed_, early, late)] == [1, 0, 1]


@pytest.mark.parametrize(
    ("change", "status", "error"),
    [
        ({"status": "asleep"}, 422, "RecordInvalid"),
        ({"safe_update": True, "updated_stamp": "2020-01-01T00:00:00Z"}, 409, "UpdateConflict"),
        ({"tags": ["only"]}, 200, None),
    ],
    ids=["unknown status", "stale stamp", "tags"],
)
async def test_the_sandbox_refuses_as_zendesk_does_and_replaces_tags(
    change: Json, status: int, error: str | None
) -> None:
    body = {"ticket": {"subject": "Refund", "tags": ["a", "b"], "comment": {"body": "x"}}}
    async with asgi(sandbox_zendesk.create_app(FaultPlan())) as desk:
        made = (await desk.post("/api/v2/tickets.json", json=body)).json()["ticket"]
        path = f"/api/v2/tickets/{made['id']}.json"
        answer = await desk.put(path, json={"ticket": change})
        tags = (await desk.get(path)).json()["ticket"]["tags"]

    assert (answer.status_code, answer.json().get("error")) == (status, error)
    assert tags == change.get("tags", ["a", "b"])


async def test_the_sandbox_refuses_strangers_unknown_tickets_and_closed_ones() -> None:
    body = {"ticket": {"status": "closed", "comment": {"body": "x"}}}
    async with asgi(sandbox_zendesk.create_app(FaultPlan())) as desk:
        stranger = await desk.get("/api/v2/tickets.json", params={"external_id": "a"}, auth=lambda request: request)
        unknown = await desk.get("/api/v2/tickets/1.json")
        made = (await desk.post("/api/v2/tickets.json", json=body)).json()["ticket"]
        closed = await desk.put(f"/api/v2/tickets/{made['id']}.json", json={"ticket": {"status": "open"}})

    assert [answer.status_code for answer in (stranger, unknown, closed)] == [401, 404, 422]


@pytest.fixture
async def server(sandbox: dict[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    """The sandbox itself, empty and without faults, for switching faults and reading its books."""
    calm = {"rate": 0, "next": [], "seed": 1}
    client = httpx.AsyncClient(base_url=sandbox["zendesk"], auth=("a", "b"), timeout=PATIENT_S, trust_env=False)
    async with client:
        (await client.delete("/_records")).raise_for_status()
        yield client
        (await client.post("/_faults", json=calm)).raise_for_status()


@pytest.fixture
async def near(server: httpx.AsyncClient) -> AsyncIterator[Zendesk]:
    """The connector on the sandbox."""
    connector = Zendesk(str(server.base_url).rstrip("/"), "a", "b", timeout_s=PATIENT_S)
    yield connector
    await connector.aclose()


async def test_under_every_fault_a_client_that_looks_before_it_repeats_makes_one_ticket(
    near: Zendesk, server: httpx.AsyncClient
) -> None:
    every = ["throttled", "server_error", "lost_answer", "malformed", "stale"]
    (await server.post("/_faults", json={"rate": 0.5, "only": every, "seed": 3})).raise_for_status()
    for number in range(1, 9):
        outcome: object = None
        while not isinstance(outcome, Written):
            looked = await near.find(operation(number)) if isinstance(outcome, Unknown) else None
            outcome = looked or await near.send(operation(number, body=f"message {number}"))

    [ticket] = (await server.get("/_records")).json()["records"]
    assert [comment["body"] for comment in ticket["comments"]] == [f"message {number}" for number in range(1, 9)]
    assert (await server.get("/_stats")).json()["doubled"] == 0


async def test_an_agents_tag_outlives_our_update(near: Zendesk, server: httpx.AsyncClient) -> None:
    await near.send(operation(1, subject="Refund"))
    (await server.post("/_faults", json={"next": ["stale"]})).raise_for_status()

    first = await near.send(operation(2, subject="Refund, please"))
    again = await near.send(operation(2, subject="Refund, please"))

    [ticket] = (await server.get("/_records")).json()["records"]
    assert isinstance(first, Conflict)
    assert isinstance(again, Written)
    assert ticket["tags"] == ["interlock_op-1", "interlock_op-2", "seen_by_agent_1"]


class TestZendesk(NetworkContract, UpsertContract, VersionedContract, SearchableContract):
    @pytest.fixture
    async def subject(self, sandbox: dict[str, str], server: httpx.AsyncClient) -> AsyncIterator[NetworkSubject]:
        async with Proxy(sandbox["zendesk"]) as proxy:
            destination = Zendesk(proxy.url, "agent@example.com", "the token itself", PATIENT_S)
            yield contract_subject(destination, proxy, server)
            await destination.aclose()


def contract_subject(destination: Zendesk, proxy: Proxy, server: httpx.AsyncClient) -> NetworkSubject:
    numbers = count(1)

    def fresh() -> Operation:
        number = next(numbers)
        return operation(number, subject="Refund", priority="high", field_1001="Gold").model_copy(
            update={"record_key": f"record-{number}"}
        )

    async def tickets(operation: Operation) -> list[Json]:
        if known := operation.external_id:
            answer = await server.get("/api/v2/tickets/show_many.json", params={"ids": known})
        else:
            answer = await server.get("/api/v2/tickets.json", params={"external_id": operation.record_key})
        found: list[Json] = answer.json()["tickets"]
        return found

    async def stored(operation: Operation) -> Sequence[Stored]:
        mark = f"interlock_{operation.operation_id}"
        ours = [ticket for ticket in await tickets(operation) if mark in ticket["tags"]]
        return [Stored(ticket | {"field_1001": ticket["custom_fields"][0]["value"]}) for ticket in ours]

    async def edit(operation: Operation, text: str) -> None:
        [ticket] = await tickets(operation)
        body = {"ticket": {"subject": text}}
        (await server.put(f"/api/v2/tickets/{ticket['id']}.json", json=body)).raise_for_status()

    return NetworkSubject(
        destination=destination,
        proxy=proxy,
        fresh=fresh,
        stored=stored,
        text="subject",
        refused=("field_4242", "Gold"),
        edit=edit,
        key=Key("INTERLOCK_ZENDESK_TOKEN", "the token itself"),
    )
