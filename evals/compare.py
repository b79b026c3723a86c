"""Pairs two runs on the same items: what differs, how surely, and what could not have been seen."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import exp, lgamma, log, log1p, sqrt
from statistics import NormalDist

from domain.calibration import Rate, binomial_tail, lower_limit, rate, upper_limit
from domain.values import Frozen
from evals.items import Item
from evals.recorded import Row, Run
from evals.ruled import weigh_row
from policies.load import Workflow

MOST_NAMED = 20
"""Ids that a list names one by one."""

POWER = 0.8
"""The chance with which a difference must show before it counts as one that could have been seen."""

EXACT_UP_TO = 100
"""Expected discordant pairs up to which power is summed exactly; beyond, the normal law is close enough."""


class Named(Frozen):
    """A number of items, and the ids of the first 20."""

    count: int
    ids: tuple[str, ...]


class Difference(Frozen):
    """A share in B minus the share in A, -1 to 1, with a 95 % interval that is wide rather than wrong."""

    value: float
    low: float
    high: float


class Paired(Frozen):
    """How often something holds of the same items in two runs.

    Attributes:
        both, only_a, only_b, neither: items by the runs in which it holds.
        p: exact two-sided p-value of "it holds as often in both"; see `two_sided_p`.
        difference: B's share minus A's; see `paired_difference`.
        detectable: the smallest difference, 0 to 1, that would have been found significant at
            5 % (two-sided) with a chance of 80 %; None if not even the largest would.
    """

    both: int
    only_a: int
    only_b: int
    neither: int
    p: float
    difference: Difference
    detectable: float | None


class RouteChange(Frozen):
    """The items that belong to one route: how many are labelled right, and misrouted, in each run."""

    route: str
    n: int
    right_a: int
    right_b: int
    misrouted_a: int
    misrouted_b: int


class Comparison(Frozen):
    """Two runs on the items that both have scored.

    Attributes:
        n: those items; all figures are about them.
        only_in_a, only_in_b: items that the other run does not have.
        differing: same id, another text or label, or an id that stands twice in a run.
        unscored_a, unscored_b: common items on which asking failed; see `Row.unscored`.
        right: the label is right. misrouted: it would act alone, and be wrong. acts: it would act alone.
        changed: items whose label, right or wrong, is another.
    """

    n: int
    only_in_a: Named
    only_in_b: Named
    differing: Named
    unscored_a: Named
    unscored_b: Named
    accuracy_a: Rate
    accuracy_b: Rate
    coverage_a: Rate
    coverage_b: Rate
    right: Paired
    misrouted: Paired
    acts: Paired
    routes: tuple[RouteChange, ...]
    changed: Named


@dataclass(frozen=True, slots=True)
class Weighed:
    """A row with the label and confidence that a workflow gives it, and whether it would act alone."""

    row: Row
    label: str | None
    confidence: float | None
    acts: bool

    @property
    def right(self) -> bool:
        """Whether the label is the right one."""
        return self.label == self.row.item.label

    @property
    def misrouted(self) -> bool:
        """Whether it would act alone and be wrong."""
        return self.acts and not self.right


def compare(a: Run, b: Run, workflow_a: Workflow, workflow_b: Workflow) -> Comparison:
    """B beside A, each decided by its own workflow, on the items that both have."""
    pairing = _pair(a, b)
    ours, theirs = ([pair[side] for pair in pairing.rows] for side in (0, 1))
    pairs = list(zip(weigh_rows(ours, workflow_a), weigh_rows(theirs, workflow_b), strict=True))
    right, acts = paired((x.right, y.right) for x, y in pairs), paired((x.acts, y.acts) for x, y in pairs)
    n = len(pairs)
    return Comparison(
        n=n,
        only_in_a=named(pairing.only_in_a),
        only_in_b=named(pairing.only_in_b),
        differing=named(pairing.differing),
        unscored_a=named(pairing.unscored_a),
        unscored_b=named(pairing.unscored_b),
        accuracy_a=rate(right.both + right.only_a, n),
        accuracy_b=rate(right.both + right.only_b, n),
        coverage_a=rate(acts.both + acts.only_a, n),
        coverage_b=rate(acts.both + acts.only_b, n),
        right=right,
        misrouted=paired((x.misrouted, y.misrouted) for x, y in pairs),
        acts=acts,
        routes=_routes(pairs),
        changed=named([x.row.item.id for x, y in pairs if x.label != y.label]),
    )


def weigh_rows(rows: Iterable[Row], workflow: Workflow) -> list[Weighed]:
    """Each row as `workflow` sees it."""
    terms = workflow.terms
    weighed = []
    for row in rows:
        judgement, holds = weigh_row(row, terms)
        weighed.append(Weighed(row, judgement.label, judgement.confidence, not holds))
    return weighed


def named(ids: Sequence[str]) -> Named:
    """How many, and the first of them by name."""
    return Named(count=len(ids), ids=tuple(ids[:MOST_NAMED]))


def paired(pairs: Iterable[tuple[bool, bool]]) -> Paired:
    """Counts, p-value, difference and detectable difference of something that holds or not in A and in B."""
    seen = list(pairs)
    both, neither = seen.count((True, True)), seen.count((False, False))
    only_a, only_b = seen.count((True, False)), seen.count((False, True))
    return Paired(
        both=both,
        only_a=only_a,
        only_b=only_b,
        neither=neither,
        p=two_sided_p(only_a, only_b),
        difference=paired_difference(only_a, only_b, len(seen)),
        detectable=least_detectable(len(seen), only_a + only_b, 0.025),
    )


def one_sided_p(better: int, worse: int) -> float:
    """The chance of so few better among the discordant pairs, or fewer, if better and worse were alike.

    The exact, binomial form of McNemar's test: "Note on the sampling error of the difference
    between correlated proportions or percentages", Psychometrika 12 (1947).
    """
    return binomial_tail(better, better + worse, 0.5)


def two_sided_p(only_a: int, only_b: int) -> float:
    """McNemar's exact p-value without a direction: twice the smaller tail, at most 1."""
    return min(1.0, 2 * one_sided_p(min(only_a, only_b), max(only_a, only_b)))


