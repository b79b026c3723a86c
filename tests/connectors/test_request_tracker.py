"""The Request Tracker connector: each answer that a write or a look-up can get.

What a real one does is in `tests/real/test_request_tracker.py`.
"""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import httpx
import pytest
import respx
from hypothesis import given
from hypothesis import strategies as st

from connectors.help_desk.request_tracker import RequestTracker
from connectors.help_desk.request_tracker_api import LARGEST_PAGE, quoted
from connectors.help_desk.request_tracker_changes import RequestTrackerChanges
from connectors.ports import Arrival
from connectors.registry import open_destination, system_spec
from domain.delivery import Conflict, Invalid, Operation, RetryAfter, Unknown, Written
from domain.errors import BadRequest, Throttled, Unavailable

URL = "https://rt.test"
REST = f"{URL}/REST/2.0"
TOKEN = "1-14-s3cret"
QUEUE = {
    "id": 3,
    "TicketCustomFields": [{"id": "1", "name": "RecordKey"}, {"id": "2", "name": "OperationId"}],
}
NOW = datetime(2026, 3, 1, 12, 0, 10, tzinfo=UTC)
Json = dict[str, Any]


def operation(**values: str) -> Operation:
    return Operation(
        operation_id="op-1",
        item_id="item-1",
        policy="support",
        destination="help_desk",
        system="request_tracker",
        record_key="item-1",
        values={"queue": "Support", "subject": "Refund"} | values,
    )


def ticket(mark: str = "", **changed: object) -> Json:
    fields = [{"name": "RecordKey", "values": ["item-1"]}, {"name": "OperationId", "values": [mark] if mark else []}]
    stored = {
        "id": 7,
        "Subject": "Refund",
        "Status": "new",
        "Priority": "0",
        "Queue": {"id": "3"},
        "Owner": {"id": "Nobody"},
        "CustomFields": fields,
        "Created": "2026-03-01T12:00:00Z",
        "LastUpdated": "2026-03-01T12:00:00Z",
    }
    return stored | changed


def field(number: int, name: str, **more: object) -> Json:
    return {"id": number, "Name": name, "Type": "Freeform", "MaxValues": "1"} | more


def settings(mock: respx.MockRouter, queue: Json = QUEUE, *fields: Json) -> None:
    """What is looked up before a write."""
    mock.get(f"{REST}/queue/Support").respond(200, json=queue)
    for one in (field(1, "RecordKey"), field(2, "OperationId"), *fields):
        mock.get(f"{REST}/customfield/{one['id']}").respond(200, json=one)


def search(mock: respx.MockRouter, *found: Json) -> respx.Route:
    return mock.get(f"{REST}/tickets").respond(200, json={"items": found})


def read(mock: respx.MockRouter, *states: Json) -> respx.Route:
    answers = [httpx.Response(200, json=state, headers={"ETag": '"41"'}) for state in states]
    return mock.get(f"{REST}/ticket/7").mock(side_effect=answers)


@pytest.fixture
async def tracker() -> AsyncIterator[RequestTracker]:
    connector = RequestTracker(URL, TOKEN, timeout_s=1)
    yield connector
    await connector.aclose()


async def test_a_new_ticket_is_read_again_after_it_was_made(
    tracker: RequestTracker, respx_mock: respx.MockRouter
) -> None:
    settings(respx_mock)
    search(respx_mock)
    create = respx_mock.post(f"{REST}/ticket").respond(201, json={"id": "7"})
    read(respx_mock, ticket("op-1"))

    outcome = await tracker.send(operation(content="Charged twice"))

    request = create.calls.last.request
    assert outcome == Written(kind="created", external_id="7", values={"subject": "Refund"})
    assert request.headers["Authorization"] == f"token {TOKEN}"
    assert json.loads(request.content) == {
        "Queue": 3,
        "Subject": "Refund",
        "Content": "Charged twice",
        "ContentType": "text/plain",
        "CustomFields": {"RecordKey": "item-1", "OperationId": "op-1"},
    }


