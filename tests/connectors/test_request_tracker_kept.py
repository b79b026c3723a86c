"""Tickets that are kept in step: each answer that a reading or a patch can get.

What a real one does is in `tests/real/test_request_tracker_kept.py`.
"""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import respx

from connectors.help_desk.request_tracker import RequestTracker
from connectors.kept import Kept, Page, Record
from connectors.registry import KEPT, open_kept
from domain.delivery import Conflict, Invalid, Operation, RetryAfter, Unknown, Written
from domain.errors import BadRequest, Permanent, Retryable, Throttled, Unavailable

URL = "https://rt.test"
REST = f"{URL}/REST/2.0"
TOKEN = "1-14-s3cret"
FIELDS = ("queue", "subject", "status", "priority", "owner", "requestor", "cc", "order_number", "topics", "fax")
VARIABLES = {"INTERLOCK_RT_URL": URL, "INTERLOCK_RT_TOKEN": TOKEN}
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
Json = dict[str, Any]
NAMES = {"1": "RecordKey", "2": "OperationId", "3": "Order Number", "4": "Topics", "5": "Category"}


def ticket(mark: str = "", number: int = 7, custom: Json | None = None, **changed: object) -> Json:
    held = {"RecordKey": ["r-1"], "OperationId": [mark] if mark else [], "Order Number": [], "Topics": []}
    stored = {
        "id": number,
        "Subject": "Refund",
        "Status": "new",
        "Priority": "0",
        "Queue": {"id": "3", "Name": "Support"},
        "Owner": {"id": "Nobody"},
        "Requestor": [{"id": "ann", "EmailAddress": "ann@example.com"}, {"id": "bo"}],
        "CustomFields": [{"name": name, "values": values} for name, values in (held | (custom or {})).items()],
        "Created": "2026-03-01T12:00:00Z",
        "LastUpdated": "2026-03-01T12:00:00Z",
        "LastUpdatedBy": {"id": "eve"},
    }
    return stored | changed


def patch(expected: dict[str, str] | None = None, ticket_id: str = "7", **values: str) -> Operation:
    return Operation(
        operation_id="op-1",
        item_id="item-1",
        policy="support",
        destination="help_desk",
        system="request_tracker",
        record_key="r-9",
        values=values,
        external_id=ticket_id,
        expected=expected or {},
    )


def definitions(mock: respx.MockRouter) -> None:
    """What is looked up before a write."""
    names = [{"id": number, "name": name} for number, name in NAMES.items()]
    for queue in ("3", "Support"):
        mock.get(f"{REST}/queue/{queue}").respond(json={"id": 3, "Name": "Support", "TicketCustomFields": names})
    for number, name in NAMES.items():
        select = {"Type": "Select", "Values": ["bug"]} if name == "Category" else {"Type": "Freeform"}
        most = "0" if name == "Topics" else "1"
        mock.get(f"{REST}/customfield/{number}").respond(json={"id": number, "Name": name, "MaxValues": most} | select)


def reading(mock: respx.MockRouter, *found: Json | None) -> respx.Route:
    """The version of a ticket, an empty history, and what searches show one after the other."""
    version = {"ETag": '"41"'}
    mock.get(f"{REST}/transactions").respond(json={"items": []})
    mock.get(f"{REST}/ticket/7").mock(side_effect=lambda _: httpx.Response(200, json=ticket(), headers=version))
    answers = [httpx.Response(200, json={"items": [one] if one else []}) for one in found]
    return mock.get(f"{REST}/tickets").mock(side_effect=answers)


@pytest.fixture
async def tracker() -> AsyncIterator[RequestTracker]:
    connector = RequestTracker(URL, TOKEN, timeout_s=1)
    yield connector
    await connector.aclose()


@pytest.fixture
async def kept() -> AsyncIterator[Kept]:
    connector = open_kept("request_tracker", {}, FIELDS, VARIABLES)
    yield connector
    await connector.aclose()


async def test_a_ticket_is_read_as_text_and_a_field_that_was_cleared_is_blank(
    kept: Kept, respx_mock: respx.MockRouter
) -> None:
    stored = ticket("op-7", custom={"Order Number": [None], "Topics": ["a", "b"]})
    found = respx_mock.get(f"{REST}/tickets").respond(json={"items": [stored]})

    records = await kept.read(["7"])

    values = {
        "queue": "Support",
        "subject": "Refund",
        "status": "new",
        "priority": "0",
        "owner": "",
        "requestor": "ann@example.com, bo",
        "cc": "",
        "order_number": "",
        "topics": "a, b",
    }
    assert records == {"7": Record("7", values, NOON, "eve", "op-7")}
    assert found.calls.last.request.url.params["query"] == "id = 7"


