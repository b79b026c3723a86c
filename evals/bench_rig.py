"""The processes of `evals bench`: the stand-ins, a Prefect server, workers of the flow, and the floor."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from connectors.spec import client
from connectors.store.engine import Store
from domain.errors import Unavailable
from evals.bench_work import API_URL, MODEL


class Worker:
    """A process that does what lines on its standard input say, and answers each with a line of JSON."""

    def __init__(self, module: str, arguments: Sequence[str], environ: Mapping[str, str], log: Path) -> None:
        self._log = log
        with log.open("ab") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**os.environ, **environ},
                text=True,
            )

    def tell(self, line: str) -> None:
        """Give it a line."""
        if self.process.stdin is not None:
            self.process.stdin.write(f"{line}\n")
            self.process.stdin.flush()

    def hear(self) -> str:
        """Its next line.

        Raises:
            Unavailable: it has ended.
        """
        line = self.process.stdout.readline() if self.process.stdout else ""
        if not line:
            raise Unavailable(f"a process of the benchmark has ended; see {self._log}")
        return line.strip()

    def kill(self) -> None:
        """End it, without time for anything."""
        self.process.kill()
        self.process.communicate()

    def end(self) -> None:
        """Let it end by itself."""
        self.process.communicate()


@dataclass
class Rig:
    """What a measurement runs in.

    Attributes:
        stub: address of the stand-ins.
        environ: of the workers.
    """

    home: Path
    stub: str
    environ: dict[str, str]
    stack: ExitStack

    def start(self, module: str, *arguments: str) -> Worker:
        """Another process, ended with the rig."""
        worker = Worker(module, arguments, self.environ, self.home / f"{module.rpartition('.')[2]}.log")
        self.stack.callback(worker.kill)
        return worker

    async def records(self) -> tuple[list[str], int]:
        """External ids of what was written, one a record, and how many posts there were."""
        async with client(self.stub, 60) as http:
            told: dict[str, Any] = (await http.get("/records")).raise_for_status().json()
        return told["records"], told["posts"]

    def store(self) -> Store:
        """The workers' store; the caller closes it."""
        return Store(self.environ["INTERLOCK_DATABASE_URL"])


@contextmanager
def rig_of(home: Path, latency_ms: float, database: str, environ: Mapping[str, str]) -> Iterator[Rig]:
    """The stand-ins and a Prefect server, for workers and floors that are still to be started.

    Args:
        latency_ms: of the stand-in for a model.
        database: URL; empty for a file below `home`.
        environ: more for every process, such as how Prefect's messages travel.

    Raises:
        Unavailable: one of them did not start.
    """
    home.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        started = Rig(home, "", dict(environ), stack)
        stub = started.start("evals.bench_stub", str(latency_ms))
        server = Worker("console.bench_rig", [str(home / "prefect")], environ, home / "bench_rig.log")
        stack.callback(server.end)
        started.stub = stub.hear()
        started.environ |= {
            "PREFECT_API_URL": server.hear(),
            "PREFECT_HOME": str(home / "prefect"),
            "INTERLOCK_DATABASE_URL": database or f"sqlite:///{home / 'interlock.db'}",
            "INTERLOCK_HOME": str(home),
            "INTERLOCK_LLM_BASE_URL": f"{started.stub}/v1",
            "INTERLOCK_LLM_MODEL": MODEL,
            "INTERLOCK_EMBEDDINGS": "off",
            "INTERLOCK_APIS": str(home / "apis"),
            API_URL: started.stub,
        }
        yield started
