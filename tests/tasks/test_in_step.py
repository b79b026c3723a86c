"""What keeping records in step promises, with real tables as the systems."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from databases import sqlite_database
from kept_tables import Pair, side, sync_resources, write_sync

from connectors.store.engine import Store
from domain.breaker import Breaker
from domain.delivery import Conflict, Invalid, Unknown
from domain.review import Answer, ReviewKind
from domain.source_state import SourceState
from tasks.review import form_of, settle_answer


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    store = Store(sqlite_database(tmp_path / "store.db"))
    yield Pair(tmp_path, store)
    store.close()


@pytest.fixture
async def linked(pair: Pair) -> Pair:
    """Ann, in both systems and in step."""
    for system in ("crm", "desk"):
        pair.tables.put(system, "1", name="Ann", email="ann@x.org", town="Bonn", tags="a", stage="lead")
    await pair.run()
    assert pair.tables.sent == []
    return pair


async def test_an_edit_on_each_side_reaches_the_other(linked):
    linked.tables.edit("crm", "1", town="Ulm")
    linked.tables.edit("desk", "1", name="Anna")
    await linked.run()
    assert linked.tables.row("crm") == linked.tables.row("desk")
    assert (linked.tables.row("crm")["town"], linked.tables.row("crm")["name"]) == ("Ulm", "Anna")
    assert linked.history("town")[-1] == ("Bonn", "Ulm", "one_edit")


async def test_running_again_writes_nothing_and_hears_no_echo(linked):
    linked.tables.edit("crm", "1", town="Ulm")
    await linked.run()
    sent, before = len(linked.tables.sent), linked.history("town")
    await linked.run()
    assert (len(linked.tables.sent), linked.history("town")) == (sent, before)


async def test_a_record_that_no_change_tells_of_is_not_made_again(pair):
    """A row without a time is in no system's changes; yet it is there."""
    write_sync(pair.folder, {name: side(name, creates=True) for name in ("crm", "desk")})
    pair.tables.put("crm", "1", name="Ann", email="ann@x.org", town="Bonn")
    pair.tables.put("desk", "7", name="Ann", email="ann@x.org")
    pair.tables.edit_unheard("desk", "7", updated_at=None)
    await pair.run()
    assert list(pair.tables.rows("desk")) == ["7"]
    assert pair.tables.row("desk", "7")["town"] == "Bonn"


async def test_what_differs_at_the_first_link_up_is_filled_in_or_asked_about(pair):
    pair.tables.put("crm", "1", name="Ann", email="ann@x.org", town="Bonn")
    pair.tables.put("desk", "7", name="Anna", email="Ann@X.org", stage="offer")
    await pair.run()
    assert pair.tables.row("desk", "7")["town"] == "Bonn"
    assert pair.tables.row("crm")["stage"] == "offer"
    (review,) = pair.reviews()
    assert (review.kind, review.question["field"]) == (ReviewKind.CONFLICT, "name")


async def test_rules_decide_where_they_can(linked):
    linked.tables.edit("crm", "1", email="ann@y.org", tags="a, b", stage="offer")
    linked.tables.edit("desk", "1", email="ann@z.org", tags="c", stage="won")
    await linked.run()
    for system in ("crm", "desk"):
        row = linked.tables.row(system)
        assert (row["email"], row["tags"], row["stage"]) == ("ann@y.org", "b, c", "won")
    assert linked.reviews() == []


async def test_a_contradiction_waits_for_a_person_and_the_other_fields_go_on(linked):
    linked.tables.edit("crm", "1", name="Anna", town="Ulm")
    linked.tables.edit("desk", "1", name="Hanna")
    account = await linked.run()
    assert (linked.tables.row("crm")["name"], linked.tables.row("desk")["name"]) == ("Anna", "Hanna")
    assert linked.tables.row("desk")["town"] == "Ulm"
    assert (account.accepted, account.waiting) == (1, 1)
    form, settled = linked.answer("desk")
    assert settled.by == "a person"
    assert {"crm", "desk", "agreed", "other", "crm_always", "desk_always"} == form.choices.keys()
    assert "+        owner: crm" in form.markdown or "+      owner: crm" in form.markdown
    account = await linked.run()
    assert {linked.tables.row(system)["name"] for system in ("crm", "desk")} == {"Hanna"}
    assert (account.done, account.waiting) == (1, 0)
    assert linked.history("name")[-1] == ("Ann", "Hanna", "decided")


