"""`interlock demo`: forty messages through two workflows, with faults on, and a proof at the end."""

import asyncio
import os
import shutil
import time
from contextlib import nullcontext
from pathlib import Path

from rich.console import Console

from connectors.settings import Settings
from console.ledger import print_story
from console.report import make_report, print_report
from console.run import Job, answers, forms_opened, prefect_of_our_own, take_in, warm_up, work
from console.sandboxes import Sandboxes, sandboxes
from tasks.resources import Resources, opened

HERE = Path(__file__).parent / "demo_messages"
JOBS = (Job("lead_routing", HERE / "lead_routing.jsonl"), Job("support_triage", HERE / "support_triage.jsonl"))
FAULT_RATE = 0.1

SEED_LEAD, SEED_RECORD = "wf-20260302-0002", "info22@example.net"
"""The lead with missing fields, and its record's key: the CRM answers its first writes with 429."""


async def demo(as_json: bool, wait: bool, out: Console, say: Console) -> int:
    """Run it; returns the exit code, 0 unless something was lost, doubled or is unaccounted for."""
    started = time.monotonic()
    home = Settings().home / "demo"
    shutil.rmtree(home, ignore_errors=True)
    say.print("Starting a sandbox CRM and help desk (1 in 10 requests fails), Prefect, and the model …")
    with sandboxes(home, FAULT_RATE) as systems:
        os.environ.update(systems.environ, INTERLOCK_DATABASE_URL=f"sqlite:///{home / 'interlock.db'}")
        os.environ.setdefault("INTERLOCK_LLM_THREADS", str(os.cpu_count() or 1))  # the machine is ours for a minute
        policies = [job.policy for job in JOBS]
        async with opened() as here:
            for job in JOBS:
                take_in(here, job, say)
            warming = asyncio.create_task(asyncio.to_thread(warm_up, here, policies))
            async with prefect_of_our_own(home) as prefect:
                await warming
                systems.fail_next(SEED_RECORD, ["throttled", "throttled"])
                await work(here, policies, 0, say)
                with prefect.review_worker() if wait else nullcontext():
                    flow_runs = await forms_opened(here) if wait else []
                    counts = _counts(here, systems, started)
                    _print(here, counts, as_json, out)
                    if flow_runs:
                        _how_to_approve(prefect.ui, flow_runs, say if as_json else out)
                        await answers(here, policies, say if as_json else out)
    return 1 if counts["lost"] or counts["doubled"] or counts["unaccounted"] else 0


def _counts(here: Resources, systems: Sandboxes, started: float) -> dict[str, object]:
    """The ledger's counts beside what the sandboxes really hold."""
    report = make_report(here.store, 0, time.monotonic() - started)
    with here.store.reading() as tx:
        confirmed = tx.outbox.confirmed()
    lost = len(confirmed - systems.operation_ids())
    return {**report.as_json(), "lost": lost, "doubled": systems.doubled()}


def _print(here: Resources, counts: dict[str, object], as_json: bool, out: Console) -> None:
    if as_json:
        out.print_json(data=counts)
        return
    print_report(out, "What happened", counts)
    _tell_seed(here, out)


def _tell_seed(here: Resources, out: Console) -> None:
    out.print("\n[bold]One lead's story[/]: it came without a name and a company, while the CRM was throttling\n")
    with here.store.reading() as tx:
        (item_id,) = tx.inbox.find(SEED_LEAD)
        print_story(out, list(tx.ledger.entries(item_id)))


def _how_to_approve(ui: str, flow_runs: list[str], out: Console) -> None:
    database = os.environ["INTERLOCK_DATABASE_URL"]
    out.print(f"\n[bold]{len(flow_runs)} runs wait for a person.[/] In the Prefect UI:\n", highlight=False)
    out.print(f"  {ui}/v2/runs?state=Suspended      all of them", highlight=False, soft_wrap=True)
    out.print(f"  {ui}/v2/runs/flow-run/{flow_runs[0]}      one", highlight=False, soft_wrap=True)
    out.print(
        "\nOpen one, then the menu [bold]⋮[/] at the top right and [bold]Resume[/]: read the message, choose the "
        "route, fill in your name, and press Resume.\nOr in another terminal:\n",
        highlight=False,
    )
    out.print(f"  export INTERLOCK_DATABASE_URL={database} PREFECT_API_URL={ui}/api", soft_wrap=True, highlight=False)
    out.print("  interlock reviews list\n  interlock ledger show ITEM", highlight=False)
    out.print(
        "\nWaiting for your answers; Ctrl-C ends the demo. What happens is told here. In the first minute the other "
        "forms are still being opened, and an answer waits its turn behind them.\n"
    )
