"""What `interlock sync fit` and `sample` say, keep and refuse, over real tables."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result
from databases import sqlite_database
from kept_tables import Pair, sync_resources, write_sync
from typer.testing import CliRunner

from connectors.store.engine import Store
from console.main import app
from policies.linkage import LinkageRecord
from tasks.observe import note_changes, read_changed
from tasks.recognise import recognise
from tasks.resources import opened

MATCH = {"fields": {"name": "name", "town": "place"}, "blocks": [{"name": "beginnings"}]}
MISUSE = 2


@pytest.fixture
async def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    """Eight people whom both systems have, read and not linked yet."""
    store = Store(sqlite_database(tmp_path / "store.db"))
    monkeypatch.setenv("INTERLOCK_DATABASE_URL", f"sqlite:///{tmp_path / 'store.db'}")
    monkeypatch.setenv("INTERLOCK_HOME", str(tmp_path))
    pair = Pair(tmp_path, store)
    pair.policy = write_sync(tmp_path, person={"match": MATCH})
    for number, name in enumerate(("Ann", "Bert", "Cleo", "Dirk", "Emma", "Finn", "Gerd", "Hans")):
        for system in ("crm", "desk"):
            pair.tables.put(system, f"{system}{number}", name=f"{name} Miller", town="Ulm")
    async with opened(sync_resources(store, pair.tables)):
        for step in (note_changes, read_changed):
            await step.fn(pair.policy)
        await recognise.fn(pair.policy, by_evidence=False)
    yield pair
    store.close()


def run(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(app, ["sync", *arguments])
    assert result.exit_code == code, result.output
    return result


def test_fit_keeps_the_model_and_says_how_many_labels_are_missing(pair):
    said = run("fit", pair.policy)
    assert "8 records to link, 8 that they may be; 8 pairs compared, estimated without labels" in said.stdout
    assert "Linking is not proven, so people are asked" in said.stdout
    kept = LinkageRecord.model_validate_json((pair.folder / "tiny_sync.person.linkage.json").read_text("utf-8"))
    assert kept.model.fields.names == ("name", "town")


CSV = "system,record,other_system,other_record\ndesk,desk1,crm,crm1\ndesk,desk2,,\n"
LINES = [
    {"system": "desk", "record": "desk1", "other_system": "crm", "other_record": "crm1"},
    {"system": "desk", "record": "desk2"},
]


@pytest.mark.parametrize(
    ("name", "text"), [("labels.csv", CSV), ("labels.jsonl", "\n".join(map(json.dumps, LINES)) + "\n")]
)
def test_fit_takes_labels_of_a_file(pair, name, text):
    (pair.folder / name).write_text(text, encoding="utf-8")
    told = json.loads(run("fit", pair.policy, "--labels", str(pair.folder / name), "--json").stdout)
    assert (told["person"]["sampled"], told["person"]["linked"]) == (2, None)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('{"system": "desk", "record": "nobody"}', "no person desk nobody is known"),
        ('{"system": "desk"}', "labels.jsonl:1: give 'system' and 'record'"),
        ("desk", "labels.jsonl:1: not JSON"),
    ],
)
def test_a_label_that_is_none_is_refused_with_its_line(pair, text, fault):
    (pair.folder / "labels.jsonl").write_text(text + "\n", encoding="utf-8")
    said = run("fit", pair.policy, "--labels", str(pair.folder / "labels.jsonl"), code=MISUSE)
    assert fault in " ".join(said.stderr.split())


def test_without_a_match_there_is_nothing_to_fit_or_to_sample_for(pair):
    pair.policy = write_sync(pair.folder)
    for command in ("fit", "sample"):
        assert "no object has a 'match'" in " ".join(run(command, pair.policy, code=MISUSE).stderr.split())


def test_where_nothing_was_read_there_is_nothing_to_learn_from(pair):
    pair.policy = write_sync(pair.folder, name="another", person={"match": MATCH})
    assert "'interlock sync sample'" in " ".join(run("fit", pair.policy, code=MISUSE).stderr.split())
