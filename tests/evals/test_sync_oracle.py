"""The oracle of the replay finds what is lost, doubled or unexplained in hand-made histories, and nothing else."""

from typing import Any

import pytest

from domain.merge import Kind, Why
from evals.sync_oracle import judged
from evals.sync_story import Change, Fault, Story, Told

LAST = 9


def edit(number: int, system: str, before: str, after: str, at: int | None = None) -> Change:
    return Change(number if at is None else at, system, before, after, number)


def written(at: int, system: str, before: str, after: str, asked: int | None = None) -> Change:
    return Change(at, system, before, after, asked=asked)


def moved(before: str, after: str, why: Why, at: int = LAST, **edited: str) -> Told:
    return Told(at=at, field="f", before=before, after=after, why=why, edited=edited)


def faults(*changes: Change, kind: Kind = Kind.ASK, **more: Any) -> list[Fault]:
    held = more.pop("held", None)
    if held is None:
        held = {"crm": "", "desk": ""} | {change.system: change.after for change in changes}
    return [one.fault for one in judged(Story("i", "f", kind, changes, held, **more))]


STANDS = (edit(1, "crm", "", "a"), written(2, "desk", "", "a"))


def test_an_edit_that_stands_everywhere_is_well():
    assert faults(*STANDS) == []


def test_an_edit_that_a_write_replaced_without_a_word_is_lost():
    assert faults(*STANDS, edit(3, "desk", "a", "b"), written(4, "desk", "b", "a")) == [Fault.LOST]


def test_an_edit_that_never_left_its_system_is_a_difference_nobody_explains_and_stands_nowhere_else():
    assert set(faults(*STANDS, edit(3, "desk", "a", "b"))) == {Fault.LOST, Fault.UNEXPLAINED}


def test_an_edit_that_another_one_made_unaware_replaced_is_lost():
    assert faults(
        *STANDS,
        edit(3, "crm", "a", "b"),
        edit(4, "desk", "a", "c"),
        written(5, "crm", "b", "c"),
        moves=[moved("a", "c", Why.ONE_EDIT, desk="c")],
    ) == [Fault.LOST]


def test_an_edit_that_somebody_replaced_who_saw_it_is_well():
    assert faults(*STANDS, edit(3, "desk", "a", "b"), written(4, "crm", "a", "b")) == []
    assert faults(*STANDS, edit(3, "crm", "a", "b"), edit(4, "crm", "b", "c"), written(5, "desk", "a", "c")) == []


@pytest.mark.parametrize("why", [Why.OWNER, Why.FORWARD, Why.DECIDED])
def test_an_edit_that_a_rule_overruled_is_well_where_the_history_tells_of_it(why):
    changes = (*STANDS, edit(3, "desk", "a", "b"), edit(4, "crm", "a", "c"), written(5, "desk", "b", "c"))
    ruled = {"owner": "crm", "stages": ("a", "b", "c")}
    assert faults(*changes, moves=[moved("a", "c", why, crm="c", desk="b")], **ruled) == []
    assert faults(*changes, moves=[moved("a", "c", why, crm="c")], **ruled) == [Fault.LOST]


@pytest.mark.parametrize("why", [Why.OWNER, Why.FORWARD])
def test_an_edit_that_was_overruled_by_what_the_rule_puts_behind_it_is_lost(why):
    changes = (*STANDS, edit(3, "desk", "a", "b"), edit(4, "crm", "a", "c"), written(5, "desk", "b", "c"))
    told = [moved("a", "c", why, crm="c", desk="b")]
    assert faults(*changes, moves=told, owner="desk", stages=("a", "c", "b")) == [Fault.LOST]


def test_a_rule_that_was_applied_before_an_edit_was_made_does_not_overrule_it():
    changes = (*STANDS, edit(3, "desk", "a", "b"), edit(4, "crm", "a", "c"), written(5, "desk", "b", "c"))
    assert faults(*changes, moves=[moved("a", "c", Why.OWNER, 2, crm="c", desk="b")], owner="crm") == [Fault.LOST]


def test_an_edit_of_a_blank_that_a_write_replaced_is_lost_whatever_is_told_of_others_later():
    changes = (edit(1, "crm", "", "b"), edit(2, "desk", "", "a"), written(3, "desk", "a", "b"))
    told = [moved("", "b", Why.ONE_EDIT, 2, crm="b"), moved("b", "b", Why.KEPT_FILLED, 8, crm="")]
    assert faults(*changes, moves=told) == [Fault.LOST]
    assert faults(*changes, moves=[told[0], moved("b", "b", Why.KEPT_FILLED, 8, desk="a")]) == [Fault.LOST]