def paired_difference(only_a: int, only_b: int, n: int) -> Difference:
    """B's share minus A's among `n` pairs, with a conservative 95 % interval.

    It is the discordant share times how one-sided the discordant pairs are; the first has an
    exact 99.5 % interval, the second an exact 95.5 % one (Clopper and Pearson 1934), and both
    hold together in at least 95 % of cases (Bonferroni). It may hold 0 where the exact test
    just rejects equality.
    """
    discordant = only_a + only_b
    fewest, most = lower_limit(discordant, n, 0.0025), upper_limit(discordant, n, 0.0025)
    low = 2 * lower_limit(only_b, discordant, 0.0225) - 1
    high = 2 * upper_limit(only_b, discordant, 0.0225) - 1
    return Difference(
        value=(only_b - only_a) / n if n else 0.0,
        low=low * (most if low < 0 else fewest),
        high=high * (fewest if high < 0 else most),
    )


def least_detectable(n: int, discordant: int, level: float, power: float = POWER) -> float | None:
    """The smallest difference between two shares that McNemar's exact test on `n` pairs would likely have found.

    Args:
        discordant: pairs that differed; so many are taken to differ again, or as many as the
            difference itself needs, if that is more.
        level: of the one-sided test; half the alpha of a two-sided one.
        power: the chance of finding it.

    Returns:
        A share, 0 to 1; None if not even a difference of 1 would be found.
    """
    if n == 0 or _power(n, discordant / n, 1.0, level) < power:
        return None
    low, high = 0.0, 1.0
    for _ in range(20):  # to six digits
        middle = (low + high) / 2
        low, high = (low, middle) if _power(n, discordant / n, middle, level) >= power else (middle, high)
    return high


def _power(n: int, discordance: float, difference: float, level: float) -> float:
    """The chance that the one-sided test finds a true difference.

    Exact for few discordant pairs; for many, Connor's formula ("Sample size for testing
    differences in proportions for the paired-sample design", Biometrics 43, 1987).
    """
    differing = min(max(discordance, difference), 1 - 1e-12)
    if n * differing > EXACT_UP_TO:
        spread = differing - difference**2
        if spread <= 0:
            return 1.0
        beyond = difference * sqrt(n) - NormalDist().inv_cdf(1 - level) * sqrt(differing)
        return NormalDist().cdf(beyond / sqrt(spread))
    better = min(max((1 - difference / differing) / 2, 1e-12), 0.5)
    most = min(n, round(n * differing + 10 * sqrt(n * differing) + 10))
    return sum(
        _exactly(pairs, n, differing) * binomial_tail(_most_better(pairs, level), pairs, better)
        for pairs in range(most + 1)
    )


def _exactly(count: int, n: int, share: float) -> float:
    """P(Bin(n, share) = count)."""
    ways = lgamma(n + 1) - lgamma(count + 1) - lgamma(n - count + 1)
    return exp(ways + count * log(share) + (n - count) * log1p(-share))


@lru_cache(maxsize=4096)
def _most_better(pairs: int, level: float) -> int:
    """The most better ones among discordant pairs at which the rest is still found worse; -1 if never."""
    if pairs == 0:
        return -1
    fewer = _most_better(pairs - 1, level)  # one more pair allows at most one more
    return fewer + 1 if binomial_tail(fewer + 1, pairs, 0.5) <= level else fewer


@dataclass(frozen=True)
class _Pairing:
    rows: list[tuple[Row, Row]]
    only_in_a: list[str]
    only_in_b: list[str]
    differing: list[str]
    unscored_a: list[str]
    unscored_b: list[str]


def _pair(a: Run, b: Run) -> _Pairing:
    ours, theirs = {row.item.id: row for row in a.rows}, {row.item.id: row for row in b.rows}
    common = [name for name in ours if name in theirs]
    twice = _twice(a) | _twice(b)
    differing = [name for name in common if name in twice or not _alike(ours[name].item, theirs[name].item)]
    unlike = frozenset(differing)
    alike = [(ours[name], theirs[name]) for name in common if name not in unlike]
    return _Pairing(
        rows=[(x, y) for x, y in alike if not (x.unscored or y.unscored)],
        only_in_a=[name for name in ours if name not in theirs],
        only_in_b=[name for name in theirs if name not in ours],
        differing=differing,
        unscored_a=[x.item.id for x, _ in alike if x.unscored],
        unscored_b=[y.item.id for _, y in alike if y.unscored],
    )


def _twice(run: Run) -> set[str]:
    return {name for name, count in Counter(row.item.id for row in run.rows).items() if count > 1}


def _alike(ours: Item, theirs: Item) -> bool:
    return (ours.text, ours.label) == (theirs.text, theirs.label)


def _routes(pairs: Sequence[tuple[Weighed, Weighed]]) -> tuple[RouteChange, ...]:
    by_route: dict[str, list[tuple[Weighed, Weighed]]] = {}
    for x, y in pairs:
        by_route.setdefault(x.row.item.label, []).append((x, y))
    return tuple(
        RouteChange(
            route=route,
            n=len(own),
            right_a=sum(x.right for x, _ in own),
            right_b=sum(y.right for _, y in own),
            misrouted_a=sum(x.misrouted for x, _ in own),
            misrouted_b=sum(y.misrouted for _, y in own),
        )
        for route, own in sorted(by_route.items())
    )
