"""How much several workers do together, and what becomes of the work of one that is killed."""

import asyncio
import time

from evals.bench import ITEMS_A_RUN, LEASE_MINUTES, Scaling, Tickets, books, fresh, shares, timed, warmed
from evals.bench_rig import rig_of
from evals.bench_work import write_workflow

DEFAULT_LATENCY_MS = 400.0
CHUNKS = 2
"""So many times `concurrency` is one Prefect task: the workers share the inbox by chunks."""


def measure_scaling(items: int, latency_ms: float, concurrency: int, database: str) -> Scaling:
    """One worker, two, and three of which one is killed when about a third is done; each on as many items."""
    home, tickets = fresh("scaling"), Tickets()
    with rig_of(home, latency_ms, database, {}) as rig:
        policy = write_workflow(home, concurrency, ITEMS_A_RUN, CHUNKS * concurrency, LEASE_MINUTES)
        workers = warmed(rig, policy, 3, tickets)
        one = timed(workers[:1], tickets.take(items)).seconds
        two = timed(workers[:2], tickets.take(items)).seconds
        numbers = tickets.take(items)
        for worker, share in zip(workers, shares(numbers, 3), strict=True):
            worker.tell(f"{share.start} {share.stop}")
        time.sleep(two / 3)
        workers.pop().kill()
        killed_at = time.perf_counter()
        for worker in workers:
            worker.hear()
        after = time.perf_counter() - killed_at
        found = asyncio.run(books(rig, range(tickets.given), ()))
    return Scaling(
        items=items,
        latency_ms=latency_ms,
        concurrency=concurrency,
        one_worker_items_per_s=round(items / one, 1),
        two_workers_items_per_s=round(items / two, 1),
        speedup=round(one / two, 2),
        after_kill_s=round(after, 1),
        undisturbed_s=round(two * 2 / 3, 1),
        lease_s=LEASE_MINUTES * 60,
        **found.model_dump(),
    )
