"""Whether the promise holds: calibrate and test again and again on random splits of recorded proposals."""

from collections.abc import Callable, Sequence
from random import Random

from pydantic import Field

from domain.calibration import OTHERS, Proof, binomial_tail, naive
from domain.confidence import Source
from domain.errors import InputInvalid
from domain.values import Frozen
from evals.calibrate import Judged, Terms, judge_all, opened, prove, scored
from evals.recorded import Row
from evals.trust import main_source
from policies.load import Workflow

BY_CHANCE = 0.05
"""More broken promises than `delta` explain are called so below this probability."""


class Fates(Frozen):
    """How often a way of choosing thresholds broke its promise.

    Attributes:
        splits: repetitions.
        broken: of those, in which more than the target of what acted alone on the rest was wrong.
        refused: in which nothing could be proven, so that nothing acted.
        coverage: mean share of the rest that acted alone, refused splits counting as 0.
        misroute: mean misroute rate of the rest's automatic decisions, over splits that had any.
        worst: the largest of them.
    """

    splits: int = Field(ge=0)
    broken: int = Field(ge=0)
    refused: int = Field(ge=0)
    coverage: float = Field(ge=0, le=1)
    misroute: float = Field(ge=0, le=1)
    worst: float = Field(ge=0, le=1)


class Guarantee(Frozen):
    """The proven threshold beside the naive one.

    Attributes:
        calibrated_on: items of each split that thresholds were fitted and proven with.
        tested_on: the rest.
        holds: whether chance explains the broken promises, at `delta` each.
    """

    policy: str
    source: Source
    target: float
    delta: float
    calibrated_on: int
    tested_on: int
    proven: Fates
    naive: Fates
    holds: bool


def guarantee(
    workflow: Workflow,
    rows: Sequence[Row],
    terms: Terms,
    splits: int,
    calibrated_on: int,
    progress: Callable[[], None] = lambda: None,
) -> Guarantee:
    """Calibrate on random items, test on the others, `splits` times.

    Broken means broken on the rest, so its own sampling counts against the promise too.

    Raises:
        InputInvalid: fewer than one and a half times as many items as are calibrated on, or none
            that has a confidence.
    """
    rows = [row for row in rows if not row.unscored and row.proposal.opinion]
    if len(rows) < calibrated_on * 1.5:
        raise InputInvalid(
            f"{len(rows)} items for splits of {calibrated_on}: label more, or take fewer with --calibrate-on"
        )
    source = main_source(rows)
    if source is Source.NONE:
        fault = "no item has a confidence: take an endpoint with log-probabilities, or set classifier.samples"
        raise InputInvalid(fault)
    draws = Random(0)  # noqa: S311  splits to be repeated, not a secret
    proven: list[tuple[int, int]] = []
    naively: list[tuple[int, int]] = []
    for split in range(splits):
        dealt = draws.sample(rows, len(rows))
        calibration, rest = dealt[:calibrated_on], dealt[calibrated_on:]
        proof = prove(workflow, calibration, source, terms, {}, seed=str(split))
        judged = judge_all(workflow, rest, opened(proof))
        proven.append(_acted(judged, thresholds(proof)))
        seen = scored(judge_all(workflow, calibration, opened(proof)), OTHERS, {})
        naively.append(_acted(judged, {OTHERS: naive(seen, terms.target)}))
        progress()
    tested_on = len(rows) - calibrated_on
    fates = _fates(proven, terms.target, tested_on)
    return Guarantee(
        policy=workflow.policy.name,
        source=source,
        target=terms.target,
        delta=terms.delta,
        calibrated_on=calibrated_on,
        tested_on=tested_on,
        proven=fates,
        naive=_fates(naively, terms.target, tested_on),
        holds=1 - binomial_tail(fates.broken - 1, splits, terms.delta) > BY_CHANCE if fates.broken else True,
    )


def thresholds(proof: Proof) -> dict[str, float | None]:
    """Each group's threshold."""
    return {group: promise.threshold for group, promise in proof.promises.items()}


def _acted(judged: Sequence[Judged], limits: dict[str, float | None]) -> tuple[int, int]:
    """How many act alone under these thresholds, and how many of them are wrong."""
    acted = wrong = 0
    for one in judged:
        limit = limits.get(one.judgement.label or "", limits[OTHERS])
        if not one.held and limit is not None and (one.judgement.confidence or 0) >= limit:
            acted += 1
            wrong += not one.correct
    return acted, wrong


def _fates(outcomes: Sequence[tuple[int, int]], target: float, tested_on: int) -> Fates:
    rates = [wrong / acted for acted, wrong in outcomes if acted]
    return Fates(
        splits=len(outcomes),
        broken=sum(rate > target for rate in rates),
        refused=sum(acted == 0 for acted, _ in outcomes),
        coverage=sum(acted for acted, _ in outcomes) / (tested_on * max(1, len(outcomes))),
        misroute=sum(rates) / max(1, len(rates)),
        worst=max(rates, default=0.0),
    )