async def test_what_a_search_leaves_out_is_merged_deleted_or_gone(kept: Kept, respx_mock: respx.MockRouter) -> None:
    searches = respx_mock.get(f"{REST}/tickets").mock(
        side_effect=[httpx.Response(200, json={"items": items}) for items in ([], [ticket(number=7)])]
    )
    respx_mock.get(f"{REST}/ticket/8").respond(json=ticket(number=7))
    respx_mock.get(f"{REST}/ticket/9").respond(json=ticket(number=9, Status="deleted"))
    respx_mock.get(f"{REST}/ticket/10").respond(404)

    records = await kept.read(["8", "9", "10", "no number", "٧"])

    ids = {one: record and record.external_id for one, record in records.items()}
    assert ids == {"8": "7", "9": None, "10": None, "no number": None, "٧": None}
    assert searches.call_count == 2


async def test_pages_go_on_after_the_last_ticket_of_a_full_one(respx_mock: respx.MockRouter) -> None:
    kept = open_kept("request_tracker", {"queue": "Sup'port"}, ("subject",), VARIABLES)
    pages = [[ticket(number=7), ticket(number=9)], [ticket(number=10)]]
    listed = respx_mock.get(f"{REST}/tickets").mock(
        side_effect=[httpx.Response(200, json={"items": items}) for items in pages]
    )

    first, last = await kept.page("", 2), await kept.page("9", 2)
    with pytest.raises(BadRequest, match="'x' is no ticket to go on after"):
        await kept.page("x", 2)
    await kept.aclose()

    assert ([one.external_id for one in first.records], first.after) == (["7", "9"], "9")
    assert last == Page((Record("10", {"subject": "Refund"}, NOON, "eve"),), "")
    assert [call.request.url.params["query"] for call in listed.calls] == [
        "id > 0 AND Queue = 'Sup\\'port'",
        "id > 9 AND Queue = 'Sup\\'port'",
    ]


FAILURES = {
    "down": (httpx.ConnectError("refused"), Unavailable),
    "broken": (httpx.Response(502), Unavailable),
    "unreadable": (httpx.Response(200, text="<html>"), Unavailable),
    "busy": (httpx.Response(503, headers={"Retry-After": "7"}), Throttled),
    "token": (httpx.Response(401), BadRequest),
    "rights": (httpx.Response(403), BadRequest),
    "refused": (httpx.Response(400), BadRequest),
}


@pytest.mark.parametrize(("answer", "error"), FAILURES.values(), ids=FAILURES)
async def test_what_cannot_be_read_is_told_and_never_taken_for_nothing(
    kept: Kept, respx_mock: respx.MockRouter, answer: httpx.Response | Exception, error: type[Retryable | Permanent]
) -> None:
    nothing = httpx.Response(200, json={"items": []})
    respx_mock.get(f"{REST}/tickets").mock(side_effect=[answer, nothing, answer])
    respx_mock.get(f"{REST}/ticket/7").mock(side_effect=[answer])
    respx_mock.get(f"{REST}/rt").mock(side_effect=[answer])

    for _ in ("the search", "the single ticket"):
        with pytest.raises(error):
            await kept.read(["7"])
    with pytest.raises(error):
        await kept.page("", 10)
    with pytest.raises(error):
        await kept.changed("", 10)


async def test_a_patch_goes_over_the_version_that_was_read_and_sets_what_differs(
    tracker: RequestTracker, respx_mock: respx.MockRouter
) -> None:
    definitions(respx_mock)
    filled = {"Order Number": ["A-7"], "Topics": ["a"], "RecordKey": []}
    after = {"Order Number": [], "Topics": ["c", "b"], "RecordKey": ["r-9"]}
    people = {"Requestor": [], "Owner": {"id": "eve"}, "Subject": "Refund, please"}
    reading(respx_mock, ticket(custom=filled), ticket("op-1", custom=after, **people))
    put = respx_mock.put(f"{REST}/ticket/7").respond(json=["done"])
    values = {
        "subject": "Refund, please",
        "status": "new",
        "priority": "",
        "owner": "Eve",
        "requestor": "",
        "order_number": "",
        "topics": "b, c",
    }

    outcome = await tracker.send(patch({"subject": "Refund", "owner": "nobody"}, **values))

    told = values | {"priority": "0", "owner": "eve", "topics": "c, b"}
    assert outcome == Written(kind="updated", external_id="7", values=told)
    request = put.calls.last.request
    assert request.headers["If-Match"] == '"41"'
    assert json.loads(request.content) == {
        "Subject": "Refund, please",
        "Owner": "Eve",
        "Requestor": [],
        "CustomFields": {"Order Number": None, "Topics": ["b", "c"], "OperationId": "op-1", "RecordKey": "r-9"},
    }


