"""The message of a review, cut where its evidence stands."""

from hypothesis import given
from hypothesis import strategies as st

from console.web.evidence import Part, parts
from domain.extraction import By, Found, Ground


def found(start: int | None, end: int | None) -> Found:
    return Found(value="x", start=start, end=end, by=By.PATTERN, ground=Ground.PLACED, confidence=0.9)


spans = st.tuples(st.integers(0, 50), st.integers(0, 50)).map(lambda span: found(*span))


@given(text=st.text(max_size=40), fields=st.dictionaries(st.sampled_from("abcd"), spans))
def test_the_pieces_joined_are_the_text_and_none_is_empty(text, fields):
    pieces = parts(text, fields)
    assert "".join(piece.text for piece in pieces) == text
    assert all(piece.text for piece in pieces)


@given(text=st.text(min_size=1, max_size=40), fields=st.dictionaries(st.sampled_from("abcd"), spans))
def test_each_sign_is_marked_for_exactly_the_fields_whose_evidence_covers_it(text, fields):
    marked = [piece.fields for piece in parts(text, fields) for _ in piece.text]
    for at, names in enumerate(marked):
        assert set(names) == {name for name, one in fields.items() if one.start <= at < one.end}


def test_evidence_is_told_apart_from_what_surrounds_it():
    assert parts("I am Ann of Nordwind.", {"company": found(12, 20), "name": found(5, 8)}) == [
        Part("I am "),
        Part("Ann", ("name",)),
        Part(" of "),
        Part("Nordwind", ("company",)),
        Part("."),
    ]


def test_a_form_field_has_no_place_in_the_text():
    assert parts("Hello", {"name": found(None, None)}) == [Part("Hello")]


def test_an_empty_text_has_no_pieces():
    assert parts("", {"name": found(0, 3)}) == []
