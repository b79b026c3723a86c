"""Makes a model of two systems' records: what agreements are worth, with labels or without.

How often records that are *not* the same agree is counted on pairs at random, of which next to none are
the same. How often records that *are* the same agree is counted on labelled pairs, or else estimated by
expectation and maximisation (Dempster, Laird and Rubin 1977; Winkler 1988) among the pairs of each way of
blocking, leaving out the fields that the way goes by, which agree there in any case.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from domain.likeness import AGREEMENT, Level
from domain.linkage.blocking import Blocked, Way
from domain.linkage.comparison import Comparison, Fields, Pattern, Prepared
from domain.linkage.grades import Kind
from domain.linkage.model import FieldOdds, LinkageModel, Odds
from domain.values import share

RANDOM_PAIRS = 100_000
"""Pairs at random; so a level that one in 10,000 pairs has is seen ten times."""
PAIRS_A_WAY = 100_000
"""Pairs of each way that are looked at, evenly from all of them."""
ROUNDS = 100
"""Of estimation at most; it ends once nothing moves by more than `SETTLED`."""
SETTLED = 1e-6
FIRST_GUESS = {Level.SAME: 0.8, Level.CLOSE: 0.08, Level.ELSEWHERE: 0.02, Level.LIKE: 0.05, Level.DIFFERENT: 0.05}
"""Of two records that are the same; where the estimation begins."""
COMMONEST = 1000
"""Values of a field whose shares are kept, and only those that `FEWEST` records have."""
FEWEST = 5
RARE = 0.01
"""Presumed share of pairs at random that agree, or all but agree, in a field; see `presumed`."""
SAY_LITTLE = frozenset({Kind.DATE, Kind.POSTCODE, Kind.CODE})
"""Kinds whose values are about equally common, as far as it matters."""

Shares = dict[Level, float]


@dataclass(frozen=True)
class Observed:
    """What was seen of the records of two systems: all that a model is fitted from, but for labels.

    Attributes:
        random: patterns of pairs at random.
        by_way: patterns of the pairs of each way, or of as many as are looked at.
        together: patterns of the pairs by any way, `part` of them, among `every` pair that there could be.
        frequencies: of each field, the shares of its commonest values and the usual share of another.
    """

    terms: tuple[Fields, tuple[Way, ...]]
    random: Counter[Pattern]
    by_way: tuple[Counter[Pattern], ...]
    together: Counter[Pattern]
    part: float
    every: int
    frequencies: tuple[tuple[dict[str, float], float], ...]


def observe(
    fields: Fields, ways: Sequence[Way], left: Sequence[Prepared], right: Sequence[Prepared], blocked: Blocked
) -> Observed:
    """Look at these records; chance plays no part.

    Args:
        blocked: their pairs by these ways.

    Raises:
        ValueError: a side has no records, or no pair shares a key: there is nothing to learn from.
    """
    if not left or not right or not len(blocked):
        raise ValueError("no pair of records shares a key. Add ways of blocking, or look at the fields' names.")
    compare = Comparison(fields)

    def seen(pairs: Mapping[int, tuple[int, ...]]) -> Counter[Pattern]:
        return Counter(compare.pattern(left[one], right[other]) for one, other in _evenly(pairs))

    together = seen(blocked.pairs)
    return Observed(
        terms=(fields, tuple(ways)),
        random=Counter(compare.pattern(one, other) for one, other in random_pairs(left, right)),
        by_way=tuple(map(seen, blocked.by_way)),
        together=together,
        part=together.total() / len(blocked),
        every=len(left) * len(right),
        frequencies=tuple(
            ({}, 0.0) if field.kind in SAY_LITTLE else _frequencies(index, left, right)
            for index, field in enumerate(fields.compared)
        ),
    )


def fit(observed: Observed, labelled: Iterable[tuple[Prepared, Prepared]] = ()) -> LinkageModel:
    """The model of what was seen.

    Args:
        labelled: pairs that are known to be the same; with them nothing is estimated without labels.
    """
    fields, ways = observed.terms
    compare = Comparison(fields)
    u = _shares(fields, observed.random)
    known = [compare.pattern(one, other) for one, other in labelled]
    same = _counted(fields, known) if known else _estimated(fields, zip(ways, observed.by_way, strict=True), u)
    odds = {
        name: FieldOdds(levels=_ordered(_smoothed(same[index], u[index]), u[index]), common=common, usual=usual)
        for index, (name, (common, usual)) in enumerate(zip(fields.names, observed.frequencies, strict=True))
    }
    return LinkageModel(
        fields=fields,
        ways=ways,
        odds=odds,
        prior=_prior(fields, odds, observed.together, observed.part, observed.every),
        pairs=sum(count.total() for count in observed.by_way),
        labelled=len(known),
    )


def presumed(fields: Fields, ways: Sequence[Way]) -> LinkageModel:
    """A model before anything was seen: `FIRST_GUESS` of the same, and `RARE` agreements of others.

    It only tells whom people are asked about, and in what order: of a model without pairs nothing is proven.
    """
    rest = 1 - RARE * (len(AGREEMENT) - 1)
    levels = {level: Odds(m=FIRST_GUESS[level], u=rest if level is Level.DIFFERENT else RARE) for level in AGREEMENT}
    odds = FieldOdds(levels=levels | {Level.MISSING: Odds(m=1, u=1)})
    return LinkageModel(fields=fields, ways=tuple(ways), odds=dict.fromkeys(fields.names, odds), prior=0.5, pairs=0)


def random_pairs(left: Sequence[Prepared], right: Sequence[Prepared]) -> Iterable[tuple[Prepared, Prepared]]:
    """At most `RANDOM_PAIRS` pairs, each once, as good as at random: by the digests of the records' ids."""
    a = sorted(left, key=lambda record: share(record.id))
    b = sorted(right, key=lambda record: share(f"other {record.id}"))
    every = ((one, b[(index + shift) % len(b)]) for shift in range(len(b)) for index, one in enumerate(a))
    return islice(every, RANDOM_PAIRS)


