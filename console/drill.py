"""`interlock drill`: webhooks through a whole workflow while everything around it fails.

The systems throttle, break, lose answers after they stored the write, and change records behind
our back; the model is away; webhooks come twice; workers are killed with SIGKILL, which gives
them no time for anything. At the end the systems' own books are held against the ledger.
"""

import asyncio
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import httpx
import typer
from rich.console import Console
from rich.progress import Progress

from connectors.settings import Settings
from console.local_prefect import background, free_port, prefect_server
from console.report import print_report
from console.sandboxes import Sandboxes, sandboxes
from console.shared import ERR, OUT, explained
from domain.account import Account
from domain.errors import Unavailable
from domain.ledger import first_break
from tasks.resources import Resources, opened

POLICY = Path(__file__).parent / "drill_policy" / "drill.yaml"
SYSTEMS = ("crm", "help_desk", "llm")
WORKERS = 2
TWICE = 10
"""One webhook in so many is sent twice, as senders do that missed the answer."""
CUSTOMERS = 5
"""So many orders come from one customer, and are written to one record in their order."""
SENDERS = 16
"""Webhooks under way at the same time."""
TICK_S = 1.0
"""How often it is looked at: at 5,000 items each look reads for 0.1 s."""
LONGEST_S_AN_ITEM, LONGEST_S_MORE = 0.5, 300.0
"""A drill that takes longer is ended, and what is open then is told as waiting."""
SEED = 20_260_302


