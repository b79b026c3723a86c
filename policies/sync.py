"""A policy about records that several systems keep of the same things, so that they say the same.

It is a policy like any other where people are asked, told and late; what comes in are the
contradictions that a person has to decide.
"""

from collections.abc import Iterator
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails

from domain.conflict import AGREED, ALWAYS, OTHER
from domain.decision import Mode
from domain.delivery import Patience
from domain.entity import FieldTerms
from domain.merge import FieldRule, Kind
from domain.sla import ClockName
from domain.values import Frozen
from policies.agreement import at, in_expression
from policies.destination import Destination, Name, Template
from policies.fields import Conventions, FieldType, normalised
from policies.linkage import Linkage
from policies.model import Input, Policy, Validation
from policies.sources import OptionName, OptionText

REMEMBERED = 100_000
"""Values whose one spelling is remembered: reading a telephone number takes as long as merging ten fields."""


class Way(StrEnum):
    """Which way a field's values go between a system and the others."""

    BOTH = "both"
    FROM = "from"
    """Edits there count; it is not written to."""
    TO = "to"
    """It is written to; edits there are put back."""


class Place(Frozen):
    """Where a system keeps a field.

    Attributes:
        name: the system's own name of the field.
        values: the system's own spelling of each of the field's values, where it has its own; a value that is
            not named here goes as it is.
    """

    name: str = Field(min_length=1)
    values: dict[str, str] = Field(default_factory=dict)
    way: Way = Way.BOTH

    @model_validator(mode="after")
    def _values_can_be_told_apart(self) -> "Place":
        if len(set(self.values.values())) < len(self.values):
            raise ValueError("two values have one spelling, and could not be told apart when they come back")
        return self

    def read(self, raw: str) -> str:
        """The field's value, by the system's spelling of it."""
        return next((value for value, own in self.values.items() if own == raw), raw)

    def spelt(self, value: str) -> str:
        """The system's spelling of a value."""
        return self.values.get(value, value)


