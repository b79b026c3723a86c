"""What the readers of files give: one input after the other, and where each ends."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from connectors.ports import Arrival, Unreadable


@dataclass(frozen=True)
class Place:
    """Where to read on in a file.

    Attributes:
        offset: bytes before it.
        number: lines, or mails of a mailbox, before it.
    """

    offset: int = 0
    number: int = 0


@dataclass(frozen=True)
class Piece:
    """One input of a file.

    Attributes:
        after: where the next begins.
        finished: whether the file shows that it is whole; the last line of a file that is
            still written to may not be.
    """

    read: Arrival | Unreadable
    after: Place
    finished: bool = True


class Reader(Protocol):
    """Reads one format."""

    def __call__(self, path: Path, start: Place, source: str, now: datetime) -> Iterator[Piece]:
        """The inputs from `start` on.

        Args:
            source: of records that name none.
            now: when those came that have no time.

        Raises:
            InputInvalid: the file is not of this format.
            OSError: it cannot be read.
        """
        ...
