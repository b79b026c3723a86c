"""How well the records of two lists are paired, on public sets, with thresholds that never saw what is measured.

python -m evals.linkage FOLDER [--json]
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from pydantic import Field

from domain.calibration import Rate, rate
from domain.linkage.blocking import Blocked, candidates
from domain.linkage.comparison import Prepared, prepare
from domain.linkage.fitting import Observed, fit, observe
from domain.linkage.linking import Linked, weigh
from domain.linkage.pairing import Paired
from domain.linkage.proof import Labelled, fit_curve, prove
from domain.sameness import Verdict
from domain.values import Frozen, share
from evals.asking import explained
from evals.linkage_sets import LinkageSet, febrl4, restaurants, worn_febrl4
from evals.options import AsJson
from evals.shown import OUT

GONE = 1 / 3
"""Share of the right records that is removed for the trial of verdicts, so that many left ones are nowhere."""


class PairFigures(Frozen):
    """How well pairs were found; every left record is measured by what was learned from the other half.

    Attributes:
        what: the set, in a sentence.
        same: pairs that are the same, by the set's own truth.
        compared: pairs that share a key, and `reached` the share of `same` among them.
        left_out: blocks that were too large.
        precision: share of the pairs found that are the same; `recall` of those that are the same, found.
        f1: their harmonic mean, where model and threshold come from the other half's labels; `without_labels`
            where the model is fitted without any, and a pair counts from even odds on.
    """

    what: str
    left: int
    right: int
    same: int
    compared: int
    reached: float = Field(ge=0, le=1)
    left_out: int
    precision: Rate
    recall: Rate
    f1: float = Field(ge=0, le=1)
    without_labels: float = Field(ge=0, le=1)


class Trial(Frozen):
    """What came of verdicts proven on half of the left records, on the other half.

    Attributes:
        linked: linked automatically, `linked_wrong` of them wrongly; `apart` likewise.
        asked: left to a person.
        proof: what was proven, in words.
    """

    what: str
    target: float
    confidence: float
    tried_on: int
    linked: int
    linked_wrong: int
    apart: int
    apart_wrong: int
    asked: int
    proof: str


class LinkageFigures(Frozen):
    """Pairs of a set, and verdicts on it."""

    pairs: PairFigures
    trial: Trial


def febrl4_figures(folder: Path) -> LinkageFigures:
    """The figures on FEBRL4.

    Raises:
        InputInvalid: the data are not in `folder`.
    """
    return figures(febrl4(folder))


def messy_figures(folder: Path) -> LinkageFigures:
    """The figures on real messy records: two restaurant guides.

    Raises:
        InputInvalid: the data are not in `folder`.
    """
    return figures(restaurants(folder))


def figures(chosen: LinkageSet) -> LinkageFigures:
    """Pairs and verdicts of a set."""
    return LinkageFigures(pairs=pair_figures(chosen), trial=trial(chosen.without(GONE)))


@dataclass(frozen=True)
class Sides:
    """A set's records, ready to be compared, the pairs of them that share a key, and what was seen of both."""

    left: list[Prepared]
    right: list[Prepared]
    blocked: Blocked
    observed: Observed

    @classmethod
    def of(cls, chosen: LinkageSet) -> "Sides":
        """Of a set."""
        terms = chosen.linkage.terms
        left, right = ([prepare(terms.fields, *one) for one in side] for side in (chosen.left, chosen.right))
        blocked = candidates(terms.fields, terms.ways, left, right, terms.largest_block)
        return cls(left, right, blocked, observe(terms.fields, terms.ways, left, right, blocked))

    def linked(self, chosen: LinkageSet, labels: Iterable[tuple[str, str]] = ()) -> Linked:
        """Paired by a model that is fitted with these labels, or without any."""
        mine, theirs = ({one.id: one for one in side} for side in (self.left, self.right))
        labelled = [(mine[one], theirs[other]) for one, other in sorted(labels)]
        return weigh(chosen.linkage.terms, self.left, self.right, self.blocked, fit(self.observed, labelled))


