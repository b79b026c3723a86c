"""How far what a system holds of a field is what it should hold, as a whole snapshot shows it."""

from collections.abc import Iterable, Mapping
from enum import StrEnum

from pydantic import Field

from domain.entity import Entity, FieldTerms, Standing, in_step
from domain.merge import meaning
from domain.values import Frozen


class Found(StrEnum):
    """How a field of a record stands to what is agreed on."""

    EQUAL = "equal"
    """It means the same."""
    KNOWN = "known"
    """It differs, and that is known: a write of it is to come or was refused, or a change has told of it."""
    MISSED = "missed"
    """It differs, and no change has told of that."""
    CONTESTED = "contested"
    """Systems contradict each other about it, and a person is asked."""
    MALFORMED = "malformed"
    """It holds what is none of the field's type, which is left alone."""
    UNDER_WAY = "under_way"
    """A write to the record is under way: nobody knows what it holds."""


COMPARED = (Found.EQUAL, Found.KNOWN, Found.MISSED)
"""What is compared with what is agreed on; for the others there is nothing to compare, or it is not to be so yet."""


class Tally(Frozen):
    """Of how many records a field was found how."""

    compared: int = Field(default=0, ge=0)
    equal: int = Field(default=0, ge=0)
    missed: int = Field(default=0, ge=0)
    contested: int = Field(default=0, ge=0)
    malformed: int = Field(default=0, ge=0)
    under_way: int = Field(default=0, ge=0)

    @property
    def share(self) -> float | None:
        """The data consistency, 0 to 1: the share that is equal of what was compared; None if nothing was."""
        return self.equal / self.compared if self.compared else None

    def __add__(self, other: "Tally") -> "Tally":
        """Both together."""
        mine, theirs = self.model_dump(), other.model_dump()
        return Tally(**{name: count + theirs[name] for name, count in mine.items()})


def tally(found: Iterable[Found]) -> Tally:
    """What was found, counted."""
    every = list(found)
    counted = {one.value: every.count(one) for one in Found if one is not Found.KNOWN}
    return Tally(compared=sum(one in COMPARED for one in every), **counted)


def expected(terms: Mapping[str, FieldTerms], entity: Entity) -> dict[str, Standing]:
    """What a record's fields are compared with: where they stand, or would, if nothing of the entity was ever merged.

    An edit that was not merged yet differs from what is agreed on in the system that made it, and counts there alone.
    """
    return entity.fields or in_step(terms, entity).entity.fields


def found(of: FieldTerms, standing: Standing, now: str, known: str | None, *, busy: bool, told: bool) -> Found:
    """How a field of a record stands.

    Args:
        now: what the system holds.
        known: what it was last known to hold; None where nothing was.
        busy: whether a write to the record is under way.
        told: whether a change has told of the record since that, or may still.
    """
    alike = meaning(of.rule, of.spelling)
    if busy:
        return Found.UNDER_WAY
    if now.strip() and not of.normal(now):
        return Found.MALFORMED
    if standing.contested:
        return Found.CONTESTED
    if alike(now) == alike(standing.agreed):
        return Found.EQUAL
    return Found.KNOWN if told or (known is not None and alike(now) == alike(known)) else Found.MISSED
