"""Takes files through workflows, with a Prefect of our own where none is configured."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.settings import get_current_settings
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from console.files import Broken, Record, read_records
from console.local_prefect import deploy_reviews, prefect_server, review_worker
from domain.ledger import tell
from domain.tally import tally
from flows.route import route
from tasks.accept import accept, refuse
from tasks.prepare import who_decides
from tasks.resources import Resources

AT_ONCE = 200
"""Records that are stored in one transaction."""

TICK_S = 0.5
"""How often the display looks at the ledger."""

REVIEWS_AT_ONCE = 2
"""Processes that open forms or take answers at the same time."""

FORMS_S = 120
"""How long a command waits for Prefect to show the forms of its reviews."""


@dataclass(frozen=True)
class Job:
    """A file for a policy."""

    policy: str
    file: Path


@asynccontextmanager
async def prefect_at_hand(home: Path) -> AsyncIterator[str]:
    """The configured Prefect, or a server and a worker of our own for the block; gives the UI's address."""
    configured = get_current_settings().api.url
    if configured:
        yield configured.removesuffix("/api")
        return
    with prefect_server(home / "prefect") as ui:
        await deploy_reviews(REVIEWS_AT_ONCE)
        with review_worker(home / "prefect"):
            yield ui


def take_in(here: Resources, job: Job, say: Console) -> None:
    """Store a file's records in the inbox; say which could not be used, and go on."""
    records: list[Record] = []
    refused: list[tuple[str, str]] = []
    for line in read_records(job.file, datetime.now(UTC)):
        if isinstance(line, Broken):
            refuse(here, line.where, line.why, line.raw)
            refused.append((line.where, line.why))
        else:
            records.append(line)
    for start in range(0, len(records), AT_ONCE):
        refused += accept(here, job.policy, records[start : start + AT_ONCE])
    for where, why in refused:
        say.print(f"[yellow]set aside[/] {escape(f'{where}: {why}')}", highlight=False)


async def work(here: Resources, policies: Sequence[str], since: int, say: Console) -> None:
    """Run the workflows one after another, and show on `say` how far they are."""
    for policy in policies:
        say.print(who_decides(here, here.workflow(policy)), highlight=False)
    with Live(console=say, refresh_per_second=4, transient=True) as live:
        showing = asyncio.create_task(_show(here, since, live))
        try:
            for policy in policies:
                await route(policy)
        finally:
            showing.cancel()


async def _show(here: Resources, since: int, live: Live) -> None:
    while True:
        with here.store.reading() as tx:
            counts, account = tally(tx.ledger.entries(after=since)), tx.accounts.balance()
        decided = counts.auto + counts.by_rule + counts.rejected + counts.to_person
        table = Table.grid(padding=(0, 2))
        table.add_row("accepted", "decided", "by model", "by rule", "to a person", "written", "waiting")
        shown = (counts.accepted, decided, counts.auto, counts.by_rule, counts.to_person, counts.written)
        table.add_row(*[f"[bold]{count}[/]" for count in (*shown, account.waiting)])
        live.update(table)
        await asyncio.sleep(TICK_S)


async def forms_shown(here: Resources) -> list[str]:
    """Wait until every review that waits is shown in Prefect; gives the flow runs that show them."""
    with here.store.reading() as tx:
        flow_runs = [review.flow_run for review in tx.reviews.waiting() if review.flow_run]
    wanted = FlowRunFilter(id=FlowRunFilterId(any_=[UUID(flow_run) for flow_run in flow_runs]))
    async with get_client() as client:
        for _ in range(int(FORMS_S / TICK_S)):
            found = await client.read_flow_runs(flow_run_filter=wanted, limit=200)
            if all((run.state and run.state.is_paused()) or (run.state and run.state.is_final()) for run in found):
                break
            await asyncio.sleep(TICK_S)
    return flow_runs


async def answers(here: Resources, say: Console) -> None:
    """Say, until nothing waits, whenever a person has decided and the write was confirmed."""
    with here.store.reading() as tx:
        seen = tx.ledger.head()[0]
    while True:
        with here.store.reading() as tx:
            news = [entry for entry in tx.ledger.entries(after=seen) if entry.item_id]
            waiting = tx.accounts.balance().waiting
        for entry in news:
            say.print(f"  {entry.item_id}  {escape(tell(entry.event, entry.facts))}", highlight=False)
            seen = entry.seq
        if waiting == 0:
            return
        await asyncio.sleep(TICK_S)
