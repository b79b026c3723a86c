"""From labelled outcomes to thresholds with a guarantee.

The thresholds come from *Learn then Test* (Angelopoulos, Bates, Candes, Jordan, Lei, "Learn
then Test: Calibrating predictive algorithms to achieve risk control", 2021, arXiv:2110.01052)
with fixed-sequence testing: thresholds on a grid that is fixed before the data are seen are
tested in order, each against the hypothesis that the misroute rate among what it accepts
exceeds the target, by the exact binomial tail. Walking stops at the first that cannot be
rejected, so the chance that the chosen one breaks the target is at most `delta`.

Routes with a bound of their own are groups beside the rest; each group is tested at `delta`
divided by the number of groups (Bonferroni), so that all bounds hold together. No group's
target is looser than the overall one, so the overall promise follows.
"""

from collections.abc import Callable, Sequence
from math import exp, lgamma, log, log1p

from pydantic import AwareDatetime, Field, field_validator

from domain.confidence import Fusion, Source
from domain.values import Frozen

GRID: tuple[float, ...] = (
    *(1 - step / 2000 for step in range(1, 100)),
    *(step / 200 for step in range(190, 0, -1)),
)
"""Thresholds that are tried, strictest first, fixed beforehand: 0.9995 down to 0.005."""

NOTHING = 1e-18
"""A share of a sum that a double does not show."""

OTHERS = "*"
"""The group of all routes that have no bound of their own."""


class Scored(Frozen):
    """One labelled item: the score it was given (0 when it may never act) and whether it was right."""

    score: float = Field(ge=0, le=1)
    correct: bool


class Guards(Frozen):
    """Limits beyond which an item is too strange to act on, however sure everyone is.

    Attributes:
        similarity: smallest similarity of the nearest example.
        weakest: smallest similarity of the least familiar part's nearest example.
        dissent: largest probability with which a part may vote for another route.
    """

    similarity: float = Field(default=0, ge=0, le=1)
    weakest: float = Field(default=0, ge=0, le=1)
    dissent: float = Field(default=1, ge=0, le=1)


class Promise(Frozen):
    """What is proven of a group of routes.

    Attributes:
        target: the largest share of misroutes that is promised.
        threshold: the smallest confidence that may act alone; None where nothing is proven.
        accepted: items of the proof at or above the threshold.
        errors: of those, misrouted.
        bound: the upper confidence limit of the misroute rate that was reached.
    """

    target: float = Field(gt=0, lt=1)
    threshold: float | None = Field(default=None, ge=0, le=1)
    accepted: int = Field(default=0, ge=0)
    errors: int = Field(default=0, ge=0)
    bound: float = Field(default=1, ge=0, le=1)


class Rate(Frozen):
    """A share with its exact two-sided 95 % interval."""

    value: float
    low: float
    high: float


class Baseline(Frozen):
    """How the labelled items looked, against which live traffic is compared.

    Attributes:
        labels: how often each label was proposed.
        confidences: counts of confidences in ten equal steps from 0 to 1.
        disagreements: how often the model and the examples named different labels.
    """

    n: int = Field(ge=0)
    labels: dict[str, int]
    confidences: tuple[int, ...]
    disagreements: int = Field(ge=0)


class Proof(Frozen):
    """All that a confidence from one source may be trusted by.

    Attributes:
        classifier: fingerprint of everything that the confidence depends on.
        parts: fingerprints of model, prompt, labels, examples and their index, one by one.
        fusion: how both sides are put together; guards: what is too strange; both were fitted
            on `fitted_on` items, and thresholds proven on `n` others.
        promises: by route for those that the policy names, `*` for the rest.
        coverage: share of the `n` that act alone.
    """

    source: Source
    classifier: str
    model: str
    parts: dict[str, str] = Field(default_factory=dict)
    fusion: Fusion
    guards: Guards = Guards()
    promises: dict[str, Promise]
    fitted_on: int = Field(ge=0)
    n: int = Field(ge=0)
    coverage: Rate
    baseline: Baseline

    @field_validator("promises")
    @classmethod
    def _cover_every_route(cls, promises: dict[str, Promise]) -> dict[str, Promise]:
        if OTHERS not in promises:
            raise ValueError(f"no promise for '{OTHERS}', the routes without a bound of their own")
        return promises

    def promise(self, route: str) -> Promise:
        """The promise that covers a route."""
        return self.promises.get(route, self.promises[OTHERS])

    @property
    def proven(self) -> bool:
        """Whether anything may act alone by it."""
        return any(promise.threshold is not None for promise in self.promises.values())


class Calibration(Frozen):
    """Evidence for thresholds; kept beside the policy as `<name>.calibration.json`.

    Attributes:
        data: digest of the labelled items.
        target: the largest share of misroutes among what is routed automatically.
        delta: the chance that the promise is broken.
        named: targets of the routes with a bound of their own.
        scope: digest of the policy's `out_of_scope` and of its rules that take items over; what
            was never tested must not act. Empty in a record that was made by other means.
    """

    policy: str
    data: str
    target: float = Field(gt=0, lt=1)
    delta: float = Field(gt=0, lt=1)
    named: dict[str, float] = Field(default_factory=dict)
    scope: str = ""
    proofs: tuple[Proof, ...]
    made_at: AwareDatetime


