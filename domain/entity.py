"""One thing of which several systems hold a record: a person, a company, a case.

Its records are held against each other field by field (see `domain.merge`). What a system is to be
made to hold follows from what is agreed on, and is asked for until the system shows it; so a write
that was refused, overtaken or lost needs no memory of its own. A field whose edits contradict each
other stands still, and the others go on.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pydantic import Field

from domain.merge import FieldRule, Merged, Side, Why, merge
from domain.values import Frozen


@dataclass(frozen=True)
class FieldTerms:
    """What the policy says of a field.

    Attributes:
        normal: its type's one spelling of a value; empty for one that is malformed, which is left alone.
        spelling: see `domain.merge.Spelling`; of values that are well-formed.
        taken_from: the systems whose edits count.
        written_to: the systems that are written to.
    """

    rule: FieldRule
    normal: Callable[[str], str]
    spelling: Callable[[str], str]
    taken_from: frozenset[str]
    written_to: frozenset[str]


class Standing(Frozen):
    """Where a field stands.

    Attributes:
        agreed: what the systems are to hold.
        set_by: the systems, or the person, that made it so.
        contested: what the systems say instead, while a person is asked; empty while there is no contradiction.
        contests: how often there was one.
    """

    agreed: str = ""
    set_by: tuple[str, ...] = ()
    contested: dict[str, str] = Field(default_factory=dict)
    contests: int = 0


class Held(Frozen):
    """What a system holds of an entity.

    Attributes:
        external_id: the system's own id of the record; empty while it is still to be made.
        now: what it showed last, by field; a field that it does not have is left out.
        base: what it showed when its last edit was heard; a record that is new to the entity has none.
        busy: whether a write is under way, so that nobody knows what it holds.
        gone: whether the record was deleted there.
        refused: what it would not take, until somebody mends that or something else is to be written.
    """

    external_id: str = ""
    now: dict[str, str] = Field(default_factory=dict)
    base: dict[str, str] = Field(default_factory=dict)
    busy: bool = False
    gone: bool = False
    refused: dict[str, str] = Field(default_factory=dict)


class Entity(Frozen):
    """What is agreed on, by field, and what each system holds."""

    fields: dict[str, Standing] = Field(default_factory=dict)
    records: dict[str, Held] = Field(default_factory=dict)


class Move(Frozen):
    """What was made of the edits of a field; where they contradict each other, `after` is as `before`.

    Attributes:
        edited: what the systems that changed the field made of it.
    """

    field: str
    before: str
    after: str
    why: Why
    edited: dict[str, str] = Field(default_factory=dict)


@dataclass(frozen=True)
class InStep:
    """What keeps an entity's records in step.

    Attributes:
        entity: with every edit heard.
        moves: what happened, in the order of the fields.
        writes: by system, what its record is to hold; nothing for a system that is busy.
        malformed: by field, the systems whose value is none of its type; it goes nowhere.
    """

    entity: Entity
    moves: tuple[Move, ...]
    writes: dict[str, dict[str, str]]
    malformed: dict[str, tuple[str, ...]]


def in_step(terms: Mapping[str, FieldTerms], entity: Entity, creates: frozenset[str] = frozenset()) -> InStep:
    """What becomes of an entity; the same again asks for the same and moves nothing.

    Args:
        creates: the systems in which a record is made where there is none.
    """
    fields, moves, malformed = dict(entity.fields), list[Move](), dict[str, tuple[str, ...]]()
    bases = {name: dict(record.base) for name, record in entity.records.items()}
    wanted: dict[str, dict[str, str]] = {}
    for field, of in terms.items():
        before = fields.get(field, _NEVER)
        shown = {name: record.now[field] for name, record in _live(entity).items() if field in record.now}
        if not before.contested and all(bases[name].get(field) == now == before.agreed for name, now in shown.items()):
            continue
        if unfit := tuple(sorted(name for name, now in shown.items() if now.strip() and not of.normal(now))):
            malformed[field] = unfit
        sides = {name: Side(now=now, base=_base(entity, name, field, of)) for name, now in shown.items()}
        fit = {name: side for name, side in sides.items() if name not in unfit}
        if not fit:
            continue
        merged = merge(of.rule, before.agreed, fit, of.spelling, before.set_by)
        fields[field] = after = _standing(of, before, merged, fit)
        if after.contested != before.contested or (merged.edited and merged.why is not Why.CONFLICT):
            edited = {name: fit[name].now for name in merged.edited}
            moves.append(Move(field=field, before=before.agreed, after=after.agreed, why=merged.why, edited=edited))
        if merged.why is Why.CONFLICT:
            continue
        for name, side in fit.items():
            bases[name][field] = side.now
        for name in merged.writes.keys() & of.written_to:
            wanted.setdefault(name, {})[field] = after.agreed
    records = {
        name: record if record.base == bases[name] else record.model_copy(update={"base": bases[name]})
        for name, record in entity.records.items()
    }
    after_all = Entity.model_construct(fields=fields, records=records)
    return InStep(after_all, tuple(moves), _writes(terms, after_all, wanted, creates), malformed)


def decided(entity: Entity, field: str, value: str, by: str) -> Entity:
    """The entity once somebody has said what a contested field is; every edit so far is heard with that."""
    standing = Standing(agreed=value, set_by=(by,), contests=entity.fields[field].contests)
    records = {
        name: record.model_copy(update={"base": record.base | {field: record.now[field]}})
        if field in record.now
        else record
        for name, record in entity.records.items()
    }
    return Entity(fields=entity.fields | {field: standing}, records=records)


def joined(into: Entity, system: str, record: Held) -> Entity:
    """The entity with one more record, of which nothing was heard yet: whatever it holds counts as an edit."""
    return Entity(fields=into.fields, records=into.records | {system: record.model_copy(update={"base": {}})})


_NEVER = Standing()


def _live(entity: Entity) -> dict[str, Held]:
    return {name: record for name, record in entity.records.items() if record.external_id and not record.gone}


def _base(entity: Entity, name: str, field: str, of: FieldTerms) -> str:
    """A system's base; one whose edits do not count has edited nothing."""
    record = entity.records[name]
    return record.base.get(field, "") if name in of.taken_from else record.now[field]


