"""Drift: whether what comes in still looks like what the thresholds were proven on.

A promise holds for traffic like the labelled items of its proof. Decisions are compared with
the proof's baseline in windows that do not overlap, each tested once: with a test a window,
a workflow in which nothing changes raises a false alarm in at most a share `ALPHA` of them.
Three things are compared, each at a third of that (Bonferroni):

- *Label mix* and *confidences*: Pearson's chi-square test that baseline and window come from
  one distribution (Pearson 1900). The baseline is a sample as well, hence homogeneity and not
  goodness of fit. Cells in which either side expects fewer than five are merged (Cochran,
  "Some methods for strengthening the common chi-square tests", Biometrics 10, 1954): labels the rarest
  first, confidences with the step beside. Merging looks at both sides' sums alone, not at how
  they differ. The G-test would do as well and is too eager where cells are small.
- *Disagreement* of model and examples: Fisher's exact test (Fisher 1935), because it is rare,
  and a baseline can be small: two proportions by the normal curve raise false alarms there.
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from math import erfc, exp, lgamma, log, sqrt

from pydantic import Field

from domain.calibration import Baseline
from domain.confidence import Fusion, Source, judge
from domain.decide import disagree
from domain.proposal import Proposal
from domain.values import Frozen

WINDOW = 200
"""Decisions that are compared with the baseline together."""

ALPHA = 0.01
"""Chance of a false alarm in a window."""

FEWEST = 5.0
"""Smallest count that a cell must be expected to have on either side."""

STEPS = 10
"""Equal steps from 0 to 1 in which confidences are counted."""

TOLD = 3
"""Cells that are named, those that changed most."""

TIE = 1e-7
"""Relative difference below which two tables are equally likely: rounding, as in R's `fisher.test`."""


class Aspect(StrEnum):
    """What is compared."""

    LABELS = "labels"
    CONFIDENCES = "confidences"
    DISAGREEMENTS = "disagreements"


class Drift(Frozen):
    """One thing that no longer looks as it did.

    Attributes:
        p: chance of a difference at least as large while nothing changed, before Bonferroni.
        expected, found: shares in the baseline and the window, in words, the largest changes first.
    """

    which: Aspect
    p: float = Field(ge=0, le=1)
    expected: str
    found: str


def observe(proposals: Iterable[Proposal], source: Source, fusion: Fusion) -> Baseline:
    """How proposals look when judged as a proof's labelled items were."""
    n = disagreements = 0
    labels: dict[str, int] = {}
    confidences = [0] * STEPS
    for proposal in proposals:
        judgement = judge(proposal, {source: fusion})
        n += 1
        labels[judgement.label or ""] = labels.get(judgement.label or "", 0) + 1
        confidences[min(STEPS - 1, int(STEPS * (judgement.confidence or 0)))] += 1
        disagreements += disagree(proposal)
    return Baseline(n=n, labels=labels, confidences=tuple(confidences), disagreements=disagreements)


def drifts(baseline: Baseline, window: Baseline, alpha: float = ALPHA) -> tuple[Drift, ...]:
    """What in `window` differs from `baseline` by more than chance; nothing while either side is empty.

    Args:
        alpha: chance of any false alarm in this window, 0 to 1, both excluded.
    """
    if not baseline.n or not window.n:
        return ()
    found = (_labels(baseline, window), _confidences(baseline, window), _disagreements(baseline, window))
    return tuple(drift for drift in found if drift.p <= alpha / len(found))


def _labels(baseline: Baseline, window: Baseline) -> Drift:
    names = sorted(baseline.labels | window.labels)
    cells = [(baseline.labels.get(name, 0), window.labels.get(name, 0)) for name in names]
    rarest_first = sorted(cells, key=sum)
    named = [name or "no label" for name in names]
    return _drift(Aspect.LABELS, homogeneity(rarest_first), named, cells, (baseline.n, window.n))


def _confidences(baseline: Baseline, window: Baseline) -> Drift:
    cells = list(zip(baseline.confidences, window.confidences, strict=True))
    names = [f"{step / STEPS:.1f}–{(step + 1) / STEPS:.1f}" for step in range(len(cells))]
    return _drift(Aspect.CONFIDENCES, homogeneity(cells), names, cells, (baseline.n, window.n))


