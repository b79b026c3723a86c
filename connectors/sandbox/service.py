"""What both sandbox servers share: the rate limit, and the control routes that begin with an underscore."""

import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from fastapi import APIRouter, FastAPI, HTTPException
from pydantic import BaseModel

from connectors.sandbox.faults import Fault, FaultPlan, FaultSettings
from connectors.sandbox.records import R, Records

DEFAULT_RATE_PER_S = 50.0
DEFAULT_BURST = 20


@dataclass
class TokenBucket:
    """A rate limit: `rate_per_s` requests a second in the long run, `burst` at once."""

    rate_per_s: float = DEFAULT_RATE_PER_S
    burst: int = DEFAULT_BURST
    clock: Callable[[], float] = time.monotonic
    _tokens: float = field(init=False)
    _seen_at: float = field(init=False)

    def __post_init__(self) -> None:
        self._tokens, self._seen_at = float(self.burst), self.clock()

    async def take(self) -> None:
        """Take a token; a FastAPI dependency.

        Raises:
            HTTPException: 429 with the whole seconds until there is one.
        """
        now = self.clock()
        self._tokens = min(self.burst, self._tokens + (now - self._seen_at) * self.rate_per_s)
        self._seen_at = now
        if self._tokens < 1:
            wait_s = math.ceil((1 - self._tokens) / self.rate_per_s)
            headers = {"Retry-After": str(wait_s), "X-RateLimit-Remaining": "0"}
            raise HTTPException(429, "You have reached your request limit", headers=headers)
        self._tokens -= 1


class Stats(BaseModel):
    """The server's books.

    Attributes:
        records: how many there are.
        writes: stored writes, creations and updates.
        doubled: writes that should not have been: see the server's `create_app`.
        faults: how often each fault struck.
    """

    records: int
    writes: int
    doubled: int
    faults: dict[Fault, int]


def control_routes(records: Records[R], plan: FaultPlan, stats: Callable[[], Stats]) -> APIRouter:
    """`/_stats`, `/_records` (GET all, DELETE all) and `/_faults`; neither limited nor faulted."""
    router = APIRouter()

    @router.get("/_stats")
    async def read_stats() -> Stats:
        return stats()

    @router.get("/_records")
    async def read_records() -> dict[str, list[object]]:
        return {"records": [record.model_dump(mode="json") for record in records.all()]}

    @router.delete("/_records", status_code=204)
    async def forget_records() -> None:
        records.clear()

    @router.post("/_faults")
    async def change_faults(change: FaultSettings) -> FaultSettings:
        plan.change(change)
        return plan.settings

    return router


def assemble(title: str, vendor_routes: APIRouter, control: APIRouter, close: Callable[[], None]) -> FastAPI:
    """The server, which calls `close` when it ends."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        close()

    app = FastAPI(title=title, lifespan=lifespan)
    app.include_router(vendor_routes)
    app.include_router(control)
    return app
