"""What linking systems for the first time promises, with real tables: proven is linked, doubtful is asked about."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from databases import sqlite_database
from kept_tables import Pair, side, sync_resources, write_sync

from connectors.store.crosswalk_rows import Of
from connectors.store.engine import Store
from domain.review import Answer, ReviewKind
from evals.first_link import LinkFit, fit_links
from evals.link_labels import GivenLabel
from policies.linkage import linkage_path
from policies.load import load_workflow
from tasks.link_sample import draw_samples
from tasks.observe import note_changes, read_changed
from tasks.recognise import recognise
from tasks.resources import opened
from tasks.review import form_of, settle_answer

GIVEN = ("Anna", "Bert", "Clara", "Dirk", "Emil", "Frida", "Georg", "Hanna", "Ivo", "Jutta")
FAMILY = ("Adler", "Becker", "Conrad", "Dietz", "Ebner", "Fuchs", "Gruber", "Hofer", "Imhof", "Jansen")
TOWNS = ("Bonn", "Ulm", "Trier", "Kiel", "Jena")
PERSON = Of("tiny_sync", "person")
EASY = {"wrong": 0.2, "confidence": 0.8}
"""A promise that few labels prove: the tests are about what becomes of it, not about how much it takes."""

MATCH: dict[str, Any] = {
    "fields": {"name": "name", "email": "email", "town": "place"},
    "blocks": [{"name": "beginnings"}, "email"],
    "target": EASY,
}


def person(number: int) -> dict[str, str]:
    given, family = GIVEN[number % 10], FAMILY[number // 10 % 10]
    return {"name": f"{given} {family}", "email": f"{given}.{family}@home.example".lower(), "town": TOWNS[number % 5]}


def at_work(number: int) -> dict[str, str]:
    """The same person as another system has it: another address, and a slip in every fourth name."""
    known = person(number)
    name = known["name"] + ("n" if number % 4 == 0 else "")
    return known | {"name": name, "email": known["email"].replace("home", "work")}


class FirstLink(Pair):
    """Two systems whose people are matched by evidence."""

    def __init__(self, folder: Path, store: Store) -> None:
        super().__init__(folder, store)
        self.writes_policy()

    def writes_policy(self, match: dict[str, Any] | None = None, **more: Any) -> None:
        self.policy = write_sync(self.folder, person={"match": MATCH | (match or {})} | more)

    def fill(self, same: int = 40, nowhere: int = 25) -> None:
        """`same` people are in both systems, and `nowhere` more in the desk alone."""
        for number in range(same):
            self.tables.put("crm", f"c{number}", **person(number))
        for number in range(same + nowhere):
            self.tables.put("desk", f"d{number}", **at_work(number))

    async def read(self) -> None:
        async with opened(sync_resources(self.store, self.tables)):
            for step in (note_changes, read_changed):
                await step.fn(self.policy)
            await recognise.fn(self.policy, by_evidence=False)

    def fit(self, labels: Sequence[GivenLabel] = ()) -> LinkFit:
        workflow = load_workflow(self.policy)
        with self.store.reading() as tx:
            record, told = fit_links(tx, workflow, labels)["person"]
        match = workflow.sync.objects["person"].match
        linkage_path(workflow.path, match, "person").write_text(record.model_dump_json(), encoding="utf-8")
        return told

    def labels(self, same: int = 40, nowhere: int = 25) -> list[GivenLabel]:
        known = [
            GivenLabel(system="desk", record=f"d{n}", other_system="crm", other_record=f"c{n}") for n in range(same)
        ]
        return [*known, *(GivenLabel(system="desk", record=f"d{n}") for n in range(same, same + nowhere))]

    def linked(self) -> dict[str, str]:
        """Of each desk record that is linked with one of the CRM, which."""
        with self.store.reading() as tx:
            rows = [row for row in tx.candidates.every(PERSON) if row.entity_id]
        of = {row.entity_id: row.external_id for row in rows if row.system == "crm"}
        return {row.external_id: of[row.entity_id] for row in rows if row.system == "desk" and row.entity_id in of}

    def waits(self) -> int:
        with self.store.reading() as tx:
            return tx.entities.counts("tiny_sync")["to_link"]

    def sample(self, count: int) -> dict[str, int]:
        return draw_samples(sync_resources(self.store, self.tables), self.policy, count)

    def form(self, review: Any) -> Any:
        with self.store.reading() as tx:
            return form_of(sync_resources(self.store, self.tables), tx, tx.reviews.get(review.review_id))

    def say(self, review: Any, choice: str, **inputs: str) -> Any:
        answer = Answer(choice=choice, inputs=inputs, reviewer="a person", binding=self.form(review).binding)
        return settle_answer(sync_resources(self.store, self.tables), review.review_id, answer)

    def about(self, external_id: str) -> Any:
        with self.store.reading() as tx:
            row = tx.candidates.record(PERSON, "crm" if external_id.startswith("c") else "desk", external_id)
        (found,) = (one for one in self.links() if one.question["record"] == row.seq)
        return found

    def links(self) -> list[Any]:
        return [one for one in self.reviews() if one.kind == ReviewKind.LINK]

    def entity(self, external_id: str) -> str:
        with self.store.reading() as tx:
            (entity,) = tx.entities.find(external_id)
        return entity


@pytest.fixture
def first(tmp_path: Path) -> Iterator[FirstLink]:
    store = Store(sqlite_database(tmp_path / "store.db"))
    yield FirstLink(tmp_path, store)
    store.close()


async def test_what_is_proven_is_linked_and_what_is_nowhere_begins_anew(first):
    first.fill()
    await first.read()
    told = first.fit(first.labels())
    assert (told.linked, told.apart) != (None, None), told.told
    await first.run()
    assert first.linked() == {f"d{number}": f"c{number}" for number in range(40)}
    with first.store.reading() as tx:
        assert tx.entities.counts("tiny_sync")["entities"] == 65
    assert first.links() == []


async def test_where_two_are_about_as_likely_a_person_is_asked(first):
    first.fill()
    await first.read()
    first.fit(first.labels())
    await first.run()
    for key in ("c90", "c91"):
        first.tables.put("crm", key, name="Zoe Zander", town="Bonn")
    await first.run()
    first.tables.put("desk", "d90", name="Zoe Zander", town="Bonn")
    await first.run()
    form = first.form(first.about("d90"))
    assert "Several are about equally likely" in form.markdown
    assert "name: the same (zoe zander)" in form.markdown
    first.say(first.about("d90"), first.entity("c91"))
    await first.run()
    assert first.linked()["d90"] == "c91"


async def test_without_a_model_nothing_is_linked_and_what_looks_alike_is_asked_about(first):
    first.tables.put("crm", "c1", **person(1))
    first.tables.put("crm", "c3", **person(3))
    for number in (1, 55):
        first.tables.put("desk", f"d{number}", **at_work(number))
    first.tables.put("desk", "d3", **person(3))
    await first.run()
    assert first.linked() == {"d3": "c3"}, "what alone tells it still does"
    (review,) = first.links()
    assert "Nothing is proven yet" in review.question["why"]
    first.say(review, first.entity("c1"))
    await first.run()
    assert first.linked() == {"d3": "c3", "d1": "c1"}


async def test_a_sample_is_drawn_blindly_and_the_others_wait_until_it_is_answered_and_fitted(first):
    first.fill(same=20, nowhere=10)
    await first.read()
    assert first.sample(4) == {"person": 4}
    await first.run()
    assert (len(first.reviews()), first.waits()) == (4, 26)
    for review in first.reviews():
        form = first.form(review)
        assert "random sample" in form.markdown
        assert "speaks" not in form.markdown
        number = form.markdown.partition("desk d")[2].split("`")[0].split()[0].strip("|")
        first.say(review, first.entity(f"c{number}") if int(number) < 20 else "new")
    await first.run()
    assert first.waits() == 26, "nothing decides before a model is fitted by the answers"
    told = first.fit()
    assert (told.sampled, told.asked, told.linked) == (4, 0, None)
    assert "label about" in told.told
    await first.run()
    assert first.waits() == 0
    assert first.linked().keys() <= {f"d{number}" for number in range(20)}


async def test_an_answer_to_a_doubt_is_a_label_that_proves_nothing(first):
    first.tables.put("crm", "c1", **person(1))
    first.tables.put("desk", "d1", **at_work(1))
    await first.run()
    first.say(first.about("d1"), first.entity("c1"))
    await first.run()
    told = first.fit()
    assert (told.left, told.right, told.sampled, told.asked) == (1, 1, 0, 1)


async def test_a_label_is_of_what_the_records_held_when_it_was_given(first):
    first.fill(same=3, nowhere=0)
    await first.read()
    first.sample(3)
    for number in range(3):
        first.say(first.about(f"d{number}"), first.entity(f"c{number}"))
    before = first.fit()
    await first.run()
    assert first.tables.row("desk", "d1")["email"] == "bert.adler@home.example", "writes made them alike"
    after = first.fit()
    assert (after.sampled, after.told) == (before.sampled, before.told)


async def test_one_that_is_not_shown_can_be_named(first):
    first.tables.put("crm", "c1", **person(1))
    first.tables.put("crm", "c9", name="Somebody Else", town="Rome")
    first.tables.put("desk", "d1", **at_work(1))
    await first.run()
    review = first.about("d1")
    assert "Fill in the id" in first.say(review, "other").notice
    assert "'crm 17' is not one record" in first.say(review, "other", record="crm 17").notice
    first.say(review, "other", record="crm c9")
    assert first.linked() == {"d1": "c9"}


async def test_a_record_that_only_large_blocks_hold_is_asked_about(first):
    first.writes_policy({"blocks": ["town"], "largest_block": 2})
    for number in range(3):
        first.tables.put("crm", f"c{number}", name=f"Somebody {number}", town="Bonn")
    first.tables.put("desk", "d1", name="Somebody 1", town="Bonn")
    await first.run()
    form = first.form(first.about("d1"))
    assert form.choices.keys() == {"new", "other"}
    first.say(first.about("d1"), "other", record="c1")
    assert first.linked() == {"d1": "c1"}


@pytest.mark.parametrize(("told", "asked"), [("leave", 0), ("ask", 1)])
async def test_duplicates_within_a_system_are_asked_about_where_the_policy_wants_that(first, told, asked):
    first.writes_policy(duplicates=told)
    first.tables.put("crm", "c1", **person(1))
    first.tables.put("crm", "c2", **at_work(1))
    await first.run()
    assert len(first.reviews()) == asked
    if asked:
        assert "seems to have it twice" in first.reviews()[0].question["why"]
        first.say(first.about("c2"), first.entity("c1"))
        await first.run()
        assert first.tables.rows("crm").keys() == {"c1", "c2"}, "nothing is merged"


async def test_a_match_that_is_added_later_finds_what_was_read_before(first):
    first.policy = write_sync(first.folder)
    first.tables.put("crm", "c1", **person(1))
    await first.run()
    first.writes_policy()
    first.tables.put("desk", "d1", **at_work(1))
    await first.run()
    assert first.about("d1").question["entities"] == [first.entity("c1")]


async def test_a_model_for_other_fields_is_as_good_as_none(first):
    first.fill()
    await first.read()
    first.fit(first.labels())
    first.writes_policy({"fields": {"name": "name", "email": "email"}})
    await first.run()
    assert first.linked() == {}
    assert {one.kind for one in first.reviews()} == {ReviewKind.LINK}


async def test_nothing_is_linked_before_every_system_was_read_to_its_end(first):
    first.tables.put("crm", "c1", **person(1))
    await first.read()
    with first.store.transaction() as tx:
        tx.cursors.move("tiny_sync/person/desk#read", "", datetime.now(UTC))
    first.tables.put("crm", "c2", **person(2))
    with first.store.transaction() as tx:
        tx.crosswalk.note(PERSON, "crm", ["c2"])
    async with opened(sync_resources(first.store, first.tables)):
        await read_changed.fn(first.policy)
        await recognise.fn(first.policy)
    assert first.waits() == 1


async def test_of_three_systems_each_is_compared_with_what_the_others_have_together(tmp_path):
    store = Store(sqlite_database(tmp_path / "store.db"))
    names = ("crm", "desk", "base")
    trio = Pair(tmp_path, store, names)
    trio.policy = write_sync(tmp_path, {name: side(name) for name in names}, person={"match": MATCH})
    trio.tables.put("crm", "c1", **person(1))
    trio.tables.put("desk", "d1", **person(1))
    trio.tables.put("base", "b1", **at_work(1))
    await trio.run()
    (review,) = trio.reviews()
    (entity,) = review.question["entities"]
    trio.answer(entity)
    with store.reading() as tx:
        assert tx.crosswalk.get(entity).records.keys() == set(names)
    store.close()
