"""What candidates come to, and where a quote stands in a text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.extraction import CONFIDENCE, Candidate, Extraction, Ground, Quoted, locate, settle, supported


def candidate(value: str, ground: Ground = Ground.PLACED, start: int = 0) -> Candidate:
    return Candidate(value=value, start=start, end=start + len(value), ground=ground)


@pytest.mark.parametrize(
    ("candidates", "value", "ground"),
    [
        pytest.param([("a", Ground.PLACED)], "a", Ground.PLACED, id="one"),
        pytest.param([("a", Ground.PLACED), ("A", Ground.PLACED)], "a", Ground.PLACED, id="the same twice"),
        pytest.param([("a", Ground.PLACED), ("b", Ground.LABELLED)], "b", Ground.LABELLED, id="a labelled one"),
        pytest.param([("a", Ground.UNPLACED), ("b", Ground.PLACED)], "b", Ground.PLACED, id="the placed one"),
        pytest.param([("a", Ground.PLACED), ("b", Ground.PLACED)], "a", Ground.SEVERAL, id="two that fit equally"),
        pytest.param([("a", Ground.ALONE), ("a", Ground.CUED)], "a", Ground.CUED, id="the surest ground of one value"),
        pytest.param([("a", Ground.ALONE), ("b", Ground.PLACED)], "a", Ground.SEVERAL, id="two that are both meant"),
        pytest.param([("a", Ground.UNPLACED)], "a", Ground.UNPLACED, id="one that nothing places"),
    ],
)
def test_the_best_ground_decides_if_one_value_stands_on_it(
    candidates: list[tuple[str, Ground]], value: str, ground: Ground
) -> None:
    found = settle(candidate(*one) for one in candidates)
    assert found is not None
    assert (found.value, found.ground, found.confidence) == (value, ground, CONFIDENCE[ground])


def test_a_value_is_worth_what_its_ground_is_worth_for_its_type() -> None:
    found = settle([candidate("a", Ground.CUED)], CONFIDENCE | {Ground.CUED: 0.62})
    assert found is not None
    assert found.confidence == 0.62


def test_nothing_comes_of_nothing() -> None:
    assert settle([]) is None


def test_only_what_is_sure_enough_may_be_written() -> None:
    found = {"one": settle([candidate("a")]), "two": settle([candidate("a", Ground.UNPLACED)])}
    extraction = Extraction.model_validate({"key": "k", "found": found})
    assert set(extraction.sure(0.95)) == {"one"}


TEXT = "Hello,\n> I work at  Nordwind\n> Lager GmbH since 2019, with 120 people."


@pytest.mark.parametrize(
    ("value", "quote", "stands"),
    [
        pytest.param(
            "Nordwind Lager GmbH", "work at Nordwind Lager GmbH", "Nordwind\n> Lager GmbH", id="over two lines"
        ),
        pytest.param("120", "with 120 people", "120", id="a number"),
        pytest.param("12", "with 120 people", None, id="a part of a number"),
        pytest.param("NORDWIND", "i WORK at nordwind", "Nordwind", id="in other letters"),
        pytest.param("Südwind", "I work at Südwind", None, id="a quote that is not there"),
        pytest.param("Lager GmbH", "since 2019", None, id="a value that is not in its quote"),
        pytest.param("2019", "", None, id="an empty quote"),
        pytest.param(" ", "since 2019", None, id="an empty value"),
    ],
)
def test_a_value_is_supported_by_words_of_the_text_or_not_at_all(value: str, quote: str, stands: str | None) -> None:
    place = supported(Quoted(value=value, quote=quote), TEXT, ())
    assert (TEXT[slice(*place)] if place else None) == stands


def test_what_a_quote_says_normalised_supports_a_value_too() -> None:
    said = Quoted(value="DE", quote="aus Deutschland")
    assert supported(said, "Wir sind aus Deutschland.", ["DE"]) == (9, 24)
    assert supported(said, "Wir sind aus Deutschland.", ()) is None


@given(st.text(), st.text(min_size=1), st.text())
def test_what_was_cut_out_of_a_text_is_found_in_it(before: str, quote: str, after: str) -> None:
    if quote.split():
        assert locate(quote, before + quote + after) is not None
