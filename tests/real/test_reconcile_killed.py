"""Whenever a reconciliation is killed, the next one goes on, and nothing is counted twice."""

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from databases import sqlite_database
from reconciling import Works

from connectors.store.engine import Store
from domain.consistency import Tally
from tasks.reconcile import AT_ONCE

PEOPLE = AT_ONCE + 5
DEATHS = ("before pass_read", "after pass_read", "after pass_read", "before pass_read", "after pass_read")
"""Between the two pages of the first system, before and after its end, and within the second."""


def test_killed_between_any_two_pages_it_goes_on_and_counts_nothing_twice(tmp_path: Path) -> None:
    with closing(Store(sqlite_database(tmp_path / "store.db"))) as store:
        works = Works(tmp_path, store)
        works.tables.make()
        for number in range(PEOPLE):
            for system in ("crm", "desk"):
                works.tables.put(system, f"{number:04}", name=f"Ann {number}", email=f"ann{number}@x.org")
        sync(works)
        works.tables.edit_unheard("crm", "0001", town="Ulm")
        works.tables.edit_unheard("desk", "0104", town="Bonn")
        works.tables.delete("desk", "0002")
        for death in DEATHS:
            assert run(tmp_path, death) == -signal.SIGKILL
        assert run(tmp_path, "nowhere") == 0
        (crm,), (desk,) = works.passes("crm"), works.passes("desk")
        assert (crm.records, crm.gone, desk.records, desk.gone) == (PEOPLE, 0, PEOPLE - 1, 1)
        assert works.drift("crm", "town") == Tally(compared=PEOPLE, equal=PEOPLE - 1, missed=1)
        assert works.drift("desk", "town") == Tally(compared=PEOPLE - 1, equal=PEOPLE - 2, missed=1)
        sync(works)
        assert works.tables.row("desk", "0001")["town"] == "Ulm"
        assert works.tables.row("crm", "0104")["town"] == "Bonn"


def sync(works: Works) -> None:
    asyncio.run(works.sync())


def run(folder: Path, death: str) -> int:
    """How a process that is to die at this step has ended."""
    script = Path(__file__).with_name("reconcile_once.py")
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": os.pathsep.join(sys.path)}
    with (folder / "reconcile.log").open("ab") as log:
        done = subprocess.run(
            [sys.executable, str(script), str(folder), death], env=environ, stdout=log, stderr=log, check=False
        )
    return done.returncode
