"""People's answers about events become labelled events, each as it met its case."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from builders import proposal
from cases import event, write_cases
from databases import sqlite_database
from fakes import FakeSystem, fake_resources
from tiny import message, write_orders
from typer.testing import CliRunner

from connectors.store.engine import Store
from domain.case import Gate
from domain.item import InboundItem
from domain.proposal import NONE_OF_THESE
from domain.review import Answer
from evals.actions import situation_of
from evals.harvest import NO_CASE, Harvest, collect
from evals.items import load_data
from evals.main import app
from policies.load import cases_of, load_workflow
from tasks.act import act
from tasks.claim import claim
from tasks.decide import decide_fields
from tasks.meet import meet, note_deadlines
from tasks.propose import Proposed
from tasks.resources import opened
from tasks.review import form_of, settle_answer


@dataclass
class Post:
    """The tiny policy about parcels at work, over a store; `now` is its clock."""

    policy: str
    store: Store
    now: datetime

    def resources(self) -> Any:
        return fake_resources(self.store, None, FakeSystem(), clock=lambda: self.now)

    async def comes(self, item: InboundItem) -> None:
        """Something happens to a parcel, and what may be done without a person is done."""
        self.now += timedelta(minutes=1)
        with self.store.transaction() as tx:
            tx.inbox.accept("parcels", item, timedelta(0), self.now)
        await self.works()

    async def works(self) -> None:
        async with opened(self.resources()):
            items = claim(self.policy, "run", 1)
            said = {one.item_id: Proposed(proposal=proposal(None, None, None), cached=False) for one in items}
            await act.fn(self.policy, await meet.fn(self.policy, items), said, {})

    async def late(self) -> None:
        """A deadline passes, and is noticed."""
        self.now += timedelta(hours=2)
        async with opened(self.resources()):
            await note_deadlines.fn(self.policy)
        await self.works()

    def answer(self, choice: str, **inputs: str) -> None:
        """Somebody answers the only review that waits."""
        here = self.resources()
        with self.store.reading() as tx:
            (row,) = tx.reviews.waiting()
            form = form_of(here, tx, row)
        assert form is not None
        given = Answer(choice=choice, inputs=inputs, reviewer="Ada", binding=form.binding)
        assert settle_answer(here, row.review_id, given).refusal is None

    def harvested(self) -> Harvest:
        with self.store.reading() as tx:
            return collect(tx, load_workflow(self.policy))


@pytest.fixture
def post(tmp_path: Path) -> Iterator[Post]:
    with closing(Store(sqlite_database(tmp_path / "store.db"))) as store:
        yield Post(write_cases(tmp_path), store, datetime(2026, 3, 2, 9, 0, tzinfo=UTC))


async def test_an_answered_event_is_as_it_met_its_case_with_the_chosen_action_for_label(post):
    await post.comes(event("asked", "a", price="40 EUR", note="send it please"))
    await post.comes(event("complained", "b", note="where is it", weeks="2"))
    post.answer("explain", place="at the depot")
    await post.comes(event("complained", "c", note="my money back"))
    post.answer("give_back")
    first, second = post.harvested().items
    assert (first.text, first.label) == ("complained while sent\nwhere is it", "explain")
    assert (second.text, second.label) == ("complained while sent\nmy money back", "give_back")
    assert second.fields == {
        "event": "complained",
        "state": "sent",
        "seen_asked": "1",
        "done_send": "1",
        "seen_complained": "1",
        "done_explain": "1",
        "parcel": "p-1",
        "price": "40 EUR",
        "weeks": "2",
        "note": "my money back",
        "how": "override",
        "proposed": "",
        "at": "2026-03-02",
    }


async def test_what_is_harvested_is_what_evals_measure_on(post, tmp_path):
    await post.comes(event("asked", "a", price="40 EUR", note="send it please"))
    await post.comes(event("complained", "b", note="my money back"))
    post.answer("give_back")
    (item,) = post.harvested().items
    workflow = load_workflow(post.policy)
    (tmp_path / "events.jsonl").write_text(item.model_dump_json(exclude_none=True), encoding="utf-8")
    assert load_data(tmp_path / "events.jsonl", workflow).items == (item,)
    situation = situation_of(cases_of(workflow), item)
    assert situation.claimed.item.text == item.text
    assert (situation.gate, situation.checked.values["price_currency"]) == (Gate.ALLOWED, "EUR")
    assert "at" not in situation.case.values


async def test_a_deadline_is_an_event_as_any_other(post):
    await post.comes(event("asked", "a", price="40 EUR", note="send it please"))
    for _ in range(2):
        await post.late()  # a rule nudges twice, and may not a third time
    await post.late()
    post.answer(NONE_OF_THESE)
    (item,) = post.harvested().items
    assert item.text.startswith("deadline_passed while sent\nThe case stayed in sent longer than it may.")
    assert (item.label, item.fields["how"], item.fields["done_nudge"]) == (NONE_OF_THESE, "dismissal", "2")
    situation = situation_of(cases_of(load_workflow(post.policy)), item)
    assert (situation.claimed.item.text, situation.gate) == (item.text, Gate.ALLOWED)


async def test_an_event_of_no_case_is_left_out_and_counted(post):
    await post.comes(event("asked", "a", parcel="", note="send it please"))
    post.answer(NONE_OF_THESE)
    assert post.harvested() == Harvest([], {NO_CASE: 1})


async def test_the_command_says_how_many_answers_about_fields_it_left_out_and_why(tmp_path, monkeypatch):
    url, policy = sqlite_database(tmp_path / "store.db"), write_orders(tmp_path)
    now = datetime.now(UTC)
    with closing(Store(url)) as store:
        here = fake_resources(store, None, FakeSystem(), clock=lambda: now)
        with store.transaction() as tx:
            tx.inbox.accept("tiny", message("o", "three of them please"), timedelta(0), now)
        async with opened(here):
            await decide_fields.fn(policy, claim(policy, "run", 1))
        with store.reading() as tx:
            (row,) = tx.reviews.waiting()
        inputs = {"order_number": "SO-123456"}
        given = Answer(choice="write", inputs=inputs, reviewer="Ada", binding=row.binding)
        assert settle_answer(here, row.review_id, given).refusal is None
    monkeypatch.setenv("INTERLOCK_DATABASE_URL", url)
    out = tmp_path / "cases.jsonl"
    shown = CliRunner().invoke(app, ["harvest", policy, "--out", str(out)])
    assert shown.exit_code == 0, shown.output
    told = " ".join(shown.output.split())
    assert "0 items written to" in told
    assert "left out: 1 about fields, which have no label: measure them with 'evals extract'" in told
    assert not out.exists()
