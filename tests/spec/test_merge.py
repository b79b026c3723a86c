"""What becomes of a field that several systems hold: a table of cases, and what holds for all of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.merge import FieldRule, Kind, Merged, Side, Why, merge

STAGES = ("lead", "offer", "won")
ASK = FieldRule()
OWNED = FieldRule(owner="crm")
TAGS = FieldRule(kind=Kind.UNION)
NOTES = FieldRule(kind=Kind.APPEND)
STAGE = FieldRule(kind=Kind.FORWARD, stages=STAGES)
OWNED_STAGE = FieldRule(owner="crm", kind=Kind.FORWARD, stages=STAGES)


def spelling(value: str) -> str:
    return " ".join(value.split()).casefold()


def sides(base: str, **now: str) -> dict[str, Side]:
    return {name: Side(now=value, base=base) for name, value in now.items()}


TABLE = [
    pytest.param(ASK, "a", sides("a", crm="a", desk="a"), "a", Why.UNCHANGED, {}, id="nobody changed it"),
    pytest.param(ASK, "a", sides("a", crm="A ", desk="a"), "a", Why.UNCHANGED, {}, id="another spelling is no edit"),
    pytest.param(ASK, "a", sides("a", crm="b", desk="a"), "b", Why.ONE_EDIT, {"desk": "b"}, id="one edit goes on"),
    pytest.param(
        ASK, "a", sides("a", crm="b", desk="B"), "B", Why.SAME_EDIT, {}, id="several that mean the same are one"
    ),
    pytest.param(
        ASK, "a", sides("a", crm="b", desk="b", sql="a"), "b", Why.SAME_EDIT, {"sql": "b"}, id="and reach the others"
    ),
    pytest.param(ASK, "a", sides("a", crm="b", desk="c"), "a", Why.CONFLICT, {}, id="two that differ are for a person"),
    pytest.param(ASK, "", sides("", crm="a", desk=""), "a", Why.ONE_EDIT, {"desk": "a"}, id="at the first link-up too"),
    pytest.param(ASK, "", sides("", crm="a", desk="b"), "", Why.CONFLICT, {}, id="where both are filled"),
    pytest.param(
        OWNED, "a", sides("a", crm="b", desk="c"), "b", Why.OWNER, {"desk": "b"}, id="the owner's goes before others"
    ),
    pytest.param(
        OWNED, "a", sides("a", crm="a", desk="c"), "c", Why.ONE_EDIT, {"crm": "c"}, id="who is no owner may edit"
    ),
    pytest.param(
        OWNED, "a", sides("a", crm="a", desk="b", sql="c"), "a", Why.CONFLICT, {}, id="the owner who says nothing"
    ),
    pytest.param(OWNED, "a", sides("a", crm="b", desk="B"), "b", Why.SAME_EDIT, {}, id="the owner's is no stronger"),
    pytest.param(OWNED, "a", sides("a", crm="", desk="a"), "", Why.ONE_EDIT, {"desk": ""}, id="the owner clears"),
    pytest.param(
        OWNED, "a", sides("a", crm="a", desk=""), "a", Why.KEPT_FILLED, {"desk": "a"}, id="nobody else clears"
    ),
    pytest.param(
        ASK, "a", sides("a", crm="", desk="b"), "b", Why.ONE_EDIT, {"crm": "b"}, id="a blank is none of two edits"
    ),
    pytest.param(
        TAGS, "x,y", sides("x,y", crm="x,y,z", desk="y"), "y, z", Why.UNION, {"crm": "y, z", "desk": "y, z"},
        id="tags: one added, one removed"),
    pytest.param(TAGS, "x,y", sides("x,y", crm="Y, x", desk="x,y"), "x,y", Why.UNCHANGED, {}, id="tags have no order"),
    pytest.param(
        TAGS, "", sides("", crm="b", desk="a, B"), "a, B", Why.UNION, {"crm": "a, B"}, id="tags added twice are in once"
    ),
    pytest.param(
        NOTES, "hello", sides("hello", crm="hello\nann", desk="hello\nbob"), "hello\nann\nbob", Why.APPEND,
        {"crm": "hello\nann\nbob", "desk": "hello\nann\nbob"}, id="notes: one after the other"),
    pytest.param(
        NOTES, "hello", sides("hello", crm="hello\nann", desk="hello\nann", sql="hello\nbob"), "hello\nann\nbob",
        Why.APPEND, dict.fromkeys(("crm", "desk", "sql"), "hello\nann\nbob"), id="notes: the same twice is in once"),
    pytest.param(
        NOTES, "hello", sides("hello", crm="hallo", desk="hello\nbob"), "hello", Why.CONFLICT, {},
        id="notes: what stood there was changed"),
    pytest.param(
        TAGS, "x", sides("x", crm="x", desk=""), "", Why.ONE_EDIT, {"crm": ""}, id="tags: the last one removed"
    ),
    pytest.param(
        TAGS, "x,y", sides("x,y", crm="x,y,z", desk=""), "z", Why.UNION, {"crm": "z", "desk": "z"},
        id="tags: all of them removed by one, one added by another"),
    pytest.param(
        NOTES, "Call 1", sides("Call 1", crm="Call 12", desk="Call 1\nz"), "Call 1", Why.CONFLICT, {},
        id="notes: a line that was made longer was changed"),
    pytest.param(
        NOTES, "n\nx", {"crm": Side(now="n\nx", base="n\nx"), "desk": Side(now="n\nx\ny", base="n")}, "n\nx\ny",
        Why.APPEND, {"crm": "n\nx\ny"}, id="notes: who is late and has added the same and more"),
    pytest.param(
        NOTES, "n\nx", sides("n\nx", crm="n\nx\nx", desk="n\nx\ny"), "n\nx\nx\ny",
        Why.APPEND, dict.fromkeys(("crm", "desk"), "n\nx\nx\ny"), id="notes: the same line again is one more"),
    pytest.param(
        NOTES, "Ann", {"crm": Side(now="Ann", base="Ann"), "desk": Side(now="Anna called", new=True)},
        "Ann\nAnna called", Why.APPEND, dict.fromkeys(("crm", "desk"), "Ann\nAnna called"),
        id="notes: a new record's line is a line"),
    pytest.param(
        NOTES, "a\nb", {"crm": Side(now="a\nb", base="a\nb"), "desk": Side(now="a", new=True)}, "a\nb",
        Why.APPEND, {"desk": "a\nb"}, id="notes: a new record that holds a part adds nothing"),
    pytest.param(
        NOTES, "a", {"crm": Side(now="a", base="a"), "desk": Side(now="a\nb", new=True)}, "a\nb",
        Why.APPEND, {"crm": "a\nb"}, id="notes: a new record that holds more adds the rest"),
    pytest.param(
        STAGE, "lead", sides("lead", crm="offer", desk="won"), "won", Why.FORWARD, {"crm": "won"}, id="the furthest"
    ),
    pytest.param(
        STAGE, "offer", sides("offer", crm="lead", desk="offer"), "offer", Why.FORWARD, {"crm": "offer"},
        id="stages go forward only"),
    pytest.param(
        OWNED_STAGE, "offer", sides("offer", crm="lead", desk="won"), "lead", Why.OWNER, {"desk": "lead"},
        id="unless the owner goes back"),
    pytest.param(
        STAGE, "offer", sides("offer", crm="lost", desk="won"), "offer", Why.CONFLICT, {}, id="an unknown stage"
    ),
    pytest.param(
        OWNED_STAGE, "offer", sides("offer", crm="lost", desk="offer"), "offer", Why.CONFLICT, {},
        id="an unknown stage, though it is the owner's"),
    pytest.param(
        OWNED_STAGE, "offer", sides("offer", crm="", desk="offer"), "", Why.ONE_EDIT, {"desk": ""},
        id="a stage that its owner clears"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "agreed", "held", "value", "why", "writes"), TABLE)
def test_what_becomes_of_a_field(rule, agreed, held, value, why, writes) -> None:
    merged = merge(rule, agreed, held, spelling)
    assert (merged.value, merged.why, merged.writes) == (value, why, writes)


def test_what_a_vendor_made_of_our_write_is_no_edit() -> None:
    held = {"crm": Side(now="+49 40 1", base="+49 40 1"), "desk": Side(now="0049401", base="0049401")}
    assert merge(ASK, "+49401", held, lambda value: value.replace(" ", "")).edited == ()


@pytest.mark.parametrize(("new", "why"), [(False, Why.ONE_EDIT), (True, Why.CONFLICT)])
def test_who_alone_set_what_is_agreed_on_contradicts_nobody_unless_the_record_is_another(new: bool, why: Why) -> None:
    held = {"crm": Side(now="x", base="x"), "desk": Side(now="w", base="" if new else "old", new=new)}
    assert merge(ASK, "x", held, spelling, set_by=("desk",)).why is why


def test_who_edited_is_told_in_a_conflict_too() -> None:
    assert merge(ASK, "a", sides("a", sql="c", desk="a", crm="b"), spelling).edited == ("crm", "sql")


@pytest.mark.parametrize(
    ("given_", "told"),
    [
        pytest.param({"kind": "forward"}, "stages go with", id="forward without stages"),
        pytest.param({"stages": ["a"]}, "stages go with", id="stages of nothing"),
        pytest.param({"kind": "forward", "stages": ["a", "a"]}, "stands twice", id="a stage twice"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(given_, told) -> None:
    with pytest.raises(ValidationError, match=told):
        FieldRule.model_validate(given_)


RULES = st.sampled_from([ASK, OWNED, TAGS, FieldRule(owner="desk", kind=Kind.UNION), NOTES, STAGE, OWNED_STAGE])
VALUES = st.one_of(
    st.sampled_from(["", "lead", "offer", "won", "Won ", "x", "x,y", "y, x", "hello", "hello\nann"]),
    st.text("xy, \n", max_size=6),
)
HELD = st.dictionaries(st.sampled_from(["crm", "desk", "sql"]), st.builds(Side, now=VALUES, base=VALUES), min_size=1)


def settled(rule: FieldRule, merged: Merged, held: dict[str, Side]) -> Merged:
    """The next merge, after everything was written and read back."""
    after = {name: merged.writes.get(name, side.now) for name, side in held.items()}
    return merge(rule, merged.value, {name: Side(now=now, base=now) for name, now in after.items()}, spelling)


@given(RULES, VALUES, HELD)
def test_after_one_round_nothing_is_left_to_do(rule, agreed, held) -> None:
    merged = merge(rule, agreed, held, spelling)
    if merged.why is not Why.CONFLICT:
        again = settled(rule, merged, held)
        assert (again.value, again.why, again.writes) == (merged.value, Why.UNCHANGED, {})


@given(RULES, VALUES, HELD, st.randoms())
def test_the_order_of_the_systems_changes_nothing(rule, agreed, held, dice) -> None:
    shuffled = list(held.items())
    dice.shuffle(shuffled)
    assert merge(rule, agreed, dict(shuffled), spelling) == merge(rule, agreed, held, spelling)


@given(RULES.filter(lambda rule: rule.kind is not Kind.FORWARD), VALUES, VALUES.filter(str.strip))
def test_an_edit_that_nothing_contradicts_is_taken_everywhere(rule, agreed, edit) -> None:
    held = {"crm": Side(now=agreed, base=agreed), "desk": Side(now=edit, base=agreed)}
    merged = merge(rule, agreed, held, spelling)
    after = {name: merged.writes.get(name, side.now) for name, side in held.items()}
    assert spelling(after["crm"]) == spelling(after["desk"]) or rule.kind is Kind.UNION
    if merged.edited:
        assert (merged.value, merged.why) == (edit, Why.ONE_EDIT)


@given(RULES, VALUES, HELD)
def test_in_a_conflict_nobody_is_written_to_and_edits_contradict_each_other_or_what_is_agreed_on(
    rule, agreed, held
) -> None:
    merged = merge(rule, agreed, held, spelling)
    if merged.why is Why.CONFLICT:
        assert (merged.value, merged.writes) == (agreed, {})
        unaware = any(spelling(held[name].base) != spelling(agreed) for name in merged.edited)
        assert len(merged.edited) > 1 or unaware or rule.kind is Kind.FORWARD


LATE = {"crm": Side(now="b", base="b"), "desk": Side(now="c", base="a")}
"""The desk's edit was made before it was told of what the crm had made of the field."""


