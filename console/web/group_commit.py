"""Puts what waits to be stored into one transaction: many requests a second, though each is durable.

While one transaction is being committed, the next requests gather. A request that comes alone is
stored at once.
The transaction runs in a thread, so the server goes on reading requests.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from connectors.ports import Arrival, Unreadable
from domain.errors import Retryable, Throttled, TimedOut, Unavailable
from domain.values import canonical
from tasks.accept import Admitted, Refused

LOG = logging.getLogger("interlock.intake")

AT_ONCE = 200
"""Records in one transaction, or as many as one request brings: others wait to write meanwhile."""

MOST_WAITING = 2_000
"""Records that may wait; more would not be answered in time, and fill the memory."""

ANSWER_S = 20.0
"""How long a request waits; senders give up after 5 to 30 seconds."""

GATHER_S = 0.01
"""How long a group gathers when the one before it was of several requests; a transaction of one
costs as much as one of ten."""

FULL_S, AWAY_S = 1.0, 10.0
"""When to come back: after a burst, and after the database went away."""

Incoming = Arrival | Unreadable
Verdict = Admitted | Refused
Store = Callable[[Sequence[Incoming]], Sequence[Verdict]]
"""Stores records in one transaction, all or none; gives a verdict on each."""


@dataclass(frozen=True)
class _Request:
    records: Sequence[Incoming]
    verdicts: asyncio.Future[list[Verdict]]

    def answer(self, verdicts: Sequence[Verdict]) -> None:
        if not self.verdicts.done():  # else its sender has gone
            self.verdicts.set_result(list(verdicts))

    def fail(self, error: Exception) -> None:
        if not self.verdicts.done():
            self.verdicts.set_exception(error)


class GroupCommit:
    """The requests of one policy on their way to the store.

    Args:
        store: called in a thread, once at a time.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._queue: asyncio.Queue[_Request] = asyncio.Queue()
        self._waiting = 0

    async def put(self, records: Sequence[Incoming]) -> list[Verdict]:
        """Store one request's records; returns after the commit.

        Raises:
            Throttled: too many wait; nothing was stored.
            Unavailable, TimedOut: the database does not answer, or not in time. What was sent
                may be stored all the same: send it again, with the same ids.
        """
        if self._waiting + len(records) > MOST_WAITING:
            raise Throttled(f"{self._waiting} records wait to be stored", retry_after_s=FULL_S)
        request = _Request(records, asyncio.get_running_loop().create_future())
        self._waiting += len(records)
        request.verdicts.add_done_callback(lambda _: self._leave(len(records)))
        self._queue.put_nowait(request)
        try:
            async with asyncio.timeout(ANSWER_S):
                return await request.verdicts
        except TimeoutError as exc:
            raise TimedOut(f"not stored within {ANSWER_S:.0f} seconds", retry_after_s=AWAY_S) from exc

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Store what comes during the block; at its end, first what still waits."""
        worker = asyncio.create_task(self._run())
        try:
            yield
        finally:
            await self._queue.join()
            worker.cancel()
            with suppress(asyncio.CancelledError):
                await worker

    def _leave(self, records: int) -> None:
        self._waiting -= records

    async def _run(self) -> None:
        group: list[_Request] = []
        while True:
            busy = len(group) > 1
            group = [await self._queue.get()]
            if busy:
                await asyncio.sleep(GATHER_S)
            size = len(group[0].records)
            while size < AT_ONCE and not self._queue.empty():
                group.append(self._queue.get_nowait())
                size += len(group[-1].records)
            wanted = [request for request in group if not request.verdicts.done()]
            await self._settle(wanted)
            for _ in group:
                self._queue.task_done()

    async def _settle(self, group: Sequence[_Request]) -> None:
        """Store the requests together; if that fails for one record's sake, one by one."""
        try:
            verdicts = iter(await self._stored([record for request in group for record in request.records]))
        except Retryable as exc:
            LOG.warning("%d requests could not be stored: %s", len(group), exc)
            for request in group:
                request.fail(_away(exc))
        except Exception:
            LOG.exception("%d requests could not be stored together; now one by one", len(group))
            for request in group:
                await self._settle_alone(request)
        else:
            for request in group:
                request.answer([next(verdicts) for _ in request.records])

    async def _settle_alone(self, request: _Request) -> None:
        try:
            request.answer([await self._alone(record) for record in request.records])
        except Retryable as exc:
            request.fail(_away(exc))
        except Exception:
            LOG.exception("not even a refusal can be stored")
            request.fail(Unavailable("the database takes nothing", retry_after_s=AWAY_S))

    async def _alone(self, record: Incoming) -> Verdict:
        """Store one record; one that the store stumbles over is put into the ledger as refused."""
        try:
            return (await self._stored([record]))[0]
        except Retryable:
            raise
        except Exception as exc:
            LOG.exception("a record could not be stored: %s", record.where)
            raw = record.raw if isinstance(record, Unreadable) else canonical(record.fields)
            return (await self._stored([Unreadable(record.where, f"cannot be stored: {type(exc).__name__}", raw)]))[0]

    async def _stored(self, records: Sequence[Incoming]) -> Sequence[Verdict]:
        return await asyncio.to_thread(self._store, records) if records else []


def _away(exc: Retryable) -> Unavailable:
    """The same for each request: an exception that is raised twice gathers two traces."""
    return Unavailable(str(exc), retry_after_s=exc.retry_after_s or AWAY_S)
