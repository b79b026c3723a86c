"""Replays a help desk's log in two systems, while a sync that fails and is killed keeps them in step; then judges."""

import asyncio
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from connectors.sandbox.people import HubSpotPeople
from connectors.store.engine import Store, Transaction
from domain.account import Account
from domain.entity import Move
from domain.errors import Unavailable
from domain.ledger import first_break
from domain.merge import Kind, Why
from domain.values import Frozen
from evals.sync_log import CRM, DESK, FIELDS, NUMBER, OBJECT, POLICY, SYSTEMS, Edit, Version, edits_of, policy
from evals.sync_oracle import Fault, Finding, Story, judged
from evals.sync_systems import KIND, TABLE, Books, Crm, Desk, System

SEED = 20_260_302
PACE_PER_S = 20.0
"""Edits a second: some minutes of the log in each, so that the sync lags behind as it does after an outage."""
OUTAGES = 2
OUTAGE_S = 4.0
"""Of each system, one after the other."""
SETTLING_S = 2.5
"""How old a change is before the CRM is asked for it; its search lags by two seconds."""
FAILING = {"slow_s": 3.0, "late_s": 0.5}
TIMEOUT_S = "2"
"""Shorter than a slow answer, so that writes time out after they were made."""
SETTLED_RUNS = 2
LONGEST_SETTLING_S = 600.0
LOOK_S = 0.5
TOLD = 20
"""Faults that are told in full."""


class Replayed(Frozen):
    """What came of a replay.

    Attributes:
        versions: edits by people, of `incidents`.
        conflicts: contradictions that wait for a person.
        settled: whether the sync came to rest in time.
        writes: by the sync, in both systems.
        moves: what was made of edits, by why.
        faults: how often the CRM failed, by kind.
        told: some of the faults, in words.
    """

    versions: int
    incidents: int
    lost: int
    doubled: int
    unexplained: int
    conflicts: int
    settled: bool
    ledger_verifies: bool
    crashes: int
    writes: int
    dead_lettered: int
    moves: dict[str, int]
    faults: dict[str, int]
    edits_s: float
    settling_s: float
    told: tuple[str, ...]


@dataclass
class Rig:
    """What a replay runs against, and the worker that is killed.

    Attributes:
        environ: of the worker.
    """

    home: Path
    environ: dict[str, str]
    policy: Path
    crashes: int = 0
    worker: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def runs(self) -> Path:
        """Where the worker tells of the runs that it has ended."""
        return self.home / "runs.txt"

    def keep_alive(self) -> None:
        """Start the worker, if it is not there."""
        if self.worker is not None and self.worker.poll() is None:
            return
        with (self.home / "worker.log").open("ab") as log:
            command = [sys.executable, "-m", "console.sync_worker", str(self.policy), str(self.runs)]
            self.worker = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=os.environ | self.environ
            )

    def crash(self) -> None:
        """Kill the worker, which gets no time for anything."""
        if self.worker is not None:
            self.worker.kill()
            self.worker.wait()
            self.crashes += 1
        self.keep_alive()

    def ended_since(self, at: float) -> int:
        """How many runs have ended that began after `at`, in seconds since 1970."""
        if not self.runs.exists():
            return 0
        return sum(float(line) > at for line in self.runs.read_text(encoding="utf-8").split("\n") if line)


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
    with _rig(home, faults, database) as rig:
        async with _systems(rig, database) as (crm, desk, people):
            systems: dict[str, System] = {CRM: crm, DESK: desk}
            await people.set_to(**FAILING)
            await _begun(rig)
            began = time.monotonic()
            await _lived(rig, systems, edits, crashes, pace_per_s, progress)
            edited_s = time.monotonic() - began
            store = Store(rig.environ["INTERLOCK_DATABASE_URL"])
            try:
                settled = await _settled(rig, store)
                settling_s = time.monotonic() - began - edited_s
                if rig.worker is not None:
                    rig.worker.kill()
                    rig.worker.wait()
                books = {name: await system.books() for name, system in systems.items()}
                stats = await people.stats()
                with store.reading() as tx:
                    return _told(
                        tx, edits, books, settled, rig.crashes, stats["faults"], edited_s, settling_s
                    )
            finally:
                store.close()


@contextmanager
def _rig(home: Path, faults: float, database: str) -> Iterator[Rig]:
    with (home / "rig.log").open("ab") as log:
        command = [sys.executable, "-m", "console.sync_rig", str(home), str(faults)]
        systems = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
    rig: Rig | None = None
    try:
        line = systems.stdout.readline() if systems.stdout else b""
        if not line:
            raise Unavailable(f"the systems of the replay did not start; see {home / 'rig.log'}")
        path = home / f"{POLICY}.yaml"
        path.write_text(yaml.safe_dump(_policy(), sort_keys=False), encoding="utf-8")
        environ = json.loads(line) | {
            "INTERLOCK_DATABASE_URL": f"sqlite:///{home / 'interlock.db'}",
            "INTERLOCK_SQL_URL": database,
            "INTERLOCK_HUBSPOT_TOKEN": "sandbox",
            "INTERLOCK_CONNECTOR_TIMEOUT_S": TIMEOUT_S,
            "INTERLOCK_HOME": str(home),
            "PREFECT_HOME": str(home / "prefect"),
        }
        rig = Rig(home, environ, path)
        yield rig
    finally:
        if rig is not None and rig.worker is not None:
            rig.worker.kill()
            rig.worker.wait()
        systems.communicate(b"")


