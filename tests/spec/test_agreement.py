"""Who may answer a review, and how many different people must: the whole of `domain.agreement`."""

import pytest
from builders import NOW

from domain.agreement import Agreed, barred, before, missing, names, same_person, unknown
from domain.review import Answer, Proven, Refusal


def answer(reviewer: str = "Ada", choice: str = "refund", **more: object) -> Answer:
    return Answer.model_validate({"choice": choice, "reviewer": reviewer, "binding": "b"} | more)


def agreed(reviewer: str, choice: str = "refund", binding: str = "b", **inputs: str) -> Agreed:
    return Agreed(reviewer=reviewer, proven=Proven.CLAIMED, choice=choice, inputs=inputs, binding=binding, at=NOW)


SAME = [
    pytest.param("Ada", "Ada", id="the same words"),
    pytest.param("Ada Lovelace", "  ada   lovelace ", id="letter case and white space aside"),
    pytest.param("ada@example.com", "ADA@Example.com", id="the same address"),
    pytest.param("Ada Lovelace <ada@example.com>", "ada@example.com", id="an address with a name"),
    pytest.param("Ada <ada@example.com>", "Countess (ada@example.com)", id="one address under two names"),
]
DIFFERENT = [
    pytest.param("Ada", "Bob", id="two names"),
    pytest.param("ada@example.com", "bob@example.com", id="two addresses"),
    pytest.param("Ada", "Ada Lovelace", id="a part of a name is not the name"),
    pytest.param("ada@example.com", "ada@example.com.evil.example", id="an address that begins like another"),
    pytest.param("", "", id="nobody is nobody"),
    pytest.param("", "Ada", id="nobody is not somebody"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_one_person_under_two_names(one: str, other: str) -> None:
    assert same_person(one, other)
    assert same_person(other, one)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_two_people(one: str, other: str) -> None:
    assert not same_person(one, other)
    assert not same_person(other, one)


def test_somebody_is_known_by_their_words_and_their_addresses() -> None:
    assert names("Ada  L. <Ada@Example.com>") == {"ada l. <ada@example.com>", "ada@example.com"}


def test_whom_the_people_file_knows_is_one_person_under_name_and_address() -> None:
    known = [frozenset({"ada lovelace", "ada@example.com"}), frozenset({"bob", "bob@example.com"})]
    assert same_person("Ada Lovelace", "ada@example.com", known)
    assert not same_person("Ada Lovelace", "bob@example.com", known)
    assert barred(answer("Ada Lovelace"), ["ada@example.com"], [], known, key_used=False) is Refusal.CONCERNED


REFUSALS = [
    pytest.param(answer(), [], [], True, Refusal.KEY_USED, id="a link decides once"),
    pytest.param(answer("ann@shop.example"), ["Ann", "Ann@shop.example"], [], False, Refusal.CONCERNED,
                 id="who sent the message does not decide it"),
    pytest.param(answer("Bob"), ["bob"], [], False, Refusal.CONCERNED, id="who asked for it does not approve it"),
    pytest.param(answer("Ada"), [], [agreed("ada")], False, Refusal.SAME_PERSON, id="nobody agrees twice"),
    pytest.param(answer("Ada"), ["", "Ann"], [agreed("Bob")], False, None, id="anybody else may"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "people", "others", "used", "why"), REFUSALS)
def test_who_may_not_answer(
    given: Answer, people: list[str], others: list[Agreed], used: bool, why: Refusal | None
) -> None:
    assert barred(given, people, others, key_used=used) is why


def test_only_the_same_answer_to_the_same_question_counts() -> None:
    others = [
        agreed("Bob"),
        agreed("Cid", choice="deny"),
        agreed("Dan", binding="what was shown before"),
        agreed("Eve", amount="1000 EUR"),
    ]
    assert [one.reviewer for one in before(answer(), others)] == ["Bob"]


@pytest.mark.parametrize(
    ("needed", "given", "still"),
    [
        pytest.param(1, [], 0, id="one person is enough"),
        pytest.param(2, [], 1, id="the first of two"),
        pytest.param(2, [agreed("Bob")], 0, id="the second of two"),
        pytest.param(3, [agreed("Bob")], 1, id="the second of three"),
        pytest.param(1, [agreed("Bob"), agreed("Cid")], 0, id="never less than nobody"),
    ],
)
def test_how_many_people_are_missing(needed: int, given: list[Agreed], still: int) -> None:
    assert missing(needed, given) == still


def test_an_answer_of_several_people_names_all_of_them() -> None:
    assert answer(" Ada ").by == "Ada"
    assert answer("Ada", agreed=("Bob", "Cid")).by == "Bob and Cid and Ada"


KNOWN = [frozenset({"ada lovelace", "ada@example.com"})]


@pytest.mark.parametrize(
    ("given", "needed", "why"),
    [
        pytest.param(answer("Bob"), 1, None, id="one person's name is taken as given"),
        pytest.param(answer("Bob"), 2, Refusal.UNKNOWN_PERSON, id="one of two people must be known"),
        pytest.param(answer(" ADA  Lovelace"), 2, None, id="by their name"),
        pytest.param(answer("Countess <ada@example.com>"), 2, None, id="or by an address"),
        pytest.param(answer("Bob", proven=Proven.LINK), 2, None, id="or by a link of theirs"),
    ],
)
def test_who_counts_where_different_people_must_agree(given: Answer, needed: int, why: Refusal | None) -> None:
    assert unknown(given, needed, KNOWN) is why


@pytest.mark.parametrize(
    ("given", "needed", "why"),
    [
        pytest.param(answer("Ada Lovelace"), 1, None, id="one person's name is taken as given"),
        pytest.param(answer("Ada Lovelace"), 2, Refusal.UNPROVEN, id="anybody can type a name that is known"),
        pytest.param(answer("Ada Lovelace", proven=Proven.LINK), 2, None, id="a link is one's own"),
    ],
)
def test_who_counts_where_each_must_come_by_a_link(given: Answer, needed: int, why: Refusal | None) -> None:
    assert unknown(given, needed, KNOWN, links_alone=True) is why
