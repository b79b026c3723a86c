"""The whole review loop on a real Prefect server with a process worker."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import httpx
import pytest
from installation import Installation
from prefect.artifacts import Artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.responses import SetStateStatus
from prefect.input.actions import aread_flow_run_input
from prefect_ui import approve_in_ui, chromium
from tiny import message, write_tiny

from connectors.store.engine import Store
from console.answering import give
from domain.decision import Kind, Reason
from domain.review import Answer, Refusal
from flows.route import route
from flows.watch import watch
from tasks.forms import MOST_CANCELLED
from tasks.resources import opened
from tasks.review import settle_answer

PATIENCE_S = 90


async def waiting_item(site: Installation, external_id: str) -> tuple[str, str]:
    """Accept a message that only a person can route; gives its item and the flow run that waits for it."""
    item = message(external_id, f"hello, {external_id} has a question")
    with site.store.transaction() as tx:
        item_id, _ = tx.inbox.accept("tiny", item, timedelta(hours=1), datetime.now(UTC))
    await route(site.policy)
    with site.store.reading() as tx:
        review = tx.reviews.get(item_id)
    assert review is not None
    assert review.flow_run is not None
    await until(lambda: is_suspended(review.flow_run))
    return item_id, review.flow_run


async def until(holds: Callable[[], Any]) -> None:
    """Wait until a coroutine function's result is true."""
    for _ in range(PATIENCE_S * 4):
        if await holds():
            return
        await asyncio.sleep(0.25)
    raise AssertionError("waited too long")


async def is_suspended(flow_run: str) -> bool:
    async with get_client() as client:
        run = await client.read_flow_run(UUID(flow_run))
    assert run.state is not None
    assert run.state.name not in ("Failed", "Crashed"), run.state.message
    return run.state.is_paused() and bool(await form_schema(flow_run))


async def form_schema(flow_run: str, asking: int = 1) -> Any:
    return await aread_flow_run_input(f"suspended-asked-{asking}-schema", UUID(flow_run))


async def is_completed(flow_run: str) -> bool:
    async with get_client() as client:
        run = await client.read_flow_run(UUID(flow_run))
        assert run.state is not None
        assert run.state.name not in ("Failed", "Crashed"), run.state.message
        return run.state.is_completed()


async def resume(flow_run: str, **answer: str) -> SetStateStatus:
    async with get_client() as client:
        response = await client.resume_flow_run(UUID(flow_run), run_input=answer)
    return response.status


def tickets(site: Installation, item_id: str) -> list[dict[str, Any]]:
    """The tickets that the help desk holds about an item."""
    records = httpx.get(f"{site.systems.addresses['help_desk']}/_records", trust_env=False).json()["records"]
    with site.store.reading() as tx:
        wanted = {entry.facts["operation"] for entry in tx.ledger.entries(item_id) if entry.event.value == "queued"}
    return [record for record in records if record["operation_id"] in wanted]


def decision(store: Store, item_id: str) -> Any:
    with store.reading() as tx:
        stored = tx.inbox.decided(item_id)
    assert stored is not None
    return stored[2]


@pytest.mark.timeout(240)
async def test_a_review_is_shown_refuses_bad_answers_and_is_decided_through_the_api(site):
    item_id, flow_run = await waiting_item(site, "api")
    for bad in (
        {},
        {"choice": "billing"},
        {"choice": "nowhere", "reviewer": "Ann"},
        {"choice": "billing", "reviewer": " "},
    ):
        assert await resume(flow_run, **bad) is SetStateStatus.REJECT
    assert await is_suspended(flow_run)
    assert await resume(flow_run, choice="access", reviewer="Ann", note="asked by phone") is SetStateStatus.ACCEPT
    await until(lambda: is_completed(flow_run))
    told = await Artifact.aget("answers")
    assert told is not None
    assert told.data == f"**{item_id}**: `access`, decided by Ann, to be written\n"
    decided = decision(site.store, item_id)
    assert (decided.kind, decided.reason, decided.route, decided.by) == (
        Kind.HUMAN,
        Reason.OVERRIDDEN,
        "access",
        "Ann",
    )
    assert [ticket["queue"] for ticket in tickets(site, item_id)] == ["access"]
    assert await resume(flow_run, choice="billing", reviewer="Bob") is SetStateStatus.ABORT
    assert decision(site.store, item_id).route == "access"


