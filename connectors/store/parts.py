"""Parts of many keys: databases take only so many values in one statement."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

K = TypeVar("K")


def in_parts(keys: Sequence[K], most: int) -> Iterator[Sequence[K]]:
    """The keys in their order, at most so many at once."""
    return (keys[begin : begin + most] for begin in range(0, len(keys), most))
