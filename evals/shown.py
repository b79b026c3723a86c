"""How the commands show what they found."""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from domain.calibration import OTHERS, Calibration, Proof
from domain.confidence import Source

if TYPE_CHECKING:
    from evals.calibrate import Terms
    from evals.costs import Choice
    from evals.guarantee import Guarantee
    from evals.public_table import Line
    from evals.recorded import Run
    from policies.load import Workflow

OUT, ERR = Console(soft_wrap=True), Console(stderr=True, soft_wrap=True)

TOO_LITTLE_DATA = 3
"""Exit code when the labelled data prove no threshold."""


def print_record(workflow: "Workflow", record: Calibration) -> None:
    """A calibration record in plain words."""
    if not workflow.policy.covers(record):
        OUT.print(
            f"[bold yellow]The policy promises less than {record.target:.1%} at {1 - record.delta:.0%}: it trusts this "
            f"record once target.misroute is {record.target:.4g} or more.[/]",
            highlight=False,
        )
    OUT.print(
        f"[bold]{record.policy}[/]: at most {record.target:.1%} of what acts alone goes wrong, "
        f"with {1 - record.delta:.0%} confidence.",
        highlight=False,
    )
    for proof in record.proofs:
        _print_proof(proof)


def _print_proof(proof: Proof) -> None:
    who = "The examples alone, when no model answers" if proof.source is Source.EXAMPLES else proof.model
    share = proof.coverage
    OUT.print(f"  {escape(who)}: {share.value:.0%} of the items act alone ({share.low:.0%} to {share.high:.0%}).",
              highlight=False)  # fmt: skip
    for group, promise in proof.promises.items():
        name = "all routes" if group == OTHERS and len(proof.promises) == 1 else "the other routes"
        name = name if group == OTHERS else group
        if promise.threshold is None:
            OUT.print(f"    {name}: no threshold is proven; rules and people decide.", highlight=False)
            continue
        OUT.print(
            f"    {name}: from a confidence of {promise.threshold:.4g} on; of {proof.n} items {promise.accepted} acted "
            f"alone, {promise.errors} of them wrong (upper limit {promise.bound:.1%}; promised {promise.target:.1%}).",
            highlight=False,
        )
    OUT.print(f"    Fitted on {proof.fitted_on} other items: {_weights(proof)}.", highlight=False)


def _weights(proof: Proof) -> str:
    guards = proof.guards
    return (
        f"weights examples {proof.fusion.examples:g}, model {proof.fusion.model:g}; guards similarity "
        f"{guards.similarity:g}, weakest part {guards.weakest:g}, dissent {guards.dissent:g}"
    )


def refuse(workflow: "Workflow", run: "Run", record: Calibration, terms: "Terms") -> NoReturn:
    """Say what is lacking, and of which route; end with exit code 3."""
    from evals.calibrate import lacking_by_route  # noqa: PLC0415

    ERR.print(f"[bold red]No threshold is proven[/] for at most {record.target:.1%} wrong at "
              f"{1 - record.delta:.0%} confidence; nothing was written.", highlight=False)  # fmt: skip
    for proof in record.proofs:
        who = "The examples alone" if proof.source is Source.EXAMPLES else proof.model
        for group, more in lacking_by_route(workflow, run.scored, proof, terms).items():
            named = "" if group == OTHERS else f", route {group}"
            if more is None:
                ERR.print(f"  {escape(who)}{named}: more items would not do, too many of the surest are wrong. Add "
                          "examples, take a better model, or promise less in the policy's target.",
                          highlight=False)  # fmt: skip
            else:
                told = ", ".join(f"{count} of {route}" for route, count in more.items())
                ERR.print(f"  {escape(who)}{named}: about {sum(more.values())} more labelled items would be "
                          f"expected to do: {told}.", highlight=False)  # fmt: skip
    raise typer.Exit(TOO_LITTLE_DATA)


def print_choices(choices: "Sequence[Choice]") -> None:
    """Proven thresholds, each with what it costs and how many reviewers' hours a day it means."""
    table = Table("threshold", "acts alone", "wrong, of all", "cost an item", "reviewers' hours a day",
                  box=None, padding=(0, 2))  # fmt: skip
    cheapest = min((choice.cost_an_item for choice in choices), default=0.0)
    for choice in choices:
        mark = " [bold]cheapest[/]" if choice.cost_an_item == cheapest else ""
        table.add_row(
            f"{choice.threshold:.4g}",
            f"{choice.coverage:.1%}",
            f"{choice.wrong:.2%}",
            f"{choice.cost_an_item:.3f}{mark}",
            f"{choice.reviewer_hours_a_day:.1f}",
        )
    OUT.print(table)


def print_guarantee(found: "Guarantee") -> None:
    """How often the promise broke, beside a naive threshold."""
    table = Table("threshold", "promise broken", "refused", "coverage", "misroutes, mean", "worst", box=None,
                  padding=(0, 2))  # fmt: skip
    for name, fates in (("proven", found.proven), ("naive", found.naive)):
        broken = f"{fates.broken} of {fates.splits} ({fates.broken / fates.splits:.1%})"
        shares = (f"{fates.coverage:.1%}", f"{fates.misroute:.2%}", f"{fates.worst:.2%}")
        table.add_row(name, broken, str(fates.refused), *shares)
    OUT.print(
        f"Promise: at most {found.target:.1%} wrong, with {1 - found.delta:.0%} confidence. Calibrated on "
        f"{found.calibrated_on} items, tested on {found.tested_on}; confidence from {found.source.value}.",
        highlight=False,
    )
    OUT.print(table)
    OUT.print("The promise holds." if found.holds else "[bold red]The promise is broken more often than chance "
              "explains.[/]", highlight=False)  # fmt: skip


def print_public(table: "Mapping[str, Mapping[str, Line]]", as_json: bool) -> None:
    """The table on public data."""
    if as_json:
        plain = {
            name: {kind: one.model_dump(mode="json") for kind, one in lines.items()} for name, lines in table.items()
        }
        OUT.print_json(json.dumps(plain))
        return
    heads = ("set", "classifier", "n", "accuracy", "at 95 %", "at 98 %", "oos recall", "broken", "coverage", "hostile")
    shown = Table(*heads, box=None, padding=(0, 1))
    for name, lines in table.items():
        for kind, one in lines.items():
            shown.add_row(
                name,
                kind,
                str(one.n),
                *(f"{value:.3f}" for value in (one.accuracy, *one.coverage_at.values())),
                "-" if one.oos_recall is None else f"{one.oos_recall:.3f}",
                f"{one.guarantee.broken}/{one.guarantee.splits}",
                f"{one.guarantee.coverage:.3f}",
                f"{one.hostile.wrong_auto}/{one.hostile.n}",
            )
    OUT.print(shown)


def print_flat(found: Mapping[str, Any], as_text: str, as_json: bool) -> None:
    """A result as a list of its figures, nested ones on one line each; or as JSON."""
    if as_json:
        OUT.print_json(as_text)
        return
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for name, value in found.items():
        table.add_row(name.replace("_", " "), escape(_told(value)))
    OUT.print(table)


def _told(value: Any) -> str:
    match value:
        case None:
            return "-"
        case float():
            return f"{value:.4g}"
        case dict():
            return ", ".join(f"{name} {_told(one)}" for name, one in value.items()) or "none"
        case list() | tuple():
            return ", ".join(_told(one) for one in value) or "none"
        case _:
            return str(value)
