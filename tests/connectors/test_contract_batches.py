"""The kit tells whose batches spoil their outcomes, tried on HubSpot's connector with its sandbox behind it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import count

import httpx
import pytest

from connectors.capabilities import Capabilities
from connectors.contract import Key, NetworkBatchContract, NetworkContract, NetworkSubject, Stored, UpsertContract
from connectors.ports import BatchDestination, Destination
from connectors.registry import open_destination
from connectors.sandbox.proxy import Proxy
from domain.delivery import DeliveryOutcome, Invalid, Operation, RetryAfter, Unknown

PATIENT_S = 60
"""Longer than any answer takes, however busy the machine."""
KEY = Key("INTERLOCK_HUBSPOT_TOKEN", "pat-eu1-the-key-itself")
READ = "/crm/objects/2026-09/companies/batch/read"
OPERATION = "interlock_operation"
VALUES = {"name": "Acme", "city": "Delft", "phone": "+31 15 000 0000"}


def hubspot_subject(destination: Destination, proxy: Proxy, server: httpx.AsyncClient) -> NetworkSubject:
    numbers = count(1)

    def fresh() -> Operation:
        number = next(numbers)
        return Operation(
            operation_id=f"op-{number}",
            item_id=f"item-{number}",
            policy="leads",
            destination="crm",
            system="hubspot",
            record_key=f"record-{number}",
            values=VALUES,
            options={"object": "companies"},
        )

    async def stored(operation: Operation) -> Sequence[Stored]:
        read = {
            "inputs": [{"id": operation.record_key}],
            "idProperty": "interlock_id",
            "properties": [*operation.values],
            "propertiesWithHistory": [OPERATION],
        }
        records = (await server.post(READ, json=read)).json()["results"]
        past = [[past["value"] for past in record["propertiesWithHistory"][OPERATION]] for record in records]
        mine = [record for record, ids in zip(records, past, strict=True) if operation.operation_id in ids]
        return [Stored(record["properties"]) for record in mine]

    return NetworkSubject(
        destination=destination,
        proxy=proxy,
        fresh=fresh,
        stored=stored,
        text="name",
        refused=("lifecyclestage", "unheard of"),
        key=KEY,
    )


@asynccontextmanager
async def behind_a_proxy(url: str) -> AsyncIterator[NetworkSubject]:
    headers = {"Authorization": "Bearer somebody-else"}
    past = httpx.AsyncClient(base_url=url, headers=headers, timeout=PATIENT_S, trust_env=False, verify=False)  # noqa: S501 - no TLS here
    async with past as server, Proxy(url) as proxy:
        (await server.delete("/_records")).raise_for_status()
        destination = open_destination("hubspot", {KEY.variable: KEY.secret, "INTERLOCK_HUBSPOT_URL": proxy.url})
        yield hubspot_subject(destination, proxy, server)
        await destination.aclose()


class Contract(NetworkContract, UpsertContract, NetworkBatchContract):
    """What the capabilities call for; whether HubSpot keeps it is another file's business."""


Outcomes = Sequence[DeliveryOutcome]


@dataclass(frozen=True)
class Flawed:
    """A sound connector that spoils the outcomes of its batches."""

    sound: BatchDestination
    spoiled: Callable[[Outcomes], list[DeliveryOutcome]]

    @property
    def capabilities(self) -> Capabilities:
        return self.sound.capabilities

    async def send_all(self, operations: Sequence[Operation]) -> list[DeliveryOutcome]:
        return self.spoiled(await self.sound.send_all(operations))

    async def send(self, operation: Operation) -> DeliveryOutcome:
        return await self.sound.send(operation)

    async def find(self, operation: Operation) -> DeliveryOutcome | None:
        return await self.sound.find(operation)

    async def aclose(self) -> None:
        await self.sound.aclose()


def turned_round(outcomes: Outcomes) -> list[DeliveryOutcome]:
    return [*reversed(outcomes)]


def all_for_one(outcomes: Outcomes) -> list[DeliveryOutcome]:
    refused = [outcome for outcome in outcomes if isinstance(outcome, Invalid)]
    return [refused[0]] * len(outcomes) if refused else [*outcomes]


def doubt_as_later(outcomes: Outcomes) -> list[DeliveryOutcome]:
    return [RetryAfter(detail="timeout") if isinstance(outcome, Unknown) else outcome for outcome in outcomes]


def one_missing(outcomes: Outcomes) -> list[DeliveryOutcome]:
    return [*outcomes[1:]]


@pytest.mark.parametrize(
    ("spoiled", "promise", "complaint"),
    [
        (turned_round, Contract.test_a_full_batch_gives_each_its_outcome_in_order, "outcomes must be in order"),
        (all_for_one, Contract.test_a_poisoned_record_harms_no_other, "number 2 of 3 .*: must be Written"),
        (
            doubt_as_later,
            Contract.test_a_batch_cut_at_any_byte_ends_with_one_effect_each,
            "claims that nothing was written",
        ),
        (one_missing, Contract.test_a_throttled_batch_writes_nothing, "must have as many outcomes"),
    ],
)
async def test_the_kit_tells_a_flawed_batch(
    sandbox: dict[str, str],
    spoiled: Callable[[Outcomes], list[DeliveryOutcome]],
    promise: Callable[[Contract, NetworkSubject], Awaitable[None]],
    complaint: str,
) -> None:
    async with behind_a_proxy(sandbox["hubspot"]) as subject:
        assert isinstance(subject.destination, BatchDestination)
        flawed = replace(subject, destination=Flawed(subject.destination, spoiled))
        with pytest.raises(AssertionError, match=complaint):
            await promise(Contract(), flawed)
