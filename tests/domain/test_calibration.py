"""The thresholds and their promise, held against hand-computed limits, SciPy and simulation."""

from collections.abc import Callable

import numpy as np
import pytest
from builders import proof
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.stats import beta, binom

from domain.calibration import (
    GRID,
    Promise,
    Proof,
    Rate,
    Scored,
    binomial_tail,
    fewest_accepted,
    learn_then_test,
    lower_limit,
    more_needed,
    naive,
    proven,
    rate,
    start,
    upper_limit,
)

LOOSEST = GRID[-1]


def items(score: float, right: int, wrong: int = 0) -> list[Scored]:
    return [Scored(score=score, correct=True)] * right + [Scored(score=score, correct=False)] * wrong


SCORED = st.lists(
    st.builds(Scored, score=st.sampled_from([0, 0.004, 0.3, 0.5, 0.9, 0.95, 0.97, 0.99, 1]), correct=st.booleans()),
    max_size=40,
).map(lambda some: some * 4)


@given(st.integers(1, 400), st.floats(0, 1), st.floats(0.001, 0.999))
def test_the_binomial_tail_is_scipys(accepted: int, part: float, rate: float) -> None:
    errors = round(part * accepted)

    assert binomial_tail(errors, accepted, rate) == pytest.approx(binom.cdf(errors, accepted, rate), abs=1e-9)


def test_nothing_accepted_proves_nothing() -> None:
    assert binomial_tail(0, 0, 0.05) == 1


def test_fewer_errors_than_none_are_impossible() -> None:
    assert binomial_tail(-1, 10, 0.05) == 0


@pytest.mark.parametrize(("errors", "accepted", "rate"), [(0, 5000, 0.5), (2500, 5000, 0.001), (4999, 5000, 0.999)])
def test_tails_of_many_items_neither_overflow_nor_get_lost(errors: int, accepted: int, rate: float) -> None:
    assert binomial_tail(errors, accepted, rate) == pytest.approx(binom.cdf(errors, accepted, rate), abs=1e-9)


@pytest.mark.parametrize(
    ("errors", "n", "delta", "upper"),
    [
        pytest.param(0, 10, 0.05, 1 - 0.05**0.1, id="none of ten: 1 - delta^(1/n)"),
        pytest.param(0, 59, 0.05, 0.0495, id="none of 59 is just below 5 percent"),
        pytest.param(0, 58, 0.05, 0.0503, id="none of 58 is just above"),
        pytest.param(0, 100, 0.025, 0.0362, id="none of a hundred, two-sided"),
        pytest.param(1, 1, 0.05, 1, id="one of one"),
        pytest.param(1, 2, 0.05, 0.95**0.5, id="one of two: the root of 1 - delta"),
        pytest.param(5, 100, 0.025, 0.1128, id="five of a hundred, two-sided: the textbook's"),
        pytest.param(5, 100, 0.05, 0.1023, id="five of a hundred, one-sided"),
        pytest.param(1, 20, 0.025, 0.2487, id="one of twenty, two-sided: the textbook's"),
        pytest.param(0, 0, 0.05, 1, id="nothing of nothing"),
        pytest.param(7, 7, 0.05, 1, id="all"),
    ],
)
def test_the_upper_limit_is_clopper_and_pearsons(errors: int, n: int, delta: float, upper: float) -> None:
    assert upper_limit(errors, n, delta) == pytest.approx(upper, abs=5e-5)


@pytest.mark.parametrize(
    ("errors", "n", "delta", "lower"),
    [
        pytest.param(0, 10, 0.05, 0, id="none: nothing is refuted"),
        pytest.param(0, 0, 0.05, 0, id="nothing of nothing"),
        pytest.param(10, 10, 0.05, 0.05**0.1, id="ten of ten: delta^(1/n)"),
        pytest.param(5, 100, 0.025, 0.0164, id="five of a hundred, two-sided: the textbook's"),
        pytest.param(1, 20, 0.025, 0.0013, id="one of twenty, two-sided: the textbook's"),
    ],
)
def test_the_lower_limit_is_clopper_and_pearsons(errors: int, n: int, delta: float, lower: float) -> None:
    assert lower_limit(errors, n, delta) == pytest.approx(lower, abs=5e-5)


@given(st.integers(1, 300), st.floats(0, 1), st.sampled_from([0.1, 0.05, 0.025, 0.01]))
def test_both_limits_are_scipys(n: int, part: float, delta: float) -> None:
    errors = round(part * n)
    upper = beta.ppf(1 - delta, errors + 1, n - errors) if errors < n else 1
    lower = beta.ppf(delta, errors, n - errors + 1) if errors else 0

    assert upper_limit(errors, n, delta) == pytest.approx(upper, abs=1e-6)
    assert lower_limit(errors, n, delta) == pytest.approx(lower, abs=1e-6)


