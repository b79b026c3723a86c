"""Which of the pairs that were weighed are put together: the best first, and no record twice where it may not be.

Where two pairs that exclude each other weigh about the same, neither is better: both are doubtful, and
a person looks. The order in which the pairs come does not matter.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

MARGIN = 3.0
"""Bits by which a pair must be ahead of every other that it excludes: with less, the odds between
them are below 8 to 1."""


class Sides(StrEnum):
    """What the caller knows of the two systems."""

    ONE_TO_ONE = "one_to_one"
    """Neither has anything twice."""
    MANY_TO_ONE = "many_to_one"
    """The left one may have duplicates: several of its records can be one of the right."""
    MANY_TO_MANY = "many_to_many"
    """Both may: nothing excludes anything."""


@dataclass(frozen=True, slots=True)
class Weighed:
    """A pair of records' ids with what speaks for it, in bits."""

    left: str
    right: str
    bits: float


@dataclass(frozen=True, slots=True)
class Paired:
    """Two records that are put together, if they are together at all.

    Attributes:
        rivals: what else the left one may be on the right, or the right one on the left, at about the
            same weight: (left, right) ids. With any, a person must look.
    """

    left: str
    right: str
    bits: float
    rivals: tuple[tuple[str, str], ...] = ()

    @property
    def doubtful(self) -> bool:
        """Whether another pair is about as good."""
        return bool(self.rivals)


def pair(weighed: Iterable[Weighed], sides: Sides = Sides.ONE_TO_ONE, margin: float = MARGIN) -> list[Paired]:
    """The pairs that are put together, the best first.

    A pair that shares a record with a better one is left out, by what the sides allow; it is a rival of
    the better one, unless its other record is taken by a pair that is better than both.
    """
    ordered = sorted(weighed, key=lambda one: (-one.bits, one.left, one.right))
    if sides is Sides.MANY_TO_MANY:
        return [Paired(one.left, one.right, one.bits) for one in ordered]
    by_left: dict[str, Weighed] = {}
    by_right: dict[str, Weighed] = {}
    beaten: list[Weighed] = []
    for one in ordered:
        if one.left in by_left or (sides is Sides.ONE_TO_ONE and one.right in by_right):
            beaten.append(one)
            continue
        by_left[one.left] = one
        by_right.setdefault(one.right, one)
    rivals: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for one in beaten:
        winners = [by_left.get(one.left), by_right.get(one.right) if sides is Sides.ONE_TO_ONE else None]
        held = [winner for winner in winners if winner is not None]
        if all(winner.bits - one.bits < margin for winner in held):
            for winner in held:
                rivals[winner.left].append((one.left, one.right))
    return [Paired(one.left, one.right, one.bits, tuple(sorted(rivals[one.left]))) for one in by_left.values()]
