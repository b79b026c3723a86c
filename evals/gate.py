"""Whether a candidate may take the baseline's place: checks on the same items, each of which can refuse it.

Nothing passes for want of data: what cannot be told is a refusal that says what is lacking.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import Field, ValidationError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from domain.calibration import Rate, Scored, rate
from domain.confidence import Source, source_of
from domain.decide import fingerprint
from domain.errors import InputInvalid
from domain.proposal import AskOutcome
from domain.values import Frozen
from evals.compare import Comparison, Paired, Weighed, compare, least_detectable, one_sided_p, weigh_rows
from evals.prices import Prices
from evals.ranking import ece, percentile
from evals.recorded import Run
from policies.load import Workflow

Share = Annotated[float, Field(ge=0, le=1)]

_BUDGETS = "Write budgets as YAML or JSON, such as 'floors: {privacy: 0.9}' or 'max_latency_p95_s: 5'."


class Budgets(Frozen):
    """What a candidate must keep; the defaults are this project's, to be set per policy.

    Attributes:
        floors: smallest recall of single routes, or of `none_of_these`: the share of a route's
            items that get its label. What was not scored counts as missed.
        max_misroute: largest misroute rate of what would act alone; None for the policy's target.
        max_ece: largest expected calibration error, 0 to 1; see `evals.ranking.ece`.
        max_cost_per_item: in the price table's currency. max_latency_p95_s: seconds to an answer
            that 95 % of the items keep. None: not checked.
        max_coverage_loss: largest drop of the share that acts alone.
        max_unscored: largest share of items on which asking failed, in either run.
        alpha: of each one-sided test against the baseline.
    """

    floors: dict[str, Share] = Field(default_factory=dict)
    max_misroute: Share | None = None
    max_ece: Share = 0.10
    max_cost_per_item: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    max_latency_p95_s: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    max_coverage_loss: Share = 0.05
    max_unscored: Share = 0.01
    alpha: float = Field(default=0.05, gt=0, lt=0.5)


class Check(Frozen):
    """One check: what was found, what was wanted, and what that means."""

    name: str
    passed: bool
    found: str
    wanted: str
    why: str


class Verdict(Frozen):
    """All checks; the candidate passes when each does.

    Attributes:
        detectable: the smallest loss of accuracy, 0 to 1, that this gate would have refused with
            a chance of 80 %; `detectable_misroutes` the same for the share that acts and is wrong.
            None if no loss could have been seen.
        comparison: A is the baseline, B the candidate.
    """

    policy: str
    passed: bool
    checks: tuple[Check, ...]
    detectable: float | None
    detectable_misroutes: float | None
    comparison: Comparison


def read_budgets(path: Path) -> Budgets:
    """The budgets in a YAML or JSON file.

    Raises:
        InputInvalid: there is no such file, or something in it is no budget.
    """
    try:
        return Budgets.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except FileNotFoundError as exc:
        raise InputInvalid(f"{path}: no such file. {_BUDGETS}") from exc
    except ValidationError as exc:
        fault = exc.errors(include_url=False)[0]
        where = ".".join(map(str, fault["loc"]))
        raise InputInvalid(f"{path}: {where + ': ' if where else ''}{fault['msg']}. {_BUDGETS}") from exc
    except (OSError, ValueError, yaml.YAMLError) as exc:
        raise InputInvalid(f"{path}: cannot be read ({exc}). {_BUDGETS}") from exc


def gate(
    candidate: Run,
    baseline: Run,
    workflow: Workflow,
    budgets: Budgets | None = None,
    before: Workflow | None = None,
    prices: Prices | None = None,
) -> Verdict:
    """The verdict on a candidate that was asked about the baseline's items.

    Args:
        workflow: the candidate's, with its own calibration.
        before: the baseline's; by default `workflow`. If its calibration is of another classifier,
            the baseline is held to those thresholds nevertheless: acting on nothing, it would
            make any candidate look good.
        prices: needed for a cost budget.
    """
    allowed = budgets or Budgets()
    old = before or workflow
    old = old if _trusted(baseline, old) else _as_if_proven(old, baseline)
    comparison = compare(baseline, candidate, old, workflow)
    weighed = weigh_rows(candidate.scored, workflow)
    checks = (
        _same_items(candidate, baseline, workflow, comparison),
        _all_scored(candidate, baseline, allowed),
        _trust(candidate, workflow, before),
        _no_worse("accuracy", comparison.right, comparison.n, allowed.alpha, rising=False),
        _no_worse("misroutes", comparison.misrouted, comparison.n, allowed.alpha, rising=True),
        _coverage(comparison, allowed),
        _misroute_rate(weighed, workflow, allowed),
        _calibration(weighed, allowed),
        *(_floor(route, floor, candidate, weighed, workflow) for route, floor in allowed.floors.items()),
        *_cost(candidate, prices, allowed),
        *_latency(candidate, allowed),
    )
    return Verdict(
        policy=workflow.policy.name,
        passed=all(check.passed for check in checks),
        checks=checks,
        detectable=_detectable(comparison.right, comparison.n, allowed.alpha),
        detectable_misroutes=_detectable(comparison.misrouted, comparison.n, allowed.alpha),
        comparison=comparison,
    )


def show(verdict: Verdict, console: Console) -> None:
    """Print each check, what was refused and why, and what could not have been seen."""
    table = Table("", "check", "found", "wanted", title=f"gate: {escape(verdict.policy)}")
    for check in verdict.checks:
        mark = "[green]ok[/]" if check.passed else "[red]REFUSED[/]"
        table.add_row(mark, *map(escape, (check.name, check.found, check.wanted)))
    console.print(table)
    for check in (check for check in verdict.checks if not check.passed):
        console.print(f"[red]{escape(check.name)}[/]: {escape(check.why)}")
    for what, least in (("loss of accuracy", verdict.detectable), ("rise in misroutes", verdict.detectable_misroutes)):
        seen = "none, however large" if least is None else f"{least:.1%} of the items"
        console.print(f"Smallest {what} that this would likely have seen (chance 80 %): {seen}")
    console.print("[green]The candidate passes.[/]" if verdict.passed else "[red]The candidate is refused.[/]")


def _same_items(candidate: Run, baseline: Run, workflow: Workflow, comparison: Comparison) -> Check:
    lists = {
        "lacking in the candidate": comparison.only_in_a,
        "lacking in the baseline": comparison.only_in_b,
        "other text or label, or twice": comparison.differing,
    }
    faults = [f"{what}: {named.count} ({', '.join(named.ids[:5])})" for what, named in lists.items() if named.count]
    runs = {"candidate": candidate, "baseline": baseline}
    name = workflow.policy.name
    faults += [f"the {what} is a run of '{run.policy}'" for what, run in runs.items() if run.policy != name]
    if not comparison.n:
        faults.append("no item that both have scored")
    why = "; ".join(faults) + ". Run both on one data file." if faults else "both runs are on the same items"
    return _check("same items", not faults, f"{comparison.n} pairs", "the same ids, texts, labels", why)


def _all_scored(candidate: Run, baseline: Run, budgets: Budgets) -> Check:
    now, was = (1 - len(run.scored) / len(run.rows) if run.rows else 1.0 for run in (candidate, baseline))
    why = "an endpoint that did not answer says nothing of the classifier: run again what is unscored"
    passed = round(max(now, was), 9) <= budgets.max_unscored
    return _check("unscored", passed, f"{now:.1%} (baseline {was:.1%})", f"<= {budgets.max_unscored:.1%}", why)


def _trust(candidate: Run, workflow: Workflow, before: Workflow | None) -> Check:
    wanted = "proven for this classifier"
    if _trusted(candidate, workflow):
        return _check("thresholds", True, wanted, wanted, "the calibration is of the candidate's classifier")
    if workflow.calibration is not None:
        why = "the calibration is of another classifier, or promises less: nothing acts alone. Run 'evals calibrate'."
        return _check("thresholds", False, "none to trust", wanted, why)
    never = (before or workflow).calibration is None
    why = "there is no calibration: nothing acts alone" + (", as before" if never else ". Run 'evals calibrate'.")
    return _check("thresholds", never, "no calibration", wanted, why)


def _no_worse(name: str, pairs: Paired, n: int, alpha: float, rising: bool) -> Check:
    """The exact one-sided test that the candidate is worse; refused too where it could see nothing."""
    worse, better = (pairs.only_b, pairs.only_a) if rising else (pairs.only_a, pairs.only_b)
    p, least = one_sided_p(better, worse), _detectable(pairs, n, alpha)
    could = "nothing could have been seen on so few items: label more"
    if least is not None:
        could = f"a loss below {least:.1%} of the items would likely not have been seen"
    why, found = f"{worse} items worse, {better} better; {could}", f"{pairs.difference.value:+.1%} (p {p:.3g})"
    return _check(name, p > alpha and least is not None, found, f"not significantly worse (p > {alpha:g})", why)


def _coverage(comparison: Comparison, budgets: Budgets) -> Check:
    was, now = comparison.coverage_a.value, comparison.coverage_b.value
    passed = comparison.n > 0 and round(was - now, 9) <= budgets.max_coverage_loss
    wanted = f"at most {budgets.max_coverage_loss:.1%} less"
    found = f"{now:.1%} (baseline {was:.1%})"
    return _check("coverage", passed, found, wanted, "what no longer acts alone goes to people")


def _misroute_rate(weighed: Sequence[Weighed], workflow: Workflow, budgets: Budgets) -> Check:
    """The observed rate against the budget.

    Not its upper limit: on as few items as gates have, that refuses everyone, and the promise
    is proven by `evals calibrate` on items of its own. The interval is told.
    """
    most = workflow.policy.target.misroute if budgets.max_misroute is None else budgets.max_misroute
    acting = [one for one in weighed if one.acts]
    found = rate(sum(one.misrouted for one in acting), len(acting))
    why = "so much of what would act alone is wrong" if acting else "nothing would act alone"
    return _check("misroute rate", found.value <= most, _told(found, len(acting)), f"<= {most:.1%}", why)


def _calibration(weighed: Sequence[Weighed], budgets: Budgets) -> Check:
    told = [Scored(score=one.confidence, correct=one.right) for one in weighed if one.confidence is not None]
    error = ece(told)
    why = "thresholds need confidences that mean what they say: run 'evals calibrate'"
    found = "no confidences" if error is None else f"{error:.3f} of {len(told)}"
    passed = error is not None and round(error, 9) <= budgets.max_ece
    return _check("calibration error", passed, found, f"<= {budgets.max_ece:.3f}", why)


def _floor(route: str, floor: float, candidate: Run, weighed: Sequence[Weighed], workflow: Workflow) -> Check:
    n = sum(row.item.label == route for row in candidate.rows)
    found = rate(sum(one.right for one in weighed if one.row.item.label == route), n)
    why = f"of the items that belong to '{route}' so many get its label"
    if n == 0:
        known = route in workflow.policy.labels
        why = f"no item of '{route}': label some" if known else f"the policy has no route '{route}': mend the name"
    return _check(f"floor of {route}", n > 0 and found.value >= floor, _told(found, n), f">= {floor:.1%}", why)


def _cost(candidate: Run, prices: Prices | None, budgets: Budgets) -> Iterator[Check]:
    if budgets.max_cost_per_item is None:
        return
    asked = [row.proposal for row in candidate.scored if row.proposal.outcome is not AskOutcome.NO_MODEL]
    known = bool(candidate.scored) and all(proposal.calls and proposal.tokens.prompt for proposal in asked)
    total = prices.cost(candidate) if known and prices else None
    each = None if total is None else total / len(candidate.rows)
    why = "the tokens' price per item" if each is not None else "give the model's price, and a run that counted tokens"
    found = "unknown" if each is None else f"{each:.6g} per item"
    passed = each is not None and each <= budgets.max_cost_per_item
    yield _check("cost", passed, found, f"<= {budgets.max_cost_per_item:g}", why)


def _latency(candidate: Run, budgets: Budgets) -> Iterator[Check]:
    if budgets.max_latency_p95_s is None:
        return
    scored = [row.proposal for row in candidate.scored]
    timed = all(proposal.latency_s or proposal.outcome is AskOutcome.NO_MODEL for proposal in scored)
    p95 = percentile((proposal.latency_s for proposal in scored), 95) if timed else None
    why = "19 of 20 answers came by then" if p95 is not None else "give a run whose answers were timed"
    passed = p95 is not None and p95 <= budgets.max_latency_p95_s
    found = "unknown" if p95 is None else f"p95 {p95:.3g} s"
    yield _check("latency", passed, found, f"<= {budgets.max_latency_p95_s:g} s", why)


def _check(name: str, passed: bool, found: str, wanted: str, why: str) -> Check:
    return Check(name=name, passed=passed, found=found, wanted=wanted, why=why)


def _told(found: Rate, n: int) -> str:
    return f"{found.value:.1%} [{found.low:.1%}, {found.high:.1%}] of {n}" if n else "no items"


def _detectable(pairs: Paired, n: int, alpha: float) -> float | None:
    return least_detectable(n, pairs.only_a + pairs.only_b, alpha)


def _trusted(run: Run, workflow: Workflow) -> bool:
    """Whether the workflow has a proof of what most of the run's confidences come from."""
    source, classifiers = _made_by(run)
    proof = workflow.terms.proofs.get(source)
    return proof is not None and classifiers == {proof.classifier}


def _made_by(run: Run) -> tuple[Source, set[str]]:
    """What most confidences of a run come from, and the classifiers that they are of."""
    sources = [source_of(row.proposal) for row in run.scored]
    main = max(sorted(set(sources) - {Source.NONE}), key=sources.count, default=Source.NONE)
    return main, {fingerprint(row.proposal, main) for row in run.scored if source_of(row.proposal) is main}


def _as_if_proven(workflow: Workflow, run: Run) -> Workflow:
    """The same workflow, its proof said to be of the run's classifier."""
    source, classifiers = _made_by(run)
    if workflow.calibration is None or len(classifiers) != 1:
        return workflow
    own = {"classifier": classifiers.pop()}
    proofs = workflow.calibration.proofs
    proofs = tuple(proof.model_copy(update=own) if proof.source is source else proof for proof in proofs)
    return replace(workflow, calibration=workflow.calibration.model_copy(update={"proofs": proofs}))