async def test_a_person_may_say_something_else_but_nothing_malformed(linked):
    linked.policy = write_sync(linked.folder, person={"same_by": []})
    linked.tables.edit("crm", "1", name="Anna")
    linked.tables.edit("desk", "1", name="Hanna")
    await linked.run()
    _, refused = linked.answer("other")
    assert "Fill in" in refused.notice
    linked.answer("other", value="Johanna")
    await linked.run()
    assert {linked.tables.row(system)["name"] for system in ("crm", "desk")} == {"Johanna"}


async def test_a_contradiction_that_ends_by_itself_asks_nobody_any_more(linked):
    linked.tables.edit("crm", "1", name="Anna")
    linked.tables.edit("desk", "1", name="Hanna")
    await linked.run()
    linked.tables.edit("desk", "1", name="Anna")
    account = await linked.run()
    assert (linked.reviews(), account.done, account.waiting) == ([], 1, 0)


async def test_what_was_shown_is_void_once_a_system_says_something_else(linked):
    linked.tables.edit("crm", "1", name="Anna")
    linked.tables.edit("desk", "1", name="Hanna")
    await linked.run()
    here = sync_resources(linked.store, linked.tables)
    (review,) = linked.reviews()
    with linked.store.reading() as tx:
        form = form_of(here, tx, tx.reviews.get(review.review_id))
    linked.tables.edit("desk", "1", name="Hanne")
    await linked.run()
    settled = settle_answer(here, review.review_id, Answer(choice="desk", reviewer="a person", binding=form.binding))
    assert settled.refusal == "changed"


async def test_a_write_over_an_edit_that_nobody_knew_of_is_not_made(linked):
    def edit_first(_operation):
        linked.tables.before = lambda _operation: None
        linked.tables.edit("desk", "1", town="Köln")

    linked.tables.edit("crm", "1", town="Ulm")
    linked.tables.before = edit_first
    await linked.run()
    assert (linked.tables.row("crm")["town"], linked.tables.row("desk")["town"]) == ("Ulm", "Köln")
    (review,) = linked.reviews()
    assert review.question["field"] == "town"


def reading(pair: Pair, system: str, state: SourceState) -> None:
    with pair.store.transaction() as tx:
        tx.sources.put(f"tiny_sync/person/{system}", "tiny_sync", f"person in {system}", state, datetime.now(UTC))


def unreadable(pair: Pair, system: str) -> None:
    """Let nobody read a system for a while, as it has failed."""
    reading(pair, system, SourceState(breaker=Breaker(open_until=datetime.now(UTC) + timedelta(hours=1))))


async def test_a_record_that_has_changed_is_written_to_again_only_once_it_was_read(linked):
    linked.tables.edit("crm", "1", town="Ulm")
    linked.tables.edit("desk", "1", town="Köln")
    unreadable(linked, "desk")
    await linked.run()
    await linked.run()
    assert len(linked.tables.sent) == 1
    linked.tables.edit("desk", "1", town="Bonn")
    reading(linked, "desk", SourceState())
    await linked.run()
    assert linked.tables.row("desk")["town"] == "Ulm"
    assert len(linked.tables.sent) == 2


async def test_taking_back_what_was_written_is_an_edit_though_the_write_is_told_as_overtaken(linked):
    """Its answer was lost; by the time it is looked up somebody has taken it back."""

    def take_back(_operation):
        linked.tables.before = lambda _operation: None
        return Conflict(detail="town is something else by now", moved=True, wrote=("town",))

    linked.tables.edit("crm", "1", town="Ulm")
    linked.tables.before = take_back
    await linked.run()
    await linked.run()
    assert (linked.tables.row("crm")["town"], linked.tables.row("desk")["town"]) == ("Bonn", "Bonn")
    assert linked.history("town")[-2:] == [("Bonn", "Ulm", "one_edit"), ("Ulm", "Bonn", "one_edit")]


async def test_what_was_written_is_no_edit_while_its_record_cannot_be_read_again(linked):
    def overtaken(operation):
        linked.tables.before = lambda _operation: None
        linked.tables.edit("desk", "1", town="Ulm", name="Hanna")
        unreadable(linked, "desk")
        return Conflict(detail="name is something else by now", moved=True, wrote=("town",))

    linked.tables.edit("crm", "1", town="Ulm", name="Anna")
    linked.tables.before = overtaken
    await linked.run()
    linked.tables.edit("crm", "1", stage="offer")
    await linked.run()
    assert linked.history("town")[-1] == ("Bonn", "Ulm", "one_edit")
    assert linked.tables.row("crm")["town"] == "Ulm"


