"""Halving a refused batch, against a system that is made up anew for each example."""

import asyncio
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.batching import MOST_REQUESTS, RefusedWhole, bisected, by_target
from domain.delivery import DeliveryOutcome, Invalid, Operation, RetryAfter, Unknown, Written

LARGEST = 40
INDEX = st.integers(0, LARGEST - 1)
LIMIT = RetryAfter(limit="DAILY", seconds=60, detail="enough for today")


def operation(number: int) -> Operation:
    name = str(number)
    return Operation(
        operation_id=name, item_id=name, policy="p", destination="d", system="s", record_key=name, values={"a": name}
    )


@dataclass
class Picky:
    """Refuses a batch with a bad record in it; loses some answers; has a quota of requests.

    `lost` names operations whose batch, once it is taken, is written without an answer.
    """

    bad: frozenset[int] = frozenset()
    lost: frozenset[int] = frozenset()
    quota: int = 1_000
    requests: int = 0
    written: Counter[int] = field(default_factory=Counter)
    unanswered: set[int] = field(default_factory=set)
    sent_after_unknown: set[int] = field(default_factory=set)

    async def send(self, batch: Sequence[Operation]) -> list[DeliveryOutcome] | RefusedWhole:
        numbers = {int(one.record_key) for one in batch}
        self.sent_after_unknown |= numbers & self.unanswered
        self.requests += 1
        if self.requests > self.quota:
            return [LIMIT] * len(batch)
        if numbers & self.bad:
            return RefusedWhole(Invalid(detail="one of them is bad"))
        self.written.update(numbers)
        if numbers & self.lost:
            self.unanswered |= numbers
            return [Unknown(detail="no answer")] * len(batch)
        return [Written(kind="created", external_id=one.record_key) for one in batch]


def outcomes_of(system: Picky, count: int, most_requests: int = 1_000) -> list[DeliveryOutcome]:
    operations = [operation(number) for number in range(count)]
    return asyncio.run(bisected(system.send, operations, most_requests))


@given(count=st.integers(0, LARGEST), bad=st.frozensets(INDEX))
def test_the_bad_ones_are_refused_alone_and_every_other_is_written_once(count: int, bad: frozenset[int]) -> None:
    system = Picky(bad)

    outcomes = outcomes_of(system, count)

    assert [isinstance(outcome, Invalid) for outcome in outcomes] == [number in bad for number in range(count)]
    assert [getattr(outcome, "external_id", str(number)) for number, outcome in enumerate(outcomes)] == [
        str(number) for number in range(count)
    ]
    assert system.written == Counter(set(range(count)) - bad)


@given(count=st.integers(1, LARGEST), bad=st.frozensets(INDEX))
def test_the_requests_grow_with_the_logarithm_of_the_batch(count: int, bad: frozenset[int]) -> None:
    system = Picky(bad)

    outcomes_of(system, count)

    refused = len(bad & set(range(count)))
    assert system.requests <= 1 + 2 * refused * math.ceil(math.log2(count))


@given(count=st.integers(0, LARGEST), bad=st.frozensets(INDEX), lost=st.frozensets(INDEX))
def test_nothing_is_sent_again_whose_fate_is_unknown(count: int, bad: frozenset[int], lost: frozenset[int]) -> None:
    system = Picky(bad, lost)

    outcomes = outcomes_of(system, count)

    unknown = {number for number, outcome in enumerate(outcomes) if isinstance(outcome, Unknown)}
    assert not system.sent_after_unknown
    assert unknown == system.unanswered
    assert lost & set(range(count)) - bad <= unknown
    assert all(times == 1 for times in system.written.values())


@given(count=st.integers(1, LARGEST), bad=st.frozensets(INDEX), quota=st.integers(0, 20))
def test_a_limit_of_the_whole_system_ends_the_sending(count: int, bad: frozenset[int], quota: int) -> None:
    system = Picky(bad, quota=quota)

    outcomes = outcomes_of(system, count)

    limited = {number for number, outcome in enumerate(outcomes) if isinstance(outcome, RetryAfter)}
    assert len(outcomes) == count
    assert system.requests <= quota + 1
    assert not limited & system.written.keys()
    assert all(outcome.seconds == LIMIT.seconds for outcome in outcomes if isinstance(outcome, RetryAfter))
    assert limited | system.written.keys() | bad >= set(range(count))


@given(count=st.integers(1, LARGEST), bad=st.frozensets(INDEX), most_requests=st.integers(1, 20))
def test_what_is_not_reached_in_time_is_put_off_unwritten(count: int, bad: frozenset[int], most_requests: int) -> None:
    system = Picky(bad)

    outcomes = outcomes_of(system, count, most_requests)

    put_off = {number for number, outcome in enumerate(outcomes) if isinstance(outcome, RetryAfter)}
    refused = {number for number, outcome in enumerate(outcomes) if isinstance(outcome, Invalid)}
    assert len(outcomes) == count
    assert not any(outcome.counts for outcome in outcomes if isinstance(outcome, RetryAfter))
    assert system.requests <= most_requests
    assert refused <= bad
    assert system.written == Counter(set(range(count)) - put_off - refused)


def test_one_bad_record_in_the_largest_batch_is_found_in_one_go() -> None:
    system = Picky(frozenset({111}))

    outcomes = outcomes_of(system, 200, MOST_REQUESTS)

    assert Counter(map(type, outcomes)) == {Written: 199, Invalid: 1}


@dataclass
class Shelves:
    """Takes what belongs on one shelf, and remembers how it came."""

    requests: list[tuple[str, list[str]]] = field(default_factory=list)

    async def send(self, shelf: str, batch: Sequence[Operation]) -> list[DeliveryOutcome]:
        self.requests.append((shelf, [one.record_key for one in batch]))
        return [Written(kind="created", external_id=one.record_key) for one in batch]


def shelf_of(one: Operation) -> str | Invalid:
    number = int(one.record_key)
    return Invalid(detail="too high") if number > 3 else ("odd" if number % 2 else "even")


async def test_a_batch_is_parted_by_where_its_records_are_kept() -> None:
    shelves = Shelves()

    outcomes = await by_target([operation(number) for number in (3, 0, 4, 1, 2)], shelf_of, shelves.send)

    assert shelves.requests == [("odd", ["3", "1"]), ("even", ["0", "2"])]
    assert [getattr(outcome, "external_id", None) for outcome in outcomes] == ["3", "0", None, "1", "2"]
    assert outcomes[2] == Invalid(detail="too high")


@pytest.mark.parametrize(
    ("bad", "requests"), [((), 1), ((0,), 7), ((3, 4), 11)], ids=["none is bad", "one of eight", "two of eight"]
)
def test_how_many_requests_it_takes(bad: tuple[int, ...], requests: int) -> None:
    system = Picky(frozenset(bad))

    outcomes_of(system, 8)

    assert system.requests == requests
