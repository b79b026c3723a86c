"""The Request Tracker connector against a real Request Tracker 5.

INTERLOCK_TEST_RT names one, as `http://TOKEN@HOST:PORT`, seeded by `.ci/request_tracker/seed.pl`. Without
it, one is started where the package is installed.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from connectors.contract import (
    DestinationContract,
    Key,
    NetworkSubject,
    SearchableContract,
    Stored,
    UpsertContract,
    VersionedContract,
    deliver,
)
from connectors.help_desk.request_tracker import RequestTracker
from connectors.help_desk.request_tracker_changes import RequestTrackerChanges
from connectors.ports import Arrival
from connectors.sandbox.proxy import CutAnswer, CutRequest, Meanwhile, Proxy, WireFault
from domain.delivery import Ambiguous, Conflict, Hindrance, Invalid, Operation, RetryAfter, Written
from domain.echo import is_echo
from domain.errors import BadRequest

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]

PATIENT_S = 60
Json = dict[str, Any]


def operation(record_key: str = "", options: dict[str, str] | None = None, **values: str) -> Operation:
    """An operation that was never there before, in queue Support."""
    new = uuid4().hex[:24]
    return Operation(
        operation_id=f"op-{new}",
        item_id="item-1",
        policy="support",
        destination="help_desk",
        system="request_tracker",
        record_key=record_key or f"record-{new}",
        values={"queue": "Support", "subject": "Refund"} | values,
        options=options or {},
    )


async def tickets(server: httpx.AsyncClient, field: str, value: str) -> list[Json]:
    """Whole tickets whose custom field is `value`."""
    literal = value.replace("\\", "\\\\").replace("'", "\\'")
    found = (await server.get("/tickets", params={"query": f"'CF.{{{field}}}' = '{literal}'"})).json()["items"]
    return [(await server.get(f"/ticket/{ticket['id']}")).json() for ticket in found]


async def contents(server: httpx.AsyncClient, ticket_id: object) -> list[str]:
    answer = await server.get(f"/ticket/{ticket_id}/attachments", params={"fields": "Content"})
    return [item["Content"] for item in answer.json()["items"]]


def fields(ticket: Json) -> dict[str, list[str]]:
    return {field["name"]: field["values"] for field in ticket["CustomFields"]}


async def test_a_ticket_is_created_once_with_everything_it_was_given(
    tracker: RequestTracker, server: httpx.AsyncClient
) -> None:
    wanted = operation(
        subject="Grüße, it's “urgent” 🚲",
        content="Charged twice.\n\nAnn's order <A-7> \\ & more",
        requestor="ann@example.com",
        cc="bob@example.com, eve@example.com",
        status="open",
        priority="7",
        owner="interlock",
        category="invoice",
        order_number="A-7",
    )

    first, again = await tracker.send(wanted), await tracker.send(wanted)

    [ticket] = await tickets(server, "RecordKey", wanted.record_key)
    told = {name: text for name, text in wanted.values.items() if name not in ("queue", "content", "requestor", "cc")}
    assert first == Written(kind="created", external_id=str(ticket["id"]), values=told)
    assert again == Written(kind="unchanged", external_id=str(ticket["id"]))
    assert (ticket["Subject"], ticket["Status"], ticket["Priority"]) == (wanted.values["subject"], "open", "7")
    assert ticket["Owner"]["id"] == "interlock"
    assert [who["id"] for who in ticket["Requestor"]] == ["ann@example.com"]
    assert {who["id"] for who in ticket["Cc"]} == {"bob@example.com", "eve@example.com"}
    assert fields(ticket) == {
        "RecordKey": [wanted.record_key],
        "OperationId": [wanted.operation_id],
        "Category": ["invoice"],
        "Order Number": ["A-7"],
        "Topics": [],
    }
    assert await contents(server, ticket["id"]) == [wanted.values["content"]]


async def test_it_is_looked_up_by_the_operations_id(tracker: RequestTracker) -> None:
    wanted, never_sent = operation(), operation()
    sent = await tracker.send(wanted)

    found, nothing = await tracker.find(wanted), await tracker.find(never_sent)

    assert isinstance(sent, Written)
    assert isinstance(found, Written)
    assert (found.external_id, found.found, nothing) == (sent.external_id, True, None)


async def test_a_later_operation_updates_the_ticket_and_adds_its_content_once(
    tracker: RequestTracker, server: httpx.AsyncClient
) -> None:
    first = operation(content="first")
    await tracker.send(first)
    second = operation(first.record_key, queue="Billing", subject="Refund, please", status="stalled", content="second")

    updated, again = await tracker.send(second), await tracker.send(second)

    [ticket] = await tickets(server, "RecordKey", first.record_key)
    assert updated == Written(kind="updated", external_id=str(ticket["id"]))
    assert again == Written(kind="unchanged", external_id=str(ticket["id"]))
    assert (ticket["Subject"], ticket["Status"]) == ("Refund, please", "stalled")
    assert (await server.get(f"/queue/{ticket['Queue']['id']}")).json()["Name"] == "Billing"
    assert await contents(server, ticket["id"]) == ["first", "second"]
    found = await tracker.find(second)
    assert isinstance(found, Written)  # whether created or updated, RT's seconds do not tell
    assert (found.external_id, found.found) == (str(ticket["id"]), True)


@pytest.mark.parametrize(("update_as", "kind"), [("comment", "Comment"), ("reply", "Correspond")])
async def test_the_policy_says_whether_the_requestor_reads_what_is_added(
    tracker: RequestTracker, server: httpx.AsyncClient, update_as: str, kind: str
) -> None:
    first = operation()
    await tracker.send(first)

    sent = await tracker.send(operation(first.record_key, {"update_as": update_as}, content="more"))

    assert isinstance(sent, Written)
    history = await server.get(f"/ticket/{sent.external_id}/history", params={"fields": "Type", "per_page": "100"})
    assert kind in [item["Type"] for item in history.json()["items"]]


async def test_an_update_over_a_stale_etag_is_a_conflict_and_overwrites_nothing(
    url: str, token: str, server: httpx.AsyncClient
) -> None:
    async def edit() -> None:
        [ticket] = await tickets(server, "RecordKey", first.record_key)
        (await server.put(f"/ticket/{ticket['id']}", json={"Subject": "an agent's"})).raise_for_status()

    async with Proxy(url) as proxy:
        tracker = RequestTracker(proxy.url, token, PATIENT_S)
        first = operation()
        await tracker.send(first)
        second = operation(first.record_key, subject="ours")
        proxy.next(Meanwhile(edit), where=lambda method, _: method == "PUT")
        outcome = await tracker.send(second)
        [between] = await tickets(server, "RecordKey", first.record_key)
        again = await tracker.send(second)
        await tracker.aclose()

    [ticket] = await tickets(server, "RecordKey", first.record_key)
    assert isinstance(outcome, Conflict)
    assert between["Subject"] == "an agent's"
    assert isinstance(again, Written)
    assert ticket["Subject"] == "ours"


REFUSED: dict[str, tuple[dict[str, str], dict[str, str], str]] = {
    "unknown custom field": ({"colour": "red"}, {}, "queue 'Support' has no custom field 'colour'"),
    "custom field of another queue": ({"queue": "Billing", "order_number": "7"}, {}, "no custom field 'order_number'"),
    "no such field for the id": ({}, {"operation_field": "Nowhere"}, "no custom field 'Nowhere'"),
    "one field for two things": ({}, {"operation_field": "RecordKey"}, "are the same custom field"),
    "a choice that there is not": ({"category": "gossip"}, {}, "'Category' does not take 'gossip'; it takes bug"),
    "queue that does not exist": ({"queue": "Nowhere"}, {}, "asking for queue 'Nowhere'"),
    "no queue": ({"queue": ""}, {}, "give the value queue"),
    "no address": ({"requestor": "not an address"}, {}, "'not an address' is no e-mail address"),
    "subject too long": ({"subject": "é" * 101}, {}, "longer than 200 bytes"),
    "status that there is not": ({"status": "asleep"}, {}, "asleep"),
    "two lines": ({"subject": "two\nlines"}, {}, "subject has line breaks"),
    "a field in blanks": ({"order_number": " 7 "}, {}, "'Order Number' would lose blanks"),
    "no text": ({"content": "a\x00b"}, {}, "content has a character that is no text"),
    "field name that cannot be searched": ({}, {"key_field": "a}b"}, "cannot be searched for"),
    "unknown way to update": ({}, {"update_as": "shout"}, "use comment or reply"),
}


@pytest.mark.parametrize(("values", "options", "says"), REFUSED.values(), ids=REFUSED)
async def test_what_request_tracker_would_skip_or_change_is_invalid_and_makes_no_ticket(
    tracker: RequestTracker,
    server: httpx.AsyncClient,
    values: dict[str, str],
    options: dict[str, str],
    says: str,
) -> None:
    wanted = operation("", options, **values)

    outcome = await tracker.send(wanted)

    assert isinstance(outcome, Invalid)
    assert says in outcome.detail
    assert await tickets(server, "RecordKey", wanted.record_key) == []


async def test_what_it_did_not_save_is_named(tracker: RequestTracker, server: httpx.AsyncClient) -> None:
    """It answers 201 all the same."""
    wanted = operation(owner="nobody-of-that-name")

    outcome = await tracker.send(wanted)

    [ticket] = await tickets(server, "RecordKey", wanted.record_key)
    took = f"ticket {ticket['id']} was written, but did not take Owner 'nobody-of-that-name'"
    assert outcome == Invalid(detail=f"Request Tracker: {took}; set that there, and try again")
    assert await tracker.find(wanted) == outcome  # as after a lost answer


async def test_a_person_who_sets_what_was_not_saved_ends_the_matter(
    tracker: RequestTracker, server: httpx.AsyncClient
) -> None:
    wanted = operation(owner="nobody-of-that-name", content="Charged twice", cc="bob@example.com")
    await tracker.send(wanted)
    [ticket] = await tickets(server, "RecordKey", wanted.record_key)
    mended = wanted.model_copy(update={"values": wanted.values | {"owner": "interlock"}})

    (await server.put(f"/ticket/{ticket['id']}", json={"Owner": "interlock"})).raise_for_status()

    found, sent_again = await tracker.find(mended), await tracker.send(mended)
    assert isinstance(found, Written)  # whether created or updated, RT's seconds do not tell
    assert (found.external_id, found.found) == (str(ticket["id"]), True)
    assert sent_again == Written(kind="unchanged", external_id=str(ticket["id"]))


async def test_a_wrong_token_names_its_variable_and_says_nothing_of_the_write(url: str) -> None:
    stranger = RequestTracker(url, "1-23-wrong", PATIENT_S)

    sent, found, like = (
        await stranger.send(operation()),
        await stranger.find(operation()),
        await stranger.candidates(operation()),
    )
    await stranger.aclose()

    for outcome in (sent, found, like):
        assert isinstance(outcome, RetryAfter)
        assert outcome.hindrance is Hindrance.KEY
        assert "INTERLOCK_RT_TOKEN" in outcome.detail
        assert "1-23-wrong" not in outcome.detail


async def test_two_tickets_under_one_key_are_ambiguous(tracker: RequestTracker, server: httpx.AsyncClient) -> None:
    wanted = operation()
    twin = {"Queue": "Support", "Subject": "x", "CustomFields": {"RecordKey": wanted.record_key}}
    for _ in range(2):
        (await server.post("/ticket", json=twin)).raise_for_status()

    outcome = await tracker.send(wanted)

    assert isinstance(outcome, Ambiguous)
    assert wanted.record_key in outcome.detail


async def test_a_write_by_id_leaves_our_key_on_a_ticket_that_staff_made(
    tracker: RequestTracker, server: httpx.AsyncClient
) -> None:
    theirs = str((await server.post("/ticket", json={"Queue": "Support", "Subject": "by phone"})).json()["id"])
    known = operation(subject="by phone", category="bug").model_copy(update={"external_id": theirs})

    outcomes = [await tracker.send(known), await tracker.send(known)]
    later = await tracker.send(operation(known.record_key, subject="by phone, and urgent"))

    assert outcomes == [Written(kind=kind, external_id=theirs) for kind in ("updated", "unchanged")]
    assert later == Written(kind="updated", external_id=theirs)
    [ours] = await tracker.candidates(known)  # type: ignore[misc]
    assert (ours.external_id, ours.ours) == (theirs, True)


async def test_like_tickets_are_those_of_the_requestor_or_with_the_subject(tracker: RequestTracker) -> None:
    mark = uuid4().hex
    address, subject = f"{mark}@example.com", f"it's {mark}"
    sent = [
        await tracker.send(operation(requestor=address, subject="one")),
        await tracker.send(operation(subject=subject)),
    ]

    found = await tracker.candidates(operation(requestor=address, subject=subject))

    assert isinstance(found, list)
    assert {one.external_id for one in found} == {one.external_id for one in sent if isinstance(one, Written)}
    assert {one.values["subject"] for one in found} == {"one", subject}
    assert {one.values.get("requestor") for one in found} == {address, None}


async def test_changes_come_in_their_order_each_once(url: str, token: str, server: httpx.AsyncClient) -> None:
    """Whatever zone the server reads times in: this one is seeded with Europe/Berlin."""
    changes = RequestTrackerChanges(url, token, PATIENT_S)
    before = await _drained(changes, "")
    made = []
    for number in range(3):
        new = {"Queue": "Support", "Subject": f"number {number}", "CustomFields": {"Order Number": "A-7"}}
        made.append((await server.post("/ticket", json=new)).json()["id"])
    (await server.put(f"/ticket/{made[0]}", json={"Subject": "number 0 again"})).raise_for_status()

    seen, cursor = [], before
    while len(seen) < 3:  # what is younger than two seconds is held back, of other tests' tickets too
        fetched = await changes.fetch(cursor, 1)
        assert len(fetched.arrivals) <= 1
        seen += [one for one in fetched.arrivals if isinstance(one, Arrival) and one.fields["ticket_id"] in made]
        cursor = fetched.cursor
    later = await changes.fetch(cursor, 10)  # perhaps another test's
    await changes.aclose()

    subjects = {one.fields["ticket_id"]: one.fields["subject"] for one in seen}
    assert subjects == dict(zip(made, ["number 0 again", "number 1", "number 2"], strict=True))
    assert seen == sorted(seen, key=lambda one: (one.received_at, int(one.fields["ticket_id"])))
    assert {(one.source, one.fields["order_number"], one.fields["queue"]) for one in seen} == {
        ("request_tracker", "A-7", "Support")
    }
    assert len({one.external_id for one in seen}) == 3
    assert not {one.external_id for one in later.arrivals if isinstance(one, Arrival)} & {
        one.external_id for one in seen
    }


async def test_a_ticket_that_we_wrote_tells_so_when_it_comes_back_and_other_queues_are_left_out(
    url: str, token: str, tracker: RequestTracker, server: httpx.AsyncClient
) -> None:
    """By a process that begins anew with the cursor of the one before."""
    begun = RequestTrackerChanges(
        url, token, PATIENT_S, queue="Support", since=datetime.now(UTC) - timedelta(minutes=1)
    )
    before = await _drained(begun, "")
    await begun.aclose()
    wanted = operation(subject="ours")
    await tracker.send(wanted)
    elsewhere = {"Queue": "General", "Subject": "in another queue"}
    (await server.post("/ticket", json=elsewhere)).raise_for_status()

    restarted = RequestTrackerChanges(url, token, PATIENT_S, queue="Support")
    seen: list[Arrival] = []
    for _ in range(60):  # what is younger than two seconds is held back
        if any(one.operation_id == wanted.operation_id for one in seen):
            break
        fetched = await restarted.fetch(before, 10)
        before = fetched.cursor
        seen += [one for one in fetched.arrivals if isinstance(one, Arrival)]
    await restarted.aclose()

    [ours] = [one for one in seen if one.operation_id == wanted.operation_id]
    assert is_echo(wanted.values, ours.external_id, ours.fields, told=())
    assert {one.fields["queue"] for one in seen} == {"Support"}


async def test_changes_with_a_wrong_token_are_refused(url: str) -> None:
    changes = RequestTrackerChanges(url, "1-23-wrong", PATIENT_S)

    with pytest.raises(BadRequest, match="INTERLOCK_RT_TOKEN"):
        await changes.fetch("", 1)
    await changes.aclose()


async def _drained(changes: RequestTrackerChanges, cursor: str) -> str:
    while True:
        fetched = await changes.fetch(cursor, 100)
        cursor = fetched.cursor
        if not fetched.more:
            return cursor


class TestRequestTracker(DestinationContract, UpsertContract, VersionedContract, SearchableContract):
    """Not the network's part, which takes a thousand requests: its worst cases are below."""

    @pytest.fixture
    async def subject(self, url: str, token: str, server: httpx.AsyncClient) -> AsyncIterator[NetworkSubject]:
        async with Proxy(url) as proxy:
            destination = RequestTracker(proxy.url, token, PATIENT_S)
            yield contract_subject(destination, proxy, server, token)
            await destination.aclose()


