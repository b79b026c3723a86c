"""The audit log of a real help desk, as edits of people who work in two systems that hold its incidents.

The log is "Incident management process enriched event log" (Amaral, Fantinato and Peres 2018, UCI, CC BY 4.0). It is
not part of this project: `uci_incidents/incident_event_log.csv` in the folder of public data.
"""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from domain.errors import InputInvalid
from domain.values import digest

CRM, DESK = "crm", "desk"
SYSTEMS = (CRM, DESK)
FILE = "uci_incidents/incident_event_log.csv"
POLICY = "incident_replay"
OBJECT = "incident"
STAGES = (
    "New",
    "Active",
    "Awaiting User Info",
    "Awaiting Problem",
    "Awaiting Vendor",
    "Awaiting Evidence",
    "Resolved",
    "Closed",
)
NUMBER, STATE, FLAGS, JOURNAL = "number", "incident_state", "flags", "journal"
IN_CRM = {stage: str(place) for place, stage in enumerate(STAGES, 1)}
"""The CRM keeps states by its own numbers."""
OWNED = {"category": CRM, "subcategory": CRM, "assignment_group": DESK, "assigned_to": DESK, STATE: DESK}
ASKED = (
    "u_symptom",
    "cmdb_ci",
    "impact",
    "urgency",
    "priority",
    "caller_id",
    "location",
    "problem_id",
    "rfc",
    "closed_code",
    "resolved_by",
    "resolved_at",
    "closed_at",
    "reassignment_count",
    "reopen_count",
)
TAGS = ("active", "made_sla", "knowledge", "u_priority_confirmation")
"""Columns that say TRUE or FALSE: together they are the flags of an incident."""
PLAIN = (*OWNED, *ASKED)
FIELDS = (NUMBER, *PLAIN, FLAGS, JOURNAL)
UNKNOWN = "?"
"""How the log spells a blank."""
WRITTEN = "%d-%m-%Y %H:%M"


@dataclass(frozen=True)
class Version:
    """An incident as somebody left it.

    Attributes:
        who: who updated it; decides in which system.
        values: the plain fields.
        tags: the flags that are set.
        note: a line of its own in the journal.
    """

    incident: str
    who: str
    values: dict[str, str]
    tags: frozenset[str]
    note: str


@dataclass(frozen=True)
class Edit:
    """What somebody does to an incident in one system.

    Attributes:
        number: its place among all edits, from 1.
        begins: whether it makes the record.
        values: the plain fields that it sets.
        tags_on, tags_off: the flags that it sets and takes away.
        note: what it adds to the journal.
    """

    number: int
    system: str
    incident: str
    begins: bool
    values: dict[str, str]
    note: str
    tags_on: frozenset[str] = field(default_factory=frozenset)
    tags_off: frozenset[str] = field(default_factory=frozenset)


def read_versions(folder: Path, most: int) -> list[Version]:
    """Up to `most` versions of the log in `folder`, in the order of their times.

    Raises:
        InputInvalid: the log is not there.
    """
    path = folder / FILE
    if not path.is_file():
        raise InputInvalid(
            f"{path}: the help desk's log is not here. Set INTERLOCK_PUBLIC_DATA to the folder that holds "
            "uci_incidents/; nothing else needs it."
        )
    with path.open(encoding="utf-8", newline="") as file:
        rows = sorted(csv.DictReader(file), key=_order)[:most]
    return [_version(row) for row in rows]


def _order(row: Mapping[str, str]) -> tuple[datetime, str, int]:
    at = datetime.strptime(row["sys_updated_at"], WRITTEN).replace(tzinfo=UTC)
    return at, row["number"], int(row["sys_mod_count"])


def _version(row: Mapping[str, str]) -> Version:
    told = {name: " ".join(text.split()) for name, text in row.items()}
    return Version(
        incident=told["number"],
        who=told["sys_updated_by"],
        values={name: "" if told[name] == UNKNOWN else told[name] for name in PLAIN},
        tags=frozenset(name for name in TAGS if told[name] == "TRUE"),
        note=f"{told['sys_mod_count']}: {told['sys_updated_by']}, {told['sys_updated_at']}",
    )


def edits_of(versions: Iterable[Version]) -> list[Edit]:
    """What changed from each version of an incident to its next, done in the system of whoever did it."""
    edits, last = list[Edit](), dict[str, Version]()
    for number, version in enumerate(versions, 1):
        before = last.get(version.incident)
        had, tags = (before.values, before.tags) if before else ({}, frozenset[str]())
        edits.append(
            Edit(
                number=number,
                system=system_of(version.who),
                incident=version.incident,
                begins=before is None,
                values={name: text for name, text in version.values.items() if text != had.get(name, "")},
                tags_on=version.tags - tags,
                tags_off=tags - version.tags,
                note=f"[{number}] {version.note}",
            )
        )
        last[version.incident] = version
    return edits


def system_of(who: str) -> str:
    """The system that somebody works in."""
    return SYSTEMS[int(digest(who)[:8], 16) % len(SYSTEMS)]


def typed(edit: Edit, shown: Mapping[str, str]) -> dict[str, str]:
    """What an edit makes of a record that shows `shown`: only what it changes there."""
    tags = tags_of(shown.get(FLAGS, ""))
    lines = [line for line in (shown.get(JOURNAL, ""), edit.note) if line]
    made = edit.values | {
        FLAGS: ", ".join([tag for tag in tags if tag not in edit.tags_off] + sorted(edit.tags_on - {*tags})),
        JOURNAL: "\n".join(lines),
    }
    return {name: text for name, text in made.items() if text != shown.get(name, "")}


def tags_of(flags: str) -> list[str]:
    """The flags of a text, in its order."""
    return [tag for tag in (part.strip() for part in flags.split(",")) if tag]


def policy(crm: Mapping[str, str], desk: Mapping[str, str]) -> dict[str, Any]:
    """The policy that keeps the incidents in step.

    Category and subcategory are the CRM's, group and assignee the help desk's. The state goes forward by its stages,
    and only the help desk takes it back. Flags are a union, the journal is appended to. All else is for a person,
    if edits contradict each other.

    Args:
        crm: options of the CRM's connector.
        desk: options of the table's.
    """
    fields: dict[str, Any] = {name: {"at": dict.fromkeys(SYSTEMS, name)} for name in FIELDS}
    for name, owner in OWNED.items():
        fields[name]["owner"] = owner
    fields[STATE] |= {"rule": "forward", "stages": list(STAGES)}
    fields[STATE]["at"] = {CRM: {"name": STATE, "values": IN_CRM}, DESK: STATE}
    fields[FLAGS]["rule"] = "union"
    fields[JOURNAL]["rule"] = "append"
    systems = {
        CRM: {"system": "hubspot", "options": dict(crm), "creates": True},
        DESK: {"system": "sql_table", "options": dict(desk), "creates": True},
    }
    return {
        "name": POLICY,
        "version": 1,
        "description": "incidents of a help desk, replayed",
        "mode": "auto",
        "objects": {OBJECT: {"systems": systems, "fields": fields, "same_by": [NUMBER]}},
        "escalation": {"steps": [{"to": "operations"}]},
        "patience": {"attempts": 30, "first_delay_s": 0.5, "longest_delay_s": 10},
    }
