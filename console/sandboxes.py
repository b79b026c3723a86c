"""Starts the sandbox systems for a command, and asks them afterwards what really arrived."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from connectors.crm.sandbox import CRM_URL
from connectors.help_desk.sandbox import HELP_DESK_URL
from domain.errors import Unavailable


@dataclass(frozen=True)
class Sandboxes:
    """Addresses of the running sandboxes."""

    crm: str
    help_desk: str

    @property
    def environ(self) -> dict[str, str]:
        """What connectors read to find them."""
        return {CRM_URL.name: self.crm, HELP_DESK_URL.name: self.help_desk}

    def fail_next(self, record_key: str, faults: Sequence[str]) -> None:
        """Let the CRM meet the next writes about one record with these faults."""
        change = {"next_for": {record_key: list(faults)}}
        httpx.post(f"{self.crm}/_faults", json=change, trust_env=False).raise_for_status()

    def operation_ids(self) -> set[str]:
        """Every operation that really arrived."""
        found: set[str] = set()
        for url in (self.crm, self.help_desk):
            for record in httpx.get(f"{url}/_records", trust_env=False).raise_for_status().json()["records"]:
                found |= {record["operation_id"], *record.get("operation_ids", ())}
        return found

    def doubled(self) -> int:
        """Writes that happened more than once, as the systems themselves count them."""
        stats = [httpx.get(f"{url}/_stats", trust_env=False).raise_for_status() for url in (self.crm, self.help_desk)]
        return sum(int(answer.json()["doubled"]) for answer in stats)


@contextmanager
def sandboxes(home: Path, fault_rate: float, seed: int = 7) -> Iterator[Sandboxes]:
    """The sandbox CRM and help desk on free ports, their records kept under `home`."""
    home.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "connectors.sandbox.serve", "--fault-rate", str(fault_rate), "--seed", str(seed)]
    with (home / "sandbox.log").open("ab") as log:
        process = subprocess.Popen(
            [*command, "--state", str(home)], stdout=subprocess.PIPE, stderr=log, env={**os.environ}
        )
    try:
        line = process.stdout.readline() if process.stdout else b""
        if not line:
            raise Unavailable(f"the sandbox did not start; see {home / 'sandbox.log'}")
        addresses = json.loads(line)
        yield Sandboxes(addresses["crm"], addresses["help_desk"])
    finally:
        process.terminate()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
