"""APIs that are described instead of programmed: the same as by hand, every answer read, every fault of a file told."""

import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import httpx
import pytest
import respx
from hypothesis import example, given, settings
from hypothesis import strategies as st

from connectors.capabilities import Idempotency, Upsert, Versioning
from connectors.crm.sandbox import SandboxCrm
from connectors.help_desk.sandbox import SandboxHelpDesk
from connectors.ports import Destination
from connectors.registry import SYSTEMS, open_destination
from connectors.web_api.api import Api, open_api
from connectors.web_api.call import at
from connectors.web_api.description import load_description
from connectors.web_api.templates import Kind, render, render_json
from domain.delivery import (
    Ambiguous,
    Conflict,
    DeliveryOutcome,
    Hindrance,
    Invalid,
    Operation,
    RetryAfter,
    Unknown,
    Written,
)
from domain.errors import InputInvalid, PolicyInvalid

APIS = Path(__file__).parent / "apis"
KEY = "s3cret-key"
TICKET = {"queue": "billing", "subject": "Refund", "body": 'Charged "twice"', "tags": "vip, refund"}


def operation(number: int = 1, api: str = "crm", key: str = "ann@example.com", **values: str) -> Operation:
    return Operation(
        operation_id=f"op-{number}",
        item_id="item-1",
        policy="leads",
        destination="crm",
        system="described",
        record_key=key,
        values=values,
        options=SYSTEMS["described"].chosen({"api": api}),
    )


@pytest.fixture
async def described(sandbox: dict[str, str]) -> AsyncIterator[Destination]:
    """Both sandbox systems, by their descriptions."""
    environ = {f"INTERLOCK_API_{name.upper()}_URL": address for name, address in sandbox.items()}
    connector = open_destination("described", {"INTERLOCK_APIS": str(APIS), **environ})
    yield connector
    await connector.aclose()


async def delivered(
    connector: Destination, server: httpx.Client, operations: list[Operation], faults: Mapping[str, object]
) -> tuple[list[tuple[str, str]], object, object]:
    """Every outcome of sending as the outbox does, and what the server holds and counted in the end."""
    struck_before = begin(server, faults)
    outcomes: list[tuple[str, str]] = []
    for wanted in operations:
        looking_up, done = False, False
        while not done:
            outcome = await (connector.find(wanted) if looking_up else connector.send(wanted))
            outcomes.append(told(outcome))
            looking_up = isinstance(outcome, Unknown) or (looking_up and isinstance(outcome, RetryAfter))
            done = isinstance(outcome, Written | Invalid | Ambiguous)
    return outcomes, *end(server, struck_before)


def begin(server: httpx.Client, faults: Mapping[str, object]) -> dict[str, int]:
    """An empty server with faults; gives how often each fault struck so far."""
    server.delete("/_records").raise_for_status()
    switches = {"rate": 0, "seed": 0, "next": [], "slow_s": 0.01, **faults}
    server.post("/_faults", json=switches).raise_for_status()
    struck: dict[str, int] = server.get("/_stats").json()["faults"]
    return struck


def end(server: httpx.Client, struck_before: Mapping[str, int]) -> tuple[object, object]:
    """The server's records, and its books with how often each fault struck since the beginning."""
    books = server.get("/_stats").json()
    faults = {fault: count - struck_before.get(fault, 0) for fault, count in books.pop("faults").items()}
    return server.get("/_records").json(), books | {fault: count for fault, count in faults.items() if count}


def told(outcome: DeliveryOutcome | None) -> tuple[str, str]:
    return ("nothing", "") if outcome is None else (outcome.kind, getattr(outcome, "external_id", ""))


