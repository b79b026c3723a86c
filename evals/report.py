"""What a run shows, for people: a table in the terminal and one page that needs no network."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from rich.console import Console
from rich.table import Table
from rich.text import Text

from domain.calibration import OTHERS, Baseline, Promise, Proof, Rate, Scored, learn_then_test, rate, start
from domain.confidence import UNFITTED, Source, source_of
from domain.decide import fingerprint
from domain.decision import Reason, Terms
from domain.explain import BECAUSE
from evals.metrics import Measures, Seen, see
from evals.ranking import BINS, bins, risks
from evals.recorded import Run
from evals.trust import main_source
from policies.load import Workflow

HERE = Path(__file__).parent / "report_page"
MOST_POINTS = 150
"""Of a curve that is drawn."""
MOST_MISROUTES = 20
TIMES_THE_DATA = (1, 2, 4, 8)
REASONS = ("items", "because")
ROUTES = ("route", "items", "alone", "of that wrong", "precision", "recall")
SLICES = ("items", "alone", "of that wrong", "accuracy")
NUMBERS = frozenset(ROUTES[1:] + SLICES)
"""Columns that are read from the right."""
NOTHING = "–"
"""Stands where there is nothing to tell."""


def percent(value: float | None) -> str:
    """A share of 0 to 1 in words."""
    return NOTHING if value is None else f"{100 * value:.1f} %"


def interval(share: Rate) -> str:
    """A rate with its exact 95 % interval; nothing where nothing was counted."""
    return (
        NOTHING if share == rate(0, 0) else f"{percent(share.value)} ({100 * share.low:.1f} to {percent(share.high)})"
    )


def verdict(measures: Measures) -> str:
    """What the figures come to, in a sentence or two."""
    if not measures.trusted:
        because = measures.stale_because[0].upper() + measures.stale_because[1:]
        return f"NO THRESHOLD IS TRUSTED, nothing would act alone. {because}."
    wrong, target = measures.misroute_rate, percent(measures.target)
    here = (
        " The thresholds were proven with these very items, which flatters the figures." if measures.proven_here else ""
    )
    if not measures.auto:
        return f"A threshold is trusted, and none of these items would act alone by it.{here}"
    if wrong.low > measures.target:
        return f"MORE GOES WRONG THAN THE POLICY ALLOWS: {interval(wrong)}, at most {target} is promised.{here}"
    sure = "keep" if wrong.high <= measures.target else "neither prove nor refute"
    return f"These items {sure} the promise of at most {target} misroutes among what acts alone.{here}"


def print_measures(measures: Measures, console: Console) -> None:
    """The figures that a manager asks for first, in the terminal; whether to trust them comes before them."""
    console.print(Text(verdict(measures), style="bold green" if measures.trusted else "bold white on red"))
    console.print(Text(f"{measures.policy}, model {measures.model}: {items_told(measures)}"))
    summary = Table(box=None, show_header=False, pad_edge=False)
    for name, value in summary_of(measures):
        summary.add_row(Text(name), Text(value))
    console.print(summary)
    reasons = [(f"{count:,}", because) for count, because in reasons_of(measures)]
    _print_table(console, "what keeps items from acting alone (one may have several reasons)", REASONS, reasons)
    routes = [
        (route, f"{one.n:,}", f"{one.auto:,}", interval(one.misroute_rate), percent(one.precision), percent(one.recall))
        for route, one in measures.per_route.items()
    ]
    _print_table(console, "by route", ROUTES, routes)
    for field, values in measures.slices.items():
        parts = [
            (value or NOTHING, f"{one.n:,}", percent(one.coverage), interval(one.misroute_rate), percent(one.accuracy))
            for value, one in values.items()
        ]
        _print_table(console, f"by {field}", (field, *SLICES), parts)


def _print_table(console: Console, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    if not rows:
        return
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(Text(column), justify="right" if column in NUMBERS else "left")
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(Text(f"\n{title}", style="bold"))
    console.print(table)


def items_told(measures: Measures) -> str:
    """How many items there were, the unscored apart."""
    unscored = f" and {measures.unscored:,} unscored: the model could not be asked" if measures.unscored else ""
    return f"{measures.n:,} labelled items scored{unscored}"


def reasons_of(measures: Measures) -> list[tuple[int, str]]:
    """How often each reason keeps an item from acting alone, in words, the most frequent first."""
    return [(count, BECAUSE[Reason(hold)]) for hold, count in measures.holds.items()]


def summary_of(measures: Measures) -> list[tuple[str, str]]:
    """Names and values of the figures that are about all items."""
    return [*_outcomes(measures), *_quality(measures), *_costs(measures)]


def _outcomes(measures: Measures) -> list[tuple[str, str]]:
    ended = f", {measures.ended:,} of them ended: no route fits" if measures.ended else ""
    people = measures.n - measures.auto - measures.by_rule - measures.rejected
    told = [
        ("acts alone", f"{measures.auto:,} of {measures.n:,}: {percent(measures.coverage)}{ended}"),
        ("of that wrong", f"{interval(measures.misroute_rate)}; promised is at most {percent(measures.target)}"),
        ("goes to people", f"{people:,}"),
    ]
    if measures.by_rule:
        told.append(("routed by a rule", f"{measures.by_rule:,}, wrong {interval(measures.by_rule_misroute_rate)}"))
    if measures.rejected:
        told.append(("ended by a rule", f"{measures.rejected:,}"))
    return told


def _quality(measures: Measures) -> list[tuple[str, str]]:
    numbers = {"AUROC": measures.auroc, "ECE": measures.ece, "AURC": measures.aurc}
    return [
        ("accuracy, all items", percent(measures.accuracy)),
        ("model, examples alone", f"{percent(measures.model_accuracy)}, {percent(measures.examples_accuracy)}"),
        ("they agree", percent(measures.agreement)),
        *((f"coverage at {percent(float(at))}", percent(share)) for at, share in measures.coverage_at.items()),
        ("out of scope found", percent(measures.oos_recall)),
        (", ".join(numbers), ", ".join(NOTHING if one is None else f"{one:.3f}" for one in numbers.values())),
    ]


def _costs(measures: Measures) -> list[tuple[str, str]]:
    if not measures.calls:
        return [("calls to a model", "0")]
    tokens, wait = measures.tokens, measures.latency_s
    cost = "no price table" if measures.cost is None else f"{measures.cost:.4f} in the price table's currency"
    return [
        ("calls to a model", f"{measures.calls:,}"),
        ("tokens", f"{tokens.prompt:,} in ({tokens.cached:,} cached), {tokens.completion:,} out; cost: {cost}"),
        ("latency", f"half within {wait.p50:.2f} s, 95 % within {wait.p95:.2f} s"),
    ]


@dataclass(frozen=True)
class Point:
    """One point of a risk-coverage curve: the share of errors, with its interval, among the surest `coverage`."""

    coverage: float
    risk: Rate


@dataclass(frozen=True)
class Step:
    """One step of confidence from `low` up: how sure its `n` items are on average, and how often right."""

    low: float
    n: int
    confidence: float
    accuracy: Rate


@dataclass(frozen=True)
class Estimate:
    """What calibrating on `items` labelled items would be expected to let act alone, as a share of all."""

    times: int
    items: int
    coverage: float


def page(run: Run, workflow: Workflow, measures: Measures) -> str:
    """One self-contained HTML page: no script, nothing from a network, and texts of strangers are only text."""
    seen = see(workflow, run.scored)
    able = see(workflow, run.scored, unbound(run, workflow))
    able_curve = curve([one.scored for one in able if one.acts], measures.n)
    everything = curve([one.scored for one in seen], measures.n)
    environment = Environment(loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined)
    environment.filters |= {"percent": percent, "interval": interval}
    return environment.get_template("page.html.jinja").render(
        run=run,
        policy=workflow.policy,
        measures=measures,
        verdict=verdict(measures),
        verdict_is_bad=not measures.trusted or measures.misroute_rate.low > measures.target,
        items_told=items_told(measures),
        summary=summary_of(measures),
        reasons=reasons_of(measures),
        columns={"reasons": REASONS, "routes": ROUTES, "slices": SLICES},
        able=able_curve,
        everything=everything,
        most=highest(measures, [*able_curve[-1:], *everything[-1:]]),
        steps=reliability([one.scored for one in seen if one.judgement.confidence is not None]),
        labels=_labels(measures, workflow),
        misroutes=misroutes_of(seen),
        misroutes_limit=MOST_MISROUTES,
        estimates=more_data(able, workflow),
        because=BECAUSE,
        nothing=NOTHING,
    )


def misroutes_of(seen: Iterable[Seen]) -> list[Seen]:
    """The worst wrong labels: those that would act alone, then the others, each the surest first."""
    wrong = [one for one in seen if not one.correct and one.judgement.label is not None]
    return sorted(wrong, key=lambda one: (not one.acts, -one.confidence))[:MOST_MISROUTES]


def curve(items: Sequence[Scored], n: int) -> list[Point]:
    """The risk-coverage curve of `items`, as shares of `n`, with exact 95 % intervals at each point by itself."""
    found = risks(items)
    step = max(1, len(found) // MOST_POINTS)
    takens = sorted({*range(step, len(found) + 1, step), *range(len(found), len(found) + 1)} - {0})
    return [Point(taken / n, _rate(round(found[taken - 1] * taken), taken)) for taken in takens]


def highest(measures: Measures, points: Iterable[Point]) -> float:
    """The largest share of errors that a drawing must have room for, in steps of 5 %."""
    chosen = measures.misroute_rate.high if measures.auto else 0.0
    return min(1.0, ceil(20 * max(2 * measures.target, chosen, *(point.risk.value for point in points))) / 20)


def reliability(items: Iterable[Scored]) -> list[Step]:
    """Confidence beside accuracy, by ten equal steps of confidence; empty steps are left out."""
    return [
        Step(
            low=number / BINS,
            n=len(inside),
            confidence=sum(item.score for item in inside) / len(inside),
            accuracy=_rate(sum(item.correct for item in inside), len(inside)),
        )
        for number, inside in enumerate(bins(items))
        if inside
    ]


def _rate(errors: int, n: int) -> Rate:
    """`domain.calibration.rate` by SciPy, which is quick enough for a whole curve."""
    from scipy.stats import beta  # noqa: PLC0415  takes a second

    low = float(beta.ppf(0.025, errors, n - errors + 1)) if errors else 0.0
    high = float(beta.ppf(0.975, errors + 1, n - errors)) if errors < n else 1.0
    return Rate(value=errors / n, low=low, high=high)


def unbound(run: Run, workflow: Workflow) -> Terms:
    """The workflow's terms as they were if every threshold were 0: only the other holds stand."""
    source, target = main_source(run.scored), workflow.policy.target
    terms = workflow.terms
    if source is Source.NONE:
        return terms
    first = next(row.proposal for row in run.scored if source_of(row.proposal) is source)
    proof = terms.proofs.get(source) or Proof(
        source=source,
        classifier="",
        model=run.model,
        fusion=UNFITTED[source],
        promises={OTHERS: Promise(target=target.misroute)},
        fitted_on=0,
        n=0,
        coverage=rate(0, 0),
        baseline=Baseline(n=0, labels={}, confidences=(0,) * 10, disagreements=0),
    )
    open_promises = {
        group: Promise(target=bound, threshold=0) for group, bound in {OTHERS: target.misroute, **target.routes}.items()
    }
    opened = proof.model_copy(update={"classifier": fingerprint(first, source), "promises": open_promises})
    return terms.model_copy(update={"proofs": {source: opened}})


