"""What becomes of flow runs that show forms and die, on a real Prefect server; no worker takes them up here."""

import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from databases import sqlite_database
from fakes import FakeSystem, Hiccup, fake_resources
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterTags
from prefect.client.schemas.responses import SetStateStatus
from prefect.exceptions import Pause
from prefect.flow_engine import run_flow_async
from prefect.settings import get_current_settings
from prefect.states import AwaitingRetry, Completed, Crashed, Failed, Pending, Running, State
from tiny import write_tiny
from waiting import ask

from connectors.store.engine import Store
from connectors.store.tables import ReviewRow
from console.local_prefect import deploy_reviews
from domain.review import EXPLAIN, Answer, Refusal
from flows.review import review
from tasks.forms import FINISHING, MOST_FORMS, STARTING, close_forms, open_forms
from tasks.resources import opened
from tasks.review import settle_answer

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Desk:
    """A review that waits, and what Prefect has of it."""

    policy: str
    store: Store
    review_id: str

    @asynccontextmanager
    async def after(self, passed: timedelta = timedelta(0)) -> AsyncIterator[Any]:
        here = fake_resources(self.store, None, FakeSystem(), clock=lambda: datetime.now(UTC) + passed)
        async with opened(here):
            yield here

    async def open(self, passed: timedelta = timedelta(0)) -> ReviewRow:
        """Open what forms are lacking, as they are after a time; gives the review."""
        async with self.after(passed):
            await open_forms.fn(self.policy)
        return self.row()

    def row(self) -> ReviewRow:
        with self.store.reading() as tx:
            row = tx.reviews.get(self.review_id)
        assert row is not None
        return row

    async def answered(self, reviewer: str, form: int = 1) -> None:
        """Put an answer in the run, as Prefect does."""
        await self.kept(f"suspended-asked-{form}-response", {"choice": "billing", "reviewer": reviewer})

    async def kept(self, key: str, value: Any = "a form") -> None:
        async with get_client() as client:
            await client.create_flow_run_input(UUID(self.row().flow_run), key, json.dumps(value))

    async def becomes(self, state: State[Any]) -> None:
        async with get_client() as client:
            await client.set_flow_run_state(UUID(self.row().flow_run), state, force=True)

    async def works(self, passed: timedelta = timedelta(0)) -> None:
        """What a worker does with the review's run, after a time: until it is suspended, or over."""
        async with get_client() as client:
            run = await client.read_flow_run(UUID(self.row().flow_run))
        async with self.after(passed):
            with suppress(Pause):  # so a run ends its process
                await run_flow_async(review, flow_run=run, parameters=run.parameters, return_type="state")

    async def resumed(self, **answer: str) -> None:
        """Answer as in Prefect's UI; the run waits for a worker then."""
        async with get_client() as client:
            done = await client.resume_flow_run(UUID(self.row().flow_run), run_input=answer)
        assert done.status is SetStateStatus.ACCEPT

    async def form(self, number: int) -> str:
        """What a suspended run's form says."""
        async with get_client() as client:
            key = f"suspended-asked-{number}-description"
            return str(json.loads(await client.read_flow_run_input(UUID(self.row().flow_run), key)))

    async def state(self, flow_run: str) -> str:
        async with get_client() as client:
            found = (await client.read_flow_run(UUID(flow_run))).state
        assert found is not None
        return found.name or ""

    async def clear(self) -> None:
        """Leave no run behind for the workers of other tests."""
        async with get_client() as client:
            tagged = FlowRunFilter(tags=FlowRunFilterTags(all_=["tiny"]))
            for run in await client.read_flow_runs(flow_run_filter=tagged):
                if run.parameters["review_id"] == self.review_id:
                    await client.delete_flow_run(run.id)

    def agrees(self, reviewer: str) -> None:
        answer = Answer(choice="billing", reviewer=reviewer, binding=self.row().binding)
        settled = settle_answer(fake_resources(self.store, None, FakeSystem()), self.review_id, answer)
        assert settled.refusal is None

    def events(self) -> list[str]:
        with self.store.reading() as tx:
            return [entry.event.value for entry in tx.ledger.entries(self.review_id)]


@pytest.fixture
async def desk(prefect: str, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Desk]:
    """With a review that wants two people to agree, or as many as the test says."""
    await deploy_reviews(at_once=1)
    policy = write_tiny(tmp_path, review={"people": getattr(request, "param", 2)})
    with closing(Store(sqlite_database(tmp_path / "store.db"))) as store:
        desk = Desk(policy, store, ask(store, policy, str(tmp_path)))  # Prefect gives the same review the same run
        await desk.open()
        yield desk
        await desk.clear()


async def test_an_answer_is_not_lost_where_the_store_does_not_answer_at_once(desk, tmp_path):
    await desk.answered("Ann")
    with closing(Hiccup(sqlite_database(tmp_path / "store.db"))) as store:
        await replace(desk, store=store).works()
    with desk.store.reading() as tx:
        assert [one.reviewer for one in tx.reviews.given(desk.review_id)] == ["Ann"]