SOON = ["throttled", "server_error", "lost_answer", "slow", "malformed", "stale"]
"""Faults after which the server is at rest: here nobody waits before a write is sent again."""
FAULTS = [
    pytest.param({}, id="without faults"),
    *[pytest.param({"next": [fault]}, id=fault) for fault in SOON],
    *[pytest.param({"rate": 0.6, "seed": seed, "only": SOON}, id=f"six in ten fail, {seed}") for seed in range(4)],
]
LEADS = [
    operation(1, company="Acme", email="ann@example.com"),
    operation(2, company="Acme Ltd", email="ann@example.com"),
    operation(3, company="Acme Ltd", email="ann@example.com"),
    operation(4, key="bob@example.com", company='Bob & "Sons"'),
    operation(5, key="odd", email="no address"),
    operation(6, key="ann@example.com", phone="1"),
]


@pytest.mark.parametrize("faults", FAULTS)
async def test_a_described_crm_does_the_same_as_the_one_in_code(
    crm: SandboxCrm, described: Destination, crm_server: httpx.Client, faults: dict[str, object]
) -> None:
    by_hand = await delivered(crm, crm_server, LEADS, faults)
    by_description = await delivered(described, crm_server, LEADS, faults)

    assert by_description == by_hand


@pytest.mark.parametrize("faults", FAULTS)
async def test_a_described_help_desk_does_the_same_as_the_one_in_code(
    help_desk: SandboxHelpDesk, described: Destination, help_desk_server: httpx.Client, faults: dict[str, object]
) -> None:
    tickets = [
        operation(1, "help_desk", **TICKET),
        operation(2, "help_desk", **TICKET),
        operation(3, "help_desk", subject=""),
        operation(4, "help_desk", **TICKET, colour="red"),
    ]
    by_hand = await delivered(help_desk, help_desk_server, tickets, faults)
    by_description = await delivered(described, help_desk_server, tickets, faults)

    assert by_description == by_hand


PLAIN = """\
description: Orders of a small shop
base_url: https://shop.test/api
auth: {variable: INTERLOCK_API_SHOP_KEY, header: X-Key, value: "Key {{ key }}"}
headers: {X-Client: interlock}
idempotency_header: Idempotency-Key
create:
  method: PUT
  path: /orders/{{ record_key }}
  body: |
    {"customer": {{ values.customer }}, "tags": {{ (values.tags or "").split(",") }}}
  answers:
    - {status: 201, means: created}
    - {status: 200, means: updated}
    - {status: 304, means: unchanged}
    - {status: 300, means: ambiguous}
find:
  path: /orders/{{ record_key }}
  id: /data/id
retry_after: {field: /wait_ms, milliseconds: true}
message: /problem/text
answers:
  - {status: 403, field: /problem/code, equals: QUOTA, means: retry_after}
  - {field: /errors, means: invalid}
  - {status: 422, field: /problem/code, equals: STALE, means: conflict}
  - {status: 418, means: unknown}
"""
ORDER = {"customer": "Ann", "tags": "a,b"}


def write(folder: Path, text: str, name: str = "shop") -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Api]:
    api = open_api(write(tmp_path, PLAIN), {"INTERLOCK_API_SHOP_KEY": KEY})
    yield api
    await api.aclose()


async def test_a_request_is_made_as_described(shop: Api, respx_mock: respx.MockRouter) -> None:
    route = respx_mock.put("https://shop.test/api/orders/a%2Fb%3F").respond(201, json={})

    outcome = await shop.send(operation(key="a/b?", **ORDER))

    request = route.calls.last.request
    assert outcome == Written(kind="created", external_id="a/b?")
    assert json.loads(request.content) == {"customer": "Ann", "tags": ["a", "b"]}
    sent = {name: request.headers[name] for name in ("X-Key", "X-Client", "Idempotency-Key", "Content-Type")}
    assert sent == {
        "X-Key": f"Key {KEY}",
        "X-Client": "interlock",
        "Idempotency-Key": "op-1",
        "Content-Type": "application/json",
    }


