"""`interlock policy`: check a policy, print the schema for editors, see how it stands and what it said, release it."""

import asyncio
import json
from typing import Annotated

import typer
from rich.markup import escape

from connectors.store.engine import Transaction
from console.shared import OUT, explained, reading, shown
from domain.audit import AuditTally, effective
from domain.calibration import Proof
from domain.confidence import Source
from policies.cases import CasePolicy
from policies.load import load_workflow
from policies.model import Policy
from policies.sources import IntakeSource
from policies.sync import SyncPolicy
from tasks.begun import BEGUN
from tasks.collect import kept_as
from tasks.prepare import check_sources, check_systems, thresholds
from tasks.resources import opened
from tasks.standing import release as lift

app = typer.Typer(help="Workflows as YAML files.", no_args_is_help=True)

HOW_EVENTS_REACH = "docs/how-to/tell-people-by-prefect.md"
"""The page on events that people are told by."""


@app.command()
def check(file: Annotated[str, typer.Argument(help="Path of a policy, or the name of a shipped one.")]) -> None:
    """Check a policy with its examples and calibration; says the line and the mend of each fault."""
    with explained():
        workflow = load_workflow(file)
        check_systems(workflow)
        check_sources(workflow)
    policy, proofs = workflow.policy, workflow.terms.proofs
    OUT.print(f"[bold]{policy.name}[/] version {policy.version} holds, mode {policy.mode.value}", highlight=False)
    if not policy.classifies:
        found = f"; from the text: {', '.join(policy.extract.fields)}" if policy.extract else ""
        OUT.print(
            f"  no routes: written once {', '.join(policy.validation.required)} are there{found}", highlight=False
        )
        OUT.print(f"  {len(policy.validation.checks)} checks, {len(policy.rules)} rules", highlight=False)
        _print_ways(policy)
        return
    what = "actions" if workflow.cases else "routes"
    OUT.print(f"  {what}: {', '.join(policy.routes)}", highlight=False)
    if workflow.cases:
        OUT.print(f"  states: {', '.join(workflow.cases.states)}", highlight=False)
        OUT.print(f"  events: {', '.join(workflow.cases.events)}", highlight=False)
    OUT.print(f"  {len(workflow.examples)} labelled examples, {len(policy.rules)} rules", highlight=False)
    _print_ways(policy)
    for proof in proofs.values():
        OUT.print(
            f"  {escape(_who(proof))}: threshold {thresholds(proof)}, proven on {proof.n} labelled items",
            highlight=False,
        )
    if not any(proof.proven for proof in proofs.values()):
        OUT.print("  no threshold is proven for this target: rules and people decide", highlight=False)


def _print_ways(policy: Policy) -> None:
    """Where items come from, where they go, and whom no channel reaches."""
    if policy.intake.sources:
        OUT.print(f"  reads {escape(', '.join(map(str, policy.intake.sources)))}", highlight=False)
    writes = ", ".join(f"{name} ({destination.system})" for name, destination in policy.destinations.items())
    OUT.print(f"  writes to {writes}", highlight=False)
    if by_event := policy.escalation.by_event:
        OUT.print(
            f"  told by Prefect's event alone, as {HOW_EVENTS_REACH} says: {escape(', '.join(by_event))}",
            highlight=False,
        )


@app.command()
def schema(
    cases: Annotated[bool, typer.Option("--cases", help="Of policies about cases: case_policy.schema.json.")] = False,
    sync: Annotated[bool, typer.Option("--sync", help="Of policies about records: sync_policy.schema.json.")] = False,
) -> None:
    """Print the JSON schema of policies, for editors: save it as policy.schema.json beside them."""
    model = CasePolicy if cases else SyncPolicy if sync else Policy
    typer.echo(json.dumps(model.model_json_schema(), indent=2))


Named = Annotated[str, typer.Argument(help="Name of a shipped policy, or path of a YAML file.")]


