"""What the reconcile flow promises, on a real Prefect server, with real tables as the systems."""

from contextlib import closing
from pathlib import Path

from databases import sqlite_database
from reconciling import Works

from connectors.store.engine import Store
from domain.ledger import first_break
from flows.reconcile import reconcile
from tasks.resources import opened


async def test_what_was_missed_is_measured_and_mended_in_one_run(tmp_path: Path, prefect: str) -> None:
    with closing(Store(sqlite_database(tmp_path / "store.db"))) as store:
        works = Works(tmp_path, store)
        works.tables.make()
        for system in ("crm", "desk"):
            works.tables.put(system, "1", name="Ann", email="ann@x.org", town="Bonn")
        await works.sync()
        works.tables.edit_unheard("desk", "1", town="Ulm")
        async with opened(works.here):
            account = await reconcile(works.policy, wait_s=2, patience_s=0)
        assert works.tables.row("crm")["town"] == "Ulm"
        assert works.drift("desk", "town").missed == 1
        assert account.unaccounted == 0
        with store.reading() as tx:
            assert first_break(tx.ledger.entries()) is None