def write_over(pair: Pair, theirs: dict[str, str], later: dict[str, str]) -> None:
    """Let the next write replace what somebody made at the desk, where another one changes it again at once."""

    def overwrite(operation):
        pair.tables.before = lambda _operation: None
        wrote = {name: text for name, text in operation.values.items() if name not in theirs}
        pair.tables.edit("desk", "1", **wrote, **later)
        return Conflict(detail="changed", moved=True, wrote=tuple(operation.values), overwrote=theirs)

    pair.tables.before = overwrite


async def test_an_edit_that_our_write_replaced_is_merged_though_nobody_can_read_it_any_more(linked):
    linked.tables.edit("crm", "1", tags="a, b", town="Ulm")
    write_over(linked, {"tags": "a, c"}, {"tags": "a, b, d"})
    await linked.run()
    await linked.run()
    for system in ("crm", "desk"):
        row = linked.tables.row(system)
        assert (row["tags"], row["town"]) == ("a, b, c, d", "Ulm")


async def test_an_edit_that_our_write_replaced_is_told_and_who_saw_ours_goes_on_from_there(linked):
    linked.tables.edit("crm", "1", name="Anna", email="ann@y.org")
    write_over(linked, {"name": "Hanna", "email": "ann@z.org"}, {"name": "Annabel", "email": "bel@y.org"})
    await linked.run()
    await linked.run()
    for system in ("crm", "desk"):
        row = linked.tables.row(system)
        assert (row["name"], row["email"]) == ("Annabel", "bel@y.org")
    assert linked.history("name")[-2:] == [("Anna", "Anna", "conflict"), ("Anna", "Annabel", "one_edit")]
    assert linked.history("email")[-2:] == [("ann@y.org", "ann@y.org", "owner"), ("ann@y.org", "bel@y.org", "one_edit")]
    assert linked.reviews() == []


async def test_an_answer_that_was_lost_is_looked_up_and_nothing_is_written_twice(linked):
    lost = []

    def lose(operation):
        if not lost:
            lost.append(operation)
            return Unknown(detail="no answer")
        return None

    linked.tables.edit("crm", "1", town="Ulm")
    linked.tables.before = lose
    await linked.run()
    await linked.run()
    assert linked.tables.row("desk")["town"] == "Ulm"
    assert len(linked.history("town")) == 2


async def test_what_a_vendor_makes_of_our_write_is_no_edit(linked):
    linked.tables.trigger("desk", "town", "upper(new.town)")
    linked.tables.edit("crm", "1", town="Ulm")
    await linked.run()
    await linked.run()
    assert (linked.tables.row("crm")["town"], linked.tables.row("desk")["town"]) == ("Ulm", "ULM")
    assert len(linked.tables.sent) == 1, "and it is not asked again for what it makes something else of"
    linked.tables.edit("desk", "1", town="Rom")
    await linked.run()
    assert linked.tables.row("crm")["town"] == "ROM"


async def test_a_refused_write_is_told_and_sent_again_only_if_it_is_another(linked):
    linked.tables.edit("crm", "1", town="Ulm")
    linked.tables.before = lambda _operation: Invalid(detail="no such town")
    await linked.run()
    sent = len(linked.tables.sent)
    await linked.run()
    assert len(linked.tables.sent) == sent
    with linked.store.reading() as tx:
        (told,) = tx.escalations.waiting("tiny_sync")
        assert tx.entities.counts("tiny_sync")["dead_letters"] == 1
    assert "to desk, record 1 was given up: no such town" in told.message
    linked.tables.before = lambda _operation: None
    linked.tables.edit("crm", "1", town="Köln")
    await linked.run()
    assert linked.tables.row("desk")["town"] == "Köln"


async def test_one_field_that_is_refused_takes_no_other_with_it(linked):
    linked.tables.before = lambda operation: Invalid(detail="no such town") if "town" in operation.values else None
    linked.tables.edit("crm", "1", town="Ulm", name="Anna")
    await linked.run()
    await linked.run()
    assert (linked.tables.row("desk")["town"], linked.tables.row("desk")["name"]) == ("Bonn", "Anna")


