"""The Salesforce connector: each kind of failure by itself, and against the stateful sandbox with its traps."""

import json
from collections.abc import AsyncIterator

import httpx
import pytest
import respx
from hypothesis import given
from hypothesis import strategies as st

from connectors.crm.salesforce import SPEC, Salesforce
from connectors.crm.salesforce_api import CONCURRENT_WAIT_S, DAILY_WAIT_S, VENDOR
from connectors.crm.soql import quoted, spellings
from connectors.http_outcomes import HttpApi
from connectors.ports import BatchDestination, Candidate, Searchable
from connectors.sandbox.faults import FaultPlan
from connectors.sandbox.salesforce import create_app
from connectors.sandbox.salesforce_query import MalformedQueryError, parse
from connectors.sandbox.service import TokenBucket
from domain.delivery import Ambiguous, Conflict, DeliveryOutcome, Invalid, Operation, RetryAfter, Unknown, Written
from domain.errors import PolicyInvalid

JSON = dict[str, object]
TOKEN = "00D-not-a-real-session"
URL = "http://salesforce.test"
DATA = f"{URL}/services/data/v68.0"
LEADS = f"{DATA}/sobjects/Lead/InterlockId__c"
COLLECTION = f"{DATA}/composite/sobjects/Lead/InterlockId__c"
WHERE = "SELECT Id FROM Lead WHERE"
ANN = {"LastName": "Lee", "Company": "Acme", "Email": "ann@example.com"}


def operation(number: int = 1, key: str = "ann", options: dict[str, str] | None = None, **values: str) -> Operation:
    return Operation(
        operation_id=f"op-{number}",
        item_id="item-1",
        policy="leads",
        destination="crm",
        system="salesforce",
        record_key=key,
        values=ANN | values,
        options=options or {},
    )


def connector(transport: httpx.AsyncBaseTransport | None = None) -> Salesforce:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    client = httpx.AsyncClient(base_url=URL, headers=headers, timeout=10, transport=transport)
    return Salesforce(HttpApi(VENDOR, client, TOKEN))


@pytest.fixture
async def salesforce() -> AsyncIterator[Salesforce]:
    """With nothing behind it but respx."""
    salesforce = connector()
    yield salesforce
    await salesforce.aclose()


def refused(status: int, code: str, message: str = "no", **more: object) -> httpx.Response:
    return httpx.Response(status, json=[{"errorCode": code, "message": message, **more}])


DUPLICATES = {"duplicateResut": {"matchResults": [{"matchRecords": [{"record": {"Id": i}} for i in ("003A", "003B")]}]}}

