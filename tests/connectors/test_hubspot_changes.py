"""Polling HubSpot's changes: nothing lost, whatever shares a moment and however late the search is."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
import respx
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.crm.hubspot_api import vendor
from connectors.crm.hubspot_changes import MOST_TOLD, OVERLAP, SETTLE_S, HubSpotChanges
from connectors.http_outcomes import HttpApi
from connectors.ports import Arrival, Fetched
from connectors.sandbox.faults import FaultPlan
from connectors.sandbox.hubspot import create_app
from connectors.sandbox.service import TokenBucket
from domain.errors import BadRequest, InterlockError, Throttled, Unavailable

URL = "http://hubspot.test"
SEARCH = f"{URL}/crm/objects/2026-09/contacts/search"
START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LAG_S = 20.0


class Unseeing(httpx.AsyncBaseTransport):
    """Leaves records out of what a search answers."""

    def __init__(self, through: httpx.AsyncBaseTransport, unseen: set[str]) -> None:
        self._through, self._unseen = through, unseen

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await self._through.handle_async_request(request)
        if not self._unseen or not request.url.path.endswith("/search"):
            return answer
        told = json.loads(await answer.aread())
        told["results"] = [one for one in told["results"] if one["properties"]["name"].split()[0] not in self._unseen]
        return httpx.Response(answer.status_code, json=told)


class World:
    """A poller and the sandbox behind it, whose search lags and whose clock is ours."""

    def __init__(self, kind: str = "contacts") -> None:
        self.now, self._kind = START, kind
        free = TokenBucket(1e9, 10**9)
        app = create_app(FaultPlan(), limit=free, searches=free, clock=lambda: self.now)
        headers = {"Authorization": "Bearer key"}
        self.unseen: set[str] = set()
        """Records that the search does not see."""
        transport = Unseeing(httpx.ASGITransport(app), self.unseen)
        self.client = httpx.AsyncClient(transport=transport, base_url=URL, headers=headers)
        self.changes = self.reading()

    def reading(self, **options: Any) -> HubSpotChanges:
        """What a process that has just started would read with."""
        return HubSpotChanges(
            HttpApi(vendor(ZoneInfo("UTC")), self.client),
            self._kind,
            ["name"],
            lambda: self.now,
            operation_property="interlock_operation",
            **options,
        )

    async def write(self, *names: str) -> None:
        """Create or update records, all in one moment."""
        inputs = [{"id": n, "idProperty": "interlock_id", "properties": {"name": f"{n} {self.now}"}} for n in names]
        path = f"/crm/objects/2026-09/{self._kind}/batch/upsert"
        (await self.client.post(path, json={"inputs": inputs})).raise_for_status()

    def passes(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    async def drained(self, cursor: str, count: int) -> tuple[list[Arrival], str]:
        """Everything there is now; an answer that says more must come nearer to it."""
        arrivals: list[Arrival] = []
        for _ in range(200):
            fetched = await self.changes.fetch(cursor, count)
            assert len(fetched.arrivals) <= count
            assert fetched.cursor != cursor or not fetched.more
            arrivals += [one for one in fetched.arrivals if isinstance(one, Arrival)]
            cursor = fetched.cursor
            if not fetched.more:
                return arrivals, cursor
        pytest.fail("it never ends")


def names(arrivals: list[Arrival]) -> list[str]:
    return [one.fields["name"].split()[0] for one in arrivals]


async def test_an_empty_cursor_begins_with_the_oldest_and_the_next_goes_on_there() -> None:
    world = World()
    for name in ("a", "b"):
        await world.write(name)
        world.passes(1)
    world.passes(SETTLE_S)

    first, cursor = await world.drained("", 10)
    await world.write("c")
    world.passes(SETTLE_S)
    second, cursor = await world.drained(cursor, 10)
    third, same = await world.drained(cursor, 10)

    assert (names(first), names(second), third, same) == (["a", "b"], ["c"], [], cursor)


async def test_a_change_arrives_with_its_time_its_values_and_an_id_of_its_own() -> None:
    world = World()
    await world.write("a")
    world.passes(SETTLE_S)

    [[arrival], _] = await world.drained("", 10)

    assert (arrival.source, arrival.where) == ("hubspot/contacts", "HubSpot contacts 1001")
    assert arrival.external_id == f"1001@{int(START.timestamp() * 1000)}"
    assert arrival.received_at == START
    assert arrival.fields["hs_object_id"] == "1001"


async def test_a_record_that_changes_again_arrives_again_under_another_id() -> None:
    world = World()
    await world.write("a")
    world.passes(SETTLE_S)
    first, cursor = await world.drained("", 10)
    await world.write("a")
    world.passes(SETTLE_S)

    second, _ = await world.drained(cursor, 10)

    assert len({one.external_id for one in first + second}) == 2


async def test_a_change_waits_until_the_search_is_sure_to_see_all_before_it() -> None:
    world = World()
    await world.write("a")
    world.passes(SETTLE_S - 1)

    too_early, cursor = await world.drained("", 10)
    world.passes(1)
    in_time, _ = await world.drained(cursor, 10)

    assert (names(too_early), names(in_time)) == ([], ["a"])


async def test_a_change_that_the_search_sees_late_is_told_though_younger_ones_were_and_none_is_told_twice() -> None:
    world = World()
    world.unseen.add("late")
    await world.write("a", "late")
    world.passes(1)
    await world.write("b")
    world.passes(SETTLE_S)
    first, cursor = await world.drained("", 10)
    world.unseen.clear()
    world.passes(OVERLAP.total_seconds() - 2 * SETTLE_S)

    second, cursor = await world.drained(cursor, 1)
    third, cursor = await world.drained(cursor, 1)
    world.passes(OVERLAP.total_seconds())
    fourth, cursor = await world.drained(cursor, 1)

    assert [names(one) for one in (first, second, third, fourth)] == [["a", "b"], ["late"], [], []]
    assert " " not in cursor, "nothing that is so old is looked at again"


async def test_of_very_many_changes_at_once_each_is_told_once() -> None:
    world = World()
    for part in range(10):
        await world.write(*(f"{part}-{number}" for number in range(50)))
    world.passes(SETTLE_S)

    first, cursor = await world.drained("", 60)
    second, _ = await world.drained(cursor, 60)

    assert (len(first), len(set(names(first))), second) == (500, 500, [])
    assert cursor.count(" ") == MOST_TOLD


async def test_other_objects_than_contacts_keep_their_time_under_another_name() -> None:
    world = World("companies")
    await world.write("a")
    world.passes(SETTLE_S)

    arrivals, _ = await world.drained("", 10)

    assert names(arrivals) == ["a"]


@settings(max_examples=10, deadline=None)
@given(
    moments=st.lists(st.tuples(st.integers(1, 7), st.integers(0, 40)), max_size=6),
    count=st.integers(1, 6),
)
def test_nothing_is_lost_or_told_twice_however_many_share_a_moment(moments: list[tuple[int, int]], count: int) -> None:
    async def story() -> None:
        world = World()
        (await world.client.post("/_settings", json={"search_lag_s": LAG_S})).raise_for_status()
        told, written, cursor, number = [], [], "", 0
        for together, seconds in moments:
            batch = [str(number + one) for one in range(together)]
            number += together
            await world.write(*batch)
            written += batch
            world.passes(seconds)
            arrivals, cursor = await world.drained(cursor, count)
            told += names(arrivals)
        world.passes(SETTLE_S)
        arrivals, cursor = await world.drained(cursor, count)
        told += names(arrivals)
        assert told == written
        await world.client.aclose()

    asyncio.run(story())


async def test_reading_goes_on_after_a_restart_and_a_lost_cursor_tells_everything_again() -> None:
    world = World()
    await world.write("a", "b")
    world.passes(SETTLE_S)
    first, cursor = await world.drained("", 10)
    await world.write("c")
    world.passes(SETTLE_S)

    world.changes = world.reading()
    goes_on, _ = await world.drained(cursor, 10)
    again, _ = await world.drained("", 10)

    assert (names(first), names(goes_on)) == (["a", "b"], ["c"])
    assert [one.external_id for one in again] == [one.external_id for one in first + goes_on]


async def test_a_record_that_changes_while_pages_are_read_is_told_as_it_is_then_and_no_other_is_lost() -> None:
    world = World()
    (await world.client.post("/_settings", json={"search_lag_s": 0})).raise_for_status()
    for name in ("a", "b", "c", "d"):
        await world.write(name)
        world.passes(1)
    world.passes(SETTLE_S)
    page = await world.changes.fetch("", 2)
    await world.write("a", "c")  # one that was told, and one that was not

    rest, cursor = await world.drained(page.cursor, 2)
    world.passes(SETTLE_S)
    later, _ = await world.drained(cursor, 2)

    told = names([one for one in page.arrivals if isinstance(one, Arrival)]) + names(rest)
    assert (told, names(later)) == (["a", "b", "d"], ["a", "c"])


async def test_what_was_changed_before_the_day_that_reading_begins_with_is_left_out() -> None:
    world = World()
    await world.write("old")
    world.passes(60)
    since = world.now
    await world.write("new")
    world.passes(SETTLE_S)
    world.changes = world.reading(since=since)

    arrivals, _ = await world.drained("", 10)

    assert names(arrivals) == ["new"]


async def test_a_change_tells_which_write_of_ours_its_record_carries() -> None:
    world = World()
    ours = {"id": "a", "idProperty": "interlock_id", "properties": {"name": "a 1", "interlock_operation": "op-7"}}
    path = "/crm/objects/2026-09/contacts/batch/upsert"
    (await world.client.post(path, json={"inputs": [ours]})).raise_for_status()
    await world.write("b")
    world.passes(SETTLE_S)

    arrivals, _ = await world.drained("", 10)

    assert {one.fields["name"][0]: one.operation_id for one in arrivals} == {"a": "op-7", "b": ""}
    assert not any("interlock_operation" in one.fields for one in arrivals)


async def test_a_cursor_of_something_else_is_refused() -> None:
    with pytest.raises(BadRequest, match="an empty one begins again"):
        await World().changes.fetch("2026-03-01/7", 10)


async def fetched(answer: httpx.Response | Exception, mock: respx.MockRouter) -> Fetched:
    mock.post(SEARCH).mock(side_effect=[answer])
    async with httpx.AsyncClient(base_url=URL) as client:
        changes = HubSpotChanges(HttpApi(vendor(ZoneInfo("UTC")), client), "contacts", ["email"])
        return await changes.fetch("", 10)


# what the search answers, what is raised, how long to wait
FAILURES: dict[str, tuple[httpx.Response | Exception, type[InterlockError], float | None]] = {
    "throttled": (httpx.Response(429, json={"policyName": "SECONDLY"}), Throttled, 1),
    "throttled without a word": (httpx.Response(429), Unavailable, None),
    "down": (httpx.Response(503), Unavailable, None),
    "broken": (httpx.Response(500), Unavailable, None),
    "not reached": (httpx.ConnectError("refused"), Unavailable, None),
    "no answer": (httpx.ReadTimeout("late"), Unavailable, None),
    "unreadable": (httpx.Response(200, text="<html>"), Unavailable, None),
    "bad key": (httpx.Response(401), BadRequest, None),
    "no such property": (httpx.Response(400, json={"message": "no"}), BadRequest, None),
    "a record without a time": (
        httpx.Response(200, json={"results": [{"id": "7", "properties": {}}]}),
        BadRequest,
        None,
    ),
}


@pytest.mark.parametrize(("answer", "raised", "wait_s"), FAILURES.values(), ids=FAILURES)
async def test_a_poll_that_fails_says_whether_to_come_back(
    respx_mock: respx.MockRouter, answer: httpx.Response | Exception, raised: type[InterlockError], wait_s: float | None
) -> None:
    with pytest.raises(raised) as failure:
        await fetched(answer, respx_mock)

    assert getattr(failure.value, "retry_after_s", None) == wait_s


async def test_a_search_sorts_by_one_property_and_asks_for_no_second_page(respx_mock: respx.MockRouter) -> None:
    await fetched(httpx.Response(200, json={"results": []}), respx_mock)

    asked = json.loads(respx_mock.calls.last.request.content)
    assert asked["sorts"] == [{"propertyName": "lastmodifieddate", "direction": "ASCENDING"}]
    assert (asked["limit"], "after" in asked) == (10, False)
