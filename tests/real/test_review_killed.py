"""Whenever the process of a review's flow run is killed, the item ends as if it had not been.

The processes are those of Prefect's worker. They end themselves with SIGKILL when they reach the step that
they are doomed to; what an installation runs by schedule, `flows.watch` and `flows.deliver`, does the rest.
What the flows do beside Prefect is killed at more steps, and for more kinds, in `test_review_lives.py`.
"""

import asyncio
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from databases import sqlite_database
from doom import TOO
from fakes import words_only
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterTags
from prefect.client.schemas.objects import FlowRun, State
from prefect.types.entrypoint import EntrypointType
from tiny import message, write_tiny

from connectors.registry import open_destination
from connectors.store.engine import Store
from console.local_prefect import POOL, deploy_reviews, review_worker
from console.sandboxes import Sandboxes, sandboxes
from domain.account import Account
from domain.ledger import Event, first_break
from flows.deliver import deliver
from flows.review import review
from flows.route import route
from flows.watch import watch
from tasks.resources import Resources, opened

PATIENCE_S = 240
LOOK_S = 0.5
ROUND_S = 10
"""From one run of the schedule to the next; much oftener, and they fill the database behind Prefect with themselves."""

STALE_S = 60
"""So long nothing came: what Prefect lost sight of under load is taken for dead, as it is anywhere after a while."""

BEFORE_THE_ANSWER = {
    "before anything was shown": "reading reviews",
    "with the form kept and the run not suspended": "answered input 2",
}
AFTER_IT = {
    "with the answer come and nothing kept": "before review_answered",
    "with the answer kept and its task's result not": "after review_answered",
}
UNHARMED = "nowhere"
STEPS = {UNHARMED: "", **BEFORE_THE_ANSWER, **AFTER_IT}


@dataclass(frozen=True)
class Plant:
    """All that outlives the processes that are killed."""

    name: str
    """The policy's, and no other test's: Prefect's server is everybody's."""
    home: Path
    store: Store
    systems: Sandboxes
    environ: dict[str, str]

    @asynccontextmanager
    async def at(self, minutes: float = 0) -> AsyncIterator[Resources]:
        """What a flow runs with, so many minutes from now: leases are over, and what was killed is taken for dead."""
        here = Resources(
            self.store,
            lambda: None,
            words_only,
            lambda system: open_destination(system, self.environ),
            lambda: datetime.now(UTC) + timedelta(minutes=minutes),
        )
        async with opened(here):
            yield here
        await here.aclose()

    def doom(self, review_id: str, step: str) -> None:
        """Let the next process of a review's flow run die when it reaches a step."""
        (self.home / "doom" / review_id).write_text(step, encoding="utf-8")

    def route_until(self, step: str, policy: str) -> None:
        """Route in a process of its own, which dies when it reaches a step."""
        program = (
            "import asyncio, doom, sys; doom.listen(lambda step: doom.kill() if step == sys.argv[2] else None);"
            "from flows.route import route; asyncio.run(route(sys.argv[1]))"
        )
        with (self.home / "route.log").open("ab") as log:
            ended = subprocess.run([sys.executable, "-c", program, policy, step], stdout=log, stderr=log, check=False)
        assert ended.returncode == -signal.SIGKILL

    def doomed(self) -> list[str]:
        """Those who have not died yet."""
        return [sentence.read_text(encoding="utf-8") for sentence in (self.home / "doom").iterdir()]


@pytest.fixture
def plant(prefect: str, tmp_path: Path) -> Iterator[Plant]:
    (tmp_path / "doom").mkdir()
    url = sqlite_database(tmp_path / "interlock.db")
    with sandboxes(tmp_path, fault_rate=0) as systems, pytest.MonkeyPatch.context() as patch:
        off = {"INTERLOCK_LLM": "off", "INTERLOCK_EMBEDDINGS": "off"}
        environ = {**systems.environ, "INTERLOCK_DATABASE_URL": url, **off}
        folders = f"{Path(__file__).parents[1]}:{Path(__file__).parents[2]}"
        for name, value in {
            **environ,
            "PYTHONPATH": folders,
            "PREFECT_API_URL": f"{prefect}/api",
            "INTERLOCK_TEST_DOOM": str(tmp_path / "doom"),
        }.items():
            patch.setenv(name, value)
        store = Store(url)
        asyncio.run(deploy_doomed())
        yield Plant(f"killed_{uuid4().hex[:8]}", tmp_path, store, systems, environ)
        store.close()