def _by_name(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


NamedPlace = Annotated[Place, BeforeValidator(_by_name, json_schema_input_type=str | Place)]


class SyncField(Frozen):
    """A field that several systems have.

    Attributes:
        type: of its values; what is malformed is taken nowhere.
        owner: the system whose edit goes before the others', and which alone may clear the field.
        rule: how edits that contradict each other become one, if not by the owner.
        stages: of `rule: forward`, in their order.
        separator: between the tags of `rule: union`.
        at: where each system keeps it.
    """

    type: FieldType = FieldType.TEXT
    owner: Name | None = None
    rule: Kind = Kind.ASK
    stages: tuple[str, ...] = ()
    separator: str = Field(default=",", min_length=1)
    at: dict[Name, NamedPlace] = Field(min_length=2)

    @model_validator(mode="after")
    def _makes_a_rule(self) -> "SyncField":
        _ = self.merged_by
        return self

    @property
    def merged_by(self) -> FieldRule:
        """The rule, as the domain knows it."""
        return FieldRule(owner=self.owner, kind=self.rule, stages=self.stages, separator=self.separator)

    def terms(self, conventions: Conventions) -> FieldTerms:
        """What the domain needs to know of it."""

        @lru_cache(maxsize=REMEMBERED)
        def normal(raw: str) -> str:
            return normalised(self.type, raw.strip(), conventions)

        @lru_cache(maxsize=REMEMBERED)
        def spelling(raw: str) -> str:
            return " ".join((normal(raw) or raw).split())

        ways = {name: place.way for name, place in self.at.items()}
        return FieldTerms(
            rule=self.merged_by,
            normal=normal,
            spelling=spelling,
            taken_from=frozenset(name for name, way in ways.items() if way is not Way.TO),
            written_to=frozenset(name for name, way in ways.items() if way is not Way.FROM),
        )


class Side(Frozen):
    """A system's records of one kind.

    Attributes:
        system: name of the connector, which tells of changes and takes compare-and-set writes.
        options: what the connector is told, such as the object, the queue or the table.
        creates: whether a record is made there for what the others have and it has not.
        when: expression over the fields that must hold of what is made there.
        only: expression over the fields that a record there must fulfil to be taken in.
        key: template of the key of a record that is made there; the entity's own id without one.
        constants: further values of a record that is made there, by the system's own names.
    """

    system: Name
    options: dict[OptionName, OptionText] = Field(default_factory=dict)
    creates: bool = False
    when: str | None = None
    only: str | None = None
    key: Template | None = None
    constants: dict[str, str] = Field(default_factory=dict)


class Kept(Frozen):
    """Things of one kind that are kept in step: people, companies, cases.

    Attributes:
        same_by: fields that alone tell that two records are of the same thing, such as a case's number; the first
            that both have counts.
        match: how records are paired that `same_by` does not settle: by weighed evidence, which links nothing
            without a person before that is proven.
        duplicates: whether people are asked about records of one system that evidence says are of the same
            thing; nothing is merged there in any case.
        when_gone: what becomes of the others when a record is deleted somewhere: nothing, or it is made again.
    """

    systems: dict[Name, Side] = Field(min_length=2)
    fields: dict[Name, SyncField] = Field(min_length=1)
    same_by: tuple[Name, ...] = ()
    match: Linkage | None = None
    duplicates: Literal["leave", "ask"] = "leave"
    when_gone: Literal["leave", "make_again"] = "leave"

    @property
    def numeric(self) -> dict[str, bool]:
        """Whether expressions see each field as a number."""
        return {name: field.type is FieldType.NUMBER for name, field in self.fields.items()}

    def places(self, system: str) -> dict[str, Place]:
        """Where a system keeps each of the fields that it has."""
        return {name: field.at[system] for name, field in self.fields.items() if system in field.at}

    def terms(self, conventions: Conventions) -> dict[str, FieldTerms]:
        """What the domain needs to know of each field."""
        return {name: field.terms(conventions) for name, field in self.fields.items()}


class SyncInput(Input):
    """What a question for a person about records looks like as an item, and what people leave unsaid in values.

    Attributes:
        fields: as they are; not written in the file.
    """

    fields: dict[Name, FieldType] = Field(
        default_factory=lambda: dict.fromkeys(("object", "entity", "field"), FieldType.TEXT)
    )
    text: Template = "{{ field }}"
    duplicate_window_hours: float = Field(default=0, ge=0)


class SyncPolicy(Policy):
    """A workflow that keeps records of several systems in step.

    Attributes:
        mode: `shadow` reads and compares and writes nothing; `auto` writes.
        objects: what is kept in step, by name.
        patience: how long a write is tried.
    """

    keeps_in_step: ClassVar[bool] = True

    input: SyncInput = SyncInput()
    destinations: dict[Name, Destination] = Field(default_factory=dict)
    objects: dict[Name, Kept] = Field(min_length=1)
    patience: Patience = Patience()

    @cached_property
    def field_terms(self) -> dict[str, dict[str, FieldTerms]]:
        """What the domain needs to know of each object's fields; made once, as they remember spellings."""
        return {name: kept.terms(self.input.conventions) for name, kept in self.objects.items()}

    @property
    def promises_step(self) -> bool:
        """Whether it is promised how soon a change is in every system."""
        return self.mode is Mode.AUTO and ClockName.SYNCED in self.sla

    @model_validator(mode="before")
    @classmethod
    def _what_follows(cls, raw: Any) -> Any:
        """Fill in what an item that a person decides about must have."""
        if not isinstance(raw, dict):
            return raw
        if strange := sorted({"routes", "examples", "validation", "destinations", "intake"} & raw.keys()):
            raise ValueError(f"'{strange[0]}' has no meaning where records are kept in step; remove it")
        return raw | {"validation": Validation(required=("entity",))}

    @model_validator(mode="after")
    def _objects_agree(self) -> "SyncPolicy":
        if faults := list(_disagreements(self)):
            raise ValidationError.from_exception_data("SyncPolicy", faults)
        return self


def _disagreements(policy: SyncPolicy) -> Iterator[InitErrorDetails]:
    if policy.mode not in (Mode.SHADOW, Mode.AUTO):
        yield at("mode", fault="records are kept in step in mode 'auto', or only compared in 'shadow'; use one of them")
    for name, kept in policy.objects.items():
        for system, side in kept.systems.items():
            if system in (AGREED, OTHER) or system.endswith(ALWAYS):
                fault = f"'{system}' is what a person can choose where systems disagree; name the system otherwise"
                yield at("objects", name, "systems", system, fault=fault)
            for told, expression in (("when", side.when), ("only", side.only)):
                if expression is not None:
                    yield from in_expression(expression, kept.numeric, "objects", name, "systems", system, told)
        for index, field in enumerate(kept.same_by):
            if field not in kept.fields:
                yield at("objects", name, "same_by", index, fault=f"no field '{field}'; use one of the fields")
        yield from _in_match(kept, "objects", name)
        for field, one in kept.fields.items():
            yield from _in_field(kept, one, "objects", name, "fields", field)
        yield from _shared(kept, "objects", name, "fields")


def _in_match(kept: Kept, *loc: str | int) -> Iterator[InitErrorDetails]:
    known = ", ".join(kept.fields)
    for compared, field in kept.match.fields.items() if kept.match else ():
        for name in field.of or (compared,):
            if name not in kept.fields:
                fault = f"no field '{name}'; use one of: {known}, or say in 'of' what it is put together from"
                yield at(*loc, "match", "fields", compared, fault=fault)
    if kept.duplicates == "ask" and kept.match is None:
        yield at(*loc, "duplicates", fault="nothing says how duplicates are found; add 'match', or remove this")


def _shared(kept: Kept, *loc: str | int) -> Iterator[InitErrorDetails]:
    """Two fields in one place would write over each other."""
    taken: dict[tuple[str, str], str] = {}
    for field, one in kept.fields.items():
        for system, place in one.at.items():
            first = taken.setdefault((system, place.name), field)
            if first != field:
                fault = f"'{place.name}' of '{system}' is '{first}' already; give this field a place of its own"
                yield at(*loc, field, "at", system, fault=fault)


def _in_field(kept: Kept, field: SyncField, *loc: str | int) -> Iterator[InitErrorDetails]:
    known = ", ".join(kept.systems)
    for system in field.at:
        if system not in kept.systems:
            yield at(*loc, "at", system, fault=f"no system '{system}'; use one of: {known}")
    if field.owner is not None and field.owner not in field.at:
        yield at(*loc, "owner", fault=f"'{field.owner}' does not have this field; use one of: {', '.join(field.at)}")
    elif field.owner is not None and field.at[field.owner].way is Way.TO:
        yield at(*loc, "owner", fault=f"the edits of '{field.owner}' do not count; take 'way: to' from it there")
    if not any(place.way is not Way.TO for place in field.at.values()):
        yield at(*loc, "at", fault="nobody's edits count; take 'way: to' from one of them")