@dataclass
class Crashes:
    """When workers are killed: once each time so many writes are done, a moment later."""

    due: list[int]
    done: int = 0

    @classmethod
    def planned(cls, crashes: int, writes: int) -> "Crashes":
        """`crashes` moments within the first nine tenths of the writes."""
        dice = random.Random(SEED)  # noqa: S311  a draw to be repeated, not a secret
        return cls(
            sorted(dice.randrange(writes // 50, max(writes * 9 // 10, writes // 50 + 1)) for _ in range(crashes))
        )


Items = Annotated[int, typer.Option(min=1, help="Webhooks, not counting those that are sent twice.")]
Faults = Annotated[float, typer.Option(min=0, max=0.9, help="Share of requests to systems and model that fail.")]
Kills = Annotated[int, typer.Option("--crashes", min=0, help="How often a worker is killed.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout; the rest goes to stderr.")]


def drill_command(items: Items = 500, faults: Faults = 0.2, crashes: Kills = 3, as_json: AsJson = False) -> None:
    """Send webhooks through a workflow on this machine while systems fail and workers are killed."""
    with explained():
        raise typer.Exit(asyncio.run(drill(items, faults, crashes, as_json, OUT, ERR)))


async def drill(items: int, faults: float, crashes: int, as_json: bool, out: Console, say: Console) -> int:
    """Run it; returns the exit code, 0 unless all was written once and is accounted for."""
    started = time.monotonic()
    home = Settings().home / "drill"
    shutil.rmtree(home, ignore_errors=True)
    say.print(f"{items} webhooks, {faults:.0%} of requests fail, {crashes} workers are killed …", highlight=False)
    with sandboxes(home, faults, systems=SYSTEMS, rate_per_s=100_000) as systems:
        os.environ.update(
            systems.environ,
            INTERLOCK_DATABASE_URL=f"sqlite:///{home / 'interlock.db'}",
            INTERLOCK_LLM_BASE_URL=f"{systems.addresses['llm']}/v1",
            INTERLOCK_LLM_MODEL="stand-in",
            INTERLOCK_EMBEDDINGS="off",
        )
        async with opened() as here:
            with prefect_server(home / "prefect") as ui, _intake(home) as address:
                os.environ["PREFECT_API_URL"] = f"{ui}/api"  # for the workers: else each starts a server of its own
                acknowledged = await _send(address, items)
                plan = Crashes.planned(crashes, 2 * items)
                with Progress(console=say, transient=True) as progress:
                    await _worked_off(here, home, plan, progress)
            counts = _counts(here, systems, acknowledged, plan, time.monotonic() - started)
    if as_json:
        out.print_json(data=counts)
    else:
        print_report(out, "The drill", counts)
    wrong = [name for name in ("lost", "doubled", "unaccounted", "waiting", "dead_lettered") if counts[name]]
    return 0 if counts["ledger_verifies"] and not wrong else 1


@contextmanager
def _intake(home: Path) -> Iterator[str]:
    """The webhook server, in a process of its own; gives the address to send to."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    with background(["interlock", "serve", str(POLICY), "--port", str(port)], {}, home / "serve.log"):
        for _ in range(600):
            try:
                httpx.get(f"{address}/healthz", trust_env=False).raise_for_status()
            except httpx.HTTPError:
                time.sleep(0.1)
            else:
                yield f"{address}/intake/drill"
                return
        raise Unavailable(f"the webhook server did not start; see {home / 'serve.log'}")


async def _send(address: str, items: int) -> set[str]:
    """Send every webhook, some twice; the ids of the items that were acknowledged."""
    waiting = [number for number in range(items) for _ in range(2 if number % TWICE == 0 else 1)]
    random.Random(SEED).shuffle(waiting)  # noqa: S311  a draw to be repeated, not a secret
    acknowledged: set[str] = set()

    async def sender(client: httpx.AsyncClient) -> None:
        while waiting:
            number = waiting.pop()
            answer = await client.post(address, json=_order(number), headers={"Idempotency-Key": f"drill-{number}"})
            answer.raise_for_status()
            acknowledged.update(item["item"] for item in answer.json()["items"])

    async with httpx.AsyncClient(trust_env=False, timeout=30) as client, asyncio.TaskGroup() as at_once:
        for _ in range(SENDERS):
            at_once.create_task(sender(client))
    return acknowledged


def _order(number: int) -> dict[str, str]:
    customer = number // CUSTOMERS
    what = "The scanners are broken" if number % 3 == 0 else f"Please send {number % 7 + 1} scanners"
    return {
        "message": f"{what}, order {number}.",
        "email": f"buyer{customer}@example.com",
        "company": f"Company {customer}",
    }


async def _worked_off(here: Resources, home: Path, plan: Crashes, progress: Progress) -> None:
    """Let workers work, kill some, until nothing waits any more."""
    dice = random.Random(SEED)  # noqa: S311  a draw to be repeated, not a secret
    with here.store.reading() as tx:
        accepted = tx.accounts.balance().accepted
    ends_at = time.monotonic() + LONGEST_S_MORE + LONGEST_S_AN_ITEM * accepted
    bar = progress.add_task("written", total=2 * accepted)
    with ExitStack() as stack:
        workers = [_started(stack, home) for _ in range(WORKERS)]
        while time.monotonic() < ends_at:
            with here.store.reading() as tx:
                account, written = tx.accounts.balance(), tx.outbox.done()
            progress.update(bar, completed=written)
            if not account.waiting:
                return
            if plan.done < len(plan.due) and written >= plan.due[plan.done]:
                await asyncio.sleep(dice.random() * TICK_S)
                victim = dice.randrange(WORKERS)
                workers[victim].send_signal(signal.SIGKILL)
                plan.done += 1
            for number, worker in enumerate(workers):
                if worker.poll() is not None:
                    workers[number] = _started(stack, home)
            await asyncio.sleep(TICK_S)


def _started(stack: ExitStack, home: Path) -> subprocess.Popen[bytes]:
    log = stack.enter_context((home / "worker.log").open("ab"))
    environ = {**os.environ, "PREFECT_LOGGING_TO_API_ENABLED": "false"}
    command = [sys.executable, "-m", "console.drill_worker", str(POLICY)]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environ)
    stack.callback(process.wait)
    stack.callback(process.kill)
    return process


def _counts(
    here: Resources, systems: Sandboxes, acknowledged: set[str], plan: Crashes, seconds: float
) -> dict[str, object]:
    """The ledger's and the store's counts beside what the systems really hold."""
    with here.store.reading() as tx:
        account: Account = tx.accounts.balance()
        confirmed, written = tx.outbox.confirmed(), tx.outbox.done()
        unbroken = first_break(tx.ledger.entries()) is None
        unknown = acknowledged - tx.inbox.ids()
    faults = Counter(systems.faults())
    return {
        "accepted": account.accepted,
        "written": written,
        "dead_lettered": account.dead_lettered,
        "waiting": account.waiting,
        "lost": len(confirmed - systems.operation_ids()) + len(unknown),
        "doubled": systems.doubled(),
        "unaccounted": account.unaccounted,
        "by_fault": {**dict(sorted(faults.items())), "sent_twice": -(-account.accepted // TWICE), "killed": plan.done},
        "ledger_verifies": unbroken,
        "seconds": round(seconds, 1),
    }