@app.command()
def standing(policy: Named) -> None:
    """Show the mode in force, how its sources answer, and what the blind audit says of what was decided alone."""
    with explained():
        workflow = load_workflow(policy)
    name, mode = workflow.policy.name, workflow.policy.mode
    with reading() as tx:
        now = tx.standings.of(name)
        audits = [
            (proof, tx.reviews.audited(name, proof.classifier), tx.reviews.audited(name, proof.classifier, now.since))
            for proof in workflow.terms.proofs.values()
        ]
        fields = None if workflow.policy.classifies else tx.reviews.audited(name, None, now.since)
        sources = [_reading(tx, name, wanted) for wanted in workflow.policy.intake.sources]
    OUT.print(f"[bold]{name}[/] acts in mode {effective(mode, now.cap).value}; its policy says {mode.value}")
    why = f", since {now.since:%Y-%m-%d %H:%M} UTC: {shown(now.why)}" if now.since else ""
    OUT.print(f"  cap: {now.cap.value if now.cap else 'none'}{why}", highlight=False)
    if fields is not None:
        OUT.print(f"  fields: {_misroutes(fields)}", highlight=False)
    elif not audits:
        OUT.print("  nothing acts alone, so nothing is audited", highlight=False)
    for line in sources:
        OUT.print(f"  {line}", highlight=False)
    for proof, overall, fresh in audits:
        since = f"; since then {fresh.wrong} of {fresh.n}" if now.since else ""
        OUT.print(f"  {escape(_who(proof))}: {_misroutes(overall)}{since}", highlight=False)


@app.command()
def release(
    policy: Named,
    by: Annotated[str, typer.Option(help="Your name, for the ledger.")],
    note: Annotated[str, typer.Option(help="Why it may go on, such as what was mended.")] = "",
) -> None:
    """Lift what the audit made of the mode: the policy's own is in force again, and the audit starts anew."""
    with explained():
        OUT.print(asyncio.run(_release(policy, by, note)), highlight=False)


async def _release(policy: str, by: str, note: str) -> str:
    async with opened() as here:
        return f"Released: mode {lift(here, policy, by, note).value} is in force again."


@app.command()
def versions(
    policy: Named,
    show: Annotated[str, typer.Option(help="Print what one of them said, by its name or the beginning of it.")] = "",
) -> None:
    """List what a policy has said since when, as far as anything was decided under it, and what waits under each."""
    with explained():
        workflow = load_workflow(policy)
    with reading() as tx:
        known = tx.versions.of(workflow.policy.name)
        waiting = tx.versions.waiting(workflow.policy.name, BEGUN)
    if show:
        for row in known:
            if row.version.startswith(show):
                typer.echo(row.source, nl=False)
        return
    for row in known:
        today = ", its file of today" if row.version == workflow.version else ""
        first = f"{row.version[:12]}  since {row.first_used_at:%Y-%m-%d %H:%M} UTC{today}"
        OUT.print(f"{first}; {waiting.get(row.version, 0)} reviews wait under it", highlight=False)


def _reading(tx: Transaction, policy: str, wanted: IntakeSource) -> str:
    """How a source has answered lately, on one line."""
    with explained():
        name = kept_as(policy, wanted)
    moved, state = tx.cursors.moved_at(name), tx.sources.of(name)
    told = f"reads {wanted}: {f'something new last at {moved:%Y-%m-%d %H:%M} UTC' if moved else 'nothing yet'}"
    if state.trouble is None or state.since is None:
        return shown(told)
    return shown(f"{told}; {state.trouble.value} since {state.since:%Y-%m-%d %H:%M} UTC: {state.breaker.why}")


def _who(proof: Proof) -> str:
    return "the examples alone" if proof.source is Source.EXAMPLES else proof.model


def _misroutes(tally: AuditTally) -> str:
    if not tally.n:
        return "nothing audited yet"
    rate = tally.misroute
    return (
        f"misroute rate {rate.value:.1%} ({tally.wrong} of {tally.n} audited; with 95 % confidence between "
        f"{rate.low:.1%} and {rate.high:.1%})"
    )
