"""`interlock init`: a new workflow out of a CSV of past decisions, or out of a few questions."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from console.init_decisions import FEWEST, Decision, different, read_decisions, routes_of, split
from console.init_files import FIELD, WRITES, Made, Wanted, field_of, fields_of, make
from console.shared import ERR, OUT, explained
from domain.errors import InputInvalid

DEFAULT_SYSTEM = next(iter(WRITES))

Csv = Annotated[Path | None, typer.Option("--from", help="CSV of past decisions: a text and its label a row.")]


def init(
    name: Annotated[str, typer.Argument(help="Of the workflow: lower case, digits and underscores.")] = "",
    source: Csv = None,
    text: Annotated[str, typer.Option(help="The CSV's column of texts.")] = "",
    label: Annotated[str, typer.Option(help="Its column of labels: what each text was decided to be.")] = "",
    into: Annotated[Path, typer.Option(help="Folder for the files.")] = Path(),
    description: Annotated[str, typer.Option(help="What comes in, and to whom, in a sentence.")] = "",
    system: Annotated[str, typer.Option(help=f"Where items go: {', '.join(WRITES)}.")] = "",
    to: Annotated[str, typer.Option(help="Whom escalations are told to.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing: take the defaults of what is not given.")] = False,
) -> None:
    """Make a new workflow: policy, examples, labelled items to prove and evaluate with, deployments.

    Nothing that is there is overwritten.
    """
    with explained():
        if yes and source is None:
            raise InputInvalid("with --yes there is nobody to ask for messages: give --from, a CSV of past decisions")
        name = name or (_asked("Name of the workflow", "", yes) if not source else _name_of(source))
        if not FIELD.fullmatch(name):
            raise InputInvalid(f"name '{name}': use lower case letters, digits and underscores, a letter first")
        description = description or _asked("What comes in, and to whom", f"messages of {name}", yes)
        told: dict[str, str] = {}
        if source is not None:
            text = text or _asked("Column of the texts", "text", yes)
            label = label or _asked("Column of the labels", "label", yes)
            decisions = read_decisions(source, text, label)
        else:
            decisions, told = _told_by_a_person()
        system = system or _asked(f"Where items go ({', '.join(WRITES)})", DEFAULT_SYSTEM, yes)
        if system not in WRITES:
            known = ", ".join(WRITES)
            raise InputInvalid(
                f"system '{system}': begin with one of {known}; change the destination in the policy then"
            )
        once = different(decisions)
        routes = routes_of(once)
        field = field_of(text or "message")
        wanted = Wanted(
            name=name,
            description=description if len(description) >= 10 else f"messages: {description}",  # noqa: PLR2004
            routes={route: told.get(was) or f"what people decided to be '{was}'" for route, was in routes.items()},
            text=field,
            fields=fields_of(once, field),
            system=system,
            to=to or _asked("Whom escalations are told to", "operations", yes),
        )
        parts = split(once)
        made = make(into, wanted, parts)
    if len(once) < len(decisions):
        ERR.print(f"{len(decisions) - len(once)} rows repeat a text, and count once", highlight=False)
    _say(made, wanted, [len(part) for part in (parts.examples, parts.labelled, parts.evaluated)])


def _name_of(source: Path) -> str:
    return re.sub(r"[^a-z0-9]+", "_", source.stem.casefold()).strip("_") or "workflow"


def _asked(question: str, default: str, yes: bool) -> str:
    return default if yes else str(typer.prompt(question, default=default or None)).strip()


def _told_by_a_person() -> tuple[list[Decision], dict[str, str]]:
    """The routes, what belongs there, and messages for each, asked for one after the other."""
    labels = [one.strip() for one in str(typer.prompt("Routes, parted by commas")).split(",") if one.strip()]
    told: dict[str, str] = {}
    decisions: list[Decision] = []
    for label in labels:
        said = str(typer.prompt(f"What belongs to '{label}'")).strip()
        told[label] = said if len(said) >= 10 else f"messages about {said}"  # noqa: PLR2004  the policy's least
        typer.echo(f"Messages for '{label}', a line each, {FEWEST} at least; an empty line ends them.")
        while line := str(typer.prompt("", default="", show_default=False, prompt_suffix="> ")).strip():
            decisions.append(Decision(line, label))
    return decisions, told


def _say(made: Made, wanted: Wanted, counts: Sequence[int]) -> None:
    """What was made, and what to do next."""
    examples, labelled, evaluated = counts
    about = {
        made.policy: f"the policy: {len(wanted.routes)} routes, mode shadow",
        made.examples: f"{examples} examples, which the model sees and which vote",
        made.labelled: f"{labelled} labelled items, to prove a threshold with",
        made.evaluated: f"{evaluated} labelled items, held aside for evaluation; none of them is an example",
        made.deployments: "its deployments",
    }
    for path, what in about.items():
        OUT.print(f"[green]✓[/] {escape(str(path))}  {what}", highlight=False)
    OUT.print("\nNext:")
    for command in (
        f"evals run {made.policy} --data {made.evaluated} --html {made.policy.with_suffix('.html')}",
        f"evals calibrate {made.policy} --data {made.labelled}",
        f"prefect deploy --all --no-prompt --prefect-file {made.deployments}",
    ):
        OUT.print(f"  [cyan]{escape(command)}[/]", highlight=False)
