"""How fast the real flow is: beside a bare floor, with a slow model, at length, and with several workers."""

import asyncio
import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

from rich.console import Console

from connectors.settings import Settings
from domain.ledger import first_break
from domain.values import Frozen
from evals.bench_rig import Rig, Worker, rig_of
from evals.bench_work import write_workflow, written

FLOW, FLOOR = "console.bench_worker", "evals.bench_floor"
WARM = 40
"""Tickets that every process does first: imports, connections and fitted examples are not what is measured."""
CONCURRENCY = 16
"""Tickets that are asked about at the same time, by default; as the peers do."""
CHUNK = 200
"""Tickets that one Prefect task does, the most that a policy may say."""
ITEMS_A_RUN = 5_000
LEASE_MINUTES = 0.5
"""As long as nobody takes over what a killed worker held."""


class Speed(Frozen):
    """Items a second, and as a share of the floor of the same run."""

    items_per_s: float
    ratio: float


class Books(Frozen):
    """What the system that is written to has, beside what it should have.

    Attributes:
        lost: tickets that were to be written and are not there, or stand nowhere in the books.
        doubled: records beyond the first of a ticket.
        ledger_verifies: whether its chain is whole.
    """

    lost: int
    doubled: int
    ledger_verifies: bool

    @property
    def hold(self) -> bool:
        """Whether every ticket had its effects once."""
        return self.ledger_verifies and not self.lost and not self.doubled


class Bench(Books):
    """The flow beside the floor; medians of rounds that alternate, so that both meet the same machine.

    Attributes:
        cpu_ratio: processor time of the floor's process over that of one worker's, for as many tickets; unlike
            the speeds it hardly changes with what else the machine does. Prefect's server is not in it.
    """

    items: int
    rounds: int
    floor_items_per_s: float
    one_process: Speed
    two_processes: Speed
    cpu_ratio: float


class Latency(Books):
    """With a model that takes its time: what is reached of what that alone would allow; medians as in `Bench`.

    Attributes:
        concurrency: questions at the same time, of all `processes` together; the floor asks as many from its one.
        floor_share_of_ideal: what bare asyncio reaches on the same machine, and `ratio`: the flow's share of that.
    """

    items: int
    rounds: int
    latency_ms: float
    concurrency: int
    processes: int
    ideal_items_per_s: float
    items_per_s: float
    share_of_ideal: float
    floor_share_of_ideal: float
    ratio: float


class Growth(Books):
    """A thousand items beside many, through one process and one store.

    Attributes:
        ratio: the speed of the many, as a share of that of the few.
        grown_mib: by how much the process' memory grew over the many.
    """

    small_items: int
    small_items_per_s: float
    items: int
    items_per_s: float
    ratio: float
    grown_mib: float


class Scaling(Books):
    """Two workers beside one, with a model that takes its time; then three, of which one is killed.

    Attributes:
        speedup: the speed of two workers over that of one.
        after_kill_s: from the kill to the end of everything; `undisturbed_s` is what two workers take for the
            same, so that what is between the two is what the kill cost.
        lease_s: how long nobody takes over what the killed worker held.
    """

    items: int
    latency_ms: float
    concurrency: int
    one_worker_items_per_s: float
    two_workers_items_per_s: float
    speedup: float
    after_kill_s: float
    undisturbed_s: float
    lease_s: float


@dataclass
class Tickets:
    """Which were given out so far."""

    given: int = 0

    def take(self, count: int) -> range:
        """The next ones."""
        self.given += count
        return range(self.given - count, self.given)


@dataclass(frozen=True)
class Took:
    """What tickets took, from the first that is accepted to the last that is done.

    Attributes:
        cpu_s: processor time of the workers' own processes.
        rss_mib: the memory that the largest of them holds at the end.
    """

    seconds: float
    cpu_s: float
    rss_mib: float


def timed(workers: Sequence[Worker], numbers: range) -> Took:
    """Let workers do tickets between them."""
    began = time.perf_counter()
    for worker, share in zip(workers, shares(numbers, len(workers)), strict=True):
        worker.tell(f"{share.start} {share.stop}")
    told = [json.loads(worker.hear()) for worker in workers]
    seconds = time.perf_counter() - began
    return Took(seconds, sum(one["cpu_s"] for one in told), max(one["rss_mib"] for one in told))


