"""HubSpot and Salesforce keep the contract, over a real network that fails, with their sandboxes behind it."""

from collections.abc import AsyncIterator, Callable, Sequence
from itertools import count

import httpx
import pytest

from connectors.contract import (
    Key,
    NetworkBatchContract,
    NetworkContract,
    NetworkSubject,
    SearchableContract,
    Stored,
    UpsertContract,
)
from connectors.crm import hubspot, salesforce
from connectors.ports import Destination
from connectors.sandbox.proxy import Proxy
from connectors.spec import SystemSpec
from domain.delivery import Operation

PATIENT_S = "60"
"""Longer than any answer takes, however busy the machine."""
TOKEN = "a-key-that-nobody-may-see"
CONTACT = {"firstname": "Zoë", "company": "Acme"}
LEAD = {"LastName": "Lee", "Company": "Acme"}
SYSTEMS = {"hubspot": hubspot.SPEC, "salesforce": salesforce.SPEC}


def fresh_operations(system: str, values: dict[str, str], email: str) -> Callable[[], Operation]:
    numbers = count(1)

    def fresh() -> Operation:
        number = next(numbers)
        return Operation(
            operation_id=f"op-{number}",
            item_id=f"item-{number}",
            policy="leads",
            destination=system,
            system=system,
            record_key=f"record-{number}",
            values=values | {email: f"a{number}@example.com"},
        )

    return fresh


def opened(spec: SystemSpec, prefix: str, url: str) -> Destination:
    given = {f"{prefix}_URL": url, f"{prefix}_TOKEN": TOKEN, "INTERLOCK_CONNECTOR_TIMEOUT_S": PATIENT_S}
    return spec.open({one.name: given.get(one.name) or one.default or "" for one in spec.variables})


async def subjects(
    system: str, url: str, fresh: Callable[[], Operation], text: str, email: str, values: str
) -> AsyncIterator[NetworkSubject]:
    prefix = f"INTERLOCK_{system.upper()}"
    async with httpx.AsyncClient(base_url=url, timeout=60, trust_env=False) as server, Proxy(url) as proxy:
        (await server.delete("/_records")).raise_for_status()

        async def stored(operation: Operation) -> Sequence[Stored]:
            records = (await server.get("/_records")).json()["records"]
            writes = [(one, one["operation_ids"].count(operation.operation_id)) for one in records]
            return [Stored(one[values], times) for one, times in writes if times]

        destination = opened(SYSTEMS[system], prefix, proxy.url)
        yield NetworkSubject(
            destination=destination,
            proxy=proxy,
            fresh=fresh,
            stored=stored,
            text=text,
            refused=(email, "ann at example"),
            key=Key(f"{prefix}_TOKEN", TOKEN),
        )
        await destination.aclose()


class TestHubSpot(NetworkContract, UpsertContract, NetworkBatchContract, SearchableContract):
    @pytest.fixture
    async def subject(self, sandbox: dict[str, str]) -> AsyncIterator[NetworkSubject]:
        fresh = fresh_operations("hubspot", CONTACT, "email")
        async for subject in subjects("hubspot", sandbox["hubspot"], fresh, "company", "email", "properties"):
            yield subject


class TestSalesforce(NetworkContract, UpsertContract, NetworkBatchContract, SearchableContract):
    @pytest.fixture
    async def subject(self, sandbox: dict[str, str]) -> AsyncIterator[NetworkSubject]:
        fresh = fresh_operations("salesforce", LEAD, "Email")
        async for subject in subjects("salesforce", sandbox["salesforce"], fresh, "Company", "Email", "fields"):
            yield subject