# what comes back, what a single write becomes, what its message says
ANSWERS: dict[str, tuple[httpx.Response | Exception, type[DeliveryOutcome], str]] = {
    "created": (httpx.Response(201, json={"id": "00Q1", "success": True, "created": True}), Written, "created"),
    "updated": (httpx.Response(200, json={"id": "00Q1", "success": True, "created": False}), Written, "updated"),
    "success without an id": (httpx.Response(200, json={"success": True}), Unknown, "does not say"),
    "neither success nor failure": (httpx.Response(200, json={}), Unknown, "success"),
    "no JSON": (httpx.Response(200, text="<html>"), Unknown, "cannot be read"),
    "error within a 200": (
        httpx.Response(200, json={"success": False, "errors": [{"statusCode": "X", "message": "odd"}]}),
        Invalid,
        "odd (X)",
    ),
    "several match": (
        httpx.Response(
            300, json=["/services/data/v68.0/sobjects/Lead/00Q1", "/services/data/v68.0/sobjects/Lead/00Q2"]
        ),
        Ambiguous,
        "00Q1, 00Q2",
    ),
    "duplicates detected": (refused(400, "DUPLICATES_DETECTED", **DUPLICATES), Ambiguous, "records 003A, 003B"),
    "duplicates without their ids": (refused(400, "DUPLICATES_DETECTED", "Use one of these?"), Ambiguous, "Use one"),
    "a unique value is taken": (
        refused(400, "DUPLICATE_VALUE", "duplicates value on record with id: 00Q9"),
        Ambiguous,
        "00Q9",
    ),
    "bad value": (refused(400, "INVALID_EMAIL_ADDRESS", "Email: invalid"), Invalid, "Email"),
    "missing field": (refused(400, "REQUIRED_FIELD_MISSING", "[Company]"), Invalid, "Company"),
    "row is locked": (refused(400, "UNABLE_TO_LOCK_ROW"), RetryAfter, "no"),
    "session expired": (refused(401, "INVALID_SESSION_ID"), RetryAfter, "INTERLOCK_SALESFORCE_TOKEN"),
    "not allowed": (refused(403, "INSUFFICIENT_ACCESS"), RetryAfter, "INTERLOCK_SALESFORCE_TOKEN"),
    "out of calls": (refused(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."), RetryAfter, "Total"),
    "no such object": (refused(404, "NOT_FOUND", "does not exist"), Invalid, "does not exist"),
    "modified since": (refused(412, "PRECONDITION_FAILED"), Conflict, "412"),
    "throttled": (httpx.Response(429, headers={"Retry-After": "7"}), RetryAfter, "429"),
    "broken": (refused(500, "UNKNOWN_EXCEPTION"), Unknown, "500"),
    "down": (refused(503, "SERVER_UNAVAILABLE"), RetryAfter, "503"),
    "not reached": (httpx.ConnectError("refused"), RetryAfter, "nothing was sent"),
    "no answer": (httpx.ReadTimeout("late"), Unknown, "no whole answer"),
}


@pytest.mark.parametrize(("effect", "expected", "says"), ANSWERS.values(), ids=ANSWERS)
async def test_every_answer_has_its_outcome(
    salesforce: Salesforce,
    respx_mock: respx.MockRouter,
    effect: httpx.Response | Exception,
    expected: type[DeliveryOutcome],
    says: str,
) -> None:
    respx_mock.patch(f"{LEADS}/ann").mock(side_effect=[effect])

    outcome = await salesforce.send(operation())

    assert isinstance(outcome, expected)
    assert says in str(outcome)


# the rows of the look-up after a 204, what the write becomes
SILENT: dict[str, tuple[httpx.Response, type[DeliveryOutcome]]] = {
    "the record is seen": (httpx.Response(200, json={"records": [{"Id": "00Q1"}]}), Written),
    "it is not": (httpx.Response(200, json={"records": []}), Unknown),
    "nobody may look": (refused(403, "INSUFFICIENT_ACCESS"), Unknown),
    "the look-up breaks": (httpx.Response(500), Unknown),
}


@pytest.mark.parametrize(("rows", "expected"), SILENT.values(), ids=SILENT)
async def test_an_update_without_an_answers_body_is_looked_up(
    salesforce: Salesforce, respx_mock: respx.MockRouter, rows: httpx.Response, expected: type[DeliveryOutcome]
) -> None:
    respx_mock.patch(f"{LEADS}/ann").respond(204)
    respx_mock.get(f"{DATA}/query").mock(side_effect=[rows])

    assert isinstance(await salesforce.send(operation()), expected)


async def test_a_write_leaves_the_key_out_of_the_body_and_the_operations_id_in_it(
    salesforce: Salesforce, respx_mock: respx.MockRouter
) -> None:
    patch = respx_mock.patch(f"{LEADS}/ann").respond(201, json={"id": "00Q1", "success": True, "created": True})

    await salesforce.send(operation())

    assert json.loads(patch.calls.last.request.content) == ANN | {"InterlockOperation__c": "op-1"}
    assert patch.calls.last.request.headers["Authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize("key", ["ann@example.inc", "a/b", "../a", "zoë", "a.json"])
async def test_a_key_that_is_no_plain_word_travels_in_the_body(
    salesforce: Salesforce, respx_mock: respx.MockRouter, key: str
) -> None:
    patch = respx_mock.patch(COLLECTION).respond(200, json=[{"id": "00Q1", "success": True, "created": True}])

    assert await salesforce.send(operation(key=key)) == Written(kind="created", external_id="00Q1")
    assert json.loads(patch.calls.last.request.content) == {
        "allOrNone": False,
        "records": [
            {"attributes": {"type": "Lead"}, **ANN, "InterlockId__c": key, "InterlockOperation__c": "op-1"},
        ],
    }


# what comes back for two, what they become
BATCHES: dict[str, tuple[httpx.Response, list[type[DeliveryOutcome]]]] = {
    "one fails": (
        httpx.Response(
            200,
            json=[
                {"id": "00Q1", "success": True, "created": True, "errors": []},
                {"success": False, "errors": [{"statusCode": "STRING_TOO_LONG", "message": "m", "fields": ["A"]}]},
            ],
        ),
        [Written, Invalid],
    ),
    "several match, row is locked": (
        httpx.Response(
            200,
            json=[
                {"success": False, "errors": [{"statusCode": "DUPLICATE_EXTERNAL_ID", "message": "m"}]},
                {"success": False, "errors": [{"statusCode": "UNABLE_TO_LOCK_ROW", "message": "m"}]},
            ],
        ),
        [Ambiguous, RetryAfter],
    ),
    "a result is missing": (httpx.Response(200, json=[{"id": "1", "success": True}]), [Unknown, Unknown]),
    "failed without an error": (
        httpx.Response(200, json=[{"success": False}, {"id": "2", "success": True}]),
        [Unknown, Written],
    ),
    "session expired": (refused(401, "INVALID_SESSION_ID"), [RetryAfter, RetryAfter]),
    "out of calls": (refused(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests"), [RetryAfter, RetryAfter]),
    "broken": (httpx.Response(500), [Unknown, Unknown]),
}


@pytest.mark.parametrize(("answer", "expected"), BATCHES.values(), ids=BATCHES)
async def test_each_record_of_a_batch_has_its_outcome_in_one_request(
    salesforce: Salesforce, respx_mock: respx.MockRouter, answer: httpx.Response, expected: list[type[DeliveryOutcome]]
) -> None:
    route = respx_mock.patch(COLLECTION).mock(return_value=answer)

    outcomes = await salesforce.send_all([operation(1, "a"), operation(2, "b")])

    assert [type(outcome) for outcome in outcomes] == expected
    assert route.call_count == 1


async def test_a_batch_that_cannot_be_parsed_is_halved_until_the_culprit_stands_alone(
    salesforce: Salesforce, respx_mock: respx.MockRouter
) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        records = json.loads(request.content)["records"]
        if any(record["NumberOfEmployees"] == "many" for record in records):
            return refused(400, "JSON_PARSER_ERROR", "Cannot deserialize")
        return httpx.Response(200, json=[{"id": one["InterlockId__c"], "success": True} for one in records])

    respx_mock.patch(COLLECTION).mock(side_effect=answer)
    batch = [operation(n, f"k{n}", NumberOfEmployees="many" if n == 5 else "3") for n in range(8)]

    outcomes = await salesforce.send_all(batch)

    assert [getattr(outcome, "external_id", type(outcome)) for outcome in outcomes] == [
        *[f"k{n}" for n in range(5)],
        Invalid,
        "k6",
        "k7",
    ]


@pytest.mark.parametrize(
    ("answer", "limit", "seconds"),
    [
        (refused(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."), "daily", DAILY_WAIT_S),
        (refused(403, "REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests Limit exceeded."), "concurrent", CONCURRENT_WAIT_S),
        (refused(400, "UNABLE_TO_LOCK_ROW"), None, None),
        (httpx.Response(503, headers={"Retry-After": "9"}), None, 9),
    ],
    ids=["daily", "concurrent", "a row", "down"],
)
async def test_a_limit_is_known_by_its_message(
    salesforce: Salesforce,
    respx_mock: respx.MockRouter,
    answer: httpx.Response,
    limit: str | None,
    seconds: float | None,
) -> None:
    respx_mock.patch(f"{LEADS}/ann").mock(side_effect=[answer])

    outcome = await salesforce.send(operation())

    assert isinstance(outcome, RetryAfter)
    assert (outcome.limit, outcome.seconds) == (limit, seconds)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (httpx.Response(200, json={"records": []}), None),
        (httpx.Response(200, json={"records": [{"Id": "00Q1", "CreatedDate": "a", "LastModifiedDate": "b"}]}), Written),
        (httpx.Response(200, json={}), RetryAfter),
        (refused(400, "INVALID_FIELD"), RetryAfter),
        (httpx.Response(401), RetryAfter),
        (httpx.Response(500), RetryAfter),
    ],
    ids=["nothing", "ours", "unreadable", "no such field", "key", "broken"],
)
async def test_a_look_up_says_not_there_only_when_salesforce_does(
    salesforce: Salesforce, respx_mock: respx.MockRouter, answer: httpx.Response, expected: type[DeliveryOutcome] | None
) -> None:
    respx_mock.get(f"{DATA}/query").mock(side_effect=[answer])

    found = await salesforce.find(operation())

    assert (type(found) if found is not None else None) is expected


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (operation(options={"objekt": "Case"}), "no 'objekt'"),
        (operation(options={"object": "Lead WHERE"}), "'Lead WHERE' is no name"),
        (operation(options={"key": "Id FROM User --"}), "is no name"),
        (operation(Id="00Q1"), "leave Id out"),
        (operation(InterlockId__c="bob"), "leave InterlockId__c out"),
    ],
    ids=["unknown option", "odd object", "odd key", "an id", "its own key"],
)
async def test_an_operation_that_cannot_be_meant_is_not_sent(
    salesforce: Salesforce, wrong: Operation, says: str
) -> None:
    for outcome in (await salesforce.send(wrong), *await salesforce.send_all([wrong])):
        assert isinstance(outcome, Invalid)
        assert says in outcome.detail
    assert isinstance(await salesforce.find(wrong), RetryAfter)
    assert isinstance(await salesforce.candidates(wrong), Invalid)


async def test_a_field_that_is_none_cannot_be_searched_for(
    salesforce: Salesforce, respx_mock: respx.MockRouter
) -> None:
    respx_mock.get(f"{URL}/services/data/v68.0/query").respond(200, json={"records": []})
    odd = operation().model_copy(update={"values": ANN | {"Account.Key__c": "x"}})

    assert await salesforce.candidates(odd) == Invalid(detail="Salesforce: 'Account.Key__c' is no name of a field")


async def test_what_has_nothing_to_search_by_has_no_candidates(
    salesforce: Salesforce, respx_mock: respx.MockRouter
) -> None:
    respx_mock.get(f"{URL}/services/data/v68.0/query").respond(200, json={"records": []})
    bare = operation().model_copy(update={"values": {"Company": "Acme"}})

    assert await salesforce.candidates(bare) == []


async def test_a_key_that_an_answer_repeats_is_shown_nowhere(
    salesforce: Salesforce, respx_mock: respx.MockRouter
) -> None:
    respx_mock.patch(f"{LEADS}/ann").mock(side_effect=[refused(401, "INVALID_SESSION_ID", f"{TOKEN} expired")])

    assert TOKEN not in str(await salesforce.send(operation()))


@given(st.text())
def test_a_string_in_a_query_stays_a_string(text: str) -> None:
    query = parse(f"{WHERE} a = {quoted(text)} AND b = 'c' LIMIT 5")

    assert query.holds({"a": text, "b": "c"}) == bool(text)
    assert not query.holds({"a": text + "!", "b": "c"})


@pytest.mark.parametrize(
    "soql",
    ["", "SELECT Id", "SELECT Id FROM Lead WHERE a = 'x", "SELECT Id FROM Lead WHERE a = 'x' b", "UPDATE Lead"]
    + [f"{WHERE} {condition}" for condition in ("a = 1", "a < 'x'", "(a = 'x'", "a IN 'x'", "a")],
)
def test_the_sandbox_refuses_what_is_no_query(soql: str) -> None:
    with pytest.raises(MalformedQueryError):
        parse(soql)


@pytest.mark.parametrize(
    ("phone", "written"),
    [
        ("+442079460018", ["+442079460018", "+44 20 7946 0018", "020 7946 0018", "2079460018"]),
        ("call me", ["call me"]),
    ],
)
def test_a_phone_number_is_searched_as_people_write_it(phone: str, written: list[str]) -> None:
    assert spellings(phone) == written


def test_it_takes_batches_and_can_be_searched() -> None:
    salesforce = connector()

    assert isinstance(salesforce, BatchDestination)
    assert isinstance(salesforce, Searchable)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("INTERLOCK_SALESFORCE_TOKEN", "two words"),
        ("INTERLOCK_SALESFORCE_URL", "acme"),
        ("INTERLOCK_CONNECTOR_TIMEOUT_S", "0"),
    ],
)
def test_a_variable_that_is_unusable_is_named(name: str, value: str) -> None:
    sound = {"INTERLOCK_SALESFORCE_TOKEN": TOKEN, "INTERLOCK_SALESFORCE_URL": URL, "INTERLOCK_CONNECTOR_TIMEOUT_S": "1"}

    with pytest.raises(PolicyInvalid, match=name):
        SPEC.open(sound | {name: value})


# Against the sandbox


class World:
    """The connector and the sandbox behind it."""

    def __init__(self) -> None:
        transport = httpx.ASGITransport(create_app(FaultPlan(), limit=TokenBucket(1e9, 10**9)))
        self.salesforce = connector(transport)
        headers = {"Authorization": "Bearer another"}
        self.server = httpx.AsyncClient(transport=transport, base_url=URL, headers=headers)

    async def set(self, **settings: object) -> None:
        (await self.server.post("/_settings", json=settings)).raise_for_status()

    async def strike(self, *faults: str) -> None:
        (await self.server.post("/_faults", json={"next": faults})).raise_for_status()

    async def add(self, **fields: str) -> str:
        """A record that somebody makes by hand; its id."""
        made: str = (await self.server.post("/services/data/v68.0/sobjects/Lead", json=fields)).json()["id"]
        return made

    async def fields(self) -> list[JSON]:
        return [record["fields"] for record in (await self.server.get("/_records")).json()["records"]]

    async def books(self) -> tuple[int, int, int]:
        """Records, writes, doubled."""
        stats = (await self.server.get("/_stats")).json()
        return stats["records"], stats["writes"], stats["doubled"]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    yield world
    await world.salesforce.aclose()
    await world.server.aclose()


@pytest.mark.parametrize("key", ["ann", "ann@example.inc", "o'neil \\ sons"])
async def test_a_lead_is_created_then_updated_under_one_key_and_found(world: World, key: str) -> None:
    first = await world.salesforce.send(operation(1, key))
    found = await world.salesforce.find(operation(1, key))
    second = await world.salesforce.send(operation(2, key, Company="Acme Ltd"))

    assert [first, found, second] == [
        Written(kind="created", external_id="1001"),
        Written(kind="created", external_id="1001", found=True),
        Written(kind="updated", external_id="1001"),
    ]
    assert await world.salesforce.find(operation(2, key)) == Written(kind="updated", external_id="1001", found=True)
    assert await world.salesforce.find(operation(1, key)) is None
    assert await world.books() == (1, 2, 0)


async def test_an_update_that_is_answered_with_nothing_still_has_its_id(world: World) -> None:
    await world.set(silent_updates=True)
    await world.salesforce.send(operation(1))

    assert await world.salesforce.send(operation(2)) == Written(kind="updated", external_id="1001")


@pytest.mark.parametrize("key", ["twin", "twin of ann"])
async def test_several_records_under_one_key_are_ambiguous_and_stay_as_they_are(world: World, key: str) -> None:
    for company in ("A", "B"):
        await world.add(InterlockId__c=key, Company=company)

    outcome = await world.salesforce.send(operation(key=key))

    assert isinstance(outcome, Ambiguous)
    assert [fields["Company"] for fields in await world.fields()] == ["A", "B"]


async def test_the_duplicate_rule_names_the_records_that_it_finds(world: World) -> None:
    twin = await world.add(Email="Ann@example.com", LastName="Lee")

    outcome = await world.salesforce.send(operation())

    assert isinstance(outcome, Ambiguous)
    assert outcome.detail.endswith(f"records {twin}")
    assert await world.books() == (1, 0, 0)


async def test_one_bad_record_in_a_batch_is_refused_by_itself(world: World) -> None:
    batch = [operation(n, f"k{n}", Email=f"a{n}@example.com" if n != 2 else "none") for n in range(5)]

    outcomes = await world.salesforce.send_all(batch)

    assert [type(outcome) for outcome in outcomes] == [Written, Written, Invalid, Written, Written]
    assert await world.books() == (4, 4, 0)


async def test_a_batch_may_be_about_several_objects(world: World) -> None:
    accounts = {"object": "Account"}
    account = operation(2, "acme", accounts).model_copy(update={"values": {"Name": "Acme"}})

    outcomes = await world.salesforce.send_all([operation(1), account])

    assert all(isinstance(outcome, Written) for outcome in outcomes)


async def test_a_missing_field_is_named(world: World) -> None:
    outcome = await world.salesforce.send(operation(Company=""))

    assert isinstance(outcome, Invalid)
    assert "Company" in outcome.detail


async def test_a_locked_row_is_asked_again_later(world: World) -> None:
    await world.set(locked=["ann", "ann lee"])

    outcomes = [await world.salesforce.send(operation(key=key)) for key in ("ann", "ann lee")]

    assert [(type(outcome), getattr(outcome, "limit", "")) for outcome in outcomes] == [(RetryAfter, None)] * 2


async def test_the_daily_quota_comes_as_a_403_and_names_itself(world: World) -> None:
    await world.set(daily_quota=1)
    await world.salesforce.send(operation(1))

    outcome = await world.salesforce.send(operation(2))

    assert isinstance(outcome, RetryAfter)
    assert (outcome.limit, outcome.seconds) == ("daily", DAILY_WAIT_S)
    assert await world.books() == (1, 1, 0)


@pytest.mark.parametrize(("fault", "expected"), [("throttled", RetryAfter), ("server_error", Unknown)])
async def test_a_write_that_was_turned_away_is_not_stored(
    world: World, fault: str, expected: type[DeliveryOutcome]
) -> None:
    await world.strike(fault)

    assert isinstance(await world.salesforce.send(operation()), expected)
    assert await world.salesforce.find(operation()) is None
    assert await world.books() == (0, 0, 0)


async def test_an_answer_that_cannot_be_read_is_unknown_until_it_is_found(world: World) -> None:
    await world.strike("malformed")

    outcome = await world.salesforce.send(operation())

    assert isinstance(outcome, Unknown)
    assert isinstance(await world.salesforce.find(operation()), Written)
    assert await world.books() == (1, 1, 0)


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({"Email": "ANN@example.com"}, True),
        ({"Phone": "+442079460018"}, True),
        ({"LastName": "lee", "FirstName": "A."}, True),
        ({"LastName": "Lee", "FirstName": "Bo"}, False),
        ({"Name": "The Lees"}, True),
        ({"Email": "bob@example.com", "Phone": "+442079460019"}, False),
    ],
    ids=["e-mail", "phone as typed", "name and initial", "another first name", "name", "a stranger"],
)
async def test_records_that_may_be_the_same_are_candidates(world: World, values: dict[str, str], found: bool) -> None:
    kept = {"LastName": "Lee", "FirstName": "Ann", "Email": "ann@example.com", "Phone": "020 7946 0018"}
    twin = await world.add(Name="The Lees", **kept)
    wanted = operation().model_copy(update={"values": values})

    candidates = await world.salesforce.candidates(wanted)

    assert isinstance(candidates, list)
    assert [one.external_id for one in candidates] == ([twin] if found else [])
    assert all(isinstance(one, Candidate) and one.values.keys() <= values.keys() for one in candidates)