def test_a_value_that_was_overwritten_is_lost_though_somebody_makes_and_replaces_the_same_one_later():
    changes = (
        *STANDS,
        edit(3, "crm", "a", "x"),
        written(4, "crm", "x", "a"),
        edit(5, "desk", "a", "x"),
        written(6, "crm", "a", "x"),
        edit(7, "desk", "x", "z"),
        written(8, "crm", "x", "z"),
    )
    told = [moved("a", "x", Why.ONE_EDIT, 5, desk="x"), moved("x", "z", Why.ONE_EDIT, 7, desk="z")]
    assert faults(*changes, moves=told) == [Fault.LOST]


def test_a_value_that_several_made_is_replaced_by_whoever_changes_it():
    changes = (*STANDS, edit(3, "desk", "a", "x"), edit(4, "crm", "a", "x"), edit(5, "desk", "x", "z"))
    assert faults(*changes, written(6, "crm", "x", "z")) == []


def test_a_value_taken_back_before_anybody_heard_of_it_is_replaced_where_the_blank_still_stood():
    changes = (edit(1, "crm", "", "a"), edit(2, "crm", "a", ""), edit(3, "desk", "", "b"), written(4, "crm", "", "b"))
    assert faults(*changes, moves=[moved("", "b", Why.ONE_EDIT, desk="b")]) == []


def test_who_may_not_clear_a_field_is_overruled_and_the_owner_is_not():
    changes = (*STANDS, edit(3, "desk", "a", ""), written(4, "desk", "", "a"))
    moves = [moved("a", "a", Why.ONE_EDIT, desk="")]
    assert faults(*changes, moves=moves, owner="crm") == []
    assert faults(*changes, moves=moves, owner="desk") == [Fault.LOST]


def test_an_edit_that_was_taken_and_then_overruled_by_the_owner_is_well():
    changes = (*STANDS, edit(3, "desk", "a", "b"), edit(4, "crm", "a", "c"), written(5, "desk", "b", "c"))
    taken = moved("a", "b", Why.ONE_EDIT, 4, desk="b")
    assert faults(*changes, moves=[taken, moved("b", "c", Why.OWNER, 5, crm="c")], owner="crm") == []
    assert faults(*changes, moves=[taken, moved("b", "c", Why.ONE_EDIT, 5, crm="c")], owner="crm") == [Fault.LOST]


def test_what_somebody_made_of_the_owners_value_goes_before_an_edit_by_who_had_not_seen_that():
    def told(*seen: Change, before: str = "a") -> list[Fault]:
        return faults(
            edit(1, "desk", "", "a"),
            written(2, "base", "", "a"),
            written(2, "crm", "", "a"),
            edit(3, "desk", "a", "b"),
            written(4, "base", "a", "b"),
            *seen,
            edit(5, "base", "b", "d"),
            edit(6, "crm", before, "c"),
            written(7, "desk", "b", "d"),
            written(8, "crm", "c", "d"),
            moves=[
                moved("a", "b", Why.ONE_EDIT, 4, desk="b"),
                moved("b", "d", Why.ONE_EDIT, 6, base="d"),
                moved("d", "d", Why.OWNER, 7, crm="c"),
            ],
            owner="desk",
        )

    assert told() == []
    assert told(written(4, "crm", "a", "b"), before="b") == [Fault.LOST]
    assert told(written(5, "crm", "a", "d"), before="d") == [Fault.LOST]


BACK_AND_FORTH = (
    *STANDS,
    edit(3, "desk", "a", "b"),
    edit(4, "desk", "b", "a", at=4),
    edit(5, "crm", "a", "c"),
    written(6, "desk", "a", "c"),
)


@pytest.mark.parametrize(("at", "found"), [(8, []), (6, [Fault.LOST])])
def test_an_edit_that_a_write_replaced_and_somebody_followed_is_well_where_the_history_tells_of_it(at, found):
    changes = (
        *STANDS,
        edit(3, "desk", "a", "b"),
        edit(4, "crm", "a", "c"),
        written(5, "crm", "c", "b"),
        edit(7, "crm", "b", "d"),
        written(9, "desk", "b", "d"),
    )
    heard = [moved("a", "b", Why.ONE_EDIT, 4, desk="b"), moved("b", "d", Why.ONE_EDIT, 9, crm="d")]
    assert faults(*changes, moves=[*heard, moved("b", "b", Why.CONFLICT, at, crm="c")]) == found
    assert faults(*changes, moves=heard) == [Fault.LOST]


