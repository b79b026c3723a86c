"""Reads one mail (.eml) and mailboxes (.mbox, RFC 4155)."""

import re
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from pathlib import Path

from connectors.files.pieces import Piece, Place
from connectors.mail.message import LARGEST_MAIL, read_mail
from domain.errors import InputInvalid

_ENVELOPE = re.compile(
    rb"From .{0,300}\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? +(?:\d{1,2} +)?"
    rb"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\b"
)
"""The line before each mail; "From Monday on" in a text is none."""
_ESCAPED = re.compile(rb"^>(>*From )", re.MULTILINE)
_CHUNK = 2**16


def one_mail(path: Path, start: Place, source: str, now: datetime) -> Iterator[Piece]:
    """The one mail of a file; its `source` is mail."""
    del source
    if start.number == 0:
        with path.open("rb") as file:
            raw = file.read(LARGEST_MAIL + 1)
        yield Piece(read_mail(raw, f"{path.name}:1", now), Place(len(raw), 1))


def mailbox(path: Path, start: Place, source: str, now: datetime) -> Iterator[Piece]:
    """Each mail of a mailbox; their `source` is mail."""
    del source
    mail: list[bytes] | None = None
    size, at, begins_line = 0, start, True
    with path.open("rb") as file:
        file.seek(start.offset)
        for line in iter(partial(file.readline, _CHUNK), b""):
            if begins_line and _ENVELOPE.match(line):
                if mail is not None:
                    at = Place(at.offset, at.number + 1)
                    yield _piece(path, mail, at, now)
                mail, size = [], 0
            elif mail is None and line.strip():
                raise InputInvalid(
                    f"{path}: not a mailbox: no line begins with 'From '. One mail alone is an .eml file."
                )
            elif mail is not None and size <= LARGEST_MAIL:  # more would be refused all the same
                mail.append(line)
                size += len(line)
            at, begins_line = Place(at.offset + len(line), at.number), line.endswith(b"\n")
    if mail is not None:
        yield _piece(path, mail, Place(at.offset, at.number + 1), now)


def _piece(path: Path, lines: list[bytes], after: Place, now: datetime) -> Piece:
    raw = _ESCAPED.sub(rb"\1", b"".join(lines))
    return Piece(read_mail(raw, f"{path.name}:{after.number}", now), after)