async def test_a_record_under_our_key_is_ours(world: World) -> None:
    await world.salesforce.send(operation())

    [ours] = await world.salesforce.candidates(operation(2))  # type: ignore[misc]
    assert (ours.values["Company"], ours.ours) == (ANN["Company"], True)


async def test_fields_without_a_value_are_given_back_and_not_searched_by(world: World) -> None:
    twin = await world.add(LastName="Lee", Email="ann@example.com", Company="Acme")
    looked_for = operation().model_copy(update={"values": {"Email": "ann@example.com", "Company": "", "LastName": ""}})
    nothing = looked_for.model_copy(update={"values": {"Email": "", "Company": ""}})

    [found] = await world.salesforce.candidates(looked_for)  # type: ignore[misc]
    assert (found.external_id, found.values["Company"], found.values["LastName"]) == (twin, "Acme", "Lee")
    assert await world.salesforce.candidates(nothing) == []


async def test_fields_are_searched_by_whatever_their_letter_case(world: World) -> None:
    twin = await world.add(LastName="Lee", Email="ann@example.com")

    candidates = await world.salesforce.candidates(
        operation().model_copy(update={"values": {"email": "ann@example.com", "lastname": "Lee"}})
    )

    assert [one.external_id for one in candidates or [] if isinstance(one, Candidate)] == [twin]


