"""What every workflow does with what waits in its inbox: in chunks, and to the end."""

import asyncio
from collections.abc import Awaitable, Callable

from prefect import get_run_logger
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run

from domain.account import Account
from domain.item import ClaimedItem
from tasks.account import balance
from tasks.assign import assign_reviews
from tasks.claim import claim
from tasks.deliver import deliver_due
from tasks.escalate import climb
from tasks.forms import open_forms
from tasks.prepare import Plan, prepare
from tasks.resources import opened
from tasks.review import escalate_late
from tasks.standing import step_back

LANES = 3
"""Chunks under way at the same time: while one is asked about and one is decided, one waits to be asked about."""


async def work_off(
    policy: str,
    wait_s: float,
    decide_chunk: Callable[[list[ClaimedItem]], Awaitable[None]],
    *,
    classifies: bool,
    lanes: int = LANES,
) -> Account:
    """Let `decide_chunk` decide what waits; then deliver what may be written, and ask people about the rest.

    Chunks overlap: while one is decided, the next is asked about, and one sender sends for all. Where the blind audit
    refutes the promise, the mode steps back for the next items. The books are balanced whatever happens.

    Args:
        wait_s: how long the run waits for writes that other systems put off, in seconds.
            What takes longer stays in the outbox for `flows.deliver`.
        classifies: whether the workflow is one with routes.
        lanes: chunks under way at the same time; 1 where each must have seen what became of the one before.
    """
    async with opened():
        plan = await prepare(policy, classifies=classifies)
        try:
            sent = await _decided(policy, plan, decide_chunk, lanes)
            await step_back(policy)
            await escalate_late(policy)
            await assign_reviews(policy)
            await climb(policy)
            async with asyncio.TaskGroup() as at_once:
                at_once.create_task(open_forms(policy))
                at_once.create_task(deliver_due(wait_s))
            for early in sent:
                await early.aresult()  # a connector's fault ends the run, once everything else is done
            await open_forms(policy)  # of records that may be in their system already, which delivery found
        finally:
            account = await balance(policy)
        get_run_logger().info("%s: %s", policy, account)
        return account


async def _decided(
    policy: str, plan: Plan, decide_chunk: Callable[[list[ClaimedItem]], Awaitable[None]], lanes: int
) -> list[State[int]]:
    """Decide up to the plan's items in chunks, and send what they make due meanwhile; how each sending ended."""
    left, held, sender = plan.items, set[str](), _Sender()

    async def lane() -> None:
        nonlocal left
        while (count := min(left, plan.chunk)) > 0:
            left -= count
            items = claim(policy, str(flow_run.id), count, sorted(held))
            chunk = {item.item_id for item in items}
            held.update(chunk)
            if not items:
                return
            left += count - len(items)
            await asyncio.sleep(0)  # between one step and the next, answers that wait are read
            await decide_chunk(items)
            held.difference_update(chunk)
            sending = sender.send()
            if lanes == 1:  # the next must see what became of these
                await sending
            await asyncio.sleep(0)

    under_way = [asyncio.create_task(lane()) for _ in range(lanes)]
    try:
        await asyncio.gather(*under_way)
        await sender.done()
    finally:
        for one in under_way:
            one.cancel()
        await asyncio.gather(*under_way, sender.stop(), return_exceptions=True)
    return sender.ended


class _Sender:
    """Sends what chunks make due, beside them and for all of them: each turn is a transaction, and alone they had many.

    While few requests are under way and none of them ends, it sees what is new after a second (`tasks.deliver`).

    Attributes:
        ended: how each sending ended.
    """

    def __init__(self) -> None:
        self.ended: list[State[int]] = []
        self._asked = False
        self._sending: asyncio.Task[None] | None = None

    def send(self) -> asyncio.Task[None]:
        """Send what is due by now; the task ends when it is sent, and nothing else is due.

        Raises:
            BaseException: what ended the sending before from outside, such as a run that is cancelled.
        """
        self._asked = True
        if self._sending is not None and self._sending.done():
            self._sending.result()
            self._sending = None
        if self._sending is None:
            self._sending = asyncio.create_task(self._send())
        return self._sending

    async def done(self) -> None:
        """Wait until all is sent; raises what ended the sending from outside."""
        if self._sending is not None:
            await self._sending

    async def stop(self) -> None:
        """Break off what is not sent yet: the outbox keeps it."""
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)

    async def _send(self) -> None:
        while self._asked:
            self._asked = False
            self.ended.append(await deliver_due(0, return_state=True))  # type: ignore[misc]  # Prefect forgets: async