ANSWERS = [
    pytest.param(httpx.Response(200, json={}), Written(kind="updated", external_id="7"), id="a status for updated"),
    pytest.param(httpx.Response(304), Written(kind="unchanged", external_id="7"), id="a status for unchanged"),
    pytest.param(httpx.Response(204), Written(kind="created", external_id="7"), id="no content"),
    pytest.param(httpx.Response(300, json=[]), Ambiguous(detail="shop: [] (HTTP 300)"), id="several matches"),
    pytest.param(httpx.Response(200, json={"errors": [{"message": "no stock"}], "problem": {"text": "no stock"}}),
                 Invalid(detail="shop: no stock (HTTP 200)"), id="an error inside a success"),
    pytest.param(httpx.Response(422, json={"problem": {"code": "STALE", "text": "changed meanwhile"}}),
                 Conflict(detail="shop: changed meanwhile (HTTP 422)"), id="a code that says conflict"),
    pytest.param(httpx.Response(422, json={"message": "no such thing"}),
                 Invalid(detail="shop: no such thing (HTTP 422)"), id="the same status without the code"),
    pytest.param(httpx.Response(409, json={"message": "exists"}), Conflict(detail="shop: exists (HTTP 409)"),
                 id="a conflict by status"),
    pytest.param(httpx.Response(403, json={"problem": {"code": "QUOTA", "text": "enough"}, "wait_ms": 1500}),
                 RetryAfter(seconds=1.5, detail="shop: enough (HTTP 403)"), id="a limit by its code"),
    pytest.param(httpx.Response(429, json={"wait_ms": "250"}),
                 RetryAfter(seconds=0.25, detail="shop: Too Many Requests (HTTP 429)"), id="a limit by its status"),
    pytest.param(httpx.Response(503, headers={"Retry-After": "7"}, json={"wait_ms": "soon"}),
                 RetryAfter(seconds=7, detail="shop: Service Unavailable (HTTP 503)"), id="no usable wait there"),
    pytest.param(httpx.Response(418), Unknown(detail="shop: {} (HTTP 418)"), id="a status that says unknown"),
    pytest.param(httpx.Response(500), Unknown(detail="shop: Internal Server Error (HTTP 500)"), id="a broken server"),
    pytest.param(httpx.Response(202, text="<html>"), Unknown(detail="shop: HTTP 202, but its body is no JSON"),
                 id="a success that is no JSON"),
    pytest.param(httpx.Response(401, json={"message": f"bad key {KEY}"}),
                 RetryAfter(hindrance=Hindrance.KEY,
                            detail="shop: bad key *** (HTTP 401). Check the key in INTERLOCK_API_SHOP_KEY and what "
                                   "it is allowed to do."), id="a key that is refused is not repeated"),
    pytest.param(httpx.Response(418, json={"problem": {"text": f"bad key {KEY}"}}),
                 Unknown(detail="shop: bad key *** (HTTP 418)"), id="nor in the API's own words"),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "expected"), ANSWERS)
