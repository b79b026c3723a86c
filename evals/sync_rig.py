"""What a replay runs against: two systems, and a sync in a process of its own that can be killed."""

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from connectors.sandbox.people import HubSpotPeople
from domain.errors import Unavailable
from evals.sync_log import NUMBER, POLICY, policy
from evals.sync_systems import KIND, TABLE, Crm, Desk

SETTLING_S = 2.5
"""How old a change is before the CRM is asked for it; its search lags by two seconds."""
TIMEOUT_S = "2"
"""Shorter than a slow answer of the CRM, so that writes time out after they were made."""


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
        """Kill the worker, which gets no time for anything, and start another."""
        self.end()
        self.crashes += 1
        self.keep_alive()

    def end(self) -> None:
        """Kill the worker, if it is there."""
        if self.worker is not None:
            self.worker.kill()
            self.worker.wait()
            self.worker = None

    def ended_since(self, at: float) -> int:
        """How many runs have ended that began after `at`, in seconds since 1970."""
        if not self.runs.exists():
            return 0
        return sum(float(line) > at for line in self.runs.read_text(encoding="utf-8").split("\n") if line)


@contextmanager
def rig_of(home: Path, faults: float, database: str) -> Iterator[Rig]:
    """The systems but for the table, a Prefect server, and a worker that is still to be started.

    Raises:
        Unavailable: they did not start.
    """
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
        if rig is not None:
            rig.end()
        systems.communicate(b"")


def _policy() -> dict[str, Any]:
    crm = {"object": KIND, "settling_s": str(SETTLING_S)}
    desk = {"table": TABLE, "key": "id", "updated_at": "updated_at", "settling_s": "0.05"}
    return policy(crm, desk)


@asynccontextmanager
async def systems_of(rig: Rig, database: str) -> AsyncIterator[tuple[Crm, Desk, HubSpotPeople]]:
    """Both systems, as people work in them, and the account of the first."""
    desk = Desk(database)
    try:
        desk.make()
        async with HubSpotPeople(rig.environ["INTERLOCK_HUBSPOT_URL"], KIND, NUMBER) as people:
            yield Crm(people), desk, people
    finally:
        desk.close()