async def test_a_patch_that_changes_nothing_is_not_sent(tracker: RequestTracker, respx_mock: respx.MockRouter) -> None:
    definitions(respx_mock)
    reading(respx_mock, ticket())

    outcome = await tracker.send(patch({"subject": "something else"}, subject="Refund", cc=""))

    assert outcome == Written(kind="unchanged", external_id="7", values={"subject": "Refund", "cc": ""})


async def test_a_patch_whose_ticket_is_not_as_expected_is_not_sent(
    tracker: RequestTracker, respx_mock: respx.MockRouter
) -> None:
    definitions(respx_mock)
    reading(respx_mock, ticket(custom={"Topics": ["a", "b"]}))

    outcome = await tracker.send(patch({"topics": "b, a", "subject": "was"}, subject="is", topics="c"))

    assert outcome == Conflict(detail="Request Tracker: record 7: subject is not what it was", moved=True)


PUT_ANSWERS = {
    "stale": (httpx.Response(412, json={"message": "Precondition Failed"}), Conflict),
    "refused": (httpx.Response(400), Invalid),
    "token": (httpx.Response(401), RetryAfter),
    "broken": (httpx.Response(502), Unknown),
    "unreadable": (httpx.Response(200, json={}), Unknown),
    "unreached": (httpx.ConnectError("refused"), RetryAfter),
}


@pytest.mark.parametrize(("answer", "expected"), PUT_ANSWERS.values(), ids=PUT_ANSWERS)
async def test_what_request_tracker_says_to_a_patch(
    tracker: RequestTracker, respx_mock: respx.MockRouter, answer: httpx.Response | Exception, expected: type[object]
) -> None:
    definitions(respx_mock)
    reading(respx_mock, ticket())
    respx_mock.put(f"{REST}/ticket/7").mock(side_effect=[answer])

    outcome = await tracker.send(patch(subject="is"))

    assert isinstance(outcome, expected)
    assert not isinstance(outcome, Conflict) or outcome.moved


READ_BACK = {
    "what was sent": (ticket("op-1", Subject="is"), Written),
    "what was there before": (ticket("op-1"), Invalid),
    "somebody else's": (ticket("op-1", Subject="theirs"), Conflict),
    "somebody else's operation": (ticket("op-2", Subject="theirs"), Conflict),
    "without the operation's id": (ticket(Subject="is"), Invalid),
    "nothing": (None, Unknown),
}


@pytest.mark.parametrize(("after", "expected"), READ_BACK.values(), ids=READ_BACK)
async def test_what_a_patch_made_of_the_ticket_is_read(
    tracker: RequestTracker, respx_mock: respx.MockRouter, after: Json | None, expected: type[object]
) -> None:
    definitions(respx_mock)
    reading(respx_mock, ticket(), after)
    respx_mock.put(f"{REST}/ticket/7").respond(json=["done"])

    outcome = await tracker.send(patch(subject="is"))

    assert isinstance(outcome, expected)
    assert not isinstance(outcome, Conflict) or outcome.moved


GONE = {
    "gone": (httpx.Response(404), True),
    "deleted": (httpx.Response(200, json=ticket(Status="deleted")), True),
    "down": (httpx.Response(502), False),
}


@pytest.mark.parametrize(("answer", "gone"), GONE.values(), ids=GONE)
async def test_a_ticket_that_is_not_there_any_more_is_gone_and_one_that_cannot_be_read_is_tried_again(
    tracker: RequestTracker, respx_mock: respx.MockRouter, answer: httpx.Response, gone: bool
) -> None:
    respx_mock.get(f"{REST}/ticket/7").mock(side_effect=[answer])

    outcome = await tracker.send(patch(subject="is"))

    assert isinstance(outcome, Invalid if gone else RetryAfter)
    assert getattr(outcome, "gone", False) is gone


@pytest.mark.parametrize("found", [None, "broken"])
async def test_a_ticket_that_a_search_does_not_show_is_gone_or_tried_again(
    tracker: RequestTracker, respx_mock: respx.MockRouter, found: str | None
) -> None:
    respx_mock.get(f"{REST}/ticket/7").respond(json=ticket())
    answer = httpx.Response(502) if found else httpx.Response(200, json={"items": []})
    respx_mock.get(f"{REST}/tickets").mock(side_effect=[answer])

    outcome = await tracker.send(patch(subject="is"))

    assert isinstance(outcome, RetryAfter if found else Invalid)


REFUSED = {
    "content": ({"content": "more"}, "content is no part of a patch"),
    "no queue": ({"queue": ""}, "queue cannot be blank"),
    "a choice that there is not": ({"category": "gossip"}, "does not take 'gossip'"),
    "blanks": ({"order_number": " 7"}, "would lose blanks"),
    "no such field": ({"fax": "1"}, "queue '3' has no custom field 'fax'"),
    "no address": ({"requestor": "ann"}, "'ann' is no e-mail address"),
}


