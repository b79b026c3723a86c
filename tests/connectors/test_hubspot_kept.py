"""HubSpot's records that are kept in step: each kind of failure by itself, and against the stateful sandbox."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import httpx
import pytest
import respx

from connectors.crm.hubspot import HubSpot
from connectors.crm.hubspot_api import vendor
from connectors.crm.hubspot_changes import HubSpotChanges
from connectors.crm.hubspot_kept import HubSpotKept
from connectors.http_outcomes import HttpApi
from connectors.kept import Changed, Page, Record
from connectors.registry import KEPT, open_kept
from connectors.sandbox.faults import FaultPlan
from connectors.sandbox.hubspot import create_app
from connectors.sandbox.service import TokenBucket
from domain.delivery import Ambiguous, Conflict, Invalid, Operation, RetryAfter, Unknown, Written
from domain.errors import BadRequest, Permanent, PolicyInvalid, Retryable, Throttled, Unavailable

URL = "http://hubspot.test"
CONTACTS = f"{URL}/crm/objects/2026-09/contacts"
FIELDS = ("email", "company", "phone")
NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
VARIABLES = {"INTERLOCK_HUBSPOT_TOKEN": "pat-eu1-not-a-real-key", "INTERLOCK_HUBSPOT_URL": URL}
ANN = {"email": "ann@example.com", "company": "Acme", "phone": ""}
READ = ("email", "company", "phone", "interlock_operation", "lastmodifieddate")


@pytest.fixture
async def kept() -> AsyncIterator[HubSpotKept]:
    """With nothing behind it but respx."""
    kept = open_kept("hubspot", {}, FIELDS, VARIABLES)
    assert isinstance(kept, HubSpotKept)
    yield kept
    await kept.aclose()


def stored(number: str, **properties: str | None) -> dict[str, object]:
    return {"id": number, "properties": properties}


async def test_records_are_read_by_the_batch_and_blank_is_not_absent(
    kept: HubSpotKept, respx_mock: respx.MockRouter
) -> None:
    known = stored(
        "7", email="a@b.co", company=None, lastmodifieddate="2026-03-01T12:00:00Z", interlock_operation="op-1"
    )
    batch = respx_mock.post(f"{CONTACTS}/batch/read").respond(json={"results": [known]})

    records = await kept.read(["7", "7"])

    assert records == {"7": Record("7", {"email": "a@b.co", "company": ""}, NOON, "", "op-1")}
    sent = json.loads(batch.calls.last.request.content)
    assert (sent["inputs"], sent["idProperty"], set(sent["properties"])) == ([{"id": "7"}], None, set(READ))


async def test_more_than_a_hundred_are_read_in_several_batches(kept: HubSpotKept, respx_mock: respx.MockRouter) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        asked = json.loads(request.content)["inputs"]
        assert len(asked) <= 100
        return httpx.Response(200, json={"results": [stored(one["id"]) for one in asked]})

    batch = respx_mock.post(f"{CONTACTS}/batch/read").mock(side_effect=answer)

    records = await kept.read([str(number) for number in range(250)])

    assert [record and record.external_id for record in records.values()] == [str(number) for number in range(250)]
    assert batch.call_count == 3


async def test_what_the_batch_does_not_give_under_its_id_is_read_by_itself(
    kept: HubSpotKept, respx_mock: respx.MockRouter
) -> None:
    errors = [{"category": "OBJECT_NOT_FOUND", "context": {"ids": ["8"]}}]
    respx_mock.post(f"{CONTACTS}/batch/read").respond(207, json={"results": [stored("1")], "errors": errors})
    respx_mock.get(f"{CONTACTS}/8").respond(404, json={"message": "resource not found"})
    respx_mock.get(f"{CONTACTS}/9").respond(json=stored("1", company="Acme"))

    records = await kept.read(["8", "9"])

    assert records == {"8": None, "9": Record("1", {"company": "Acme"})}


async def test_pages_go_on_where_hubspot_says(kept: HubSpotKept, respx_mock: respx.MockRouter) -> None:
    goes_on = {"results": [stored("1"), stored("2")], "paging": {"next": {"after": "2"}}}
    listed = respx_mock.get(CONTACTS).mock(
        side_effect=[httpx.Response(200, json=goes_on), httpx.Response(200, json={"results": [stored("3")]})]
    )

    pages = [await kept.page("", 2), await kept.page("2", 500)]

    assert pages == [Page((Record("1", {}), Record("2", {})), "2"), Page((Record("3", {}),), "")]
    asked = [call.request.url.params for call in listed.calls]
    assert [(one["limit"], one.get("after")) for one in asked] == [("2", None), ("100", "2")]


FAILURES = {
    "down": (httpx.ConnectError("refused"), Unavailable),
    "broken": (httpx.Response(502), Unavailable),
    "unreadable": (httpx.Response(200, text="<html>"), Unavailable),
    "limit": (httpx.Response(429, json={"policyName": "DAILY"}), Throttled),
    "key": (httpx.Response(401, json={"message": "no"}), BadRequest),
    "rights": (httpx.Response(403, json={"message": "no"}), BadRequest),
    "refused": (httpx.Response(400, json={"message": "no"}), BadRequest),
}


@pytest.mark.parametrize(("answer", "error"), FAILURES.values(), ids=FAILURES)
async def test_what_cannot_be_read_is_told_and_never_taken_for_nothing(
    kept: HubSpotKept,
    respx_mock: respx.MockRouter,
    answer: httpx.Response | Exception,
    error: type[Retryable | Permanent],
) -> None:
    whole = respx_mock.post(f"{CONTACTS}/batch/read").mock(
        side_effect=[answer, httpx.Response(200, json={"results": []})]
    )
    respx_mock.get(f"{CONTACTS}/7").mock(side_effect=[answer])
    respx_mock.get(CONTACTS).mock(side_effect=[answer])
    respx_mock.post(f"{CONTACTS}/search").mock(side_effect=[answer])

    for _ in ("the batch", "the single record"):
        with pytest.raises(error):
            await kept.read(["7"])
    with pytest.raises(error):
        await kept.page("", 10)
    with pytest.raises(error):
        await kept.changed("", 10)
    assert whole.call_count == 2


async def test_a_time_that_cannot_be_read_is_refused(kept: HubSpotKept, respx_mock: respx.MockRouter) -> None:
    respx_mock.post(f"{CONTACTS}/batch/read").respond(json={"results": [stored("7", lastmodifieddate="yesterday")]})

    with pytest.raises(BadRequest, match="record 7 has no lastmodifieddate that can be read: 'yesterday'"):
        await kept.read(["7"])


def test_the_settling_time_is_an_option_and_nonsense_is_refused() -> None:
    assert KEPT["hubspot"].chosen({})["settling_s"] == "60"
    with pytest.raises(PolicyInvalid, match="settling_s is 'soon'"):
        KEPT["hubspot"].chosen({"settling_s": "soon"})


# Against the sandbox


class Meanwhile(httpx.AsyncBaseTransport):
    """Somebody who works in the account while a patch of ours is on its way."""

    def __init__(self, behind: httpx.AsyncBaseTransport) -> None:
        self._behind = behind
        self.edits: list[httpx.Request] = []
        """One for each patch to come."""
        self.cut = False
        """Whether the connection breaks behind the next patch."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        ours = request.method == "PATCH" and b"interlock_operation" in request.content
        if ours and self.edits:
            await self._behind.handle_async_request(self.edits.pop(0))
        answer = await self._behind.handle_async_request(request)
        if ours and self.cut:
            self.cut = False
            raise httpx.ReadError("cut", request=request)
        return answer