async def test_a_dead_letter_that_is_put_back_is_decided_anew(linked):
    linked.tables.before = lambda _operation: Invalid(detail="no such town")
    linked.tables.edit("crm", "1", town="Ulm")
    await linked.run()
    linked.tables.before = lambda _operation: None
    with linked.store.transaction() as tx:
        tx.dead_letters.put_back(tx.dead_letters.of(), "a person", datetime.now(UTC))
    linked.tables.edit("desk", "1", name="Anna")
    await linked.run()
    assert linked.tables.row("desk")["town"] == "Ulm"
    assert (linked.tables.row("crm")["name"], linked.reviews()) == ("Anna", [])


async def test_a_record_is_made_where_there_is_none_once(pair):
    pair.policy = write_sync(pair.folder, {"crm": side("crm"), "desk": side("desk", creates=True)})
    pair.tables.put("crm", "1", name="Ann", email="ann@x.org")
    await pair.run()
    await pair.run()
    (made,) = pair.tables.rows("desk").values()
    assert made["email"] == "ann@x.org"
    pair.tables.edit("crm", "1", town="Ulm")
    await pair.run()
    assert [row["town"] for row in pair.tables.rows("desk").values()] == ["Ulm"]


async def test_a_record_whose_making_was_refused_is_made_once_it_would_be_another(pair):
    pair.policy = write_sync(pair.folder, {"crm": side("crm"), "desk": side("desk", creates=True)})
    pair.tables.before = lambda _operation: Invalid(detail="no such town")
    pair.tables.put("crm", "1", name="Ann", email="ann@x.org", town="Ulm")
    await pair.run()
    sent = len(pair.tables.sent)
    pair.tables.before = lambda _operation: None
    await pair.run()
    assert (len(pair.tables.sent), pair.tables.rows("desk")) == (sent, {})
    pair.tables.edit("crm", "1", town="Bonn")
    await pair.run()
    assert [row["town"] for row in pair.tables.rows("desk").values()] == ["Bonn"]


async def test_none_is_made_for_what_the_other_system_has(pair):
    pair.policy = write_sync(pair.folder, {"crm": side("crm", creates=True), "desk": side("desk", creates=True)})
    pair.tables.put("crm", "1", name="Ann", email="ann@x.org")
    pair.tables.put("desk", "9", name="Ann", email="ann@x.org")
    pair.tables.put("desk", "8", name="Bob", email="bob@x.org")
    await pair.run()
    await pair.run()
    assert len(pair.tables.rows("crm")) == len(pair.tables.rows("desk")) == 2


async def test_a_record_that_was_deleted_is_let_be_and_the_others_stay(linked):
    linked.tables.delete("desk", "1")
    linked.tables.edit("crm", "1", town="Ulm")
    linked.tables.note("desk", "1", linked.store)
    await linked.run()
    assert linked.tables.rows("desk") == {}
    assert linked.tables.row("crm")["town"] == "Ulm"


async def test_two_of_one_system_that_are_the_same_are_asked_about(linked):
    linked.tables.put("crm", "2", name="Ann B.", email="ann@x.org")
    await linked.run()
    (review,) = linked.reviews()
    assert review.kind == ReviewKind.LINK
    linked.answer("new")
    await linked.run()
    with linked.store.reading() as tx:
        assert len(tx.entities.find("en-")) == 2


async def test_a_key_that_changes_is_an_edit_like_any_and_the_records_stay_linked(linked):
    linked.tables.edit("crm", "1", email="ann@new.example")
    await linked.run()
    assert linked.tables.row("desk")["email"] == "ann@new.example"
    linked.tables.edit("desk", "1", town="Ulm")
    await linked.run()
    assert linked.tables.row("crm")["town"] == "Ulm"


async def test_a_field_that_a_system_lost_is_left_out_and_nowhere_cleared(linked):
    linked.tables.alter("desk", "drop column town")
    linked.tables.edit("desk", "1", name="Anna")
    await linked.run()
    assert (linked.tables.row("crm")["name"], linked.tables.row("crm")["town"]) == ("Anna", "Bonn")
    linked.tables.edit("crm", "1", town="Ulm", stage="offer")
    await linked.run()
    assert linked.tables.row("desk")["stage"] == "offer"
    linked.tables.alter("desk", "add column town text")
    linked.tables.edit("desk", "1", name="Hanna")
    await linked.run()
    assert linked.tables.row("desk")["town"] == "Ulm", "a field that comes back empty is filled in"


async def test_systems_whose_clocks_disagree_lose_nothing(linked):
    linked.tables.edit("crm", "1", town="Ulm", clock=timedelta(hours=-3))
    linked.tables.note("crm", "1", linked.store)  # its changes are told of in the order of its clock
    linked.tables.edit("desk", "1", name="Anna")
    await linked.run()
    assert linked.tables.row("crm") == linked.tables.row("desk")
    assert (linked.tables.row("crm")["town"], linked.tables.row("crm")["name"]) == ("Ulm", "Anna")


