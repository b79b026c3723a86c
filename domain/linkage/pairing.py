"""Which of the pairs that were weighed are put together: the best first, and no record twice where it may not be.

Where two pairs that exclude each other weigh about the same, neither is better: both are doubtful, and
a person looks. The order in which the pairs come does not matter.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

MARGIN = 3.0
"""Bits by which a pair must be ahead of every other that it excludes: with less, the odds between
them are below 8 to 1."""


class Sides(StrEnum):
    """What the caller knows of the two systems; where the right one may have duplicates, exchange the sides."""

    ONE_TO_ONE = "one_to_one"
    """Neither has anything twice."""
    MANY_TO_ONE = "many_to_one"
    """The left one may have duplicates: several of its records can be one of the right."""


@dataclass(frozen=True, slots=True)
class Weighed:
    """A pair of records' ids with what speaks for it, in bits."""

    left: str
    right: str
    bits: float


@dataclass(frozen=True, slots=True)
class Paired:
    """What a left record is on the right, if it is anything there.

    Attributes:
        right: None where nothing on the right is left for it.
        bits: what speaks for that; without a right record, for the best of its rivals.
        rivals: the pairs, best first, that this one excludes, or is excluded by, at about the same
            weight. With any, a person must look.
    """

    left: str
    right: str | None
    bits: float
    rivals: tuple[Weighed, ...] = ()

    @property
    def doubtful(self) -> bool:
        """Whether something else is about as good."""
        return bool(self.rivals)

    @property
    def choices(self) -> tuple[str, ...]:
        """The right records that this left one may be, the likeliest first."""
        own = [rival.right for rival in self.rivals if rival.left == self.left]
        return tuple(dict.fromkeys([*([self.right] if self.right is not None else []), *own]))


def with_things(weighed: Iterable[Weighed], of: Mapping[str, str]) -> list[Weighed]:
    """Pairs with records as pairs with what these are of; of several records of one thing the likeliest counts.

    Args:
        of: by right record, the id of the thing.
    """
    best: dict[tuple[str, str], float] = {}
    for one in weighed:
        pairing = (one.left, of[one.right])
        best[pairing] = max(one.bits, best.get(pairing, NOTHING))
    return [Weighed(left, thing, bits) for (left, thing), bits in best.items()]


def pair(weighed: Iterable[Weighed], sides: Sides = Sides.ONE_TO_ONE, margin: float = MARGIN) -> list[Paired]:
    """What each left record that was weighed is on the right, the best first.

    Pairs are put together from the best on; one that shares a record with a better one, where the sides
    do not allow that, is beaten. It is a rival of those that beat it, unless one of them is ahead by `margin`.
    """
    ordered = sorted(weighed, key=_best_first)
    by_left: dict[str, Weighed] = {}
    by_right: dict[str, Weighed] = {}
    beaten: list[Weighed] = []
    for one in ordered:
        if one.left in by_left or (sides is Sides.ONE_TO_ONE and one.right in by_right):
            beaten.append(one)
            continue
        by_left[one.left] = one
        if sides is Sides.ONE_TO_ONE:
            by_right[one.right] = one
    rivals: dict[str, set[Weighed]] = defaultdict(set)
    for one in beaten:
        ahead = [winner for winner in (by_left.get(one.left), by_right.get(one.right)) if winner is not None]
        if all(winner.bits - one.bits < margin for winner in ahead):
            for left in (one.left, *(winner.left for winner in ahead)):
                rivals[left].add(one)
    return [
        _paired(left, by_left.get(left), tuple(sorted(rivals[left], key=_best_first)))
        for left in dict.fromkeys(one.left for one in ordered)
    ]


def _best_first(one: Weighed) -> tuple[float, str, str]:
    return (-one.bits, one.left, one.right)


def _paired(left: str, won: Weighed | None, rivals: tuple[Weighed, ...]) -> Paired:
    if won is not None:
        return Paired(left, won.right, won.bits, rivals)
    return Paired(left, None, max((rival.bits for rival in rivals), default=NOTHING), rivals)


NOTHING = float("-inf")
"""What speaks for a record being on the right when nothing there is left for it."""