@pytest.mark.parametrize(("values", "says"), REFUSED.values(), ids=REFUSED)
async def test_what_request_tracker_would_skip_or_change_is_invalid(
    tracker: RequestTracker, respx_mock: respx.MockRouter, values: dict[str, str], says: str
) -> None:
    definitions(respx_mock)
    reading(respx_mock, ticket())

    outcome = await tracker.send(patch(**values))

    assert isinstance(outcome, Invalid)
    assert says in outcome.detail


async def test_a_ticket_of_no_number_is_gone(tracker: RequestTracker) -> None:
    outcome = await tracker.send(patch(ticket_id="7 OR id > 0", subject="is"))

    assert outcome == Invalid(detail="Request Tracker: there is no ticket '7 OR id > 0'", gone=True)


async def test_a_field_that_was_added_since_is_asked_for_anew(
    tracker: RequestTracker, respx_mock: respx.MockRouter
) -> None:
    names = [{"id": "1", "name": "RecordKey"}, {"id": "2", "name": "OperationId"}]
    definitions(respx_mock)
    without = {"id": 3, "TicketCustomFields": names}
    whole = {"id": 3, "TicketCustomFields": [*names, {"id": "3", "name": "Order Number"}]}
    answers = [httpx.Response(200, json=one) for one in (without, whole)]
    respx_mock.get(f"{REST}/queue/3").mock(side_effect=answers)
    reading(respx_mock, ticket(), ticket())

    first = await tracker.send(patch(subject="Refund"))
    second = await tracker.send(patch(order_number=""))

    assert [first.kind, second.kind] == ["unchanged", "unchanged"]


@pytest.mark.parametrize("where", ["queue/3", "customfield/2"])
async def test_what_cannot_be_looked_up_is_tried_again(
    tracker: RequestTracker, respx_mock: respx.MockRouter, where: str
) -> None:
    definitions(respx_mock)
    respx_mock.get(f"{REST}/{where}").respond(502)
    reading(respx_mock, ticket(), ticket("op-1"))

    sent = await tracker.send(patch(subject="is"))
    found = await tracker.find(patch(subject="is"))

    assert isinstance(sent, RetryAfter)
    assert isinstance(found, RetryAfter)


LOOKED_UP = {
    "as it was sent": (ticket("op-1", Subject="is"), Written),
    "changed since": (ticket("op-1", Subject="theirs"), Conflict),
    "without our id": (ticket("op-0", Subject="is"), type(None)),
}


@pytest.mark.parametrize(("stored", "expected"), LOOKED_UP.values(), ids=LOOKED_UP)
async def test_a_patch_is_looked_up_by_its_id_and_one_that_was_changed_since_must_be_decided_anew(
    tracker: RequestTracker, respx_mock: respx.MockRouter, stored: Json, expected: type[object]
) -> None:
    definitions(respx_mock)
    reading(respx_mock, stored)

    found = await tracker.find(patch(subject="is"))

    assert isinstance(found, expected)
    assert not isinstance(found, Conflict) or (found.moved, found.wrote) == (True, ("subject",))


async def test_a_look_up_whose_field_is_not_there_any_more_tells_nothing(
    tracker: RequestTracker, respx_mock: respx.MockRouter
) -> None:
    definitions(respx_mock)
    reading(respx_mock, ticket("op-1"))

    assert isinstance(await tracker.find(patch(fax="1")), RetryAfter)


def note(number: int, field: str, old: str, new: str, kind: str = "Set", seconds: int = 0) -> Json:
    at = (NOON + timedelta(seconds=seconds)).isoformat()
    changed = {"id": str(number), "Type": kind, "Field": field, "OldValue": old, "NewValue": new, "Created": at}
    return changed | {"Creator": {"id": "interlock"}}


EVE = {"Creator": {"id": "eve"}}
OURS = note(60, "2", "", "op-1", "CustomField")


def history(mock: respx.MockRouter, *notes: Json) -> respx.Route:
    """What happened to the ticket, the oldest first; RT knows users and queues by number."""
    for number, name in {"6": "Nobody", "7": "ann", "8": "bo", "9": "eve"}.items():
        address = {} if number == "6" else {"EmailAddress": f"{name.title()}@example.com"}
        mock.get(f"{REST}/user/{number}").respond(json={"Name": name} | address)
    for number, name in {"4": "Billing", "5": "Hotline"}.items():
        mock.get(f"{REST}/queue/{number}").respond(json={"Name": name})
    return mock.get(f"{REST}/transactions").respond(json={"items": list(reversed(notes))})


