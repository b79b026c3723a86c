"""When a record is no longer what a write to it was decided on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.delivery import Conflict, Operation
from domain.expected import by_letter, moved, refused


def write(expected: dict[str, str] | None, **values: str) -> Operation:
    return Operation(
        operation_id="op-1",
        item_id="it-1",
        policy="accounts",
        destination="crm",
        system="hubspot",
        record_key="ann",
        values=values,
        external_id="7",
        expected=expected,
    )


def without_case(_name: str, one: str, other: str) -> bool:
    return one.casefold() == other.casefold()


TABLE = [
    pytest.param(None, {"city": "Bonn"}, {"city": "Ulm"}, [], id="nothing is expected of it"),
    pytest.param({}, {"city": "Bonn"}, {"city": "Ulm"}, [], id="nothing is expected of any value"),
    pytest.param({"city": "Ulm"}, {"city": "Bonn"}, {"city": "Ulm"}, [], id="it holds what was expected"),
    pytest.param({"city": "Ulm"}, {"city": "Bonn"}, {"city": "Köln"}, ["city"], id="somebody has changed it"),
    pytest.param({"city": "Ulm"}, {"city": "Bonn"}, {"city": "Bonn"}, [], id="it holds what is to be written"),
    pytest.param({"city": ""}, {"city": "Bonn"}, {}, [], id="it is blank, as expected"),
    pytest.param({"city": "Ulm"}, {"city": "Bonn"}, {}, ["city"], id="somebody has cleared it"),
    pytest.param({"city": "Ulm"}, {"city": ""}, {}, [], id="it is clear, as it is to be"),
    pytest.param({"city": "Ulm"}, {"fax": "1"}, {"city": "Köln"}, ["city"], id="a value that is not written"),
    pytest.param(
        {"city": "Ulm", "fax": "1"}, {"city": "Bonn", "fax": "2"}, {"city": "Bonn", "fax": "1"}, [], id="half of it"
    ),
    pytest.param(
        {"fax": "1", "city": "Ulm"}, {"city": "Bonn", "fax": "2"}, {"city": "X", "fax": "X"}, ["city", "fax"], id="all"
    ),
    pytest.param(
        {"city": "Ulm"}, {"fax": "2"}, {"city": "Ulm", "fax": "X"}, [], id="of the others nothing is expected"
    ),
]


@pytest.mark.parametrize(("expected", "values", "held", "names"), TABLE)
def test_a_record_has_moved_where_it_holds_neither_what_was_expected_nor_what_is_to_be_written(
    expected: dict[str, str] | None, values: dict[str, str], held: dict[str, str], names: list[str]
) -> None:
    assert moved(write(expected, **values), held) == names


def test_what_is_the_same_is_for_the_system_to_say() -> None:
    one = write({"email": "Ann@example.com"}, email="ann@example.org")

    assert moved(one, {"email": "ann@example.com"}, without_case) == []
    assert moved(one, {"email": "ann@example.com"}, by_letter) == ["email"]


def test_the_outcome_names_what_has_moved_and_shows_no_value() -> None:
    one = write({"city": "Ulm", "fax": "1"}, city="Bonn")

    assert refused("CRM", one, {"city": "Ulm", "fax": "1"}) is None
    assert refused("CRM", one, {"city": "Köln", "fax": "2"}) == Conflict(
        detail="CRM: record 7: city is not what it was; fax is not what it was", moved=True
    )


TEXTS = st.dictionaries(st.sampled_from("abc"), st.sampled_from(["", "1", "2"]))


@given(TEXTS, TEXTS, TEXTS)
def test_who_has_written_may_write_again_and_of_two_with_other_values_one_may(
    held: dict[str, str], ours: dict[str, str], theirs: dict[str, str]
) -> None:
    expected = {name: held.get(name, "") for name in ours}
    assert moved(write(expected, **ours), held) == []
    assert moved(write(expected, **ours), held | ours) == []

    contested = {name for name in ours if name in theirs and theirs[name] not in (held.get(name, ""), ours[name])}
    assert set(moved(write(expected, **ours), held | theirs)) == contested
