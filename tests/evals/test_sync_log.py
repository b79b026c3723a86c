"""A log's versions become edits of people who work in two systems, each of which changes only what it changes."""

import csv
from pathlib import Path

import pytest

from domain.errors import InputInvalid
from evals.sync_log import (
    FILE,
    FLAGS,
    JOURNAL,
    OWNED,
    PLAIN,
    STATE,
    SYSTEMS,
    TAGS,
    Version,
    edits_of,
    policy,
    read_versions,
    system_of,
    typed,
)
from policies.sync import SyncPolicy

ROW = dict.fromkeys(PLAIN, "?") | dict.fromkeys(TAGS, "FALSE")


def write(folder: Path, *rows: dict[str, str]) -> None:
    path = folder / FILE
    path.parent.mkdir()
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [*ROW, "number", "sys_mod_count", "sys_updated_by", "sys_updated_at"])
        writer.writeheader()
        writer.writerows(ROW | row for row in rows)


def row(number: str, mods: int, at: str, **more: str) -> dict[str, str]:
    told = {"number": number, "sys_mod_count": str(mods), "sys_updated_by": "Updated by  7", "sys_updated_at": at}
    return told | more


def version(who: str = "Ann", note: str = "n", tags: tuple[str, ...] = (), **values: str) -> Version:
    return Version("I-1", who, values, frozenset(tags), note)


def test_versions_come_in_the_order_of_their_times_with_blanks_as_blanks(tmp_path: Path):
    write(
        tmp_path,
        row("I-2", 1, "02-03-2016 10:00", active="TRUE"),
        row("I-1", 2, "29-02-2016 11:00", rfc="CHG  1"),
        row("I-1", 0, "29-02-2016 11:00"),
    )
    read = read_versions(tmp_path, 10)
    assert [(one.incident, one.note) for one in read] == [
        ("I-1", "0: Updated by 7, 29-02-2016 11:00"),
        ("I-1", "2: Updated by 7, 29-02-2016 11:00"),
        ("I-2", "1: Updated by 7, 02-03-2016 10:00"),
    ]
    assert (read[0].values["rfc"], read[1].values["rfc"], read[2].tags) == ("", "CHG 1", {"active"})
    assert len(read_versions(tmp_path, 1)) == 1


def test_a_log_that_is_not_there_names_the_variable(tmp_path: Path):
    with pytest.raises(InputInvalid, match="INTERLOCK_PUBLIC_DATA"):
        read_versions(tmp_path, 10)


def test_an_edit_is_what_changed_since_the_version_before():
    first, second = edits_of([version(rfc="", priority="3"), version("Bob", tags=("active",), rfc="C", priority="3")])
    assert (first.begins, first.values, first.system) == (True, {"priority": "3"}, system_of("Ann"))
    assert (second.begins, second.values, second.tags_on) == (False, {"rfc": "C"}, {"active"})
    assert (first.number, second.number) == (1, 2)


def test_both_systems_are_worked_in():
    assert {system_of(f"Updated by {number}") for number in range(20)} == set(SYSTEMS)


def test_who_edits_sees_only_what_the_system_shows():
    _, edit = edits_of([version(tags=("active",), rfc=""), version(tags=("made_sla",), note="m", rfc="C")])
    shown = {"rfc": "C", FLAGS: "knowledge, active", JOURNAL: "[9] other"}
    assert typed(edit, shown) == {FLAGS: "knowledge, made_sla", JOURNAL: "[9] other\n[2] m"}


def test_the_policy_is_one_and_says_who_owns_what():
    told = SyncPolicy.model_validate(policy({"object": "tickets"}, {"table": "t", "key": "id", "updated_at": "u"}))
    fields = told.objects["incident"].fields
    assert {name: field.owner for name, field in fields.items() if field.owner} == OWNED
    assert fields[STATE].at["crm"].spelt("Closed") == "8"