class World:
    """The connectors and the sandbox behind them."""

    def __init__(self) -> None:
        free = TokenBucket(1e9, 10**9)
        self.now = NOON
        sandbox = httpx.ASGITransport(create_app(FaultPlan(), None, free, free, lambda: self.now))
        self.network = transport = Meanwhile(sandbox)
        headers = {"Authorization": "Bearer key"}
        self.server = httpx.AsyncClient(transport=transport, base_url=URL, headers=headers)
        api = HttpApi(vendor(ZoneInfo("UTC")), self.server)
        self.hubspot = HubSpot(api)
        changes = HubSpotChanges(api, "contacts", (), lambda: self.now, operation_property="interlock_operation")
        self.kept = HubSpotKept(api, changes, "contacts", FIELDS, "interlock_operation")

    async def add(self, **properties: str) -> str:
        """A record that somebody makes by hand; its id."""
        made = await self.server.post("/crm/objects/2026-09/contacts", json={"properties": properties})
        return str(made.json()["id"])

    async def edit(self, record: str, **properties: str) -> None:
        path = f"/crm/objects/2026-09/contacts/{record}"
        (await self.server.patch(path, json={"properties": properties})).raise_for_status()

    def meanwhile(self, record: str, **properties: str) -> None:
        """What somebody sets while the next patch of ours is on its way, which nobody has seen then."""
        path = f"/crm/objects/2026-09/contacts/{record}"
        self.network.edits.append(self.server.build_request("PATCH", path, json={"properties": properties}))

    async def values(self, record: str) -> dict[str, str]:
        found = (await self.kept.read([record]))[record]
        assert found is not None
        return found.values


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    yield world
    await world.kept.aclose()


