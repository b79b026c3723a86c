"""Delivery: batches go out together, a lagging search is given its time, a rate limit is waited for."""

import asyncio
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from databases import sqlite_database
from fakes import FakeSystem, fake_resources

from connectors.capabilities import Capabilities, Idempotency, Upsert
from connectors.store.engine import Store
from domain.breaker import Breaker
from domain.delivery import DeliveryOutcome, Hindrance, Invalid, Operation, Patience, RetryAfter, Unknown, operation_id
from tasks.deliver import AT_ONCE, deliver_due
from tasks.resources import Resources, opened

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@dataclass
class FakeBatches(FakeSystem):
    """Takes up to four writes in one request."""

    capabilities: Capabilities = field(
        default_factory=lambda: Capabilities(upsert=Upsert.KEY, idempotency=Idempotency.TRACE, batch=4)
    )
    requests: list[list[str]] = field(default_factory=list)
    refused: str = ""

    async def send_all(self, operations: Sequence[Operation]) -> list[DeliveryOutcome]:
        self.requests.append([operation.record_key for operation in operations])
        return [
            Invalid(detail="no such field")
            if operation.record_key == self.refused
            else await FakeSystem.send(self, operation)
            for operation in operations
        ]

    async def send(self, operation: Operation) -> DeliveryOutcome:
        return (await self.send_all([operation]))[0]


@dataclass
class Crowded(FakeSystem):
    """Remembers how many requests it had at the same time."""

    at_once: int = 0
    most: int = 0

    async def send(self, operation: Operation) -> DeliveryOutcome:
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await asyncio.sleep(0.01)
        self.at_once -= 1
        return await super().send(operation)


class Post:
    """An outbox, a system, and a clock that is moved by hand."""

    def __init__(self, store: Store, system: FakeSystem) -> None:
        self.store, self.system, self.now = store, system, NOON
        self.here: Resources = fake_resources(store, None, system, clock=lambda: self.now)
        self.here.destination("crm")

    def put(self, *keys: str) -> None:
        with self.store.transaction() as tx:
            for key in keys:
                tx.outbox.put(self.write(key), Patience(attempts=5), self.now)

    def write(self, key: str, system: str = "crm", options: dict[str, str] | None = None) -> Operation:
        item = f"it-{key}"
        return Operation(
            operation_id=operation_id(item, "crm"),
            item_id=item,
            policy="tiny",
            destination="crm",
            system=system,
            record_key=key,
            values={"name": key},
            options=options or {},
        )

    async def deliver(self) -> int:
        async with opened(self.here):
            return await deliver_due.fn(0)

    async def deliver_all(self) -> None:
        """Deliver, and let time pass, until nothing is due any more."""
        for _ in range(50):
            await self.deliver()
            with self.store.reading() as tx:
                due_at = tx.outbox.next_due_at(self.now)
            if due_at is None:
                return
            self.now = max(self.now, due_at)

    def breaker(self) -> Breaker:
        with self.store.reading() as tx:
            return tx.systems.of("crm")

    def outcomes(self) -> list[str]:
        with self.store.reading() as tx:
            entries = tx.ledger.entries()
            return [str(entry.facts["outcome"]) for entry in entries if entry.event.value == "attempted"]


@pytest.fixture
def store(tmp_path: Path):
    with closing(Store(sqlite_database(tmp_path / "store.db"))) as opened_store:
        yield opened_store


async def test_the_senders_of_a_process_share_what_may_be_in_flight_and_send_each_write_once(store: Store) -> None:
    post = Post(store, Crowded())
    post.put(*[str(number) for number in range(3 * AT_ONCE)])

    tried = await asyncio.gather(*[post.deliver() for _ in range(3)])

    assert post.system.most == AT_ONCE
    assert (sum(tried), len(post.system.stored)) == (3 * AT_ONCE, 3 * AT_ONCE)


@dataclass
class Waiting(FakeSystem):
    """Answers its first request once it has had another."""

    one: asyncio.Event = field(default_factory=asyncio.Event)
    another: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, operation: Operation) -> DeliveryOutcome:
        (self.another if self.one.is_set() else self.one).set()
        await self.another.wait()
        return await super().send(operation)