def test_what_people_took_back_before_anybody_heard_of_it_is_no_edit():
    first, last = moved("", "a", Why.ONE_EDIT, crm="a"), moved("a", "c", Why.ONE_EDIT, 6, crm="c")
    assert faults(*BACK_AND_FORTH[:-2], edit(5, "crm", "x", "c"), BACK_AND_FORTH[-1], moves=[first, last]) == []


@pytest.mark.parametrize(("why", "found"), [(Why.CONFLICT, []), (Why.ONE_EDIT, [Fault.LOST])])
def test_who_takes_back_what_a_person_is_asked_about_ends_the_contradiction(why, found):
    changes = (
        *STANDS,
        edit(3, "crm", "a", "b"),
        edit(4, "desk", "a", "c"),
        edit(7, "desk", "c", "a"),
        written(8, "desk", "a", "b"),
    )
    known = [moved("", "a", Why.ONE_EDIT, 2, crm="a"), moved("a", "b", Why.ONE_EDIT, 5, crm="b")]
    assert faults(*changes, moves=[*known, moved("b", "b", why, 6, desk="c")]) == found


def test_what_people_cleared_again_before_anybody_heard_of_it_is_no_edit():
    changes = (edit(1, "crm", "", "a"), edit(2, "desk", "", "b"), edit(3, "desk", "b", ""), written(4, "desk", "", "a"))
    assert faults(*changes, moves=[moved("", "a", Why.ONE_EDIT, crm="a")], owner="desk") == []


def test_what_people_took_back_after_it_was_heard_of_is_an_edit():
    told = [
        moved("", "a", Why.ONE_EDIT, crm="a"),
        moved("a", "b", Why.ONE_EDIT, 3, desk="b"),
        moved("b", "c", Why.ONE_EDIT, 6, crm="c"),
    ]
    changes = (*BACK_AND_FORTH[:-2], edit(5, "crm", "x", "c"), BACK_AND_FORTH[-1])
    assert faults(*changes, moves=told) == [Fault.LOST]


def test_the_same_value_made_anew_later_does_not_tell_that_the_first_was_heard_of():
    changes = (
        *STANDS,
        edit(3, "desk", "a", "b"),
        edit(4, "crm", "a", "c"),
        edit(5, "desk", "b", "a"),
        written(6, "desk", "a", "c"),
        edit(7, "desk", "c", "b"),
        written(8, "crm", "c", "b"),
    )
    taken = [moved("", "a", Why.ONE_EDIT, 2, crm="a"), moved("a", "c", Why.ONE_EDIT, 6, crm="c")]
    assert faults(*changes, moves=[*taken, moved("c", "b", Why.ONE_EDIT, 8, desk="b")]) == []


def test_a_value_that_was_agreed_on_and_replaced_by_what_somebody_made_of_it_at_the_same_time_is_well():
    changes = (
        *STANDS,
        edit(3, "crm", "a", "c"),
        edit(4, "desk", "a", ""),
        edit(5, "desk", "", "a"),
        written(6, "desk", "a", "c"),
    )
    told = [
        moved("", "a", Why.ONE_EDIT, crm="a"),
        moved("a", "", Why.OWNER, 4, desk=""),
        moved("", "a", Why.ONE_EDIT, 5, desk="a"),
        moved("a", "c", Why.ONE_EDIT, 6, crm="c"),
    ]
    assert faults(*changes, moves=told, owner="desk") == []


CONTRADICTION = (*STANDS, edit(3, "crm", "a", "b"), edit(4, "desk", "a", "c"))


def test_what_is_open_to_a_person_is_well():
    assert faults(*CONTRADICTION, agreed="a", contested={"crm": "b", "desk": "c"}) == []


def test_what_is_open_though_nobody_contradicted_anybody_is_not_explained():
    aware = (*STANDS, edit(3, "crm", "a", "b"), written(4, "desk", "a", "b"), edit(5, "desk", "b", "c"))
    assert faults(*aware, agreed="a", contested={"crm": "b", "desk": "c"}) == [Fault.UNEXPLAINED]


