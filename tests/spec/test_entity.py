"""What keeps the records of one entity in step: situations, and what holds whatever happens in which order."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.entity import Entity, FieldTerms, Held, Standing, decided, in_step
from domain.merge import FieldRule, Kind, Why, meaning

EVERYWHERE = frozenset({"crm", "desk", "sql"})


def terms(
    rule: FieldRule | None = None, taken_from: frozenset[str] = EVERYWHERE, written_to: frozenset[str] = EVERYWHERE
) -> FieldTerms:
    def normal(value: str) -> str:
        return "" if value.startswith("?") else " ".join(value.split())

    return FieldTerms(rule or FieldRule(), normal, lambda value: normal(value).casefold(), taken_from, written_to)


NAME = {"name": terms()}


def held(now: str, base: str | None = None, **more) -> Held:
    return Held(external_id="1", now={"name": now}, base={} if base is None else {"name": base}, **more)


def entity(agreed: str, **records: Held) -> Entity:
    return Entity(fields={"name": Standing(agreed=agreed)}, records=records)


def test_a_record_that_is_the_first_is_what_is_agreed_on() -> None:
    step = in_step(NAME, Entity(records={"crm": held("Ann ")}))
    assert step.entity.fields["name"] == Standing(agreed="Ann", set_by=("crm",))
    assert step.writes == {}


def test_a_record_is_made_where_there_is_none() -> None:
    step = in_step(NAME, Entity(records={"crm": held("Ann")}), creates=frozenset({"desk"}))
    assert step.writes == {"desk": {"name": "Ann"}}


def test_none_is_made_while_nothing_is_known_or_where_it_was_deleted() -> None:
    assert in_step(NAME, Entity(), creates=frozenset({"desk"})).writes == {}
    gone = entity("Ann", crm=held("Ann", "Ann"), desk=held("Ann", "Ann", gone=True))
    assert in_step(NAME, gone, creates=frozenset({"desk"})).writes == {}


def test_what_a_deleted_record_last_held_is_no_edit() -> None:
    step = in_step(NAME, entity("Ann", crm=held("Ann", "Ann"), desk=held("Bob", "Ann", gone=True)))
    assert (step.moves, step.writes) == ((), {})


def test_an_edit_reaches_the_others_once_they_are_not_busy() -> None:
    edited = entity("Ann", crm=held("Anna", "Ann"), desk=held("Ann", "Ann", busy=True), sql=held("Ann", "Ann"))
    step = in_step(NAME, edited)
    assert step.writes == {"sql": {"name": "Anna"}}
    idle = step.entity.model_copy(update={"records": step.entity.records | {"desk": held("Ann", "Ann")}})
    assert in_step(NAME, idle).writes == {"desk": {"name": "Anna"}, "sql": {"name": "Anna"}}


def test_what_a_system_refused_is_not_sent_again_unless_it_is_another() -> None:
    refused = entity("Anna", crm=held("Anna", "Anna"), desk=held("Ann", "Ann", refused={"name": "Anna"}))
    assert in_step(NAME, refused).writes == {}
    other = entity("Anna", crm=held("Hanna", "Anna"), desk=held("Ann", "Ann", refused={"name": "Anna"}))
    assert in_step(NAME, other).writes == {"desk": {"name": "Hanna"}}


def test_a_refused_field_keeps_no_other_from_being_written() -> None:
    both = {"name": terms(), "town": terms()}
    records = {
        "crm": Held(external_id="1", now={"name": "Anna", "town": "Bonn"}, base={"name": "Ann", "town": "Ulm"}),
        "desk": Held(
            external_id="1",
            now={"name": "Ann", "town": "Ulm"},
            base={"name": "Ann", "town": "Ulm"},
            refused={"town": "Bonn"},
        ),
    }
    of_both = Entity(fields={"name": Standing(agreed="Ann"), "town": Standing(agreed="Ulm")}, records=records)
    assert in_step(both, of_both).writes == {"desk": {"name": "Anna"}}


def test_what_was_refused_is_forgotten_once_something_else_is_to_be_written() -> None:
    refused = entity("Anna", crm=held("Ann", "Anna"), desk=held("Ann", "Ann", refused={"name": "Anna"}))
    back = in_step(NAME, refused).entity
    assert back.records["desk"].refused == {}


def test_fields_that_were_refused_together_are_written_one_by_one() -> None:
    both = {"name": terms(), "town": terms()}
    shown = {"name": "Ann", "town": "Ulm"}
    records = {
        "crm": Held(external_id="1", now={"name": "Anna", "town": "Bonn"}, base=shown),
        "desk": Held(external_id="1", now=shown, base=shown, singly=True),
    }
    step = in_step(both, Entity(fields={name: Standing(agreed=shown[name]) for name in both}, records=records))
    assert step.writes == {"desk": {"name": "Anna"}}
    assert in_step(NAME, entity("Ann", desk=held("Ann ", "Ann ", singly=True))).entity.records["desk"].singly is False


def test_a_record_whose_making_was_refused_is_made_once_it_would_be_another() -> None:
    refused = entity("Ann", crm=held("Ann", "Ann"), desk=Held(refused={"name": "Ann"}))
    desk = frozenset({"desk"})
    assert in_step(NAME, refused, creates=desk).writes == {}
    other = entity("Ann", crm=held("Anna", "Ann"), desk=Held(refused={"name": "Ann"}))
    assert in_step(NAME, other, creates=desk).writes == {"desk": {"name": "Anna"}}


def test_what_a_system_makes_of_a_value_is_let_be_until_somebody_changes_it() -> None:
    cut = held("A", "A", took={"name": ("Ann", "A")})
    assert in_step(NAME, entity("Ann", crm=held("Ann", "Ann"), desk=cut)).writes == {}
    assert in_step(NAME, entity("Ann", crm=held("Anna", "Ann"), desk=cut)).writes == {"desk": {"name": "Anna"}}
    changed = entity("Ann", crm=held("Ann", "Ann"), desk=held("B", "A", took={"name": ("Ann", "A")}))
    assert in_step(NAME, changed).writes == {"crm": {"name": "B"}}, "who edits it knows what it stands for"


def test_a_field_that_the_policy_does_not_have_any_more_is_made_nowhere() -> None:
    lost = Entity(
        fields={"name": Standing(agreed="Ann"), "fax": Standing(agreed="1")}, records={"crm": held("Ann", "Ann")}
    )
    assert in_step(NAME, lost, creates=frozenset({"desk"})).writes == {"desk": {"name": "Ann"}}


def test_a_malformed_value_goes_nowhere_and_is_left_alone() -> None:
    step = in_step(NAME, entity("Ann", crm=held("?", "Ann"), desk=held("Anna", "Ann")))
    assert (step.malformed, step.writes) == ({"name": ("crm",)}, {})
    assert step.entity.fields["name"].agreed == "Anna"
    assert in_step(NAME, entity("Ann", crm=held("?", "Ann"))).writes == {}


def test_a_system_without_the_field_is_left_out() -> None:
    without = Held(external_id="1", now={}, base={})
    step = in_step(NAME, entity("Ann", crm=held("Anna", "Ann"), desk=without))
    assert step.writes == {}


def test_an_edit_where_none_counts_is_put_back() -> None:
    one_way = {"name": terms(taken_from=frozenset({"crm"}), written_to=frozenset({"desk"}))}
    step = in_step(one_way, entity("Ann", crm=held("Ann", "Ann"), desk=held("Bob", "Ann")))
    assert [(move.why, move.after, move.edited) for move in step.moves] == [(Why.PUT_BACK, "Ann", {"desk": "Bob"})]
    assert step.writes == {"desk": {"name": "Ann"}}
    again = in_step(one_way, step.entity)
    assert (again.moves, again.writes) == ((), {"desk": {"name": "Ann"}}), "told once"
    assert in_step(one_way, entity("Ann", crm=held("Bob", "Ann"), desk=held("Ann", "Ann"))).writes == {
        "desk": {"name": "Bob"}
    }


def test_what_stands_where_it_is_only_written_is_left_alone_until_something_is_agreed_on() -> None:
    one_way = {"name": terms(taken_from=frozenset({"crm"}), written_to=frozenset({"desk"}))}
    step = in_step(one_way, Entity(records={"crm": held(""), "desk": held("555")}))
    assert (step.moves, step.writes) == ((), {})
    filled = step.entity.model_copy(update={"records": step.entity.records | {"crm": held("777", "")}})
    step = in_step(one_way, filled)
    assert step.writes == {"desk": {"name": "777"}}
    assert {move.why: move.edited for move in step.moves} == {Why.ONE_EDIT: {"crm": "777"}}


def test_what_its_owner_has_cleared_is_cleared_where_it_is_only_written() -> None:
    owned = {"name": terms(FieldRule(owner="crm"), frozenset({"crm"}), frozenset({"desk"}))}
    cleared = entity("Ann", crm=held("", "Ann"), desk=held("Ann", "Ann", busy=True))
    step = in_step(owned, cleared)
    later = step.entity.model_copy(update={"records": step.entity.records | {"desk": held("Ann", "Ann")}})
    assert in_step(owned, later).writes == {"desk": {"name": ""}}


CONTEST = entity("Ann", crm=held("Anna", "Ann"), desk=held("Hanna", "Ann"), sql=held("Ann", "Ann"))


def test_a_contradiction_stops_the_field_and_is_told_once() -> None:
    step = in_step(NAME, CONTEST)
    assert [(move.why, move.edited) for move in step.moves] == [(Why.CONFLICT, {"crm": "Anna", "desk": "Hanna"})]
    assert step.writes == {}
    again = in_step(NAME, step.entity)
    assert (again.moves, again.writes, again.entity) == ((), {}, step.entity)


def test_the_other_fields_go_on() -> None:
    both = {"name": terms(), "town": terms()}
    records = {
        "crm": Held(external_id="1", now={"name": "Anna", "town": "Bonn"}, base={"name": "Ann", "town": "Ulm"}),
        "desk": Held(external_id="1", now={"name": "Hanna", "town": "Ulm"}, base={"name": "Ann", "town": "Ulm"}),
    }
    fields = {"name": Standing(agreed="Ann"), "town": Standing(agreed="Ulm")}
    assert in_step(both, Entity(fields=fields, records=records)).writes == {"desk": {"town": "Bonn"}}


def test_what_a_person_decides_reaches_everybody_and_is_held_against_later_edits() -> None:
    settled = decided(in_step(NAME, CONTEST).entity, "name", "Johanna", "a person")
    step = in_step(NAME, settled)
    assert step.writes == {name: {"name": "Johanna"} for name in ("crm", "desk", "sql")}
    meanwhile = settled.records | {"desk": held("Hanne", "Hanna")}
    assert in_step(NAME, settled.model_copy(update={"records": meanwhile})).entity.fields["name"].contested == {
        "desk": "Hanne"
    }


def test_an_edit_that_nobody_was_shown_is_not_heard_by_what_they_decide() -> None:
    shown = in_step(NAME, CONTEST).entity
    unseen = shown.model_copy(update={"records": shown.records | {"desk": held("Johanna", "Ann")}})
    step = in_step(NAME, decided(unseen, "name", "Anna", "a person"))
    assert step.entity.fields["name"].contested == {"desk": "Johanna"}


def test_a_field_that_the_policy_lost_is_contested_no_more() -> None:
    step = in_step({}, in_step(NAME, CONTEST).entity)
    assert (step.entity.fields["name"].contested, step.moves, step.writes) == ({}, (), {})


def test_a_contradiction_can_end_by_itself() -> None:
    stopped = in_step(NAME, CONTEST).entity
    agreeing = stopped.model_copy(update={"records": stopped.records | {"desk": held("Anna", "Ann")}})
    step = in_step(NAME, agreeing)
    assert step.entity.fields["name"] == Standing(agreed="Anna", set_by=("crm", "desk"), contests=1)
    assert step.writes == {"sql": {"name": "Anna"}}
    taken_back = stopped.model_copy(
        update={"records": stopped.records | {"desk": held("Ann", "Ann"), "crm": held("Ann", "Ann")}}
    )
    assert in_step(NAME, taken_back).entity.fields["name"] == Standing(agreed="Ann", contests=1)


def test_a_decided_field_that_a_system_does_not_have_is_no_obstacle() -> None:
    stopped = in_step(NAME, CONTEST).entity
    short = stopped.model_copy(update={"records": stopped.records | {"sql": Held(external_id="1")}})
    assert decided(short, "name", "Ann", "a person").records["sql"].base == {}


def test_who_had_seen_what_others_made_of_the_owners_value_contradicts_who_made_something_else_of_that() -> None:
    """The shop is behind: the owner sets b, the database makes d of it, and then g while the desk makes f of d."""
    owned = {"name": terms(FieldRule(owner="crm"), EVERYWHERE | {"shop"}, EVERYWHERE | {"shop"})}
    told = entity("a", crm=held("b", "a"), desk=held("a", "a"), sql=held("a", "a"), shop=held("a", "a", busy=True))

    def after(before: Entity, **now: Held) -> Entity:
        return in_step(owned, before.model_copy(update={"records": before.records | now})).entity

    of_owner = after(told)
    of_sql = after(of_owner, desk=held("b", "b"), sql=held("d", "b"))
    assert (of_sql.fields["name"].agreed, of_sql.fields["name"].since) == ("d", ("b", "d"))
    late = after(of_sql, crm=held("d", "d"), desk=held("d", "d"), sql=held("g", "d"))
    contested = after(late, desk=held("f", "d"))
    assert (contested.fields["name"].agreed, contested.fields["name"].contested) == ("g", {"desk": "f"})
    unseen = after(late, shop=held("f", "a"))
    assert (unseen.fields["name"].agreed, unseen.fields["name"].contested) == ("g", {})


def test_tags_in_another_order_are_no_other_tags() -> None:
    tags = {"name": terms(FieldRule(kind=Kind.UNION))}
    gone_and_back = entity("c, b", crm=held("c, b", "c, b"), desk=held("c", "a"), sql=held("b", "c, b"))
    step = in_step(tags, gone_and_back)
    assert step.entity.fields["name"] == Standing(agreed="c, b")
    assert step.writes == {"desk": {"name": "c, b"}, "sql": {"name": "c, b"}}


def test_who_set_what_is_agreed_on_is_remembered_until_all_hold_it() -> None:
    behind = in_step(NAME, entity("Ann", crm=held("Anna", "Ann"), desk=held("Ann", "Ann", busy=True))).entity
    further = behind.model_copy(update={"records": behind.records | {"crm": held("Hanna", "Anna")}})
    step = in_step(NAME, further)
    assert step.entity.fields["name"].set_by == ("crm",)
    assert step.entity.fields["name"].agreed == "Hanna"


# What holds whatever happens in which order: systems that are edited at any time, read late, and written to by
# compare-and-set, by somebody who can die at any point.


@dataclass
class System:
    """A system as it is, and the edits that were made in it by others than us: each with what it replaced."""

    value: str
    edits: list[tuple[str, str]] = field(default_factory=list)

    def edit(self, value: str) -> None:
        if value != self.value:
            self.edits.append((self.value, value))
            self.value = value


@dataclass
class World:
    """The systems, and what the one who keeps them in step knows of them."""

    rules: dict[str, FieldTerms]
    systems: dict[str, System]
    known: Entity
    under_way: dict[str, tuple[str, str]] = field(default_factory=dict)
    moves: list = field(default_factory=list)

    def read(self, name: str) -> None:
        record = self.known.records[name]
        if not record.busy:
            self._note(name, now={"name": self.systems[name].value})

    def merge(self) -> None:
        step = in_step(self.rules, self.known)
        self.known = step.entity
        self.moves += step.moves
        for name, values in step.writes.items():
            self.under_way[name] = (self.known.records[name].now["name"], values["name"])
            self._note(name, busy=True)

    def write(self, name: str) -> None:
        if name not in self.under_way:
            return
        expected, value = self.under_way.pop(name)
        taken = self.systems[name].value == expected
        if taken:
            self.systems[name].value = value
            self._note(name, base={"name": value}, now={"name": value}, busy=False)
        self._note(name, busy=False)
        self.read(name)

    def write_and_lose_the_answer(self, name: str, meanwhile: str) -> None:
        """The write is taken, somebody changes the record, and only then is the write looked up."""
        if name not in self.under_way:
            return
        expected, value = self.under_way.pop(name)
        if self.systems[name].value == expected:
            self.systems[name].value = value
            self.systems[name].edit(meanwhile)
            self._note(name, base={"name": value})  # as the outcome's `wrote` has it
        self._note(name, busy=False)
        self.read(name)

    def settle(self) -> None:
        for _ in range(8):
            for name in self.systems:
                self.write(name)
                self.read(name)
            self.merge()

    def _note(self, name: str, **what) -> None:
        record = self.known.records[name].model_copy(update=what)
        self.known = self.known.model_copy(update={"records": self.known.records | {name: record}})


def after_all(rule: FieldRule, happens: list) -> World:
    """The world once everything has happened, and time enough has passed."""
    here = world(rule)
    for what, *args in happens:
        match what, args:
            case "edit", [name, value]:
                here.systems[name].edit(value)
            case "read", [name]:
                here.read(name)
            case "write", [name]:
                here.write(name)
            case "lose", [name, value]:
                here.write_and_lose_the_answer(name, value)
            case _:
                here.merge()
    here.settle()
    return here


def world(rule: FieldRule) -> World:
    names = sorted(EVERYWHERE)
    return World(
        {"name": terms(rule)},
        {name: System("a") for name in names},
        entity("a", **{name: held("a", "a") for name in names}),
    )


NAMES = st.sampled_from(sorted(EVERYWHERE))
HAPPENS = st.lists(
    st.one_of(
        st.tuples(st.just("edit"), NAMES, st.sampled_from("abcd")),
        st.tuples(st.just("read"), NAMES),
        st.tuples(st.just("write"), NAMES),
        st.tuples(st.just("lose"), NAMES, st.sampled_from("abcd")),
        st.tuples(st.just("merge")),
    ),
    max_size=25,
)
RULES = st.sampled_from(
    [
        FieldRule(),
        FieldRule(owner="crm"),
        FieldRule(kind=Kind.FORWARD, stages=tuple("abcd")),
        FieldRule(kind=Kind.UNION),
    ]
)


@settings(max_examples=400)
@given(RULES, HAPPENS)
def test_whatever_happens_the_systems_agree_in_the_end_or_a_person_is_asked(rule, happens) -> None:
    here = after_all(rule, happens)
    standing = here.known.fields["name"]
    same = meaning(rule, str)  # tags may stand in another order
    values = {same(system.value) for system in here.systems.values()}
    assert standing.contested or {same(standing.agreed)} == values
    before = (here.known, len(here.moves))
    here.settle()
    assert (here.known, len(here.moves)) == before, "in step, and nothing more to do"


@settings(max_examples=400)
@given(HAPPENS)
def test_no_edit_that_nothing_contradicted_is_lost(happens) -> None:
    """Every value that somebody typed last in a system stands everywhere, is contested, or was replaced by somebody
    who saw it."""
    here = after_all(FieldRule(), happens)
    standing = here.known.fields["name"]
    if standing.contested:
        return
    replaced = {was for system in here.systems.values() for was, _ in system.edits}
    for system in here.systems.values():
        for _, value in system.edits[-1:]:
            assert value == standing.agreed or value in replaced


@given(st.permutations(sorted(EVERYWHERE)), st.lists(st.sampled_from("abc"), min_size=3, max_size=3))
def test_the_order_in_which_the_systems_are_read_changes_nothing(order, values) -> None:
    records = {name: held(value, "a") for name, value in zip(sorted(EVERYWHERE), values, strict=True)}
    shuffled = {name: records[name] for name in order}
    one, other = in_step(NAME, entity("a", **records)), in_step(NAME, entity("a", **shuffled))
    assert (one.moves, one.writes, one.entity.fields) == (other.moves, other.writes, other.entity.fields)


@pytest.mark.parametrize("again", [1, 2])
def test_the_same_again_asks_for_the_same(again) -> None:
    step = in_step(NAME, entity("Ann", crm=held("Anna", "Ann"), desk=held("Ann", "Ann")))
    for _ in range(again):
        step = in_step(NAME, step.entity)
    assert (step.moves, step.writes) == ((), {"desk": {"name": "Anna"}})
