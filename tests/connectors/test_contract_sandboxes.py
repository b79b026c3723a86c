"""The sandbox's own connectors keep the contract, over a real network that fails; and the kit tells who does not."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import httpx
import pytest

from connectors.capabilities import Capabilities
from connectors.contract import (
    NetworkContract,
    NetworkSubject,
    SearchableContract,
    Stored,
    UpsertContract,
    VersionedContract,
)
from connectors.crm.sandbox import SandboxCrm
from connectors.help_desk.sandbox import SandboxHelpDesk
from connectors.ports import Destination
from connectors.sandbox.proxy import Proxy
from connectors.web_api.api import open_api
from domain.delivery import Conflict, DeliveryOutcome, Invalid, Operation, RetryAfter, Unknown, Written

APIS = Path(__file__).parent / "apis"
PATIENT_S = 60
"""Longer than any answer takes, however busy the machine."""
LEAD = {"email": "ann@example.com", "company": "Acme"}
TICKET = {"queue": "billing", "subject": "Refund", "body": "Please", "requester": "ann@example.com", "tags": "vip,eu"}


def fresh_operations(system: str, values: dict[str, str]) -> Callable[[], Operation]:
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
            values=values,
        )

    return fresh


def crm_subject(destination: Destination, proxy: Proxy, server: httpx.AsyncClient) -> NetworkSubject:
    async def stored(operation: Operation) -> Sequence[Stored]:
        found = await server.get("/leads", params={"operation_id": operation.operation_id})
        return [Stored(lead["fields"]) for lead in found.json()["results"]]

    async def edit(operation: Operation, text: str) -> None:
        [lead] = (await server.get("/leads", params={"external_id": operation.record_key})).json()["results"]
        patch = {"operation_id": f"somebody else, on {lead['id']}", "fields": {"company": text}}
        done = await server.patch(f"/leads/{lead['id']}", json=patch, headers={"If-Match": f'"{lead["version"]}"'})
        done.raise_for_status()

    return NetworkSubject(
        destination=destination,
        proxy=proxy,
        fresh=fresh_operations("sandbox_crm", LEAD),
        stored=stored,
        text="company",
        refused=("email", "ann at example"),
        edit=edit,
    )


def help_desk_subject(destination: Destination, proxy: Proxy, server: httpx.AsyncClient) -> NetworkSubject:
    async def stored(operation: Operation) -> Sequence[Stored]:
        found = await server.get("/tickets", params={"operation_id": operation.operation_id})
        return [Stored(ticket | {"tags": ",".join(ticket["tags"])}) for ticket in found.json()["results"]]

    return NetworkSubject(
        destination=destination,
        proxy=proxy,
        fresh=fresh_operations("sandbox_help_desk", TICKET),
        stored=stored,
        text="body",
        refused=("colour", "red"),
    )


@asynccontextmanager
async def behind_a_proxy(url: str) -> AsyncIterator[tuple[Proxy, httpx.AsyncClient]]:
    """An empty sandbox server's proxy, and a client past it."""
    client = httpx.AsyncClient(base_url=url, timeout=PATIENT_S, trust_env=False, verify=False)  # noqa: S501 - no TLS here
    async with client as server, Proxy(url) as proxy:
        (await server.delete("/_records")).raise_for_status()
        yield proxy, server


async def check_books(server: httpx.AsyncClient) -> None:
    assert (await server.get("/_stats")).json()["doubled"] == 0


class TestSandboxCrm(NetworkContract, UpsertContract, VersionedContract, SearchableContract):
    @pytest.fixture
    async def subject(self, sandbox: dict[str, str]) -> AsyncIterator[NetworkSubject]:
        async with behind_a_proxy(sandbox["crm"]) as (proxy, server):
            destination = SandboxCrm(proxy.url, PATIENT_S)
            yield crm_subject(destination, proxy, server)
            await destination.aclose()
            await check_books(server)


class TestSandboxHelpDesk(NetworkContract):
    @pytest.fixture
    async def subject(self, sandbox: dict[str, str]) -> AsyncIterator[NetworkSubject]:
        async with behind_a_proxy(sandbox["help_desk"]) as (proxy, server):
            destination = SandboxHelpDesk(proxy.url, PATIENT_S)
            yield help_desk_subject(destination, proxy, server)
            await destination.aclose()
            await check_books(server)