def test_nothing_is_written_to_what_is_open_but_what_a_person_made_there():
    opened = {"agreed": "a", "contested": {"crm": "b", "desk": "c"}, "moves": [moved("a", "a", Why.CONFLICT, 5)]}
    overwritten = (*CONTRADICTION, written(6, "desk", "c", "a"))
    assert faults(*overwritten, **opened) == [Fault.UNEXPLAINED]
    assert faults(*overwritten, written(7, "desk", "a", "c"), **opened) == [Fault.UNEXPLAINED]
    assert faults(*CONTRADICTION, written(6, "desk", "x", "c"), **opened) == []


def test_a_write_that_was_on_its_way_to_a_third_system_when_a_contradiction_began_is_well():
    heard = (*STANDS, written(2, "base", "", "a"), edit(3, "crm", "a", "b"), edit(4, "desk", "a", "c"))
    told = [moved("a", "b", Why.ONE_EDIT, 3, crm="b"), moved("b", "b", Why.CONFLICT, 5, desk="c")]
    opened = {"agreed": "b", "contested": {"desk": "c"}, "moves": told}
    assert faults(*heard, written(6, "base", "a", "b", asked=3), **opened) == []
    assert faults(*heard, written(6, "base", "a", "b", asked=5), **opened) == [Fault.UNEXPLAINED]
    assert faults(*heard, written(6, "base", "a", "b"), **opened) == [Fault.UNEXPLAINED]
    assert faults(*heard, written(6, "desk", "c", "b", asked=3), **opened) == [Fault.UNEXPLAINED]


def test_a_write_that_was_on_its_way_to_a_system_which_contradicts_only_later_is_well():
    changes = (
        *STANDS,
        written(2, "base", "", "a"),
        edit(3, "crm", "a", "b"),
        edit(4, "desk", "a", "c"),
        written(6, "base", "a", "b", asked=3),
        edit(7, "base", "b", "d"),
    )
    told = [
        moved("a", "b", Why.ONE_EDIT, 3, crm="b"),
        moved("b", "b", Why.CONFLICT, 5, desk="c"),
        moved("b", "b", Why.CONFLICT, 8, desk="c", base="d"),
    ]
    assert faults(*changes, agreed="b", contested={"desk": "c", "base": "d"}, moves=told) == []


def test_what_is_open_is_somebodys():
    strange = {"crm": "b", "desk": "x"}
    assert faults(*CONTRADICTION, held=strange, agreed="a", contested={"crm": "b", "desk": "c"}) == [Fault.UNEXPLAINED]


def test_an_edit_made_unaware_of_what_was_agreed_on_contradicts_it():
    late = (*STANDS, edit(3, "crm", "a", "b"), edit(4, "desk", "a", "c"))
    assert faults(*late, agreed="b", contested={"desk": "c"}) == []


def test_a_value_that_nobody_made_is_not_explained():
    assert faults(*STANDS, written(3, "crm", "a", "x"), written(4, "desk", "a", "x")) == [
        Fault.LOST,
        Fault.UNEXPLAINED,
        Fault.UNEXPLAINED,
    ]


def test_systems_that_differ_are_explained_by_a_refused_write():
    changes = (edit(1, "crm", "", "a"),)
    moves = [moved("", "a", Why.ONE_EDIT, crm="a")]
    assert Fault.UNEXPLAINED in faults(*changes, moves=moves)
    assert Fault.UNEXPLAINED not in faults(*changes, moves=moves, refused=frozenset({"desk"}))