async def test_an_update_goes_over_the_etag_that_was_read(
    tracker: RequestTracker, respx_mock: respx.MockRouter
) -> None:
    settings(respx_mock)
    search(respx_mock, {"id": "7"})
    read(respx_mock, ticket("op-0"), ticket("op-1", Subject="Refund, please"))
    put = respx_mock.put(f"{REST}/ticket/7").respond(200, json=["Subject changed", "OperationId changed"])

    outcome = await tracker.send(operation(subject="Refund, please"))

    request = put.calls.last.request
    assert outcome == Written(kind="updated", external_id="7")
    assert request.headers["If-Match"] == '"41"'
    assert json.loads(request.content) == {"Subject": "Refund, please", "CustomFields": {"OperationId": "op-1"}}


async def test_content_goes_with_the_operations_id_after_everything_else(
    tracker: RequestTracker, respx_mock: respx.MockRouter
) -> None:
    """So a try that breaks off between the two is no delivered one."""
    settings(respx_mock)
    search(respx_mock, {"id": "7"})
    read(respx_mock, ticket("op-0"), ticket("op-1", Subject="Refund, please"))
    put = respx_mock.put(f"{REST}/ticket/7").respond(200, json=["Subject changed"])
    comment = respx_mock.post(f"{REST}/ticket/7/comment").respond(201, json=["Comments added"])

    outcome = await tracker.send(operation(subject="Refund, please", content="More"))

    assert outcome == Written(kind="updated", external_id="7")
    assert json.loads(put.calls.last.request.content) == {"Subject": "Refund, please"}
    assert json.loads(comment.calls.last.request.content) == {
        "Content": "More",
        "ContentType": "text/plain",
        "CustomFields": {"OperationId": "op-1"},
    }


async def test_a_200_that_skipped_something_is_invalid_and_names_it(
    tracker: RequestTracker, respx_mock: respx.MockRouter
) -> None:
    settings(respx_mock)
    search(respx_mock, {"id": "7"})
    read(respx_mock, ticket("op-0"), ticket("op-0"))
    respx_mock.put(f"{REST}/ticket/7").respond(200, json=["Ticket 7: Status 'asleep' isn't valid"])

    outcome = await tracker.send(operation(status="asleep"))

    wrong = "Status 'asleep', OperationId 'op-1'; set that there, and try again"
    assert outcome == Invalid(detail=f"Request Tracker: ticket 7 was written, but did not take {wrong}")


@pytest.mark.parametrize("changed", ["2026-03-01T12:00:00Z", "2026-03-01T12:00:09Z"], ids=["created", "updated"])
async def test_after_a_lost_answer_a_value_that_was_not_taken_is_told_as_with_it(
    tracker: RequestTracker, respx_mock: respx.MockRouter, changed: str
) -> None:
    """Found by the operation's id, which says that the write arrived and not that all of it was taken."""
    settings(respx_mock)
    search(respx_mock, ticket("op-1", LastUpdated=changed))
    read(respx_mock, ticket("op-1", LastUpdated=changed))
    wanted = operation(owner="ann", content="Charged twice")

    found, sent_again = await tracker.find(wanted), await tracker.send(wanted)

    wrong = "Owner 'ann'; set that there, and try again"
    assert found == Invalid(detail=f"Request Tracker: ticket 7 was written, but did not take {wrong}")
    assert sent_again == found


async def test_a_look_up_that_cannot_learn_what_is_taken_says_nothing_of_the_write(
    tracker: RequestTracker, respx_mock: respx.MockRouter
) -> None:
    search(respx_mock, ticket("op-1"))
    respx_mock.get(f"{REST}/queue/Support").respond(403, json={"message": "Forbidden"})

    assert isinstance(await tracker.find(operation()), RetryAfter)


async def test_a_ticket_that_cannot_be_read_again_is_unknown(
    tracker: RequestTracker, respx_mock: respx.MockRouter
) -> None:
    settings(respx_mock)
    search(respx_mock)
    respx_mock.post(f"{REST}/ticket").respond(201, json={"id": "7"})
    respx_mock.get(f"{REST}/ticket/7").respond(503)

    assert isinstance(await tracker.send(operation()), Unknown)


