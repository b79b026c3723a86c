"""Draws, digests, waits and accounts."""

import pytest
from builders import NOW, claimed, proposal
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.account import Account
from domain.delivery import LONGEST_WAIT_S, Patience, backoff, operation_id
from domain.item import InboundItem
from domain.values import digest, share

LETTERS = st.text(st.sampled_from("abcxyzäöüéßÄÖÉ ABC123,."), max_size=30)


@given(st.text())
def test_a_share_is_at_least_0_and_less_than_1_and_can_be_drawn_again(seed: str) -> None:
    assert 0 <= share(seed) < 1
    assert share(seed) == share(seed)


def test_shares_are_spread_evenly() -> None:
    drawn = [share(f"seed {number}") for number in range(4000)]

    assert sum(one < 0.1 for one in drawn) / len(drawn) == pytest.approx(0.1, abs=0.02)


@given(st.dictionaries(st.text(max_size=3), st.integers()))
def test_a_digest_does_not_depend_on_the_order_of_keys(value: dict[str, int]) -> None:
    assert digest(value) == digest(dict(reversed(value.items())))


def test_a_digest_tells_parts_apart() -> None:
    assert digest("ab", "c") != digest("a", "bc")


def item(text: str, **fields: str) -> InboundItem:
    return claimed(text, **fields).item


@given(LETTERS, st.sampled_from([" ", "\n", "\t \r\n"]))
def test_case_and_white_space_make_no_new_content(text: str, space: str) -> None:
    respelt = space + text.replace(" ", space).swapcase() + space
    spaced = f" {text} "

    assert item(respelt, message=respelt).content_hash == item(spaced, message=spaced).content_hash


@given(LETTERS, LETTERS)
def test_other_words_are_other_content(one: str, other: str) -> None:
    assume(" ".join(one.split()).casefold() != " ".join(other.split()).casefold())

    assert item(one).content_hash != item(other).content_hash
    assert item("same", message=one).content_hash != item("same", message=other).content_hash


def test_who_delivered_it_makes_no_new_content() -> None:
    assert claimed(external_id="1").item.content_hash == claimed(external_id="2").item.content_hash


@given(
    st.integers(1, 10_000),
    st.floats(0.001, LONGEST_WAIT_S),
    st.floats(0.001, LONGEST_WAIT_S),
    st.none() | st.floats(0, 3600),
    st.text(max_size=5),
)
def test_a_wait_is_bounded_and_never_undercuts_retry_after(
    tries: int, first_s: float, longest_s: float, asked_s: float | None, operation: str
) -> None:
    patience = Patience(first_delay_s=first_s, longest_delay_s=longest_s)
    wait_s = backoff(operation, tries, patience, asked_s).total_seconds()

    assert wait_s >= (asked_s or 0) - 1e-6
    assert wait_s >= min(first_s, longest_s) - 1e-6
    assert wait_s <= max(1.5 * longest_s, asked_s or 0) + 1e-6


def test_waits_double_up_to_their_cap() -> None:
    patience = Patience(first_delay_s=1, longest_delay_s=10)
    jitters = [1 + share(f"op/{tries}") / 2 for tries in range(1, 7)]

    waits = [backoff("op", tries, patience, None).total_seconds() for tries in range(1, 7)]

    assert waits == pytest.approx([base * jitter for base, jitter in zip([1, 2, 4, 8, 10, 10], jitters, strict=True)])


def test_no_policy_can_ask_for_endless_waits() -> None:
    with pytest.raises(ValidationError, match="less than or equal to 604800"):
        Patience(longest_delay_s=float("inf"))


def test_an_operation_has_one_id_however_often_it_is_planned() -> None:
    assert operation_id("item-1", "crm") == operation_id("item-1", "crm")
    assert len({operation_id(one, to) for one in ("1", "2") for to in ("crm", "mail")}) == 4


def test_a_proposals_hash_changes_with_anything_in_it() -> None:
    changed = [proposal(), proposal(confidence=0.91), proposal(opinion="repairs"), proposal(detail="late")]
    changed += [proposal(tampering=("chat_markup",)), proposal(voter="other examples"), proposal(dissent=0.2)]

    assert len({one.hash for one in changed}) == len(changed)
    assert proposal().hash == proposal().hash


@pytest.mark.parametrize(
    ("done", "unaccounted"), [pytest.param(5, 0, id="all accounted for"), pytest.param(4, 1, id="one lost")]
)
def test_an_account_shows_what_came_in_and_stands_nowhere(done: int, unaccounted: int) -> None:
    account = Account(accepted=11, done=done, waiting=3, escalated=2, dead_lettered=1)

    assert account.unaccounted == unaccounted


def test_an_item_needs_a_time_zone() -> None:
    with pytest.raises(ValidationError, match="timezone"):
        InboundItem(source="post", external_id="1", received_at=NOW.replace(tzinfo=None), text="x", fields={})
