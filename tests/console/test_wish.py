"""Filters of the queue, as they stand in its address."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.web.wish import Age, Wish, mark

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
PLACE = (NOW, "it-1-fields-a b")

wishes = st.builds(
    Wish,
    policy=st.text(max_size=20),
    kind=st.text(max_size=20),
    age=st.none() | st.sampled_from(Age),
    mine=st.booleans(),
    after=st.just("") | st.just(mark(PLACE)),
)


@given(wish=wishes)
def test_an_address_asks_for_what_was_wished(wish):
    assert Wish.read(dict(parse_qsl(wish.query().removeprefix("?")))) == wish


@given(asked=st.dictionaries(st.sampled_from(["policy", "kind", "age", "mine", "after", "next"]), st.text(max_size=20)))
def test_whatever_stands_in_an_address_can_be_read(asked):
    Wish.read(asked).query()


def test_what_is_unknown_is_left_out():
    assert Wish.read({"age": "ancient", "mine": "1", "after": "yesterday it-1", "next": "//evil.example"}) == Wish()


def test_everything_needs_no_words():
    assert Wish().query() == ""
    assert not Wish(after=mark(PLACE)).narrowed


def test_a_change_is_for_one_address_alone():
    wish = Wish(policy="tiny", after=mark(PLACE))
    assert wish.query(after="") == "?policy=tiny"
    assert wish.place == PLACE


def test_mine_is_what_was_given_to_whoever_looks():
    assert Wish(mine=True).narrow("Ann", NOW).assignee == "Ann"
    assert Wish().narrow("Ann", NOW).assignee is None


@pytest.mark.parametrize(
    ("age", "due_before", "opened_before"),
    [
        (Age.LATE, NOW, None),
        (Age.SOON, NOW + timedelta(hours=1), None),
        (Age.OLD, None, NOW - timedelta(days=1)),
        (None, None, None),
    ],
)
def test_ages_are_times(age, due_before, opened_before):
    narrow = Wish(age=age).narrow("Ann", NOW)
    assert (narrow.due_before, narrow.opened_before) == (due_before, opened_before)
