"""The sandbox servers as one process of their own, and the connectors that talk to them."""

import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from connectors.crm.sandbox import SandboxCrm
from connectors.help_desk.sandbox import SandboxHelpDesk
from connectors.sandbox.faults import FaultSettings
from connectors.sandbox.serve import SYSTEMS

ROOT = Path(__file__).parents[2]
PATIENT_S = 60
"""Longer than any answer takes, however busy the machine."""


@pytest.fixture(scope="module")
def sandbox(served: dict[str, str]) -> dict[str, str]:
    """Addresses of the servers, which are empty and without faults when a module begins."""
    calm = FaultSettings().model_dump(mode="json")
    for url in served.values():
        httpx.delete(f"{url}/_records", timeout=PATIENT_S, trust_env=False).raise_for_status()
        httpx.post(f"{url}/_faults", json=calm, timeout=PATIENT_S, trust_env=False).raise_for_status()
    return served


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Addresses of the servers; at the end they must have ended cleanly, and said nothing."""
    complaints = tmp_path_factory.mktemp("sandbox") / "stderr"
    command = [sys.executable, "-m", "connectors.sandbox.serve", "--rate-per-s", "10000", "--burst", "10000"]
    command += [f"--system={name}" for name in SYSTEMS]
    with (
        complaints.open("w") as stderr,
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=stderr, text=True) as process,
    ):
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=PATIENT_S)
    assert complaints.read_text() == ""
    assert process.returncode == 0


@pytest.fixture
def crm_server(sandbox: dict[str, str]) -> Iterator[httpx.Client]:
    """The CRM itself, empty and without faults, for switching faults and reading its books."""
    with _fresh(sandbox["crm"]) as server:
        yield server


@pytest.fixture
def help_desk_server(sandbox: dict[str, str]) -> Iterator[httpx.Client]:
    """The help desk itself, empty and without faults, for switching faults and reading its books."""
    with _fresh(sandbox["help_desk"]) as server:
        yield server


@pytest.fixture
async def crm(sandbox: dict[str, str]) -> AsyncIterator[SandboxCrm]:
    """The connector, with patience."""
    connector = SandboxCrm(sandbox["crm"], timeout_s=PATIENT_S)
    yield connector
    await connector.aclose()


@pytest.fixture
async def help_desk(sandbox: dict[str, str]) -> AsyncIterator[SandboxHelpDesk]:
    """The connector, with patience."""
    connector = SandboxHelpDesk(sandbox["help_desk"], timeout_s=PATIENT_S)
    yield connector
    await connector.aclose()


@contextmanager
def _fresh(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=PATIENT_S, trust_env=False) as server:
        server.delete("/_records").raise_for_status()
        server.post("/_faults", json={"rate": 0, "next": [], "seed": 1}).raise_for_status()
        yield server
