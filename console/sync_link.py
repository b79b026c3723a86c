"""`interlock sync fit` and `sample`: how a policy's systems are linked for the first time, and what that is worth."""

import asyncio
import os
from pathlib import Path
from typing import Annotated

import typer

from connectors.settings import Settings
from console.run import prefect_at_hand
from console.shared import ERR, OUT, explained, reading, shown
from domain.errors import InputInvalid
from evals.first_link import LinkFit, fit_links
from evals.link_labels import read_labels
from policies.linkage import linkage_path
from policies.load import Workflow, load_workflow, sync_of
from tasks.link_sample import draw_samples
from tasks.observe import note_changes, read_changed
from tasks.prepare import reach_systems
from tasks.recognise import recognise
from tasks.resources import opened

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout; the rest goes to stderr.")]
Name = Annotated[str, typer.Argument(help="Name of a shipped policy about records, or path of a YAML file.")]


def fit(
    policy: Name,
    labels: Annotated[
        Path | None,
        typer.Option(help="Records drawn at random, with what each is: .csv or .jsonl; beside the answered reviews."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Learn how records are linked, prove it on what people said, and keep it beside the policy."""
    with explained():
        workflow = load_workflow(policy)
        sync_of(workflow)
        given = read_labels(labels) if labels else []
        with reading() as tx:
            found = fit_links(tx, workflow, given)
        for name, (record, _) in found.items():
            path = _path(workflow, name)
            path.write_text(record.model_dump_json(indent=1) + "\n", encoding="utf-8")
            ERR.print(f"kept: {path}", highlight=False)
        if as_json:
            OUT.print_json(data={name: told.model_dump(mode="json") for name, (_, told) in found.items()})
            return
        for name, (_, told) in found.items():
            OUT.print(f"[bold]{name}[/]: {shown(_in_words(told), lines=True)}", highlight=False)


def sample(
    policy: Name,
    count: Annotated[int, typer.Option(min=1, help="Records of each object to ask people about.")] = 100,
    as_json: AsJson = False,
) -> None:
    """Read all systems, and ask people what some records are of, drawn blindly; the others wait until that is known."""
    with explained():
        workflow = load_workflow(policy)
        if not any(kept.match for kept in sync_of(workflow).objects.values()):
            raise InputInvalid(f"{workflow.path}: no object has a 'match', so there is nothing to sample for")
        drawn = asyncio.run(_sample(policy, count))
        if as_json:
            OUT.print_json(data=drawn)
            return
        for name, asked in drawn.items():
            OUT.print(f"{name}: {asked} records wait for people; see 'interlock reviews list'", highlight=False)


async def _sample(policy: str, count: int) -> dict[str, int]:
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "WARNING")
    async with prefect_at_hand(Settings().home), opened() as here:
        reach_systems(here, here.workflow(policy))
        await note_changes(policy)
        await read_changed(policy)
        await recognise(policy, by_evidence=False)
        return draw_samples(here, policy, count)


def _path(workflow: Workflow, name: str) -> Path:
    linkage = sync_of(workflow).objects[name].match
    if linkage is None:
        raise InputInvalid(f"{workflow.path}: {name} has no 'match'")
    return linkage_path(workflow.path, linkage, name)


def _in_words(told: LinkFit) -> str:
    fitted = f"fitted to {told.fitted_on} labelled pairs" if told.fitted_on else "estimated without labels"
    lines = [
        f"{told.left} records to link, {told.right} that they may be; {told.compared} pairs compared, {fitted}",
        f"labels: {told.sampled} of records drawn blindly, {told.asked} of doubtful ones, which prove nothing",
        told.told,
    ]
    if told.left_out:
        left_out = f"{told.left_out} keys are shared by too many records to compare them"
        lines.append(f"{left_out}, the commonest by {told.commonest}; add 'blocks' that tell more")
    if told.unusable:
        lines.append(f"{told.unusable} labels were left out: what they name has been written to since")
    return "\n  ".join(lines)
