"""Measures `interlock serve`: `python -m console.web.measure [--database URL] [--requests N] [--json]`.

How many signed webhooks a second are stored, how long their senders wait at half that load, and
whether each that was acknowledged is in the inbox. The server is a process of its own; the load
comes from this one.
"""

import asyncio
import base64
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated
from urllib.parse import urlsplit
from uuid import uuid4

import typer
from standardwebhooks import Webhook

from connectors.store.engine import Store
from console.shared import OUT, explained
from domain.errors import Unavailable
from domain.ledger import Event, first_break
from evals.ranking import percentile
from policies.load import find_policy

POLICY = "support_triage"
VARIABLE = "INTERLOCK_MEASURED_WEBHOOK_SECRET"
SIGNED = f"\nintake:\n  webhook:\n    signature: standard_webhooks\n    secrets: [{VARIABLE}]\n"

STOP_S = 40
"""Longer than the server takes to answer what is in flight."""

ACCEPTED = 202


@dataclass(frozen=True)
class Measured:
    """What a measurement came to.

    Attributes:
        accepted_per_s: as fast as the server takes them.
        paced_per_s: the load at which the waiting was measured.
        p50_ms, p99_ms: from the moment that a request was due, not sent, to its answer.
        not_accepted: answers other than 202.
        lost: acknowledged, and not in the inbox afterwards.
    """

    database: str
    requests: int
    accepted_per_s: float
    paced_per_s: float
    p50_ms: float
    p99_ms: float
    not_accepted: int
    lost: int
    ledger_holds: bool


@dataclass(frozen=True)
class _Answer:
    waited_s: float
    status: int
    item: str


def measure(database_url: str | None, requests: int, connections: int, rate: float | None) -> Measured:
    """Measure a server of our own.

    Args:
        database_url: where to store; a SQLite file for the measurement alone if None.
        requests: for each of the two parts.
        rate: requests a second while the waiting is measured; half of what was accepted if None.

    Raises:
        Unavailable: the server does not start.
    """
    with TemporaryDirectory(prefix="interlock-intake-") as scratch:
        url = database_url or f"sqlite:///{scratch}/interlock.db"
        key = base64.b64encode(os.urandom(32)).decode()
        with _served(Path(scratch), url, key) as address:
            _load(address, key, connections, connections, None)  # what is compiled and cached on first use
            started = time.perf_counter()
            fast = _load(address, key, connections, requests, None)
            accepted_per_s = requests / (time.perf_counter() - started)
            paced = _load(address, key, connections, requests, rate or accepted_per_s / 2)
        with closing(Store(url)) as store, store.reading() as tx:
            entries = list(tx.ledger.entries())
    stored = {entry.item_id for entry in entries if entry.event is Event.ACCEPTED}
    waited_ms = [answer.waited_s * 1000 for answer in paced]
    answers = [*fast, *paced]
    return Measured(
        database=url.partition(":")[0],
        requests=len(answers),
        accepted_per_s=round(accepted_per_s, 1),
        paced_per_s=round(rate or accepted_per_s / 2, 1),
        p50_ms=round(percentile(waited_ms, 50) or 0, 1),
        p99_ms=round(percentile(waited_ms, 99) or 0, 1),
        not_accepted=sum(answer.status != ACCEPTED for answer in answers),
        lost=len({answer.item for answer in answers if answer.status == ACCEPTED} - stored),
        ledger_holds=first_break(entries) is None,
    )


@contextmanager
def _served(home: Path, url: str, key: str) -> Iterator[str]:
    """A server with a copy of a shipped policy that asks for signatures; gives the intake's address."""
    shipped = find_policy(POLICY)
    for beside in (f"{POLICY}.examples.jsonl", "people.yaml"):
        shutil.copy(shipped.with_name(beside), home)
    policy = home / f"{POLICY}.yaml"
    policy.write_text(shipped.read_text(encoding="utf-8") + SIGNED, encoding="utf-8")
    command = [sys.executable, "-c", "from console.main import app; app()", "serve", str(policy), "--port", "0"]
    environ = {**os.environ, "INTERLOCK_DATABASE_URL": url, VARIABLE: key}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environ, text=True)
    try:
        line = process.stdout.readline() if process.stdout else ""
        if not line:
            raise Unavailable("the server did not start; it says why above")
        yield line.split()[0]
    finally:
        process.terminate()
        process.wait(STOP_S)
        if process.stdout:
            process.stdout.close()


def _load(address: str, key: str, connections: int, requests: int, rate: float | None) -> list[_Answer]:
    """Send so many requests, `rate` a second or as fast as they are answered."""
    secret, parts = Webhook(key), urlsplit(address)
    signed = [_request(secret, parts.netloc, parts.path) for _ in range(requests)]
    return asyncio.run(_send_all(parts.hostname or "", parts.port or 0, signed, connections, rate))


async def _send_all(
    host: str, port: int, signed: Sequence[bytes], connections: int, rate: float | None
) -> list[_Answer]:
    begun = time.perf_counter()
    due = iter([(begun + number / rate if rate else None, request) for number, request in enumerate(signed)])

    async def connection() -> list[_Answer]:
        reader, writer = await asyncio.open_connection(host, port)
        answers = []
        for at, request in due:
            if at is not None:
                await asyncio.sleep(at - time.perf_counter())
            sent = time.perf_counter() if at is None else at
            writer.write(request)
            status, item = await _answer(reader)
            answers.append(_Answer(time.perf_counter() - sent, status, item))
        writer.close()
        return answers

    return [answer for some in await asyncio.gather(*[connection() for _ in range(connections)]) for answer in some]


async def _answer(reader: asyncio.StreamReader) -> tuple[int, str]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    body = await reader.readexactly(int(head.partition("content-length:")[2].split()[0]))
    items = json.loads(body).get("items", [{}])
    return int(head.split()[1]), items[0].get("item", "")


def _request(secret: Webhook, host: str, path: str) -> bytes:
    delivery, now = f"msg_{uuid4().hex}", datetime.now(UTC)
    message = f"The scanner {delivery} shows error 17 since this morning, and our packers wait. " * 4
    fields = {"subject": "Scanner stands still", "message": message, "email": f"{delivery}@example.com"}
    body = json.dumps(fields)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        f"webhook-id: {delivery}\r\nwebhook-timestamp: {int(now.timestamp())}\r\n"
        f"webhook-signature: {secret.sign(delivery, now, body)}\r\n\r\n"
    )
    return (head + body).encode()


def main(
    database: Annotated[
        str | None, typer.Option(help="Store there; otherwise in a SQLite file for this alone.")
    ] = None,
    requests: Annotated[int, typer.Option(help="In each of the two parts.")] = 3_000,
    connections: Annotated[int, typer.Option(help="Senders at the same time.")] = 64,
    rate: Annotated[float | None, typer.Option(help="Requests a second while waiting is measured.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure how many webhooks a second are stored, and how long their senders wait."""
    with explained():
        measured = measure(database, requests, connections, rate)
    if as_json:
        OUT.print_json(data=asdict(measured))
    else:
        for name, value in asdict(measured).items():
            OUT.print(f"{name}: {value}", highlight=False)
    raise typer.Exit(0 if measured.lost == 0 and measured.ledger_holds else 1)


if __name__ == "__main__":
    typer.run(main)