async def test_an_answer_means_what_the_description_says(
    shop: Api, respx_mock: respx.MockRouter, answer: httpx.Response, expected: DeliveryOutcome
) -> None:
    respx_mock.put("https://shop.test/api/orders/7").mock(return_value=answer)

    assert await shop.send(operation(key="7", **ORDER)) == expected


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (httpx.ConnectError("refused"), RetryAfter),
        (httpx.ConnectTimeout("slow"), RetryAfter),
        (httpx.ReadTimeout("slow"), Unknown),
        (httpx.RemoteProtocolError("cut"), Unknown),
    ],
)
async def test_a_lost_answer_is_unknown_only_if_something_was_sent(
    shop: Api, respx_mock: respx.MockRouter, fault: Exception, expected: type[object]
) -> None:
    respx_mock.put("https://shop.test/api/orders/7").mock(side_effect=fault)

    assert isinstance(await shop.send(operation(key="7", **ORDER)), expected)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (httpx.Response(200, json={"data": {"id": 12}}), Written(kind="created", external_id="12", found=True)),
        (httpx.Response(404), None),
        (httpx.Response(403), "retry_after"),
        (httpx.Response(500), "retry_after"),
        (httpx.Response(409), "retry_after"),
        (httpx.Response(200, json={"data": {}}), "retry_after"),
        (httpx.Response(200, text="<html>"), "retry_after"),
    ],
)
async def test_a_look_up_finds_the_record_or_says_nothing_of_the_write(
    shop: Api, respx_mock: respx.MockRouter, answer: httpx.Response, expected: DeliveryOutcome | str | None
) -> None:
    respx_mock.get("https://shop.test/api/orders/7").mock(return_value=answer)

    found = await shop.find(operation(key="7", **ORDER))

    assert (found.kind if isinstance(expected, str) and found else found) == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"id": 12, "is": {"customer": "Ann", "tags": "a,b"}}, Written(kind="created", external_id="12", found=True)),
        (
            {"id": 12, "is": {"customer": "Ann", "tags": None}},
            Invalid(detail="shop: record 12 was written, but did not take tags 'a,b'; set that there, and try again"),
        ),
        ({"id": 12}, RetryAfter(detail="shop: its answer to 'find' has no fields at /data/is")),
    ],
    ids=["all there", "one left out", "fields not told"],
)
async def test_a_look_up_that_is_told_where_the_fields_are_compares_them(
    tmp_path: Path, respx_mock: respx.MockRouter, data: dict[str, object], expected: DeliveryOutcome
) -> None:
    """The answer that could have told of a value that was left out was lost."""
    compared = PLAIN.replace("  id: /data/id\n", "  id: /data/id\n  fields: /data/is\n")
    api = open_api(write(tmp_path, compared), {"INTERLOCK_API_SHOP_KEY": KEY})
    respx_mock.get("https://shop.test/api/orders/7").respond(200, json={"data": data})

    assert await api.find(operation(key="7", **ORDER)) == expected
    await api.aclose()


@pytest.mark.parametrize("key", ["..", ".", ""])
async def test_a_key_that_would_lead_elsewhere_is_refused(shop: Api, key: str) -> None:
    outcome = await shop.send(operation(key=key, **ORDER))

    assert isinstance(outcome, Invalid)
    assert "cannot be a part of a path" in outcome.detail


async def test_a_value_that_no_template_passes_on_is_refused(shop: Api) -> None:
    outcome = await shop.send(operation(key="7", **ORDER, colour="red"))

    assert outcome == Invalid(detail="shop: its description passes no colour on; it passes on customer, tags")


SEARCHED = """\
description: Contacts with a search of their own
base_url: https://crm.test
search: {path: "/contacts", params: {q: "{{ record_key }}"}, records: /hits, id: /id, fields: /now}
update:
  method: PATCH
  path: /contacts/{{ id }}
  headers: {X-Note: "{{ values.note or '' }}"}
  body: '{{ changed }}'
create: {path: /contacts, body: '{{ values }}', id: /id}
after_unknown: send_again
"""


@pytest.fixture
async def contacts(tmp_path: Path) -> AsyncIterator[Api]:
    api = open_api(write(tmp_path, SEARCHED, "contacts"), {})
    yield api
    await api.aclose()


async def test_a_record_that_is_found_is_updated_by_what_differs(contacts: Api, respx_mock: respx.MockRouter) -> None:
    now = {"name": "Ann", "seats": 3, "vip": True, "tags": ["a"]}
    respx_mock.get("https://crm.test/contacts", params={"q": "k"}).respond(json={"hits": [{"id": 5, "now": now}]})
    patch = respx_mock.patch("https://crm.test/contacts/5").respond(json={})

    changed = await contacts.send(operation(key="k", name="Ann", seats="3", vip="true", tags="b"))
    same = await contacts.send(operation(key="k", name="Ann", seats="3", vip="True"))

    assert (changed, same) == (
        Written(kind="updated", external_id="5"),
        Written(kind="unchanged", external_id="5"),
    )
    assert [json.loads(call.request.content) for call in patch.calls] == [{"tags": "b"}]


