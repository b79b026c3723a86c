"""Wakes a policy's deployment when something has come: once a burst, and not too often."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from domain.errors import Unavailable
from tasks.trigger import Start

LOG = logging.getLogger("interlock.trigger")

GATHER_S = 1.0
"""A burst gathers for so long before a run is started for it."""

Sleep = Callable[[float], Awaitable[None]]


class Trigger:
    """Starts runs for what has arrived, at most one in `every_s` seconds.

    Args:
        policy: for the log.
        start: starts a run, unless one is under way.
    """

    def __init__(
        self, policy: str, start: Callable[[], Awaitable[Start]], every_s: float, sleep: Sleep = asyncio.sleep
    ) -> None:
        self._policy, self._start, self._every_s, self._sleep = policy, start, every_s, sleep
        self._wanted = asyncio.Event()
        self._said = ""

    def arrived(self) -> None:
        """Something is in the inbox that no run has seen yet."""
        self._wanted.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Start runs during the block; what was not started by its end is the schedule's."""
        worker = asyncio.create_task(self._run())
        try:
            yield
        finally:
            worker.cancel()
            with suppress(asyncio.CancelledError):
                await worker

    async def _run(self) -> None:
        while True:
            await self._wanted.wait()
            await self._sleep(GATHER_S)
            self._wanted.clear()  # what comes from here on may be too late for the run
            if await self._started() is Start.AT_WORK:
                self._wanted.set()
            await self._sleep(self._every_s)

    async def _started(self) -> Start | None:
        """What came of it; None if nobody knows, which the log says once."""
        try:
            started = await self._start()
        except Unavailable as exc:
            self._say(str(exc))
            return None
        self._say("Prefect has no deployment for it" if started is Start.NO_DEPLOYMENT else "")
        return started

    def _say(self, trouble: str) -> None:
        if trouble and trouble != self._said:
            LOG.warning("%s: no run is started for what comes: %s; schedules take it", self._policy, trouble)
        self._said = trouble
