"""What `interlock sync report` prints, for people and for scripts, of a store that is filled without Prefect."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import Result
from databases import sqlite_database
from reconciling import Works
from typer.testing import CliRunner

from connectors.store.engine import Store
from console.main import app


@pytest.fixture
def works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Works]:
    url = sqlite_database(tmp_path / "store.db")
    monkeypatch.setenv("INTERLOCK_DATABASE_URL", url)
    monkeypatch.setenv("COLUMNS", "200")
    with closing(Store(url)) as store:
        works = Works(tmp_path, store)
        works.tables.make()
        yield works


async def _filled(works: Works) -> None:
    for system in ("crm", "desk"):
        works.tables.put(system, "1", name="Ann", email="ann@x.org", town="[red]Bonn")
    await works.sync()
    works.tables.put("crm", "2", name="Ann B.", email="ann@x.org")
    await works.sync()
    works.tables.edit_unheard("desk", "1", town="Ulm")
    await works.look()


def report(works: Works, *more: str) -> Result:
    result = CliRunner().invoke(app, ["sync", "report", works.policy, *more])
    assert result.exit_code == 0, result.output
    return result


async def test_a_script_gets_every_figure(works: Works) -> None:
    await _filled(works)
    told = json.loads(report(works, "--json").stdout)
    (town,) = [one for one in told["drift"] if (one["system"], one["field"]) == ("desk", "town")]
    assert (town["consistency"], town["missed"], town["examples"]) == (0, 1, {"missed": ["1"]})
    assert (told["runs"][0]["compared"], told["runs"][0]["equal"]) == (10, 9)
    assert [(one["system"], one["record"]) for one in told["duplicates"]] == [("crm", "2")]


async def test_a_person_gets_tables(works: Works) -> None:
    await _filled(works)
    told = report(works).stdout
    assert "90.00%" in told
    assert "person in desk: read, 1 records, 0 unheard of before, 0 found deleted" in told
    assert "1 duplicates, or perhaps" in told
    assert "person crm 2: a person is asked whether it is one that is known" in told


def test_before_the_first_reconciliation_it_says_how_to_begin(works: Works) -> None:
    assert "interlock sync reconcile" in report(works).stderr


def test_a_policy_that_is_not_about_records_is_refused(works: Works) -> None:
    result = CliRunner().invoke(app, ["sync", "report", "lead_routing"])
    assert result.exit_code == 2
    assert "records" in result.stderr
