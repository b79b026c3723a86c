"""Which pairs are compared, and what is said of those that are not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.likeness import sound
from domain.linkage.blocking import By, Part, Way, candidates, keys, keys_of
from domain.linkage.comparison import Compared, Fields, Prepared, prepare
from domain.linkage.grades import Kind

FIELDS = Fields(compared=(Compared(name="name", kind=Kind.NAME), Compared(name="town", kind=Kind.PLACE)))
BY_NAME = Way(parts=(Part(field="name", by=By.BEGINNINGS),))
BY_TOWN = Way(parts=(Part(field="town"),))


def records(prefix: str, *values: tuple[str, str]) -> list[Prepared]:
    return [
        prepare(FIELDS, f"{prefix}{number}", {"name": name, "town": town}) for number, (name, town) in enumerate(values)
    ]


@pytest.mark.parametrize(
    ("by", "value", "found"),
    [
        (By.WHOLE, "julia weber", ("julia weber",)),
        (By.WHOLE, "", ()),
        (By.BEGINNINGS, "weber julia", ("jul web",)),
        (By.BEGINNINGS, "", ()),
        (By.SOUND, "weber julia", (" ".join(sorted([sound("weber"), sound("julia")])),)),
        (By.ANY_WORD, "12 stanley st stanley", ("stanley",)),
        (By.DIGITS, "49406696912", ("6912",)),
        (By.DIGITS, "112", ()),
        (By.FIRST_NUMBER, "12 stanley st 7", ("12",)),
        (By.FIRST_NUMBER, "stanley st", ()),
    ],
)
def test_a_value_makes_these_keys(by: By, value: str, found: tuple[str, ...]) -> None:
    assert keys_of(by, value) == found


@pytest.mark.parametrize(("one", "other"), [("meier", "maier"), ("schmidt", "schmitt"), ("philip", "filip"),
                                            ("catherine", "katrin"), ("knight", "night")])  # fmt: skip
def test_names_that_sound_alike_have_one_sound(one: str, other: str) -> None:
    assert sound(one) == sound(other)


def test_a_pair_that_shares_a_key_by_any_way_is_compared_once() -> None:
    left = records("a", ("Julia Weber", "Hamburg"), ("Omar Haddad", "Kiel"), ("", ""))
    right = records("b", ("Julia Weber", "Hamburg"), ("Chen Li", "Kiel"), ("Ann Other", "Ulm"), ("", ""))
    blocked = candidates(FIELDS, [BY_NAME, BY_TOWN], left, right)
    assert list(blocked) == [(0, 0), (1, 1)]
    assert blocked.by_way == ({0: (0,)}, {0: (0,), 1: (1,)})
    assert len(blocked) == 2


def test_a_way_of_two_parts_needs_both() -> None:
    both = Way(parts=(Part(field="name", by=By.ANY_WORD), Part(field="town")))
    left = records("a", ("Julia Weber", "Hamburg"), ("Omar Haddad", ""))
    assert keys(FIELDS, [both], left[0]) == ("0|julia|hamburg", "0|weber|hamburg")
    assert keys(FIELDS, [BY_TOWN, both], left[1]) == ()
    assert both.fields == {"name", "town"}


def test_a_single_part_needs_no_list() -> None:
    assert Way.model_validate({"parts": {"field": "town"}}) == BY_TOWN


def test_a_block_that_is_too_large_is_left_out_and_told() -> None:
    left = records("a", *[(f"Person{number} X", "Hamburg") for number in range(4)], ("Julia Weber", "Kiel"))
    right = records("b", ("Julia Weber", "Kiel"), *[(f"Other{number} Y", "Hamburg") for number in range(2)])
    blocked = candidates(FIELDS, [BY_TOWN], left, right, largest=3)
    assert [(one.way, one.key, one.left, one.right) for one in blocked.oversized] == [(0, "|hamburg", 4, 2)]
    assert blocked.unreached == {"a0", "a1", "a2", "a3"}
    assert list(blocked) == [(4, 0)]


def test_who_is_found_another_way_was_reached() -> None:
    left = records("a", ("Julia Weber", "Hamburg"), ("Omar Haddad", "Hamburg"))
    right = records("b", ("Julia Weber", "Hamburg"))
    assert candidates(FIELDS, [BY_TOWN, BY_NAME], left, right, largest=1).unreached == frozenset()


NAMES = st.sampled_from(["Julia Weber", "Weber Julia", "Omar Haddad", "Chen Li", ""])
ROWS = st.lists(st.tuples(NAMES, st.sampled_from(["Kiel", "Ulm", ""])), max_size=12)


@given(ROWS, ROWS, st.integers(1, 4), st.randoms(use_true_random=False))
def test_neither_the_order_nor_the_sides_matter_and_no_record_is_compared_with_too_many(rows, others, largest, random):
    left, right = records("a", *rows), records("b", *others)
    ways = [BY_NAME, BY_TOWN]
    found = {(left[one].id, right[other].id) for one, other in candidates(FIELDS, ways, left, right, largest)}
    mixed = random.sample(left, len(left))
    again = {(right[one].id, mixed[other].id) for one, other in candidates(FIELDS, ways, right, mixed, largest)}
    assert {(other, one) for one, other in again} == found
    assert len(found) <= largest * len(ways) * max(1, len(left))