@pytest.mark.timeout(240)
async def test_a_late_answer_brings_the_form_back_and_the_review_is_escalated_once(site):
    item_id, flow_run = await waiting_item(site, "late")
    make_late(site, item_id)
    await watch(site.policy)
    account = await watch(site.policy)
    assert account.escalated == 1
    assert await resume(flow_run, choice="billing", reviewer="Ann") is SetStateStatus.ACCEPT
    await until(lambda: form_schema(flow_run, asking=2))
    assert decision(site.store, item_id).waits
    assert await resume(flow_run, choice="billing", reviewer="Ann") is SetStateStatus.ACCEPT
    await until(lambda: is_completed(flow_run))
    with site.store.reading() as tx:
        events = [entry.event.value for entry in tx.ledger.entries(item_id)]
    assert events.count("escalated") == 1
    assert events.count("answer_refused") == 1
    assert len(tickets(site, item_id)) == 1


def make_late(site: Installation, item_id: str) -> None:
    """Move a review's due time into the past, as if nobody had come to it."""
    with site.store.transaction() as tx:
        review = tx.reviews.get(item_id)
        assert review is not None
        review.due_at = datetime.now(UTC) - timedelta(minutes=1)


@pytest.mark.timeout(240)
async def test_a_review_whose_flow_run_is_gone_gets_a_new_one(site):
    item_id, flow_run = await waiting_item(site, "lost")
    async with get_client() as client:
        await client.delete_flow_run(UUID(flow_run))
    await watch(site.policy)
    with site.store.reading() as tx:
        review = tx.reviews.get(item_id)
    assert review is not None
    assert review.flow_run not in (None, flow_run)
    await until(lambda: is_suspended(review.flow_run))
    assert await resume(review.flow_run, choice="none_of_these", reviewer="Ann") is SetStateStatus.ACCEPT
    await until(lambda: is_completed(review.flow_run))
    assert decision(site.store, item_id).reason is Reason.DISMISSED
    assert tickets(site, item_id) == []


@pytest.mark.timeout(240)
async def test_a_write_that_may_be_a_duplicate_is_asked_about_in_the_form_and_goes_where_the_answer_says(
    site, tmp_path
):
    crm = site.systems.addresses["crm"]
    theirs = {"operation_id": "by hand", "fields": {"name": "Julia Weber", "email": "jw@example.com"}}
    async with httpx.AsyncClient(trust_env=False) as client:
        lead = (await client.post(f"{crm}/leads", json=theirs)).json()["id"]
    destination = {
        "system": "sandbox_crm",
        "record_key": "{{ item_id }}",
        "duplicates": {"search": True},
        "values": {"name": "Julia Weber", "email": "{{ email }}", "queue": "{{ route }}"},
    }
    policy = write_tiny(tmp_path, name="crm_of_tiny", destinations={"crm": destination})
    with site.store.transaction() as tx:
        words = message("maybe", "my invoice is wrong", "julia@example.com")
        item_id, _ = tx.inbox.accept("crm_of_tiny", words, timedelta(hours=1), datetime.now(UTC))
    await route(policy)
    with site.store.reading() as tx:
        review = tx.reviews.get(f"{item_id}-duplicate-crm")
    await until(lambda: is_suspended(review.flow_run))
    assert await resume(review.flow_run, choice="same_as_nobody", reviewer="Ann") is SetStateStatus.REJECT

    assert await resume(review.flow_run, choice=f"same_as_{lead}", reviewer="Ann") is SetStateStatus.ACCEPT
    await until(lambda: is_completed(review.flow_run))

    async with httpx.AsyncClient(trust_env=False) as client:
        stored = (await client.get(f"{crm}/leads/{lead}")).json()
    assert (stored["external_id"], stored["fields"]["queue"]) == (item_id, "billing")
    assert stored["fields"]["email"] == "julia@example.com"


@pytest.mark.real
@pytest.mark.timeout(240)
@pytest.mark.skipif(chromium() is None, reason="Chromium left out: it is not installed")
async def test_a_reviewer_approves_by_clicking_through_the_prefect_ui(site, tmp_path):
    item_id, flow_run = await waiting_item(site, "clicked")
    await asyncio.to_thread(
        approve_in_ui, site.ui, flow_run, route="billing", reviewer="Ann", note="", screenshot=tmp_path / "form.png"
    )
    await until(lambda: is_completed(flow_run))
    assert decision(site.store, item_id).by == "Ann"
    assert [ticket["queue"] for ticket in tickets(site, item_id)] == ["billing"]