async def deploy_doomed() -> None:
    """The review deployment, whose processes can be doomed."""
    await deploy_reviews(at_once=4)
    deployment = await review.ato_deployment(
        name="review", work_pool_name=POOL, entrypoint_type=EntrypointType.MODULE_PATH
    )
    deployment.entrypoint = "doomed_review.review"
    await deployment.aapply()


def left_to_people(plant: Plant, steps: dict[str, str]) -> dict[str, str]:
    """A message for each step that only a person can route, its review doomed; gives their items by step."""
    items = {}
    with plant.store.transaction() as tx:
        for step in steps:
            words = message(step, f"hello, {step} has a question")
            items[step], _ = tx.inbox.accept(plant.name, words, timedelta(hours=1), datetime.now(UTC))
    for step, item_id in items.items():
        if steps[step]:
            plant.doom(item_id, steps[step])
    return items


async def until(holds: Callable[[], Awaitable[Any]], why: str, patience_s: float = PATIENCE_S) -> None:
    assert await holds_within(holds, patience_s), f"waited too long {why}"


async def holds_within(holds: Callable[[], Awaitable[Any]], patience_s: float) -> bool:
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        if await holds():
            return True
        await asyncio.sleep(LOOK_S)
    return False


def flow_run(plant: Plant, review_id: str) -> str:
    with plant.store.reading() as tx:
        row = tx.reviews.get(review_id)
    assert row is not None
    assert row.flow_run is not None
    return row.flow_run


async def runs_of(policy: str) -> list[FlowRun]:
    """The flow runs that Prefect has of a policy's reviews."""
    async with get_client() as client:
        tagged = FlowRunFilter(tags=FlowRunFilterTags(all_=[policy]))
        return await client.read_flow_runs(flow_run_filter=tagged)


async def state(run: str) -> State[Any]:
    async with get_client() as client:
        found = (await client.read_flow_run(UUID(run))).state
    assert found is not None
    return found


async def has_state(plant: Plant, review_id: str, *kinds: str) -> bool:
    return (await state(flow_run(plant, review_id))).type.value in kinds


async def answer(plant: Plant, review_id: str, reviewer: str = "Ann") -> str:
    """As Prefect's form does; gives what Prefect says to it."""
    async with get_client() as client:
        response = await client.resume_flow_run(
            UUID(flow_run(plant, review_id)), run_input={"choice": "billing", "reviewer": reviewer}
        )
    return response.status.value


async def look_after(plant: Plant, policy: str, minutes: float = 0) -> Account:
    """What the schedule does."""
    async with plant.at(minutes):
        await deliver(1)
        return await watch(policy)


async def looked_after(plant: Plant, policy: str, holds: Callable[[], Awaitable[Any]], why: str) -> None:
    """Let the schedule go on until something holds."""
    began = time.monotonic()
    while time.monotonic() < began + PATIENCE_S:
        await look_after(plant, policy, 6 if time.monotonic() > began + STALE_S else 0.5)
        if await holds_within(holds, ROUND_S):
            return
    raise AssertionError(f"waited too long {why}")


def end(plant: Plant, item_id: str) -> dict[str, Any]:
    """All that must be the same."""
    with plant.store.reading() as tx:
        decided, row = tx.inbox.decided(item_id), tx.reviews.get(item_id)
        entries = list(tx.ledger.entries(item_id))
    assert decided is not None
    assert row is not None
    records = httpx.get(f"{plant.systems.addresses['help_desk']}/_records", trust_env=False).json()["records"]
    wanted = {entry.facts["operation"] for entry in entries if entry.event is Event.QUEUED}
    counts = Counter(entry.event.value for entry in entries)
    once = ("decided", "review_opened", "review_agreed", "review_answered", "answer_refused", "queued", "escalated")
    return {
        "decision": (decided[2].kind, decided[2].reason, decided[2].route, decided[2].by),
        "tickets": [record["queue"] for record in records if record["operation_id"] in wanted],
        "review": (row.answer, row.reviewer, row.answered_at is not None),
        "ledger": {name: counts[name] for name in once},
    }


