"""The crosswalk's rows as the rest knows them: entities with their records, and what a system showed."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from pydantic import TypeAdapter
from sqlalchemy import not_
from sqlmodel import col, select

from connectors.store.crosswalk_tables import EntityRow, KeyRow, RecordRow
from domain.entity import Entity, Held, Move, Standing

FIELDS = TypeAdapter(dict[str, Standing])
"""Of `EntityRow.fields`."""


class Of(NamedTuple):
    """Things of one kind under one policy."""

    policy: str
    object: str


@dataclass(frozen=True)
class Shown:
    """What a system showed of a record.

    Attributes:
        now: by field, in the fields' own values.
        raw: the system's spelling, where that is another.
        keys: what the record may be found by; see `KeyRow`.
    """

    now: dict[str, str]
    raw: dict[str, str] = field(default_factory=dict)
    keys: frozenset[str] = frozenset()
    changed_at: datetime | None = None
    changed_by: str = ""
    operation_id: str = ""


@dataclass(frozen=True)
class Due:
    """An entity that something has changed of, with its records by system."""

    row: EntityRow
    records: dict[str, RecordRow]

    @property
    def entity(self) -> Entity:
        """As the domain has it."""
        held = {system: _held(record) for system, record in self.records.items()}
        return Entity(fields=FIELDS.validate_python(self.row.fields), records=held)


def of_kind(of: Of) -> tuple[Any, ...]:
    """Records of this kind."""
    return RecordRow.policy == of.policy, RecordRow.object == of.object


def of_side(of: Of, system: str) -> tuple[Any, ...]:
    """Of this kind, in this system."""
    return *of_kind(of), RecordRow.system == system


STRANGE: tuple[Any, ...] = (col(RecordRow.entity_id).is_(None), RecordRow.apart == "", not_(col(RecordRow.gone)))
"""There, and nobody knows what it is of, or why it is of nothing."""


def sharing(of: Of, keys: Any) -> Any:
    """That can be found by one of these keys, be they a collection or a query."""
    found = select(KeyRow.record).where(KeyRow.policy == of.policy, KeyRow.object == of.object)
    return col(RecordRow.seq).in_(found.where(col(KeyRow.key).in_(keys)))


def named_so(external_ids: Collection[str]) -> Any:
    """Of these ids."""
    return col(RecordRow.external_id).in_(set(external_ids))


def blank(of: Of, system: str) -> dict[str, Any]:
    """A record of which nothing was read yet."""
    empty: dict[str, Any] = {"now": {}, "base": {}, "raw": {}, "changed_by": "", "seen": ""}
    flags = {"unread": True, "told": 0, "gone": False, "apart": "", "singly": False}
    return {"policy": of.policy, "object": of.object, "system": system} | empty | flags


def _held(record: RecordRow) -> Held:
    return Held(
        external_id=record.external_id or "",
        now=record.now,
        base=record.base,
        busy=record.operation_id is not None,
        gone=record.gone,
        refused=record.refused or {},
        took={field: (wrote, shows) for field, (wrote, shows) in (record.took or {}).items()},
        singly=record.singly,
    )


def holds(record: RecordRow, held: Mapping[str, str], raw: Mapping[str, str]) -> None:
    """Note what a write of ours made of a record, which is no edit; `raw` in its system's spelling, where another."""
    record.now, record.base = record.now | dict(held), record.base | dict(held)
    record.raw = {name: text for name, text in record.raw.items() if name not in held} | dict(raw)


def told_of(due: Due, move: Move, now: datetime, by: str) -> dict[str, Any]:
    """A row of what was made of a field's edits."""
    edited = {
        system: {
            "value": value,
            "at": record.changed_at.isoformat() if (record := due.records.get(system)) and record.changed_at else "",
            "by": record.changed_by if record else "",
        }
        for system, value in move.edited.items()
    }
    told = move.model_dump(mode="json", include={"field", "before", "after", "why"})
    return told | {"entity_id": due.row.entity_id, "at": now, "edited": edited, "by": by}
