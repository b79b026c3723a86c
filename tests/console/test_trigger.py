"""What has come wakes a run: once a burst, not too often, and losing nothing when that fails."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sites import serve_app

from console.web.trigger import GATHER_S, Trigger
from domain.errors import Unavailable
from tasks.trigger import Start

EVERY_S = 10.0


class Prefect:
    """Answers by script, `started` after its end; time passes when the test says so."""

    def __init__(self, *answers: Start | Unavailable) -> None:
        self.answers, self.asked, self.slept = [*answers], 0, []
        self._passing = asyncio.Semaphore(0)

    async def start(self) -> Start:
        self.asked += 1
        answer = self.answers.pop(0) if self.answers else Start.STARTED
        if isinstance(answer, Unavailable):
            raise answer
        return answer

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await self._passing.acquire()

    async def passes(self, sleeps: int = 1) -> None:
        """So many waits end, and what follows them happens."""
        for _ in range(sleeps):
            await _idle()
            self._passing.release()
        await _idle()


async def _idle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


@asynccontextmanager
async def triggering(*answers: Start | Unavailable) -> AsyncIterator[tuple[Trigger, Prefect]]:
    prefect = Prefect(*answers)
    trigger = Trigger("tiny", prefect.start, EVERY_S, prefect.sleep)
    async with trigger.running():
        yield trigger, prefect


async def test_a_burst_is_one_run_and_nothing_is_started_for_nothing():
    async with triggering() as (trigger, prefect):
        await _idle()
        assert (prefect.asked, prefect.slept) == (0, [])
        for _ in range(100):
            trigger.arrived()
        await prefect.passes(5)

        assert (prefect.asked, prefect.slept) == (1, [GATHER_S, EVERY_S])


async def test_what_comes_after_a_start_gets_a_run_of_its_own_when_it_is_time():
    async with triggering() as (trigger, prefect):
        trigger.arrived()
        await prefect.passes(1)
        trigger.arrived()
        await _idle()
        assert prefect.asked == 1, "not before its time"
        await prefect.passes(2)

        assert (prefect.asked, prefect.slept) == (2, [GATHER_S, EVERY_S, GATHER_S, EVERY_S])


async def test_what_comes_while_a_run_is_at_work_gets_one_after_it():
    async with triggering(Start.AT_WORK, Start.AT_WORK) as (trigger, prefect):
        trigger.arrived()
        await prefect.passes(8)

        assert prefect.asked == 3, "until one was started"


@pytest.mark.parametrize("answer", [Start.AHEAD, Start.NO_DEPLOYMENT, Unavailable("no answer")], ids=str)
async def test_what_cannot_or_need_not_be_started_is_left_to_the_schedule(answer):
    async with triggering(answer) as (trigger, prefect):
        trigger.arrived()
        await prefect.passes(4)
        assert prefect.asked == 1

        trigger.arrived()
        await prefect.passes(2)
        assert prefect.asked == 2


async def test_a_trouble_is_told_once_and_again_when_it_is_another(caplog):
    away = Unavailable("Prefect does not answer")
    with caplog.at_level(logging.WARNING, "interlock.trigger"):
        async with triggering(away, away, Start.NO_DEPLOYMENT, Start.STARTED, away) as (trigger, prefect):
            for _ in range(5):
                trigger.arrived()
                await prefect.passes(2)

    told = [record.message.split(": ")[2] for record in caplog.records]
    assert told == [
        "Prefect does not answer; schedules take it",
        "Prefect has no deployment for it; schedules take it",
        "Prefect does not answer; schedules take it",
    ]


async def test_a_webhook_wakes_its_policy_and_one_that_came_before_does_not(tmp_path, store):
    prefect = Prefect()
    async with serve_app(tmp_path, store, trigger=Trigger("tiny", prefect.start, EVERY_S, prefect.sleep)) as site:
        await site.accept({"message": "my invoice is wrong"}, headers={"Idempotency-Key": "1"})
        await prefect.passes(2)
        await site.accept({"message": "my invoice is wrong"}, headers={"Idempotency-Key": "1"})
        await site.post({"message": ""})
        await prefect.passes(2)

    assert prefect.asked == 1