@pytest.mark.parametrize(
    ("hits", "expected"),
    [
        ({"hits": [{"id": 1}, {"id": 2}]}, Ambiguous(detail="contacts: records 1, 2 all have the key k")),
        (
            {"hits": [{"name": "x"}]},
            RetryAfter(detail="contacts: its answer to 'search' has a record without an id at /id"),
        ),
        ({"results": []}, RetryAfter(detail="contacts: its answer to 'search' has no list at /hits")),
    ],
)
async def test_a_search_without_one_clear_answer_writes_nothing(
    contacts: Api, respx_mock: respx.MockRouter, hits: object, expected: DeliveryOutcome
) -> None:
    respx_mock.get("https://crm.test/contacts").respond(json=hits)

    assert await contacts.send(operation(key="k", name="Ann")) == expected


async def test_a_record_that_somebody_creates_meanwhile_is_updated(contacts: Api, respx_mock: respx.MockRouter) -> None:
    none, one = httpx.Response(200, json={"hits": []}), httpx.Response(200, json={"hits": [{"id": 5}]})
    respx_mock.get("https://crm.test/contacts").mock(side_effect=[none, one])
    respx_mock.post("https://crm.test/contacts").respond(409)
    respx_mock.patch("https://crm.test/contacts/5").respond(json={})

    assert await contacts.send(operation(key="k", name="Ann")) == Written(kind="updated", external_id="5")


async def test_a_created_record_must_tell_its_id(contacts: Api, respx_mock: respx.MockRouter) -> None:
    respx_mock.get("https://crm.test/contacts").respond(json={"hits": []})
    respx_mock.post("https://crm.test/contacts").respond(201, json={"identifier": 5})

    outcome = await contacts.send(operation(key="k", name="Ann"))

    assert outcome == Unknown(detail="contacts: HTTP 201, but there is no id at /id")


async def test_a_value_that_no_header_can_carry_is_refused(contacts: Api, respx_mock: respx.MockRouter) -> None:
    respx_mock.get("https://crm.test/contacts").respond(json={"hits": [{"id": 5}]})
    respx_mock.patch("https://crm.test/contacts/5").mock(side_effect=httpx.LocalProtocolError("Illegal header value"))

    for note in ("Grüße", "two\r\nlines"):
        assert isinstance(await contacts.send(operation(key="k", note=note)), Invalid)


async def test_what_follows_a_lost_answer_without_a_look_up_is_as_described(contacts: Api, tmp_path: Path) -> None:
    for_people = open_api(write(tmp_path, SEARCHED.replace("send_again", "person")), {})
    by_key = open_api(write(tmp_path, f"idempotency_header: Idempotency-Key\n{SEARCHED}"), {})

    assert await contacts.find(operation()) is None
    assert isinstance(await for_people.find(operation()), Unknown)
    assert [api.capabilities.idempotency for api in (contacts, by_key, for_people)] == [
        Idempotency.CONTENT,
        Idempotency.KEY,
        Idempotency.NONE,
    ]
    await for_people.aclose()
    await by_key.aclose()


async def test_all_apis_together_promise_no_more_than_the_least(tmp_path: Path) -> None:
    write(tmp_path, PLAIN + "search_lag_s: 30\nrate_per_s: 5\n")
    write(tmp_path, SEARCHED + "rate_per_s: 2\n", "contacts")
    connector = open_destination("described", {"INTERLOCK_APIS": str(tmp_path), "INTERLOCK_API_SHOP_KEY": KEY})
    can, each = connector.capabilities, connector.places
    await connector.aclose()

    assert (can.upsert, can.versioning, can.search_lag_s) == (Upsert.NONE, Versioning.NONE, 30)
    assert {name: (one.upsert, one.rate_per_s) for name, one in each.items()} == {
        "shop": (Upsert.NONE, 5),
        "contacts": (Upsert.SEARCH, 2),
    }


