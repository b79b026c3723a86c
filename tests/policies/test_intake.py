"""From a record to an item, its checked fields and the rule that matches it."""

from typing import Any

import pytest
from builders import NOW, claimed, policy
from hypothesis import given
from hypothesis import strategies as st

from domain.decision import RuleAction, RuleMatch
from domain.errors import InputInvalid
from domain.extraction import By, Extraction, Found, Ground
from domain.intake import Gap
from policies.intake import (
    LONGEST_FIELD,
    LONGEST_TEXT,
    Checked,
    asked_fields,
    check,
    complete,
    make_item,
    match_rule,
    seen,
)

TINY = policy()
ANYTHING = st.text(st.characters())


def item(**fields: Any) -> Any:
    return make_item(TINY, "post", "7", NOW, {"message": "hello"} | fields)


@pytest.mark.parametrize(
    ("raw", "written", "number"),
    [
        pytest.param("500", "500", 500, id="a count"),
        pytest.param(" 500 ", "500", 500, id="white space around it"),
        pytest.param("500+", "500", 500, id="at least so many"),
        pytest.param("1,200", "1200", 1200, id="grouped by commas"),
        pytest.param("1.200.000", "1200000", 1_200_000, id="grouped by points"),
        pytest.param("1 200", "1200", 1200, id="grouped by spaces"),
        pytest.param("1234567", "1234567", 1_234_567, id="seven digits are not rounded"),
        pytest.param("999999999999999", "999999999999999", 999_999_999_999_999, id="the largest number"),
        pytest.param("12.5", "12.5", 12.5, id="a fraction"),
        pytest.param("0", "0", 0, id="nothing of it"),
        *[
            pytest.param(raw, None, None, id=f"not a count: {raw or 'empty'}")
            for raw in ("", "many", "-3", "nan", "inf", "1e15", "10-50", "1,5", "1,200.50", "+", "0x10")
        ],
    ],
)
def test_a_number_is_read_as_people_write_counts(raw: str, written: str | None, number: float | None) -> None:
    checked = check(item(toys=raw), TINY)

    assert checked.values.get("toys") == written
    assert checked.numbers.get("toys") == number


@pytest.mark.parametrize(
    ("raw", "written"),
    [
        pytest.param("ada@example.com", "ada@example.com", id="as it should be"),
        pytest.param(" Ada.L@Example.COM ", "ada.l@example.com", id="capitals and white space"),
        pytest.param("ada+toys@example.com", "ada+toys@example.com", id="a tag"),
        pytest.param("info@müller.example", "info@müller.example", id="an umlaut in the domain"),
        *[
            pytest.param(raw, None, id=f"not an address: {raw or 'empty'}")
            for raw in ("", "ada", "ada@", "@example.com", "ada@@example.com", "ada@example", "Ada <ada@example.com>",
                        "ada@example.com, bob@example.com", "ada@exa mple.com")
        ],
    ],
)  # fmt: skip
def test_an_e_mail_address_is_normalised_or_missing(raw: str, written: str | None) -> None:
    checked = check(item(email=raw), TINY)

    assert checked.values.get("email") == written
    assert checked.missing == (() if written else ("email",))


def test_fields_that_the_policy_does_not_know_are_kept_and_not_used() -> None:
    came_in = item(email="ada@example.com", website="toys.example")

    assert came_in.other["website"] == "toys.example"
    assert check(came_in, TINY) == Checked({"message": "hello", "email": "ada@example.com"}, {}, {})


@given(ANYTHING, ANYTHING, ANYTHING, ANYTHING)
def test_no_text_is_too_strange_to_be_checked_matched_and_hashed(
    message: str, email: str, toys: str, external_id: str
) -> None:
    try:
        came_in = make_item(TINY, "post", external_id, NOW, {"message": message, "email": email, "toys": toys})
    except InputInvalid:
        return
    checked = check(came_in, TINY)
    match_rule(came_in, checked, TINY)

    assert all(number >= 0 for number in checked.numbers.values())
    assert len(came_in.content_hash) == 64
    assert "\0" not in came_in.model_dump_json()


@pytest.mark.parametrize("raw", ["a@b.example\ud83d", "\ud83d"])
def test_half_a_character_is_marked_not_fatal(raw: str) -> None:
    assert item(message=raw).text == raw.replace("\ud83d", "\N{REPLACEMENT CHARACTER}")


def test_values_that_are_no_text_are_written_out_and_empty_ones_left_out() -> None:
    came_in = item(toys=3, email=None, name="  ", message=" hello\n")

    assert came_in.fields == {"message": "hello", "toys": "3"}
    assert came_in.text == "hello"