def pair_figures(chosen: LinkageSet) -> PairFigures:
    """How well pairs are found: each half of the left records by what was learned from the other half's labels."""
    sides = Sides.of(chosen)
    right = kept = 0
    for half in (0, 1):
        others = {pair for pair in chosen.truth if _half(pair[0]) != half}
        pairs = _pairs(sides.linked(chosen, others))
        seen = [(one.bits, (one.left, one.right) in others) for one in pairs if _half(one.left) != half]
        from_bits = fit_curve(seen).middle
        taken = [one for one in pairs if _half(one.left) == half and one.bits >= from_bits]
        kept += len(taken)
        right += _right(taken, chosen.truth - others)
    unlabelled = sides.linked(chosen)
    likely = [one for one in _pairs(unlabelled) if one.bits >= -unlabelled.model.prior_bits]
    reached = {(sides.left[one].id, sides.right[other].id) for one, other in sides.blocked} & chosen.truth
    return PairFigures(
        what=chosen.what,
        left=len(chosen.left),
        right=len(chosen.right),
        same=len(chosen.truth),
        compared=len(sides.blocked),
        reached=len(reached) / max(1, len(chosen.truth)),
        left_out=len(sides.blocked.oversized),
        precision=rate(right, kept),
        recall=rate(right, len(chosen.truth)),
        f1=f1(right, kept, len(chosen.truth)),
        without_labels=f1(_right(likely, chosen.truth), len(likely), len(chosen.truth)),
    )


def f1(right: int, kept: int, same: int) -> float:
    """Harmonic mean of precision and recall, 0 to 1."""
    return 2 * right / (kept + same) if kept + same else 0.0


def trial(chosen: LinkageSet) -> Trial:
    """Prove thresholds on half of the left records, and judge the other half by them."""
    found, target = Sides.of(chosen).linked(chosen), chosen.linkage.target
    truth: dict[str, set[str]] = {}
    for one, other in chosen.truth:
        truth.setdefault(one, set()).add(other)
    ids = [id_ for id_, _ in chosen.left]
    labelled = [
        Labelled(one, found.paired.get(one), frozenset(truth.get(one, ())), one in found.blocked.unreached)
        for one in ids
        if _half(one) == 0
    ]
    proof = prove(labelled, chosen.linkage.terms.proven_for(found.model), target.wrong, target.delta)
    verdicts = [found.judge(one, proof) for one in ids if _half(one) == 1]
    same = [one for one in verdicts if one.verdict is Verdict.SAME]
    apart = [one for one in verdicts if one.verdict is Verdict.DIFFERENT]
    return Trial(
        what=chosen.what,
        target=target.wrong,
        confidence=target.confidence,
        tried_on=len(verdicts),
        linked=len(same),
        linked_wrong=sum(one.choices[0] not in truth.get(one.left, ()) for one in same),
        apart=len(apart),
        apart_wrong=sum(one.left in truth for one in apart),
        asked=len(verdicts) - len(same) - len(apart),
        proof=proof.told,
    )


def _half(left: str) -> int:
    return int(share(f"half {left}") >= 0.5)  # noqa: PLR2004  halves


def _pairs(found: Linked) -> list[Paired]:
    return [one for one in found.paired.values() if one.right is not None]


def _right(pairs: Iterable[Paired], truth: Iterable[tuple[str, str]]) -> int:
    same = frozenset(truth)
    return sum((one.left, one.right) in same for one in pairs)


MEASURED: dict[str, Callable[[Path], LinkageFigures]] = {
    "febrl4": febrl4_figures,
    "messy": messy_figures,
    "messy_without_phone": lambda folder: figures(restaurants(folder, with_phone=False)),
    "worn": lambda folder: figures(worn_febrl4(folder)),
}


def main(
    folder: Annotated[
        Path, typer.Argument(help="Holds the public sets, unpacked.", envvar="INTERLOCK_PUBLIC_DATA", metavar="FOLDER")
    ],
    as_json: AsJson = False,
) -> None:
    """Measure how well records are paired, on public sets."""
    with explained():
        found = {name: measure(folder) for name, measure in MEASURED.items()}
    if as_json:
        scores = {f"{name}_f1": one.pairs.f1 for name, one in found.items()}
        OUT.print_json(data=scores | {name: one.model_dump(mode="json") for name, one in found.items()})
        return
    for name, one in found.items():
        OUT.print(f"{name}: {shown(one)}", highlight=False)


def shown(one: LinkageFigures) -> str:
    """The figures of a set, in the terminal."""
    pairs, tried = one.pairs, one.trial
    return (
        f"{pairs.what}\n"
        f"  {pairs.left} and {pairs.right} records, {pairs.same} pairs the same; {pairs.compared} compared, "
        f"{pairs.reached:.2%} of the same among them, {pairs.left_out} blocks left out\n"
        f"  F1 {pairs.f1:.4f} (precision {pairs.precision.value:.4f}, recall {pairs.recall.value:.4f}), "
        f"without labels {pairs.without_labels:.4f}\n"
        f"  verdicts at {tried.target:.1%} wrong and {tried.confidence:.0%} confidence ({tried.what}): "
        f"{tried.linked} linked, {tried.linked_wrong} wrongly; {tried.apart} told apart, {tried.apart_wrong} wrongly; "
        f"{tried.asked} asked\n"
        f"  {tried.proof}"
    )


if __name__ == "__main__":
    typer.run(main)
