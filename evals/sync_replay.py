"""Replays a help desk's log in two systems, while a sync that fails and is killed keeps them in step; then judges."""

import asyncio
import random
import shutil
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from connectors.store.engine import Store
from domain.errors import Unavailable
from evals.sync_account import Replayed, account_of
from evals.sync_log import CRM, DESK, OBJECT, POLICY, SYSTEMS, Edit, Version, edits_of
from evals.sync_rig import SETTLING_S, Rig, rig_of, systems_of
from evals.sync_systems import System

SEED = 20_260_302
PACE_PER_S = 15.0
"""Edits a second: hours of the log in each, so that both systems edit what the sync has not carried over yet."""
OUTAGES = 2
OUTAGE_S = 4.0
"""Of each system, one after the other."""
SLOW_S, LATE_S = 3.0, 0.5
"""Seconds until a slow answer, and between a gateway's answer and the write."""
SETTLED_RUNS = 2
LONGEST_SETTLING_S = 600.0
LOOK_S = 0.5


async def replay(
    versions: Sequence[Version],
    home: Path,
    faults: float,
    crashes: int,
    database: str = "",
    pace_per_s: float = PACE_PER_S,
    progress: Callable[[int], None] = lambda _done: None,
) -> Replayed:
    """Replay the versions; see `evals.sync_log.policy` for the rules by which they are kept in step.

    Args:
        home: a folder of its own, which is emptied.
        faults: share of the CRM's requests that fail.
        crashes: how often the worker is killed, at moments drawn at random.
        database: URL of the help desk's database; a SQLite file in `home` without one.
        pace_per_s: edits a second.

    Raises:
        Unavailable: the systems did not start.
    """
    edits = edits_of(versions)
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    database = database or f"sqlite:///{home / 'desk.db'}"
    with rig_of(home, faults, database) as rig:
        async with systems_of(rig, database) as (crm, desk, people):
            systems: dict[str, System] = {CRM: crm, DESK: desk}
            await people.fail(slow_s=SLOW_S, late_s=LATE_S)
            await _begun(rig)
            began = time.monotonic()
            await _lived(rig, systems, edits, crashes, pace_per_s, progress)
            edited_s = time.monotonic() - began
            store = Store(rig.environ["INTERLOCK_DATABASE_URL"])
            try:
                settled = await _settled(rig, store)
                settling_s = time.monotonic() - began - edited_s
                rig.end()
                books = {name: await system.books() for name, system in systems.items()}
                stats = await people.stats()
                with store.reading() as tx:
                    return account_of(
                        tx,
                        edits,
                        books,
                        settled=settled,
                        crashes=rig.crashes,
                        faults=stats["faults"],
                        edits_s=edited_s,
                        settling_s=settling_s,
                    )
            finally:
                store.close()


async def _begun(rig: Rig) -> None:
    """Wait for the first run of the sync, so that it is there when people begin."""
    ends = time.monotonic() + LONGEST_SETTLING_S
    while not rig.ended_since(0):
        if time.monotonic() > ends:
            raise Unavailable(f"the sync did not start; see {rig.home / 'worker.log'}")
        rig.keep_alive()
        await asyncio.sleep(LOOK_S)


async def _lived(
    rig: Rig,
    systems: Mapping[str, System],
    edits: Sequence[Edit],
    crashes: int,
    pace_per_s: float,
    progress: Callable[[int], None],
) -> None:
    """Let people edit, each incident in the log's order; whoever does not find a record yet looks again later."""
    dice = random.Random(SEED)  # noqa: S311  a draw to be repeated, not a secret
    kills = sorted(dice.random() for _ in range(crashes))
    away = {
        (number + 1) / (OUTAGES * len(SYSTEMS) + 1): SYSTEMS[number % 2] for number in range(OUTAGES * len(SYSTEMS))
    }
    put_off = defaultdict[str, deque[Edit]](deque)
    outage: tuple[str, float] | None = None
    began = time.monotonic()
    for number, edit in enumerate(edits):
        await asyncio.sleep(max(0.0, began + number / pace_per_s - time.monotonic()))
        put_off[edit.incident].append(edit)
        await _catch_up(systems, put_off, [edit.incident])
        progress(number + 1)
        part = (number + 1) / len(edits)
        if kills and part >= kills[0]:
            kills.pop(0)
            rig.crash()
        if outage and time.monotonic() > outage[1]:
            await systems[outage[0]].away(begins=False)
            outage = None
        if away and outage is None and part >= min(away):
            outage = away.pop(min(away)), time.monotonic() + OUTAGE_S
            await systems[outage[0]].away(begins=True)
        rig.keep_alive()
        if number % 50 == 0:
            await _catch_up(systems, put_off, list(put_off))
    if outage:
        await systems[outage[0]].away(begins=False)
    for _ in kills:
        rig.crash()
    ends = time.monotonic() + LONGEST_SETTLING_S
    while put_off and time.monotonic() < ends:
        await asyncio.sleep(LOOK_S)
        rig.keep_alive()
        await _catch_up(systems, put_off, list(put_off))
    if put_off:
        raise Unavailable(f"{len(put_off)} incidents never came to the other system; see {rig.home / 'worker.log'}")


async def _catch_up(systems: Mapping[str, System], put_off: dict[str, deque[Edit]], incidents: Sequence[str]) -> None:
    for incident in incidents:
        waiting = put_off[incident]
        while waiting and await systems[waiting[0].system].edit(waiting[0]):
            waiting.popleft()
        if not waiting:
            del put_off[incident]


async def _settled(rig: Rig, store: Store) -> bool:
    """Whether, in bounded time, whole runs found nothing more to do."""
    since = time.time() + SETTLING_S
    ends = time.monotonic() + LONGEST_SETTLING_S
    while time.monotonic() < ends:
        await asyncio.sleep(LOOK_S)
        rig.keep_alive()
        with store.reading() as tx:
            troubled = any(tx.sources.of(f"{POLICY}/{OBJECT}/{name}").breaker.failures for name in SYSTEMS)
            counts = tx.entities.counts(POLICY)
            if troubled or any(counts[name] for name in ("to_read", "to_merge", "writes_under_way")):
                since = max(since, time.time())
        if rig.ended_since(since) >= SETTLED_RUNS:
            return True
    return False
