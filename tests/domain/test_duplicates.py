"""What a search for duplicates comes to, and what a person's answer makes of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.duplicates import (
    DO_NOT_WRITE,
    NEW_RECORD,
    Comparison,
    Finding,
    agreeing,
    choices,
    compare_with,
    settle_duplicate,
)
from domain.sameness import Identity, IdentityNames, Known, identity_of

JULIA = Identity(email="julia@example.com", phone="+49301234567", name="Julia Weber", company="Nordlager GmbH")


def known(external_id: str = "17", **changes: str) -> Known:
    return Known(external_id=external_id, identity=JULIA.model_copy(update=changes))


TABLE = [
    pytest.param([], Finding.DIFFERENT, (), "0 that are alike were compared", id="nothing was found"),
    pytest.param([known(name="Ole Berg", email="o@example.com", phone="")], Finding.DIFFERENT, (), "1 that are alike",
                 id="a stranger"),
    pytest.param([known()], Finding.SAME, ("17",), "email, phone, name, company agree", id="the very same"),
    pytest.param([known(email="jw@example.com", phone="")], Finding.ASK_PERSON, ("17",),
                 "name, company agree, and that is not enough", id="another address"),
    pytest.param([known(), known("18")], Finding.ASK_PERSON, ("17", "18"), "not enough", id="two that are the same"),
    pytest.param([known(email="", company="", name="J. Weber")], Finding.ASK_PERSON, ("17",), "phone agree",
                 id="an initial and the telephone"),
]  # fmt: skip


@pytest.mark.parametrize(("found", "finding", "records", "why"), TABLE)
def test_a_search_says_what_becomes_of_the_write(
    found: list[Known], finding: Finding, records: tuple[str, ...], why: str
) -> None:
    said = compare_with(JULIA, found)

    assert (said.finding, said.records, said.by) == (finding, records, "")
    assert why in said.why


def test_names_that_are_only_like_each_other_are_told_so() -> None:
    said = compare_with(
        Identity(email="weber@example.com", name="Jana Weber"),
        [Known(external_id="17", identity=Identity(email="jv@example.com", name="Jana Webre"))],
    )

    assert said.why.startswith("the names nearly agree")


def test_what_is_not_known_does_not_agree() -> None:
    assert agreeing(JULIA, known(name="JULIA WEBER", phone="").identity) == ["email", "name", "company"]
    assert agreeing(Identity(), Identity()) == []


@given(st.lists(st.text(min_size=1, max_size=9), unique=True, max_size=4))
def test_every_choice_settles_the_write_and_only_that_of_a_record_leads_to_one(records: list[str]) -> None:
    settled = {choice: settle_duplicate(choice, " Ada ", " phoned ") for choice in choices(records, "crm")}

    assert settled[NEW_RECORD] == Comparison(finding=Finding.DIFFERENT, why="phoned", by="Ada")
    assert settled[DO_NOT_WRITE] == Comparison(finding=Finding.UNWANTED, why="phoned", by="Ada")
    assert sorted(one.written_to for one in settled.values() if one.written_to) == sorted(records)


def test_a_person_need_not_say_why() -> None:
    assert settle_duplicate("same_as_17", "Ada", "").why == "no reason was given"


def test_only_a_record_that_is_the_same_is_written_to() -> None:
    for finding in Finding:
        to = Comparison(finding=finding, records=("17",), why="").written_to
        assert to == ("17" if finding in (Finding.SAME, Finding.REMEMBERED) else "")


def test_a_policy_says_what_its_values_are_called() -> None:
    names = IdentityNames(email="Mail", name=("first", "last"))
    values = {"mail": " j@example.com ", "First": "Julia", "last": "Weber", "name": "not this"}

    assert names.every == ("Mail", "phone", "first", "last", "company")
    assert identity_of(values, names) == Identity(email="j@example.com", name="Julia Weber")
