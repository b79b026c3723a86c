"""Looks again at the last changes of a system that may show an older one later than a younger one."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

Place = TypeVar("Place", bound=Hashable)


@dataclass(frozen=True)
class Look(Generic[Place]):
    """What one look gives.

    Attributes:
        taken: the changes to tell now, in order.
        left: whether there was no room for some.
        floor: the last change before which none is looked at again; None for the beginning.
        told: those after it that were told, in order.
    """

    taken: tuple[Place, ...]
    left: bool
    floor: Place | None
    told: tuple[Place, ...]


def look(
    found: Mapping[Place, datetime],
    floor: Place | None,
    told: Sequence[Place],
    *,
    count: int,
    begin: datetime,
    most_told: int,
    whole: bool,
) -> Look[Place]:
    """Tell up to `count` changes that were not told yet, and remember what was.

    Args:
        found: each change after `floor`, in order, with its time.
        begin: changes before it are not looked at again once they are told.
        most_told: so many are remembered at most; where there are more, the last of them.
        whole: whether `found` is all there is; else what was told may lie behind it.
    """
    known = set(told)
    new = [place for place in found if place not in known]
    left = set(new[count:])
    remembered = [place for place in found if place not in left]
    remembered += [] if whole else [place for place in told if place not in found]
    past = 0
    for place, at in found.items():
        if place in left or not (at < begin or len(remembered) - past > most_told):
            break
        past += 1
    reached = remembered[past - 1] if past else floor
    return Look(tuple(new[:count]), bool(left), reached, tuple(remembered[past:]))