def more_data(able: Sequence[Seen], workflow: Workflow) -> list[Estimate]:
    """The coverage to expect of calibrations on 1, 2, 4 and 8 times these items, if error rates stay the same.

    Args:
        able: all items, under `unbound` terms.
    """
    from evals.calibrate import FITTED_SHARE  # noqa: PLC0415  SciPy's optimizer takes a second

    target = workflow.policy.target
    bounds = {OTHERS: target.misroute, **target.routes}
    groups: dict[str, list[Scored]] = {group: [] for group in bounds}
    for one in able:
        group = one.judgement.label if one.judgement.label in target.routes else OTHERS
        groups[group].append(Scored(score=one.confidence if one.acts else 0, correct=one.correct))
    estimates = []
    for times in TIMES_THE_DATA:
        factor, accepted = times * (1 - FITTED_SHARE), 0
        for group, bound in bounds.items():
            items = expected(groups[group], factor)
            accepted += learn_then_test(items, bound, target.delta / len(bounds), start(items, bound)).accepted
        estimates.append(Estimate(times, times * len(able), min(1.0, accepted / (factor * len(able))) if able else 0.0))
    return estimates


def expected(items: Sequence[Scored], factor: float) -> list[Scored]:
    """`factor` times as many items, of which as large a share is right, and wrong, at or above each score."""
    found = []
    for correct in (True, False):
        alike = sorted((item for item in items if item.correct is correct), key=lambda item: -item.score)
        for number, item in enumerate(alike):
            found += [item] * (round((number + 1) * factor) - round(number * factor))
    return found


def _labels(measures: Measures, workflow: Workflow) -> list[str]:
    """The confusion matrix's labels: the policy's in their order, then any others."""
    others = {label for true, row in measures.confusion.items() for label in (true, *row)}
    return list(dict.fromkeys([*workflow.policy.labels, *sorted(others)]))
