"""Tickets that are kept in step, on a real Request Tracker 5; see `test_request_tracker.py` for which one."""

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest

from connectors.contract import KeptContract, KeptSubject
from connectors.help_desk.request_tracker import RequestTracker
from connectors.kept import Kept
from connectors.registry import KEPT, open_kept
from connectors.sandbox.proxy import CutAnswer, Meanwhile, Proxy
from domain.delivery import Conflict, DeliveryOutcome, Invalid, Operation, RetryAfter, Unknown, Written

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]

PATIENT_S = 60
FIELDS = ("queue", "subject", "status", "priority", "owner", "requestor", "category", "order_number", "topics", "fax")
HELD_BACK = timedelta(seconds=3)
Json = dict[str, Any]


@pytest.fixture
async def kept(url: str, token: str, server: httpx.AsyncClient) -> AsyncIterator[Kept]:
    begun = (await clock(server) - timedelta(seconds=1)).isoformat()
    variables = {"INTERLOCK_RT_URL": url, "INTERLOCK_RT_TOKEN": token, "INTERLOCK_CONNECTOR_TIMEOUT_S": str(PATIENT_S)}
    connector = open_kept("request_tracker", {"queue": "Support", "since": begun}, FIELDS, variables)
    yield connector
    await connector.aclose()


async def clock(server: httpx.AsyncClient) -> datetime:
    return parsedate_to_datetime((await server.get("/rt")).headers["date"])


def operation(**values: str) -> Operation:
    new = uuid4().hex[:24]
    spec = KEPT["request_tracker"]
    return Operation(
        operation_id=f"op-{new}",
        item_id="item-1",
        policy="support",
        destination="help_desk",
        system="request_tracker",
        record_key=f"record-{new}",
        values=values or {"queue": "Support", "subject": "Refund", "order_number": "A-7"},
        options=spec.destination_options(spec.chosen({})),
    )


def patch(ticket: object, expected: Mapping[str, str], **values: str) -> Operation:
    return operation(**values).model_copy(update={"external_id": str(ticket), "expected": dict(expected)})


async def new_ticket(server: httpx.AsyncClient, **more: object) -> str:
    made = await server.post("/ticket", json={"Queue": "Support", "Subject": "by phone", **more})
    return str(made.json()["id"])


async def values_of(kept: Kept, ticket: str) -> dict[str, str]:
    record = (await kept.read([ticket]))[ticket]
    assert record is not None
    return record.values


@pytest.fixture
async def subject(server: httpx.AsyncClient, tracker: RequestTracker, kept: Kept) -> KeptSubject:
    async def edit(ticket: str, values: Mapping[str, str]) -> None:
        change = {"Subject": values["subject"]}
        (await server.put(f"/ticket/{ticket}", json=change)).raise_for_status()

    async def delete(ticket: str) -> None:
        told = await server.put(f"/ticket/{ticket}", json={"Status": "deleted"})
        assert "deleted" in told.text

    async def merge(survivor: str, other: str) -> None:
        told = await server.put(f"/ticket/{other}", json={"MergeInto": survivor})
        assert "Merge Successful" in told.text

    async def settles() -> None:
        until = await clock(server) + HELD_BACK
        for _ in range(60):
            if await clock(server) >= until:
                return
            await asyncio.sleep(0.2)

    return KeptSubject(
        kept=kept,
        destination=tracker,
        fresh=operation,
        text="subject",
        filled="order_number",
        absent="fax",
        edit=edit,
        delete=delete,
        merge=merge,
        settles=settles,
        after=await new_ticket(server),
    )


class TestTickets(KeptContract):
    """RT refuses a stale version, but looks at it without a lock."""


async def send_until_told(tracker: RequestTracker, one: Operation) -> DeliveryOutcome:
    """As the outbox does: what met another write while it was put back is sent again."""
    outcome = await tracker.send(one)
    for _ in range(5):
        if not isinstance(outcome, RetryAfter):
            break
        outcome = await tracker.send(one)
    return outcome


