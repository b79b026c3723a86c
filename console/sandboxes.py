"""Starts the sandbox systems for a command, and asks them afterwards what really arrived."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from connectors.crm.sandbox import CRM_URL
from connectors.help_desk.sandbox import HELP_DESK_URL
from connectors.sandbox.service import DEFAULT_BURST, DEFAULT_RATE_PER_S
from domain.errors import Unavailable

VARIABLES = {"crm": CRM_URL, "help_desk": HELP_DESK_URL}
"""What the connectors read to find them."""

SETTLES_S = "1"
"""Twice as long as the sandboxes let a late write take."""


@dataclass(frozen=True)
class Sandboxes:
    """Addresses of the running sandboxes, by name."""

    addresses: dict[str, str]

    @property
    def environ(self) -> dict[str, str]:
        """What connectors read to find them, and how long the systems go on with a write whose sender is gone."""
        found = {variable.name: self.addresses[name] for name, variable in VARIABLES.items() if name in self.addresses}
        return {**found, "INTERLOCK_SETTLES_S": SETTLES_S}

    def fail_next(self, record_key: str, faults: Sequence[str]) -> None:
        """Let the CRM meet the next writes about one record with these faults."""
        change = {"next_for": {record_key: list(faults)}}
        httpx.post(f"{self.addresses['crm']}/_faults", json=change, trust_env=False).raise_for_status()

    def operation_ids(self) -> set[str]:
        """Every operation that really arrived."""
        found: set[str] = set()
        for books in self._ask("_records"):
            for record in books["records"]:
                found |= {record["operation_id"], *record.get("operation_ids", ())}
        return found

    def doubled(self) -> int:
        """Writes that happened more than once, as the systems themselves count them."""
        return sum(int(stats["doubled"]) for stats in self._ask("_stats"))

    def faults(self) -> Counter[str]:
        """How often each fault struck, in all systems."""
        return sum((Counter(stats["faults"]) for stats in self._ask("_stats")), Counter[str]())

    def _ask(self, path: str) -> list[dict[str, Any]]:
        answers = [httpx.get(f"{url}/{path}", trust_env=False, timeout=60) for url in self.addresses.values()]
        return [answer.raise_for_status().json() for answer in answers]


@contextmanager
def sandboxes(
    home: Path,
    fault_rate: float,
    seed: int = 7,
    *,
    systems: Sequence[str] = tuple(VARIABLES),
    rate_per_s: float = DEFAULT_RATE_PER_S,
) -> Iterator[Sandboxes]:
    """Sandbox systems on free ports, their records kept under `home`.

    Args:
        fault_rate: share of requests that fail, 0 to 1.
        systems: their names, out of `connectors.sandbox.serve.SYSTEMS`.
        rate_per_s: rate limit of each.

    Raises:
        Unavailable: they did not start.
    """
    home.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "connectors.sandbox.serve", "--fault-rate", str(fault_rate), "--seed", str(seed)]
    command += ["--state", str(home), "--rate-per-s", str(rate_per_s)]
    command += ["--burst", str(max(DEFAULT_BURST, round(rate_per_s / 2)))]
    for name in systems:
        command += ["--system", name]
    with (home / "sandbox.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env={**os.environ})
    try:
        line = process.stdout.readline() if process.stdout else b""
        if not line:
            raise Unavailable(f"the sandbox did not start; see {home / 'sandbox.log'}")
        yield Sandboxes(json.loads(line))
    finally:
        process.terminate()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
