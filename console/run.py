"""Takes files through workflows, with a Prefect of our own where none is configured."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.settings import get_current_settings
from rich.console import Console
from rich.live import Live
from rich.table import Table

from connectors.files.reading import read_file
from console.local_prefect import deploy_reviews, prefect_server, review_worker
from console.shared import shown
from domain.story import tell
from domain.tally import tally
from flows.intake import intake
from flows.route import route
from tasks.accept import accept
from tasks.deliver import deliver_due
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


@dataclass(frozen=True)
class Prefect:
    """A Prefect server to run on.

    Attributes:
        ui: its address.
        home: where its files are if it is ours; None if it was there before.
    """

    ui: str
    home: Path | None

    def review_worker(self) -> AbstractContextManager[None]:
        """Somebody to open the forms and take the answers; where a server was configured, its own workers do."""
        return review_worker(self.home) if self.home else nullcontext()


@asynccontextmanager
async def prefect_of_our_own(home: Path) -> AsyncIterator[Prefect]:
    """A server for the block, with the review flow deployed."""
    with prefect_server(home / "prefect") as ui:
        await deploy_reviews(REVIEWS_AT_ONCE)
        yield Prefect(ui, home / "prefect")


@asynccontextmanager
async def prefect_at_hand(home: Path) -> AsyncIterator[Prefect]:
    """The configured server, or one of our own."""
    configured = get_current_settings().api.url
    if configured:
        yield Prefect(configured.removesuffix("/api"), None)
        return
    async with prefect_of_our_own(home) as ours:
        yield ours


def take_in(here: Resources, job: Job, say: Console) -> None:
    """Store a file's records in the inbox; say which could not be used, and go on."""
    records = list(read_file(job.file, datetime.now(UTC)))
    refused: list[tuple[str, str]] = []
    for start in range(0, len(records), AT_ONCE):
        refused += accept(here, job.policy, records[start : start + AT_ONCE])
    for where, why in refused:
        say.print(f"[yellow]set aside[/] {shown(f'{where}: {why}')}", highlight=False)


def warm_up(here: Resources, policies: Sequence[str]) -> None:
    """Start the model and index the examples: in a thread, while Prefect starts."""
    for policy in policies:
        if (workflow := here.workflow(policy)).policy.classifies:
            here.classifier(workflow)


async def work(here: Resources, policies: Sequence[str], since: int, say: Console) -> None:
    """Run the workflows side by side, and show on `say` how far they are."""
    for policy in policies:
        say.print(who_decides(here, here.workflow(policy)), highlight=False)
    with Live(console=say, refresh_per_second=4, transient=True) as live:
        showing = asyncio.create_task(_show(here, since, live))
        try:
            await asyncio.gather(*[_until_decided(here, policy) for policy in policies])
        finally:
            showing.cancel()


async def _until_decided(here: Resources, policy: str) -> None:
    """Run a workflow as often as it takes until nothing is left to claim."""
    workflow = here.workflow(policy)
    name = workflow.policy.name
    if workflow.cases:
        from flows.next_action import next_action as flow  # noqa: PLC0415  pydantic-ai takes seconds to import
    else:
        flow = route if workflow.policy.classifies else intake
    left = True
    while left:
        await flow(policy)
        with here.store.reading() as tx:
            left = tx.inbox.claimable(name, here.now()) > 0


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


async def forms_opened(here: Resources) -> list[str]:
    """The flow runs of the reviews that wait, as soon as the first shows its form; the others follow."""
    with here.store.reading() as tx:
        flow_runs = [review.flow_run for review in tx.reviews.waiting() if review.flow_run]
    wanted = FlowRunFilter(id=FlowRunFilterId(any_=[UUID(flow_run) for flow_run in flow_runs[:200]]))
    async with get_client() as client:
        for _ in range(int(FORMS_S / TICK_S)):
            found = await client.read_flow_runs(flow_run_filter=wanted, limit=200)
            shown = {str(run.id) for run in found if run.state and run.state.is_paused()}
            if shown or not found:
                return sorted(flow_runs, key=lambda flow_run: flow_run not in shown)
            await asyncio.sleep(TICK_S)
    return flow_runs


async def answers(here: Resources, policies: Sequence[str], say: Console) -> None:
    """Say whenever something happens, until no review of these policies waits and no write, or to Ctrl-C."""
    with suppress(asyncio.CancelledError):
        await _answers(here, policies, say)


async def _answers(here: Resources, policies: Sequence[str], say: Console) -> None:
    names = [here.workflow(policy).policy.name for policy in policies]
    with here.store.reading() as tx:
        seen = tx.ledger.head()[0]
    while True:
        with here.store.reading() as tx:
            news = [entry for entry in tx.ledger.entries(after=seen) if entry.item_id]
            accounts = [tx.accounts.balance(name) for name in names]
        for entry in news:
            say.print(f"  {entry.item_id}  {shown(tell(entry.event, entry.facts))}", highlight=False)
            seen = entry.seq
        if not any(account.waiting or account.escalated for account in accounts):
            return
        await deliver_due.fn(0)  # what a review's flow run could not wait for
        await asyncio.sleep(TICK_S)
