"""What a policy wants from an item's text is found once, kept with it, and used where it is sure enough."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from databases import sqlite_database
from fakes import FakeModel, FakeSystem, fake_resources, sure
from prefect.settings import PREFECT_API_URL, temporary_settings
from tiny import message, write_tiny

from connectors.store.engine import Store
from domain.errors import AnswerNonsense, Throttled
from domain.extraction import By, Extraction, Quoted
from domain.item import ClaimedItem
from domain.proposal import AskOutcome
from policies.intake import check
from policies.load import load_workflow
from prompts.extraction import extraction_fingerprint
from prompts.render import classifier_parts, conversation
from tasks.extract import extract, extract_items
from tasks.resources import opened

EXTRACT = {
    "fields": {
        "email": {"description": "the sender's address"},
        "company": {"description": "the sender's company"},
    }
}
TEXT = "my invoice is wrong, I work at Nordwind. Write to me: ann@nordwind-lager.example"


class Desk:
    """A store, a workflow that extracts, and a model that is scripted."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.folder, self.store = folder, store
        self.model = FakeModel(lambda _text: sure("billing"))
        self.write()

    def write(self, **changes: object) -> None:
        fields = {"message": "text", "email": "email", "company": "company"}
        self.policy = write_tiny(
            self.folder, **({"extract": EXTRACT, "input": {"fields": fields, "text": "{{ message }}"}} | changes)
        )

    def accept(self, external_id: str = "1", text: str = TEXT, **fields: str) -> ClaimedItem:
        item = message(external_id, text, None)
        item = item.model_copy(update={"fields": {"message": text, **fields}})
        with self.store.transaction() as tx:
            here = fake_resources(self.store, self.model, FakeSystem())
            item_id, _ = tx.inbox.accept("tiny", item, timedelta(0), here.now())
        return ClaimedItem(item_id=item_id, policy="tiny", item=item)

    async def extract(self, *items: ClaimedItem) -> list[Extraction]:
        async with opened(fake_resources(self.store, self.model, FakeSystem())):
            return await extract_items.fn(self.policy, list(items))

    def events(self, item: ClaimedItem) -> list[str]:
        with self.store.reading() as tx:
            return [entry.event.value for entry in tx.ledger.entries(item.item_id)]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with closing(Store(sqlite_database(tmp_path / "store.db"))) as store, temporary_settings({PREFECT_API_URL: None}):
        yield Desk(tmp_path, store)


def says(value: str, quote: str, confidence: float | None = 0.99) -> dict[str, Quoted]:
    return {"company": Quoted(value=value, quote=quote, confidence=confidence)}


async def test_patterns_find_what_they_can_and_the_model_is_asked_for_the_rest(desk: Desk) -> None:
    desk.model.finds = lambda _text: says("Nordwind", "I work at Nordwind")
    (extraction,) = await desk.extract(desk.accept())
    assert desk.model.wanted == [("company",)]
    assert {name: (one.value, one.by) for name, one in extraction.found.items()} == {
        "email": ("ann@nordwind-lager.example", By.PATTERN),
        "company": ("Nordwind", By.MODEL),
    }


async def test_what_the_model_invents_is_dropped_and_the_ledger_says_so(desk: Desk) -> None:
    desk.model.finds = lambda _text: says("Hacked GmbH", "I work at Hacked GmbH")
    item = desk.accept()
    (extraction,) = await desk.extract(item)
    assert "company" not in extraction.found
    assert "company" in extraction.dropped
    assert desk.events(item) == ["accepted", "extracted"]


@pytest.mark.parametrize(("confidence", "company"), [(0.99, "Nordwind"), (0.6, None), (None, None)])
async def test_only_what_is_sure_enough_is_used(desk: Desk, confidence: float | None, company: str | None) -> None:
    desk.model.finds = lambda _text: says("Nordwind", "I work at Nordwind", confidence)
    item = desk.accept()
    (extraction,) = await desk.extract(item)
    policy = fake_resources(desk.store, desk.model, FakeSystem()).workflow(desk.policy).policy
    assert check(item.item, policy, extraction).values.get("company") == company