async def test_a_field_of_several_values_gets_one_more(tracker: RequestTracker, respx_mock: respx.MockRouter) -> None:
    queue = QUEUE | {"TicketCustomFields": [*QUEUE["TicketCustomFields"], {"id": "5", "name": "Topics"}]}
    settings(respx_mock, queue, field(5, "Topics", MaxValues="0"))
    search(respx_mock, {"id": "7"})
    had, has = ({"name": "Topics", "values": topics} for topics in (["vip"], ["vip", "refund"]))
    fields = ticket("op-1")["CustomFields"]
    before = ticket("op-0", CustomFields=[*ticket("op-0")["CustomFields"], had])
    read(respx_mock, before, ticket("op-1", CustomFields=[*fields, has]))
    put = respx_mock.put(f"{REST}/ticket/7").respond(200, json=["refund added"])

    outcome = await tracker.send(operation(topics="refund"))

    assert outcome == Written(kind="updated", external_id="7")
    assert json.loads(put.calls.last.request.content)["CustomFields"]["Topics"] == ["vip", "refund"]


async def test_a_field_that_was_added_since_the_queue_was_read_is_found(
    tracker: RequestTracker, respx_mock: respx.MockRouter
) -> None:
    settings(respx_mock)
    search(respx_mock, {"id": "7"})
    numbered = ticket("op-1")
    numbered["CustomFields"] = [*numbered["CustomFields"], {"name": "Order Number", "values": ["A-7"]}]
    read(respx_mock, ticket("op-1"), numbered)
    await tracker.send(operation())
    newer = QUEUE | {"TicketCustomFields": [*QUEUE["TicketCustomFields"], {"id": "5", "name": "Order Number"}]}
    settings(respx_mock, newer, field(5, "Order Number"))

    outcome = await tracker.send(operation(order_number="A-7"))

    assert outcome == Written(kind="unchanged", external_id="7")


async def test_two_fields_of_nearly_one_name_are_refused(tracker: RequestTracker, respx_mock: respx.MockRouter) -> None:
    twins = [{"id": "5", "name": "Order Number"}, {"id": "6", "name": "order-number"}]
    settings(respx_mock, QUEUE | {"TicketCustomFields": [*QUEUE["TicketCustomFields"], *twins]})

    outcome = await tracker.send(operation(order_number="A-7"))

    assert isinstance(outcome, Invalid)
    assert "several custom fields for 'order_number': Order Number, order-number" in outcome.detail


ERRORS: dict[str, tuple[httpx.Response | Exception, type[object]]] = {
    "stale": (httpx.Response(412, json={"message": "Precondition Failed"}), Conflict),
    "refused": (httpx.Response(400, json={"message": "no"}), Invalid),
    "wrong token": (httpx.Response(401, json={"message": "Unauthorized"}), RetryAfter),
    "no right": (httpx.Response(403, json={"message": "No permission"}), RetryAfter),
    "gone": (httpx.Response(404, json={"message": "Not Found"}), Invalid),
    "throttled by a proxy": (httpx.Response(429, headers={"Retry-After": "7"}), RetryAfter),
    "down": (httpx.Response(503), Unknown),
    "not reached": (httpx.ConnectError("refused"), RetryAfter),
    "broken inside": (httpx.Response(500), Unknown),
    "gateway timed out": (httpx.Response(504), Unknown),
    "no answer in time": (httpx.ReadTimeout("late"), Unknown),
    "cut answer": (httpx.RemoteProtocolError("cut"), Unknown),
    "another's page": (httpx.Response(200, html="<html>"), Unknown),
    "nothing said": (httpx.Response(200, json=[]), Unknown),
}


@pytest.mark.parametrize("way", ["create", "set", "comment"])
@pytest.mark.parametrize(("effect", "expected"), ERRORS.values(), ids=ERRORS)
async def test_every_failure_of_a_write_has_its_outcome(
    tracker: RequestTracker,
    respx_mock: respx.MockRouter,
    way: str,
    effect: httpx.Response | Exception,
    expected: type[object],
) -> None:
    settings(respx_mock)
    search(respx_mock, *([] if way == "create" else [{"id": "7"}]))
    if way != "create":
        read(respx_mock, ticket("op-0"))
    method, path = {"create": ("POST", "ticket"), "set": ("PUT", "ticket/7"), "comment": ("POST", "ticket/7/comment")}[
        way
    ]
    respx_mock.route(method=method, url=f"{REST}/{path}").mock(side_effect=[effect])

    outcome = await tracker.send(
        operation(**{"create": {}, "set": {"status": "open"}, "comment": {"content": "More"}}[way])
    )

    assert isinstance(outcome, expected)
    assert TOKEN not in repr(outcome)


