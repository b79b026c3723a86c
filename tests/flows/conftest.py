"""A fresh store and tiny workflow for each test, on a real Prefect server."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from databases import sqlite_database
from fakes import FailingExamples, FakeModel, FakeSystem, fake_resources, sure, words_only
from tiny import write_orders, write_tiny

from connectors.store.engine import Store
from domain.item import InboundItem
from domain.ledger import Entry, first_break
from flows.intake import intake
from flows.route import route
from tasks.resources import Resources, opened


class Bench:
    """A workflow, a store, a fake model and a fake system: what a flow test holds in its hands."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.folder, self.store = folder, store
        self.model: FakeModel | None = FakeModel(lambda _text: sure("billing"))
        self.system = FakeSystem()
        self.examples: FailingExamples | None = None
        self.policy = write_tiny(folder)
        self.flow: Any = route

    def change_policy(self, **changes: Any) -> None:
        self.policy = write_tiny(self.folder, **changes)

    def take_orders(self, **changes: Any) -> None:
        """Put the workflow without routes in place of the other."""
        self.policy, self.flow = write_orders(self.folder, **changes), intake

    def accept(self, *items: InboundItem) -> list[str]:
        with self.store.transaction() as tx:
            return [tx.inbox.accept("tiny", item, timedelta(hours=1), datetime.now(UTC))[0] for item in items]

    def resources(self) -> Resources:
        broken = self.examples
        return fake_resources(self.store, self.model, self.system, (lambda _workflow: broken) if broken else words_only)

    async def run(self) -> Any:
        async with opened(self.resources()):
            return await self.flow(self.policy, wait_s=5)

    def ledger(self, item_id: str | None = None) -> list[Entry]:
        with self.store.reading() as tx:
            entries = list(tx.ledger.entries())
        assert first_break(entries) is None, "the chain holds after every test"
        return [entry for entry in entries if item_id is None or entry.item_id == item_id]

    def decision(self, item_id: str) -> Any:
        with self.store.reading() as tx:
            stored = tx.inbox.decided(item_id)
        assert stored is not None
        return stored[2]


@pytest.fixture
def bench(tmp_path: Path, prefect: str) -> Iterator[Bench]:
    store = Store(sqlite_database(tmp_path / "store.db"))
    yield Bench(tmp_path, store)
    store.close()