class TestDescribedCrm(NetworkContract, UpsertContract, VersionedContract):
    """The same by a description in YAML, without code."""

    @pytest.fixture
    async def subject(self, sandbox: dict[str, str]) -> AsyncIterator[NetworkSubject]:
        async with behind_a_proxy(sandbox["crm"]) as (proxy, server):
            destination = open_api(APIS / "crm.yaml", {"INTERLOCK_API_CRM_URL": proxy.url})
            yield crm_subject(destination, proxy, server)
            await destination.aclose()
            await check_books(server)


class TestDescribedHelpDesk(TestSandboxHelpDesk):
    """The same by a description in YAML, without code."""

    @pytest.fixture
    async def subject(self, sandbox: dict[str, str]) -> AsyncIterator[NetworkSubject]:
        async with behind_a_proxy(sandbox["help_desk"]) as (proxy, server):
            destination = open_api(APIS / "help_desk.yaml", {"INTERLOCK_API_HELP_DESK_URL": proxy.url})
            yield help_desk_subject(destination, proxy, server)
            await destination.aclose()
            await check_books(server)


Sending = Callable[[Destination, Operation], Awaitable[DeliveryOutcome]]
LookingUp = Callable[[Destination, Operation], Awaitable[DeliveryOutcome | None]]


@dataclass(frozen=True)
class Flawed:
    """A sound connector with one fault built in."""

    sound: Destination
    sending: Sending | None = None
    looking_up: LookingUp | None = None
    batch: int = 1

    @property
    def capabilities(self) -> Capabilities:
        return replace(self.sound.capabilities, batch=self.batch)

    async def send(self, operation: Operation) -> DeliveryOutcome:
        return await (self.sending(self.sound, operation) if self.sending else self.sound.send(operation))

    async def find(self, operation: Operation) -> DeliveryOutcome | None:
        return await (self.looking_up(self.sound, operation) if self.looking_up else self.sound.find(operation))

    async def aclose(self) -> None:
        await self.sound.aclose()


async def takes_doubt_for_later(sound: Destination, operation: Operation) -> DeliveryOutcome:
    outcome = await sound.send(operation)
    return RetryAfter(detail="timeout") if isinstance(outcome, Unknown) else outcome


async def takes_doubt_for_success(sound: Destination, operation: Operation) -> DeliveryOutcome:
    outcome = await sound.send(operation)
    return Written(kind="created", external_id="1") if isinstance(outcome, Unknown) else outcome


async def sends_again_by_itself(sound: Destination, operation: Operation) -> DeliveryOutcome:
    outcome = await sound.send(operation)
    return await sound.send(operation) if isinstance(outcome, Unknown) else outcome


async def forgets_how_long_to_wait(sound: Destination, operation: Operation) -> DeliveryOutcome:
    outcome = await sound.send(operation)
    return RetryAfter(detail=outcome.detail) if isinstance(outcome, RetryAfter) else outcome


async def does_not_say_what_is_wrong(sound: Destination, operation: Operation) -> DeliveryOutcome:
    outcome = await sound.send(operation)
    return Invalid(detail="bad request") if isinstance(outcome, Invalid) else outcome


async def will_not_be_cancelled(sound: Destination, operation: Operation) -> DeliveryOutcome:
    try:
        return await sound.send(operation)
    except asyncio.CancelledError:
        return Unknown(detail="cancelled")


async def trims(sound: Destination, operation: Operation) -> DeliveryOutcome:
    values = {name: value.strip() for name, value in operation.values.items()}
    return await sound.send(operation.model_copy(update={"values": values}))


async def overwrites_what_others_changed(sound: Destination, operation: Operation) -> DeliveryOutcome:
    outcome = await sound.send(operation)
    return await sound.send(operation) if isinstance(outcome, Conflict) else outcome


async def puts_keys_into_addresses_as_they_are(sound: Destination, operation: Operation) -> DeliveryOutcome:
    return await sound.send(operation.model_copy(update={"record_key": operation.record_key.partition("?")[0]}))


async def sees_nothing_where_it_sees_badly(sound: Destination, operation: Operation) -> DeliveryOutcome | None:
    found = await sound.find(operation)
    return found if isinstance(found, Written) else None


async def finds_whatever_there_is(sound: Destination, operation: Operation) -> DeliveryOutcome | None:
    return await sound.find(operation) or Written(kind="created", external_id="1", found=True)


CUT_ANSWER = NetworkContract.test_an_answer_cut_at_any_byte_ends_with_one_effect
FAILED_LOOK_UP = NetworkContract.test_a_look_up_that_fails_says_that_it_cannot_tell
UNREADABLE_ANSWER = NetworkContract.test_an_unreadable_answer_is_never_taken_for_success
NOT_THERE = NetworkContract.test_a_value_that_is_not_there_is_not_written_whoever_asks
STRANGER = NetworkContract.test_a_look_up_does_not_find_what_was_never_sent


