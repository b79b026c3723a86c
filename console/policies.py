"""`interlock policy`: check a policy file, print the schema for editors."""

import json
from typing import Annotated

import typer
from rich.markup import escape

from connectors.registry import SYSTEMS
from console.shared import OUT, explained
from domain.errors import PolicyInvalid
from policies.load import load_workflow
from policies.model import Policy

app = typer.Typer(help="Workflows as YAML files.", no_args_is_help=True)


@app.command()
def check(file: Annotated[str, typer.Argument(help="Path of a policy, or the name of a shipped one.")]) -> None:
    """Check a policy with its examples and calibration; says the line and the mend of each fault."""
    with explained():
        workflow = load_workflow(file)
        for name, destination in workflow.policy.destinations.items():
            if destination.system not in SYSTEMS:
                known = ", ".join(SYSTEMS)
                raise PolicyInvalid(
                    f"{workflow.path}: destinations.{name}.system: no connector '{destination.system}'; known: {known}"
                )
    policy, proven = workflow.policy, workflow.terms.threshold
    OUT.print(f"[bold]{policy.name}[/] version {policy.version} holds, mode {policy.mode.value}", highlight=False)
    OUT.print(f"  routes: {', '.join(policy.routes)}", highlight=False)
    OUT.print(f"  {len(workflow.examples)} labelled examples, {len(policy.rules)} rules", highlight=False)
    writes = ", ".join(f"{name} ({destination.system})" for name, destination in policy.destinations.items())
    OUT.print(f"  writes to {writes}", highlight=False)
    evidence = workflow.calibration
    if proven and evidence:
        OUT.print(
            f"  threshold {proven.value:.3f}, proven for {escape(evidence.model)} on {evidence.n} labelled items",
            highlight=False,
        )
    else:
        OUT.print("  no threshold is proven for this target: rules and people decide", highlight=False)


@app.command()
def schema() -> None:
    """Print the JSON schema of policies, for editors: save it as policy.schema.json beside them."""
    typer.echo(json.dumps(Policy.model_json_schema(), indent=2))
