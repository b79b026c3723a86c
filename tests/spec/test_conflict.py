"""What a person can make of a field of which systems say different things, and what rules would."""

import pytest

from domain.conflict import choices, outcomes, owner_in, value_of
from domain.entity import Standing
from domain.linking import same_by
from domain.merge import Side
from domain.review import Answer

STANDING = Standing(agreed="Ann", set_by=("crm",), contested={"crm": "Anna", "desk": ""})


def answer(choice: str, **inputs: str) -> Answer:
    return Answer(choice=choice, inputs=inputs, reviewer="a person", binding="b")


def test_a_person_takes_what_a_system_says_or_what_was_agreed_on_or_fills_it_in() -> None:
    offered = choices(STANDING)
    assert list(offered) == ["crm", "desk", "agreed", "other", "crm_always", "desk_always"]
    assert offered["crm"].endswith("'Anna'")
    assert offered["desk"].endswith("nothing")


@pytest.mark.parametrize(
    ("choice", "value"),
    [("crm", "Anna"), ("desk", ""), ("crm_always", "Anna"), ("agreed", "Ann"), ("other", "Johanna")],
)
def test_each_choice_has_its_value(choice: str, value: str) -> None:
    assert value_of(answer(choice, value=" Johanna "), STANDING) == value


def test_only_a_choice_for_good_makes_an_owner() -> None:
    assert owner_in("crm_always", ["crm", "desk"]) == "crm"
    assert owner_in("crm", ["crm", "desk"]) is None
    assert owner_in("gone_always", ["crm", "desk"]) is None


def test_what_rules_would_make_of_it_is_told_where_they_make_something() -> None:
    standing = Standing(agreed="a", contested={"crm": "a, b", "desk": "c"})
    sides = {"crm": Side(now="a, b", base="a"), "desk": Side(now="c", base="a")}
    told = outcomes(standing, sides, str.strip)
    assert told == {"crm owns it": "a, b", "desk owns it": "c", "union of the tags": "b, c"}


def test_a_union_is_told_only_where_there_are_several_tags() -> None:
    standing = Standing(agreed="Ann", contested={"crm": "Anna", "desk": "Hanna"})
    sides = {name: Side(now=value, base="Ann") for name, value in standing.contested.items()}
    assert outcomes(standing, sides, str.strip) == {"crm owns it": "Anna", "desk owns it": "Hanna"}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        pytest.param({"email": "a@x.org"}, {"email": "A@x.org"}, True, id="the first key that both have"),
        pytest.param(
            {"email": "a@x.org", "number": "1"}, {"email": "b@x.org", "number": "1"}, False, id="alone counts"
        ),
        pytest.param({"email": "", "number": "1"}, {"email": "b@x.org", "number": "1"}, True, id="a blank is none"),
        pytest.param({"email": "a@x.org"}, {"number": "1"}, None, id="none that both have says nothing"),
    ],
)
def test_records_are_of_the_same_thing_by_their_keys(one, other, same) -> None:
    assert same_by(["email", "number"], one, other) is same
