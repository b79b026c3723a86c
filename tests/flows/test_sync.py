"""What the sync flow promises, on a real Prefect server, with real tables as the systems."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from databases import sqlite_database
from kept_tables import Pair, sync_resources

from connectors.store.engine import Store
from domain.account import Account
from domain.errors import PolicyInvalid
from flows.intake import intake
from flows.sync import sync
from tasks.resources import opened


@pytest.fixture
def pair(tmp_path: Path, prefect: str) -> Iterator[Pair]:
    store = Store(sqlite_database(tmp_path / "store.db"))
    pair = Pair(tmp_path, store)
    for system in ("crm", "desk"):
        pair.tables.put(system, "1", name="Ann", email="ann@x.org", town="Bonn")
    yield pair
    store.close()


async def run(pair: Pair) -> Account:
    async with opened(sync_resources(pair.store, pair.tables)):
        await sync(pair.policy, wait_s=2)
    return pair.books()


async def test_edits_reach_the_other_side_once_and_people_are_asked_about_the_rest(pair):
    await run(pair)
    pair.tables.edit("crm", "1", town="Ulm", name="Anna")
    pair.tables.edit("desk", "1", stage="lead", name="Hanna")
    account = await run(pair)
    assert (pair.tables.row("desk")["town"], pair.tables.row("crm")["stage"]) == ("Ulm", "lead")
    assert (account.accepted, account.waiting) == (1, 1)
    sent = len(pair.tables.sent)
    await run(pair)
    assert len(pair.tables.sent) == sent
    pair.answer("desk")
    account = await run(pair)
    assert pair.tables.row("crm")["name"] == "Hanna"
    assert (account.done, account.waiting) == (1, 0)


async def test_other_flows_refuse_such_a_policy(pair):
    async with opened(sync_resources(pair.store, pair.tables)):
        with pytest.raises(PolicyInvalid, match=r"flows\.sync"):
            await intake(pair.policy)
