"""What several commands do first: load and check, ask for the proposals, read what is kept."""

import asyncio
import dataclasses
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from pydantic import ValidationError
from rich.markup import escape
from rich.progress import Progress

from domain.calibration import Calibration
from domain.errors import InputInvalid, InterlockError
from evals.costs import Choice, choices
from evals.items import Data, load_data
from evals.recorded import Row, Run
from evals.shown import ERR
from policies.load import Workflow, load_calibration, load_classifier

if TYPE_CHECKING:
    from connectors.store.engine import Transaction
    from evals.calibrate import Terms

PUBLIC_DATA = "INTERLOCK_PUBLIC_DATA"


@contextmanager
def explained() -> Iterator[None]:
    """Errors that we raise on purpose say what to do; they reach the person as that, with exit code 2."""
    try:
        yield
    except InterlockError as exc:
        ERR.print(f"[bold red]{type(exc).__name__}[/] {escape(str(exc))}", highlight=False)
        raise typer.Exit(2) from exc
    except ValidationError as exc:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in exc.errors())
        ERR.print(f"[bold red]{exc.title}[/] {escape(faults)}", highlight=False)
        raise typer.Exit(2) from exc


def asked(policy: str, data: Path, without_model: bool) -> tuple[Workflow, Run, Data]:
    """The workflow, the proposals on its data, and the checked data; warnings go to stderr."""
    workflow = load_classifier(policy)
    checked = load_data(data, workflow)
    for warning in checked.warnings:
        ERR.print(f"[yellow]warning[/] {escape(warning)}", highlight=False)
    return workflow, propose(policy, checked, without_model), checked


def propose(policy: str, data: Data, without_model: bool) -> Run:
    """The proposals on `data`, with progress on stderr."""
    from evals.proposals import propose_all

    async def ask() -> Run:
        async with asking("asking", len(data.items), ask=not without_model) as progress:
            return await propose_all(policy, data, progress)

    return asyncio.run(ask())


@asynccontextmanager
async def asking(what: str, total: int, *, ask: bool) -> AsyncIterator[Callable[[int], None]]:
    """The environment's resources around the block, and what moves a progress bar of `total` steps on stderr.

    Args:
        what: begins the bar's line; the model's name follows.
        ask: False leaves the model out.
    """
    from tasks.prefect_secrets import resolved
    from tasks.resources import Resources, opened

    here = Resources.from_environment(await resolved(os.environ), ask=ask)
    try:
        async with opened(here):
            with Progress(console=ERR, transient=True) as progress:
                bar = progress.add_task(f"{what} {here.model_name}", total=total)
                yield lambda count: progress.advance(bar, count)
    finally:
        await here.aclose()


def record_of(workflow: Workflow, run: Run, data: Data, terms: "Terms") -> Calibration:
    """The calibration record that a run proves.

    Raises:
        InputInvalid: so much could not be scored that a record would say little.
    """
    from evals.calibrate import calibrate

    scored = run.scored
    if len(scored) < len(run.rows):
        lost = len(run.rows) - len(scored)
        ERR.print(f"[yellow]warning[/] {lost} items could not be scored and prove nothing", highlight=False)
    if not scored:
        raise InputInvalid(f"no item could be scored: {run.rows[0].proposal.detail}")
    return calibrate(workflow, scored, run.parts, terms, data.fingerprint, run.made_at)


def keep_record(workflow: Workflow, record: Calibration) -> None:
    """Put the record beside the policy, at once or not at all."""
    part = workflow.calibration_path.with_suffix(".part")
    part.write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")
    part.replace(workflow.calibration_path)


def first(given: float | None, otherwise: float) -> float:
    """What was given, if anything was."""
    return otherwise if given is None else given


def choices_of(workflow: Workflow, run: Run, terms: "Terms") -> list[Choice]:
    """Every proven threshold of the main classifier with its costs."""
    from evals.calibrate import walk

    walked, n = walk(workflow, run.scored, run.parts, terms)
    return choices(walked, terms.costs, n) if terms.costs else []


def calibrated(workflow: Workflow, record: Path | None) -> Workflow:
    """The workflow with another calibration record than the one beside its policy."""
    if record is None:
        return workflow
    if not record.is_file():
        raise InputInvalid(f"{record}: no such calibration record")
    return dataclasses.replace(workflow, calibration=load_calibration(record))


def from_store(workflow: Workflow) -> tuple[list[Row], int]:
    """The production ledger's items whose right answer a person gave, and the number of the others."""
    from evals.replay import from_ledger

    with reading() as tx:
        return from_ledger(tx.inbox.settled(workflow.policy.name), workflow.policy)


@contextmanager
def reading() -> "Iterator[Transaction]":
    """The store that the environment names, to read from."""
    from connectors.settings import Settings
    from connectors.store.engine import Store
    from tasks.prefect_secrets import resolved_now

    store = Store(Settings.of(resolved_now(os.environ)).store_url)
    try:
        with store.reading() as tx:
            yield tx
    finally:
        store.close()


def public_data() -> Path:
    """The folder of the public sets."""
    return Path(os.environ.get(PUBLIC_DATA) or "../shared/data")
