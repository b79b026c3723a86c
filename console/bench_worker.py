"""One worker of `evals bench`: `python -m console.bench_worker POLICY`.

Each line of the standard input names tickets, `FROM TO`: the first of them wait, the others come in while the flow
runs, until nothing waits any more but for a person. The answer is a line with the processor time that this took
here, in seconds, and the memory that the process holds, in MiB. It is a process of its own so that several can run
beside each other, and be killed.
"""

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from connectors.ports import Arrival
from connectors.store.parts import in_parts
from evals.bench_work import SOURCE, text_of
from flows.route import route
from tasks.accept import accept
from tasks.resources import Resources, opened

WAITING = 500
"""Tickets that are there when a run begins; the others come in while it goes on."""

AT_ONCE, PAUSE_S = 100, 0.05
"""Tickets that are accepted in one transaction, and the time between two."""

PATIENCE_S = 3.0
"""How long a run waits for writes that other systems put off."""

LOOK_AGAIN_S = 0.02
"""Between two looks whether others have finished what they hold."""

OTHERS = timedelta(seconds=1)
"""What was due for less long, another worker is about to send."""

ANY_LEASE = timedelta(days=1)
"""Longer than any lease: what could be claimed then is undecided now."""


async def work(policy: str) -> None:
    """Do what the lines of the standard input say, until it ends."""
    async with opened() as here:
        while line := await asyncio.to_thread(sys.stdin.readline):
            first, end = map(int, line.split())
            began = time.process_time()
            await _worked_off(here, policy, range(first, end))
            sys.stdout.write(json.dumps({"rss_mib": _rss_mib(), "cpu_s": time.process_time() - began}) + "\n")
            sys.stdout.flush()


async def _come_in(here: Resources, policy: str, numbers: range) -> None:
    for part in in_parts(numbers, AT_ONCE):
        _accept(here, policy, part)
        await asyncio.sleep(PAUSE_S)


def _accept(here: Resources, policy: str, numbers: Sequence[int]) -> None:
    accept(here, policy, [_arrival(number) for number in numbers])


def _arrival(number: int) -> Arrival:
    fields = {"message": text_of(number), "ticket": str(number)}
    return Arrival(
        source=SOURCE, external_id=str(number), received_at=datetime.now(UTC), fields=fields, where=str(number)
    )


async def _worked_off(here: Resources, policy: str, numbers: range) -> None:
    """Run the flow, again and again, until everything is decided and delivered, be it by others."""
    name = here.workflow(policy).policy.name
    _accept(here, policy, numbers[:WAITING])
    async with asyncio.TaskGroup() as at_once:
        coming = at_once.create_task(_come_in(here, policy, numbers[WAITING:]))
        while True:
            with here.store.reading() as tx:
                now = here.now()
                undecided, due_at = tx.inbox.claimable(name, now + ANY_LEASE), tx.outbox.next_due_at(now)
                to_do = tx.inbox.claimable(name, now) or (due_at is not None and due_at + OTHERS <= now)
            if coming.done() and not undecided and due_at is None:
                return
            if to_do:
                await route(policy, wait_s=PATIENCE_S)
            else:
                await asyncio.sleep(LOOK_AGAIN_S)


def _rss_mib() -> float:
    """What this process holds of the machine's memory; 0 where there is no /proc."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0.0
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS"))
    return round(int(line.split()[1]) / 1024, 1)


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1]))