def _policy() -> dict[str, Any]:
    crm = {"object": KIND, "settling_s": str(SETTLING_S)}
    desk = {"table": TABLE, "key": "id", "updated_at": "updated_at", "settling_s": "0.05"}
    return policy(crm, desk)


@asynccontextmanager
async def _systems(rig: Rig, database: str) -> AsyncIterator[tuple[Crm, Desk, HubSpotPeople]]:
    desk = Desk(database)
    try:
        desk.make()
        async with HubSpotPeople(rig.environ["INTERLOCK_HUBSPOT_URL"], KIND, NUMBER) as people:
            yield Crm(people), desk, people
    finally:
        desk.close()


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
    away = {(number + 1) / (OUTAGES * len(SYSTEMS) + 1): SYSTEMS[number % 2] for number in range(OUTAGES * len(SYSTEMS))}
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


async def _catch_up(
    systems: Mapping[str, System], put_off: dict[str, deque[Edit]], incidents: Sequence[str]
) -> None:
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
            if troubled or tx.crosswalk.waiting(POLICY) or tx.crosswalk.counts(POLICY)["writes_under_way"]:
                since = max(since, time.time())
        if rig.ended_since(since) >= SETTLED_RUNS:
            return True
    return False


def _told(
    tx: Transaction,
    edits: Sequence[Edit],
    books: Mapping[str, Books],
    settled: bool,  # noqa: FBT001
    crashes: int,
    faults: dict[str, int],
    edits_s: float,
    settling_s: float,
) -> Replayed:
    found = [Finding(Fault.DOUBLED, "", "", why) for system in books.values() for why in system.twice]
    stories = list(_stories(tx, sorted({edit.incident for edit in edits}), books))
    for story in stories:
        found += judged(story)
    found += _unheard(edits, books)
    contested = {(story.thing, story.field) for story in stories if story.contested}
    found += _unasked(tx, len(contested))
    counts = Counter(finding.fault for finding in found)
    account: Account = tx.accounts.balance()
    moves = Counter(move.why.value for story in stories for move in story.moves)
    writes = sum(change.edit is None for system in books.values() for one in system.changes.values() for change in one)
    return Replayed(
        versions=len(edits),
        incidents=len({edit.incident for edit in edits}),
        lost=counts[Fault.LOST],
        doubled=counts[Fault.DOUBLED],
        unexplained=counts[Fault.UNEXPLAINED],
        conflicts=len(contested),
        settled=settled,
        ledger_verifies=first_break(tx.ledger.entries()) is None,
        crashes=crashes,
        writes=writes,
        dead_lettered=account.dead_lettered,
        moves=dict(sorted(moves.items())),
        faults=dict(sorted(faults.items())),
        edits_s=round(edits_s, 1),
        settling_s=round(settling_s, 1),
        told=tuple(f"{one.fault.value}: {one.thing} {one.field}: {one.why}" for one in found[:TOLD]),
    )


def _stories(tx: Transaction, incidents: Sequence[str], books: Mapping[str, Books]) -> Iterator[Story]:
    told = policy({}, {})["objects"][OBJECT]["fields"]
    for incident in incidents:
        ids = tx.crosswalk.find(incident)
        due = tx.crosswalk.get(ids[0]) if len(ids) == 1 else None
        entity = due.entity if due else None
        history = tx.crosswalk.history(ids[0]) if len(ids) == 1 else []
        for name in FIELDS:
            standing = entity.fields.get(name) if entity else None
            changes = [change for system in books.values() for change in system.changes.get((incident, name), ())]
            moves = [
                Move(
                    field=name,
                    before=row.before,
                    after=row.after,
                    why=Why(row.why),
                    edited={system: str(one["value"]) for system, one in row.edited.items()},
                )
                for row in history
                if row.field == name
            ]
            yield Story(
                thing=incident,
                field=name,
                kind=Kind(told[name].get("rule", "ask")),
                changes=sorted(changes, key=lambda change: change.at),
                held={name_of: system.held.get(incident, {}).get(name, "") for name_of, system in books.items()},
                agreed=standing.agreed if standing else "",
                moves=moves,
                contested=standing.contested if standing else {},
                refused=frozenset(
                    system for system, held in (entity.records.items() if entity else ()) if name in held.refused
                ),
                owner=told[name].get("owner"),
            )


def _unheard(edits: Sequence[Edit], books: Mapping[str, Books]) -> list[Finding]:
    """The people's edits that the systems' own books do not have: the replay itself is broken."""
    noted = {change.edit for system in books.values() for one in system.changes.values() for change in one}
    return [
        Finding(Fault.LOST, edit.incident, "", f"edit {edit.number} is in no book of {edit.system}")
        for edit in edits
        if edit.number not in noted
    ]


def _unasked(tx: Transaction, contested: int) -> list[Finding]:
    """Contradictions of which no person was asked, or questions about none."""
    asked = len([review for review in tx.reviews.waiting(POLICY) if review.kind == "conflict"])
    if asked == contested:
        return []
    return [Finding(Fault.UNEXPLAINED, "", "", f"{contested} fields are contested, and {asked} are asked about")]