LOOKING = ("queue/Support", "customfield/1", "tickets", "ticket/7")


@pytest.mark.parametrize("path", LOOKING)
@pytest.mark.parametrize("effect", [effect for effect, _ in ERRORS.values()], ids=ERRORS)
async def test_a_failure_before_the_write_has_written_nothing(
    tracker: RequestTracker, respx_mock: respx.MockRouter, path: str, effect: httpx.Response | Exception
) -> None:
    settings(respx_mock)
    search(respx_mock, {"id": "7"})
    respx_mock.get(f"{REST}/{path}").mock(side_effect=[effect])

    outcome = await tracker.send(operation())

    assert isinstance(outcome, RetryAfter | Invalid)


@pytest.mark.parametrize("effect", [effect for effect, _ in ERRORS.values()], ids=ERRORS)
async def test_a_look_up_that_fails_says_nothing_of_the_write(
    tracker: RequestTracker, respx_mock: respx.MockRouter, effect: httpx.Response | Exception
) -> None:
    respx_mock.get(f"{REST}/tickets").mock(side_effect=[effect])

    assert isinstance(await tracker.find(operation()), RetryAfter)


async def test_a_look_up_asks_for_the_exact_id(tracker: RequestTracker, respx_mock: respx.MockRouter) -> None:
    """RT's search takes no heed of letter case."""
    asked = search(respx_mock, ticket("OP-1"))

    assert await tracker.find(operation()) is None
    assert asked.calls.last.request.url.params["query"] == "'CF.{OperationId}' = 'op-1'"


@given(text=st.text())
def test_no_text_ends_its_literal(text: str) -> None:
    literal = quoted(text)
    inner, kept = iter(literal[1:-1]), []
    for sign in inner:
        assert sign != "'"
        kept.append(next(inner) if sign == "\\" else sign)

    assert (literal[0], literal[-1], "".join(kept)) == ("'", "'", text)


async def test_with_nothing_to_go_by_there_are_no_like_tickets(
    tracker: RequestTracker, respx_mock: respx.MockRouter
) -> None:
    respx_mock.get(f"{REST}/tickets").respond(200, json={"items": []})

    assert await tracker.candidates(operation(subject="")) == []


async def test_it_opens_from_the_environment() -> None:
    destination = open_destination("request_tracker", {"INTERLOCK_RT_URL": URL, "INTERLOCK_RT_TOKEN": TOKEN})
    await destination.aclose()

    assert isinstance(destination, RequestTracker)
    assert system_spec("request_tracker").chosen({"key_field": "Our Id"}) == {
        "key_field": "Our Id",
        "operation_field": "OperationId",
        "update_as": "comment",
    }


def updated(number: int, second: int) -> Json:
    return ticket(id=number, LastUpdated=f"2026-03-01T12:00:{second:02}Z")


@pytest.fixture
async def changes(respx_mock: respx.MockRouter) -> AsyncIterator[RequestTrackerChanges]:
    respx_mock.get(f"{REST}/rt").respond(200, json={"Version": "5.0.3"}, headers={"Date": format_datetime(NOW)})
    source = RequestTrackerChanges(URL, TOKEN, timeout_s=1)
    yield source
    await source.aclose()


async def test_changes_of_one_queue_are_asked_for_by_its_name(respx_mock: respx.MockRouter) -> None:
    respx_mock.get(f"{REST}/rt").respond(200, json={"Version": "5.0.3"}, headers={"Date": format_datetime(NOW)})
    asked = search(respx_mock)
    source = RequestTrackerChanges(URL, TOKEN, timeout_s=1, queue="it's ours", since=NOW)

    await source.fetch("", 10)
    await source.aclose()

    wanted = "LastUpdated >= '1 seconds ago' AND Queue = 'it\\'s ours'"
    assert asked.calls.last.request.url.params["query"] == wanted