async def assert_sound(plant: Plant, policy: str, accepted: int) -> None:
    """Nothing waits, nothing is unaccounted, the chain holds, and no flow run hangs."""
    account = await look_after(plant, policy, 40)
    assert (account.accepted, account.done, account.unaccounted) == (accepted, accepted, 0)
    with plant.store.reading() as tx:
        assert first_break(tx.ledger.entries()) is None
        assert tx.reviews.waiting() == []
    states = [run.state for run in await runs_of(plant.name)]
    assert {state.type.value for state in states} <= {"COMPLETED", "CRASHED"}, (
        f"no run waits, or holds a slot: {[(state.name, state.message) for state in states]}"
    )


@pytest.mark.timeout(600)
async def test_at_whatever_step_its_process_is_killed_a_review_ends_the_same(plant):
    policy = write_tiny(plant.home, name=plant.name, review={"answer_within_minutes": 600})
    items = left_to_people(plant, STEPS)

    async def those_died_that_die_first() -> bool:
        return set(plant.doomed()) == set(AFTER_IT.values())

    async def each_has_its_form() -> bool:
        return all([await has_state(plant, item_id, "PAUSED") for item_id in items.values()])

    async def the_doomed_died() -> bool:
        return not plant.doomed()

    async def nothing_waits() -> bool:
        with plant.store.reading() as tx:
            return tx.accounts.balance(plant.name).done == len(items)

    plant.route_until("answered create_flow_run 1", policy)
    await route(policy)
    assert len(await runs_of(plant.name)) == len(items), "a form that was begun is found again"
    with review_worker(plant.home):
        await until(those_died_that_die_first, "for those that die before the answer")
        await looked_after(plant, policy, each_has_its_form, "for the forms of those that died")
        assert {await answer(plant, item_id) for item_id in items.values()} == {"ACCEPT"}
        await until(the_doomed_died, "for those that die with the answer")
        await looked_after(plant, policy, nothing_waits, "for the ends")
    ends = {step: end(plant, item_id) for step, item_id in items.items()}
    assert ends == dict.fromkeys(items, ends[UNHARMED])
    assert ends[UNHARMED]["tickets"] == ["billing"]
    await assert_sound(plant, policy, len(items))


@pytest.mark.timeout(600)
async def test_a_worker_killed_with_its_runs_leaves_neither_a_run_without_its_form_nor_an_answer_behind(plant):
    policy = write_tiny(plant.home, name=plant.name, review={"answer_within_minutes": 600})

    async def the_doomed_died() -> bool:
        return not plant.doomed()

    with review_worker(plant.home):
        (answered,) = left_to_people(plant, {"first": ""}).values()
        await route(policy)
        await until(partial(has_state, plant, answered, "PAUSED"), "for the first form")
        (suspended,) = left_to_people(plant, {"second": f"answered set_state 2{TOO}"}).values()
        await route(policy)
        await until(the_doomed_died, "for the first worker's death")
    with review_worker(plant.home):
        plant.doom(answered, f"before review_answered{TOO}")
        assert await answer(plant, suspended) == "ACCEPT", "it has its form though nobody is left to bring it"
        await until(partial(has_state, plant, suspended, "COMPLETED"), "for the suspended one")
        assert await answer(plant, answered) == "ACCEPT"
        await until(the_doomed_died, "for the second worker's death")
    assert (await state(flow_run(plant, answered))).type.value == "RUNNING", "nobody has told Prefect"
    await look_after(plant, policy, 6)
    with review_worker(plant.home):
        await until(partial(has_state, plant, answered, "COMPLETED"), "for the answer")
    assert end(plant, answered) == end(plant, suspended)
    assert end(plant, answered)["tickets"] == ["billing"]
    await assert_sound(plant, policy, 2)
