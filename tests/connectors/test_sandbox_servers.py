"""The sandbox's own promises: repeatable faults, mercy, a rate limit, records that survive."""

from collections import Counter
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from connectors.sandbox import crm, help_desk
from connectors.sandbox.faults import Fault, FaultPlan, FaultSettings, Kind
from connectors.sandbox.service import TokenBucket

JSON = dict[str, object]
TICKET = {"operation_id": "op-1", "queue": "billing", "subject": "Refund"}


def client(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sandbox.test")


def doubled(server: httpx.Client) -> int:
    count: int = server.get("/_stats").json()["doubled"]
    return count


def test_the_same_seed_gives_the_same_faults() -> None:
    plans = [FaultPlan(FaultSettings(rate=0.5, seed=7)) for _ in range(2)]

    first, second = ([plan.draw(Kind.UPDATE, (str(n),)) for n in range(200)] for plan in plans)

    assert first == second
    assert set(first) == {*Fault, None}


def test_the_rate_is_kept() -> None:
    plan = FaultPlan(FaultSettings(rate=0.1, seed=7))

    struck = [plan.draw(Kind.CREATE, (str(n),)) for n in range(2000)]

    assert 150 < sum(fault is not None for fault in struck) < 250
    assert plan.counts == Counter(fault for fault in struck if fault)


def test_reads_and_creations_draw_only_faults_that_fit_them() -> None:
    plan = FaultPlan(FaultSettings(rate=1))

    reads = {plan.draw(Kind.READ, (str(n),)) for n in range(200)}
    creations = {plan.draw(Kind.CREATE, (str(n),)) for n in range(200)}

    assert reads == {Fault.THROTTLED, Fault.SERVER_ERROR, Fault.SLOW}
    assert creations == set(Fault) - {Fault.STALE}


def test_a_key_is_spared_after_three_faults_in_a_row_its_reads_and_writes_apart() -> None:
    plan = FaultPlan(FaultSettings(rate=1))

    reads = [plan.draw(Kind.READ, ("op-1",)) is None for _ in range(5)]
    writes = [plan.draw(Kind.CREATE, ("op-1", "ann")) is None for _ in range(5)]

    assert reads == writes == [False, False, False, True, False]


def test_queued_faults_strike_the_next_writes_in_order_and_no_reads() -> None:
    plan = FaultPlan(FaultSettings(next=(Fault.SLOW, Fault.STALE, Fault.MALFORMED)))

    kinds = [Kind.READ, Kind.CREATE, Kind.CREATE, Kind.UPDATE, Kind.CREATE, Kind.CREATE]

    assert [plan.draw(kind, ("op-1",)) for kind in kinds] == [
        None,
        Fault.SLOW,
        None,  # stale waits for an update
        Fault.STALE,
        Fault.MALFORMED,
        None,
    ]


async def test_a_burst_is_throttled_and_told_when_to_come_back() -> None:
    now_s = 0.0
    limit = TokenBucket(rate_per_s=0.5, burst=2, clock=lambda: now_s)
    async with client(help_desk.create_app(FaultPlan(), limit=limit)) as desk:
        statuses = [(await desk.post("/tickets", json=TICKET)).status_code for _ in range(2)]
        throttled = await desk.post("/tickets", json=TICKET)
        books = await desk.get("/_stats")
        now_s = 2.0
        later = await desk.post("/tickets", json=TICKET)

    assert statuses == [201, 201]
    assert throttled.status_code == 429
    assert (throttled.headers["Retry-After"], throttled.headers["X-RateLimit-Remaining"]) == ("2", "0")
    assert books.json()["records"] == 2
    assert later.status_code == 201


async def test_records_survive_in_the_file(tmp_path: Path) -> None:
    """The first server is never closed: it is as if it had been killed."""
    new = {"external_id": "a", "operation_id": "op-1", "fields": {"company": "Acme"}}
    async with client(crm.create_app(FaultPlan(), tmp_path / "crm.sqlite")) as first:
        made = await first.post("/leads", json=new)

    async with client(crm.create_app(FaultPlan(), tmp_path / "crm.sqlite")) as second:
        found = await second.get("/leads", params={"operation_id": "op-1"})
        next_made = await second.post("/leads", json=new | {"external_id": "b"})

    assert found.json() == {"results": [made.json()]}
    assert next_made.json()["id"] == "1002"


async def test_faults_are_counted_by_kind() -> None:
    async with client(help_desk.create_app(FaultPlan())) as desk:
        await desk.post("/_faults", json={"next": ["throttled", "malformed", "malformed"]})
        for _ in range(4):
            await desk.post("/tickets", json=TICKET)
        stats = await desk.get("/_stats")

    assert stats.json() == {"records": 3, "writes": 3, "doubled": 2, "faults": {"throttled": 1, "malformed": 2}}


async def test_an_unknown_switch_is_refused() -> None:
    async with client(help_desk.create_app(FaultPlan())) as desk:
        answer = await desk.post("/_faults", json={"rat": 1})

    assert answer.status_code == 422


def test_the_crm_counts_an_operation_that_is_applied_twice(crm_server: httpx.Client) -> None:
    """Else `doubled == 0` would prove nothing."""
    crm_server.post("/leads", json={"external_id": "a", "operation_id": "op-1", "fields": {}}).raise_for_status()
    for version in (1, 2):
        patch = {"operation_id": "op-2", "fields": {"company": "Acme"}}
        crm_server.patch("/leads/1001", json=patch, headers={"If-Match": f'"{version}"'}).raise_for_status()

    assert doubled(crm_server) == 1


def test_the_crm_counts_an_operation_that_made_two_leads(crm_server: httpx.Client) -> None:
    for external_id in ("a", "b"):
        new: JSON = {"external_id": external_id, "operation_id": "op-1", "fields": {}}
        crm_server.post("/leads", json=new).raise_for_status()

    assert doubled(crm_server) == 1


@pytest.mark.parametrize(
    ("if_match", "status"), [(None, 428), ('"7"', 412), ('"1"', 200)], ids=["missing", "stale", "current"]
)
def test_the_crm_updates_only_the_version_that_was_read(
    crm_server: httpx.Client, if_match: str | None, status: int
) -> None:
    crm_server.post("/leads", json={"external_id": "a", "operation_id": "op-1", "fields": {}}).raise_for_status()
    headers = {} if if_match is None else {"If-Match": if_match}

    answer = crm_server.patch("/leads/1001", json={"operation_id": "op-2", "fields": {}}, headers=headers)

    assert answer.status_code == status


def test_the_crm_refuses_a_second_lead_with_the_same_external_id(crm_server: httpx.Client) -> None:
    new: JSON = {"external_id": "a", "operation_id": "op-1", "fields": {}}
    crm_server.post("/leads", json=new).raise_for_status()

    answer = crm_server.post("/leads", json=new)

    assert answer.status_code == 409
    assert answer.json() == {"detail": "Lead already exists. Existing ID: 1001"}


def test_a_lost_answer_is_cut_in_the_middle(crm_server: httpx.Client) -> None:
    crm_server.post("/_faults", json={"next": ["lost_answer"]}).raise_for_status()

    with pytest.raises(httpx.TransportError):
        crm_server.post("/leads", json={"external_id": "a", "operation_id": "op-1", "fields": {}})

    assert crm_server.get("/leads/1001").json()["external_id"] == "a"
