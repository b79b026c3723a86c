"""People work in the sandbox HubSpot as they do in the real one, and it keeps a book of every change."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import httpx
import pytest

from connectors.sandbox.faults import FaultPlan, FaultSettings
from connectors.sandbox.hubspot import create_app
from connectors.sandbox.hubspot_portal import Portal, keys
from connectors.sandbox.hubspot_shapes import NewObject, PeoplesEdit, StoredObject
from connectors.sandbox.records import Records

TICKETS = "/crm/objects/2026-09/tickets"


@pytest.fixture
async def account() -> AsyncIterator[httpx.AsyncClient]:
    """An account in which every request of a program fails."""
    app = create_app(FaultPlan(FaultSettings(rate=1, only=("server_error",))))
    headers = {"Authorization": "Bearer key"}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://hubspot.test", headers=headers
    ) as client:
        yield client


async def edited(account: httpx.AsyncClient, record: str, shown: dict[str, str], **properties: str) -> httpx.Response:
    return await account.post(f"/_people/tickets/{record}", json={"shown": shown, "properties": properties})


async def looked_up(account: httpx.AsyncClient, subject: str) -> list[dict[str, object]]:
    return list((await account.get("/_people/tickets", params={"name": "subject", "value": subject})).json())


async def test_nothing_disturbs_people(account):
    made = (await edited(account, "new", {}, subject="Printer", priority="LOW")).json()
    assert (await edited(account, made["id"], {"priority": "LOW"}, priority="HIGH")).status_code == 200
    (found,) = await looked_up(account, "Printer")
    assert found["properties"]["priority"] == "HIGH"


async def test_nobody_edits_what_they_have_not_seen(account):
    made = (await edited(account, "new", {}, subject="Printer", priority="LOW")).json()
    assert (await edited(account, made["id"], {"priority": ""}, priority="HIGH")).status_code == 409
    (found,) = await looked_up(account, "Printer")
    assert found["properties"]["priority"] == "LOW"


async def test_the_book_has_what_became_another_value_and_by_which_write(account):
    await account.post("/_faults", json={"rate": 0})
    made = (await edited(account, "new", {}, subject="Printer", priority="LOW")).json()
    change = {"subject": "Printer", "priority": "HIGH", "interlock_operation": "op-1"}
    await account.patch(f"{TICKETS}/{made['id']}", json={"properties": change})
    (found,) = await looked_up(account, "Printer")
    first, second = found["changes"]
    assert (first["operation"], first["properties"]) == ("", {"subject": "Printer", "priority": "LOW"})
    assert (second["operation"], second["properties"]) == (
        "op-1",
        {"priority": "HIGH", "interlock_operation": "op-1"},
    )


def test_a_late_write_takes_nothing_back_that_somebody_made_meanwhile():
    records = Records(StoredObject, lambda record: keys(record, ()), None)
    portal = Portal(records, lambda: datetime(2026, 3, 2, tzinfo=UTC))
    made = portal.edit("tickets", "new", PeoplesEdit(shown={}, properties={"subject": "Printer", "priority": "LOW"}))
    late = NewObject(properties={"priority": "HIGH"})
    checked = portal.check_patch("tickets", made.id, late)
    portal.edit("tickets", made.id, PeoplesEdit(shown={}, properties={"subject": "Scanner"}))
    portal.patch("tickets", checked, late)
    (record,) = records.all()
    assert (record.properties["subject"], record.properties["priority"]) == ("Scanner", "HIGH")
    assert len(record.changes) == 3
    records.close()


async def test_an_account_that_is_away_answers_people_alone(account):
    await account.post("/_faults", json={"rate": 0})
    await account.post("/_settings", json={"away": True})
    assert (await account.get(TICKETS)).status_code == 503
    assert (await edited(account, "new", {}, subject="Printer")).status_code == 200
    await account.post("/_settings", json={"away": False})
    assert (await account.get(TICKETS)).status_code == 200
