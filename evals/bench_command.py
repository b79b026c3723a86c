"""The command `evals bench`."""

from typing import Annotated

import typer

from evals.asking import explained
from evals.options import AsJson
from evals.shown import ERR, print_flat

Items = Annotated[
    int | None,
    typer.Option(
        min=10, help="Items of each measurement; if not told 500, with --latency-ms 12000, with --workers 2000."
    ),
]
Rounds = Annotated[
    int | None,
    typer.Option(min=1, help="Rounds of the floor and the flow; if not told 3, with --latency-ms 1; others have one."),
]
LatencyMs = Annotated[float, typer.Option(min=0, help="Measure with a model that takes so long.")]
Concurrency = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=64,
        help="Questions at the same time; if not told, with --latency-ms 64 of all, with --workers 16 of each.",
    ),
]
Processes = Annotated[
    int, typer.Option(min=1, help="Processes that share the questions, with --latency-ms and not --workers.")
]
Workers = Annotated[bool, typer.Option("--workers", help="Measure one worker, two, and three with one killed.")]
Grow = Annotated[int, typer.Option(min=0, help="Measure 1,000 items, then so many.")]
Database = Annotated[str, typer.Option(help="Empty database, postgresql://…; a file by default.")]


def bench(
    items: Items = None,
    rounds: Rounds = None,
    latency_ms: LatencyMs = 0,
    concurrency: Concurrency = None,
    processes: Processes = 2,
    workers: Workers = False,
    grow: Grow = 0,
    database: Database = "",
    as_json: AsJson = False,
) -> None:
    """Measure how fast the real flow is, beside bare asyncio; exit code 1 if an effect was lost or doubled."""
    from evals.bench import Books, measure_bench, measure_growth, measure_latency
    from evals.bench_scaling import DEFAULT_LATENCY_MS, measure_scaling

    found: Books
    with explained():
        if workers:
            found = measure_scaling(items or 2_000, latency_ms or DEFAULT_LATENCY_MS, concurrency or 16, database)
        elif grow:
            found = measure_growth(grow, database, ERR)
        elif latency_ms:
            found = measure_latency(
                items or 12_000, rounds or 1, latency_ms, concurrency or 64, processes, database, ERR
            )
        else:
            found = measure_bench(items or 500, rounds or 3, database, ERR)
    print_flat(found.model_dump(mode="json"), found.model_dump_json(), as_json)
    if not found.hold:
        raise typer.Exit(1)
