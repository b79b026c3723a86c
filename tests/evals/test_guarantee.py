"""Whether promises are kept, in simulated worlds whose truth is known."""

from random import Random

import pytest
from builders import LABELS, proposal, workflow

from domain.confidence import Source
from domain.errors import InputInvalid
from domain.proposal import NONE_OF_THESE, AskOutcome
from evals.calibrate import Terms
from evals.guarantee import Guarantee, guarantee
from evals.items import Item
from evals.recorded import Row

TARGET, DELTA = 0.1, 0.1
TERMS = Terms(target=TARGET, delta=DELTA, named={})
TINY = workflow(target={"misroute": TARGET, "confidence": 1 - DELTA})
ROUTES = LABELS[:2]


def world(count: int, exaggeration: float = 0.0) -> list[Row]:
    """Items on which model and examples agree, right as often as they are sure, or less often by `exaggeration`."""
    dice = Random(7)  # noqa: S311  a world to be repeated, not a secret
    rows = []
    for number in range(count):
        said, other = dice.sample(ROUTES, 2)
        sure = 1 - dice.random() ** 2 / 2
        label = said if dice.random() < sure - exaggeration else other
        item = Item(id=f"item-{number}", text=f"text {number}", label=label)
        rows.append(Row(item=item, proposal=proposal(said, sure, said, votes=sure)))
    return rows


WORLD = world(600)
SPLITS = 40


@pytest.fixture(scope="module")
def found() -> Guarantee:
    """Calibrated again and again on 240 items of a world that is as sure of itself as it should be."""
    return guarantee(TINY, WORLD, TERMS, splits=SPLITS, calibrated_on=240)


def test_what_is_proven_is_broken_no_more_often_than_promised(found: Guarantee) -> None:
    assert found.proven.splits == SPLITS
    assert found.proven.broken <= DELTA * SPLITS
    assert found.holds


def test_the_naive_threshold_is_broken_about_half_of_the_time(found: Guarantee) -> None:
    assert found.naive.broken >= 0.3 * SPLITS
    assert found.naive.worst > found.proven.worst
    assert found.naive.misroute > found.proven.misroute


def test_the_proven_threshold_still_lets_much_act_and_the_naive_one_more(found: Guarantee) -> None:
    # The surest share s of this world is wrong in s² / 6: at 10 % that is 77 %.
    assert 0.2 < found.proven.coverage < found.naive.coverage
    assert found.naive.coverage == pytest.approx(0.77, abs=0.1)
    assert found.naive.misroute == pytest.approx(TARGET, abs=0.03)


def test_the_terms_and_the_sizes_are_told(found: Guarantee) -> None:
    assert (found.policy, found.target, found.delta) == ("tiny", TARGET, DELTA)
    assert (found.calibrated_on, found.tested_on) == (240, 360)
    assert found.source is Source.LOGPROBS_AND_EXAMPLES


def test_a_split_that_proves_nothing_is_refused_not_broken_and_covers_nothing() -> None:
    hopeless = world(60, exaggeration=0.5)
    found = guarantee(TINY, hopeless, TERMS, splits=5, calibrated_on=40)

    assert (found.proven.refused, found.proven.broken, found.proven.coverage) == (5, 0, 0)
    assert (found.proven.misroute, found.proven.worst) == (0, 0)
    assert found.holds


def test_refused_splits_count_as_no_coverage() -> None:
    found = guarantee(TINY, WORLD[:200], TERMS, splits=20, calibrated_on=100)

    assert 0 < found.proven.refused < 20, "so few items prove something only with luck"
    assert found.proven.coverage < found.naive.coverage


def test_a_perfect_world_breaks_nothing_either_way() -> None:
    right = [
        row.model_copy(update={"item": row.item.model_copy(update={"label": row.proposal.label})})
        for row in WORLD[:240]
    ]
    found = guarantee(TINY, right, TERMS, splits=5, calibrated_on=160)

    assert (found.proven.broken, found.naive.broken, found.proven.refused) == (0, 0, 0)
    assert found.holds