def patch(record: str, expected: dict[str, str] | None, number: int = 1, **values: str) -> Operation:
    return Operation(
        operation_id=f"op-{number}",
        item_id="item-1",
        policy="accounts",
        destination="crm",
        system="hubspot",
        record_key="ann",
        values=values,
        external_id=record,
        expected=expected,
    )


async def test_a_patch_sets_what_differs_and_says_what_the_record_holds(world: World) -> None:
    record = await world.add(**ANN)

    outcome = await world.hubspot.send(patch(record, ANN, email="ann@example.com", company="", phone="1"))

    held = {"email": "ann@example.com", "company": "", "phone": "1"}
    assert outcome == Written(kind="updated", external_id=record, values=held)
    assert await world.values(record) == held
    [kept] = (await world.server.get("/_records")).json()["records"]
    assert "email" not in kept["history"] or len(kept["history"]["email"]) == 1


async def test_a_patch_whose_record_holds_something_else_writes_nothing(world: World) -> None:
    record = await world.add(**ANN)
    await world.edit(record, company="Acme Ltd")

    outcome = await world.hubspot.send(patch(record, ANN, company="ACME", phone="1"))

    assert outcome == Conflict(detail=f"HubSpot: record {record}: company is not what it was", moved=True)
    assert await world.values(record) == ANN | {"company": "Acme Ltd"}


async def test_a_patch_whose_record_holds_its_values_already_changes_nothing(world: World) -> None:
    record = await world.add(**ANN)

    outcome = await world.hubspot.send(patch(record, {"company": "Acme Ltd"}, company="Acme"))

    assert outcome == Written(kind="unchanged", external_id=record, values={"company": "Acme"})
    assert await world.hubspot.find(patch(record, {}, company="Acme")) is None


def moved(record: str, names: str, *wrote: str, **overwrote: str) -> Conflict:
    said = f"HubSpot: record {record}: somebody changed {names} as it was written"
    return Conflict(detail=said, moved=True, wrote=wrote, overwrote=overwrote)


@pytest.mark.parametrize("theirs", ["Acme Ltd", ""], ids=["set", "cleared"])
async def test_what_somebody_changes_while_a_patch_is_on_its_way_stands(world: World, theirs: str) -> None:
    record = await world.add(**ANN)
    world.meanwhile(record, company=theirs)

    outcome = await world.hubspot.send(patch(record, ANN, company="ACME", phone="1"))

    assert outcome == moved(record, "company", "phone")
    assert await world.values(record) == ANN | {"company": theirs, "phone": "1"}
    assert await world.hubspot.find(patch(record, ANN, company="ACME", phone="1")) == outcome


async def test_another_field_that_somebody_changes_meanwhile_is_no_hindrance(world: World) -> None:
    record = await world.add(**ANN)
    world.meanwhile(record, phone="1")

    outcome = await world.hubspot.send(patch(record, {"company": "Acme"}, company="ACME"))

    assert outcome == Written(kind="updated", external_id=record, values={"company": "ACME"})
    assert await world.values(record) == ANN | {"company": "ACME", "phone": "1"}


