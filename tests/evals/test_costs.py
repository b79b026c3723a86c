"""Thresholds and their costs, beside what they come to by hand."""

import pytest
from pydantic import ValidationError

from domain.calibration import Promise
from domain.errors import InputInvalid
from evals.costs import MOST_CHOICES, Costs, choices

COSTS = Costs(wrong_route=40, review_minute=0.5, review_minutes=4, items_a_day=300)
"""A review costs 2, a wrong route 40; all 300 items reviewed take 20 hours a day."""


def promise(threshold: float, accepted: int, errors: int = 0) -> Promise:
    return Promise(target=0.05, threshold=threshold, accepted=accepted, errors=errors)


@pytest.mark.parametrize(
    ("accepted", "errors", "coverage", "wrong", "cost_an_item", "hours"),
    [
        pytest.param(0, 0, 0.0, 0.0, 2.0, 20.0, id="nothing acts: a review each"),
        pytest.param(100, 0, 0.5, 0.0, 1.0, 10.0, id="half act, all rightly"),
        pytest.param(100, 5, 0.5, 0.025, 2.0, 10.0, id="1 in 40 wrong costs what it saves"),
        pytest.param(150, 1, 0.75, 0.005, 0.7, 5.0, id="three quarters act"),
        pytest.param(200, 4, 1.0, 0.02, 0.8, 0.0, id="everything acts: no reviewer"),
    ],
)
def test_a_threshold_costs_its_wrong_routes_and_the_reviews_of_the_rest(
    accepted: int, errors: int, coverage: float, wrong: float, cost_an_item: float, hours: float
) -> None:
    choice = COSTS.of(promise(0.9, accepted, errors), 200)

    assert choice.threshold == 0.9
    assert (choice.coverage, choice.wrong) == pytest.approx((coverage, wrong))
    assert (choice.cost_an_item, choice.reviewer_hours_a_day) == pytest.approx((cost_an_item, hours))


def test_where_nothing_was_tested_everything_is_reviewed() -> None:
    choice = COSTS.of(Promise(target=0.05), 0)

    assert (choice.threshold, choice.coverage, choice.cost_an_item, choice.reviewer_hours_a_day) == (0, 0, 2, 20)


@pytest.mark.parametrize(
    ("wrong_route", "minute", "minutes", "target"),
    [(40, 0.5, 4, 0.05), (100, 1, 2, 0.02), (3, 1, 2, 2 / 3)],
)
def test_the_target_is_where_a_misroute_eats_up_what_acting_alone_saves(
    wrong_route: float, minute: float, minutes: float, target: float
) -> None:
    costs = Costs(wrong_route=wrong_route, review_minute=minute, review_minutes=minutes, items_a_day=1)

    assert costs.target == pytest.approx(target)
    # At that rate of wrong routes among what acts alone, acting and reviewing cost the same:
    assert costs.target * costs.wrong_route == pytest.approx(costs.review)


@pytest.mark.parametrize("wrong_route", [1, 2])
def test_a_wrong_route_that_costs_no_more_than_a_review_needs_no_threshold(wrong_route: float) -> None:
    costs = Costs(wrong_route=wrong_route, review_minute=1, review_minutes=2, items_a_day=1)

    with pytest.raises(InputInvalid, match=f"a wrong route \\({wrong_route}\\) costs no more than a review \\(2\\)"):
        _ = costs.target


@pytest.mark.parametrize("price", ["wrong_route", "review_minute", "review_minutes", "items_a_day"])
@pytest.mark.parametrize("value", [0, -1])
def test_prices_are_more_than_nothing(price: str, value: float) -> None:
    with pytest.raises(ValidationError, match=price):
        Costs.model_validate({**COSTS.model_dump(), price: value})


def test_a_short_table_shows_every_threshold() -> None:
    walked = [promise(0.9, 50), promise(0.8, 80, 1), promise(0.7, 100, 4)]

    table = choices(walked, COSTS, 100)

    assert [choice.threshold for choice in table] == [0.9, 0.8, 0.7]
    assert [choice.cost_an_item for choice in table] == pytest.approx([1.0, 0.8, 1.6])


@pytest.mark.parametrize("cheapest", [0, 1, 51, 98, 99])
def test_a_long_table_is_thinned_and_keeps_the_first_the_last_and_the_cheapest(cheapest: int) -> None:
    walked = [promise(1 - step / 200, 50, errors=0 if step == cheapest else 1) for step in range(100)]

    table = choices(walked, COSTS, 100)
    shown = [choice.threshold for choice in table]

    assert {walked[0].threshold, walked[cheapest].threshold, walked[-1].threshold} <= set(shown)
    assert shown == sorted(shown, reverse=True)
    assert len(shown) == len(set(shown)) <= MOST_CHOICES + 3
    assert min(table, key=lambda choice: choice.cost_an_item).threshold == walked[cheapest].threshold


def test_without_a_proven_threshold_the_table_is_empty() -> None:
    assert choices([], COSTS, 100) == []
