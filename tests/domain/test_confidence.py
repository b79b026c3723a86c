"""How what the model and the examples say becomes one label and one confidence."""

from math import exp, log

import pytest
from builders import FUSIONS, proposal
from hypothesis import assume, given
from hypothesis import strategies as st

from domain.confidence import LEAST, UNFITTED, Fusion, Judgement, Source, judge, pool, source_of
from domain.proposal import SILENCE, AskOutcome, Opinion, Proposal, ScoresFrom

SILENT = sorted(SILENCE)
UNUSABLE = [outcome for outcome in AskOutcome if outcome not in SILENCE | {AskOutcome.ANSWERED}]


def said(model: dict[str, float], examples: dict[str, float]) -> Proposal:
    """A proposal with these probabilities on either side; without the model's it was silent."""
    label = max(model, key=lambda name: model[name], default=None)
    return Proposal(
        key="key",
        outcome=AskOutcome.ANSWERED if model else AskOutcome.NO_MODEL,
        label=label,
        scores=model,
        scores_from=ScoresFrom.LOGPROBS if model else ScoresFrom.NOWHERE,
        opinion=Opinion(scores=examples, similarity=0.5),
        model="small-model",
        classifier="c",
    )


@pytest.mark.parametrize(
    ("proposed", "source"),
    [
        pytest.param(proposal(), Source.LOGPROBS_AND_EXAMPLES, id="log-probabilities beside examples"),
        pytest.param(proposal(scores_from=ScoresFrom.SAMPLES), Source.SAMPLES_AND_EXAMPLES, id="samples beside them"),
        pytest.param(proposal(confidence=None), Source.NONE, id="an answer without probabilities"),
        pytest.param(proposal(opinion=None), Source.NONE, id="no examples"),
        *[
            pytest.param(proposal(None, None, outcome=outcome), Source.EXAMPLES, id=f"no answer: {outcome.value}")
            for outcome in SILENT
        ],
        *[
            pytest.param(
                proposal(None, None, None, outcome), Source.NONE, id=f"no answer, no examples: {outcome.value}"
            )
            for outcome in SILENT
        ],
        *[
            pytest.param(proposal(None, None, outcome=outcome), Source.NONE, id=f"an unusable answer: {outcome.value}")
            for outcome in sorted(UNUSABLE)
        ],
    ],
)
def test_a_confidence_comes_from_what_there_is(proposed: Proposal, source: Source) -> None:
    assert source_of(proposed) is source
    assert judge(proposed, FUSIONS).source is source


TWO = said({"sales": 0.8, "repairs": 0.2}, {"sales": 0.6, "repairs": 0.4})
APART = said({"sales": 0.9, "repairs": 0.1}, {"sales": 0.2, "repairs": 0.8})


@pytest.mark.parametrize(
    ("proposed", "fusion", "label", "confidence"),
    [
        pytest.param(TWO, Fusion(examples=1, model=1), "sales", 0.48 / 0.56, id="both count: multiplied"),
        pytest.param(TWO, Fusion(examples=0, model=1), "sales", 0.8, id="the model alone counts"),
        pytest.param(TWO, Fusion(examples=1, model=0), "sales", 0.6, id="the examples alone count"),
        pytest.param(TWO, Fusion(examples=0, model=0.5), "sales", 2 / 3, id="a small weight makes milder"),
        pytest.param(TWO, Fusion(examples=0, model=2), "sales", 0.64 / 0.68, id="a large weight makes surer"),
        pytest.param(
            APART, Fusion(examples=1, model=1), "sales", 0.18 / 0.26, id="the surer of two that disagree wins"
        ),
        pytest.param(APART, Fusion(examples=2, model=1), "repairs", 0.064 / 0.1, id="unless the other counts for more"),
        pytest.param(
            said({}, {"sales": 0.6, "repairs": 0.4}), Fusion(examples=1, model=0), "sales", 0.6, id="a silent model"
        ),
        pytest.param(
            said({"sales": 1.0}, {"repairs": 1.0}), Fusion(examples=1, model=1), "repairs", 0.5, id="labels of one side"
        ),
        pytest.param(
            said({"sales": 1.0, "repairs": 0.0}, {"sales": 0.5, "repairs": 0.5}),
            Fusion(examples=1, model=1),
            "sales",
            1 / (1 + LEAST),
            id="what is said to be impossible is only very unlikely",
        ),
    ],
)
def test_both_sides_are_multiplied_each_to_the_power_of_its_weight(
    proposed: Proposal, fusion: Fusion, label: str, confidence: float
) -> None:
    judged = judge(proposed, {source_of(proposed): fusion})

    assert (judged.label, judged.confidence) == (label, pytest.approx(confidence))


def test_where_nobody_counts_all_labels_are_alike() -> None:
    assert pool(TWO, Fusion(examples=0, model=0)) == {"sales": 0.5, "repairs": 0.5}