OVERTAKEN: dict[str, tuple[dict[str, str], dict[str, str], list[Json], Json, Json]] = {
    "text": (
        {"subject": "Refund"},
        {"subject": "ours"},
        [note(51, "Subject", "Refund", "theirs"), note(52, "Subject", "Refund", "ours"), OURS],
        {"Subject": "ours"},
        {"Subject": "theirs"},
    ),
    "text, noted in the other order": (
        {"subject": "Refund"},
        {"subject": "ours"},
        [note(51, "Subject", "Refund", "ours"), OURS, note(61, "Subject", "Refund", "theirs")],
        {"Subject": "ours"},
        {"Subject": "theirs"},
    ),
    "a field that was cleared": (
        {"order_number": "A-7"},
        {"order_number": "B-8"},
        [note(51, "3", "A-7", "", "CustomField"), note(52, "3", "", "B-8", "CustomField"), OURS],
        {"CustomFields": [{"name": "Order Number", "values": ["B-8"]}]},
        {"CustomFields": {"Order Number": None}},
    ),
    "one of several values": (
        {"topics": "a"},
        {"topics": "b, c"},
        [
            note(51, "4", "", "theirs", "CustomField"),
            note(52, "4", "", "b", "CustomField"),
            note(53, "4", "", "c", "CustomField"),
            note(54, "4", "a", "", "CustomField"),
            note(55, "4", "theirs", "", "CustomField"),
            OURS,
        ],
        {"CustomFields": [{"name": "Topics", "values": ["b", "c"]}]},
        {"CustomFields": {"Topics": ["a", "theirs"]}},
    ),
    "the last of several values, by somebody else": (
        {"topics": "a"},
        {"topics": ""},
        [
            note(51, "4", "", "theirs", "CustomField") | EVE,
            note(52, "4", "a", "", "CustomField") | EVE,
            note(53, "4", "theirs", "", "CustomField"),
            OURS,
        ],
        {"CustomFields": [{"name": "Topics", "values": []}]},
        {"CustomFields": {"Topics": ["theirs"]}},
    ),
    "an owner": (
        {"owner": ""},
        {"owner": "eve"},
        [
            note(51, "Owner", "6", "8", "Take"),
            note(52, "Owner", "6", "8", "SetWatcher"),
            note(53, "Owner", "8", "9"),
            note(54, "Owner", "8", "9", "SetWatcher"),
            OURS,
        ],
        {"Owner": {"id": "eve"}},
        {"Owner": "bo"},
    ),
    "a requestor": (
        {"requestor": "ann@example.com"},
        {"requestor": "eve@example.com"},
        [
            note(51, "Requestor", "", "8", "AddWatcher"),
            note(52, "Requestor", "7", "", "DelWatcher"),
            note(53, "Requestor", "", "9", "AddWatcher"),
            note(54, "Requestor", "8", "", "DelWatcher"),
            OURS,
        ],
        {"Requestor": [{"id": "eve", "EmailAddress": "Eve@example.com"}]},
        {"Requestor": ["bo@example.com"]},
    ),
    "a queue": (
        {"queue": "Hotline"},
        {"queue": "Support"},
        [note(51, "Queue", "5", "4") | EVE, note(52, "Queue", "5", "3"), OURS],
        {},
        {"Queue": "Billing"},
    ),
}


def made_of(before: dict[str, str]) -> Json:
    """A ticket that holds these values."""
    custom = [{"name": NAMES[number], "values": []} for number in NAMES]
    for one in custom:
        text = before.get({"Order Number": "order_number", "Topics": "topics"}.get(str(one["name"]), ""), "")
        one["values"] = [text] if text else []
    shown: Json = {"Subject": before.get("subject", "Refund"), "CustomFields": custom}
    shown |= {"Requestor": [{"id": "ann", "EmailAddress": before["requestor"]}]} if "requestor" in before else {}
    return shown | ({"Queue": {"id": "5", "Name": before["queue"]}} if "queue" in before else {})


def held_with(mark: str, after: Json) -> Json:
    """A ticket with our mark and what a write made of it."""
    marked: list[Json] = [{"name": "OperationId", "values": [mark]}, {"name": "RecordKey", "values": ["r-1"]}]
    return ticket(mark, **after | {"CustomFields": [*marked, *after.get("CustomFields", [])]})


@pytest.mark.parametrize(("before", "wrote", "notes", "after", "back"), OVERTAKEN.values(), ids=OVERTAKEN)
async def test_an_edit_that_a_write_of_ours_replaced_unseen_is_put_back(
    tracker: RequestTracker,
    respx_mock: respx.MockRouter,
    before: dict[str, str],
    wrote: dict[str, str],
    notes: list[Json],
    after: Json,
    back: Json,
) -> None:
    definitions(respx_mock)
    respx_mock.get(f"{REST}/queue/Billing").respond(
        json={"id": 4, "TicketCustomFields": [{"id": number, "name": name} for number, name in NAMES.items()]}
    )
    stays = after | {"Priority": "9"}
    reading(respx_mock, ticket(**made_of(before)), held_with("op-1", stays), held_with("op-1", stays), None)
    history(respx_mock, note(41, "Subject", "", "long ago"), *notes)
    put = respx_mock.put(f"{REST}/ticket/7").respond(json=["done"])

    await tracker.send(patch(before | {"priority": "0"}, **wrote, priority="9"))

    assert put.call_count == 2
    sent = json.loads(put.calls.last.request.content)
    sent["CustomFields"].pop("OperationId")
    assert sent == {"CustomFields": {}} | back