CUTS: dict[str, WireFault] = {
    "cut before it arrived whole": CutRequest(after=300),
    "cut after it arrived": CutRequest(after=100_000),
    "answer cut in the middle": CutAnswer(after=60),
}


@pytest.mark.parametrize("fault", CUTS.values(), ids=CUTS)
@pytest.mark.parametrize("path", ["/REST/2.0/ticket", "/comment"], ids=["creating", "adding content"])
async def test_a_write_that_is_cut_off_ends_with_one_effect(
    url: str, token: str, server: httpx.AsyncClient, path: str, fault: WireFault
) -> None:
    async with Proxy(url) as proxy:
        tracker = RequestTracker(proxy.url, token, PATIENT_S)
        subject = contract_subject(tracker, proxy, server, token)
        wanted = operation(category="bug", content="first")
        if path == "/comment":
            await tracker.send(wanted)
            wanted = subject.after(wanted, content="second")
        rule = proxy.next(fault, where=lambda method, asked: method == "POST" and asked.endswith(path))
        outcome = await deliver(subject, wanted)
        await tracker.aclose()

    [ticket] = await tickets(server, "RecordKey", wanted.record_key)
    assert rule.struck == 1
    assert isinstance(outcome, Written)
    assert await contents(server, ticket["id"]) == (["first", "second"] if path == "/comment" else ["first"])


def contract_subject(
    destination: RequestTracker, proxy: Proxy, server: httpx.AsyncClient, token: str
) -> NetworkSubject:
    async def stored(operation: Operation) -> Sequence[Stored]:
        return [
            Stored({"queue": "Support", "subject": ticket["Subject"], "category": "".join(fields(ticket)["Category"])})
            for ticket in await tickets(server, "OperationId", operation.operation_id)
        ]

    async def edit(operation: Operation, text: str) -> None:
        [ticket] = await tickets(server, "RecordKey", operation.record_key)
        (await server.put(f"/ticket/{ticket['id']}", json={"Subject": text})).raise_for_status()

    return NetworkSubject(
        destination=destination,
        proxy=proxy,
        fresh=lambda: operation(category="bug"),
        stored=stored,
        text="subject",
        refused=("category", "gossip"),
        skipped=("owner", "nobody-of-that-name"),
        edit=edit,
        key=Key("INTERLOCK_RT_TOKEN", token),
    )