async def test_a_change_tells_which_write_of_ours_its_ticket_carries(
    changes: RequestTrackerChanges, respx_mock: respx.MockRouter
) -> None:
    ours = updated(7, 5) | {"CustomFields": [{"name": "OperationId", "values": ["op-7"]}]}
    search(respx_mock, ours, updated(8, 5))

    fetched = await changes.fetch("2026-03-01T12:00:04+00:00/2", 10)

    assert [one.operation_id for one in fetched.arrivals if isinstance(one, Arrival)] == ["op-7", ""]
    assert "operationid" not in fetched.arrivals[0].fields


@pytest.mark.parametrize("cursor", ["junk", "7", "2026-03-01T12:00:05+00:00/x"])
async def test_a_cursor_of_something_else_is_refused(changes: RequestTrackerChanges, cursor: str) -> None:
    with pytest.raises(BadRequest, match="an empty one begins again"):
        await changes.fetch(cursor, 10)


async def test_changes_are_asked_for_by_seconds_on_the_servers_own_clock(
    changes: RequestTrackerChanges, respx_mock: respx.MockRouter
) -> None:
    """It takes any other time for one of a zone that nobody is told."""
    asked = search(respx_mock, updated(9, 4), updated(2, 5), updated(7, 5), updated(1, 9))

    fetched = await changes.fetch("2026-03-01T12:00:05+00:00/2", 10)

    assert asked.calls.last.request.url.params["query"] == "LastUpdated >= '6 seconds ago'"
    assert [one.external_id for one in fetched.arrivals] == ["7@2026-03-01T12:00:05Z"]  # ticket 1 is too young
    assert (fetched.cursor, fetched.more) == ("2026-03-01T12:00:05+00:00/7", False)


async def test_a_second_that_does_not_fit_on_a_page_is_told_whole(
    changes: RequestTrackerChanges, respx_mock: respx.MockRouter
) -> None:
    """RT sorts within a second as it likes."""
    first = [updated(number, 5) for number in range(LARGEST_PAGE, 0, -1)]
    second = [updated(number, 5) for number in (500, 300)]
    pages = [httpx.Response(200, json={"items": page}) for page in (first, second)]
    respx_mock.get(f"{REST}/tickets").mock(side_effect=pages)

    fetched = await changes.fetch("", 200)

    told = [one.fields["ticket_id"] for one in fetched.arrivals]
    assert told == [str(number) for number in [*range(1, LARGEST_PAGE + 1), 300, 500]]


async def test_a_full_page_keeps_its_last_second_for_the_next(
    changes: RequestTrackerChanges, respx_mock: respx.MockRouter
) -> None:
    search(respx_mock, updated(1, 4), *[updated(number, 5) for number in range(2, LARGEST_PAGE + 1)])

    fetched = await changes.fetch("", 200)

    assert [one.fields["ticket_id"] for one in fetched.arrivals] == ["1"]
    assert fetched.more


async def test_nothing_new_leaves_the_cursor_where_it_is(
    changes: RequestTrackerChanges, respx_mock: respx.MockRouter
) -> None:
    search(respx_mock)

    assert (await changes.fetch("2026-03-01T12:00:05+00:00/2", 10)).cursor == "2026-03-01T12:00:05+00:00/2"


@pytest.mark.parametrize(
    ("refusal", "error"),
    [
        (httpx.Response(429, headers={"Retry-After": "7"}), Throttled),
        (httpx.Response(503), Unavailable),
        (httpx.Response(200, html="<html>"), Unavailable),
    ],
    ids=["throttled", "down", "another's page"],
)
async def test_changes_that_cannot_be_read_now_are_asked_for_later(
    changes: RequestTrackerChanges, respx_mock: respx.MockRouter, refusal: httpx.Response, error: type[Exception]
) -> None:
    respx_mock.get(f"{REST}/tickets").mock(side_effect=[refusal])

    with pytest.raises(error):
        await changes.fetch("", 10)