async def test_a_record_whose_edit_was_put_back_has_moved_and_holds_what_else_was_written(
    tracker: RequestTracker, respx_mock: respx.MockRouter
) -> None:
    definitions(respx_mock)
    ours, theirs = {"Subject": "ours", "Priority": "9"}, {"Subject": "theirs", "Priority": "9"}
    reading(
        respx_mock, ticket(), ticket("op-1", **ours), ticket("op-1", **ours), ticket("op-1/back", **theirs), ticket()
    )
    history(respx_mock, note(51, "Subject", "Refund", "theirs"), note(52, "Subject", "Refund", "ours"), OURS)
    respx_mock.put(f"{REST}/ticket/7").respond(json=["done"])

    outcome = await tracker.send(patch({"subject": "Refund"}, subject="ours", priority="9"))

    assert outcome == Conflict(
        detail="Request Tracker: ticket 7: somebody changed subject as it was written", moved=True, wrote=("priority",)
    )


SINCE = {
    "somebody who saw it": (
        [note(51, "Subject", "Refund", "ours"), OURS, note(61, "Subject", "ours", "theirs") | EVE],
        {"subject": "ours"},
        {"Subject": "theirs"},
        ("subject",),
    ),
    "somebody who took it back": (
        [note(51, "Subject", "Refund", "ours"), OURS, note(61, "Subject", "ours", "Refund") | EVE],
        {"subject": "ours"},
        {"Subject": "Refund"},
        ("subject",),
    ),
    "somebody before it, as ours is not there": (
        [note(51, "Subject", "Refund", "theirs") | EVE, OURS],
        {"subject": "ours"},
        {"Subject": "theirs"},
        (),
    ),
    "somebody who took out a value that we had added": (
        [note(51, "4", "", "b", "CustomField"), OURS, note(61, "4", "b", "", "CustomField") | EVE],
        {"topics": "b"},
        {"CustomFields": [{"name": "Topics", "values": []}]},
        ("topics",),
    ),
    "somebody who added a value that we had taken out": (
        [note(51, "4", "a", "", "CustomField"), OURS, note(61, "4", "", "a", "CustomField") | EVE],
        {"topics": ""},
        {"CustomFields": [{"name": "Topics", "values": ["a"]}]},
        ("topics",),
    ),
}


@pytest.mark.parametrize(("notes", "sent", "after", "wrote"), SINCE.values(), ids=SINCE)
async def test_what_the_history_has_of_a_write_was_written_before_somebody_changed_it(
    tracker: RequestTracker,
    respx_mock: respx.MockRouter,
    notes: list[Json],
    sent: dict[str, str],
    after: Json,
    wrote: tuple[str, ...],
) -> None:
    definitions(respx_mock)
    topics = {"topics": "a"} if sent == {"topics": ""} else {"topics": ""}
    before = {"subject": "Refund"} if "subject" in sent else topics
    reading(respx_mock, ticket(**made_of(before)), held_with("op-1", after))
    history(respx_mock, *notes)
    put = respx_mock.put(f"{REST}/ticket/7").respond(json=["done"])

    outcome = await tracker.send(patch(before, **sent))

    assert isinstance(outcome, Conflict)
    assert (outcome.moved, outcome.wrote, put.call_count) == (True, wrote, 1)


CHANGED_AGAIN = {
    "an edit is told": ([note(51, "Subject", "Refund", "theirs") | EVE], [], {"subject": "theirs"}),
    "though it was noted late": ([], [note(54, "Subject", "Refund", "theirs") | EVE], {"subject": "theirs"}),
    "one that came back is not lost": (
        [note(51, "Subject", "Refund", "theirs") | EVE],
        [note(61, "Subject", "ours", "theirs") | EVE],
        {},
    ),
    "the same as ours is none": ([note(51, "Subject", "Refund", "ours") | EVE], [], {}),
    "nor is what was expected": ([note(51, "Subject", "x", "Refund") | EVE], [], {}),
}


