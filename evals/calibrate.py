"""Makes a policy's calibration record: the thresholds that labelled data prove."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from domain.calibration import (
    OTHERS,
    Calibration,
    Promise,
    Proof,
    Scored,
    learn_then_test,
    more_needed,
    proven,
    rate,
    start,
)
from domain.confidence import UNFITTED, Judgement, Source, source_of
from domain.decide import fingerprint
from domain.drift import observe
from domain.errors import InputInvalid
from domain.proposal import AskOutcome, Proposal, ScoresFrom
from domain.values import share
from evals.costs import Costs
from evals.fit import fit_fusion, fit_guards
from evals.recorded import Row
from evals.ruled import weigh_row
from policies.load import Workflow

FITTED_SHARE = 0.25
"""Of the labelled items; the rest prove the thresholds. Two weights and three quantiles need few."""


@dataclass(frozen=True)
class Terms:
    """What is to be proven: at most `target` of what acts alone is wrong, with confidence 1 - `delta`.

    With `costs` the cheapest of the thresholds that are proven is taken, else the loosest.
    """

    target: float
    delta: float
    named: dict[str, float]
    costs: Costs | None = None

    def __post_init__(self) -> None:
        """Refuse what no promise can be.

        Raises:
            InputInvalid: a rate or a chance that is not between 0 and 1.
        """
        for name, value in (("target", self.target), ("delta", self.delta)):
            if not 0 < value < 1:
                raise InputInvalid(f"{name} {value:g}: give a share between 0 and 1, such as 0.05")

    @property
    def groups(self) -> dict[str, float]:
        """Each group's own target, none looser than the overall one."""
        return {OTHERS: self.target} | {route: min(bound, self.target) for route, bound in self.named.items()}


def alone(proposal: Proposal) -> Proposal:
    """The same proposal, had no model answered: what the examples are worth by themselves."""
    bare: dict[str, object] = {
        "outcome": AskOutcome.NO_MODEL,
        "label": None,
        "scores": {},
        "scores_from": ScoresFrom.NOWHERE,
    }
    return Proposal.model_validate(proposal.model_dump() | bare)


def voted(rows: Iterable[Row]) -> list[Row]:
    """The rows that the examples have an opinion on, had no model answered."""
    return [row.model_copy(update={"proposal": alone(row.proposal)}) for row in rows if row.proposal.opinion]


def calibrate(
    workflow: Workflow, rows: Sequence[Row], parts: dict[str, str], terms: Terms, data: str, now: datetime
) -> Calibration:
    """The record that labelled items and the proposals on them prove, for each source of confidence.

    The examples are also calibrated by themselves, for when no model answers. A source whose
    thresholds could not be proven is in the record without any.
    """
    main = _main_source(rows)
    proofs = []
    if main is not Source.EXAMPLES:
        answered = [row for row in rows if source_of(row.proposal) is main]
        proofs.append(prove(workflow, answered, main, terms, parts))
    proofs.append(prove(workflow, voted(rows), Source.EXAMPLES, terms, parts))
    return Calibration(
        policy=workflow.policy.name,
        data=data,
        target=terms.target,
        delta=terms.delta,
        named=terms.named,
        scope=workflow.policy.scope,
        proofs=tuple(proofs),
        made_at=now,
    )


def prove(
    workflow: Workflow, rows: Sequence[Row], source: Source, terms: Terms, parts: dict[str, str], seed: str = ""
) -> Proof:
    """What `rows`, all with confidences from `source`, prove: fitted on one part, tested on the other.

    Args:
        seed: deals the items into the two parts, together with their ids.
    """
    fitting, testing = _dealt(rows, seed)
    unproven = Proof(
        source=source,
        classifier=fingerprint(rows[0].proposal, source) if rows else "",
        model=rows[0].proposal.model if rows else "",
        parts=parts,
        fusion=fit_fusion(fitting, source),
        guards=fit_guards(fitting, workflow.policy.classifier.guard),
        promises={group: Promise(target=target, threshold=0.0) for group, target in terms.groups.items()},
        fitted_on=len(fitting),
        n=len(testing),
        coverage=rate(0, len(testing)),
        baseline=observe((), source, UNFITTED[source]),
    )
    judged, seen = judge_all(workflow, testing, unproven), judge_all(workflow, fitting, unproven)
    delta, costs, n = terms.delta / len(terms.groups), terms.costs, len(testing)
    price = (lambda promise: costs.of(promise, n).cost_an_item) if costs else None
    promises = {}
    for group, target in terms.groups.items():
        first = start(scored(seen, group, terms.named), target)
        promises[group] = learn_then_test(scored(judged, group, terms.named), target, delta, first, price)
    accepted = sum(promise.accepted for promise in promises.values())
    baseline = observe((row.proposal for row in testing), source, unproven.fusion)
    update = {"promises": promises, "coverage": rate(accepted, len(testing)), "baseline": baseline}
    return unproven.model_copy(update=update)


