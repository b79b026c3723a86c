"""The web application in this process, over a store and the tiny policy.

A conftest gets the fixtures with `from sites import …`.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from databases import sqlite_database
from fakes import FakeSystem, fake_resources
from tiny import write_tiny

from connectors.store.engine import Store
from console.web.app import create_app, open_doors
from console.web.trigger import Trigger
from domain.ledger import Entry, first_break

PATIENT_S = 60


@dataclass
class Site:
    """A running application: its client, its store."""

    client: httpx.AsyncClient
    store: Store

    async def post(self, body: Any = None, policy: str = "tiny", **options: Any) -> httpx.Response:
        """Send JSON, or whatever the options say."""
        given = options if body is None else {"json": body, **options}
        return await self.client.post(f"/intake/{policy}", **given)

    async def accept(self, body: Any, **options: Any) -> list[dict[str, Any]]:
        """Send it; it must be acknowledged."""
        answer = await self.post(body, **options)
        assert answer.status_code == 202, answer.text
        items: list[dict[str, Any]] = answer.json()["items"]
        return items

    def head(self) -> int:
        """Number of the ledger's last entry."""
        with self.store.reading() as tx:
            return tx.ledger.head()[0]

    def entries(self) -> list[Entry]:
        with self.store.reading() as tx:
            entries = list(tx.ledger.entries())
        assert first_break(entries) is None
        return entries

    def events(self, after: int = 0) -> list[str]:
        """What the ledger has after an entry."""
        with self.store.reading() as tx:
            return [entry.event.value for entry in tx.ledger.entries(after=after)]


@asynccontextmanager
async def serve_app(
    folder: Path,
    over: Store,
    environ: dict[str, str] | None = None,
    webhook: dict[str, Any] | None = None,
    trigger: Trigger | None = None,
    **policy: Any,
) -> AsyncIterator[Site]:
    """An application over a store, for the tiny policy; `environ` has its secrets, `policy` replaces its keys."""
    written = write_tiny(folder, intake={"webhook": webhook or {}}, **policy)
    here = fake_resources(over, None, FakeSystem())
    doors = open_doors(here, [written], environ or {}, on_loopback=True, public_url="https://hooks.example.com")
    app = create_app(here, {name: replace(door, trigger=trigger) for name, door in doors.items()})
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://serve.test", timeout=PATIENT_S) as client,
    ):
        yield Site(client, over)


@pytest.fixture
def serving(tmp_path: Path) -> Callable[..., AbstractAsyncContextManager[Site]]:
    """Opens an application over a store; keywords are what the policy says of webhooks."""

    def opening(
        over: Store, environ: dict[str, str] | None = None, **webhook: Any
    ) -> AbstractAsyncContextManager[Site]:
        return serve_app(tmp_path, over, environ, webhook)

    return opening


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """One over a SQLite file, unsigned."""
    with closing(Store(sqlite_database(tmp_path / "site.db"))) as over:
        async with serve_app(tmp_path, over) as running:
            yield running
