"""The command line `evals`. Each command imports what it needs, so that those that ask nobody start at once."""

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from domain.errors import InputInvalid
from evals import bench_command, data_commands
from evals.asking import (
    asked,
    calibrated,
    choices_of,
    explained,
    first,
    from_store,
    keep_record,
    propose,
    record_of,
)
from evals.options import AsJson, DataFile, Name, NoModel
from evals.shown import ERR, OUT, print_choices, print_flat, print_guarantee, print_record, refuse

app = typer.Typer(
    help="Proof of what a classifier is worth, before it may act.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,  # locals can hold secrets
)

REFUSED = 1
"""Exit code when a gate refuses, a guarantee does not hold or an attack got through."""


@app.command()
def calibrate(
    policy: Name,
    data: DataFile,
    target: Annotated[float | None, typer.Option(help="Largest share of misroutes; the policy's by default.")] = None,
    delta: Annotated[float | None, typer.Option(help="Chance that the promise is broken; the policy's.")] = None,
    wrong_cost: Annotated[float | None, typer.Option(help="Price of a wrong route, instead of a target.")] = None,
    minute_cost: Annotated[float, typer.Option(help="Price of a reviewer's minute, with --wrong-cost.")] = 1.0,
    review_minutes: Annotated[float, typer.Option(help="Minutes that a review takes.")] = 2.0,
    items_a_day: Annotated[float, typer.Option(help="Items that come in a day.")] = 100.0,
    without_model: NoModel = False,
    as_json: AsJson = False,
) -> None:
    """Find the thresholds that labelled data prove for the policy's target, and keep the evidence."""
    from evals.calibrate import Terms
    from evals.costs import Costs

    with explained():
        costs = None
        if wrong_cost is not None:
            prices = {"review_minute": minute_cost, "review_minutes": review_minutes, "items_a_day": items_a_day}
            costs = Costs(wrong_route=wrong_cost, **prices)
        workflow, made, items = asked(policy, data, without_model)
        promised = workflow.policy.target
        terms = Terms(
            target=first(target, costs.target if costs else promised.misroute),
            delta=first(delta, promised.delta),
            named=promised.routes,
            costs=costs,
        )
        record = record_of(workflow, made, items, terms)
    if not any(proof.proven for proof in record.proofs):
        refuse(workflow, made, record, terms)
    keep_record(workflow, record)
    if as_json:
        OUT.print_json(record.model_dump_json())
        return
    print_record(workflow, record)
    if costs:
        print_choices(choices_of(workflow, made, terms))


@app.command()
def run(
    policy: Name,
    data: DataFile,
    html: Annotated[Path | None, typer.Option(help="Write the report for people here.")] = None,
    out: Annotated[Path | None, typer.Option(help="Keep the run here, for replay, compare and gate.")] = None,
    prices: Annotated[Path | None, typer.Option(help="Price table, YAML.")] = None,
    slice_by: Annotated[list[str] | None, typer.Option("--slice", help="A field to slice by; again for more.")] = None,
    without_model: NoModel = False,
    as_json: AsJson = False,
) -> None:
    """Measure what would be routed alone, how much of it goes wrong, and what the rest costs."""
    from evals.actions import measure_actions, print_actions
    from evals.metrics import measure
    from evals.prices import load_prices
    from evals.report import page, print_measures

    with explained():
        table = load_prices(prices) if prices else None
        workflow, made, _ = asked(policy, data, without_model)
        measures = measure(made, workflow, table, slice_by or ())
        if out:
            made.save(out)
        if html:
            html.parent.mkdir(parents=True, exist_ok=True)
            html.write_text(page(made, workflow, measures), encoding="utf-8")
        acted = measure_actions(workflow, made.scored) if workflow.cases else None
    if as_json:
        told = measures.model_dump(mode="json") | ({"actions": acted.model_dump(mode="json")} if acted else {})
        OUT.print_json(data=told)
    else:
        print_measures(measures, OUT)
        if acted:
            print_actions(acted, OUT)
    for path, what in ((out, "run"), (html, "report")):
        if path:
            ERR.print(f"{what}: {path}", highlight=False)


@app.command()
def replay(
    source: Annotated[str, typer.Argument(help="A run kept by 'evals run --out', or 'ledger' for production.")],
    policy: Annotated[str | None, typer.Option(help="Other rules, targets or modes: a policy; the run's own.")] = None,
    threshold: Annotated[float | None, typer.Option(help="One threshold for every route.")] = None,
    weights: Annotated[str | None, typer.Option(help="both, examples or model.")] = None,
    guards_off: Annotated[bool, typer.Option("--guards-off", help="Without the guards.")] = False,
    wrong_cost: Annotated[float | None, typer.Option(help="Price of a wrong route.")] = None,
    review_cost: Annotated[float | None, typer.Option(help="Price of a review.")] = None,
    as_json: AsJson = False,
) -> None:
    """Answer what-if questions from recorded proposals; nobody is asked."""
    from evals.recorded import load_run
    from evals.replay import Weights, WhatIf
    from evals.replay import replay as again
    from policies.load import load_classifier

    with explained():
        if weights is not None and weights not in {one.value for one in Weights}:
            raise InputInvalid(f"--weights {weights}: use one of {', '.join(one.value for one in Weights)}")
        what_if = WhatIf(
            threshold=threshold,
            fusion=Weights(weights) if weights else None,
            guards_off=guards_off,
            wrong_cost=wrong_cost,
            review_cost=review_cost,
        )
        if source == "ledger":
            if policy is None:
                raise InputInvalid("say which workflow's ledger: --policy NAME")
            workflow = load_classifier(policy)
            rows, unknown = from_store(workflow)
            ERR.print(f"{len(rows)} items with a known answer, {unknown} without one", highlight=False)
            replayed = again(rows, workflow, what_if, fields_known=True)
        else:
            made = load_run(Path(source))
            workflow = load_classifier(made.reference)
            other = load_classifier(policy) if policy else None
            replayed = again(made.rows, workflow, what_if, other)
    print_flat(replayed.model_dump(mode="json"), replayed.model_dump_json(), as_json)