@pytest.mark.parametrize(
    ("source", "external_id", "fields", "why"),
    [
        pytest.param("post", "7", {}, "nothing to classify: message, email, toys are all empty", id="no fields"),
        pytest.param("post", "7", {"message": " \n"}, "nothing to classify", id="white space"),
        pytest.param("post", "7", {"email": "a@b.example"}, "nothing to classify", id="nothing that the text is of"),
        pytest.param("post", "7", {"message": "x" * (LONGEST_TEXT + 1)}, "20001 characters; at most 20000",
                     id="more than is classified"),
        pytest.param("", "7", {"message": "x"}, "source: String should have at least 1 character", id="no source"),
        pytest.param("post", "", {"message": "x"}, "external_id: String should have at least 1 character", id="no id"),
        pytest.param("post", "7" * 301, {"message": "x"}, "external_id: String should have at most 300 characters",
                     id="an endless id"),
    ],
)  # fmt: skip
def test_a_record_that_cannot_become_an_item_says_why(
    source: str, external_id: str, fields: dict[str, object], why: str
) -> None:
    with pytest.raises(InputInvalid, match=why):
        make_item(TINY, source, external_id, NOW, fields)


def test_a_text_of_the_greatest_length_is_taken() -> None:
    assert len(item(message="x" * LONGEST_TEXT).text) == LONGEST_TEXT


@pytest.mark.parametrize(
    ("message", "rule", "action"),
    [
        pytest.param("hello", "not_read_whole", RuleAction.PERSON, id="no rule matches"),
        pytest.param("toys please", "not_read_whole", RuleAction.PERSON, id="no rule routes what was not read whole"),
        pytest.param("my lawyer", "not_read_whole", RuleAction.PERSON, id="a person, either way"),
        pytest.param("unsubscribe", "machine", RuleAction.REJECT, id="a rule that ends it still does"),
    ],
)
def test_what_is_cut_because_nobody_would_hear_of_a_refusal_goes_to_a_person(
    message: str, rule: str, action: RuleAction
) -> None:
    rules = [
        {"name": "toys", "when": 'text =~~ "toys"', "route": "sales"},
        {"name": "threat", "when": 'text =~~ "lawyer"', "action": "person"},
        {"name": "machine", "when": 'text =~~ "unsubscribe"', "action": "reject"},
    ]
    ruled = policy(rules=rules)
    fields = {"message": f"{message} {'x' * LONGEST_TEXT}", "elsewhere": "y" * (LONGEST_FIELD + 1)}

    cut = make_item(ruled, "mail", "7", NOW, fields, unheard=True)

    assert (cut.whole, cut.text[LONGEST_TEXT:]) == (False, f"\n[cut here: {len(fields['message'])} characters came]")
    assert (cut.fields["message"], len(cut.other["elsewhere"])) == (fields["message"], LONGEST_FIELD)
    match = match_rule(cut, check(cut, ruled), ruled)
    assert match is not None
    assert (match.name, match.action) == (rule, action)


def test_attachments_without_a_text_make_an_item_of_which_only_the_same_delivery_is_the_same() -> None:
    told = {"message": "", "attachments": "a.pdf (application/pdf, 5 bytes)"}

    one, other = (make_item(TINY, "mail", name, NOW, told, unheard=True) for name in "12")

    assert (one.text, one.whole) == ("[no text; attached: a.pdf (application/pdf, 5 bytes)]", False)
    assert one.content_hash != other.content_hash
    with pytest.raises(InputInvalid, match="nothing to classify"):
        make_item(TINY, "mail", "3", NOW, {"message": ""}, unheard=True)


@pytest.mark.parametrize(
    ("message", "toys", "match"),
    [
        pytest.param("hello", "99", None, id="no rule matches"),
        pytest.param("hello", "", None, id="a field that is absent matches no comparison"),
        pytest.param("hello", "a lot", None, id="a malformed number matches no comparison"),
        pytest.param(
            "my LAWYER", "", RuleMatch(name="threat", action=RuleAction.PERSON), id="the text of a message matches"
        ),
        pytest.param(
            "my lawyer wants toys",
            "1,000",
            RuleMatch(name="many_toys", action=RuleAction.ROUTE, route="sales", flags=("bulk",)),
            id="the first rule that matches counts",
        ),
    ],
)
def test_rules_are_read_in_order(message: str, toys: str, match: RuleMatch | None) -> None:
    came_in = claimed(message, message=message, toys=toys).item

    assert match_rule(came_in, check(came_in, TINY), TINY) == match


def test_rules_see_what_is_missing_and_where_it_came_from() -> None:
    when = "'email' in missing and source == 'post'"
    strict = policy(rules=[{"name": "anonymous", "when": when, "action": "reject"}])
    anonymous, known = claimed("hi").item, claimed("hi", email="ada@example.com").item

    assert match_rule(anonymous, check(anonymous, strict), strict) is not None
    assert match_rule(known, check(known, strict), strict) is None