async def test_what_becomes_due_while_a_system_keeps_one_waiting_goes_out_beside_it(store: Store) -> None:
    post = Post(store, Waiting())
    post.put("a")
    delivering = asyncio.create_task(post.deliver())
    await post.system.one.wait()

    post.put("b")

    assert (await delivering, post.outcomes()) == (2, ["created", "created"])


async def test_new_writes_to_a_system_that_takes_batches_go_out_together(store: Store) -> None:
    post = Post(store, FakeBatches())
    post.put("a", "b", "c", "d", "e", "f")

    assert await post.deliver() == 6

    assert [len(request) for request in post.system.requests] == [4, 2]
    assert {stored.record_key for stored in post.system.stored} == set("abcdef")


async def test_one_refused_record_harms_no_other_of_its_batch(store: Store) -> None:
    post = Post(store, FakeBatches(refused="b"))
    post.put("a", "b", "c")

    await post.deliver()

    assert sorted(post.outcomes()) == ["created", "created", "invalid"]


async def test_a_batch_without_an_answer_is_looked_up_one_by_one_and_sent_once(store: Store) -> None:
    post = Post(store, FakeBatches(outcomes=[Unknown(detail="no answer")] * 3))
    post.put("a", "b", "c")

    await post.deliver_all()

    assert len(post.system.stored) == 3
    assert post.system.looked_up == 3


async def test_that_there_is_nothing_is_believed_only_when_the_search_can_lag_no_more(store: Store) -> None:
    lagging = Capabilities(upsert=Upsert.SEARCH, idempotency=Idempotency.TRACE, search_lag_s=30)
    system = FakeSystem(outcomes=[Unknown(detail="no answer")], capabilities=lagging)
    post = Post(store, system)
    post.put("a")
    await post.deliver()
    hidden, system.stored = system.stored, []  # written, and not found yet

    post.now = NOON + timedelta(seconds=10)
    await post.deliver()
    system.stored = hidden
    await post.deliver_all()

    assert len(system.stored) == 1, "nothing was sent again"
    assert post.outcomes() == ["unknown", "not_there", "created"]


async def test_after_the_lag_what_is_not_there_is_sent_again(store: Store) -> None:
    lagging = Capabilities(upsert=Upsert.SEARCH, idempotency=Idempotency.TRACE, search_lag_s=30)
    system = FakeSystem(outcomes=[Unknown(detail="no answer")], capabilities=lagging)
    post = Post(store, system)
    post.put("a")
    await post.deliver()
    system.stored = []  # never written

    await post.deliver_all()

    assert len(system.stored) == 1
    assert post.now >= NOON + timedelta(seconds=30)


async def test_where_our_key_is_recognised_nothing_is_waited_for(store: Store) -> None:
    by_key = Capabilities(upsert=Upsert.NONE, idempotency=Idempotency.KEY, search_lag_s=30)
    post = Post(store, FakeSystem(outcomes=[Unknown(detail="no answer")], capabilities=by_key))
    post.here.settings = post.here.settings.model_copy(update={"settles_s": 60})
    post.put("a")
    await post.deliver()
    post.system.stored = []  # under way still, or lost: sent again it is the same write

    await post.deliver_all()

    assert len(post.system.stored) == 1
    assert post.now < NOON + timedelta(seconds=30)


async def test_a_limit_that_one_write_meets_keeps_the_others_from_being_sent(store: Store) -> None:
    system = FakeSystem(outcomes=[RetryAfter(seconds=60, limit="daily", detail="429")])
    post = Post(store, system)
    post.put("a")
    await post.deliver()
    post.put("b", "c")

    assert await post.deliver() == 0
    post.now = NOON + timedelta(seconds=61)
    await post.deliver_all()
    assert len(system.stored) == 3


@pytest.mark.parametrize(
    "lost", [Unknown(detail="502"), RetryAfter(seconds=1, detail="deadlock")], ids=lambda x: x.kind
)
async def test_one_lost_answer_to_a_batch_is_one_failure(store: Store, lost: DeliveryOutcome) -> None:
    post = Post(store, FakeBatches(outcomes=[lost] * 4))
    post.put("a", "b", "c", "d")

    await post.deliver()

    assert post.breaker() == Breaker(failures=1)