async def test_of_two_writers_at_once_each_is_told_what_is_so_or_to_decide_again(
    server: httpx.AsyncClient, tracker: RequestTracker, kept: Kept
) -> None:
    for _ in range(5):
        ticket = await new_ticket(server)
        patches = [patch(ticket, {"subject": "by phone"}, subject=f"writer {number}") for number in range(2)]

        outcomes = await asyncio.gather(*[send_until_told(tracker, one) for one in patches])

        told = [isinstance(one, Written) or (isinstance(one, Conflict) and one.moved) for one in outcomes]
        assert all(told), outcomes
        assert (await values_of(kept, ticket))["subject"] in ("writer 0", "writer 1")


async def test_a_patch_sets_and_clears_what_it_is_given_and_no_more(
    server: httpx.AsyncClient, tracker: RequestTracker, kept: Kept
) -> None:
    ticket = await new_ticket(
        server, Requestor=["ann@example.com"], CustomFields={"Category": "bug", "Topics": ["a", "b"]}, Priority=7
    )
    before = await values_of(kept, ticket)
    wanted = {
        "subject": "",
        "status": "open",
        "priority": "",
        "owner": "interlock",
        "requestor": "bo@example.com, eve@example.com",
        "category": "",
        "order_number": "B-8",
        "topics": "b, c",
    }

    outcome = await tracker.send(patch(ticket, before, **wanted))

    after = await values_of(kept, ticket)
    assert before["topics"] in ("a, b", "b, a")
    assert isinstance(outcome, Written)
    assert outcome.values == {name: text for name, text in after.items() if name != "queue"}
    assert after == wanted | {"queue": "Support", "priority": "0", "topics": after["topics"]}
    assert set(after["topics"].split(", ")) == {"b", "c"}
    blank = dict.fromkeys(("owner", "requestor", "topics"), "")
    cleared = await tracker.send(patch(ticket, after, **blank))
    assert cleared == Written(kind="updated", external_id=ticket, values=blank)


async def test_a_patch_may_move_a_ticket_whose_fields_are_then_those_of_the_other_queue(
    server: httpx.AsyncClient, tracker: RequestTracker, kept: Kept
) -> None:
    ticket = await new_ticket(server)

    outcome = await tracker.send(patch(ticket, {"queue": "Support"}, queue="Billing", category="invoice"))

    assert outcome == Written(kind="updated", external_id=ticket, values={"queue": "Billing", "category": "invoice"})
    assert "order_number" not in await values_of(kept, ticket)


REFUSED = {
    "a custom field that there is not": ({"fax": "1"}, "has no custom field 'fax'"),
    "a choice that there is not": ({"category": "gossip"}, "does not take 'gossip'"),
    "a text to be added": ({"content": "more"}, "content is no part of a patch"),
    "no status": ({"status": ""}, "status cannot be blank"),
    "a field in blanks": ({"order_number": " 7 "}, "would lose blanks"),
    "no address": ({"requestor": "ann"}, "'ann' is no e-mail address"),
    "a status that there is not": ({"status": "asleep"}, "did not take status"),
    "an owner that there is not": ({"owner": "nobody-of-that-name"}, "did not take owner"),
}


@pytest.mark.parametrize(("values", "says"), REFUSED.values(), ids=REFUSED)
async def test_what_request_tracker_does_not_take_of_a_patch_is_named(
    server: httpx.AsyncClient, tracker: RequestTracker, values: dict[str, str], says: str
) -> None:
    ticket = await new_ticket(server)

    outcome = await tracker.send(patch(ticket, {}, **values))

    assert isinstance(outcome, Invalid)
    assert says in outcome.detail


