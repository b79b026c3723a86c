"""The threshold and its promise, held against simulation and SciPy."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from domain.calibration import (
    GRID,
    Chosen,
    Scored,
    TooLittleData,
    binomial_tail,
    fewest_accepted,
    learn_then_test,
)

SPLITS = 150
ITEMS = 250


def items(score: float, right: int, wrong: int = 0) -> list[Scored]:
    return [Scored(score=score, correct=True)] * right + [Scored(score=score, correct=False)] * wrong


@given(st.integers(1, 400), st.floats(0, 1), st.floats(0.001, 0.999))
def test_the_binomial_tail_is_scipys(accepted: int, part: float, rate: float) -> None:
    errors = round(part * accepted)

    assert binomial_tail(errors, accepted, rate) == pytest.approx(binom.cdf(errors, accepted, rate), abs=1e-9)


def test_nothing_accepted_proves_nothing() -> None:
    assert binomial_tail(0, 0, 0.05) == 1


@pytest.mark.parametrize(
    ("target", "delta", "fewest"),
    [
        pytest.param(0.05, 0.05, 59, id="5 percent at 95 percent"),
        pytest.param(0.02, 0.05, 149, id="2 percent at 95 percent"),
        pytest.param(0.10, 0.10, 22, id="10 percent at 90 percent"),
    ],
)
def test_the_fewest_items_without_error_are_the_textbooks(target: float, delta: float, fewest: int) -> None:
    assert fewest_accepted(target, delta) == fewest


@pytest.mark.parametrize(
    ("given", "refused"),
    [
        pytest.param([], TooLittleData(needed=59, accepted=0, errors=0), id="no data"),
        pytest.param(items(0.9, 58), TooLittleData(needed=59, accepted=58, errors=0), id="one too few"),
        pytest.param(items(0.9, 58, 1), TooLittleData(needed=59, accepted=59, errors=1), id="one error too many"),
        pytest.param(items(0, 500), TooLittleData(needed=59, accepted=0, errors=0), id="items that may never act"),
    ],
)
def test_too_little_data_is_refused_with_what_is_needed(given: list[Scored], refused: TooLittleData) -> None:
    assert learn_then_test(given, target=0.05, delta=0.05) == refused


def test_just_enough_data_proves_the_loosest_threshold_that_accepts_them() -> None:
    assert learn_then_test(items(0.9, 59), target=0.05, delta=0.05) == Chosen(threshold=0.005, accepted=59, errors=0)


def test_walking_stops_at_the_first_threshold_that_fails() -> None:
    given = [*items(0.9, 100), *items(0.5, 0, 30), *items(0.3, 5000)]

    assert learn_then_test(given, target=0.05, delta=0.05) == Chosen(threshold=0.505, accepted=100, errors=0)


def test_a_threshold_that_accepts_too_few_is_passed_over_not_tested() -> None:
    few_and_wrong = items(0.99, 0, 5)

    chosen = learn_then_test([*few_and_wrong, *items(0.9, 500)], target=0.05, delta=0.05)

    assert chosen == Chosen(threshold=0.005, accepted=505, errors=5)


def test_the_grid_is_fixed_and_walks_from_strict_to_loose() -> None:
    assert list(GRID) == sorted(set(GRID), reverse=True)
    assert (GRID[0], GRID[-1]) == (0.995, 0.005)


@pytest.mark.parametrize(
    ("error_rate", "rate_above"),
    [
        pytest.param(lambda s: (1 - s) / 2, lambda t: (1 - t) / 4, id="a score that is worth something"),
        pytest.param(lambda s: 0.101 + 0 * s, lambda _: 0.101, id="a score that is worth nothing, just off the target"),
    ],
)
def test_the_promise_is_broken_in_at_most_delta_of_the_splits(
    error_rate: Callable[[np.ndarray], np.ndarray], rate_above: Callable[[float], float]
) -> None:
    target, delta = 0.1, 0.1
    dice = np.random.default_rng(20260302)
    broken = chosen = 0
    for _ in range(SPLITS):
        scores = dice.random(ITEMS)
        right = dice.random(ITEMS) >= error_rate(scores)
        split = [Scored(score=s, correct=c) for s, c in zip(scores.tolist(), right.tolist(), strict=True)]
        found = learn_then_test(split, target, delta)
        if isinstance(found, Chosen):
            chosen += 1
            broken += rate_above(found.threshold) > target

    assert chosen > 0
    assert broken <= binom.ppf(0.999, SPLITS, delta)
