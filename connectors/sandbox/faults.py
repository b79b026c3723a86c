"""Faults on demand: which request fails, how, and how that looks on the wire."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Collection
from enum import StrEnum

from fastapi import HTTPException
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.background import BackgroundTask
from starlette.types import Receive, Scope, Send

LONGEST_STREAK = 3
CUT = "interlock.cut"
"""Name of the ASGI extension that cuts the connection; `connectors.sandbox.serve` provides it."""


class Fault(StrEnum):
    """What can happen to a request.

    THROTTLED and SERVER_ERROR store nothing. LOST_ANSWER, SLOW and MALFORMED store the write
    and then fail to say so; LATE answers as a gateway that waits no longer, and stores it after that.
    STALE lets another user edit the record first.
    """

    THROTTLED = "throttled"
    SERVER_ERROR = "server_error"
    LOST_ANSWER = "lost_answer"
    SLOW = "slow"
    MALFORMED = "malformed"
    LATE = "late"
    STALE = "stale"


class Kind(StrEnum):
    """What a request does, which limits the faults that fit it."""

    READ = "read"
    CREATE = "create"
    UPDATE = "update"


FITTING: dict[Kind, frozenset[Fault]] = {
    Kind.READ: frozenset({Fault.THROTTLED, Fault.SERVER_ERROR, Fault.SLOW}),
    Kind.CREATE: frozenset(Fault) - {Fault.STALE},
    Kind.UPDATE: frozenset(Fault),
}


class FaultSettings(BaseModel):
    """The switches.

    Attributes:
        rate: share of requests that draw a fault, 0 to 1.
        seed: of the draws; the same seed and requests, the same faults.
        only: the faults to draw from.
        next: faults of the next writes, in order, before any draw; `stale` waits for an update.
        next_for: the same for the writes about one key, before `next`.
        slow_s: seconds until a slow answer.
        late_s: seconds between a gateway's answer and the write.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rate: float = Field(default=0, ge=0, le=1)
    seed: int = 0
    only: tuple[Fault, ...] = tuple(Fault)
    next: tuple[Fault, ...] = ()
    next_for: dict[str, tuple[Fault, ...]] = Field(default_factory=dict)
    slow_s: float = Field(default=3, ge=0)
    late_s: float = Field(default=0.5, ge=0)


class FaultPlan:
    """Decides the fault of each request and counts them.

    However high the rate, a key (an operation id or external id) draws at most three faults
    in a row for its reads and three for its writes; then one request passes. So a client that
    keeps trying gets there. The explicit queues `next` and `next_for` are not bound by that.
    """

    def __init__(self, settings: FaultSettings | None = None) -> None:
        self.settings = settings or FaultSettings()
        self.counts: Counter[Fault] = Counter()
        self._draws = random.Random(self.settings.seed)  # noqa: S311 - a repeatable draw, no secret
        self._queue = list(self.settings.next)
        self._queues = {key: list(faults) for key, faults in self.settings.next_for.items()}
        self._streaks: Counter[tuple[bool, str]] = Counter()

    def change(self, change: FaultSettings) -> None:
        """Take over the settings that `change` sets; a seed restarts the draws."""
        asked = {name: getattr(change, name) for name in change.model_fields_set}
        self.settings = self.settings.model_copy(update=asked)
        if "next" in change.model_fields_set:
            self._queue = list(change.next)
        if "next_for" in change.model_fields_set:
            self._queues = {key: list(faults) for key, faults in change.next_for.items()}
        if "seed" in change.model_fields_set:
            self._draws.seed(change.seed)
            self._streaks.clear()

    def draw(self, kind: Kind, keys: Collection[str]) -> Fault | None:
        """The fault of a request about `keys`, or None to let it pass; counts it."""
        queue = next((self._queues[key] for key in keys if self._queues.get(key)), self._queue)
        if kind is not Kind.READ and queue and queue[0] in FITTING[kind]:
            fault: Fault | None = queue.pop(0)
        else:
            fault = self._by_chance(kind, keys)
        for key in keys:
            streak = (kind is Kind.READ, key)
            self._streaks[streak] = self._streaks[streak] + 1 if fault else 0
        if fault:
            self.counts[fault] += 1
        return fault

    def _by_chance(self, kind: Kind, keys: Collection[str]) -> Fault | None:
        fitting = [fault for fault in self.settings.only if fault in FITTING[kind]]
        struck = self._draws.random() < self.settings.rate
        tired = any(self._streaks[kind is Kind.READ, key] >= LONGEST_STREAK for key in keys)
        return self._draws.choice(fitting) if struck and fitting and not tired else None


def answer(plan: FaultPlan, fault: Fault | None, status: int, act: Callable[[], BaseModel]) -> Response:
    """Do `act`, unless `fault` prevents it, and answer with its result, unless `fault` spoils it.

    Raises:
        HTTPException: 429 or 500, with nothing done.
    """
    match fault:
        case Fault.THROTTLED:
            raise HTTPException(429, "Too many requests, by fault switch", headers={"Retry-After": "1"})
        case Fault.SERVER_ERROR:
            raise HTTPException(500, "Internal error, by fault switch; nothing was stored")
        case Fault.LATE:
            # On a connection of its own: the next request must not wait for the write.
            headers, later = {"Connection": "close"}, BackgroundTask(_later, act, plan.settings.late_s)
            return PlainTextResponse("Gateway Time-out", 504, headers, background=later)
        case Fault.MALFORMED:
            act()
            return PlainTextResponse("<html>Almost there", status_code=200, media_type="text/html")
        case _:
            whole = JSONResponse(act().model_dump(mode="json"), status_code=status)
    match fault:
        case Fault.LOST_ANSWER:
            return CutResponse(whole)
        case Fault.SLOW:
            return SlowResponse(whole, plan.settings.slow_s)
        case _:
            return whole


async def _later(act: Callable[[], BaseModel], seconds: float) -> None:
    await asyncio.sleep(seconds)
    act()


class CutResponse(Response):
    """Announces the whole answer, sends half of it and cuts the connection.

    Waiting for the disconnect lets uvicorn see the client as gone, which it does not log.
    """

    def __init__(self, whole: Response) -> None:
        super().__init__(content=whole.body, status_code=whole.status_code, media_type="application/json")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send half an answer.

        Raises:
            ConnectionAbortedError: the server cannot cut connections (in-process clients).
        """
        cut: Callable[[], None] | None = scope.get("extensions", {}).get(CUT)
        if cut is None:
            raise ConnectionAbortedError("answer lost by fault switch")
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        half = bytes(self.body)[: len(self.body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})
        cut()
        await _client_gone(receive)


class SlowResponse(Response):
    """Answers after `slow_s` seconds, or not at all if the client goes away first."""

    def __init__(self, whole: Response, slow_s: float) -> None:
        super().__init__(content=whole.body, status_code=whole.status_code, media_type="application/json")
        self.slow_s = slow_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wait, then send."""
        try:
            await asyncio.wait_for(_client_gone(receive), self.slow_s)
        except TimeoutError:
            await super().__call__(scope, receive, send)


async def _client_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