def binomial_tail(errors: int, accepted: int, rate: float) -> float:
    """P(Bin(accepted, rate) <= errors), exact; 1 when nothing was accepted.

    Summed from the likeliest count outward, each term from the one before.
    """
    if errors < 0:
        return 0.0
    if errors >= accepted:
        return 1.0
    odds, top = rate / (1 - rate), min(errors, int((accepted + 1) * rate))
    ways = lgamma(accepted + 1) - lgamma(top + 1) - lgamma(accepted - top + 1)
    largest = total = exp(ways + top * log(rate) + (accepted - top) * log1p(-rate))
    term = largest
    for count in range(top, 0, -1):
        term *= count / (accepted - count + 1) / odds
        total += term
        if term < NOTHING * total:
            break
    term = largest
    for count in range(top, errors):
        term *= (accepted - count) / (count + 1) * odds
        total += term
        if term < NOTHING * total:
            break
    return min(1.0, total)


def upper_limit(errors: int, n: int, delta: float) -> float:
    """The largest rate that `errors` of `n` do not refute at `delta` (Clopper and Pearson, Biometrika 26, 1934)."""
    return 1.0 if errors >= n else _where(lambda rate: binomial_tail(errors, n, rate) > delta)


def lower_limit(errors: int, n: int, delta: float) -> float:
    """The smallest rate that `errors` of `n` do not refute at `delta`."""
    return 1.0 - upper_limit(n - errors, n, delta)


def rate(errors: int, n: int) -> Rate:
    """`errors` of `n` with the exact two-sided 95 % interval; 0 to 1 when there is nothing to tell."""
    if n == 0:
        return Rate(value=0.0, low=0.0, high=1.0)
    return Rate(value=errors / n, low=lower_limit(errors, n, 0.025), high=upper_limit(errors, n, 0.025))


def fewest_accepted(target: float, delta: float, errors: int = 0) -> int:
    """The fewest accepted items, `errors` of them wrong, that prove `target`: 59 for 5 % at 95 % without one."""
    accepted = errors + 1
    while binomial_tail(errors, accepted, target) > delta:
        accepted += 1
    return accepted


def start(items: Sequence[Scored], target: float) -> float:
    """The threshold of `GRID` to test first: where `items`, which prove nothing, promise the surest success.

    Fixed-sequence testing may begin anywhere that other data than the tested ones name (Learn
    then Test, section "split fixed sequence testing"). At the strictest thresholds few items
    are accepted and one unlucky one ends the walk; this begins where the expected misroutes,
    by the confidences or by what was wrong, whichever are more, and a half of one beside, are
    the most standard errors below the target.
    """
    best, largest = GRID[-1], float("-inf")
    ordered = sorted(items, key=lambda item: -item.score)
    accepted, expected, errors = 0, 0.0, 0
    for threshold in GRID:
        while accepted < len(ordered) and ordered[accepted].score >= threshold:
            expected += 1 - ordered[accepted].score
            errors += not ordered[accepted].correct
            accepted += 1
        if accepted and (margin := (target * accepted - max(expected, errors) - 0.5) / accepted**0.5) > largest:
            best, largest = threshold, margin
    return best


def proven(items: Sequence[Scored], target: float, delta: float, first: float) -> list[Promise]:
    """Thresholds of `GRID` from `first` on that keep misroutes at most `target`, at confidence 1 - `delta`.

    All of them hold together, so any may be chosen by other lights, such as cost. Thresholds
    that accept too few items to prove anything are passed over: how many a threshold accepts
    says nothing of how many are wrong.

    Args:
        first: where testing begins, chosen without these items.
    """
    walked: list[Promise] = []
    fewest = fewest_accepted(target, delta)
    ordered = sorted(items, key=lambda item: -item.score)
    accepted = errors = 0
    for threshold in GRID:
        while accepted < len(ordered) and ordered[accepted].score >= threshold:
            errors += not ordered[accepted].correct
            accepted += 1
        if threshold > first or accepted < fewest:
            continue
        if binomial_tail(errors, accepted, target) > delta:
            break
        walked.append(Promise(target=target, threshold=threshold, accepted=accepted, errors=errors))
    return walked


def learn_then_test(
    items: Sequence[Scored],
    target: float,
    delta: float,
    first: float,
    price: Callable[[Promise], float] | None = None,
) -> Promise:
    """The loosest threshold that is proven at confidence 1 - `delta`, with the bound that it reached.

    With a `price`, the cheapest of those that are proven.
    """
    walked = proven(items, target, delta, first)
    if not walked:
        return Promise(target=target)
    chosen = min(walked, key=price) if price else walked[-1]
    return chosen.model_copy(update={"bound": upper_limit(chosen.errors, chosen.accepted, delta)})


def naive(items: Sequence[Scored], target: float) -> float | None:
    """The loosest threshold at which these very items keep the target: what is often done, and often broken."""
    ordered = sorted((item for item in items if item.score > 0), key=lambda item: -item.score)
    best, errors = None, 0
    for accepted, item in enumerate(ordered, start=1):
        errors += not item.correct
        last = accepted == len(ordered) or ordered[accepted].score < item.score
        if last and errors <= target * accepted:
            best = item.score
    return best


def more_needed(items: Sequence[Scored], target: float, delta: float) -> int | None:
    """How many more items like these would be expected to prove something; None if no number would.

    It takes the share and the error rate of the best-ranked half of what may act, and looks
    for the size at which the expected errors are few enough.
    """
    able = sorted((item for item in items if item.score > 0), key=lambda item: -item.score)
    best = able[: max(1, (len(able) + 1) // 2)]
    if not able:
        return fewest_accepted(target, delta)
    expected = sum(not item.correct for item in best) / len(best)
    if expected >= target:
        return None
    accepted = fewest_accepted(target, delta)
    while binomial_tail(int(expected * accepted + 0.5), accepted, target) > delta:
        accepted += 1 + accepted // 50
    share = len(best) / len(items)
    return max(1, round(accepted / share) - len(items))


def _where(holds: Callable[[float], bool]) -> float:
    """Where in (0, 1) a condition that holds below stops holding, to nine digits."""
    low, high = 0.0, 1.0
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return high