async def test_an_api_that_is_not_there_or_not_set_up_waits_for_whoever_mends_it(tmp_path: Path) -> None:
    write(tmp_path, PLAIN)
    write(tmp_path, SEARCHED, "contacts")
    connector = open_destination("described", {"INTERLOCK_APIS": str(tmp_path)})

    unset, missing = await connector.send(operation(api="shop")), await connector.find(operation(api="crn"))
    await connector.aclose()

    said = f"{tmp_path / 'shop.yaml'}: set INTERLOCK_API_SHOP_KEY to the key of this API"
    assert unset == RetryAfter(hindrance=Hindrance.SETUP, detail=said)
    assert missing == RetryAfter(
        hindrance=Hindrance.SETUP, detail="INTERLOCK_APIS has no file crn.yaml; described are: contacts"
    )


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PolicyInvalid, match="INTERLOCK_APIS is"):
        open_destination("described", {"INTERLOCK_APIS": str(tmp_path / "nowhere")})


def test_a_key_that_no_header_can_carry_is_not_shown(tmp_path: Path) -> None:
    with pytest.raises(PolicyInvalid, match="INTERLOCK_API_SHOP_KEY") as caught:
        open_api(write(tmp_path, PLAIN), {"INTERLOCK_API_SHOP_KEY": f"{KEY}\n"})

    assert KEY not in str(caught.value)


BROKEN = [
    pytest.param("create:\n", "creates:\n", "creates",
                 "creates: Extra inputs are not permitted. Did you mean 'create'?"),
    pytest.param("  method: PUT", "  methods: PUT", "methods",
                 "create.methods: Extra inputs are not permitted. Did you mean 'method'?"),
    pytest.param("  method: PUT", "  method: PUSH", "PUSH",
                 "create.method: Input should be 'GET', 'POST', 'PUT', 'PATCH' or 'DELETE'."),
    pytest.param("  path: /orders/{{ record_key }}\n  body", "  body", "create:",
                 "create.path: Field required. Add it."),
    pytest.param("https://shop.test/api", "shop.test", "base_url",
                 "base_url: no address; write https://host/path."),
    pytest.param("base_url: https://shop.test/api\n", "", "description:",
                 "base_url: give either 'base_url' or 'base_url_variable'."),
    pytest.param("INTERLOCK_API_SHOP_KEY", "HOME", "auth:",
                 "auth.variable: String should match pattern '^INTERLOCK_API_[A-Z0-9_]+$'."),
    pytest.param("Key {{ key }}", "Key {{ token }}", "auth:",
                 "auth.value: no 'token' here; known are key."),
    pytest.param("{{ values.customer }}", "{{ customer }}", "body:",
                 "create.body: no 'customer' here; known are item_id, operation_id, record_key, values."),
    pytest.param("{{ values.customer }}", '"{{ values.customer }}"', "body:",
                 "create.body: Expecting ',' delimiter: line 1 column 16 (char 15); write JSON with {{ … }} for "
                 "whole values, without quotes around them; a value can be missing: write (values.name or '')."),
    pytest.param('(values.tags or "").split', "values.tags.split", "body:",
                 "create.body: 'dict object' has no attribute 'tags'; write JSON with {{ … }} for whole values, "
                 "without quotes around them; a value can be missing: write (values.name or '')."),
    pytest.param("{{ values.customer }}", "{{ values.customer }", "body:",
                 "create.body: not a Jinja2 template: unexpected '}'; mend the braces or the tag."),
    pytest.param("  id: /data/id", "  id: data.id", "  id:",
                 "find.id: String should match pattern '^(/([^~/]|~[01])*)*$'."),
    pytest.param("{status: 418, means: unknown}", "{status: 418, means: created}", "418",
                 "answers.3.means: an answer here cannot mean 'created'; use one of: conflict, invalid, "
                 "retry_after, unknown."),
    pytest.param("{status: 418, means: unknown}", "{means: unknown}", "means: unknown",
                 "answers.3: say which answers: give 'status' or 'field'."),
    pytest.param("{status: 304, means: unchanged}", "{status: 304, means: not_there}", "304",
                 "create.answers.2.means: an answer here cannot mean 'not_there'; use one of: created, updated, "
                 "unchanged, conflict, ambiguous, invalid, retry_after, unknown."),
    pytest.param("retry_after: {field: /wait_ms,", "retry_after: {", "retry_after: {",
                 "retry_after: give either 'header' or 'field'."),
    pytest.param("message: /problem/text", "timeout_s: 60", "timeout_s",
                 "timeout_s: Input should be less than or equal to 14."),
    pytest.param("find:\n  path: /orders/{{ record_key }}\n  id: /data/id\n", "", "description:",
                 "after_unknown: a lost answer must be followed by something: add 'find', or say 'after_unknown: "
                 "send_again' where the API recognises a repeated write, else 'after_unknown: person'."),
    pytest.param("message: /problem/text", "after_unknown: person", "after_unknown",
                 "after_unknown: 'find' is described, so that 'after_unknown: person' is not needed; remove it."),
    pytest.param("message: /problem/text", "search: {path: /x, id: /id}", "search:",
                 "search: 'search' and 'update' go together; add the other or remove this one."),
    pytest.param("headers: {X-Client: interlock}", "description: again", "description: again",
                 "description: written twice. Remove one."),
]  # fmt: skip


