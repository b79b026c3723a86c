"""What is looked at again is told once, whatever appears between, and what is old is forgotten."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from connectors.overlap import look

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@given(
    st.lists(
        st.tuples(st.integers(0, 20), st.integers(0, 30), st.integers(1, 4)), max_size=40, unique_by=lambda one: one[0]
    )
)
def test_each_change_that_appears_within_the_overlap_is_told_once(changes: list[tuple[int, int, int]]) -> None:
    """A change happens at a minute and appears up to 4 minutes later; looks are a minute apart."""
    floor, told, seen = None, (), []
    for minute in range(60):
        now = NOON + timedelta(minutes=minute)
        while True:
            there = sorted((at, key) for key, at, late in changes if at + late <= minute)
            found = {one: NOON + timedelta(minutes=one[0]) for one in there if floor is None or one > floor}
            got = look(found, floor, told, count=2, begin=now - timedelta(minutes=5), most_told=100, whole=True)
            floor, told = got.floor, got.told
            seen += got.taken
            if not got.left:
                break
    assert sorted(seen) == sorted((at, key) for key, at, _ in changes)
    assert told == ()


def test_no_more_are_remembered_than_may_be_and_none_is_told_twice() -> None:
    found = dict.fromkeys(range(9), NOON)

    first = look(found, None, (), count=5, begin=NOON, most_told=2, whole=True)
    rest = dict.fromkeys(range(3, 9), NOON)
    second = look(rest, first.floor, first.told, count=5, begin=NOON, most_told=2, whole=True)

    assert (first.taken, first.left, first.floor, first.told) == ((0, 1, 2, 3, 4), True, 2, (3, 4))
    assert (second.taken, second.left, second.floor, second.told) == ((5, 6, 7, 8), False, 6, (7, 8))


def test_what_was_told_behind_what_was_found_is_remembered() -> None:
    got = look({1: NOON, 2: NOON}, None, (2, 5), count=5, begin=NOON, most_told=9, whole=False)

    assert (got.taken, got.told) == ((1,), (1, 2, 5))