def test_the_same_splits_are_drawn_every_time() -> None:
    assert guarantee(TINY, WORLD[:150], TERMS, 3, 100) == guarantee(TINY, WORLD[:150], TERMS, 3, 100)


def test_progress_is_told_split_by_split() -> None:
    told: list[None] = []
    guarantee(TINY, WORLD[:90], TERMS, splits=4, calibrated_on=60, progress=lambda: told.append(None))

    assert len(told) == 4


def test_a_route_with_a_bound_of_its_own_is_held_to_it() -> None:
    named = Terms(target=TARGET, delta=DELTA, named={"repairs": 0.001})
    under = workflow(target={"misroute": TARGET, "confidence": 1 - DELTA, "routes": {"repairs": 0.001}})
    one, both = (guarantee(way, WORLD, terms, 3, 400) for way, terms in ((TINY, TERMS), (under, named)))

    assert both.proven.coverage < one.proven.coverage, "one in a thousand is not to be proven here: repairs never acts"
    assert both.holds


def test_the_examples_alone_can_be_put_to_the_test_too() -> None:
    bare = [
        row.model_copy(update={"proposal": proposal(None, None, said, AskOutcome.NO_MODEL, votes=votes)})
        for row in WORLD[:300]
        if row.proposal.opinion
        for said, votes in [(row.proposal.opinion.label, row.proposal.opinion.probability)]
    ]

    assert guarantee(TINY, bare, TERMS, 2, 200).source is Source.EXAMPLES


def test_what_was_not_scored_or_has_no_second_opinion_is_left_out() -> None:
    silent = [
        Row(item=Item(id="u", text="u", label="sales"), proposal=proposal(None, None, outcome=AskOutcome.UNAVAILABLE)),
        Row(item=Item(id="o", text="o", label="sales"), proposal=proposal(opinion=None)),
    ]

    assert guarantee(TINY, [*silent, *WORLD[:90]], TERMS, 2, 60) == guarantee(TINY, WORLD[:90], TERMS, 2, 60)


@pytest.mark.parametrize("first", [True, False], ids=["first", "last"])
def test_an_unusable_answer_acts_nowhere_wherever_it_stands(first: bool) -> None:
    unusable = Row(
        item=Item(id="n", text="n", label="sales"), proposal=proposal(None, None, outcome=AskOutcome.NONSENSE)
    )
    rows = [unusable, *WORLD[:90]] if first else [*WORLD[:90], unusable]

    found = guarantee(TINY, rows, TERMS, 2, 60)

    assert (found.source, found.tested_on) == (Source.LOGPROBS_AND_EXAMPLES, 31)


def test_items_of_no_route_never_act() -> None:
    outside = [
        Row(
            item=Item(id=f"oos-{number}", text=f"oos {number}", label=NONE_OF_THESE),
            proposal=proposal(NONE_OF_THESE, 0.99, NONE_OF_THESE, votes=0.99),
        )
        for number in range(90)
    ]
    found = guarantee(TINY, outside, TERMS, 2, 60)

    assert (found.proven.refused, found.naive.refused) == (2, 2)


@pytest.mark.parametrize(("items", "calibrated_on"), [(0, 1), (74, 50), (149, 100)])
def test_too_few_items_are_told_with_the_mend(items: int, calibrated_on: int) -> None:
    with pytest.raises(InputInvalid, match=f"{items} items for splits of {calibrated_on}: .*--calibrate-on"):
        guarantee(TINY, WORLD[:items], TERMS, 1, calibrated_on)


def test_where_no_answer_has_a_confidence_there_is_nothing_to_test() -> None:
    mute = [row.model_copy(update={"proposal": proposal(confidence=None)}) for row in WORLD[:3]]

    with pytest.raises(InputInvalid, match="no item has a confidence"):
        guarantee(TINY, mute, TERMS, 1, 2)