async def test_a_write_by_id_leaves_our_key_on_a_record_that_others_made(world: World) -> None:
    theirs = await world.add(LastName="Lee", Email="ann@example.com")
    known = operation().model_copy(update={"external_id": theirs})

    outcomes = [await world.salesforce.send(known), await world.salesforce.send(operation(2))]

    assert outcomes == [Written(kind="updated", external_id=theirs)] * 2
    assert await world.books() == (1, 2, 0)


async def test_a_write_by_id_that_would_take_anothers_key_is_ambiguous(world: World) -> None:
    await world.salesforce.send(operation())
    theirs = await world.add(LastName="Lee", Email="ann.lee@example.com")

    outcome = await world.salesforce.send(operation(2).model_copy(update={"external_id": theirs}))

    assert isinstance(outcome, Ambiguous)


async def test_the_sandbox_refuses_a_write_to_what_was_modified_since(world: World) -> None:
    await world.salesforce.send(operation())
    since = {"If-Unmodified-Since": "Thu, 01 Jan 2026 00:00:00 GMT"}

    answer = await world.server.patch(f"{LEADS}/ann", json={"Company": "New"}, headers=since)

    assert (answer.status_code, answer.json()[0]["errorCode"]) == (412, "PRECONDITION_FAILED")
    assert answer.headers["Sforce-Limit-Info"].startswith("api-usage=")


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/sobjects/Lead/InterlockId__c/ann@example.inc", ANN, 404),
        ("/sobjects/Lead/InterlockId__c/ann", ANN | {"Id": "00Q1"}, 400),
        ("/sobjects/Lead/InterlockId__c/ann", ANN | {"InterlockId__c": "ann"}, 400),
        ("/composite/sobjects/Lead/InterlockId__c", {"records": [ANN]}, 400),
        ("/composite/sobjects/Lead/InterlockId__c", {"records": [{"InterlockId__c": "a"}] * 201}, 400),
    ],
    ids=["the end of a key taken for a file type", "an id", "the external id", "no external id", "more than 200"],
)
async def test_the_sandbox_refuses_what_salesforce_refuses(world: World, path: str, body: JSON, status: int) -> None:
    answer = await world.server.patch(f"/services/data/v68.0{path}", json=body)

    assert answer.status_code == status
    assert await world.books() == (0, 0, 0)


async def test_the_sandbox_knows_an_operation_that_was_applied_twice(world: World) -> None:
    """Else `doubled == 0` would prove nothing."""
    for number, company in ((1, "Old"), (2, "New"), (1, "Old")):
        await world.salesforce.send(operation(number, Company=company))

    assert await world.books() == (1, 3, 1)


async def test_the_sandbox_wants_a_key(world: World) -> None:
    answer = await world.server.get("/services/data/v68.0/query?q=x", headers={"Authorization": ""})

    assert (answer.status_code, answer.json()[0]["errorCode"]) == (401, "INVALID_SESSION_ID")
