"""Which pairs are put together, and which are doubtful."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.linkage.pairing import MARGIN, Paired, Sides, Weighed, pair, with_things


def weighed(**bits: float) -> list[Weighed]:
    """Pairs such as `a1_b2=20`."""
    return [Weighed(*name.split("_"), worth) for name, worth in bits.items()]


def told(paired: list[Paired]) -> dict[str, tuple[str | None, bool]]:
    return {one.left: (one.right, one.doubtful) for one in paired}


TABLE = [
    pytest.param(weighed(a1_b1=20), {"a1": ("b1", False)}, id="one pair"),
    pytest.param(weighed(a1_b1=20, a1_b2=5), {"a1": ("b1", False)}, id="the better of two"),
    pytest.param(weighed(a1_b1=20, a1_b2=19), {"a1": ("b1", True)}, id="two about as good are doubtful"),
    pytest.param(weighed(a1_b1=20, a2_b1=20), {"a1": ("b1", True), "a2": (None, True)}, id="on the other side too"),
    pytest.param(weighed(a1_b1=20, a2_b1=10), {"a1": ("b1", False), "a2": (None, False)}, id="nothing is left"),
    pytest.param(
        weighed(a1_b1=20, a1_b2=19, a2_b2=35),
        {"a2": ("b2", False), "a1": ("b1", False)},
        id="what belongs to another is no rival",
    ),
    pytest.param(
        weighed(a1_b1=20, a1_b2=20, a2_b1=20, a2_b2=20),
        {"a1": ("b1", True), "a2": ("b2", True)},
        id="twins are doubtful",
    ),
    pytest.param(weighed(a1_b1=20, a2_b1=12, a2_b2=10), {"a1": ("b1", False), "a2": ("b2", False)}, id="second best"),
    pytest.param([], {}, id="nothing"),
]


@pytest.mark.parametrize(("pairs", "expected"), TABLE)
def test_one_to_one(pairs: list[Weighed], expected: dict[str, tuple[str | None, bool]]) -> None:
    assert told(pair(pairs)) == expected


def test_several_of_the_left_may_be_one_of_the_right_where_the_left_has_duplicates() -> None:
    found = pair(weighed(a1_b1=20, a2_b1=19, a2_b2=5, a3_b1=7, a3_b2=6), Sides.MANY_TO_ONE)
    assert told(found) == {"a1": ("b1", False), "a2": ("b1", False), "a3": ("b1", True)}


def test_a_doubtful_record_names_its_choices_the_likeliest_first() -> None:
    found = {one.left: one for one in pair(weighed(a1_b1=20, a1_b3=18, a1_b2=18.5, a2_b1=19))}
    assert found["a1"].choices == ("b1", "b2", "b3")
    assert (found["a2"].choices, found["a2"].bits) == (("b1",), 19)


def test_a_record_for_which_nothing_is_left_has_nothing_that_speaks_for_it() -> None:
    assert pair(weighed(a1_b1=20, a2_b1=10))[1] == Paired("a2", None, float("-inf"))


def test_of_several_records_of_one_thing_the_likeliest_counts_and_they_are_no_rivals() -> None:
    pairs = with_things(weighed(a1_b1=20, a1_b2=19, a1_b3=2), {"b1": "x", "b2": "x", "b3": "y"})
    assert pairs == [Weighed("a1", "x", 20), Weighed("a1", "y", 2)]
    assert told(pair(pairs)) == {"a1": ("x", False)}


PAIRS = st.dictionaries(
    st.tuples(st.sampled_from("abcdef"), st.sampled_from("uvwxyz")), st.integers(-20, 40), max_size=20
).map(lambda found: [Weighed(left, right, float(bits)) for (left, right), bits in found.items()])


@given(PAIRS, st.sampled_from(Sides), st.randoms(use_true_random=False))
def test_the_order_of_the_pairs_does_not_matter(pairs, sides, random):
    assert pair(pairs, sides) == pair(random.sample(pairs, len(pairs)), sides)


@given(PAIRS)
def test_no_record_is_paired_twice(pairs):
    found = [one for one in pair(pairs) if one.right is not None]
    assert len({one.left for one in found}) == len({one.right for one in found}) == len(found)


@given(PAIRS, st.sampled_from(Sides))
def test_every_record_that_was_weighed_is_told_of_once(pairs, sides):
    assert sorted(one.left for one in pair(pairs, sides)) == sorted({one.left for one in pairs})


@given(PAIRS)
def test_a_sure_pair_is_ahead_of_all_that_it_excludes_but_what_belongs_to_better_ones(pairs):
    found = {one.left: one for one in pair(pairs)}
    of_right = {one.right: one for one in found.values() if one.right is not None}
    for one in found.values():
        for other in pairs:
            if one.right is None or one.doubtful or (other.left, other.right) == (one.left, one.right):
                continue
            if other.left == one.left or other.right == one.right:
                taken = max(
                    (holder.bits for holder in (found[other.left], of_right.get(other.right)) if holder), default=0
                )
                assert max(one.bits, taken) - other.bits >= MARGIN
