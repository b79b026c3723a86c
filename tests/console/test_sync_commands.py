"""`interlock sync`: what it would do and why, what it did, and the rules that people proposed."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from databases import sqlite_database
from kept_tables import Pair, write_sync
from typer.testing import CliRunner

from connectors.store.engine import Store
from console.main import app
from domain.errors import PolicyInvalid
from policies.load import replace_policy


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    url = sqlite_database(tmp_path / "store.db")
    store = Store(url)
    pair = Pair(tmp_path, store)
    environ = {**pair.tables.environ, "INTERLOCK_DATABASE_URL": url, "INTERLOCK_LLM": "off", "COLUMNS": "200"}
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    for system in ("crm", "desk"):
        pair.tables.put(system, "1", name="Ann", email="ann@x.org", town="Bonn")
    asyncio.run(pair.run())
    yield pair
    store.close()


def told(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["sync", *arguments])
    assert result.exit_code == code, result.output
    return result.output


def test_a_plan_tells_what_would_be_written_and_asked_and_why_and_writes_nothing(pair: Pair) -> None:
    pair.tables.edit("crm", "1", town="Ulm", name="Anna")
    pair.tables.edit("desk", "1", name="Hanna")
    plan = json.loads(told("plan", pair.policy, "--json"))
    [write], [asked] = plan["writes"], plan["asks"]
    assert (write["system"], write["field"], write["holds"], write["becomes"]) == ("desk", "town", "Bonn", "Ulm")
    assert write["why"] == "crm changed it"
    assert (asked["field"], asked["becomes"]) == ("name", "crm: Anna; desk: Hanna")
    assert "1 values to write, 1 contradictions for people. Nothing was written." in told("plan", pair.policy)
    assert pair.tables.row("desk")["town"] == "Bonn"
    assert pair.reviews() == []


def test_a_plan_says_what_people_are_asked_already(pair: Pair) -> None:
    pair.tables.put("crm", "2", name="Ann", email="ann@x.org")
    assert "People are asked already what 1 records are" in told("plan", pair.policy)
    assert json.loads(told("plan", pair.policy, "--json"))["links_asked"] == 1


def test_a_plan_names_malformed_values(pair: Pair) -> None:
    pair.tables.edit("crm", "1", email="call me")
    (one,) = json.loads(told("plan", pair.policy, "--json"))["malformed"]
    assert (one["system"], one["record"], one["field"], one["holds"]) == ("crm", "1", "email", "call me")
    assert "malformed, and goes nowhere: email of" in told("plan", pair.policy)


def test_a_plan_says_which_system_it_could_not_read(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERLOCK_SQL_URL", f"sqlite:///{pair.folder / 'empty.db'}")
    assert "crm could not be read" in " ".join(told("plan", pair.policy).split())


def test_a_value_is_explained_by_the_key_of_its_record(pair: Pair) -> None:
    pair.tables.edit("desk", "1", town="Ulm")
    asyncio.run(pair.run())
    told_of = told("explain", "ann@x.org", "town")
    assert "town: agreed: 'Ulm', set by desk" in told_of
    assert "'Bonn' → 'Ulm': desk changed it. Edits: desk: 'Ulm' (the record was last changed at 20" in told_of
    assert "Written to crm: updated, record 1." in told_of
    assert "name:" not in told_of


def test_what_became_of_an_entity_that_turned_out_to_be_the_same_is_told_too(pair: Pair) -> None:
    pair.tables.edit("desk", "1", town="Ulm")
    asyncio.run(pair.run())
    for number in ("2", "3"):
        pair.tables.put("crm", number, name="Ann", email=f"ann{number}@x.org", town="Rom")
    asyncio.run(pair.run())
    with pair.store.transaction() as tx:
        first, second, third = (tx.entities.find(f"ann{number}@x.org")[0] for number in ("", "2", "3"))
        tx.crosswalk.merge(first, second, datetime.now(UTC))
        tx.crosswalk.merge(second, third, datetime.now(UTC))

    told_of = told("explain", third, "town")

    (line,) = [line for line in told_of.splitlines() if "'Bonn' → 'Ulm'" in line]
    assert line.endswith(f", known as {first} then")
    assert "Written to crm: updated, record 1." in told_of
    assert "known as" not in told("explain", first, "town")


def test_what_cannot_be_explained_is_said(pair: Pair) -> None:
    assert "is not one entity" in told("explain", "bob@x.org", code=2)
    assert "has no field 'fax'; it has name" in told("explain", "ann@x.org", "fax", code=2)
    assert "keeps no records in step" in told("plan", "lead_routing", code=2)


def test_a_decision_for_good_becomes_a_rule_when_somebody_applies_it(pair: Pair) -> None:
    assert "No rules were proposed" in told("rules", pair.policy)
    pair.tables.edit("crm", "1", name="Anna")
    pair.tables.edit("desk", "1", name="Hanna")
    asyncio.run(pair.run())
    pair.answer("desk_always")
    before = Path(pair.policy).read_text()
    assert "+        owner: desk" in told("rules", pair.policy)
    assert Path(pair.policy).read_text() == before
    told("rules", pair.policy, "--apply")
    assert "No rules were proposed" in told("rules", pair.policy)
    pair.tables.edit("crm", "1", name="Johanna")
    pair.tables.edit("desk", "1", name="Hanne")
    asyncio.run(pair.run())
    assert {pair.tables.row(system)["name"] for system in ("crm", "desk")} == {"Hanne"}


def test_a_rule_that_is_applied_settles_what_people_were_asked_about_already(pair: Pair) -> None:
    pair.tables.put("crm", "2", name="Bo", email="bo@x.org")
    pair.tables.put("desk", "2", name="Bo", email="bo@x.org")
    asyncio.run(pair.run())
    for key, ours, theirs in (("1", "Anna", "Hanna"), ("2", "Bob", "Boris")):
        pair.tables.edit("crm", key, name=ours)
        pair.tables.edit("desk", key, name=theirs)
    asyncio.run(pair.run())
    first, second = pair.reviews()
    pair.answer("desk_always", of=first)
    told("rules", pair.policy, "--apply")
    planned = json.loads(told("plan", pair.policy, "--json"))
    assert {(one["system"], one["becomes"]) for one in planned["writes"]} == {("crm", "Hanna"), ("crm", "Boris")}

    account = asyncio.run(pair.run())

    for key, name in (("1", "Hanna"), ("2", "Boris")):
        assert {pair.tables.row(system, key)["name"] for system in ("crm", "desk")} == {name}
    assert (pair.reviews(), account.done) == ([], 2)
    with pair.store.reading() as tx:
        assert tx.reviews.get(second.review_id).reviewer == "the rule that the policy has for the field now"
        assert "rule_added" in [entry.facts.get("reason") for entry in tx.ledger.entries(second.item_id)]


def test_a_question_that_a_new_rule_does_not_settle_stays_open(pair: Pair) -> None:
    pair.tables.edit("crm", "1", name="Anna")
    pair.tables.edit("desk", "1", name="Hanna")
    asyncio.run(pair.run())
    owned(pair, "crm", of="email")
    asyncio.run(pair.run())
    (review,) = pair.reviews()
    assert review.question["field"] == "name"


def owned(pair: Pair, owner: str, of: str = "name") -> None:
    fields: dict[str, Any] = {name: {"at": {"crm": name, "desk": name}} for name in ("name", "email")}
    fields["email"]["type"] = "email"
    fields[of]["owner"] = owner
    write_sync(pair.folder, person={"fields": fields})


def test_a_rule_that_the_policy_has_decided_since_is_proposed_no_more(pair: Pair) -> None:
    pair.tables.edit("crm", "1", name="Anna")
    pair.tables.edit("desk", "1", name="Hanna")
    asyncio.run(pair.run())
    pair.answer("crm_always")
    owned(pair, "desk")
    assert "No rules were proposed" in told("rules", pair.policy, "--apply")


def test_a_policy_that_would_be_none_is_not_written(pair: Pair) -> None:
    path = Path(pair.policy)
    before = path.read_text()
    with pytest.raises(PolicyInvalid):
        replace_policy(path, before.replace("mode: auto", "mode: assist"))
    assert path.read_text() == before
    assert [one.name for one in pair.folder.glob("*.yaml")] == [path.name]