@dataclass(frozen=True)
class Judged:
    """A row with the label and the confidence that it gets, and whether anything but a threshold holds it."""

    row: Row
    judgement: Judgement
    held: bool

    @property
    def correct(self) -> bool:
        """Whether the label is the right one."""
        return self.judgement.label == self.row.item.label


def judge_all(workflow: Workflow, rows: Iterable[Row], proof: Proof) -> list[Judged]:
    """Each row under a proof whose thresholds are 0: the promise covers exactly what would be routed automatically."""
    terms = workflow.terms.model_copy(update={"proofs": {proof.source: proof}})
    judged = []
    for row in rows:
        judgement, holds = weigh_row(row, terms)
        judged.append(Judged(row, judgement, bool(holds)))
    return judged


def scored(judged: Iterable[Judged], group: str, named: dict[str, float]) -> list[Scored]:
    """The scores of one group's items: those whose proposed route belongs to it, 0 where they may never act."""
    return [
        Scored(score=0 if one.held else one.judgement.confidence or 0, correct=one.correct)
        for one in judged
        if group == (one.judgement.label if one.judgement.label in named else OTHERS)
    ]


def walk(workflow: Workflow, rows: Sequence[Row], parts: dict[str, str], terms: Terms) -> tuple[list[Promise], int]:
    """Every threshold that is proven for the routes without a bound of their own, and the items it was tested on."""
    source = _main_source(rows)
    mine = [row for row in rows if source_of(row.proposal) is source]
    fitting, testing = _dealt(mine, "")
    proof = opened(prove(workflow, mine, source, terms, parts))
    first = start(scored(judge_all(workflow, fitting, proof), OTHERS, terms.named), terms.target)
    judged = judge_all(workflow, testing, proof)
    delta = terms.delta / len(terms.groups)
    return proven(scored(judged, OTHERS, terms.named), terms.target, delta, first), len(testing)


def lacking_by_route(
    workflow: Workflow, rows: Sequence[Row], proof: Proof, terms: Terms
) -> dict[str, dict[str, int] | None]:
    """How many more labelled items of which route each group without a threshold would be expected to need.

    They are dealt over the routes as traffic comes, and no route gets fewer than one. None
    where no number would do: the best half of what may act is wrong more often than the target.
    """
    asked = [row for row in rows if source_of(row.proposal) is proof.source]
    mine = voted(rows) if proof.source is Source.EXAMPLES else asked
    judged = judge_all(workflow, _dealt(mine, "")[1], opened(proof))
    delta = terms.delta / len(terms.groups)
    lacking: dict[str, dict[str, int] | None] = {}
    for group, promise in proof.promises.items():
        if promise.threshold is not None:
            continue
        more = more_needed(scored(judged, group, terms.named), promise.target, delta)
        routes = [route for route in workflow.policy.routes if group == (route if route in terms.named else OTHERS)]
        lacking[group] = None if more is None else _by_traffic(round(more / (1 - FITTED_SHARE)), routes, mine)
    return lacking


def _by_traffic(more: int, routes: Sequence[str], rows: Sequence[Row]) -> dict[str, int]:
    seen = Counter(row.item.label for row in rows)
    total = sum(seen[route] for route in routes)
    return {route: max(1, round(more * (seen[route] / total if total else 1 / len(routes)))) for route in routes}


def opened(proof: Proof) -> Proof:
    """The proof with every threshold at 0: what its fits and guards alone let through."""
    promises = {group: promise.model_copy(update={"threshold": 0.0}) for group, promise in proof.promises.items()}
    return proof.model_copy(update={"promises": promises})


def _main_source(rows: Sequence[Row]) -> Source:
    """The source that most confidences come from; the examples where no model answered."""
    sources = Counter(source_of(row.proposal) for row in rows)
    asked = [source for source, _ in sources.most_common() if source not in (Source.NONE, Source.EXAMPLES)]
    return asked[0] if asked else Source.EXAMPLES


def _dealt(rows: Sequence[Row], seed: str) -> tuple[list[Row], list[Row]]:
    """The rows to fit on and those to test on, drawn by each item's id so that it can be repeated."""
    ranked = sorted(rows, key=lambda row: share(f"{seed} {row.item.id}"))
    cut = round(len(ranked) * FITTED_SHARE)
    return ranked[:cut], ranked[cut:]