def _evenly(pairs: Mapping[int, tuple[int, ...]]) -> Iterable[tuple[int, int]]:
    step = 1 + sum(map(len, pairs.values())) // PAIRS_A_WAY
    return islice(((one, other) for one, others in pairs.items() for other in others), 0, None, step)


def _levels(fields: Fields, index: int) -> tuple[Level, ...]:
    field = fields.compared[index]
    agreeing = tuple(level for level in AGREEMENT if level is not Level.ELSEWHERE or field.also_in)
    return (*agreeing, Level.MISSING)


def _shares(fields: Fields, patterns: Counter[Pattern]) -> list[Shares]:
    """How often each level of each field is seen; one that was not seen counts as half once."""
    found = []
    for index in range(len(fields.compared)):
        levels = _levels(fields, index)
        counts = dict.fromkeys(levels, 0.5)
        for pattern, count in patterns.items():
            counts[pattern[index]] += count
        total = sum(counts.values())
        found.append({level: count / total for level, count in counts.items()})
    return found


def _counted(fields: Fields, known: Sequence[Pattern]) -> list[Shares]:
    counts: list[Shares] = [dict.fromkeys(_levels(fields, index), 0.0) for index in range(len(fields.compared))]
    for pattern in known:
        for index, level in enumerate(pattern):
            counts[index][level] += 1
    return counts


def _estimated(fields: Fields, seen: Iterable[tuple[Way, Counter[Pattern]]], u: Sequence[Shares]) -> list[Shares]:
    """How many pairs that are the same have each level, as estimated, over all ways."""
    found = _counted(fields, ())
    for way, patterns in seen:
        free = [index for index, name in enumerate(fields.names) if name not in way.fields]
        if not free or not patterns:
            continue
        for index, counts in _maximised(free, patterns, u).items():
            for level, count in counts.items():
                found[index][level] += count
    return found


