"""The oracle of the replay finds what is lost, doubled or unexplained in hand-made histories, and nothing else."""

from typing import Any

import pytest

from domain.entity import Move
from domain.merge import Kind, Why
from evals.sync_oracle import Change, Fault, Story, judged


def edit(number: int, system: str, before: str, after: str, at: int | None = None) -> Change:
    return Change(number if at is None else at, system, before, after, number)


def written(at: int, system: str, before: str, after: str) -> Change:
    return Change(at, system, before, after)


def moved(before: str, after: str, why: Why, **edited: str) -> Move:
    return Move(field="f", before=before, after=after, why=why, edited=edited)


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
    assert faults(*changes, moves=[moved("a", "c", why, crm="c", desk="b")]) == []
    assert faults(*changes, moves=[moved("a", "c", why, crm="c")]) == [Fault.LOST]


def test_who_may_not_clear_a_field_is_overruled_and_the_owner_is_not():
    changes = (*STANDS, edit(3, "desk", "a", ""), written(4, "desk", "", "a"))
    moves = [moved("a", "a", Why.ONE_EDIT, desk="")]
    assert faults(*changes, moves=moves, owner="crm") == []
    assert faults(*changes, moves=moves, owner="desk") == [Fault.LOST]


CONTRADICTION = (*STANDS, edit(3, "crm", "a", "b"), edit(4, "desk", "a", "c"))


def test_what_is_open_to_a_person_is_well():
    assert faults(*CONTRADICTION, agreed="a", contested={"crm": "b", "desk": "c"}) == []


def test_what_is_open_though_nobody_contradicted_anybody_is_not_explained():
    aware = (*STANDS, edit(3, "crm", "a", "b"), written(4, "desk", "a", "b"), edit(5, "desk", "b", "c"))
    assert faults(*aware, agreed="a", contested={"crm": "b", "desk": "c"}) == [Fault.UNEXPLAINED]


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
