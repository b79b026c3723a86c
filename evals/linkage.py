"""How well the records of two lists are paired, on public sets, with thresholds that never saw what is measured.

python -m evals.linkage FOLDER [--json]
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated

import typer
from pydantic import Field

from domain.calibration import Rate, rate
from domain.linkage.comparison import prepare
from domain.linkage.linking import Linked, link
from domain.linkage.pairing import Paired
from domain.linkage.proof import Labelled, prove
from domain.sameness import Verdict
from domain.values import Frozen, share
from evals.asking import explained
from evals.linkage_sets import LinkageSet, febrl4, restaurants, worn_febrl4
from evals.options import AsJson
from evals.shown import OUT

GONE = 1 / 3
"""Share of the right records that is removed for the trial of verdicts, so that many left ones are nowhere."""


class PairFigures(Frozen):
    """How well pairs were found; every left record is measured under a threshold that the other half chose.

    Attributes:
        what: the set, in a sentence.
        same: pairs that are the same, by the set's own truth.
        compared: pairs that share a key, and `reached` the share of `same` among them.
        left_out: blocks that were too large.
        precision: share of the pairs found that are the same; `recall` of those that are the same, found.
        f1: their harmonic mean; `without_labels` the same where a pair counts from even odds on.
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


def linked(chosen: LinkageSet) -> Linked:
    """The set's records, paired by a model that was fitted without labels."""
    terms = chosen.linkage.terms
    left, right = ([prepare(terms.fields, *one) for one in side] for side in (chosen.left, chosen.right))
    return link(terms, left, right)


def pair_figures(chosen: LinkageSet) -> PairFigures:
    """How well pairs are found: each half of the left records under the threshold that is best on the other half."""
    found = linked(chosen)
    pairs = [one for one in found.paired.values() if one.right is not None]
    halves = [[one for one in pairs if _half(one.left) == half] for half in (0, 1)]
    truths = [{pair for pair in chosen.truth if _half(pair[0]) == half} for half in (0, 1)]
    right = kept = 0
    for half in (0, 1):
        threshold = best_threshold(halves[1 - half], truths[1 - half])
        taken = [one for one in halves[half] if one.bits >= threshold]
        kept += len(taken)
        right += _right(taken, truths[half])
    likely = [one for one in pairs if one.bits >= -found.model.prior_bits]
    by_id = ([id_ for id_, _ in side] for side in (chosen.left, chosen.right))
    lefts, rights = by_id
    reached = sum((lefts[one], rights[other]) in chosen.truth for one, other in found.blocked)
    return PairFigures(
        what=chosen.what,
        left=len(chosen.left),
        right=len(chosen.right),
        same=len(chosen.truth),
        compared=len(found.blocked),
        reached=reached / max(1, len(chosen.truth)),
        left_out=len(found.blocked.oversized),
        precision=rate(right, kept),
        recall=rate(right, len(chosen.truth)),
        f1=f1(right, kept, len(chosen.truth)),
        without_labels=f1(_right(likely, chosen.truth), len(likely), len(chosen.truth)),
    )


def best_threshold(pairs: Iterable[Paired], truth: Iterable[tuple[str, str]]) -> float:
    """The weight in bits from which the pairs have the largest F1; infinity where none is right."""
    same, right = frozenset(truth), 0
    best, chosen = 0.0, float("inf")
    for kept, one in enumerate(sorted(pairs, key=lambda one: -one.bits), start=1):
        right += (one.left, one.right) in same
        if (score := f1(right, kept, len(same))) > best:
            best, chosen = score, one.bits
    return chosen


def f1(right: int, kept: int, same: int) -> float:
    """Harmonic mean of precision and recall, 0 to 1."""
    return 2 * right / (kept + same) if kept + same else 0.0


def trial(chosen: LinkageSet) -> Trial:
    """Prove thresholds on half of the left records, and judge the other half by them."""
    found, target = linked(chosen), chosen.linkage.target
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