async def test_what_somebody_changes_while_it_is_put_back_stands_too(world: World) -> None:
    record = await world.add(**ANN)
    for text in ("first", "second", "third"):
        world.meanwhile(record, company=text)

    ours = patch(record, ANN, company="ACME")
    assert isinstance(await world.hubspot.send(ours), RetryAfter)

    assert await world.hubspot.send(ours) == moved(record, "company")
    assert await world.values(record) == ANN | {"company": "third"}


async def test_of_several_edits_each_is_put_back_or_told_by_itself(world: World) -> None:
    record = await world.add(**ANN)
    world.meanwhile(record, company="first", phone="2")
    world.meanwhile(record, company="second")
    ours = patch(record, ANN, company="ACME", phone="1")

    assert isinstance(await world.hubspot.send(ours), RetryAfter)
    assert await world.hubspot.send(ours) == moved(record, "company, phone")
    assert await world.values(record) == ANN | {"company": "second", "phone": "2"}


async def test_where_one_of_several_was_changed_again_the_other_is_put_back_all_the_same(world: World) -> None:
    record = await world.add(**ANN)
    world.meanwhile(record, company="first", phone="2")
    world.network.cut = True
    ours = patch(record, ANN, company="ACME", phone="1")
    assert isinstance(await world.hubspot.send(ours), Unknown)
    await world.edit(record, company="second")

    assert await world.hubspot.find(ours) is None
    assert await world.hubspot.send(ours) == moved(record, "company, phone", "company", company="first")
    assert await world.values(record) == ANN | {"company": "second", "phone": "2"}


async def test_an_account_that_changes_a_value_at_every_write_is_left_alone_in_the_end(world: World) -> None:
    record = await world.add(**ANN)
    for number in range(20):
        world.meanwhile(record, company=f"robot {number}")

    outcome = await world.hubspot.send(patch(record, ANN, company="ACME"))

    assert outcome == moved(record, "company", company="robot 4")
    assert len(world.network.edits) == 15


async def test_what_was_overwritten_by_a_sender_that_died_is_put_back_when_it_is_sent_again(world: World) -> None:
    record = await world.add(**ANN)
    ours = patch(record, ANN, company="ACME", phone="1")
    world.meanwhile(record, company="Acme Ltd")
    world.network.cut = True

    assert isinstance(await world.hubspot.send(ours), Unknown)
    assert await world.hubspot.find(ours) is None
    assert await world.hubspot.send(ours) == moved(record, "company", "phone")

    assert await world.values(record) == ANN | {"company": "Acme Ltd", "phone": "1"}


async def test_a_later_edit_of_what_was_overwritten_is_not_touched_and_both_are_told(world: World) -> None:
    record = await world.add(**ANN)
    ours = patch(record, ANN, company="ACME")
    world.meanwhile(record, company="Acme Ltd")
    world.network.cut = True
    await world.hubspot.send(ours)
    await world.edit(record, company="Acme & Sons")

    told = moved(record, "company", "company", company="Acme Ltd")
    assert await world.hubspot.find(ours) == told
    assert await world.hubspot.send(ours) == told

    assert await world.values(record) == ANN | {"company": "Acme & Sons"}


async def test_a_patch_that_cannot_be_read_again_is_unknown_until_it_is_found(
    respx_mock: respx.MockRouter,
) -> None:
    hubspot = KEPT["hubspot"].system.open(
        VARIABLES | {"INTERLOCK_HUBSPOT_TIME_ZONE": "UTC", "INTERLOCK_CONNECTOR_TIMEOUT_S": "9"}
    )
    read = httpx.Response(200, json={"results": [stored("8", company="Acme")]})
    respx_mock.post(f"{CONTACTS}/batch/read").mock(side_effect=[read, httpx.Response(502)])
    respx_mock.patch(f"{CONTACTS}/8").respond(json=stored("8", company="ACME"))

    outcome = await hubspot.send(patch("8", {"company": "Acme"}, company="ACME"))
    await hubspot.aclose()

    assert outcome == Unknown(detail="HubSpot: record 8 was written and could not be read again")


