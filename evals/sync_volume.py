"""How fast records are merged, in one process, as a comparison of whole systems does it."""

import resource
import sys
import time
from collections.abc import Iterator

from domain.entity import Entity, FieldTerms, Held, Standing, in_step
from domain.merge import Kind
from domain.values import Frozen, share
from policies.fields import Conventions, FieldType
from policies.sync import Kept, Side, SyncField

RECORDS, SMALL = 100_000, 10_000
WARM = 500
"""Records that are merged first: what reads telephone numbers and addresses is loaded with the first."""
SYSTEMS = ("crm", "desk")
EDITED, EDITED_TWICE = 0.05, 0.005
"""Share of the records in which one system has edited a field, and in which both have edited the same."""
KIB = 1 if sys.platform.startswith("linux") else 1024
"""Of what the system counts the largest memory in; Linux counts KiB, macOS bytes."""


class Volume(Frozen):
    """What merging took.

    Attributes:
        records_per_s: of the large number of records.
        small_per_s: of a tenth of them: where both are alike, time grows linearly.
        grown_mib: by how much the largest memory of the process grew from the small number to the large one.
        moved: fields that an edit changed; `writes` records that were to be written to; `contested` fields.
    """

    records: int
    fields: int
    seconds: float
    records_per_s: float
    small_per_s: float
    grown_mib: float
    moved: int
    writes: int
    contested: int


def measure_volume(records: int = RECORDS, small: int = SMALL) -> Volume:
    """Merge `small` records, then `records`, each made just before it is merged and forgotten after."""
    terms = _terms()
    _merged(terms, WARM)
    small_s, _ = _merged(terms, small)
    before = _largest_kib()
    seconds, counts = _merged(terms, records)
    return Volume(
        records=records,
        fields=len(terms),
        seconds=round(seconds, 2),
        records_per_s=round(records / seconds, 1),
        small_per_s=round(small / small_s, 1),
        grown_mib=round((_largest_kib() - before) / 1024, 1),
        moved=counts[0],
        writes=counts[1],
        contested=counts[2],
    )


def _merged(terms: dict[str, FieldTerms], records: int) -> tuple[float, tuple[int, int, int]]:
    began = time.perf_counter()
    moved = writes = contested = 0
    for entity in _entities(list(terms), records):
        step = in_step(terms, entity)
        moved += len(step.moves)
        writes += len(step.writes)
        if step.moves:
            contested += sum(bool(standing.contested) for standing in step.entity.fields.values())
    return time.perf_counter() - began, (moved, writes, contested)


def _terms() -> dict[str, FieldTerms]:
    """Twelve fields, of every type and rule that a record has."""

    def field(kind: FieldType = FieldType.TEXT, rule: Kind = Kind.ASK, owner: str | None = None) -> SyncField:
        at = {name: {"name": name} for name in SYSTEMS}
        stages = ("lead", "offer", "won") if rule is Kind.FORWARD else ()
        return SyncField.model_validate({"type": kind, "rule": rule, "owner": owner, "stages": stages, "at": at})

    fields = {
        "name": field(),
        "email": field(FieldType.EMAIL, owner="crm"),
        "phone": field(FieldType.PHONE),
        "company": field(FieldType.COMPANY),
        "country": field(FieldType.COUNTRY),
        "since": field(FieldType.DATE),
        "employees": field(FieldType.NUMBER),
        "tags": field(rule=Kind.UNION),
        "notes": field(rule=Kind.APPEND),
        "stage": field(rule=Kind.FORWARD),
        "group": field(owner="desk"),
        "town": field(),
    }
    kept = Kept(systems={name: Side(system="sql_table") for name in SYSTEMS}, fields=fields)
    return kept.terms(Conventions())


def _entities(fields: list[str], records: int) -> Iterator[Entity]:
    """Records that two systems hold, one after the other; of some a field was edited since."""
    for number in range(records):
        held = _values(number)
        standing = {name: Standing(agreed=text, set_by=("crm",)) for name, text in held.items()}
        draw = share(str(number))
        edited = fields[number % len(fields)]
        sides = {name: dict(held) for name in SYSTEMS}
        if draw < EDITED:
            sides["desk"][edited] = _other(edited, number, 1)
        if draw < EDITED_TWICE:
            sides["crm"][edited] = _other(edited, number, 2)
        shown = {name: Held(external_id=f"{name}-{number}", now=now, base=held) for name, now in sides.items()}
        yield Entity(fields=standing, records=shown)


def _values(number: int) -> dict[str, str]:
    return {
        "name": f"Customer {number}",
        "email": f"buyer{number}@example.com",
        "phone": f"+49 30 {1_000_000 + number}",
        "company": f"Company {number // 3} GmbH",
        "country": "DE",
        "since": f"2024-0{number % 9 + 1}-11",
        "employees": str(number % 900),
        "tags": "a, b",
        "notes": f"Called on day {number}.",
        "stage": "lead",
        "group": f"Group {number % 40}",
        "town": f"Town {number % 300}",
    }


def _other(field: str, number: int, times: int) -> str:
    """Another value of a field, in its type."""
    match field:
        case "email":
            return f"other{number}.{times}@example.com"
        case "phone":
            return f"+49 40 {2_000_000 + number + times}"
        case "country":
            return ("FR", "IT")[times - 1]
        case "since":
            return f"2025-0{times}-12"
        case "employees":
            return str(1000 + number + times)
        case "tags":
            return f"a, {'bcd'[times]}"
        case "notes":
            return f"Called on day {number}.\nCalled again, {times}."
        case "stage":
            return ("offer", "won")[times - 1]
        case _:
            return f"Other {number} {times}"


def _largest_kib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // KIB
