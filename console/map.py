"""`interlock map`: draws a workflow, with what went along its arrows."""

import os
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from connectors.settings import Settings
from connectors.store.engine import Store
from console.map_counts import counts_of
from console.map_graph import Edge, Graph, graph_of
from console.map_layout import place
from console.map_mermaid import mermaid
from console.map_svg import svg
from console.shared import ERR, explained
from policies.load import load_workflow
from tasks.prefect_secrets import resolved_now


def draw(
    policy: Annotated[str, typer.Argument(help="Name of a shipped policy, or path of a YAML file.")],
    file: Annotated[Path | None, typer.Option("--svg", help="Write a drawing here, for any browser.")] = None,
    as_mermaid: Annotated[bool, typer.Option("--mermaid", help="Print Mermaid text; so it is without --svg.")] = False,
    days: Annotated[float, typer.Option(help="Over how many days, to now, arrows are counted.", min=0, max=36_500)] = 1,
    counted: Annotated[bool, typer.Option("--counts/--no-counts", help="Count, or open no database.")] = True,
) -> None:
    """Draw a workflow: triggers, decision, fallbacks, writes, escalations, promises on time."""
    with explained():
        workflow = load_workflow(policy)
        graph = graph_of(workflow)
        counts = _counts(graph, workflow.policy.name, days) if counted else None
        labels = {edge: _label(edge, counts) for edge in graph.edges}
        if file is not None:
            since = "" if counts is None else f"counted over {days:g} day{'' if days == 1 else 's'} to now"
            file.write_text(svg(graph, place(graph, labels), since), encoding="utf-8")
            ERR.print(f"drawn: {file}", highlight=False)
        if as_mermaid or file is None:
            typer.echo(mermaid(graph, labels), nl=False)


def _counts(graph: Graph, name: str, days: float) -> Counter[str]:
    now = datetime.now(UTC)
    store = Store(Settings.of(resolved_now(os.environ)).store_url)
    try:
        with store.reading() as tx:
            since = now - timedelta(days=days)
            return counts_of(graph, tx.traffic.entries(name, since), tx.traffic.sources(name, since))
    finally:
        store.close()


def _label(edge: Edge, counts: Counter[str] | None) -> str:
    """What stands on an arrow; a hard space parts the count, if there is one."""
    if counts is None or not edge.counts:
        return edge.label
    return f"{edge.label}\u00a0{counts[edge.counts]}"