class TestTags:
    def test_what_both_did_stands(self):
        assert (
            faults(
                edit(1, "crm", "", "a, b"),
                written(2, "desk", "", "a, b"),
                edit(3, "crm", "a, b", "a, b, c"),
                edit(4, "desk", "a, b", "b"),
                written(5, "crm", "a, b, c", "b, c"),
                written(6, "desk", "b", "b, c"),
                kind=Kind.UNION,
            )
            == []
        )

    def test_a_tag_that_came_back_by_itself_is_a_lost_removal(self):
        changes = (
            edit(1, "crm", "", "a, b"),
            written(2, "desk", "", "a, b"),
            edit(3, "desk", "a, b", "b"),
            written(4, "desk", "b", "a, b"),
        )
        assert faults(*changes, kind=Kind.UNION) == [Fault.LOST]
        assert faults(*changes, kind=Kind.UNION, moves=[moved("a, b", "a, b", Why.UNION, desk="b")]) == []

    def test_they_may_stand_in_another_order(self):
        assert faults(edit(1, "crm", "", "a, b"), written(2, "desk", "", "b, a"), kind=Kind.UNION) == []

    def test_who_takes_the_last_away_is_not_overruled(self):
        changes = (
            edit(1, "crm", "", "a"),
            written(2, "desk", "", "a"),
            edit(3, "desk", "a", ""),
            written(4, "desk", "", "a"),
        )
        assert faults(*changes, kind=Kind.UNION, moves=[moved("a", "a", Why.KEPT_FILLED, desk="")]) == [Fault.LOST]

    def test_a_tag_that_somebody_took_away_again_is_replaced(self):
        assert (
            faults(
                edit(1, "crm", "", "a"),
                written(2, "desk", "", "a"),
                edit(3, "desk", "a", ""),
                written(4, "crm", "a", ""),
                kind=Kind.UNION,
            )
            == []
        )

    @pytest.mark.parametrize(
        ("heard", "edited", "found"), [(4, {"desk": "a"}, []), (2, {"crm": "a", "desk": "a"}, [Fault.LOST])]
    )
    def test_a_tag_that_was_added_elsewhere_before_anybody_heard_of_its_removal_stays(self, heard, edited, found):
        changes = (
            edit(1, "crm", "", "a"),
            edit(2, "desk", "", "a"),
            edit(3, "crm", "a", ""),
            written(5, "crm", "", "a"),
        )
        assert faults(*changes, kind=Kind.UNION, moves=[moved("", "a", Why.ONE_EDIT, heard, **edited)]) == found

    def test_a_tag_that_was_taken_away_and_put_back_before_anybody_heard_of_it_can_be_taken_away_elsewhere(self):
        changes = (
            edit(1, "crm", "", "a, b"),
            written(2, "desk", "", "a, b"),
            edit(3, "crm", "a, b", "a"),
            edit(4, "desk", "a, b", "a"),
            edit(5, "desk", "a", "b"),
            edit(6, "desk", "b", "b, a"),
            written(7, "desk", "b, a", "a"),
        )
        moves = [moved("", "a, b", Why.ONE_EDIT, 2, crm="a, b"), moved("a, b", "a", Why.ONE_EDIT, 3, crm="a")]
        heard = moved("a", "a", Why.UNION, 4, desk="a")
        assert faults(*changes, kind=Kind.UNION, moves=moves) == []
        assert faults(*changes, kind=Kind.UNION, moves=[*moves, heard]) == [Fault.LOST]

    @pytest.mark.parametrize(("agreed", "found"), [("a", []), ("", [Fault.LOST])])
    def test_who_adds_what_is_agreed_on_already_is_replaced_by_who_takes_that_away(self, agreed, found):
        changes = (
            edit(1, "crm", "", "a"),
            edit(3, "crm", "a", ""),
            edit(4, "desk", "", "a"),
            written(6, "desk", "a", ""),
        )
        moves = [moved("", agreed, Why.ONE_EDIT, 2, crm="a"), moved("a", "", Why.ONE_EDIT, 5, crm="")]
        assert faults(*changes, kind=Kind.UNION, moves=moves) == found


class TestNotes:
    def test_each_stands_once_in_whatever_order(self):
        assert faults(edit(1, "crm", "", "x"), edit(2, "desk", "", "y"), kind=Kind.APPEND, held=both("x\ny")) == []

    def test_one_that_is_missing_is_lost(self):
        assert faults(edit(1, "crm", "", "x"), edit(2, "desk", "", "y"), kind=Kind.APPEND, held=both("x")) == [
            Fault.LOST
        ]

    def test_one_that_stands_twice_is_doubled(self):
        assert faults(edit(1, "crm", "", "x"), kind=Kind.APPEND, held=both("x\nx")) == [Fault.DOUBLED] * 2

    def test_one_that_is_open_is_not_lost(self):
        told = faults(
            edit(1, "crm", "", "x"),
            edit(2, "desk", "", "y"),
            kind=Kind.APPEND,
            agreed="",
            contested={"crm": "x", "desk": "y"},
        )
        assert told == []


def both(text: str) -> dict[str, str]:
    return {"crm": text, "desk": text}