async def test_a_stage_that_hubspot_does_not_take_back_is_told_as_it_is(world: World) -> None:
    record = await world.add(email="ann@example.com", lifecyclestage="customer")

    outcome = await world.hubspot.send(patch(record, {"lifecyclestage": "customer"}, lifecyclestage="lead"))

    assert outcome == Written(kind="updated", external_id=record, values={"lifecyclestage": "customer"})


async def test_a_property_that_the_account_does_not_have_is_left_out_and_refused(world: World) -> None:
    record = await world.add(email="ann@example.com")
    (await world.server.post("/_settings", json={"undefined": ["phone"]})).raise_for_status()

    outcome = await world.hubspot.send(patch(record, {"phone": ""}, phone="1"))

    assert isinstance(outcome, Invalid)
    assert '"phone" does not exist' in outcome.detail
    assert await world.values(record) == {"email": "ann@example.com", "company": ""}


async def test_a_merged_record_is_its_survivor_for_readers_and_writers(world: World) -> None:
    survivor, other = await world.add(email="ann@example.com"), await world.add(email="a.lee@example.com", phone="1")
    merge = {"primaryObjectId": survivor, "objectIdToMerge": other}
    (await world.server.post("/crm/objects/2026-09/contacts/merge", json=merge)).raise_for_status()

    records = await world.kept.read([other, survivor])
    outcome = await world.hubspot.send(patch(other, {"phone": "1"}, phone="2"))

    assert {record and record.external_id for record in records.values()} == {survivor}
    assert outcome == Written(kind="updated", external_id=survivor, values={"phone": "2"})
    assert [one.external_id for one in (await world.kept.page("", 10)).records] == [survivor]
    again = await world.server.post("/crm/objects/2026-09/contacts/merge", json=merge)
    assert again.status_code == 404


async def test_an_archived_record_is_gone_for_readers_and_writers(world: World) -> None:
    record, other = await world.add(email="ann@example.com"), await world.add(email="bo@example.com")
    for _ in ("once", "again"):
        (await world.server.delete(f"/crm/objects/2026-09/contacts/{record}")).raise_for_status()
    world.now = NOON.replace(hour=13)

    outcome = await world.hubspot.send(patch(record, ANN, phone="2"))

    assert await world.kept.read([record]) == {record: None}
    assert isinstance(outcome, Invalid)
    assert outcome.gone
    assert [one.external_id for one in (await world.kept.page("", 10)).records] == [other]
    assert (await world.kept.changed("", 10)).external_ids == (other,)
    assert await world.add(email="ann@example.com") not in (record, other)


async def test_several_changes_of_a_record_are_told_as_one_record(world: World) -> None:
    record = await world.add(**ANN)
    world.now = NOON.replace(hour=13)

    first = await world.kept.changed("", 10)
    again = await world.kept.changed(first.cursor, 10)

    assert first.external_ids == (record,)
    assert again == Changed((), again.cursor)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (httpx.Response(409, json={"message": "Existing ID: 9", "category": "CONFLICT"}), Ambiguous),
        (httpx.Response(400, json={"message": "bad", "category": "VALIDATION_ERROR"}), Invalid),
        (httpx.Response(429, json={"policyName": "DAILY"}), RetryAfter),
        (httpx.Response(502), Unknown),
    ],
    ids=["a taken address", "refused", "limit", "broken"],
)
async def test_what_hubspot_says_to_a_patch(
    respx_mock: respx.MockRouter, answer: httpx.Response, expected: type[object]
) -> None:
    hubspot = KEPT["hubspot"].system.open(
        VARIABLES | {"INTERLOCK_HUBSPOT_TIME_ZONE": "UTC", "INTERLOCK_CONNECTOR_TIMEOUT_S": "9"}
    )
    respx_mock.post(f"{CONTACTS}/batch/read").respond(json={"results": [stored("8", company="Acme", phone="1")]})
    sent = respx_mock.patch(f"{CONTACTS}/8").mock(side_effect=[answer])

    outcome = await hubspot.send(patch("8", {"company": "Acme"}, company="Acme Ltd", phone="1"))
    await hubspot.aclose()

    assert isinstance(outcome, expected)
    assert json.loads(sent.calls.last.request.content)["properties"] == {
        "company": "Acme Ltd",
        "interlock_id": "ann",
        "interlock_operation": "op-1",
    }
