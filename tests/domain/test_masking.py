"""What tells a person apart is a placeholder to the model, and itself again in what the model says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.masking import Mask, Maskable

ALL = tuple(Maskable)


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("Mail ann@x.org or ANN@x.org, ann@x.org.", "Mail [email 1] or [email 2], [email 1]."),
        ("Call +49 30 901820 or (030) 901820", "Call [phone 1] or [phone 2]"),
        ("Pay to DE89 3704 0044 0532 0130 00 please", "Pay to [iban 1] please"),
        ("DE88 3704 0044 0532 0130 00 has a wrong digit", "DE88 3704 0044 0532 0130 00 has a wrong digit"),
        ("I am [email 1], that is ann@x.org", "I am [email 1], that is [email 2]"),
        ("call-030-901820@x.org", "[email 1]"),
        ("+4930901820@x.org", "[email 1]"),
        ("nothing to hide, order 12345", "nothing to hide, order 12345"),
        ("", ""),
    ],
)
def test_a_text_is_masked(text: str, hidden: str) -> None:
    assert Mask(ALL, "DE").hide(text) == hidden


def test_the_same_words_are_the_same_placeholder_in_all_texts_of_a_question() -> None:
    mask = Mask(ALL)
    assert [mask.hide(text) for text in ("b@x.org", "a@x.org and b@x.org")] == ["[email 1]", "[email 2] and [email 1]"]


def test_only_what_the_policy_names_is_masked() -> None:
    assert Mask((Maskable.PHONE,), "DE").hide("ann@x.org 030 901820") == "ann@x.org [phone 1]"
    assert Mask(()).hide("ann@x.org") == "ann@x.org"


def test_an_account_number_is_not_taken_for_a_phone_number_too() -> None:
    assert Mask(ALL, "DE").hide("DE89370400440532013000") == "[iban 1]"


@given(st.lists(st.sampled_from(["ann@x.org", "+49 30 901820", " ", "[email 1]", "hello", "\n"]), max_size=12))
def test_what_is_hidden_comes_back_where_the_text_has_no_placeholders_of_its_own(words: list[str]) -> None:
    text, mask = " ".join(words), Mask(ALL)
    hidden = mask.hide(text)

    assert "ann@x.org" not in hidden
    assert "901820" not in hidden
    assert mask.restore(hidden) == text
