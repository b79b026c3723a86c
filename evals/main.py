"""The command line `evals`."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from domain.calibration import Calibration, TooLittleData
from domain.errors import InputInvalid, InterlockError
from evals.calibrate import calibrate
from evals.proposals import propose_all
from policies.load import load_examples
from tasks.resources import opened

app = typer.Typer(
    help="Proof of what a classifier is worth, before it may act.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,  # locals can hold secrets
)

OUT, ERR = Console(soft_wrap=True), Console(stderr=True, soft_wrap=True)

TOO_LITTLE_DATA = 3
"""Exit code when the labelled data prove no threshold."""


@app.callback()
def main() -> None:
    """Keep `evals calibrate` a command of its own while it is the only one."""


@app.command("calibrate")
def calibrate_command(
    policy: Annotated[str, typer.Argument(help="Name of a shipped policy, or path of a YAML file.")],
    data: Annotated[Path, typer.Option(help="Labelled items, JSON Lines; none of them among the examples.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the record as JSON.")] = False,
) -> None:
    """Find the threshold that labelled data prove for the policy's target, and keep the evidence."""
    try:
        result = asyncio.run(_calibrate(policy, data))
    except InterlockError as exc:
        ERR.print(f"[bold red]{type(exc).__name__}[/] {escape(str(exc))}", highlight=False)
        raise typer.Exit(2) from exc
    if as_json:
        OUT.print_json(result.model_dump_json())
    elif isinstance(result, Calibration):
        _print(result)
    if isinstance(result, TooLittleData):
        ERR.print(
            f"No threshold is proven: the strictest that could prove the target let {result.accepted} items act "
            f"alone, {result.errors} of them wrong; without an error {result.needed} would do. Label more items like "
            "these, add examples, take a better model, or promise less in the policy's target.",
            highlight=False,
        )
        raise typer.Exit(TOO_LITTLE_DATA)


async def _calibrate(policy: str, data: Path) -> Calibration | TooLittleData:
    async with opened() as here:
        workflow = here.workflow(policy)
        if here.model is None:
            raise InputInvalid("there is no model to calibrate: set INTERLOCK_LLM_BASE_URL or install 'local'")
        items = load_examples(data, workflow.policy.labels)
        if leaked := [item.id for item in items if item.text in {example.text for example in workflow.examples}]:
            raise InputInvalid(f"{data}: {', '.join(leaked[:5])} are among the policy's examples; take them out of one")
        with Progress(console=ERR, transient=True) as progress:
            asked = progress.add_task(f"asking {here.model_name}", total=len(items))
            proposals = await propose_all(policy, items, lambda count: progress.advance(asked, count))
        result = calibrate(workflow, items, proposals, datetime.now(UTC))
        if isinstance(result, Calibration):
            workflow.calibration_path.write_text(result.model_dump_json(indent=2) + "\n", encoding="utf-8")
        return result


def _print(record: Calibration) -> None:
    OUT.print(
        f"[bold]{record.policy}[/]: from a confidence of {record.threshold:.3f} on, {record.model} may act alone.\n"
        f"  At most {record.target:.0%} of that goes wrong, with {1 - record.delta:.0%} confidence.\n"
        f"  Proven on {record.n} labelled items: {record.accepted} acted alone ({record.accepted / record.n:.0%}), "
        f"{record.errors} of them wrong.",
        highlight=False,
    )
