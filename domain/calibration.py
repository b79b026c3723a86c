"""From labelled outcomes to a threshold with a guarantee.

The threshold comes from *Learn then Test* (Angelopoulos, Bates, Candes, Jordan, Lei, "Learn
then Test: Calibrating predictive algorithms to achieve risk control", 2021, arXiv:2110.01052)
with fixed-sequence testing: thresholds on a grid that is fixed before the data are seen are
tested from the strictest down, each against the hypothesis that the misroute rate among what
it accepts exceeds the target, by the exact binomial tail. Walking stops at the first that
cannot be rejected, so the chance that the chosen one breaks the target is at most `delta`.
"""

from collections.abc import Sequence
from math import exp, lgamma, log, log1p

from pydantic import AwareDatetime, Field

from domain.values import Frozen

GRID: tuple[float, ...] = tuple(step / 200 for step in range(199, 0, -1))
"""Thresholds that are tried, strictest first, fixed beforehand: 0.995 down to 0.005."""


class Scored(Frozen):
    """One labelled item: the score it was given (0 when it may never act) and whether it was right."""

    score: float = Field(ge=0, le=1)
    correct: bool


class Calibration(Frozen):
    """Evidence for a threshold; kept beside the policy as `<name>.calibration.json`.

    Attributes:
        classifier: fingerprint of model, prompt, labels and examples it holds for.
        data: digest of the labelled items.
        target: the largest share of misroutes among what is routed automatically.
        delta: the chance that the promise is broken.
        accepted: calibration items at or above the threshold.
        errors: of those, misrouted.
    """

    policy: str
    classifier: str
    model: str
    data: str
    target: float = Field(gt=0, lt=1)
    delta: float = Field(gt=0, lt=1)
    threshold: float = Field(ge=0, le=1)
    n: int = Field(ge=0)
    accepted: int = Field(ge=0)
    errors: int = Field(ge=0)
    made_at: AwareDatetime


class TooLittleData(Frozen):
    """No threshold could be proven.

    Attributes:
        needed: accepted items without an error that the promise needs at the least.
        accepted: how many the strictest thresholds got before they failed.
    """

    needed: int
    accepted: int
    errors: int


class Chosen(Frozen):
    """The loosest threshold whose promise is proven."""

    threshold: float
    accepted: int
    errors: int


def binomial_tail(errors: int, accepted: int, rate: float) -> float:
    """P(Bin(accepted, rate) <= errors), exact; 1 when nothing was accepted."""
    logs = (
        lgamma(accepted + 1) - lgamma(k + 1) - lgamma(accepted - k + 1) + k * log(rate) + (accepted - k) * log1p(-rate)
        for k in range(errors + 1)
    )
    return min(1.0, sum(map(exp, logs)))


def fewest_accepted(target: float, delta: float, errors: int = 0) -> int:
    """The fewest accepted items, `errors` of them wrong, that prove `target`: 59 for 5 % at 95 % without one."""
    accepted = errors + 1
    while binomial_tail(errors, accepted, target) > delta:
        accepted += 1
    return accepted


def learn_then_test(items: Sequence[Scored], target: float, delta: float) -> Chosen | TooLittleData:
    """The loosest threshold of `GRID` that keeps misroutes at most `target`, at confidence 1 - `delta`.

    Thresholds that accept too few items are passed over rather than tested. Too few is less
    than what one wrong item still lets prove, where there are as many, so that a single
    unlucky item does not end the walk at its first step. How many items a threshold accepts
    says nothing of how many are wrong, so the promise is untouched.
    """
    needed = fewest_accepted(target, delta)
    with_one_error = fewest_accepted(target, delta, errors=1)
    start = with_one_error if sum(item.score >= GRID[-1] for item in items) >= with_one_error else needed
    chosen: Chosen | None = None
    seen = (0, 0)
    for threshold in GRID:
        taken = [item for item in items if item.score >= threshold]
        seen = len(taken), sum(not item.correct for item in taken)
        if len(taken) < start:
            continue
        if binomial_tail(seen[1], seen[0], target) > delta:
            break
        chosen = Chosen(threshold=threshold, accepted=seen[0], errors=seen[1])
    return chosen or TooLittleData(needed=needed, accepted=seen[0], errors=seen[1])