def shares(numbers: range, count: int) -> list[range]:
    """Parts of nearly the same size, in order, that are everything together."""
    edges = [numbers.start + len(numbers) * part // count for part in range(count + 1)]
    return [range(*pair) for pair in pairwise(edges)]


def warmed(rig: Rig, policy: Path, count: int, tickets: Tickets) -> list[Worker]:
    """So many workers of the flow that have each done a few tickets."""
    workers = [rig.start(FLOW, str(policy)) for _ in range(count)]
    for worker in workers:  # in turn: else one might do the others' tickets, and those stay cold
        timed([worker], tickets.take(WARM))
    return workers


def warmed_floor(rig: Rig, concurrency: int, tickets: Tickets) -> tuple[Worker, list[range]]:
    """The floor, and the few tickets that it has done."""
    floor, numbers = rig.start(FLOOR, rig.stub, str(rig.home / "floor.db"), str(concurrency)), tickets.take(WARM)
    timed([floor], numbers)
    return floor, [numbers]


async def books(rig: Rig, numbers: range, floors: Sequence[range]) -> Books:
    """What became of tickets, by the system that was written to and by the ledger.

    Args:
        numbers: all that were given out; those of `floors` were not the flow's.
    """
    keys, _ = await rig.records()
    store = rig.store()
    try:
        with store.reading() as tx:
            account = tx.accounts.balance("bench")
            whole = first_break(tx.ledger.entries()) is None
    finally:
        store.close()
    given = len(numbers) - sum(map(len, floors))
    lost = len(written(numbers) - set(keys)) + max(0, given - account.accepted) + account.unaccounted
    return Books(lost=lost, doubled=len(keys) - len(set(keys)), ledger_verifies=whole)


def fresh(name: str) -> Path:
    """An empty folder for a measurement."""
    home = Settings().home / "bench" / name
    shutil.rmtree(home, ignore_errors=True)
    return home


def measure_bench(items: int, rounds: int, database: str, say: Console) -> Bench:
    """The floor, one process and two, in turn."""
    home, tickets = fresh("floor"), Tickets()
    with rig_of(home, 0, database, {}) as rig:
        policy = write_workflow(home, CONCURRENCY, ITEMS_A_RUN, CHUNK, LEASE_MINUTES)
        floor, floors = warmed_floor(rig, CONCURRENCY, tickets)
        workers = warmed(rig, policy, 2, tickets)
        seen: list[tuple[Took, Took, Took]] = []
        for _ in range(rounds):
            floors.append(tickets.take(items))
            bare = timed([floor], floors[-1])
            one, two = (timed(workers[:count], tickets.take(items)) for count in (1, 2))
            told = ", ".join(f"{items / took.seconds:.1f}" for took in (bare, one, two))
            say.print(f"items a second, floor, one process, two: {told}", highlight=False)
            seen.append((bare, one, two))
        found = asyncio.run(books(rig, range(tickets.given), floors))
    return Bench(
        items=items,
        rounds=rounds,
        floor_items_per_s=round(median(items / bare.seconds for bare, _, _ in seen), 1),
        one_process=speed([(items / bare.seconds, items / one.seconds) for bare, one, _ in seen]),
        two_processes=speed([(items / bare.seconds, items / two.seconds) for bare, _, two in seen]),
        cpu_ratio=round(median(bare.cpu_s / one.cpu_s for bare, one, _ in seen), 3),
        **found.model_dump(),
    )


def speed(rounds: Sequence[tuple[float, float]]) -> Speed:
    """Medians over rounds of the speed, and of its ratio to the floor of the same round.

    Args:
        rounds: items a second of the floor, and of what is measured.
    """
    reached = median(one for _, one in rounds)
    return Speed(items_per_s=round(reached, 1), ratio=round(median(one / bare for bare, one in rounds), 3))


def measure_latency(
    items: int, rounds: int, latency_ms: float, concurrency: int, processes: int, database: str, say: Console
) -> Latency:
    """The floor, and processes that share what they may ask at once of a model that takes its time, in turn."""
    home, tickets = fresh("latency"), Tickets()
    each = max(1, concurrency // processes)
    best = ideal(latency_ms, each * processes)
    with rig_of(home, latency_ms, database, {}) as rig:
        policy = write_workflow(home, each, items, 2 * each, LEASE_MINUTES)  # one run: between two nothing is asked
        floor, floors = warmed_floor(rig, each * processes, tickets)
        workers = warmed(rig, policy, processes, tickets)
        seen: list[tuple[float, float]] = []
        for _ in range(rounds):
            floors.append(tickets.take(items))
            bare = items / timed([floor], floors[-1]).seconds
            seen.append((bare, items / timed(workers, tickets.take(items)).seconds))
            told = ", ".join(f"{one:.1f}" for one in seen[-1])
            say.print(f"items a second, floor, {processes} of the flow: {told}", highlight=False)
        found = asyncio.run(books(rig, range(tickets.given), floors))
    reached = speed(seen)
    return Latency(
        items=items,
        rounds=rounds,
        latency_ms=latency_ms,
        concurrency=each * processes,
        processes=processes,
        ideal_items_per_s=round(best, 1),
        items_per_s=reached.items_per_s,
        share_of_ideal=round(reached.items_per_s / best, 3),
        floor_share_of_ideal=round(median(bare for bare, _ in seen) / best, 3),
        ratio=reached.ratio,
        **found.model_dump(),
    )


def ideal(latency_ms: float, concurrency: int) -> float:
    """Items a second if nothing but the model took time."""
    return concurrency / (latency_ms / 1000)


SMALL = 1_000
"""What many items are compared with."""


def measure_growth(items: int, database: str, say: Console) -> Growth:
    """A thousand items, then many, through one process and into one store."""
    home, tickets = fresh("growth"), Tickets()
    with rig_of(home, 0, database, {}) as rig:
        policy = write_workflow(home, CONCURRENCY, ITEMS_A_RUN, CHUNK, LEASE_MINUTES)
        workers = warmed(rig, policy, 1, tickets)
        small = timed(workers, tickets.take(SMALL))
        say.print(f"{SMALL} items: {SMALL / small.seconds:.1f} a second, {small.rss_mib:.0f} MiB", highlight=False)
        large = timed(workers, tickets.take(items))
        found = asyncio.run(books(rig, range(tickets.given), ()))
    return Growth(
        small_items=SMALL,
        small_items_per_s=round(SMALL / small.seconds, 1),
        items=items,
        items_per_s=round(items / large.seconds, 1),
        ratio=round((items / large.seconds) / (SMALL / small.seconds), 3),
        grown_mib=round(large.rss_mib - small.rss_mib, 1),
        **found.model_dump(),
    )
