"""Services that tests talk to for real: those that the environment names, or others, started for the tests.

A conftest gets the fixtures with `from services import …`.
"""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from imap_tools import MailBoxUnencrypted

from console.local_prefect import free_port

CI = Path(__file__).parents[1] / ".ci"
PASSWORD = "open-sesame"
"""Of every user of the mailbox server."""
PATIENT_S = 20.0


@dataclass(frozen=True)
class Dovecot:
    """A server that `.ci/dovecot/start` started: its ports, and its certificate's file."""

    port: int
    tls_port: int
    certificate: Path


@pytest.fixture(scope="session")
def dovecot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dovecot]:
    """The server at INTERLOCK_TEST_IMAP (port:port:certificate), else one of our own."""
    if given := os.environ.get("INTERLOCK_TEST_IMAP"):
        port, tls_port, certificate = given.split(":", 2)
        yield Dovecot(int(port), int(tls_port), Path(certificate))
        return
    with own_dovecot() as ours:
        yield ours


@contextmanager
def own_dovecot() -> Iterator[Dovecot]:
    """A mailbox server of our own for the block."""
    if not (shutil.which("dovecot") or Path("/usr/sbin/dovecot").exists()):
        pytest.skip("IMAP left out: dovecot is not installed, and INTERLOCK_TEST_IMAP names none")
    state = Path("/tmp") / f"interlock-dovecot-{uuid4().hex[:8]}"  # noqa: S108  its other users cannot enter pytest's folder
    ours = Dovecot(free_port(), free_port(), state / "cert.pem")
    with subprocess.Popen([CI / "dovecot/start", state, str(ours.port), str(ours.tls_port)]) as process:
        try:
            _until_it_answers(ours.port)
            yield ours
        finally:
            process.terminate()
            process.wait(timeout=PATIENT_S)
            shutil.rmtree(state, ignore_errors=True)


def _until_it_answers(port: int) -> None:
    for _ in range(200):
        with suppress(OSError), MailBoxUnencrypted("127.0.0.1", port, timeout=PATIENT_S):
            return
        subprocess.run(["sleep", "0.1"], check=True)  # noqa: S607
    raise AssertionError("Dovecot did not start")


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.URL]:
    """Where a Request Tracker answers, with its token as the user name."""
    if given := os.environ.get("INTERLOCK_TEST_RT"):
        yield httpx.URL(given)
        return
    if shutil.which("rt-setup-database-5") is None:
        pytest.skip("Request Tracker left out: INTERLOCK_TEST_RT names none, and request-tracker5 is not installed")
    folder = tmp_path_factory.mktemp("request_tracker")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = subprocess.run(
        [CI / "request_tracker/start", folder, str(port)], capture_output=True, text=True, check=False
    )
    assert started.returncode == 0, started.stderr
    try:
        yield httpx.URL(started.stdout.strip())
    finally:
        subprocess.run([CI / "request_tracker/start", folder, "stop"], check=True)
