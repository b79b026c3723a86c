"""The commands of `evals` that bring labelled data, measure on public sets, and measure extraction."""

from pathlib import Path
from typing import Annotated

import typer

from evals.asking import asking, explained, public_data, reading
from evals.options import AsJson, Name, NoModel
from evals.shown import ERR, OUT, print_flat, print_public


def harvest(
    policy: Name,
    out: Annotated[Path, typer.Option(help="Data file to write to; items that it has already are left alone.")],
) -> None:
    """Turn people's answers (audits, overrides, approvals) into labelled items: routes, and actions of cases."""
    from evals.harvest import collect, write_cases
    from policies.load import load_workflow

    with explained():
        workflow = load_workflow(policy)
        with reading() as tx:
            found = collect(tx, workflow)
        written, known = write_cases(found.items, out)
    OUT.print(f"{written} items written to {out}, {known} were there already", highlight=False)
    for why, count in found.left_out.items():
        OUT.print(f"left out: {count} {why}", highlight=False)


def import_data(
    source: Annotated[str, typer.Argument(help="A CSV file, or banking_teams or clinc_domains.")],
    out: Annotated[Path, typer.Option(help="A .jsonl file for a CSV; a folder for a public set.")],
    text: Annotated[str, typer.Option(help="The CSV's column of texts.")] = "text",
    label: Annotated[str, typer.Option(help="Its column of labels.")] = "label",
    id_column: Annotated[str, typer.Option("--id", help="Its column of ids; row numbers without one.")] = "id",
) -> None:
    """Bring labelled data into the form that every command reads."""
    from evals.importers import import_csv
    from evals.public_sets import SETS, prepare

    with explained():
        if source in SETS:
            prepared = prepare(source, public_data(), out)
            OUT.print(f"policy: {prepared.policy}\nitems: {prepared.items}", highlight=False)
            return
        count = import_csv(Path(source), out, text, label, id_column)
    OUT.print(f"{count} items written to {out}", highlight=False)


def public(
    items: Annotated[int, typer.Option(help="Items that the model is asked about, of each set.")] = 700,
    without_model: NoModel = False,
    as_json: AsJson = False,
) -> None:
    """Measure on two public sets, with and without the model; INTERLOCK_PUBLIC_DATA says where they are."""
    from evals.public_table import public_table

    with explained():
        table = public_table(items, without_model)
    print_public(table, as_json)


def sync(
    versions: Annotated[int, typer.Option(min=1, help="Versions of the help desk's log, the oldest first.")] = 6000,
    faults: Annotated[float, typer.Option(min=0, max=0.9, help="Share of the CRM's requests that fail.")] = 0.15,
    crashes: Annotated[int, typer.Option(min=0, help="How often the sync is killed.")] = 5,
    database: Annotated[str, typer.Option(help="URL of the help desk's database; SQLite without one.")] = "",
    as_json: AsJson = False,
) -> None:
    """Replay a real help desk's log as two systems that edit the same incidents; INTERLOCK_PUBLIC_DATA says where."""
    from evals.sync_figures import measure_sync

    with explained():
        found = measure_sync(versions, faults, crashes, database, ERR)
    print_flat(found.model_dump(mode="json"), found.model_dump_json(), as_json)
    if not found.holds:
        raise typer.Exit(1)


def extract(
    policy: Name,
    data: Annotated[Path, typer.Option("--data", help="Labelled texts: .jsonl with id, text, fields, truth.")],
    only: Annotated[str, typer.Option(help="Only the texts whose ids begin so, such as order-.")] = "",
    without_model: NoModel = False,
    as_json: AsJson = False,
) -> None:
    """Measure what is found in texts: per field, how much is written by itself and how much of that is right."""
    import asyncio

    from evals.extraction import Measures, extract_all, load_labelled, measure, print_extraction
    from policies.load import find_policy, load_policy
    from tasks.resources import resources

    async def run() -> Measures:
        async with asking("extracting with", len(items), ask=not without_model) as progress:
            model = resources().model
            extractions = await extract_all(model, chosen, items, progress)
            return measure(chosen, resources().model_name, items, extractions)

    with explained():
        chosen = load_policy(find_policy(policy))
        items = load_labelled(data, chosen, only)
        found = asyncio.run(run())
    if as_json:
        OUT.print_json(found.model_dump_json())
    else:
        print_extraction(found, OUT)