async def test_a_change_between_our_reading_and_our_writing_has_moved_the_record(
    url: str, token: str, server: httpx.AsyncClient, kept: Kept
) -> None:
    ticket = await new_ticket(server)

    async def edit() -> None:
        (await server.put(f"/ticket/{ticket}", json={"Subject": "an agent's"})).raise_for_status()

    for method, path in (("PUT", ""), ("GET", "/tickets")):
        async with Proxy(url) as proxy:
            tracker = RequestTracker(proxy.url, token, PATIENT_S)
            expected = await values_of(kept, ticket)
            proxy.next(Meanwhile(edit), where=lambda seen, where, m=method, p=path: seen == m and p in where)  # type: ignore[misc]
            outcome = await tracker.send(patch(ticket, {"status": expected["status"]}, subject=f"ours {method}"))
            await tracker.aclose()

        assert isinstance(outcome, Conflict)
        assert outcome.moved
        assert (await values_of(kept, ticket))["subject"] == "an agent's"
        await server.put(f"/ticket/{ticket}", json={"Subject": "something else"})


async def test_a_change_that_falls_into_our_write_is_never_lost(
    url: str, token: str, server: httpx.AsyncClient, kept: Kept
) -> None:
    """RT looks at the version and writes without a lock: of edits that begin with our write, many fall between."""
    dice = random.Random(7)  # noqa: S311  a draw to be repeated, not a secret
    for number in range(12):
        ticket, edits = await new_ticket(server), list[asyncio.Task[None]]()

        async def edit(ticket: str = ticket, number: int = number, after_s: float = dice.random() * 0.1) -> None:
            await asyncio.sleep(after_s)
            (await server.put(f"/ticket/{ticket}", json={"Subject": f"theirs {number}"})).raise_for_status()

        async def begin(edits: list[asyncio.Task[None]] = edits) -> None:
            edits.append(asyncio.create_task(edit()))

        async with Proxy(url) as proxy:
            tracker = RequestTracker(proxy.url, token, PATIENT_S)
            proxy.next(Meanwhile(begin), where=lambda method, _: method == "PUT")
            outcome = await tracker.send(patch(ticket, {"subject": "by phone"}, subject=f"ours {number}"))
            await asyncio.gather(*edits)
            await tracker.aclose()

        assert (await values_of(kept, ticket))["subject"] == f"theirs {number}", outcome


async def test_a_patch_whose_answer_is_lost_is_found_unless_somebody_changed_it_since(
    url: str, token: str, server: httpx.AsyncClient
) -> None:
    ticket = await new_ticket(server)
    ours = patch(ticket, {"subject": "by phone"}, subject="ours")
    async with Proxy(url) as proxy:
        tracker = RequestTracker(proxy.url, token, PATIENT_S)
        proxy.next(CutAnswer(0), where=lambda method, _: method == "PUT")
        outcome = await tracker.send(ours)
        found = await tracker.find(ours)
        (await server.put(f"/ticket/{ticket}", json={"Subject": "theirs"})).raise_for_status()
        since = await tracker.find(ours)
        await tracker.aclose()

    assert isinstance(outcome, Unknown)
    assert found == Written(kind="updated", external_id=ticket, found=True)
    assert isinstance(since, Conflict)
    assert (since.moved, since.wrote) == (True, ("subject",))


async def test_a_patch_to_a_merged_ticket_goes_to_its_survivor(
    server: httpx.AsyncClient, tracker: RequestTracker, kept: Kept
) -> None:
    survivor, other = await new_ticket(server), await new_ticket(server)
    await server.put(f"/ticket/{other}", json={"MergeInto": survivor})

    outcome = await tracker.send(patch(other, {"subject": "by phone"}, subject="one of two"))

    assert outcome == Written(kind="updated", external_id=survivor, values={"subject": "one of two"})
    assert (await values_of(kept, other))["subject"] == "one of two"


async def test_a_ticket_tells_who_changed_it_last(server: httpx.AsyncClient, kept: Kept) -> None:
    ticket = await new_ticket(server)

    record = (await kept.read([ticket]))[ticket]

    assert record is not None
    assert record.changed_by == "interlock"
    assert record.operation_id == ""
