"""The vote of labelled vectors: fine labels summed, a temperature, and whether a text is in scope."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.examples.lexical import Vectors, unit
from connectors.examples.vote import FEWEST_OUTSIDE, Vote


def around(*centres: Sequence[float], count: int, noise: float = 0.15, seed: int = 1) -> Vectors:
    """`count` vectors of length 1 around each centre, centre by centre."""
    dice = np.random.default_rng(seed)
    return unit(
        np.concatenate([np.array(centre) + noise * dice.normal(size=(count, len(centre))) for centre in centres])
    )


EAST, NORTH, WEST, UP = (1, 0, 0, 0), (0, 1, 0, 0), (-1, 0, 0, 0), (0, 0, 1, 0)


def test_each_centre_votes_for_its_route() -> None:
    routes = ["sales"] * 10 + ["repairs"] * 10 + ["jobs"] * 10
    vote = Vote(around(EAST, NORTH, WEST, count=10), routes, routes)

    shares = vote.probabilities(unit(np.array([EAST, NORTH, WEST])))

    assert vote.routes == ["jobs", "repairs", "sales"]
    assert [vote.routes[column] for column in shares.argmax(axis=1)] == ["sales", "repairs", "jobs"]
    assert shares.sum(axis=1) == pytest.approx([1, 1, 1])


def test_finer_labels_of_a_route_are_summed() -> None:
    """Two kinds of one route lie on both sides of another route: as one label no plane parts them."""
    vectors = around(EAST, WEST, NORTH, count=12)
    routes = ["sales"] * 24 + ["repairs"] * 12
    vote = Vote(vectors, ["price"] * 12 + ["delivery"] * 12 + ["repairs"] * 12, routes)

    shares = vote.probabilities(unit(np.array([EAST, WEST, NORTH])))

    assert vote.routes == ["repairs", "sales"]
    assert shares[:2, 1].min() > 0.8
    assert shares[2, 0] > 0.8


def test_two_routes_may_have_a_fine_label_of_the_same_name() -> None:
    routes = ["sales"] * 10 + ["repairs"] * 10
    vote = Vote(around(EAST, NORTH, count=10), ["other"] * 20, routes)

    assert vote.probabilities(unit(np.array([EAST])))[0, vote.routes.index("sales")] > 0.8


def test_a_route_whose_name_begins_with_anothers_keeps_its_own_votes() -> None:
    routes = ["sale"] * 10 + ["sales"] * 10
    vote = Vote(around(EAST, NORTH, count=10), routes, routes)

    assert vote.probabilities(unit(np.array([NORTH])))[0, vote.routes.index("sales")] > 0.8


def test_labels_that_mean_nothing_are_voted_for_without_conviction() -> None:
    vectors = around(EAST, NORTH, UP, count=40, noise=1)
    routes = np.random.default_rng(2).permutation(["sales"] * 60 + ["repairs"] * 60).tolist()
    clear = ["sales"] * 40 + ["repairs"] * 80

    noise = Vote(vectors, routes, routes).probabilities(around(EAST, NORTH, UP, count=40, noise=1, seed=3))
    sense = Vote(around(EAST, NORTH, UP, count=40), clear, clear).probabilities(around(EAST, count=40, seed=3))

    assert noise.max(axis=1).mean() < 0.7
    assert sense.max(axis=1).mean() > 0.9


@pytest.mark.parametrize("outside", [FEWEST_OUTSIDE - 1, FEWEST_OUTSIDE, 20])
def test_what_is_like_none_of_the_routes_is_none_of_these(outside: int) -> None:
    routes = ["sales"] * 15 + ["repairs"] * 15 + ["none_of_these"] * outside
    vectors = np.concatenate([around(EAST, NORTH, count=15), around(UP, count=outside, seed=5)])
    vote = Vote(vectors, routes, routes)

    shares = vote.probabilities(unit(np.array([EAST, NORTH, UP])))

    assert [vote.routes[column] for column in shares.argmax(axis=1)] == ["sales", "repairs", "none_of_these"]
    assert shares.sum(axis=1) == pytest.approx([1, 1, 1])


def test_the_farther_from_every_route_the_likelier_none_of_these() -> None:
    routes = ["sales"] * 15 + ["repairs"] * 15 + ["none_of_these"] * 15
    vectors = np.concatenate([around(EAST, NORTH, count=15), around(UP, WEST, UP, count=5, seed=5)])
    vote = Vote(vectors, routes, routes)
    none = vote.routes.index("none_of_these")

    on_the_way = unit(np.array([(1, 0, 0, 0), (1, 0, 0.5, 0), (1, 0, 1, 0), (0.5, 0, 1, 0), (0, 0, 1, 0)]))
    shares = vote.probabilities(on_the_way)[:, none]

    assert list(shares) == sorted(shares)


@pytest.mark.parametrize(
    "routes",
    [
        pytest.param(["sales"], id="one example"),
        pytest.param(["sales"] * 5, id="one route only"),
        pytest.param(["none_of_these"] * 8, id="none of these only"),
        pytest.param(["sales", "repairs"], id="one example each"),
        pytest.param(["sales", "repairs", "none_of_these"], id="one example each, and of none"),
        pytest.param(["sales", "repairs", "repairs"], id="a route with a single example"),
        pytest.param(["sales"] * 4 + ["none_of_these"] * 5, id="one route and just enough outside"),
        pytest.param(["sales"] + ["none_of_these"] * 9, id="a single example inside"),
        pytest.param(["sales", "repairs"] + ["none_of_these"] * 6, id="one example of each inside"),
        pytest.param(["sales"] * 2 + ["repairs"] * 2 + ["none_of_these"] * 6, id="hardly any inside"),
    ],
)
def test_tiny_sets_have_a_vote(routes: list[str]) -> None:
    vectors = around(EAST, NORTH, UP, count=4)[: len(routes)]
    vote = Vote(vectors, routes, routes)

    shares = vote.probabilities(np.concatenate([vectors, np.zeros((1, 4))]))

    assert shares.shape == (len(routes) + 1, len(set(routes)))
    assert shares.sum(axis=1) == pytest.approx(np.ones(len(routes) + 1))
    assert shares.min() >= 0


@settings(max_examples=10)
@given(
    st.lists(st.sampled_from(["sales", "repairs", "jobs", "none_of_these"]), min_size=2, max_size=30),
    st.integers(0, 99),
)
def test_whatever_the_examples_the_votes_are_probabilities(routes: list[str], seed: int) -> None:
    vectors = around(EAST, count=len(routes), noise=1, seed=seed)

    shares = Vote(vectors, routes, routes).probabilities(around(NORTH, count=5, noise=1, seed=seed))

    assert np.isfinite(shares).all()
    assert shares.min() >= 0
    assert shares.sum(axis=1) == pytest.approx(np.ones(5))
