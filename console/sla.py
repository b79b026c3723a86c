"""`interlock sla`: how many promises on time were kept, and whether anybody watches over them."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.table import Table

from console.shared import OUT, explained, reading
from domain.sla import Compliance
from policies.load import load_workflow
from tasks.heartbeat import STALE_AFTER, silence

STALE = 1
"""Exit code when nobody watches."""


def sla(
    policy: Annotated[str, typer.Argument(help="Name of a shipped policy, or path of a YAML file.")],
    days: Annotated[float, typer.Option(help="Over how many days, to now.", min=0.01, max=36_500)] = 30,
    stale_after: Annotated[float, typer.Option(help="Minutes without a watch that are too many.", min=0)] = (
        STALE_AFTER / timedelta(minutes=1)
    ),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> None:
    """Show each clock's share met, and since when 'flows.watch' has not run; exit code 1 when that is too long ago."""
    with explained():
        chosen = load_workflow(policy).policy
    now = datetime.now(UTC)
    with reading() as tx:
        figures = tx.clocks.compliance(chosen.name, now - timedelta(days=days), now)
        silent = silence(tx, chosen.name, now)
    stale = silent is None or silent > timedelta(minutes=stale_after)
    if as_json:
        OUT.print_json(data=_as_json(figures, silent, stale))
    else:
        _print(chosen.name, figures, silent, stale)
    if stale:
        raise typer.Exit(STALE)


def _as_json(figures: list[Compliance], silent: timedelta | None, stale: bool) -> dict[str, object]:
    clocks = {one.clock.value: one.model_dump(exclude={"clock"}) | {"share": one.share} for one in figures}
    return {"clocks": clocks, "watched_s_ago": silent and round(silent.total_seconds()), "stale": stale}


def _print(name: str, figures: list[Compliance], silent: timedelta | None, stale: bool) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("clock", "share met", "met", "breached", "still late", "running", "paused", "unscored"):
        table.add_column(heading, no_wrap=heading == "clock")
    for one in figures:
        share = "-" if one.share is None else f"{one.share:.1%}"
        counts = (one.met, one.breached, one.late, one.running, one.paused, one.unscored)
        table.add_row(one.clock.value, share, *map(str, counts))
    OUT.print(table if figures else f"No clock of {name} has run in that time.", highlight=False)
    watched = "never watched" if silent is None else f"last watched {_ago(silent)} ago"
    OUT.print(f"[bold red]{name} is {watched}: is flows.watch scheduled?[/]" if stale else f"{name}: {watched}.")


def _ago(silent: timedelta) -> str:
    minutes = int(silent.total_seconds() // 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"  # noqa: PLR2004  hours, from two on
