"""A Prefect server and worker of our own, on loopback, for as long as a command runs."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from inspect import isawaitable
from pathlib import Path
from threading import Thread

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_LOCAL_STORAGE_PATH,
    get_current_settings,
    temporary_settings,
)
from prefect.types.entrypoint import EntrypointType

from domain.errors import Unavailable
from flows.review import review

POOL = "interlock"
"""The work pool that `prefect.yaml` names."""

IN_BATCHES = {
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
}
"""The states of task runs are recorded once a second, not each in a transaction: that saves half of a server's work."""

START_S, STOP_S, DRAIN_S = 200, 20, 5


@contextmanager
def prefect_server(home: Path) -> Iterator[str]:
    """A server with its database under `home`, used by this process; gives the UI's address."""
    port = free_port()
    ui = f"http://127.0.0.1:{port}"
    environ = {
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_LOGGING_SERVER_LEVEL": "ERROR",
        "PREFECT_API_URL": f"{ui}/api",
        **IN_BATCHES,
    }
    command = ["prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    settings = {
        PREFECT_API_URL: f"{ui}/api",
        PREFECT_LOCAL_STORAGE_PATH: home / "storage",
    }
    log = home / "server.log"
    with background(command, environ, log) as server, temporary_settings(settings):
        _await_health(f"{ui}/api/health", server, log)
        try:
            yield ui
        finally:
            _send_what_is_queued()


@contextmanager
def review_worker(home: Path) -> Iterator[None]:
    """A process worker for the pool.

    How many flow runs it has at a time is the pool's limit, never `--limit`: with that, a
    run that is resumed before its former process is gone crashes Prefect's worker
    ("this borrower is already holding one of this CapacityLimiter's tokens").
    """
    api = get_current_settings().api.url or ""
    environ = {"PREFECT_HOME": str(home), "PREFECT_API_URL": api, "PREFECT_WORKER_QUERY_SECONDS": "1"}
    command = ["prefect", "worker", "start", "--pool", POOL, "--type", "process", "--install-policy", "never"]
    with background(command, environ, home / "worker.log"):
        yield


async def deploy_reviews(at_once: int) -> None:
    """Create the work pool, for `at_once` flow runs at a time, and the review deployment."""
    async with get_client() as client:
        await client.create_work_pool(
            WorkPoolCreate(name=POOL, type="process", concurrency_limit=at_once), overwrite=True
        )
    deployment = await review.ato_deployment(
        name="review", work_pool_name=POOL, entrypoint_type=EntrypointType.MODULE_PATH
    )
    await deployment.aapply()


@contextmanager
def background(command: list[str], environ: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A Python console script of this environment, and all that it starts, ended with the block."""
    log.parent.mkdir(parents=True, exist_ok=True)
    script = Path(sys.executable).with_name(command[0])
    with log.open("ab") as output, ExitStack() as stack:
        process = subprocess.Popen(
            [str(script), *command[1:]],
            env={**os.environ, **environ},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        stack.callback(_end, process)
        yield process


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process, then whatever it leaves behind: workers can outlive their signal."""
    family = _descendants(process.pid)
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for pid in family:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def _descendants(pid: int) -> list[int]:
    """Processes that `pid` has started, and those that they have; where there is no /proc, none."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended since
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    found, frontier = [], {pid}
    while frontier := {child for child, parent in parents.items() if parent in frontier}:
        found += sorted(frontier)
    return found


def _send_what_is_queued() -> None:
    """Let this process's queued logs and events reach the server before it ends.

    Otherwise Prefect's threads try for a minute to send them to nobody.
    """

    async def drained() -> None:
        for queue in (APILogWorker, EventsWorker):
            draining = queue.drain_all(timeout=DRAIN_S)
            if isawaitable(draining):
                await draining

    sender = Thread(target=lambda: asyncio.run(drained()), daemon=True)  # not in the caller's event loop
    sender.start()
    sender.join(2 * DRAIN_S)


def _await_health(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and server.poll() is None:
        try:
            if httpx.get(url, timeout=2, trust_env=False).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise Unavailable(f"Prefect's server did not start; see {log}")


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
