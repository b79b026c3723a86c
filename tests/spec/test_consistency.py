"""How what a system holds stands to what is agreed on: a table, and what adds up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.consistency import COMPARED, Found, Tally, expected, found, tally
from domain.entity import Entity, FieldTerms, Held, Standing
from domain.merge import FieldRule, Kind

BOTH = frozenset({"crm", "desk"})


def terms(rule: FieldRule | None = None) -> FieldTerms:
    def normal(value: str) -> str:
        return "" if value.startswith("?") else " ".join(value.split())

    return FieldTerms(rule or FieldRule(), normal, lambda value: normal(value).casefold(), BOTH, BOTH)


TEXT, TAGS = terms(), terms(FieldRule(kind=Kind.UNION))
AGREED = Standing(agreed="Ann")
TORN = Standing(agreed="Ann", contested={"crm": "Anna", "desk": "Hanna"})

TABLE = [
    pytest.param(TEXT, AGREED, "Ann", "Ann", {}, Found.EQUAL, id="what is agreed on"),
    pytest.param(TEXT, AGREED, " ANN ", "x", {}, Found.EQUAL, id="in another spelling, though nobody knew"),
    pytest.param(TAGS, Standing(agreed="a, b"), "b,a", "b,a", {}, Found.EQUAL, id="tags in another order"),
    pytest.param(TEXT, AGREED, "Bob", "Ann", {}, Found.MISSED, id="an edit that nobody knew of"),
    pytest.param(TEXT, AGREED, "", "Ann", {}, Found.MISSED, id="also one that cleared it"),
    pytest.param(TEXT, AGREED, "Bob", None, {}, Found.MISSED, id="of a field that was never shown"),
    pytest.param(TEXT, AGREED, "Bob", "Ann", {"told": True}, Found.KNOWN, id="an edit that a change told of"),
    pytest.param(TEXT, AGREED, "Bob", "bob", {}, Found.KNOWN, id="a difference that is known"),
    pytest.param(TEXT, AGREED, "Bob", "Ann", {"busy": True}, Found.UNDER_WAY, id="while it is being written to"),
    pytest.param(TEXT, AGREED, "?", "Ann", {}, Found.MALFORMED, id="what is none of its type"),
    pytest.param(TEXT, TORN, "?", "Ann", {}, Found.MALFORMED, id="even while it is contested"),
    pytest.param(TEXT, TORN, "Anna", "Anna", {}, Found.CONTESTED, id="what a person is asked about"),
    pytest.param(TEXT, TORN, "Ann", "Ann", {}, Found.CONTESTED, id="in every system that has it"),
]


@pytest.mark.parametrize(("of", "standing", "now", "known", "more", "expect"), TABLE)
def test_a_field_of_a_record(of, standing, now, known, more, expect) -> None:
    told = {"busy": False, "told": False} | more
    assert found(of, standing, now, known, **told) is expect


def test_where_nothing_was_ever_merged_it_is_compared_with_what_would_be() -> None:
    held = {"crm": Held(external_id="1", now={"name": "Anna"}), "desk": Held(external_id="2", now={"name": ""})}
    assert expected({"name": TEXT}, Entity(fields={"name": AGREED}, records=held))["name"].agreed == "Ann"
    assert expected({"name": TEXT}, Entity(records=held))["name"].agreed == "Anna"


@given(st.lists(st.sampled_from(Found)), st.lists(st.sampled_from(Found)))
def test_counts_add_up_and_parts_are_parts(some: list[Found], others: list[Found]) -> None:
    both = tally(some) + tally(others)
    assert both == tally([*some, *others])
    assert both.compared == sum(one in COMPARED for one in (*some, *others))
    assert both.equal + both.missed <= both.compared
    assert both.compared + both.contested + both.malformed + both.under_way == len(some) + len(others)


def test_the_consistency_is_the_share_that_is_equal_of_what_was_compared() -> None:
    assert Tally(compared=4, equal=3).share == 0.75
    assert Tally(contested=4).share is None
