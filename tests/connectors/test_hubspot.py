"""The HubSpot connector: each kind of failure by itself, and against the stateful sandbox with its traps."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest
import respx

from connectors.crm.hubspot import SPEC, HubSpot
from connectors.crm.hubspot_api import limit_of, seconds_to_midnight, vendor
from connectors.http_outcomes import HttpApi, Meaning, Refusal
from connectors.ports import BatchDestination, Candidate, Searchable
from connectors.sandbox.faults import FaultPlan
from connectors.sandbox.hubspot import create_app
from connectors.sandbox.service import TokenBucket
from domain.delivery import Ambiguous, Conflict, DeliveryOutcome, Invalid, Operation, RetryAfter, Unknown, Written
from domain.errors import PolicyInvalid

JSON = dict[str, object]
TOKEN = "pat-eu1-not-a-real-key"
URL = "http://hubspot.test"
CONTACTS = f"{URL}/crm/objects/2026-09/contacts"
ANN = {"email": "ann@example.com", "company": "Acme"}
UTC_ZONE = ZoneInfo("UTC")
NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def operation(number: int = 1, key: str = "ann", options: dict[str, str] | None = None, **values: str) -> Operation:
    return Operation(
        operation_id=f"op-{number}",
        item_id="item-1",
        policy="leads",
        destination="crm",
        system="hubspot",
        record_key=key,
        values=values or ANN,
        options=options or {},
    )


def known(here: Operation, record: str) -> Operation:
    return here.model_copy(update={"external_id": record})


def not_there() -> httpx.Response:
    return httpx.Response(207, json={"results": [], "errors": [{"category": "OBJECT_NOT_FOUND"}]})


def connector(transport: httpx.AsyncBaseTransport | None = None) -> HubSpot:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    client = httpx.AsyncClient(base_url=URL, headers=headers, timeout=10, transport=transport)
    return HubSpot(HttpApi(vendor(UTC_ZONE), client, TOKEN))


@pytest.fixture
async def hubspot() -> AsyncIterator[HubSpot]:
    """With nothing behind it but respx."""
    hubspot = connector()
    yield hubspot
    await hubspot.aclose()


def stored(number: str = "7", **more: object) -> JSON:
    return {"id": number, "properties": {"interlock_id": "ann"}, "new": True, **more}


def one(key: str, **properties: str) -> JSON:
    """A record of a batch, without a trace id."""
    return {"id": key, "idProperty": "interlock_id", "properties": properties}


# what comes back, what a single write becomes, what its message says
ANSWERS: dict[str, tuple[httpx.Response | Exception, type[DeliveryOutcome], str]] = {
    "created": (httpx.Response(200, json={"results": [stored()]}), Written, "created"),
    "updated": (httpx.Response(200, json={"results": [stored(new=False)]}), Written, "updated"),
    "known by its trace": (
        httpx.Response(200, json={"results": [{"id": "7", "properties": {}, "objectWriteTraceId": "op-1"}]}),
        Written,
        "7",
    ),
    "error within a 207": (
        httpx.Response(
            207,
            json={
                "results": [],
                "numErrors": 1,
                "errors": [
                    {
                        "category": "VALIDATION_ERROR",
                        "message": "email is invalid",
                        "context": {"objectWriteTraceId": ["op-1"]},
                    }
                ],
            },
        ),
        Invalid,
        "email is invalid",
    ),
    "error within a 200": (
        httpx.Response(200, json={"results": [], "numErrors": 1, "errors": [{"message": "no", "category": "X"}]}),
        Invalid,
        "no (X)",
    ),
    "error without a category": (httpx.Response(200, json={"results": [], "errors": [{}]}), Unknown, "refused"),
    "broken within a 207": (
        httpx.Response(207, json={"results": [], "errors": [{"category": "INTERNAL_ERROR", "message": "oh"}]}),
        Unknown,
        "oh",
    ),
    "limited within a 207": (
        httpx.Response(207, json={"results": [], "errors": [{"category": "RATE_LIMITS", "message": "slow"}]}),
        RetryAfter,
        "slow",
    ),
    "conflict within a 207": (
        httpx.Response(
            207, json={"results": [], "errors": [{"category": "CONFLICT", "message": "Contact exists. Existing ID: 9"}]}
        ),
        Ambiguous,
        "set its interlock_id to 'ann'",
    ),
    "neither result nor error": (httpx.Response(200, json={"results": []}), Unknown, "does not say"),
    "somebody else's result": (
        httpx.Response(200, json={"results": [{"id": "8", "properties": {"interlock_id": "bob"}}]}),
        Unknown,
        "does not say",
    ),
    "no results at all": (httpx.Response(200, json={"status": "PENDING"}), Unknown, "results"),
    "no JSON": (httpx.Response(200, text="<html>"), Unknown, "cannot be read"),
    "an address that is taken": (
        httpx.Response(409, json={"message": "Contact already exists. Existing ID: 12345", "category": "CONFLICT"}),
        Ambiguous,
        "12345",
    ),
    "a conflict without an id": (
        httpx.Response(409, json={"message": "try again", "category": "CONFLICT"}),
        Conflict,
        "",
    ),
    "bad value": (httpx.Response(400, json={"message": "bad", "category": "VALIDATION_ERROR"}), Invalid, "bad"),
    "too many identities": (httpx.Response(414, text="more than 250 identities"), Invalid, "250"),
    "unauthorised": (httpx.Response(401, json={"message": "expired"}), RetryAfter, "INTERLOCK_HUBSPOT_TOKEN"),
    "missing scopes": (httpx.Response(403, json={"category": "MISSING_SCOPES"}), RetryAfter, "INTERLOCK_HUBSPOT_TOKEN"),
    "no such object": (httpx.Response(404, json={"message": "no such type"}), Invalid, "no such type"),
    "locked": (httpx.Response(423, json={"message": "locked"}), RetryAfter, "locked"),
    "account is moving": (httpx.Response(477, headers={"Retry-After": "60"}), RetryAfter, "477"),
    "throttled": (httpx.Response(429, json={"policyName": "TEN_SECONDLY_ROLLING"}), RetryAfter, "429"),
    "broken": (httpx.Response(500), Unknown, "500"),
    "down": (httpx.Response(503), Unknown, "503"),
    "not reached": (httpx.ConnectError("refused"), RetryAfter, "nothing was sent"),
    "no answer": (httpx.ReadTimeout("late"), Unknown, "no whole answer"),
}


@pytest.mark.parametrize(("effect", "expected", "says"), ANSWERS.values(), ids=ANSWERS)
async def test_every_answer_has_its_outcome(
    hubspot: HubSpot,
    respx_mock: respx.MockRouter,
    effect: httpx.Response | Exception,
    expected: type[DeliveryOutcome],
    says: str,
) -> None:
    respx_mock.post(f"{CONTACTS}/batch/upsert").mock(side_effect=[effect])

    outcome = await hubspot.send(operation())

    assert isinstance(outcome, expected)
    assert says in str(outcome)


async def test_a_write_is_an_upsert_by_our_key_that_carries_the_operations_id(
    hubspot: HubSpot, respx_mock: respx.MockRouter
) -> None:
    upsert = respx_mock.post(f"{CONTACTS}/batch/upsert").respond(200, json={"results": [stored()]})

    await hubspot.send(operation())

    assert json.loads(upsert.calls.last.request.content) == {
        "inputs": [
            {
                "id": "ann",
                "idProperty": "interlock_id",
                "properties": ANN | {"interlock_operation": "op-1"},
                "objectWriteTraceId": "op-1",
            }
        ]
    }
    assert upsert.calls.last.request.headers["Authorization"] == f"Bearer {TOKEN}"


async def test_the_options_name_the_object_and_its_properties(hubspot: HubSpot, respx_mock: respx.MockRouter) -> None:
    upsert = respx_mock.post(f"{URL}/crm/objects/2026-09/p_sites/batch/upsert").respond(200, json={"results": []})
    options = {"object": "p_sites", "key": "our_key", "operation_property": "our_operation"}

    await hubspot.send(operation(options=options, name="Depot"))

    [sent] = json.loads(upsert.calls.last.request.content)["inputs"]
    assert (sent["idProperty"], sent["properties"]) == ("our_key", {"name": "Depot", "our_operation": "op-1"})


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (operation(options={"objekt": "deals"}), "no 'objekt'"),
        (operation(interlock_id="bob"), "leave interlock_id out"),
        (operation(interlock_operation="mine"), "leave interlock_operation out"),
    ],
    ids=["unknown option", "its own key", "its own operation"],
)
async def test_an_operation_that_cannot_be_meant_is_not_sent(hubspot: HubSpot, wrong: Operation, says: str) -> None:
    outcome = await hubspot.send(wrong)

    assert isinstance(outcome, Invalid)
    assert says in outcome.detail
    assert isinstance(await hubspot.find(wrong), RetryAfter)
    assert isinstance(await hubspot.candidates(wrong), Invalid)


async def test_a_key_that_an_answer_repeats_is_shown_nowhere(hubspot: HubSpot, respx_mock: respx.MockRouter) -> None:
    respx_mock.post(f"{CONTACTS}/batch/upsert").respond(401, json={"message": f"{TOKEN} has expired"})

    assert TOKEN not in str(await hubspot.send(operation()))


# what the answer says, the limit's name, the wait in seconds
LIMITS: dict[str, tuple[httpx.Response, str | None, float | None]] = {
    "daily, until midnight": (httpx.Response(429, json={"policyName": "DAILY"}), "DAILY", 43_200),
    "rolling": (httpx.Response(429, json={"policyName": "TEN_SECONDLY_ROLLING"}), "TEN_SECONDLY_ROLLING", 10),
    "rolling, with its window": (
        httpx.Response(
            429,
            json={"policyName": "TEN_SECONDLY_ROLLING"},
            headers={"X-HubSpot-RateLimit-Interval-Milliseconds": "2500"},
        ),
        "TEN_SECONDLY_ROLLING",
        2.5,
    ),
    "the search's own": (httpx.Response(429, json={"policyName": "SECONDLY"}), None, 1),
    "unnamed": (httpx.Response(429, json={}), None, None),
    "locked": (httpx.Response(423, json={}), None, 2),
}


@pytest.mark.parametrize(("response", "name", "seconds"), LIMITS.values(), ids=LIMITS)
def test_a_limit_is_known_by_its_policys_name(
    response: httpx.Response, name: str | None, seconds: float | None
) -> None:
    refusal = Refusal(Meaning.LATER, response.status_code, "", body=response.json(), headers=response.headers)

    limit = limit_of(refusal, NOON, UTC_ZONE)

    assert (limit.name, limit.seconds) == (name, seconds)


@pytest.mark.parametrize(
    ("now", "zone", "hours"),
    [
        (NOON, "UTC", 12),
        (NOON, "Europe/Berlin", 11),
        (NOON, "America/Los_Angeles", 20),
        (datetime(2026, 3, 1, tzinfo=UTC), "UTC", 24),
        (datetime(2026, 10, 24, 22, tzinfo=UTC), "Europe/Berlin", 25),  # clocks are put back in this night
        (datetime(2026, 3, 28, 23, tzinfo=UTC), "Europe/Berlin", 23),  # and forward in this one
    ],
)
def test_the_daily_limit_ends_at_midnight_where_the_account_is(now: datetime, zone: str, hours: float) -> None:
    assert seconds_to_midnight(now, ZoneInfo(zone)) == hours * 3600


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (httpx.Response(207, json={"results": [], "errors": [{"category": "OBJECT_NOT_FOUND"}]}), None),
        (httpx.Response(200, json={"results": []}), None),
        (httpx.Response(207, json={"results": [], "errors": [{"category": "X", "message": "?"}]}), RetryAfter),
        (httpx.Response(200, json={"results": [stored()]}), None),
        (httpx.Response(200, json={"results": [stored(properties={"interlock_operation": "op-1"})]}), Written),
        (httpx.Response(200, json={}), RetryAfter),
        (httpx.Response(403), RetryAfter),
        (httpx.Response(404), RetryAfter),
        (httpx.Response(429), RetryAfter),
        (httpx.Response(500), RetryAfter),
    ],
    ids=["no such key", "nothing", "odd error", "another's", "ours", "unreadable", "key", "path", "limit", "broken"],
)
async def test_a_look_up_says_not_there_only_when_hubspot_does(
    hubspot: HubSpot, respx_mock: respx.MockRouter, answer: httpx.Response, expected: type[DeliveryOutcome] | None
) -> None:
    respx_mock.post(f"{CONTACTS}/batch/read").mock(side_effect=[answer])

    found = await hubspot.find(operation())

    assert (type(found) if found is not None else None) is expected


async def test_candidates_are_searched_by_email_phone_and_name(hubspot: HubSpot, respx_mock: respx.MockRouter) -> None:
    twin = {"id": "8", "properties": {"email": "ann@example.com", "phone": None, "interlock_id": "other"}}
    respx_mock.post(f"{CONTACTS}/batch/read").mock(side_effect=[not_there()])
    search = respx_mock.post(f"{CONTACTS}/search").respond(200, json={"results": [twin]})
    values = {"email": "ann@example.com", "phone": "+44 20 7946 0018", "firstname": "Ann", "lastname": "Lee"}

    found = await hubspot.candidates(operation(**values))

    conditions = [
        [(one["propertyName"], one["operator"], one["value"]) for one in group["filters"]]
        for group in json.loads(search.calls.last.request.content)["filterGroups"]
    ]
    assert found == [Candidate("8", {"email": "ann@example.com", "interlock_id": "other"})]
    assert conditions == [
        [("email", "EQ", "ann@example.com")],
        [("phone", "EQ", "+44 20 7946 0018")],
        [("hs_searchable_calculated_phone_number", "EQ", "2079460018")],
        [("lastname", "EQ", "Lee"), ("firstname", "CONTAINS_TOKEN", "A*")],
    ]


async def test_fields_without_a_value_are_given_back_and_not_searched_by(
    hubspot: HubSpot, respx_mock: respx.MockRouter
) -> None:
    twin = {"id": "8", "properties": {"email": "ann@example.com", "hs_lead_status": "OPEN"}}
    respx_mock.post(f"{CONTACTS}/batch/read").mock(side_effect=[not_there()])
    search = respx_mock.post(f"{CONTACTS}/search").respond(200, json={"results": [twin]})

    found = await hubspot.candidates(operation(email="ann@example.com", phone="", hs_lead_status=""))

    asked = json.loads(search.calls.last.request.content)
    assert found == [Candidate("8", {"email": "ann@example.com", "hs_lead_status": "OPEN"})]
    assert "hs_lead_status" in asked["properties"]
    assert [one["propertyName"] for group in asked["filterGroups"] for one in group["filters"]] == ["email"]


async def test_what_has_nothing_to_search_by_has_no_candidates(hubspot: HubSpot, respx_mock: respx.MockRouter) -> None:
    respx_mock.post(f"{CONTACTS}/batch/read").mock(side_effect=[not_there()])

    assert await hubspot.candidates(operation(company="Acme")) == []


async def test_a_search_that_is_throttled_says_so(hubspot: HubSpot, respx_mock: respx.MockRouter) -> None:
    respx_mock.post(f"{CONTACTS}/batch/read").mock(side_effect=[not_there()])
    respx_mock.post(f"{CONTACTS}/search").respond(429, json={"policyName": "SECONDLY", "message": "slow"})

    assert await hubspot.candidates(operation()) == RetryAfter(seconds=1, detail="HubSpot: slow (HTTP 429)")


def test_it_takes_batches_and_can_be_searched() -> None:
    hubspot = connector()

    assert isinstance(hubspot, BatchDestination)
    assert isinstance(hubspot, Searchable)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("INTERLOCK_HUBSPOT_TOKEN", "two words"),
        ("INTERLOCK_HUBSPOT_TOKEN", "café"),
        ("INTERLOCK_HUBSPOT_URL", "hubapi"),
        ("INTERLOCK_HUBSPOT_TIME_ZONE", "Mars/Olympus"),
        ("INTERLOCK_HUBSPOT_TIME_ZONE", "../etc"),
        ("INTERLOCK_CONNECTOR_TIMEOUT_S", "0"),
    ],
)
def test_a_variable_that_is_unusable_is_named_and_a_key_not_shown(name: str, value: str) -> None:
    sound = {variable.name: variable.default or TOKEN for variable in SPEC.variables}

    with pytest.raises(PolicyInvalid, match=name) as refused:
        SPEC.open(sound | {name: value})

    assert name != "INTERLOCK_HUBSPOT_TOKEN" or value not in str(refused.value)


# Against the sandbox


class World:
    """The connector and the sandbox behind it, whose clock is ours."""

    def __init__(self) -> None:
        self.now = NOON
        free = TokenBucket(1_000_000, 1_000_000)
        app = create_app(FaultPlan(), limit=free, searches=TokenBucket(5, 5, lambda: 0.0), clock=lambda: self.now)
        transport = httpx.ASGITransport(app)
        self.hubspot = connector(transport)
        headers = {"Authorization": "Bearer another"}
        self.server = httpx.AsyncClient(transport=transport, base_url=URL, headers=headers)

    async def add(self, **properties: str) -> str:
        """A record that somebody makes by hand; its id."""
        answer = await self.server.post("/crm/objects/2026-09/contacts", json={"properties": properties})
        made: str = answer.json()["id"]
        return made

    async def set(self, **settings: object) -> None:
        (await self.server.post("/_settings", json=settings)).raise_for_status()

    async def strike(self, *faults: str) -> None:
        (await self.server.post("/_faults", json={"next": faults})).raise_for_status()

    async def records(self) -> list[JSON]:
        found: list[JSON] = (await self.server.get("/_records")).json()["records"]
        return found

    async def properties(self) -> dict[str, str]:
        [record] = await self.records()
        properties = record["properties"]
        assert isinstance(properties, dict)
        return properties

    async def books(self) -> tuple[int, int, int]:
        """Records, writes, doubled."""
        stats = (await self.server.get("/_stats")).json()
        return stats["records"], stats["writes"], stats["doubled"]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    yield world
    await world.hubspot.aclose()
    await world.server.aclose()


async def test_a_contact_is_created_then_updated_under_one_key(world: World) -> None:
    first = await world.hubspot.send(operation(1))
    second = await world.hubspot.send(operation(2, company="Acme Ltd"))

    assert (first, second) == (
        Written(kind="created", external_id="1001", values=ANN),
        Written(kind="updated", external_id="1001", values={"company": "Acme Ltd"}),
    )
    assert (await world.properties())["company"] == "Acme Ltd"
    assert await world.books() == (1, 2, 0)


async def test_a_look_up_sees_a_write_that_the_search_does_not_see_yet(world: World) -> None:
    await world.set(search_lag_s=30)
    await world.hubspot.send(operation())

    assert await world.hubspot.find(operation()) == Written(kind="created", external_id="1001", found=True)
    assert await world.hubspot.candidates(operation(2, key="ann again")) == []


async def test_once_the_search_has_caught_up_a_twin_is_a_candidate(world: World) -> None:
    await world.set(search_lag_s=30)
    await world.hubspot.send(operation(phone="+44 20 7946 0018", lastname="Lee", firstname="Ann"))
    world.now = NOON.replace(minute=1)

    for values in ({"phone": "+442079460018"}, {"lastname": "lee", "firstname": "A."}):
        [candidate] = await world.hubspot.candidates(operation(2, key="another", **values))  # type: ignore[misc]
        assert (candidate.external_id, candidate.values.get("interlock_id")) == ("1001", "ann")
    [ours] = await world.hubspot.candidates(operation(2, key="ann", lastname="Lee"))  # type: ignore[misc]
    assert (ours.external_id, ours.values["lastname"], ours.ours) == ("1001", "Lee", True)
    assert await world.hubspot.candidates(operation(2, key="another", lastname="Lee", firstname="Bo")) == []


async def test_a_write_by_id_leaves_our_key_on_a_record_that_others_made(world: World) -> None:
    theirs = await world.add(email="ann@example.com", lastname="Lee")

    outcome = await world.hubspot.send(known(operation(company="Acme"), theirs))
    later = await world.hubspot.send(operation(2, company="Acme Ltd"))

    assert outcome == Written(kind="updated", external_id=theirs, values={"company": "Acme"})
    assert later == Written(kind="updated", external_id=theirs, values={"company": "Acme Ltd"})
    assert (await world.properties())["interlock_id"] == "ann"
    assert await world.hubspot.find(known(operation(), theirs)) == Written(
        kind="updated", external_id=theirs, found=True
    )


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (httpx.Response(200, json={"id": "8", "properties": {}}), Written(kind="updated", external_id="8")),
        (httpx.Response(409, json={"message": "Existing ID: 9", "category": "CONFLICT"}), Ambiguous),
        (httpx.Response(400, json={"message": "bad", "category": "VALIDATION_ERROR"}), Invalid),
        (httpx.Response(429, json={"policyName": "DAILY"}), RetryAfter),
        (httpx.Response(502), Unknown),
    ],
    ids=["written", "a taken address", "refused", "limit", "broken"],
)
async def test_what_hubspot_says_to_a_write_by_id(
    hubspot: HubSpot, respx_mock: respx.MockRouter, answer: httpx.Response, expected: object
) -> None:
    respx_mock.post(f"{CONTACTS}/batch/read").mock(side_effect=[httpx.Response(200, json={"results": [{"id": "8"}]})])
    patch = respx_mock.patch(f"{CONTACTS}/8").mock(side_effect=[answer])

    outcome = await hubspot.send(known(operation(company="Acme"), "8"))

    assert outcome == expected or isinstance(outcome, expected)  # type: ignore[arg-type]
    sent = json.loads(patch.calls.last.request.content)["properties"]
    assert sent["interlock_id"] == "ann"


async def test_an_earlier_operation_is_found_after_a_later_one(world: World) -> None:
    await world.hubspot.send(operation(1))
    await world.hubspot.send(operation(2))

    kinds = [getattr(await world.hubspot.find(operation(number)), "kind", None) for number in (1, 2, 3)]

    assert kinds == ["created", "updated", None]


async def test_a_record_with_our_key_that_another_write_made_has_no_trace_of_ours(world: World) -> None:
    await world.hubspot.send(operation(1))

    assert await world.hubspot.find(operation(2)) is None
    assert await world.hubspot.find(operation(1, key="nobody")) is None


@pytest.mark.parametrize("status", [200, 207])
async def test_one_bad_record_in_a_batch_is_refused_by_itself(world: World, status: int) -> None:
    await world.set(errors_status=status)
    batch = [operation(n, key=f"k{n}", email=f"a{n}@example.com" if n != 3 else "no address") for n in range(6)]

    outcomes = await world.hubspot.send_all(batch)

    assert [type(outcome) for outcome in outcomes] == [Written, Written, Written, Invalid, Written, Written]
    assert "no address" in str(outcomes[3])
    assert await world.books() == (5, 5, 0)


async def test_a_taken_address_that_spoils_the_batch_is_found_and_the_others_are_written(world: World) -> None:
    taken = {"properties": {"email": "boss@example.com", "company": "Acme"}}
    (await world.server.post("/crm/objects/2026-09/contacts", json=taken)).raise_for_status()
    batch = [operation(n, key=f"k{n}", email=f"a{n}@example.com" if n != 3 else "boss@example.com") for n in range(8)]

    outcomes = await world.hubspot.send_all(batch)

    spoilt = outcomes.pop(3)
    assert isinstance(spoilt, Ambiguous)
    assert "Existing ID: 1001" in spoilt.detail
    assert "if 1001 is the same, set its interlock_id to 'k3' and try again" in spoilt.detail
    assert all(isinstance(outcome, Written) for outcome in outcomes)
    assert await world.books() == (8, 7, 0)


async def test_a_repeated_key_in_a_batch_is_sent_by_itself(world: World) -> None:
    batch = [operation(n, key="ann" if n in {1, 4} else f"k{n}", company=f"C{n}") for n in range(6)]

    outcomes = await world.hubspot.send_all(batch)

    assert {getattr(outcome, "kind", "") for outcome in outcomes} == {"created", "updated"}
    assert await world.books() == (5, 6, 0)


async def test_a_batch_may_be_about_several_objects(world: World) -> None:
    companies = {"object": "companies"}
    batch = [operation(1), operation(2, key="acme", options=companies, name="Acme", domain="acme.test")]

    outcomes = await world.hubspot.send_all(batch)

    assert all(isinstance(outcome, Written) for outcome in outcomes)
    assert [record["object"] for record in await world.records()] == ["contacts", "companies"]


async def test_a_lifecycle_stage_moves_forward_only_and_without_a_word(world: World) -> None:
    stages = []
    for number, stage in enumerate(["lead", "customer", "lead"]):
        assert isinstance(await world.hubspot.send(operation(number, lifecyclestage=stage)), Written)
        stages.append((await world.properties())["lifecyclestage"])

    assert stages == ["lead", "customer", "customer"]


async def test_the_daily_quota_names_itself_and_lasts_until_midnight(world: World) -> None:
    await world.set(daily_quota=1)
    await world.hubspot.send(operation(1))

    outcome = await world.hubspot.send(operation(2))

    assert isinstance(outcome, RetryAfter)
    assert outcome.limit == "DAILY"
    assert outcome.seconds is not None
    assert 0 < outcome.seconds <= 86_400
    assert await world.books() == (1, 1, 0)


async def test_a_throttled_batch_is_not_halved(world: World) -> None:
    await world.strike("throttled")

    outcomes = await world.hubspot.send_all([operation(n, key=f"k{n}", company="Acme") for n in range(4)])

    assert {(type(outcome), getattr(outcome, "limit", "")) for outcome in outcomes} == {
        (RetryAfter, "TEN_SECONDLY_ROLLING")
    }
    assert [getattr(outcome, "seconds", None) for outcome in outcomes] == [1] * 4
    assert await world.books() == (0, 0, 0)


async def test_a_locked_record_is_asked_again_after_two_seconds(world: World) -> None:
    await world.set(locked=["ann"])

    outcome = await world.hubspot.send(operation())

    assert isinstance(outcome, RetryAfter)
    assert (outcome.limit, outcome.seconds) == (None, 2)


async def test_more_searches_than_five_a_second_are_put_off_alone(world: World) -> None:
    answers = [await world.hubspot.candidates(operation()) for _ in range(6)]

    assert answers[:5] == [[]] * 5
    assert isinstance(answers[5], RetryAfter)
    assert (answers[5].limit, answers[5].seconds) == (None, 1)
    assert isinstance(await world.hubspot.send(operation()), Written)


async def test_an_answer_that_cannot_be_read_is_unknown_until_it_is_found(world: World) -> None:
    await world.strike("malformed")

    outcome = await world.hubspot.send(operation())

    assert isinstance(outcome, Unknown)
    assert isinstance(await world.hubspot.find(operation()), Written)
    assert await world.books() == (1, 1, 0)


async def test_the_sandbox_knows_an_operation_that_was_applied_twice(world: World) -> None:
    """Else `doubled == 0` would prove nothing."""
    await world.hubspot.send(operation(1, company="Old"))
    await world.hubspot.send(operation(2, company="New"))
    await world.hubspot.send(operation(1, company="Old"))
    await world.hubspot.send(operation(1, key="another", company="Old"))

    assert await world.books() == (2, 4, 2)


async def test_the_same_values_again_change_nothing(world: World) -> None:
    await world.hubspot.send(operation(1))
    await world.hubspot.send(operation(1))

    assert await world.books() == (1, 1, 0)


async def test_the_sandbox_wants_a_key(world: World) -> None:
    answer = await world.server.post("/crm/objects/2026-09/contacts", json={}, headers={"Authorization": ""})

    assert (answer.status_code, answer.json()["category"]) == (401, "INVALID_AUTHENTICATION")


async def test_what_the_search_shows_survives_the_server(tmp_path: Path) -> None:
    """The first server is never closed: it is as if it had been killed."""
    first = connector(httpx.ASGITransport(create_app(FaultPlan(), tmp_path / "hubspot.sqlite")))
    await first.send(operation())
    second = connector(httpx.ASGITransport(create_app(FaultPlan(), tmp_path / "hubspot.sqlite")))

    found, candidates = await second.find(operation()), await second.candidates(operation(2, key="another"))
    for hubspot in (first, second):
        await hubspot.aclose()

    assert found == Written(kind="created", external_id="1001", found=True)
    assert candidates == [Candidate("1001", ANN | {"interlock_id": "ann"})]


MISTAKES: dict[str, tuple[str, JSON, int]] = {
    "more than a hundred": ("/batch/upsert", {"inputs": [one(str(n)) for n in range(101)]}, 400),
    "a property that is not unique": ("/batch/upsert", {"inputs": [one("a") | {"idProperty": "company"}]}, 400),
    "a bad value without trace ids": ("/batch/upsert", {"inputs": [one("a"), one("b", email="none")]}, 400),
    "an unknown stage without trace ids": ("/batch/upsert", {"inputs": [one("a", lifecyclestage="x")]}, 400),
    "a value that is too long": ("/batch/upsert", {"inputs": [one("a", company="x" * 65_537)]}, 400),
    "a new contact with a bad address": ("", {"properties": {"email": "none"}}, 400),
    "results past ten thousand": ("/search", {"limit": 100, "after": 9_950}, 400),
    "two sorts": ("/search", {"sorts": [{"propertyName": "a"}, {"propertyName": "b"}]}, 422),
    "six groups": ("/search", {"filterGroups": [{"filters": []}] * 6}, 422),
}


@pytest.mark.parametrize(("path", "body", "status"), MISTAKES.values(), ids=MISTAKES)
async def test_the_sandbox_refuses_what_hubspot_refuses(world: World, path: str, body: JSON, status: int) -> None:
    answer = await world.server.post(f"/crm/objects/2026-09/contacts{path}", json=body)

    assert answer.status_code == status
    assert await world.books() == (0, 0, 0)