def _maximised(free: Sequence[int], patterns: Counter[Pattern], u: Sequence[Shares]) -> dict[int, Shares]:
    """Expected counts of the pairs that are the same, by field and level, among the pairs of one way."""
    projected: Counter[Pattern] = Counter()
    for pattern, count in patterns.items():
        projected[tuple(pattern[index] for index in free)] += count
    total, ordered = projected.total(), sorted(projected.items())  # sums come out alike in any order of the records
    m = {index: _guess(u[index]) for index in free}
    part, counts = 0.1, {index: dict.fromkeys(u[index], 0.0) for index in free}
    for _ in range(ROUNDS):
        counts = {index: dict.fromkeys(u[index], 0.0) for index in free}
        same = 0.0
        for pattern, count in ordered:
            yes, no = part, 1 - part
            for index, level in zip(free, pattern, strict=True):
                yes *= m[index][level]
                no *= u[index][level]
            expected = count * yes / (yes + no)
            same += expected
            for index, level in zip(free, pattern, strict=True):
                counts[index][level] += expected
        m = {index: _smoothed(counts[index], u[index]) for index in free}
        before, part = part, min(1 - SETTLED, max(SETTLED, same / total))
        if abs(before - part) < SETTLED:
            break
    return counts


def _guess(u: Shares) -> Shares:
    """Where estimation begins: what is missing is so by chance, the rest agrees as in `FIRST_GUESS`."""
    missing = u[Level.MISSING]
    whole = sum(FIRST_GUESS[level] for level in u if level is not Level.MISSING)
    return {level: missing if level is Level.MISSING else (1 - missing) * FIRST_GUESS[level] / whole for level in u}


def _smoothed(counts: Shares, u: Shares) -> Shares:
    """Shares, as if one more pair had been seen whose field says nothing; so what was never seen is not impossible."""
    total = sum(counts.values()) + 1
    return {level: (counts[level] + u[level]) / total for level in u}


def _ordered(m: Shares, u: Shares) -> dict[Level, Odds]:
    """The odds, with no better agreement worth less than a worse one: those that are get the value of both together.

    Pool adjacent violators (Ayer and others 1955). What stands elsewhere has no place in the order; what is
    missing is worth nothing: it is seldom missing because the two are the same, or are not.
    """
    order = [level for level in AGREEMENT if level in u and level is not Level.ELSEWHERE]
    pools: list[tuple[float, float, list[Level]]] = []
    for level in order:
        pools.append((m[level], u[level], [level]))
        while len(pools) > 1 and pools[-2][0] * pools[-1][1] < pools[-1][0] * pools[-2][1]:
            (m1, u1, first), (m2, u2, second) = pools[-2:]
            pools[-2:] = [(m1 + m2, u1 + u2, [*first, *second])]
    worth = {level: m_ / u_ for m_, u_, together in pools for level in together} | {Level.MISSING: 1.0}
    return {level: Odds(m=min(1.0, worth.get(level, m[level] / u[level]) * u[level]), u=u[level]) for level in u}


def _frequencies(index: int, left: Sequence[Prepared], right: Sequence[Prepared]) -> tuple[dict[str, float], float]:
    """The shares of the commonest values, and the mean share of a record's value among the others."""
    values = Counter(record.values[index] for side in (left, right) for record in side if record.values[index])
    total = values.total()
    if not total:
        return {}, 0.0
    common = {value: count / total for value, count in values.most_common(COMMONEST) if count >= FEWEST}
    others = [count for value, count in values.items() if value not in common]
    usual = sum(count * count for count in others) / sum(others) / total if others else 1 / total
    return dict(sorted(common.items())), usual


def _prior(fields: Fields, odds: Mapping[str, FieldOdds], patterns: Counter[Pattern], part: float, every: int) -> float:
    """How many of all pairs are the same: as many as are expected to be, given that as many are."""
    by_field = [odds[name].levels for name in fields.names]
    ratios = [
        (count, _product(levels[level].m / levels[level].u for levels, level in zip(by_field, pattern, strict=True)))
        for pattern, count in sorted(patterns.items())
    ]
    prior = patterns.total() / part / every / 2
    for _ in range(ROUNDS):
        expected = sum(count * prior * ratio / (prior * ratio + 1 - prior) for count, ratio in ratios) / part
        prior = min(0.5, max(0.5 / every, expected / every))
    return prior


def _product(factors: Iterable[float]) -> float:
    found = 1.0
    for factor in factors:
        found *= factor
    return found