async def answer_elsewhere(site, review: str, choice: str, reviewer: str):
    """Answer as the page, the API and the command line do."""
    with site.store.reading() as tx:
        binding = tx.reviews.get(review).binding
    async with opened() as here:
        return await give(here, review, Answer(choice=choice, reviewer=reviewer, binding=binding))


async def run_of(site, review: str) -> str | None:
    with site.store.reading() as tx:
        return tx.reviews.get(review).flow_run


def events(site, review: str) -> list[str]:
    with site.store.reading() as tx:
        return [entry.event.value for entry in tx.ledger.entries(review)]


async def cancel(site, flow_run: str) -> None:
    """As the button in Prefect's UI does."""
    asked = {"state": {"type": "CANCELLING", "message": "not by this form"}}
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(f"{site.ui}/api/flow_runs/{flow_run}/set_state", json=asked)
    assert answer.json()["state"]["type"] == "CANCELLED"  # what waits is cancelled at once, and the reason forgotten


@pytest.mark.timeout(240)
async def test_a_review_decided_elsewhere_lets_its_flow_run_go_on_and_is_written_once(site):
    review, flow_run = await waiting_item(site, "elsewhere")
    given = await answer_elsewhere(site, review, "billing", "Ann")
    assert given.resumed
    await until(lambda: is_completed(flow_run))
    assert await resume(flow_run, choice="access", reviewer="Bob") is SetStateStatus.ABORT
    late = await answer_elsewhere(site, review, "access", "Cid")
    assert late.settled.refusal is Refusal.ALREADY_DECIDED
    assert "It was Ann, who chose billing." in late.settled.notice
    assert (decision(site.store, review).route, decision(site.store, review).by) == ("billing", "Ann")
    assert [ticket["queue"] for ticket in tickets(site, review)] == ["billing"]
    assert events(site, review).count("review_answered") == 1


@pytest.mark.timeout(240)
async def test_prefects_form_and_the_page_at_the_same_moment_decide_once(site):
    review, flow_run = await waiting_item(site, "at-once")
    _, elsewhere = await asyncio.gather(
        resume(flow_run, choice="access", reviewer="Bob"), answer_elsewhere(site, review, "billing", "Ann")
    )
    await until(lambda: is_completed(flow_run))
    won = decision(site.store, review)
    assert (won.route, won.by) == (("billing", "Ann") if elsewhere.settled.refusal is None else ("access", "Bob"))
    assert elsewhere.settled.refusal is None or "It was Bob, who chose access." in elsewhere.settled.notice
    assert [ticket["queue"] for ticket in tickets(site, review)] == [won.route]
    assert events(site, review).count("review_answered") == 1


@pytest.mark.timeout(240)
async def test_an_answer_that_came_while_prefect_was_away_is_applied_when_it_is_back(site):
    review, flow_run = await waiting_item(site, "away")
    with site.store.reading() as tx:
        binding = tx.reviews.get(review).binding
    async with opened() as here:
        settle_answer(here, review, Answer(choice="billing", reviewer="Ann", binding=binding))
    assert await is_suspended(flow_run)
    await watch(site.policy)
    await until(lambda: is_completed(flow_run))
    assert [ticket["queue"] for ticket in tickets(site, review)] == ["billing"]
    assert events(site, review).count("review_answered") == 1


@pytest.mark.timeout(240)
async def test_who_cancels_the_form_loses_no_item_and_gets_it_back_a_bounded_number_of_times(site):
    review, flow_run = await waiting_item(site, "cancelled")
    for turn in range(1, MOST_CANCELLED + 1):
        await cancel(site, flow_run)
        account = await watch(site.policy)
        assert account.unaccounted == 0
        assert events(site, review).count("review_cancelled") == turn
        again = await run_of(site, review)
        if turn < MOST_CANCELLED:
            assert again not in (None, flow_run)
            flow_run = again
            await until(partial(form_schema, flow_run))
    assert again is None
    await watch(site.policy)
    assert await run_of(site, review) is None
    assert events(site, review).count("review_cancelled") == MOST_CANCELLED
    assert decision(site.store, review).waits
    given = await answer_elsewhere(site, review, "billing", "Ann")
    assert given.settled.refusal is None
    async with get_client() as client:
        run = await client.read_flow_run(UUID(flow_run))
    assert run.state.is_cancelled()