@pytest.mark.parametrize(
    ("errors", "n", "expected"),
    [
        pytest.param(0, 0, Rate(value=0, low=0, high=1), id="nothing to tell"),
        pytest.param(5, 100, Rate(value=0.05, low=0.0164, high=0.1128), id="five of a hundred"),
        pytest.param(0, 30, Rate(value=0, low=0, high=0.1157), id="none of thirty"),
        pytest.param(30, 30, Rate(value=1, low=0.8843, high=1), id="thirty of thirty"),
    ],
)
def test_a_rate_comes_with_its_interval(errors: int, n: int, expected: Rate) -> None:
    assert rate(errors, n).model_dump() == pytest.approx(expected.model_dump(), abs=5e-5)


@pytest.mark.parametrize(
    ("target", "delta", "errors", "fewest"),
    [
        pytest.param(0.05, 0.05, 0, 59, id="5 percent at 95 percent: Wilks' 59"),
        pytest.param(0.05, 0.05, 1, 93, id="with one error: Wilks' 93"),
        pytest.param(0.05, 0.05, 2, 124, id="with two errors: Wilks' 124"),
        pytest.param(0.02, 0.05, 0, 149, id="2 percent at 95 percent"),
        pytest.param(0.10, 0.10, 0, 22, id="10 percent at 90 percent"),
    ],
)
def test_the_fewest_items_are_the_textbooks(target: float, delta: float, errors: int, fewest: int) -> None:
    assert fewest_accepted(target, delta, errors) == fewest


def test_the_grid_is_fixed_and_walks_from_strict_to_loose() -> None:
    assert list(GRID) == sorted(set(GRID), reverse=True)
    assert (GRID[0], GRID[-1], len(GRID)) == (0.9995, 0.005, 289)


@pytest.mark.parametrize(
    ("seen", "first"),
    [
        pytest.param([], LOOSEST, id="nothing seen: where most is accepted"),
        pytest.param(items(0.9, 100), 0.9, id="one group that was right"),
        pytest.param(items(0.9, 0, 100), 0.9, id="one group that was wrong, for want of another"),
        pytest.param([*items(0.99, 100), *items(0.98, 200)], 0.98, id="a milder group that was right too"),
        pytest.param([*items(0.99, 100), *items(0.96, 100)], 0.99, id="a group that was right, and less sure of it"),
        pytest.param([*items(0.99, 100), *items(0.96, 90, 10)], 0.99, id="a milder group that was wrong too often"),
        pytest.param([*items(0.99, 100), *items(0.7, 100)], 0.99, id="a group that was right by luck"),
        pytest.param([*items(1, 5), *items(0.99, 500)], 0.99, id="a few that are certain do not begin the walk"),
        pytest.param([*items(0, 900), *items(0.99, 100)], 0.99, id="what may never act says nothing"),
    ],
)
def test_testing_begins_where_other_data_promise_the_surest_success(seen: list[Scored], first: float) -> None:
    assert start(seen, target=0.05) == pytest.approx(first)


@given(SCORED, st.sampled_from([0.01, 0.05, 0.2]))
def test_testing_begins_on_the_grid_where_something_is_accepted(seen: list[Scored], target: float) -> None:
    first = start(seen, target)

    assert first in GRID
    assert any(item.score >= first for item in seen) or all(item.score < LOOSEST for item in seen)


@given(SCORED, st.sampled_from([0.05, 0.1, 0.3]), st.sampled_from([0.05, 0.1]), st.sampled_from(GRID))
def test_every_threshold_that_is_walked_over_passes_its_own_test(
    given_items: list[Scored], target: float, delta: float, first: float
) -> None:
    walked = proven(given_items, target, delta, first)

    after = [threshold for threshold in GRID if walked and threshold <= (walked[0].threshold or 0)]
    assert [promise.threshold for promise in walked] == after[: len(walked)]
    assert all((promise.threshold or 0) <= first for promise in walked)
    for promise in walked:
        accepted = [item for item in given_items if item.score >= (promise.threshold or 0)]
        assert promise.accepted == len(accepted)
        assert promise.errors == sum(not item.correct for item in accepted)
        assert binomial_tail(promise.errors, promise.accepted, target) <= delta