async def test_a_record_that_was_deleted_is_made_again_where_the_policy_wants_that(linked):
    linked.policy = write_sync(
        linked.folder, {"crm": side("crm"), "desk": side("desk", creates=True)}, person={"when_gone": "make_again"}
    )
    linked.tables.delete("desk", "1")
    linked.tables.note("desk", "1", linked.store)
    await linked.run()
    (made,) = linked.tables.rows("desk").values()
    assert made["email"] == "ann@x.org"


async def test_in_shadow_mode_nothing_is_written(pair):
    pair.policy = write_sync(pair.folder, mode="shadow")
    pair.tables.put("crm", "1", name="Ann", email="ann@x.org", town="Bonn")
    pair.tables.put("desk", "1", name="Ann", email="ann@x.org")
    await pair.run()
    assert pair.tables.sent == []


async def test_three_systems_agree(tmp_path):
    store = Store(sqlite_database(tmp_path / "store.db"))
    trio = Pair(tmp_path, store, ("crm", "desk", "base"))
    trio.policy = write_sync(tmp_path, {name: side(name, creates=True) for name in trio.tables.systems})
    trio.tables.put("desk", "1", name="Ann", email="ann@x.org")
    await trio.run()
    (key,) = trio.tables.rows("base")
    trio.tables.edit("base", key, town="Ulm", tags="x")
    trio.tables.edit("desk", "1", name="Anna", tags="y")
    await trio.run()
    rows = [row for system in trio.tables.systems for row in trio.tables.rows(system).values()]
    assert len(rows) == 3
    assert all(row == rows[0] for row in rows)
    assert (rows[0]["name"], rows[0]["town"], rows[0]["tags"]) == ("Anna", "Ulm", "x, y")
    store.close()


async def test_an_answer_is_about_the_record_that_was_shown(linked):
    linked.tables.put("crm", "2", name="Ann", email="ann@x.org")
    await linked.run()
    here = sync_resources(linked.store, linked.tables)
    (review,) = linked.reviews()
    with linked.store.reading() as tx:
        form = form_of(here, tx, tx.reviews.get(review.review_id))
    linked.tables.edit("crm", "2", name="Zoe", email="zoe@q.org")
    await linked.run()
    settled = settle_answer(here, review.review_id, Answer(choice="new", reviewer="a person", binding=form.binding))
    assert settled.refusal == "changed"
    assert linked.answer("new")[1].by == "a person"


async def test_a_question_about_a_field_that_the_policy_lost_can_still_be_answered(linked):
    linked.tables.edit("crm", "1", town="Ulm")
    linked.tables.edit("desk", "1", town="Hof")
    await linked.run()
    at = {name: {"at": {"crm": name, "desk": name}} for name in ("name", "email")}
    linked.policy = write_sync(linked.folder, person={"fields": at})
    form, settled = linked.answer("crm")
    assert "does not have this field any more" in form.markdown
    assert settled.by == "a person"
    account = await linked.run()
    assert (linked.tables.row("desk")["town"], account.waiting) == ("Hof", 0)


async def test_a_field_that_the_policy_lost_is_asked_about_no_more_and_again_when_it_is_back(linked):
    linked.tables.edit("crm", "1", town="Ulm")
    linked.tables.edit("desk", "1", town="Hof")
    await linked.run()
    at = {name: {"at": {"crm": name, "desk": name}} for name in ("name", "email")}
    linked.policy = write_sync(linked.folder, person={"fields": at})
    linked.tables.edit("crm", "1", name="Anna")
    account = await linked.run()
    assert (linked.reviews(), account.done, account.waiting) == ([], 1, 0)
    linked.policy = write_sync(linked.folder)
    linked.tables.edit("crm", "1", name="Annika")
    await linked.run()
    (review,) = linked.reviews()
    assert review.question["field"] == "town"


async def test_malformed_values_of_a_field_are_told_once(linked):
    linked.tables.edit("crm", "1", email="call me")
    await linked.run()
    linked.tables.edit("desk", "1", name="Anna")
    await linked.run()
    with linked.store.reading() as tx:
        (told,) = tx.escalations.waiting("tiny_sync")
    assert told.message.startswith("email of person in crm: what record 1 has cannot be read")
    assert "call me" not in told.message
    assert told.occurrences == 1