@pytest.mark.parametrize(
    ("flaw", "promise", "complaint"),
    [
        (takes_doubt_for_later, CUT_ANSWER, "claims that nothing was written .*, but the target holds the write"),
        (takes_doubt_for_success, UNREADABLE_ANSWER, "must be .*Unknown.*, is Written"),
        (sends_again_by_itself, CUT_ANSWER, "holds the write 2 times"),
        (forgets_how_long_to_wait, NetworkContract.test_a_throttled_write_says_when, "must say 7 s"),
        (does_not_say_what_is_wrong, NetworkContract.test_a_refused_value_is_invalid_and_named, "must name 'colour'"),
        (will_not_be_cancelled, NetworkContract.test_a_write_that_hangs_is_cancelled_cleanly, "must end as cancelled"),
        (trims, NetworkContract.test_texts_arrive_as_they_are_or_are_invalid, "ends in blanks: 'body' must be"),
    ],
)
async def test_the_kit_tells_a_flawed_way_of_sending(
    sandbox: dict[str, str],
    flaw: Sending,
    promise: Callable[[NetworkContract, NetworkSubject], Awaitable[None]],
    complaint: str,
) -> None:
    async with behind_a_proxy(sandbox["help_desk"]) as (proxy, server):
        subject = help_desk_subject(SandboxHelpDesk(proxy.url, PATIENT_S), proxy, server)
        flawed = Flawed(subject.destination, sending=flaw)
        with pytest.raises(AssertionError, match=complaint):
            await promise(TestSandboxHelpDesk(), replace(subject, destination=flawed))
        await flawed.aclose()


@pytest.mark.parametrize(
    ("flaw", "promise", "complaint"),
    [
        (sees_nothing_where_it_sees_badly, FAILED_LOOK_UP, "look-up, .*: must be RetryAfter or Unknown, is None"),
        (finds_whatever_there_is, STRANGER, "must be None"),
        (finds_whatever_there_is, NOT_THERE, "without colour 'red' a look-up claims Written"),
    ],
)
async def test_the_kit_tells_a_flawed_way_of_looking_up(
    sandbox: dict[str, str],
    flaw: LookingUp,
    promise: Callable[[NetworkContract, NetworkSubject], Awaitable[None]],
    complaint: str,
) -> None:
    async with behind_a_proxy(sandbox["help_desk"]) as (proxy, server):
        subject = help_desk_subject(SandboxHelpDesk(proxy.url, PATIENT_S), proxy, server)
        flawed = Flawed(subject.destination, looking_up=flaw)
        with pytest.raises(AssertionError, match=complaint):
            await promise(TestSandboxHelpDesk(), replace(subject, destination=flawed))
        await flawed.aclose()


@pytest.mark.parametrize(
    ("flaw", "promise", "complaint"),
    [
        (
            overwrites_what_others_changed,
            TestSandboxCrm.test_another_users_change_in_between_is_a_conflict,
            "no edit between the reading and the writing made a conflict",
        ),
        (
            puts_keys_into_addresses_as_they_are,
            TestSandboxCrm.test_hostile_record_keys_address_their_own_records,
            "must be on one record, and is on 0|must be the record|must be created",
        ),
    ],
)
async def test_the_kit_tells_a_flawed_upsert(
    sandbox: dict[str, str],
    flaw: Sending,
    promise: Callable[[TestSandboxCrm, NetworkSubject], Awaitable[None]],
    complaint: str,
) -> None:
    async with behind_a_proxy(sandbox["crm"]) as (proxy, server):
        subject = crm_subject(SandboxCrm(proxy.url, PATIENT_S), proxy, server)
        flawed = Flawed(subject.destination, sending=flaw)
        with pytest.raises(AssertionError, match=complaint):
            await promise(TestSandboxCrm(), replace(subject, destination=flawed))
        await flawed.aclose()


async def test_the_kit_tells_a_claim_that_no_contract_covers(sandbox: dict[str, str]) -> None:
    async with behind_a_proxy(sandbox["crm"]) as (proxy, server):
        subject = crm_subject(SandboxCrm(proxy.url, PATIENT_S), proxy, server)
        boastful = Flawed(subject.destination, batch=100)
        with pytest.raises(AssertionError, match="it must be a BatchContract"):
            await TestSandboxCrm().test_the_contract_covers_what_the_capabilities_claim(
                replace(subject, destination=boastful)
            )
        await boastful.aclose()