@given(SCORED, st.sampled_from([0.05, 0.1, 0.3]), st.sampled_from([0.05, 0.1]), st.sampled_from(GRID))
def test_the_loosest_that_was_walked_over_is_taken_with_a_bound_within_the_target(
    given_items: list[Scored], target: float, delta: float, first: float
) -> None:
    walked = proven(given_items, target, delta, first)
    promise = learn_then_test(given_items, target, delta, first)

    assert promise.threshold == (walked[-1].threshold if walked else None)
    assert promise.bound <= target + 1e-8 or not walked
    assert promise.target == target


@pytest.mark.parametrize(
    "given_items",
    [
        pytest.param([], id="no data"),
        pytest.param(items(0.9, 58), id="one too few"),
        pytest.param(items(0.9, 58, 1), id="one error too many"),
        pytest.param(items(0, 500), id="items that may never act"),
    ],
)
def test_too_little_data_prove_nothing(given_items: list[Scored]) -> None:
    assert learn_then_test(given_items, 0.05, 0.05, first=0.9) == Promise(target=0.05)


def test_just_enough_data_prove_the_loosest_threshold_that_accepts_them() -> None:
    promise = learn_then_test(items(0.9, 59), 0.05, 0.05, first=0.9)

    assert promise == Promise(target=0.05, threshold=LOOSEST, accepted=59, errors=0, bound=promise.bound)
    assert promise.bound == pytest.approx(1 - 0.05 ** (1 / 59), abs=1e-8)


def test_walking_stops_at_the_first_threshold_that_fails_whatever_comes_later() -> None:
    given_items = [*items(0.9, 100), *items(0.5, 0, 30), *items(0.3, 5000)]

    promise = learn_then_test(given_items, 0.05, 0.05, first=0.9)

    assert (promise.threshold, promise.accepted, promise.errors) == (0.505, 100, 0)


def test_thresholds_that_accept_too_few_items_are_passed_over() -> None:
    given_items = [*items(0.99, 0, 2), *items(0.9, 500)]

    assert learn_then_test(given_items, 0.05, 0.05, first=0.99).accepted == 502


def test_a_walk_that_begins_among_errors_ends_at_its_first_step() -> None:
    given_items = [*items(0.99, 60, 20), *items(0.9, 500)]

    assert learn_then_test(given_items, 0.05, 0.05, first=0.99) == Promise(target=0.05)
    assert learn_then_test(given_items, 0.05, 0.05, first=0.9).threshold == LOOSEST


def test_with_a_price_the_cheapest_of_the_proven_thresholds_is_taken_with_its_own_bound() -> None:
    given_items = [*items(0.9, 100), *items(0.5, 97, 3)]
    strictest = learn_then_test(given_items, 0.05, 0.05, first=0.9, price=lambda promise: promise.errors)

    assert (strictest.threshold, strictest.accepted, strictest.errors) == (0.9, 100, 0)
    assert strictest.bound == pytest.approx(upper_limit(0, 100, 0.05))
    assert learn_then_test(given_items, 0.05, 0.05, first=0.9).accepted == 200


WORLDS, SEEN, TESTED = 400, 60, 180
LOWEST = 0.7
"""Scores are spread evenly from here to 1, as those of a classifier that is worth something."""


@pytest.mark.parametrize(
    ("error_rate", "rate_above"),
    [
        pytest.param(lambda s: 1 - s, lambda t: (1 - t) / 2, id="a score that means what it says"),
        pytest.param(lambda s: 0.101 + 0 * s, lambda _: 0.101, id="a score that is worth nothing, just off the target"),
        pytest.param(
            lambda s: np.where(s > 0.9, 0.11, 0.0),
            lambda t: 0.11 if t >= 0.9 else 0.11 * 0.1 / (1 - t),
            id="a score that is too sure at its top",
        ),
        pytest.param(lambda s: s - 0.6, lambda t: (1 + t) / 2 - 0.6, id="a score that is upside down"),
    ],
)
def test_the_promise_is_broken_in_at_most_delta_of_the_worlds(
    error_rate: Callable[[np.ndarray], np.ndarray], rate_above: Callable[[float], float]
) -> None:
    target, delta = 0.1, 0.1
    dice = np.random.default_rng(20260302)
    broken = 0
    for _ in range(WORLDS):
        scores = LOWEST + (1 - LOWEST) * dice.random(SEEN + TESTED)
        right = dice.random(SEEN + TESTED) >= error_rate(scores)
        world = [Scored(score=s, correct=c) for s, c in zip(scores.tolist(), right.tolist(), strict=True)]
        promise = learn_then_test(world[SEEN:], target, delta, start(world[:SEEN], target))
        broken += promise.threshold is not None and rate_above(max(promise.threshold, LOWEST)) > target

    assert broken / WORLDS <= delta + 3 * (delta * (1 - delta) / WORLDS) ** 0.5