@app.command()
def compare(
    one: Annotated[Path, typer.Argument(help="A run kept by 'evals run --out'.", metavar="A")],
    other: Annotated[Path, typer.Argument(help="Another on the same items.", metavar="B")],
    as_json: AsJson = False,
) -> None:
    """Pair two runs on the same items, and say whether the difference could be chance."""
    from evals.compare import compare as paired
    from evals.recorded import load_run
    from policies.load import load_classifier

    with explained():
        a, b = load_run(one), load_run(other)
        found = paired(a, b, load_classifier(a.reference), load_classifier(b.reference))
    print_flat(found.model_dump(mode="json"), found.model_dump_json(), as_json)


@app.command()
def gate(
    policy: Name,
    baseline: Annotated[Path, typer.Option(help="The run of what is in production, kept by 'evals run --out'.")],
    data: Annotated[Path | None, typer.Option("--data", help="The same labelled items; the candidate is run.")] = None,
    candidate: Annotated[Path | None, typer.Option(help="The candidate's run, instead of --data.")] = None,
    budgets: Annotated[Path | None, typer.Option(help="Floors and budgets, YAML.")] = None,
    prices: Annotated[Path | None, typer.Option(help="Price table, YAML, for a cost budget.")] = None,
    calibration: Annotated[Path | None, typer.Option(help="The candidate's record; the policy's.")] = None,
    baseline_calibration: Annotated[Path | None, typer.Option(help="The baseline's record; the candidate's.")] = None,
    as_json: AsJson = False,
) -> None:
    """Let a candidate pass only if it is no worse than the baseline on the same items; refuse when in doubt."""
    from evals.gate import gate as judged
    from evals.gate import read_budgets, show
    from evals.prices import load_prices
    from evals.recorded import load_run
    from policies.load import load_classifier

    with explained():
        if (data is None) == (candidate is None):
            raise InputInvalid("give either --data, to run the candidate, or --candidate, a run of it")
        made = load_run(candidate) if candidate else asked(policy, data or Path(), without_model=False)[1]
        workflow = calibrated(load_classifier(policy), calibration)
        verdict = judged(
            made,
            load_run(baseline),
            workflow,
            read_budgets(budgets) if budgets else None,
            calibrated(workflow, baseline_calibration) if baseline_calibration else None,
            load_prices(prices) if prices else None,
        )
    if as_json:
        OUT.print_json(verdict.model_dump_json())
    else:
        show(verdict, OUT)
    if not verdict.passed:
        raise typer.Exit(REFUSED)


@app.command()
def guarantee(
    policy: Name,
    data: DataFile,
    splits: Annotated[int, typer.Option(min=1, help="Splits at random.")] = 200,
    calibrate_on: Annotated[int, typer.Option(min=1, help="Items of each split to calibrate on.")] = 500,
    target: Annotated[float | None, typer.Option(help="Largest share of misroutes; the policy's.")] = None,
    delta: Annotated[float | None, typer.Option(help="Chance that the promise is broken; the policy's.")] = None,
    without_model: NoModel = False,
    as_json: AsJson = False,
) -> None:
    """Calibrate and test on random splits again and again, and count broken promises."""
    from evals.calibrate import Terms
    from evals.guarantee import guarantee as repeated

    with explained():
        workflow, made, _ = asked(policy, data, without_model)
        own = workflow.policy.target
        terms = Terms(first(target, own.misroute), first(delta, own.delta), own.routes)
        with Progress(console=ERR, transient=True) as progress:
            bar = progress.add_task("splitting", total=splits)
            found = repeated(workflow, made.rows, terms, splits, calibrate_on, lambda: progress.advance(bar))
    if as_json:
        OUT.print_json(found.model_dump_json())
    else:
        print_guarantee(found)
    if not found.holds:
        raise typer.Exit(REFUSED)


@app.command()
def hostile(
    policy: Name,
    data: DataFile,
    per_attack: Annotated[int, typer.Option(min=1, help="Carriers of each attack.")] = 1,
    without_model: NoModel = False,
    as_json: AsJson = False,
) -> None:
    """Attack the classifier: hostile messages around honest ones; none may change an automatic decision."""
    from evals.hostile import hostile_items, withstood

    with explained():
        workflow, honest, _ = asked(policy, data, without_model)
        attacks = hostile_items(workflow, honest.rows, per_attack)
        attacked = propose(policy, attacks, without_model)
        fates = withstood(workflow, attacked.rows, honest.rows)
    print_flat(fates.model_dump(mode="json"), fates.model_dump_json(), as_json)
    if fates.wrong_auto:
        raise typer.Exit(REFUSED)


app.command()(data_commands.harvest)
app.command("import")(data_commands.import_data)
app.command()(data_commands.public)
app.command()(data_commands.extract)
app.command()(data_commands.sync)
app.command()(bench_command.bench)