async def test_what_came_in_by_form_is_never_replaced_be_it_malformed(desk: Desk) -> None:
    item = desk.accept(email="ann(at)nordwind", company="Südwind AG")
    (extraction,) = await desk.extract(item)
    policy = fake_resources(desk.store, desk.model, FakeSystem()).workflow(desk.policy).policy
    checked = check(item.item, policy, extraction)
    assert (checked.values["company"], checked.missing) == ("Südwind AG", ("email",))
    assert desk.model.wanted == []


async def test_the_same_again_costs_nothing_and_tells_nothing(desk: Desk) -> None:
    item = desk.accept()
    first = await desk.extract(item)
    assert await desk.extract(item) == first
    assert len(desk.model.wanted) == 1
    assert desk.events(item).count("extracted") == 1


async def test_the_same_text_from_two_deliveries_costs_one_call(desk: Desk) -> None:
    desk.write(input={"fields": {"message": "text", "email": "email", "company": "company"}, "text": "{{ message }}",
                      "duplicate_window_hours": 0})  # fmt: skip
    await desk.extract(desk.accept("1"), desk.accept("2"))
    assert len(desk.model.wanted) == 1


async def test_a_model_that_is_throttled_is_asked_again_and_each_try_is_told(desk: Desk) -> None:
    answers = [Throttled("429", retry_after_s=0.01), says("Nordwind", "I work at Nordwind")]
    desk.model.finds = lambda _text: answers.pop(0)
    item = desk.accept()
    (extraction,) = await desk.extract(item)
    assert (extraction.outcome, extraction.found["company"].value) == (AskOutcome.ANSWERED, "Nordwind")
    assert desk.events(item) == ["accepted", "ask_failed", "extracted"]


async def test_where_the_model_stays_away_the_patterns_stand_alone_and_the_next_run_asks_again(desk: Desk) -> None:
    desk.model.finds = lambda _text: Throttled("429", retry_after_s=0.01)
    item = desk.accept()
    (extraction,) = await desk.extract(item)
    assert (extraction.outcome, set(extraction.found)) == (AskOutcome.THROTTLED, {"email"})
    desk.model.finds = lambda _text: says("Nordwind", "I work at Nordwind")
    (extraction,) = await desk.extract(item)
    assert set(extraction.found) == {"email", "company"}


async def test_nonsense_is_not_asked_about_again(desk: Desk) -> None:
    desk.model.finds = lambda _text: AnswerNonsense("no JSON")
    item = desk.accept()
    await desk.extract(item)
    await desk.extract(item)
    assert len(desk.model.wanted) == 1


@pytest.mark.parametrize("extracting", [None, EXTRACT | {"ask": False}])
async def test_without_a_wish_for_it_the_model_is_not_asked(desk: Desk, extracting: dict[str, object] | None) -> None:
    desk.write(extract=extracting)
    async with opened(fake_resources(desk.store, desk.model, FakeSystem())):
        if extracting is None:
            await extract(desk.policy, [desk.accept()])
        else:
            await extract_items.fn(desk.policy, [desk.accept()])
    assert desk.model.wanted == []


async def test_a_model_that_is_not_shown_an_address_finds_it_by_its_placeholder(desk: Desk) -> None:
    told = []
    sender = {"email": {"description": "the sender's address"}, "second": {"description": "another address"}}
    fields = {"message": "text", "email": "email", "second": "email"}
    desk.write(
        extract={"fields": sender}, privacy={"mask": ["email"]}, input={"fields": fields, "text": "{{ message }}"}
    )
    desk.model.finds = lambda text: (
        told.append(text),
        {"second": Quoted(value="[email 2]", quote="or [email 2]", confidence=0.99)},
    )[1]

    (extraction,) = await desk.extract(
        desk.accept(text="my invoice. Write to ann@x-lager.example or bob@x-lager.example")
    )

    assert "x-lager" not in told[0]
    assert "[email 2]" in told[0]
    assert extraction.found["second"].value == "bob@x-lager.example"


def test_a_masked_prompt_is_another_question(desk: Desk) -> None:
    plain = load_workflow(desk.policy)
    desk.write(privacy={"mask": ["email"]})
    masked = load_workflow(desk.policy)

    assert extraction_fingerprint(plain.policy) != extraction_fingerprint(masked.policy)
    assert classifier_parts(plain, "m", "i")["prompt"] != classifier_parts(masked, "m", "i")["prompt"]
    shown = conversation(masked, "I am ann@x.org", [("ask bob@x.org", "billing")])
    assert [said for _, said in shown if "@" in said] == []