def test_a_score_that_means_what_it_says_is_proven_in_nearly_all_worlds_with_items_enough() -> None:
    dice = np.random.default_rng(20260302)
    chosen = 0
    for _ in range(100):
        scores = LOWEST + (1 - LOWEST) * dice.random(SEEN + 4 * TESTED)
        right = dice.random(SEEN + 4 * TESTED) < scores
        world = [Scored(score=s, correct=c) for s, c in zip(scores.tolist(), right.tolist(), strict=True)]
        chosen += learn_then_test(world[SEEN:], 0.1, 0.1, start(world[:SEEN], 0.1)).threshold is not None

    assert chosen >= 85


@pytest.mark.parametrize(
    ("given_items", "target", "threshold"),
    [
        pytest.param([], 0.05, None, id="no items"),
        pytest.param(items(0.9, 1), 0.05, 0.9, id="one item that is right is enough for it"),
        pytest.param(items(0.9, 0, 1), 0.05, None, id="one item that is wrong"),
        pytest.param(items(0, 100), 0.05, None, id="items that may never act"),
        pytest.param([*items(0.9, 19), *items(0.8, 0, 1)], 0.05, 0.8, id="exactly the target is kept"),
        pytest.param([*items(0.9, 18), *items(0.8, 0, 1)], 0.05, 0.9, id="more than the target is not"),
        pytest.param([*items(0.9, 1), *items(0.8, 0, 1), *items(0.7, 18)], 0.05, 0.7, id="it looks behind a failure"),
        pytest.param(items(0.8, 10, 10), 0.4, None, id="items of one score are taken together"),
    ],
)
def test_the_naive_threshold_keeps_the_target_on_its_own_items(
    given_items: list[Scored], target: float, threshold: float | None
) -> None:
    assert naive(given_items, target) == threshold


@pytest.mark.parametrize(
    ("given_items", "more"),
    [
        pytest.param([], 59, id="nothing yet: as many as prove it without an error"),
        pytest.param(items(0, 40), 59, id="nothing that may act"),
        pytest.param(items(0.9, 40), 78, id="only the best half is counted on: 118 of which 40 are there"),
        pytest.param([*items(0.9, 20), *items(0, 20)], 196, id="half of which may never act: four times 59, less 40"),
        pytest.param(
            [*items(0.95, 0, 20), *items(0.9, 60)], None, id="the best half is wrong too often: no number would do"
        ),
        pytest.param(items(0.9, 400), 1, id="enough there, but not proven: at least one"),
    ],
)
def test_how_many_more_items_would_be_needed(given_items: list[Scored], more: int | None) -> None:
    assert more_needed(given_items, 0.05, 0.05) == more


@given(st.integers(2, 40), st.integers(0, 40))
def test_so_many_more_items_of_the_same_kind_do_prove_it(right: int, held: int) -> None:
    given_items = [*items(0.9, right), *items(0, held)]
    more = more_needed(given_items, 0.05, 0.05)
    assert more is not None

    able = right * (len(given_items) + more) / len(given_items)
    promise = learn_then_test(items(0.9, round(able)), 0.05, 0.05, first=0.9)

    assert promise.threshold is not None


def test_a_few_errors_ask_for_more_items_than_none() -> None:
    few = more_needed([*items(0.9, 99, 1), *items(0.5, 100)], 0.05, 0.05)
    none = more_needed([*items(0.9, 100), *items(0.5, 100)], 0.05, 0.05)

    assert none is not None
    assert few is not None
    assert few >= none


@pytest.mark.parametrize(
    ("route", "threshold"),
    [("repairs", 0.95), ("sales", 0.8), ("none_of_these", 0.8), ("a route of tomorrow", 0.8)],
)
def test_a_route_without_a_promise_of_its_own_is_covered_by_the_rest(route: str, threshold: float) -> None:
    assert proof(threshold=0.8, repairs=0.95).promise(route).threshold == threshold


@pytest.mark.parametrize(
    ("threshold", "named", "is_proven"),
    [
        (0.8, {}, True),
        (None, {}, False),
        (None, {"repairs": 0.9}, True),
        (None, {"repairs": None}, False),
        (0.0, {}, True),
    ],
)
def test_a_proof_proves_something_if_any_of_its_groups_has_a_threshold(
    threshold: float | None, named: dict[str, float | None], is_proven: bool
) -> None:
    assert proof(threshold=threshold, **named).proven is is_proven


def test_a_proof_has_a_promise_for_the_routes_without_one_of_their_own() -> None:
    with pytest.raises(ValidationError, match="no promise for"):
        Proof.model_validate(proof().model_dump() | {"promises": {}})
