"""The review pages in this process, over a store with reviews of the tiny policy.

A conftest gets the fixture with `from reviewing import …`.
"""

import re
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import uvicorn
from databases import sqlite_database
from fakes import FakeSystem, fake_resources
from tiny import write_tiny
from waiting import ask

from connectors.links import login_link, review_link
from connectors.settings import Settings
from connectors.store.engine import Store
from connectors.store.tables import ReviewRow
from console.local_prefect import free_port
from console.web.access import Access
from console.web.app import create_app
from console.web.lookers import Lookers
from domain.ledger import Entry, first_break

SECRET, TOKEN = "s" * 32, "t" * 32
PUBLIC = "https://reviews.example.com"


@dataclass
class Reviewing:
    """An installation with its review pages; `now` is its clock."""

    folder: Path
    store: Store
    settings: Settings = field(
        default_factory=lambda: Settings.model_validate(
            {"link_secret": SECRET, "reviewers_token": TOKEN, "public_url": PUBLIC}
        )
    )
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __post_init__(self) -> None:
        self.policy = write_tiny(self.folder, audit={"share": 0})

    def ask(self, external_id: str = "m-1", text: str = "hello there", **options: Any) -> str:
        """Leave a message to a person."""
        return ask(self.store, self.policy, external_id, text, now=self.now, **options)

    def client(self, base_url: str = PUBLIC, **options: Any) -> httpx.AsyncClient:
        """A browser, or a program, that has not been here before."""
        here = fake_resources(self.store, None, FakeSystem(), clock=lambda: self.now)
        loopback = base_url != PUBLIC
        access = Access.configured(self.settings, on_loopback=loopback, public_url="" if loopback else PUBLIC)
        transport = httpx.ASGITransport(create_app(here, {}, access), raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url=base_url, **options)

    async def signed_in(self, name: str = "Ann", *, proven: bool = True) -> "Browser":
        """Somebody's browser after they signed in, by a link or with the token."""
        client = self.client()
        given = {"name": name, "token": TOKEN}
        if proven:
            link = login_link(self.settings, name, self.now)
            assert link is not None
            given = {"key": urlsplit(link).query.removeprefix("key=")}
        answer = await client.post("/reviews/login", data=given)
        assert answer.status_code == 303, answer.text
        return Browser(client)

    def link(self, review_id: str, reviewer: str = "ann@example.com") -> str:
        """A link to a review as it was sent, without what stands before the path."""
        link = review_link(self.settings, review_id, self.row(review_id).binding, reviewer, self.now)
        assert link is not None
        return link.removeprefix(PUBLIC)

    def row(self, review_id: str) -> ReviewRow:
        with self.store.reading() as tx:
            found = tx.reviews.get(review_id)
        assert found is not None
        return found

    def entries(self, review_id: str | None = None) -> list[Entry]:
        with self.store.reading() as tx:
            entries = list(tx.ledger.entries())
        assert first_break(entries) is None
        return [entry for entry in entries if review_id in (None, entry.item_id)]

    def events(self, review_id: str) -> list[str]:
        return [entry.event.value for entry in self.entries(review_id)]

    def later(self, **delta: float) -> None:
        self.now += timedelta(**delta)

    def without(self, **changes: object) -> "Reviewing":
        """The same store with other settings."""
        return replace(self, settings=self.settings.model_copy(update=changes))


@dataclass
class Browser:
    """Somebody's browser: it fills in the forms of pages as they stand there."""

    client: httpx.AsyncClient

    async def get(self, path: str) -> httpx.Response:
        return await self.client.get(path)

    async def send(self, path: str, **filled: Any) -> httpx.Response:
        """Load a page, fill in the form that answers, and send it."""
        page = await self.client.get(path)
        assert page.status_code == 200, page.text
        target, hidden = form_of(page.text)
        return await self.client.post(target, data={**hidden, **filled})


def form_of(html: str) -> tuple[str, dict[str, str]]:
    """Where the page's answer goes, and what it carries unseen."""
    form = re.search(r'<form class="answer.*?</form>', html, re.DOTALL)
    assert form, html
    action = re.search(r'action="([^"]*)"', form[0])
    assert action
    hidden = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', form[0])
    return unescape(action[1]), {name: unescape(value) for name, value in hidden}


OPEN = Access.configured(Settings.model_validate({}), on_loopback=True, public_url="")
"""Whoever is on this machine."""


@contextmanager
def served(desk: Reviewing, access: Access = OPEN, looking: Lookers | None = None) -> Iterator[str]:
    """The application on loopback, in a thread of this process; gives its address."""
    port = free_port()
    app = create_app(fake_resources(desk.store, None, FakeSystem()), {}, access, looking)
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning", lifespan="on"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    for _ in range(200):
        if server.started:
            break
        thread.join(0.05)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(20)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Reviewing]:
    """One over a SQLite file."""
    with closing(Store(sqlite_database(tmp_path / "reviews.db"))) as store:
        yield Reviewing(tmp_path, store)
