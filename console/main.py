"""The command line `interlock`."""

import asyncio
import os
import signal
from collections.abc import Coroutine
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer
from prefect.logging.configuration import setup_logging
from rich.console import Console

from connectors.settings import Settings
from console import cases, customer, escalations, ledger, outbox, policies, reviews, sync
from console.demo import demo
from console.drill import drill_command
from console.erase import erase_command
from console.report import make_report, print_report
from console.run import Job, answers, forms_opened, prefect_at_hand, take_in, work
from console.serve import serve
from console.shared import ERR, OUT, explained
from console.sla import sla
from tasks.prepare import reach_systems
from tasks.resources import opened

app = typer.Typer(
    help="AI-driven business workflows that never fail silently.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,  # locals can hold secrets
)
app.add_typer(cases.app, name="cases")
app.add_typer(policies.app, name="policy")
app.add_typer(ledger.app, name="ledger")
app.add_typer(reviews.app, name="reviews")
app.add_typer(escalations.app, name="escalations")
app.add_typer(outbox.app, name="outbox")
app.add_typer(customer.app, name="customer")
app.add_typer(sync.app, name="sync")
app.command()(serve)
app.command()(sla)
app.command("drill")(drill_command)
app.command("erase")(erase_command)

INTERRUPTED = 130
"""Exit code of a command that was ended half-way, as shells have it."""

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout; the rest goes to stderr.")]
NoWait = Annotated[bool, typer.Option("--no-wait", help="End when the runs are done; do not wait for answers.")]


@app.command("demo")
def demo_command(as_json: AsJson = False, no_wait: NoWait = False) -> None:
    """Forty messages through lead routing and support triage, against sandbox systems that fail."""
    with explained():
        raise typer.Exit(_until_interrupted(demo(as_json, not no_wait, OUT, ERR)))


@app.command()
def run(
    policy: Annotated[str, typer.Argument(help="Name of a shipped policy, or path of a YAML file.")],
    file: Annotated[Path, typer.Argument(help="Messages: .jsonl, .csv, .eml or .mbox.")],
    as_json: AsJson = False,
    no_wait: NoWait = False,
) -> None:
    """Take your own messages through a workflow."""
    with explained():
        raise typer.Exit(_until_interrupted(_run(Job(policy, file), as_json, not no_wait, OUT)))


async def _run(job: Job, as_json: bool, wait: bool, out: Console) -> int:
    """Run one job; the exit code is 0 unless an item is unaccounted for."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    async with opened() as here:
        with here.store.reading() as tx:
            since = tx.ledger.head()[0]
        reach_systems(here, here.workflow(job.policy))
        take_in(here, job, ERR)
        async with prefect_at_hand(Settings().home) as prefect:
            await work(here, [job.policy], since, ERR)
            with prefect.review_worker() if wait else nullcontext():
                flow_runs = await forms_opened(here) if wait else []
                counts = make_report(here.store, since, loop.time() - started).as_json()
                if as_json:
                    out.print_json(data=counts)
                else:
                    print_report(out, job.policy, counts)
                if flow_runs:
                    address = f"{prefect.ui}/v2/runs?state=Suspended"
                    ERR.print(f"{len(flow_runs)} runs wait for a person: {address}", highlight=False)
                    ERR.print("Waiting for the answers; Ctrl-C ends the command, and they keep waiting.")
                    await answers(here, [job.policy], ERR)
    return 1 if counts["unaccounted"] else 0


def _until_interrupted(work: Coroutine[Any, Any, int]) -> int:
    """Run to the end, or to Ctrl-C or SIGTERM: either way what was started is ended."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "WARNING")  # the UI has all of them
    setup_logging()  # Prefect reads that variable here
    try:
        return asyncio.run(work)
    except KeyboardInterrupt:
        ERR.print("Ended. What came in is stored; the next run goes on with it.")
        return INTERRUPTED