async def test_what_was_put_off_for_others_in_its_batch_is_no_failure_and_no_try(store: Store) -> None:
    put_off = RetryAfter(hindrance=Hindrance.TURN, detail="not sent yet")
    post = Post(store, FakeBatches(outcomes=[None, *[put_off] * 3] * 9))
    post.put("a", "b", "c", "d")
    for _ in range(9):
        post.now += timedelta(minutes=1)
        await post.deliver()

    assert post.breaker() == Breaker()
    await post.deliver_all()
    assert len(post.system.stored) == 4, "nine times put off, with five attempts"


async def test_a_system_that_is_not_set_up_here_is_not_paused_for_others(store: Store) -> None:
    post = Post(store, FakeSystem(outcomes=[RetryAfter(hindrance=Hindrance.SETUP, detail="set X")] * 8))
    post.put(*"abcdefgh")

    await post.deliver()

    assert post.breaker() == Breaker()


async def test_a_key_that_is_not_taken_holds_everything_up_with_one_escalation_until_it_is_mended(store: Store) -> None:
    refused = RetryAfter(hindrance=Hindrance.KEY, detail="401: check the key in X")
    post = Post(store, FakeSystem(outcomes=[refused] * 9))
    post.put(*"abcdefghijkl")

    await post.deliver()
    post.now += timedelta(minutes=5)
    await post.deliver()
    with store.reading() as tx:
        assert [one.message for one in tx.escalations.waiting()] == [
            "nothing is sent to crm until 2026-03-02 12:10 UTC: 401: check the key in X"
        ]
    await post.deliver_all()

    assert len(post.system.stored) == 12
    with store.reading() as tx:
        assert tx.escalations.waiting() == []


async def test_waiting_for_a_rate_limit_costs_no_try(store: Store) -> None:
    one_a_second = Capabilities(upsert=Upsert.NONE, idempotency=Idempotency.TRACE, rate_per_s=1)
    post = Post(store, FakeSystem(capabilities=one_a_second))
    keys = [f"k{number}" for number in range(12)]
    post.put(*keys)

    await post.deliver_all()

    assert [stored.record_key for stored in post.system.stored] == keys
    assert post.outcomes() == ["created"] * 12
    assert post.now == NOON + timedelta(seconds=11)
    assert post.breaker() == Breaker()


async def test_the_limits_of_a_system_are_known_before_its_first_write(store: Store) -> None:
    post = Post(store, FakeSystem())
    post.here = fake_resources(store, None, post.system, clock=lambda: post.now)  # nothing is opened yet
    post.system.capabilities = Capabilities(upsert=Upsert.NONE, idempotency=Idempotency.TRACE, rate_per_s=1)
    post.put("a", "b")

    assert await post.deliver() == 1


@dataclass
class FakePlaces(FakeSystem):
    """Two APIs: a shop that keeps no trace of a write, and a till that does, and takes one write a second."""

    capabilities: Capabilities = field(
        default_factory=lambda: Capabilities(upsert=Upsert.NONE, idempotency=Idempotency.NONE)
    )
    places: dict[str, Capabilities] = field(
        default_factory=lambda: {
            "shop": Capabilities(upsert=Upsert.NONE, idempotency=Idempotency.NONE),
            "till": Capabilities(upsert=Upsert.NONE, idempotency=Idempotency.TRACE, rate_per_s=1),
        }
    )


async def test_what_a_place_can_do_is_its_own(store: Store) -> None:
    post = Post(store, FakePlaces(outcomes=[Unknown(detail="no answer")]))
    post.here.destination("described")
    with store.transaction() as tx:
        tx.outbox.put(post.write("a", system="described", options={"api": "till"}), Patience(), post.now)

    await post.deliver_all()

    assert post.outcomes() == ["unknown", "created"], "a look-up tells what became of it, though the shop has none"
    assert post.here.rates["described/till"] == 1
