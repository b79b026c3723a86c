"""One thing of which several systems hold a record: a person, a company, a case.

Its records are held against each other field by field (see `domain.merge`). What a system is to be
made to hold follows from what is agreed on, and is asked for until the system shows it; so a write
that was refused, overtaken or lost needs no memory of its own. A field whose edits contradict each
other stands still, and the others go on.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pydantic import Field

from domain.merge import FieldRule, Merged, Side, Why, meaning, merge
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
        set_by: the systems, or the person, that made it so; where not all systems knew what was agreed on before that,
            those who had set that as well.
        since: where the owner is among them, what was agreed on since it set the field, its own value first.
        contested: what the systems say instead, while a person is asked; empty while there is no contradiction.
        contests: how often there was one.
    """

    agreed: str = ""
    set_by: tuple[str, ...] = ()
    since: tuple[str, ...] = ()
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
        refused: what it would not take, by field, while that is still to be written.
        took: what it was made to hold, by field, and what it shows of that, where that is something else.
        singly: whether fields are written one by one, because it refused several at once.
    """

    external_id: str = ""
    now: dict[str, str] = Field(default_factory=dict)
    base: dict[str, str] = Field(default_factory=dict)
    busy: bool = False
    gone: bool = False
    refused: dict[str, str] = Field(default_factory=dict)
    took: dict[str, tuple[str, str]] = Field(default_factory=dict)
    singly: bool = False

    @property
    def lacking(self) -> bool:
        """Whether there is no record, was none, and none is being made."""
        return not (self.external_id or self.gone or self.busy)


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

    @property
    def owes(self) -> bool:
        """Whether a record does not hold, or is not known to hold, what it is to: a write is on, due, or was refused.

        What is contested or malformed is owed to nobody: it is not known what is to be written.
        """
        return bool(self.writes) or any(record.busy or record.refused for record in self.entity.records.values())


def in_step(terms: Mapping[str, FieldTerms], entity: Entity, creates: frozenset[str] = frozenset()) -> InStep:
    """What becomes of an entity; the same again asks for the same and moves nothing.

    Where nothing was ever agreed on, what a system holds is left alone. A field without terms is contested no more:
    should it have some again, its edits are heard again.

    Args:
        creates: the systems in which a record is made where there is none.
    """
    fields = {name: one if name in terms or not one.contested else _level(one) for name, one in entity.fields.items()}
    moves, malformed = list[Move](), dict[str, tuple[str, ...]]()
    bases = {name: dict(record.base) for name, record in entity.records.items()}
    wanted: dict[str, dict[str, str]] = {}
    for field, of in terms.items():
        before = fields.get(field, _NEVER)
        shown = {name: record.now[field] for name, record in _live(entity).items() if field in record.now}
        if not before.contested and all(bases[name].get(field) == now == before.agreed for name, now in shown.items()):
            continue
        sides = {name: _side(entity.records[name], field, counts=name in of.taken_from) for name in shown}
        if unfit := tuple(sorted(name for name, side in sides.items() if side.now.strip() and not of.normal(side.now))):
            malformed[field] = unfit
        fit = {name: side for name, side in sides.items() if name not in unfit}
        if not fit:
            continue
        merged = merge(of.rule, before.agreed, fit, of.spelling, before.set_by, before.since)
        fields[field] = after = _standing(of, before, merged, fit)
        writes = merged.writes.keys() & of.written_to if after.agreed or after.set_by else frozenset[str]()
        if after.contested != before.contested or (merged.edited and merged.why is not Why.CONFLICT):
            edited = {name: shown[name] for name in merged.edited}
            moves.append(Move(field=field, before=before.agreed, after=after.agreed, why=merged.why, edited=edited))
        if merged.why is Why.CONFLICT:
            continue
        if back := {
            name: shown[name] for name in sorted(writes - of.taken_from) if shown[name] != bases[name].get(field)
        }:
            moves.append(Move(field=field, before=after.agreed, after=after.agreed, why=Why.PUT_BACK, edited=back))
        for name in fit:
            bases[name][field] = shown[name]
        for name in writes:
            wanted.setdefault(name, {})[field] = after.agreed
    wanted |= _whole(terms, entity.records, fields, creates)
    records = {name: _heard(record, bases[name], wanted.get(name, {})) for name, record in entity.records.items()}
    after_all = Entity.model_construct(fields=fields, records=records)
    return InStep(after_all, tuple(moves), _writes(after_all, wanted), malformed)


def decided(entity: Entity, field: str, value: str, by: str) -> Entity:
    """The entity once somebody has said what a contested field is; the edits that they were shown are heard by that."""
    before = entity.fields[field]
    standing = Standing(agreed=value, set_by=(by,), contests=before.contests)
    records = {
        name: record.model_copy(update={"base": record.base | {field: before.contested[name]}})
        if name in before.contested
        else record
        for name, record in entity.records.items()
    }
    return Entity(fields=entity.fields | {field: standing}, records=records)


_NEVER = Standing()


def _live(entity: Entity) -> dict[str, Held]:
    return {name: record for name, record in entity.records.items() if record.external_id and not record.gone}


def _side(record: Held, field: str, *, counts: bool) -> Side:
    """What a record means by what it shows and showed; where edits do not count, nothing was edited.

    What its system made of a value of ours means that value.
    """
    wrote, shows = record.took.get(field, ("", ""))
    now, base = (wrote if text == shows else text for text in (record.now[field], record.base.get(field, "")))
    return Side(now=now, base=base if counts else now, new=field not in record.base)


def _level(standing: Standing) -> Standing:
    return standing.model_copy(update={"contested": {}})


def _standing(of: FieldTerms, before: Standing, merged: Merged, sides: Mapping[str, Side]) -> Standing:
    if merged.why is Why.CONFLICT:
        contested = {name: sides[name].now for name in merged.edited}
        return before.model_copy(update={"contested": contested, "contests": before.contests + (not before.contested)})
    same = meaning(of.rule, of.spelling)
    if same(merged.value) == same(before.agreed):
        return _level(before) if before.contested else before
    level = all(same(side.base) == same(before.agreed) for side in sides.values())
    set_by = merged.edited if level else tuple(sorted({*before.set_by, *merged.edited}))
    agreed = of.normal(merged.value) if merged.value.strip() else ""
    followed = (*before.since, agreed) if before.since and not level else ()
    since = (agreed,) if of.rule.owner in merged.edited else followed
    return Standing(agreed=agreed, set_by=set_by, since=since, contests=before.contests)


def _whole(
    terms: Mapping[str, FieldTerms],
    records: Mapping[str, Held],
    fields: Mapping[str, Standing],
    creates: frozenset[str],
) -> dict[str, dict[str, str]]:
    """What a record is made with, in each system that has none yet; nothing while nothing is known."""
    agreed = {field: fields[field].agreed for field in terms if field in fields and fields[field].agreed}
    lacking = [name for name in creates if records.get(name, Held()).lacking]
    whole = {name: {field: agreed[field] for field in agreed if name in terms[field].written_to} for name in lacking}
    return {name: values for name, values in whole.items() if values}


def _heard(record: Held, base: dict[str, str], wanted: Mapping[str, str]) -> Held:
    """A record once its edits were heard; what it refused counts while it is still to be written."""
    refused = {field: value for field, value in record.refused.items() if wanted.get(field) == value}
    singly = record.singly and bool(wanted)
    if (record.base, record.refused, record.singly) == (base, refused, singly):
        return record
    return record.model_copy(update={"base": base, "refused": refused, "singly": singly})


def _writes(entity: Entity, wanted: Mapping[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    """What is to be written now: what was not refused, to records that no write is under way to."""
    writes: dict[str, dict[str, str]] = {}
    for name, values in sorted(wanted.items()):
        record = entity.records.get(name, Held())
        if not record.external_id:
            untried = values if values != record.refused else {}
        else:
            untried = {field: value for field, value in values.items() if record.refused.get(field) != value}
        if record.busy or not untried:
            continue
        first = min(untried)
        writes[name] = {first: untried[first]} if record.singly and record.external_id else untried
    return writes
