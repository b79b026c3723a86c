"""Reads a user's own file into arrivals, by its suffix."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from connectors.files.mails import mailbox, one_mail
from connectors.files.pieces import Place, Reader
from connectors.files.rows import csv_rows, json_lines
from connectors.ports import Arrival, Unreadable
from domain.errors import InputInvalid

READERS: dict[str, Reader] = {
    ".jsonl": json_lines,
    ".ndjson": json_lines,
    ".csv": csv_rows,
    ".eml": one_mail,
    ".mbox": mailbox,
}
"""Reader of each suffix."""


def read_file(path: Path, now: datetime) -> Iterator[Arrival | Unreadable]:
    """Every record of a file, in its order; those without a time get `now`, those without a source its name.

    Raises:
        InputInvalid: there is no such file, its kind is unknown or, on the first record, a CSV
            file has no usable header or a mailbox no mail.
    """
    if not path.is_file():
        raise InputInvalid(f"{path}: no such file")
    if (reader := READERS.get(path.suffix.lower())) is None:
        raise InputInvalid(f"{path}: '{path.suffix.lower()}' is not read; give a .jsonl, .csv, .eml or .mbox file")
    return (piece.read for piece in reader(path, Place(), path.stem, now))