@pytest.mark.parametrize("desk", [1], indirect=True)
async def test_an_answer_is_to_the_form_that_was_shown_also_where_a_worker_has_lost_what_others_kept(desk):
    await desk.works()
    await desk.resumed(choice="billing", reviewer="Ann")
    shutil.rmtree(get_current_settings().results.local_storage_path)

    await desk.works(passed=timedelta(hours=2))  # a form that is made now says that it is late, as none did

    assert desk.events().count("answer_refused") == 1
    assert EXPLAIN[Refusal.LATE] in await desk.form(2)


@pytest.mark.parametrize("ended", [Crashed, Failed])
async def test_a_run_that_died_with_an_answer_in_it_runs_again(desk, ended):
    former = desk.row().flow_run
    await desk.kept("suspended-asked-1-schema")
    await desk.answered("Ann")
    await desk.becomes(ended())
    row = await desk.open()
    assert (row.flow_run, row.forms) == (former, 2)
    assert await desk.state(former) == "AwaitingRetry"
    assert (await desk.open()).forms == 2, "it is on its way"
    assert desk.events().count("review_resumed") == 1


async def test_one_whose_answer_was_kept_leaves_the_next_form_to_a_new_run(desk):
    former = desk.row().flow_run
    desk.agrees("Ann")
    await desk.answered(" Ann ")
    await desk.becomes(Crashed())
    assert (await desk.open()).flow_run != former
    assert await desk.state(former) == "Crashed"


async def test_one_that_waited_for_another_answer_leaves_it_to_a_new_run(desk):
    former = desk.row().flow_run
    await desk.answered("Ann", form=9)
    await desk.kept("suspended-asked-10-schema")
    await desk.becomes(Crashed())
    assert (await desk.open()).flow_run != former


async def test_one_that_took_all_the_answers_that_it_may_leaves_the_rest_to_a_new_run(desk):
    former = desk.row().flow_run
    await desk.answered("Ann")
    await desk.becomes(Completed())
    assert (await desk.open()).flow_run != former


async def test_a_run_that_dies_of_its_answer_each_time_is_given_up(desk):
    for _ in range(MOST_FORMS):
        await desk.becomes(Crashed())
        if desk.row().forms == 1:
            await desk.answered("Ann")
        await desk.open()
    await desk.becomes(Crashed())
    row = await desk.open()
    assert row.forms == MOST_FORMS
    assert await desk.state(row.flow_run) == "Crashed"
    assert row.answered_at is None


@pytest.mark.parametrize("begun", [Pending, Running])
async def test_a_run_that_nobody_watches_any_more_is_told_of_and_replaced(desk, begun):
    former = desk.row().flow_run
    await desk.becomes(begun())
    assert (await desk.open(STARTING - MINUTE)).flow_run == former
    assert (await desk.open(STARTING + MINUTE)).flow_run != former
    assert await desk.state(former) == "Crashed", "it holds no slot of the pool any more"


async def test_one_that_had_an_answer_runs_again_when_it_was_told_of(desk):
    former = desk.row().flow_run
    await desk.answered("Ann")
    await desk.becomes(Running())
    assert (await desk.open(STARTING + MINUTE)).flow_run == former
    assert await desk.state(former) == "AwaitingRetry"


async def test_a_run_that_nobody_watches_any_more_is_told_of_when_its_review_is_decided_too(desk):
    former = desk.row().flow_run
    await desk.becomes(Running())
    desk.agrees("Ann")
    desk.agrees("Bob")
    found = []
    for passed in (FINISHING - MINUTE, FINISHING + MINUTE):
        async with desk.after(passed):
            await close_forms.fn(desk.policy)
        found.append(await desk.state(former))
    assert found == ["Running", "Crashed"]


@pytest.mark.parametrize("desk", [3], indirect=True)
async def test_each_form_of_a_run_shows_what_stands_then_even_after_the_same_refusal(desk):
    await desk.answered("Ann", form=1)
    await desk.answered("Ann", form=2)
    await desk.works()
    assert desk.events().count("answer_refused") == 1, "the same answer to another form is another answer"
    before = await desk.form(3)
    desk.agrees("Bob")
    await desk.answered("Ann", form=3)
    await desk.becomes(AwaitingRetry())
    await desk.works()
    assert "Bob agreed" not in before
    assert "Bob agreed" in await desk.form(4)


@pytest.mark.parametrize(
    ("choice", "becomes"),
    [
        pytest.param("access", "Resuming", id="a choice of the form"),
        pytest.param("since", "Cancelled", id="a choice that the policy has since"),
        pytest.param("", "Cancelled", id="a rule decided, so there is none"),
    ],
)
async def test_a_form_that_waits_ends_when_its_review_is_decided_elsewhere(desk, choice, becomes):
    await desk.works()
    with desk.store.transaction() as tx:
        if choice:
            answer = Answer(choice=choice, reviewer="Bob", binding=desk.row().binding)
            tx.reviews.answered(desk.review_id, answer, datetime.now(UTC))
        else:
            tx.reviews.relieved(desk.review_id, "invoices", datetime.now(UTC))
    async with desk.after():
        assert [await close_forms.fn(desk.policy) for _ in range(2)] == [1, 0]
    assert await desk.state(desk.row().flow_run) == becomes
