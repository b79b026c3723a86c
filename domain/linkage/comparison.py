"""Two records, compared field by field."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import Field, field_validator

from domain.likeness import Level
from domain.linkage.grades import Kind, grade, spelled
from domain.values import Frozen, digest

Pattern = tuple[Level, ...]
"""How far two records agree, in the order of the fields."""


class Compared(Frozen):
    """A field that is compared.

    Attributes:
        name: what it is called in explanations.
        of: names of the values that it is put together from, by default the one called like it.
        also_in: other compared fields in which the value may stand by mistake, such as the last name
            for the first; they hold what this one holds, so they are of the same or a similar kind.
    """

    name: str = Field(min_length=1)
    kind: Kind
    of: tuple[str, ...] = ()
    also_in: tuple[str, ...] = ()


class Fields(Frozen):
    """The fields that are compared; what a model was made for."""

    compared: tuple[Compared, ...] = Field(min_length=1)

    @field_validator("compared")
    @classmethod
    def _known_once(cls, compared: tuple[Compared, ...]) -> tuple[Compared, ...]:
        known = [field.name for field in compared]
        if twice := sorted({name for name in known if known.count(name) > 1}):
            raise ValueError(f"compared twice: {', '.join(twice)}. Name each field once.")
        if unknown := sorted({name for field in compared for name in field.also_in} - set(known)):
            raise ValueError(
                f"also_in names fields that are not compared: {', '.join(unknown)}. Use: {', '.join(known)}."
            )
        return compared

    @property
    def names(self) -> tuple[str, ...]:
        """Their names, in their order."""
        return tuple(field.name for field in self.compared)

    @property
    def fingerprint(self) -> str:
        """Digest of all that the grades depend on."""
        return digest(self.model_dump(mode="json"))


@dataclass(frozen=True, slots=True)
class Prepared:
    """A record in its fields' spellings, in the fields' order; empty where it does not say."""

    id: str
    values: tuple[str, ...]


def prepare(fields: Fields, id_: str, values: Mapping[str, str]) -> Prepared:
    """A record made ready for comparison; values that no field names do not count."""
    return Prepared(
        id_,
        tuple(
            spelled(field.kind, " ".join(filter(None, (values.get(name, "") for name in field.of or (field.name,)))))
            for field in fields.compared
        ),
    )


class Comparison:
    """Compares prepared records; made once for many pairs."""

    def __init__(self, fields: Fields) -> None:
        at = {name: index for index, name in enumerate(fields.names)}
        self._kinds = tuple(field.kind for field in fields.compared)
        self._also = tuple(tuple(at[name] for name in field.also_in) for field in fields.compared)

    def pattern(self, one: Prepared, other: Prepared) -> Pattern:
        """How far two records agree in each field; the same whichever comes first."""
        mine, theirs = one.values, other.values
        levels = tuple(map(grade, self._kinds, mine, theirs))
        if Level.DIFFERENT not in levels and Level.MISSING not in levels:
            return levels
        return tuple(self._elsewhere(index, level, mine, theirs) for index, level in enumerate(levels))

    def _elsewhere(self, index: int, level: Level, mine: Sequence[str], theirs: Sequence[str]) -> Level:
        if level in (Level.DIFFERENT, Level.MISSING):
            for also in self._also[index]:
                if (mine[index] and mine[index] == theirs[also]) or (theirs[index] and theirs[index] == mine[also]):
                    return Level.ELSEWHERE
        return level
