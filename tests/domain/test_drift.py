"""Drift: false alarms are rare, shifts are found, and the tests are the textbooks'."""

import numpy as np
import pytest
from builders import proposal
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, chi2, chi2_contingency, fisher_exact

from domain.calibration import Baseline
from domain.confidence import Fusion, Source
from domain.drift import WINDOW, Aspect, Drift, chi_square_tail, drifts, fisher, homogeneity, observe
from domain.proposal import AskOutcome

RUNS = 600
MIX = {"billing": 0.5, "access": 0.25, "orders": 0.15, "returns": 0.06, "none_of_these": 0.03, "press": 0.01}
EMPTY = Baseline(n=0, labels={}, confidences=(0,) * 10, disagreements=0)


def traffic(
    dice: np.random.Generator, n: int, mix: dict[str, float] | None = None, sure: float = 5, disagreeing: float = 0.08
) -> Baseline:
    """`n` decisions drawn at random; the larger `sure`, the higher the confidences."""
    chances = MIX if mix is None else mix
    labels = dict(zip(chances, dice.multinomial(n, list(chances.values())).tolist(), strict=True))
    confidences = np.histogram(dice.beta(sure, 1, n), bins=10, range=(0, 1))[0]
    return Baseline(
        n=n,
        labels={label: count for label, count in labels.items() if count},
        confidences=tuple(confidences.tolist()),
        disagreements=int(dice.binomial(n, disagreeing)),
    )


@pytest.mark.parametrize("labelled", [75, 500])
def test_where_nothing_changes_a_window_raises_a_false_alarm_at_most_as_often_as_alpha(labelled: int) -> None:
    dice = np.random.default_rng(20260302)

    alarms = sum(bool(drifts(traffic(dice, labelled), traffic(dice, WINDOW), alpha=0.05)) for _ in range(RUNS))

    assert alarms <= binom.ppf(0.99, RUNS, 0.05)


@pytest.mark.parametrize(
    ("change", "which"),
    [
        pytest.param({"mix": MIX | {"billing": 0.25, "access": 0.5}}, Aspect.LABELS, id="another label mix"),
        pytest.param({"mix": MIX | {"billing": 0.35, "new": 0.15}}, Aspect.LABELS, id="a label that never came before"),
        pytest.param({"sure": 2}, Aspect.CONFIDENCES, id="less sure"),
        pytest.param({"disagreeing": 0.25}, Aspect.DISAGREEMENTS, id="more disagreement"),
    ],
)
def test_a_shift_is_found_where_it_is_and_nowhere_else(change, which: Aspect) -> None:
    dice = np.random.default_rng(20260302)

    found = [{drift.which for drift in drifts(traffic(dice, 300), traffic(dice, WINDOW, **change))} for _ in range(100)]

    assert sum(which in one for one in found) >= 95
    assert sum(bool(one - {which}) for one in found) <= 3


def test_drift_says_what_was_expected_and_what_was_found() -> None:
    before = Baseline(n=100, labels={"sales": 70, "": 30}, confidences=(0,) * 8 + (20, 80), disagreements=2)
    now = Baseline(n=200, labels={"sales": 60, "": 140}, confidences=(0,) * 8 + (160, 40), disagreements=40)

    assert [(drift.which, drift.expected, drift.found) for drift in drifts(before, now)] == [
        (Aspect.LABELS, "no label: 30%, sales: 70%", "no label: 70%, sales: 30%"),
        (Aspect.CONFIDENCES, "0.8–0.9: 20%, 0.9–1.0: 80%", "0.8–0.9: 80%, 0.9–1.0: 20%"),
        (Aspect.DISAGREEMENTS, "2%", "20%"),
    ]
    assert all(isinstance(drift, Drift) and 0 <= drift.p < 0.01 / 3 for drift in drifts(before, now))


def test_nothing_can_have_drifted_without_a_baseline_or_a_window() -> None:
    some = Baseline(n=1, labels={"sales": 1}, confidences=(0,) * 9 + (1,), disagreements=0)

    assert drifts(EMPTY, some) == drifts(some, EMPTY) == ()


@given(st.floats(0, 200), st.integers(1, 30))
def test_the_chi_square_tail_is_scipys(statistic: float, freedom: int) -> None:
    assert chi_square_tail(statistic, freedom) == pytest.approx(chi2.sf(statistic, freedom), rel=1e-9, abs=1e-12)


def test_a_single_cell_tells_nothing() -> None:
    assert chi_square_tail(3, 0) == 1
    assert homogeneity([(3, 4), (1, 1), (0, 0)]) == 1
    assert homogeneity([(100, 200)]) == 1
    assert homogeneity([(0, 200), (0, 100)]) == 1
    assert homogeneity([]) == 1


@given(st.lists(st.tuples(st.integers(20, 90), st.integers(20, 90)), min_size=2, max_size=8))
def test_with_plenty_in_each_cell_the_test_is_scipys(cells: list[tuple[int, int]]) -> None:
    scipys = chi2_contingency(np.array(cells).T, correction=False)
    least = np.min(scipys.expected_freq)

    assert least < 5 or homogeneity(cells) == pytest.approx(scipys.pvalue, rel=1e-9, abs=1e-12)


def test_small_cells_are_merged_with_their_neighbours_and_the_last_ones_with_the_cell_before() -> None:
    assert homogeneity([(2, 2), (4, 5), (40, 10), (1, 1)]) == homogeneity([(6, 7), (41, 11)])


@given(st.data())
def test_fishers_test_is_scipys(data: st.DataObject) -> None:
    sizes = [data.draw(st.integers(1, 150)) for _ in range(2)]
    hits = [data.draw(st.integers(0, size)) for size in sizes]
    table = [[hit, size - hit] for hit, size in zip(hits, sizes, strict=True)]

    assert fisher((hits[0], sizes[0]), (hits[1], sizes[1])) == pytest.approx(fisher_exact(table)[1], abs=1e-7)


def test_decisions_are_observed_as_the_labelled_items_of_the_proof_were() -> None:
    proposals = [
        proposal("sales", 0.97),
        proposal("sales", 0.35, opinion="repairs"),
        proposal("sales", 1.0),
        proposal(None, None, opinion=None, outcome=AskOutcome.NONSENSE),
    ]

    observed = observe(proposals, Source.LOGPROBS_AND_EXAMPLES, Fusion(examples=0, model=1))

    assert observed == Baseline(
        n=4, labels={"sales": 3, "": 1}, confidences=(1, 0, 0, 1, 0, 0, 0, 0, 0, 2), disagreements=1
    )
