"""What is fitted beside thresholds: the weights of both sides, and the guards."""

import numpy as np
import pytest
from builders import LABELS, proposal

from domain.calibration import Guards
from domain.confidence import UNFITTED, Fusion, Source, judge
from domain.decision import RuleAction, RuleMatch
from domain.proposal import AskOutcome, Proposal
from evals.fit import LARGEST_WEIGHT, fit_fusion, fit_guards
from evals.items import Item
from evals.recorded import Row

LOGPROBS, ALONE = Source.LOGPROBS_AND_EXAMPLES, Source.EXAMPLES


def row(number: int, label: str, said: Proposal, rule: RuleMatch | None = None) -> Row:
    return Row(item=Item(id=str(number), text=f"text {number}", label=label), proposal=said, rule=rule)


def world(count: int, model_right: float, examples_right: float, sure: float = 0.8) -> list[Row]:
    """Items on which each side names the right label so often, always `sure` of it."""
    dice = np.random.default_rng(20260302)

    def pick(right: str, often: float) -> str:
        return right if dice.random() < often else str(dice.choice([label for label in LABELS if label != right]))

    rows = []
    for number in range(count):
        right = str(dice.choice(LABELS))
        said = proposal(pick(right, model_right), sure, pick(right, examples_right), votes=sure)
        rows.append(row(number, right, said))
    return rows


def test_the_side_that_is_right_more_often_counts_for_more() -> None:
    model, examples = fit_fusion(world(300, 0.95, 0.5), LOGPROBS), fit_fusion(world(300, 0.5, 0.95), LOGPROBS)

    assert model.model > 3 * model.examples
    assert examples.examples > 3 * examples.model


@pytest.mark.parametrize(
    ("right", "sure"), [pytest.param(0.6, 0.95, id="too sure"), pytest.param(0.95, 0.6, id="not sure enough")]
)
def test_confidences_come_to_mean_what_they_say(right: float, sure: float) -> None:
    rows = world(600, right, right, sure)
    fused = fit_fusion(rows, LOGPROBS)
    judged = [judge(one.proposal, {LOGPROBS: fused}) for one in rows]

    mean = sum(one.confidence or 0 for one in judged) / len(judged)
    truth = sum(one.label == its.item.label for one, its in zip(judged, rows, strict=True)) / len(rows)
    assert mean == pytest.approx(truth, abs=0.03)


def test_examples_alone_have_a_temperature_and_nothing_for_the_model() -> None:
    rows = [
        one.model_copy(
            update={"proposal": proposal(None, None, one.proposal.opinion.label, AskOutcome.NO_MODEL, votes=0.95)}
        )
        for one in world(300, 1, 0.6)
    ]
    fused = fit_fusion(rows, ALONE)

    assert fused.model == 0
    assert 0.05 <= fused.examples < 0.6


@pytest.mark.parametrize("seed_items", [20, 60, 300])
def test_a_model_that_knows_nothing_that_the_examples_do_not_has_no_weight(seed_items: int) -> None:
    guesses = world(seed_items, 1 / len(LABELS), 0.9)

    assert fit_fusion(guesses, LOGPROBS).model == 0


def test_a_few_items_move_the_weights_only_a_little() -> None:
    fused, begin = fit_fusion(world(2, 0.0, 1.0), LOGPROBS), UNFITTED[LOGPROBS]

    assert fused.examples == pytest.approx(begin.examples, abs=0.4)
    assert fused.model == pytest.approx(begin.model, abs=0.3)


def test_weights_stay_within_their_bounds() -> None:
    fused = fit_fusion(world(400, 1.0, 1.0, sure=0.4), LOGPROBS)

    assert 0.05 <= fused.examples <= LARGEST_WEIGHT
    assert 0 <= fused.model <= LARGEST_WEIGHT


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([], id="no items"),
        pytest.param([row(1, "refunds", proposal())], id="an item whose label neither side knows"),
    ],
)
@pytest.mark.parametrize("source", [LOGPROBS, ALONE])
def test_with_nothing_to_fit_on_the_weights_are_those_that_nothing_was_fitted_for(
    rows: list[Row], source: Source
) -> None:
    assert fit_fusion(rows, source) == UNFITTED[source]


def test_items_whose_label_neither_side_knows_change_nothing() -> None:
    rows = world(50, 0.9, 0.8)

    assert fit_fusion([*rows, row(99, "refunds", proposal())], LOGPROBS) == fit_fusion(rows, LOGPROBS)


def test_the_order_of_the_items_does_not_count() -> None:
    rows = world(100, 0.9, 0.8)
    one, turned = fit_fusion(rows, LOGPROBS), fit_fusion(rows[::-1], LOGPROBS)

    assert (one.examples, one.model) == pytest.approx((turned.examples, turned.model), abs=1e-3)
    assert isinstance(one, Fusion)


def honest(number: int, **said: object) -> Row:
    return row(number, "sales", proposal(**said))


HUNDRED = [
    honest(number, similarity=number / 100, weakest=number / 200, dissent=1 - number / 100) for number in range(100)
]


@pytest.mark.parametrize(
    ("share", "guards"),
    [
        pytest.param(0, Guards(), id="nothing may be sent to people: no guards"),
        pytest.param(0.02, Guards(similarity=0.01, weakest=0.005, dissent=0.98), id="two in a hundred"),
        pytest.param(0.1, Guards(similarity=0.09, weakest=0.045, dissent=0.9), id="ten in a hundred"),
    ],
)
def test_each_guard_sends_at_most_its_share_of_honest_traffic_to_people(share: float, guards: Guards) -> None:
    fitted = fit_guards(HUNDRED, share)

    assert fitted.model_dump() == pytest.approx(guards.model_dump(), abs=0.011)
    opinions = [one.proposal.opinion for one in HUNDRED]
    assert sum(said.similarity < fitted.similarity for said in opinions) <= 100 * share
    assert sum(said.weakest < fitted.weakest for said in opinions) <= 100 * share
    assert sum(said.dissent > fitted.dissent for said in opinions) <= 100 * share


@pytest.mark.parametrize(
    "stranger",
    [
        pytest.param(row(1, "none_of_these", proposal("none_of_these", opinion="none_of_these", similarity=0)),
                     id="fits no route"),
        pytest.param(row(1, "sales", proposal(opinion="repairs", similarity=0)), id="the examples are wrong"),
        pytest.param(honest(1, similarity=0, tampering=("chat_markup",)), id="shows a sign of tampering"),
        pytest.param(row(1, "sales", proposal(similarity=0), RuleMatch(name="threat", action=RuleAction.PERSON)),
                     id="a rule takes it over"),
    ],
)  # fmt: skip
def test_what_would_not_act_anyway_says_nothing_of_a_guards_price(stranger: Row) -> None:
    some = [honest(number, similarity=0.8) for number in range(10)]

    assert fit_guards([*some, *[stranger] * 10], 0.1) == fit_guards(some, 0.1)


def test_a_rule_that_routes_takes_no_item_over() -> None:
    routes = RuleMatch(name="many_toys", action=RuleAction.ROUTE, route="sales")

    assert fit_guards([row(1, "sales", proposal(similarity=0.3), routes)], 0.1).similarity == 0.3


def test_without_honest_items_there_are_no_guards() -> None:
    assert fit_guards([], 0.02) == Guards()


def test_rows_without_an_opinion_are_a_fault_of_ours() -> None:
    with pytest.raises(ValueError, match="only rows with an opinion"):
        fit_fusion([row(1, "sales", proposal(opinion=None))], LOGPROBS)
