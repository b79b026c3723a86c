"""Which pairs are compared at all: those that share a key. Everything else is taken to be different.

Each way makes its own keys, and a pair needs one in common by any way, so that a slip in one field
leaves the others. A key that very many records share tells little and costs much: its block is
left out, which is said. So the number of pairs grows no faster than the records do.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import assert_never

from pydantic import Field, field_validator

from domain.likeness import sound
from domain.linkage.comparison import Fields, Prepared
from domain.values import Frozen

LARGEST_BLOCK = 100
"""Records of either side that may share a key: at most so many times as many pairs as records, for each way."""
LETTERS = 3
"""Of the beginning of a word; as few as tell most names apart (as in `domain.sameness`)."""
FEWEST_DIGITS = 4
"""Of the end of a number; fewer are shared by chance."""


class By(StrEnum):
    """What of a field's value makes a key."""

    WHOLE = "whole"
    BEGINNINGS = "beginnings"
    """The first three letters of its words, sorted."""
    SOUND = "sound"
    """How its words sound, sorted: doubled letters, vowels and look-alikes do not count."""
    ANY_WORD = "any_word"
    """Each of its words of more than three letters: one in common is enough."""
    DIGITS = "digits"
    """The last four digits."""
    FIRST_NUMBER = "first_number"
    """Its first run of digits, such as a house number."""


class Part(Frozen):
    """A part of a key."""

    field: str
    by: By = By.WHOLE


class Way(Frozen):
    """A way to make keys: all parts together; a record without one of them has no key by it."""

    parts: tuple[Part, ...] = Field(min_length=1)

    @field_validator("parts", mode="before")
    @classmethod
    def _single(cls, parts: object) -> object:
        return parts if isinstance(parts, (list, tuple)) else (parts,)

    @property
    def fields(self) -> frozenset[str]:
        """The fields that agree, more or less, in all its pairs."""
        return frozenset(part.field for part in self.parts)


@dataclass(frozen=True, slots=True)
class Oversized:
    """A block that was left out: so many records of either side share the key."""

    way: int
    key: str
    left: int
    right: int


@dataclass(frozen=True, slots=True)
class Blocked:
    """The pairs to compare.

    Attributes:
        pairs: of each left record's index, the right ones' indices; by way, then all together.
        oversized: blocks that were left out, the largest first.
        unreached: ids of left records that have keys but only in blocks that were left out: they were
            compared with nothing, which is no proof that they are nowhere.
    """

    by_way: tuple[dict[int, tuple[int, ...]], ...]
    oversized: tuple[Oversized, ...] = ()
    unreached: frozenset[str] = frozenset()
    pairs: dict[int, tuple[int, ...]] = field(default_factory=dict)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """All pairs, each once, in the order of the records."""
        return ((left, right) for left, rights in self.pairs.items() for right in rights)

    def __len__(self) -> int:
        return sum(map(len, self.pairs.values()))


def candidates(
    fields: Fields,
    ways: Sequence[Way],
    left: Sequence[Prepared],
    right: Sequence[Prepared],
    largest: int = LARGEST_BLOCK,
) -> Blocked:
    """The pairs of a left and a right record that share a key by any way.

    Args:
        largest: records of either side that may share a key; a larger block is left out.
    """
    by_way, oversized = [], []
    keyed: set[int] = set()
    all_pairs: dict[int, set[int]] = defaultdict(set)
    reached: set[int] = set()
    for number, way in enumerate(ways):
        mine, theirs = _index(fields, way, left), _index(fields, way, right)
        found: dict[int, set[int]] = defaultdict(set)
        for key, lefts in mine.items():
            keyed.update(lefts)
            rights = theirs.get(key, ())
            if max(len(lefts), len(rights)) > largest and rights:
                oversized.append(Oversized(number, key, len(lefts), len(rights)))
                continue
            reached.update(lefts)
            for one in lefts if rights else ():
                found[one].update(rights)
        by_way.append({one: tuple(sorted(rights)) for one, rights in sorted(found.items())})
        for one, rights_of in found.items():
            all_pairs[one] |= rights_of
    return Blocked(
        by_way=tuple(by_way),
        oversized=tuple(sorted(oversized, key=lambda one: (-one.left * one.right, one.way, one.key))),
        unreached=frozenset(left[one].id for one in keyed - reached),
        pairs={one: tuple(sorted(rights)) for one, rights in sorted(all_pairs.items())},
    )


def _index(fields: Fields, way: Way, records: Sequence[Prepared]) -> dict[str, list[int]]:
    index: dict[str, list[int]] = defaultdict(list)
    at = _parts(fields, way)
    for number, record in enumerate(records):
        for key in _keys(at, record):
            index[key].append(number)
    return index


def keys(fields: Fields, ways: Sequence[Way], record: Prepared) -> tuple[str, ...]:
    """All keys of a record, each with its way: what a store looks up to find the records to compare it with."""
    return tuple(f"{number}{key}" for number, way in enumerate(ways) for key in _keys(_parts(fields, way), record))


def _parts(fields: Fields, way: Way) -> list[tuple[int, By]]:
    return [(fields.names.index(part.field), part.by) for part in way.parts]


def _keys(at: Sequence[tuple[int, By]], record: Prepared) -> list[str]:
    found = [""]
    for position, by in at:
        found = [f"{key}|{more}" for key in found for more in keys_of(by, record.values[position])]
    return found


def keys_of(by: By, value: str) -> tuple[str, ...]:
    """The keys that a spelled value makes; none where it has not got what they are made of."""
    match by:
        case By.WHOLE:
            return (value,) if value else ()
        case By.BEGINNINGS:
            return _joined(word[:LETTERS] for word in value.split())
        case By.SOUND:
            return _joined(map(sound, value.split()))
        case By.ANY_WORD:
            return tuple(sorted({word for word in value.split() if len(word) > LETTERS}))
        case By.DIGITS:
            digits = re.sub(r"\D", "", value)
            return (digits[-FEWEST_DIGITS:],) if len(digits) >= FEWEST_DIGITS else ()
        case By.FIRST_NUMBER:
            return tuple(re.findall(r"\d+", value)[:1])
        case _:
            assert_never(by)


def _joined(parts: Iterator[str]) -> tuple[str, ...]:
    found = " ".join(sorted(parts))
    return (found,) if found else ()