def _standing(of: FieldTerms, before: Standing, merged: Merged, sides: Mapping[str, Side]) -> Standing:
    if merged.why is Why.CONFLICT:
        contested = {name: sides[name].now for name in merged.edited}
        return before.model_copy(update={"contested": contested, "contests": before.contests + (not before.contested)})
    if of.spelling(merged.value) == of.spelling(before.agreed):
        return before.model_copy(update={"contested": {}}) if before.contested else before
    level = all(of.spelling(side.base) == of.spelling(before.agreed) for side in sides.values())
    set_by = merged.edited if level else tuple(sorted({*before.set_by, *merged.edited}))
    agreed = of.normal(merged.value) if merged.value.strip() else ""
    return Standing(agreed=agreed, set_by=set_by, contests=before.contests)


def _writes(
    terms: Mapping[str, FieldTerms], entity: Entity, wanted: dict[str, dict[str, str]], creates: frozenset[str]
) -> dict[str, dict[str, str]]:
    """What is to be written now: what differs, and whole records where there are none."""
    for name in creates:
        if name not in entity.records:
            agreed = {field: standing.agreed for field, standing in entity.fields.items() if standing.agreed}
            whole = {field: value for field, value in agreed.items() if name in terms[field].written_to}
            if whole:
                wanted[name] = whole
    idle = {name: values for name, values in wanted.items() if not _held(entity, name).busy}
    return {name: values for name, values in sorted(idle.items()) if values != _held(entity, name).refused}


def _held(entity: Entity, name: str) -> Held:
    return entity.records.get(name, Held())