@pytest.mark.parametrize(("before", "after", "overwrote"), CHANGED_AGAIN.values(), ids=CHANGED_AGAIN)
async def test_what_a_write_replaced_and_somebody_has_changed_again_is_told_and_not_put_back(
    tracker: RequestTracker,
    respx_mock: respx.MockRouter,
    before: list[Json],
    after: list[Json],
    overwrote: dict[str, str],
) -> None:
    definitions(respx_mock)
    changed = ticket("op-1", Subject="changed")
    reading(respx_mock, ticket(), *[changed] * 4)
    old = "theirs" if any(one["NewValue"] == "theirs" and one["OldValue"] == "ours" for one in after) else "ours"
    history(
        respx_mock,
        *before,
        note(52, "Subject", "Refund", "ours"),
        OURS,
        *after,
        note(62, "Subject", old, "changed") | EVE,
    )
    put = respx_mock.put(f"{REST}/ticket/7").respond(json=["done"])
    wrote = patch({"subject": "Refund"}, subject="ours")

    outcomes = [await tracker.send(wrote), await tracker.find(wrote)]

    for outcome in outcomes:
        assert isinstance(outcome, Conflict)
        assert (outcome.moved, outcome.wrote, outcome.overwrote) == (True, ("subject",), overwrote)
    again = await tracker.send(wrote)
    assert isinstance(again, Conflict)
    assert (again.moved, again.overwrote, put.call_count) == (True, overwrote, 1)


NOT_LOST = {
    "what was noted before the version that was read": [note(40, "Subject", "Refund", "old")],
    "what came back to what it was": [note(51, "Subject", "Refund", "x"), note(52, "Subject", "x", "Refund")],
    "the same as ours": [note(51, "Subject", "Refund", "ours")],
    "another field": [note(51, "Priority", "0", "5")],
    "what was noted much later": [note(70, "Subject", "ours", "theirs", seconds=60)],
}


@pytest.mark.parametrize("notes", NOT_LOST.values(), ids=NOT_LOST)
async def test_what_we_did_not_replace_is_not_put_back(
    tracker: RequestTracker, respx_mock: respx.MockRouter, notes: list[Json]
) -> None:
    definitions(respx_mock)
    reading(respx_mock, ticket(), ticket("op-1", Subject="ours"))
    history(respx_mock, *notes, note(59, "Subject", "Refund", "ours"), OURS)
    put = respx_mock.put(f"{REST}/ticket/7").respond(json=["done"])

    outcome = await tracker.send(patch({"subject": "Refund"}, subject="ours"))

    assert (outcome.kind, put.call_count) == ("updated", 1)


async def test_what_a_write_replaced_whose_answer_was_lost_is_put_back_when_it_is_sent_again(
    tracker: RequestTracker, respx_mock: respx.MockRouter
) -> None:
    definitions(respx_mock)
    ours = ticket("op-1", Subject="ours")
    reading(respx_mock, ours, ours, ours, ticket("op-1/back", Subject="theirs"))
    before = note(45, "2", "", "op-0", "CustomField")
    notes = [note(44, "Subject", "x", "heard of"), before, note(52, "Subject", "Refund", "ours"), OURS]
    history(respx_mock, *notes[:2], note(51, "Subject", "Refund", "theirs"), *notes[2:])
    put = respx_mock.put(f"{REST}/ticket/7").respond(json=["done"])
    wrote = patch({"subject": "Refund"}, subject="ours")

    found, sent = await tracker.find(wrote), await tracker.send(wrote)

    assert found is None
    assert isinstance(sent, Conflict)
    assert json.loads(put.calls.last.request.content)["Subject"] == "theirs"
    history(respx_mock, *notes)
    reading(respx_mock, ours)
    history(respx_mock, *notes)
    assert await tracker.find(wrote) == Written(kind="updated", external_id="7", found=True)


@pytest.mark.parametrize(("before", "is_well"), [("a, b", True), ("a", True), ("", False)])
async def test_what_our_user_had_made_before_a_lost_answer_is_no_part_of_the_write(
    tracker: RequestTracker, respx_mock: respx.MockRouter, before: str, *, is_well: bool
) -> None:
    definitions(respx_mock)
    reading(respx_mock, held_with("op-1", {"CustomFields": [{"name": "Topics", "values": ["b"]}]}))
    typed = [note(51, "4", "", "a", "CustomField"), note(52, "4", "", "b", "CustomField")]
    history(respx_mock, note(45, "2", "", "op-0", "CustomField"), *typed, note(58, "4", "a", "", "CustomField"), OURS)

    found = await tracker.find(patch({"topics": before}, topics="b"))

    assert (found is not None and found.kind == "updated") is is_well


