"""`interlock sync reconcile` and `report`: whether systems that are kept in step hold the same, and what does not."""

import asyncio
import os
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.table import Table

from connectors.settings import Settings
from console.run import prefect_at_hand
from console.shared import ERR, OUT, explained, reading, shown
from flows.reconcile import PATIENCE_S, reconcile
from policies.load import load_workflow, sync_of
from tasks.drift_report import DriftReport, Figure, Read, Run, Stray, drift_report
from tasks.resources import opened

app = typer.Typer()

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout; the rest goes to stderr.")]
Name = Annotated[str, typer.Argument(help="Name of a shipped policy about records, or path of a YAML file.")]

LISTED = 20
"""Lines of one kind that are shown to people; JSON has up to 1,000."""

UNFINISHED = 1
"""Exit code where a system was not read to its end: another run goes on with it."""


@app.command("reconcile")
def reconcile_command(
    policy: Name,
    as_json: AsJson = False,
    patience_s: Annotated[
        float, typer.Option(help="How long to wait for systems that ask to be left alone.", min=0)
    ] = PATIENCE_S,
) -> None:
    """Compare every record of every system with what is agreed on, mend what was missed, and report.

    Exit code 1 if a system could not be read to its end; the next run goes on where this one ended.
    """
    with explained():
        sync_of(load_workflow(policy))
        told = asyncio.run(_reconcile(policy, patience_s))
    _print(told, as_json=as_json)
    if any(one.ended_at is None for one in told.reads):
        raise typer.Exit(UNFINISHED)


@app.command()
def report(policy: Name, as_json: AsJson = False) -> None:
    """Show the last reconciliations: drift by field and system, data consistency, and what is to be mended."""
    with explained():
        workflow = load_workflow(policy)
        sync_of(workflow)
    with reading() as tx:
        told = drift_report(tx, workflow)
    _print(told, as_json=as_json)


async def _reconcile(policy: str, patience_s: float) -> DriftReport:
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "WARNING")
    async with prefect_at_hand(Settings().home), opened() as here:
        await reconcile(policy, patience_s=patience_s)
        with here.store.reading() as tx:
            return drift_report(tx, here.workflow(policy))


def _print(told: DriftReport, *, as_json: bool) -> None:
    if as_json:
        OUT.print_json(told.model_dump_json())
        return
    if not told.runs:
        ERR.print(f"{told.policy} was never reconciled to the end: interlock sync reconcile {told.policy}")
    _print_runs(told)
    _print_reads(told.reads)
    _print_drift(told.drift)
    for what, strays in (
        ("contradictions that wait for a person", told.contradictions),
        ("writes that were refused", told.refused),
        ("duplicates, or perhaps", told.duplicates),
        ("missing in a system", told.orphans),
        ("left out by the policy", told.outside),
    ):
        _print_strays(what, strays)


def _print_runs(told: DriftReport) -> None:
    table = _table("reconciled", "consistency", "compared", "equal")
    for one in told.runs:
        table.add_row(f"{one.at:%Y-%m-%d %H:%M} UTC", _share(one), str(one.compared), str(one.equal))
    if told.runs:
        OUT.print(table)


def _print_reads(reads: Sequence[Read]) -> None:
    for one in reads:
        state = "read" if one.ended_at else "[bold red]being read, or waiting to go on[/]"
        counts = f"{one.records} records, {one.new} unheard of before, {one.gone} found deleted"
        OUT.print(f"{shown(one.object)} in {shown(one.system)}: {state}, {counts}", highlight=False)


def _print_drift(drift: Sequence[Figure]) -> None:
    headings = ("object", "system", "field", "consistency", "differ", "missed", "contested", "malformed", "under way")
    table = _table(*headings, "for example")
    for one in drift:
        counts = (one.differ, one.missed, one.contested, one.malformed, one.under_way)
        named = list(dict.fromkeys(record for records in one.examples.values() for record in records))
        words = map(shown, (one.object, one.system, one.field))
        table.add_row(*words, _share(one), *map(str, counts), shown(", ".join(named[:3])))
    if drift:
        OUT.print(table)


def _print_strays(what: str, strays: Sequence[Stray]) -> None:
    if not strays:
        return
    OUT.print(f"[bold]{len(strays)} {what}[/]", highlight=False)
    for one in strays[:LISTED]:
        named = " ".join(filter(None, (one.object, one.field, one.system, one.record)))
        entity = f" ({one.entity})" if one.entity else ""
        OUT.print(f"  {shown(named)}{entity}: {shown(one.why)}", highlight=False)
    if len(strays) > LISTED:
        OUT.print(f"  ... and {len(strays) - LISTED} more: --json lists them", highlight=False)


def _table(*headings: str) -> Table:
    return Table(*headings, box=None, padding=(0, 2, 0, 0))


def _share(one: Run | Figure) -> str:
    """Rounded down: only what is all equal is 100 %."""
    return f"{one.equal * 10_000 // one.compared / 100:.2f}%" if one.compared else "-"