CHECKED = policy(
    validation={"checks": [{"field": "toys", "must": "toys <= 1000", "message": "nobody orders so many; ask"}]}
)


def test_a_value_of_which_a_check_does_not_hold_is_missing_and_says_why() -> None:
    checked = check(item(toys="5000"), CHECKED)

    assert (checked.values.get("toys"), checked.numbers, checked.missing) == (None, {}, ("toys",))
    assert checked.faults == {"toys": "nobody orders so many; ask"}


@pytest.mark.parametrize("fields", [{"toys": "12"}, {}])
def test_a_check_that_holds_or_has_nothing_to_look_at_marks_nothing(fields: dict[str, str]) -> None:
    assert check(item(**fields), CHECKED).missing == ()


EXTRACTING = policy(
    input={"fields": {"message": "text", "email": "email", "name": "name", "toys": "number"}, "text": "{{ message }}"},
    extract={"ours": ["toyshop.example"], "fields": {"email": {"description": "address of the sender"}}},
    validation={
        "required": ["email", "name"],
        "checks": [{"field": "toys", "must": "toys < 9", "message": "too many"}],
    },
)
ENVELOPE = frozenset({"email", "name"})


@pytest.mark.parametrize(
    ("told", "own"),
    [
        pytest.param({"email": "ada@example.com", "name": "Ada Byron"}, {"email", "name"}, id="a sender's own"),
        pytest.param({"email": "bob@toyshop.example", "name": "Bob Bear"}, set(), id="a colleague who passes it on"),
        pytest.param({"email": "ada@example.com", "name": "n/a"}, {"email"}, id="a name that is none"),
        pytest.param({"name": "Ada Byron"}, {"name"}, id="nothing but a name"),
    ],
)
def test_what_the_envelope_tells_is_the_items_own_only_if_it_holds(told: dict[str, str], own: set[str]) -> None:
    made = make_item(EXTRACTING, "mail", "7", NOW, {"message": "hello", **told}, ENVELOPE)

    assert made.fields.keys() == {"message"} | own
    assert made.other == {name: text for name, text in told.items() if name not in own}


def test_where_nothing_is_extracted_the_envelope_is_all_there_is() -> None:
    made = make_item(TINY, "mail", "7", NOW, {"message": "hello", "email": "bob@toyshop.example"}, ENVELOPE)

    assert made.fields["email"] == "bob@toyshop.example"


def test_a_form_may_name_a_colleague() -> None:
    made = make_item(EXTRACTING, "web_form", "7", NOW, {"message": "hello", "email": "bob@toyshop.example"})

    assert made.fields["email"] == "bob@toyshop.example"


def test_each_gap_says_why_a_field_has_no_value() -> None:
    unsure = Found(value="ada@example.com", by=By.PATTERN, ground=Ground.SEVERAL, confidence=0.4)
    raw = {"message": "hello", "name": "?", "toys": "12"}
    found = make_item(EXTRACTING, "web_form", "7", NOW, raw)

    assert check(found, EXTRACTING, Extraction(key="k", found={"email": unsure})).gaps == {
        "email": Gap.UNSURE,
        "name": Gap.MALFORMED,
        "toys": Gap.FAULTY,
    }
    assert check(make_item(EXTRACTING, "web_form", "7", NOW, {"message": "hello"}), EXTRACTING).gaps == {
        "email": Gap.ABSENT,
        "name": Gap.ABSENT,
    }


def test_what_is_too_unsure_to_be_written_is_told_with_its_field_and_not_where_a_value_came_in() -> None:
    unsure = Found(value="ada@example.com", by=By.PATTERN, ground=Ground.CUED, confidence=0.9)
    extraction = Extraction(key="k", found={"email": unsure})
    found = make_item(EXTRACTING, "web_form", "7", NOW, {"message": "hello"})
    given = make_item(EXTRACTING, "web_form", "7", NOW, {"message": "hello", "email": "bob@example.com"})

    assert check(found, EXTRACTING, extraction).unsure == ("email: ada@example.com",)
    assert seen(found, check(found, EXTRACTING, extraction))["unsure"] == ["email: ada@example.com"]
    assert check(given, EXTRACTING, extraction).unsure == ()
    assert complete(found, EXTRACTING, extraction, {"email": None}).unsure == ()


def test_a_person_may_fill_in_what_is_required_or_checked_too() -> None:
    assert asked_fields(EXTRACTING) == ("email", "name", "toys")
    assert asked_fields(TINY) == ("email",)


def test_what_a_person_fills_in_is_checked_as_if_it_had_come_in() -> None:
    assert (
        complete(item(email="nonsense"), TINY, None, {"email": "Ada@Example.com"}).values["email"] == "ada@example.com"
    )
    assert complete(item(email="ada@example.com"), TINY, None, {"email": None}).gaps == {"email": Gap.ABSENT}