async def test_what_was_never_taken_was_not_written_before_somebody_changed_it(
    tracker: RequestTracker, respx_mock: respx.MockRouter
) -> None:
    definitions(respx_mock)
    skipped = ticket("op-1", Subject="theirs", Priority="0")
    wrote = patch({"subject": "Refund", "priority": "0"}, subject="ours", priority="9")
    reading(respx_mock, skipped)
    history(respx_mock, note(51, "Subject", "Refund", "ours"), OURS, note(61, "Subject", "ours", "theirs") | EVE)

    found = await tracker.find(wrote)

    assert isinstance(found, Conflict)
    assert found.wrote == ("subject",)
    hidden = ticket("op-1", Subject="ours", Priority="0")
    reading(respx_mock, hidden, hidden, ticket("op-1/back", Subject="theirs", Priority="0"))
    history(respx_mock, note(51, "Subject", "Refund", "theirs") | EVE, note(52, "Subject", "Refund", "ours"), OURS)
    respx_mock.put(f"{REST}/ticket/7").respond(json=["done"])
    sent = await tracker.send(wrote)
    assert isinstance(sent, Conflict)
    assert sent.wrote == ()


async def test_what_somebody_took_out_before_a_lost_answer_is_put_back(
    tracker: RequestTracker, respx_mock: respx.MockRouter
) -> None:
    definitions(respx_mock)
    reading(respx_mock, held_with("op-1", {"CustomFields": [{"name": "Topics", "values": ["a", "b", "c"]}]}))
    taken = note(51, "4", "b", "", "CustomField") | EVE
    ours = [note(52, "4", "", "b", "CustomField"), note(53, "4", "", "c", "CustomField"), OURS]
    history(respx_mock, note(45, "2", "", "op-0", "CustomField"), taken, *ours)

    assert await tracker.find(patch({"topics": "a, b"}, topics="a, b, c")) is None


async def test_a_history_that_cannot_be_read_leaves_open_what_became_of_the_write(
    tracker: RequestTracker, respx_mock: respx.MockRouter
) -> None:
    definitions(respx_mock)
    ours = ticket("op-1", Owner={"id": "eve"})
    reading(respx_mock, ticket(), ours, ours, ours)
    history(respx_mock, note(51, "Owner", "6", "8"), OURS)
    respx_mock.get(f"{REST}/user/8").respond(502)
    respx_mock.put(f"{REST}/ticket/7").respond(json=["done"])
    wrote = patch({"owner": ""}, owner="eve")

    outcomes = [await tracker.send(wrote), await tracker.find(wrote), await tracker.send(wrote)]
    respx_mock.get(f"{REST}/transactions").respond(502)
    reading(respx_mock, ours)
    respx_mock.get(f"{REST}/transactions").respond(502)

    assert [type(one) for one in (*outcomes, await tracker.find(wrote))] == [Unknown, *[RetryAfter] * 3]


async def test_an_edit_that_cannot_be_put_back_is_told(tracker: RequestTracker, respx_mock: respx.MockRouter) -> None:
    definitions(respx_mock)
    wrote: Json = {"Requestor": [{"id": "eve", "EmailAddress": "eve@example.com"}]}
    reading(respx_mock, ticket(Requestor=[]), ticket("op-1", **wrote))
    team = note(51, "Requestor", "", "12", "AddWatcher")
    history(respx_mock, team, note(52, "Requestor", "12", "", "DelWatcher"), OURS)
    respx_mock.get(f"{REST}/user/12").respond(404)
    respx_mock.put(f"{REST}/ticket/7").respond(json=["done"])

    outcome = await tracker.send(patch({"requestor": ""}, requestor="eve@example.com"))

    assert isinstance(outcome, Invalid)
    assert "'12' is no e-mail address" in outcome.detail


async def test_a_ticket_that_changes_at_every_write_is_left_alone_in_the_end(
    tracker: RequestTracker, respx_mock: respx.MockRouter
) -> None:
    definitions(respx_mock)
    state = {"mark": "", "subject": "Refund", "number": "50"}

    def shown(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"items": [ticket(state["mark"], Subject=state["subject"])]})

    def written(request: httpx.Request) -> httpx.Response:
        sent = json.loads(request.content)
        state.update(mark=sent["CustomFields"]["OperationId"], subject=sent["Subject"])
        return httpx.Response(200, json=["done"])

    def noted(_: httpx.Request) -> httpx.Response:
        notes = [note(61, "2", "", state["mark"], "CustomField"), note(60, "Subject", "", f"not {state['subject']}")]
        return httpx.Response(200, json={"items": notes})

    reading(respx_mock)
    respx_mock.get(f"{REST}/tickets").mock(side_effect=shown)
    respx_mock.get(f"{REST}/transactions").mock(side_effect=noted)
    put = respx_mock.put(f"{REST}/ticket/7").mock(side_effect=written)

    outcome = await tracker.send(patch({"subject": "Refund"}, subject="ours"))

    assert isinstance(outcome, Conflict)
    assert put.call_count == 5


def test_a_policy_names_the_options_of_both_once() -> None:
    spec = KEPT["request_tracker"]

    assert set(spec.chosen({})) == {"key_field", "operation_field", "update_as", "queue", "since"}
    assert set(spec.destination_options(spec.chosen({}))) == {"key_field", "operation_field", "update_as"}