@pytest.mark.parametrize(("good", "bad", "on_the_line", "message"), BROKEN)
def test_a_broken_description_says_where_and_how_to_mend_it(
    tmp_path: Path, good: str, bad: str, on_the_line: str, message: str
) -> None:
    assert PLAIN.count(good) == 1
    broken = PLAIN.replace(good, bad)
    line = max(number for number, text in enumerate(broken.split("\n"), start=1) if on_the_line in text)
    path = write(tmp_path, broken)

    with pytest.raises(PolicyInvalid) as caught:
        load_description(path)

    assert f"{path}:{line}: {message}" in str(caught.value).split("\n")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"- a list", ":1: not a mapping. Begin with 'description: <what it is>'."),
        (b"a: [1", ":1: not YAML: "),
        (b"a: \x00", ": not YAML: "),
        (b"\xff\xfe\xff", ": not UTF-8. Save the file as UTF-8."),
    ],
)
def test_a_file_that_cannot_be_read_says_why(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "shop.yaml"
    path.write_bytes(content)

    with pytest.raises(PolicyInvalid) as caught:
        load_description(path)

    assert str(caught.value).startswith(f"{path}{message}")


@settings(max_examples=30)
@given(value=st.text())
@example(value='"}, {"\\')
@example(value="{{ values.a }}")
def test_no_value_breaks_out_of_a_body(value: str) -> None:
    body = '{"one": {{ values.a }}, "all": {{ values }}, "list": [{{ values.a ~ "!" }}, {{ values.b }}]}'

    filled = render_json(body, {"values": {"a": value}})

    assert filled == {"one": value, "all": {"a": value}, "list": [f"{value}!", None]}
    assert render_json("{{ values.a | tojson }}", {"values": {"a": value}}) == value


@given(value=st.text(st.characters(exclude_categories=["Cs"])))
def test_no_value_breaks_out_of_a_path(value: str) -> None:
    try:
        path = render(Kind.PATH, "/orders/{{ value }}/lines", {"value": value})
    except InputInvalid:
        assert value in {"", ".", ".."}
    else:
        assert httpx.URL(f"https://shop.test{path}").path == f"/orders/{value}/lines"
        assert path.count("/") == 3


def test_a_header_can_be_made_of_user_and_password() -> None:
    assert render(Kind.TEXT, "Basic {{ key | base64 }}", {"key": "user:pass"}) == "Basic dXNlcjpwYXNz"


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("", {"a/b": [1, {"~": 2}]}),
        ("/a~1b/0", 1),
        ("/a~1b/1/~0", 2),
        ("/a~1b/2", None),
        ("/a~1b/x", None),
        ("/c", None),
    ],
)
def test_a_json_pointer_is_read_as_its_standard_says(pointer: str, value: object) -> None:
    assert at({"a/b": [1, {"~": 2}]}, pointer) == value