def _disagreements(baseline: Baseline, window: Baseline) -> Drift:
    p = fisher((baseline.disagreements, baseline.n), (window.disagreements, window.n))
    cells = [(baseline.disagreements, window.disagreements)]
    return _drift(Aspect.DISAGREEMENTS, p, [""], cells, (baseline.n, window.n))


def homogeneity(cells: Sequence[tuple[int, int]]) -> float:
    """P-value of Pearson's chi-square test that two rows of counts come from one distribution.

    Args:
        cells: each cell's count in either row, in the order in which neighbours may be merged.

    Returns:
        1 where the rows leave fewer than two cells to compare.
    """
    totals = _sums(cells)
    if not min(totals):
        return 1.0
    merged = _merged(cells, FEWEST * sum(totals) / min(totals))
    parts = [total / sum(totals) for total in totals]
    statistic = sum(
        (count - part * sum(cell)) ** 2 / (part * sum(cell))
        for cell in merged
        for count, part in zip(cell, parts, strict=True)
    )
    return chi_square_tail(statistic, len(merged) - 1)


def fisher(one: tuple[int, int], other: tuple[int, int]) -> float:
    """P-value of Fisher's exact test, two-sided, that two samples share one rate.

    Args:
        one, other: how many of how many, in either sample.
    """
    n, hits = one[1] + other[1], one[0] + other[0]
    possible = range(max(0, hits - other[1]), min(hits, one[1]) + 1)
    chances = {k: exp(_choose(one[1], k) + _choose(other[1], hits - k) - _choose(n, hits)) for k in possible}
    return min(1.0, sum(chance for chance in chances.values() if chance <= chances[one[0]] * (1 + TIE)))


def chi_square_tail(statistic: float, freedom: int) -> float:
    """P(chi-square with `freedom` degrees of freedom > `statistic`), exact for whole degrees; 1 without any.

    The regularised incomplete gamma function Q(freedom / 2, statistic / 2) by its recurrence
    (Abramowitz and Stegun 6.5.22); SciPy's takes longer to import than a window to test.
    """
    half = statistic / 2
    if half <= 0 or freedom < 1:
        return 1.0
    order, tail = (0.5, erfc(sqrt(half))) if freedom % 2 else (1.0, exp(-half))
    while order < freedom / 2:
        tail += exp(order * log(half) - half - lgamma(order + 1))
        order += 1
    return min(1.0, tail)


def _merged(cells: Sequence[tuple[int, int]], enough: float) -> list[tuple[int, int]]:
    """Neighbouring cells put together until each holds `enough`; what is left at the end joins the last."""
    merged: list[tuple[int, int]] = []
    open_cell = (0, 0)
    for cell in cells:
        open_cell = _sums((open_cell, cell))
        if sum(open_cell) >= enough:
            merged.append(open_cell)
            open_cell = (0, 0)
    if sum(open_cell) and merged:
        merged[-1] = _sums((merged[-1], open_cell))
    return merged


def _sums(cells: Sequence[tuple[int, int]]) -> tuple[int, int]:
    return sum(first for first, _ in cells), sum(second for _, second in cells)


def _drift(
    which: Aspect,
    p: float,
    names: Sequence[str],
    cells: Sequence[tuple[int, int]],
    sizes: tuple[int, int],
) -> Drift:
    shares = [
        (f"{name}: " if name else "", cell[0] / sizes[0], cell[1] / sizes[1])
        for name, cell in zip(names, cells, strict=True)
    ]
    largest_first = sorted(shares, key=lambda share: -abs(share[1] - share[2]))
    changed = [share for share in largest_first if share[1] != share[2]][:TOLD]
    return Drift(
        which=which,
        p=p,
        expected=", ".join(f"{name}{share:.0%}" for name, share, _ in changed),
        found=", ".join(f"{name}{share:.0%}" for name, _, share in changed),
    )


def _choose(n: int, k: int) -> float:
    """Logarithm of how many ways there are to choose `k` of `n`."""
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)