@pytest.mark.parametrize(
    ("rule", "agreed", "set_by", "since", "held", "value", "why", "writes"),
    [
        pytest.param(ASK, "b", {"crm"}, (), LATE, "b", Why.CONFLICT, {}, id="unaware of each other: for a person"),
        pytest.param(
            ASK, "b", {"desk"}, (), LATE, "c", Why.ONE_EDIT, {"crm": "c"}, id="nobody contradicts themselves"),
        pytest.param(
            ASK, "b", {"crm", "desk"}, (), LATE, "b", Why.CONFLICT, {}, id="but those who said the same as they"),
        pytest.param(
            OWNED, "b", {"crm"}, ("b",), LATE, "b", Why.OWNER, {"desk": "b"}, id="the owner's still goes before"),
        pytest.param(OWNED, "b", {"sql"}, (), LATE, "b", Why.CONFLICT, {}, id="which the owner only took over"),
        pytest.param(
            FieldRule(owner="desk"), "b", {"crm"}, (), LATE, "c", Why.OWNER, {"crm": "c"}, id="the owner may be late"
        ),
        pytest.param(
            FieldRule(owner="desk"), "b", {"crm", "desk"}, ("x", "b"), LATE, "c", Why.OWNER, {"crm": "c"},
            id="even of what others have made of its own"),
        pytest.param(
            OWNED, "b", {"crm", "sql"}, ("x", "b"), LATE, "b", Why.OWNER, {"desk": "b"},
            id="what others have made of the owner's stands for it"),
        pytest.param(
            OWNED, "b", {"crm", "sql"}, ("a", "b"), LATE, "b", Why.CONFLICT, {},
            id="but not to those who knew the owner's"),
        pytest.param(
            OWNED, "b", {"crm", "sql"}, ("x", "a", "b"), LATE, "b", Why.CONFLICT, {},
            id="nor to those who knew what others had made of it"),
        pytest.param(
            OWNED, "b", {"crm", "sql"}, ("", "b"), {"desk": Side(now="c", new=True)}, "b", Why.OWNER, {"desk": "b"},
            id="a record that is new knew nothing"),
        pytest.param(
            OWNED, "b", {"crm"}, ("b",), LATE | {"sql": Side(now="d", base="b")}, "d", Why.OWNER,
            {"crm": "d", "desk": "d"}, id="nor is it lost what others make of it now"),
        pytest.param(
            OWNED, "b", {"crm"}, ("b",), LATE | {"desk": Side(now="B", base="a")}, "b", Why.SAME_EDIT, {},
            id="it says the same as the owner"),
        pytest.param(
            OWNED, "b", {"crm"}, ("b",), LATE | {"desk": Side(now="D", base="a"), "sql": Side(now="d", base="b")}, "d",
            Why.ONE_EDIT, {"crm": "d"}, id="it says the same as who goes on from the owner's"),
        pytest.param(
            OWNED_STAGE, "offer", {"crm"}, (), {"desk": Side(now="lost", base="lead")}, "offer", Why.CONFLICT, {},
            id="stages: an unknown one is for a person, late or not"),
        pytest.param(
            ASK, "b", {"crm"}, (), LATE | {"desk": Side(now="B", base="a")}, "b", Why.SAME_EDIT, {},
            id="it says the same"),
        pytest.param(
            TAGS, "x,z", {"crm"}, (), {"crm": Side(now="x,z", base="x,z"), "desk": Side(now="y", base="x")}, "z, y",
            Why.UNION, {"crm": "z, y", "desk": "z, y"}, id="tags: late additions and removals count"),
        pytest.param(
            NOTES, "n\na", {"crm"}, (), {"crm": Side(now="n\na", base="n\na"), "desk": Side(now="n\nb", base="n")},
            "n\na\nb", Why.APPEND, dict.fromkeys(("crm", "desk"), "n\na\nb"), id="notes: late ones come behind"),
        pytest.param(
            NOTES, "n\na", {"crm"}, (), {"crm": Side(now="n\na", base="n\na"), "desk": Side(now="n", base="")},
            "n\na", Why.APPEND, {"desk": "n\na"}, id="notes: a new record has some of them"),
        pytest.param(
            NOTES, "n", {"crm"}, (), {"crm": Side(now="n", base="n"), "desk": Side(now="n\nb", base="")}, "n\nb",
            Why.APPEND, {"crm": "n\nb"}, id="notes: or more than them"),
        pytest.param(
            STAGE, "won", {"crm"}, (), {"crm": Side(now="won", base="won"), "desk": Side(now="offer", base="lead")},
            "won", Why.FORWARD, {"desk": "won"}, id="stages: a late one is behind"),
    ],
)  # fmt: skip
def test_an_edit_that_was_made_without_knowing_what_is_agreed_on_contradicts_that(
    rule, agreed, set_by, since, held, value, why, writes
) -> None:
    merged = merge(rule, agreed, held, spelling, set_by, since)
    assert (merged.value, merged.why, merged.writes) == (value, why, writes)


@given(st.sets(st.sampled_from("abcdef")), st.sets(st.sampled_from("abcdef")), st.sets(st.sampled_from("abcdef")))
def test_tags_keep_what_was_added_and_lose_what_was_removed(base, ours, theirs) -> None:
    held = {
        "crm": Side(now=",".join(ours), base=",".join(base)),
        "desk": Side(now=",".join(theirs), base=",".join(base)),
    }
    value = merge(FieldRule(owner="nobody", kind=Kind.UNION), ",".join(base), held, spelling).value
    if ours and theirs:
        wanted = (base - (base - ours) - (base - theirs)) | (ours - base) | (theirs - base)
        assert {tag.strip() for tag in value.split(",") if tag.strip()} == wanted