def test_until_weights_are_fitted_those_that_nothing_was_fitted_for_stand_in() -> None:
    for source in UNFITTED:
        fitted = {other: Fusion(examples=3, model=3) for other in UNFITTED if other is not source}
        proposed = proposal(
            scores_from=ScoresFrom.SAMPLES if source is Source.SAMPLES_AND_EXAMPLES else ScoresFrom.LOGPROBS
        )
        if source is Source.EXAMPLES:
            proposed = proposal(None, None, outcome=AskOutcome.NO_MODEL)

        assert judge(proposed, fitted) == judge(proposed, {}) == judge(proposed, {source: UNFITTED[source]})
        assert judge(proposed, fitted) != judge(proposed, {source: Fusion(examples=3, model=3)})


def test_every_source_has_weights_to_begin_with_but_none() -> None:
    assert set(UNFITTED) == set(Source) - {Source.NONE}
    assert UNFITTED[Source.EXAMPLES].model == 0


@pytest.mark.parametrize(
    "proposed",
    [
        pytest.param(proposal(confidence=None), id="no probabilities"),
        pytest.param(proposal(opinion=None), id="no examples"),
        pytest.param(proposal(confidence=None, opinion=None), id="neither"),
    ],
)
def test_without_a_source_the_models_label_stands_and_nobody_is_sure(proposed: Proposal) -> None:
    assert judge(proposed, FUSIONS) == Judgement(label="sales", confidence=None, source=Source.NONE)


NAMES = ["sales", "repairs", "billing", "none_of_these"]
WEIGHTS = st.floats(0, 3)


@st.composite
def probabilities(draw: st.DrawFn) -> dict[str, float]:
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
    raw = [draw(st.floats(0, 1)) + 1e-9 for _ in names]
    return {name: one / sum(raw) for name, one in zip(names, raw, strict=True)}


@st.composite
def liking(draw: st.DrawFn, label: str = "sales") -> dict[str, float]:
    """Probabilities under which `label` is the likeliest by more than a rounding error."""
    others = draw(st.lists(st.sampled_from([name for name in NAMES if name != label]), unique=True))
    raw = {label: 1.0} | {name: draw(st.floats(0, 0.99)) for name in others}
    return {name: one / sum(raw.values()) for name, one in raw.items()}


@given(probabilities(), probabilities(), WEIGHTS, WEIGHTS)
def test_a_pool_covers_all_labels_of_both_sides_and_sums_to_one(
    model: dict[str, float], examples: dict[str, float], model_weight: float, examples_weight: float
) -> None:
    pooled = pool(said(model, examples), Fusion(examples=examples_weight, model=model_weight))

    assert set(pooled) == set(model) | set(examples)
    assert sum(pooled.values()) == pytest.approx(1)
    assert all(0 <= share <= 1 for share in pooled.values())


@given(probabilities(), probabilities(), WEIGHTS, WEIGHTS, st.sampled_from(NAMES), st.floats(0, 1), st.booleans())
def test_more_probability_of_a_label_on_either_side_never_lowers_it(
    model: dict[str, float],
    examples: dict[str, float],
    model_weight: float,
    examples_weight: float,
    label: str,
    more: float,
    on_the_models: bool,
) -> None:
    assume(label in (model if on_the_models else examples))
    fusion = Fusion(examples=examples_weight, model=model_weight)

    def raised(scores: dict[str, float]) -> dict[str, float]:
        return {name: share * (1 - more) + (more if name == label else 0) for name, share in scores.items()}

    before = pool(said(model, examples), fusion)
    after = pool(said(raised(model), examples) if on_the_models else said(model, raised(examples)), fusion)

    assert after[label] >= before[label] - 1e-9


@given(liking(), probabilities(), WEIGHTS, WEIGHTS, st.floats(0, 3), st.booleans())
def test_more_weight_of_a_side_never_lowers_the_label_that_it_likes_best(
    side: dict[str, float],
    other: dict[str, float],
    model_weight: float,
    examples_weight: float,
    more: float,
    of_the_models: bool,
) -> None:
    heavier = {"model": model_weight + more * of_the_models, "examples": examples_weight + more * (not of_the_models)}
    proposed = said(side, other) if of_the_models else said(other, side)

    before = pool(proposed, Fusion(examples=examples_weight, model=model_weight))
    after = pool(proposed, Fusion.model_validate(heavier))

    assert after["sales"] >= before["sales"] - 1e-9


@given(liking(), liking(), st.floats(0.05, 3), st.floats(0.05, 3))
def test_where_both_sides_like_one_label_best_that_is_the_label(
    model: dict[str, float], examples: dict[str, float], model_weight: float, examples_weight: float
) -> None:
    judged = judge(
        said(model, examples), {Source.LOGPROBS_AND_EXAMPLES: Fusion(examples=examples_weight, model=model_weight)}
    )

    assert judged.label == "sales"


@given(probabilities(), st.floats(0, 3))
def test_a_weight_alone_is_a_temperature(examples: dict[str, float], weight: float) -> None:
    floored = {name: exp(weight * log(max(share, LEAST))) for name, share in examples.items()}

    pooled = pool(said({}, examples), Fusion(examples=weight, model=0))

    assert pooled == pytest.approx({name: share / sum(floored.values()) for name, share in floored.items()})


def test_an_opinion_is_the_label_with_the_most_votes() -> None:
    opinion = Opinion(scores={"sales": 0.3, "repairs": 0.7}, similarity=0.5)

    assert (opinion.label, opinion.probability) == ("repairs", 0.7)
