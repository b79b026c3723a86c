"""Reads JSON Lines and CSV: a record is a source, an id, a time and fields.

A broken record is told apart with its place and the reason, and the rest goes on.
"""

import csv
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from io import TextIOWrapper
from pathlib import Path
from typing import Any, TextIO

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from connectors.files.pieces import Piece, Place
from connectors.ports import Arrival, Unreadable
from connectors.raw import shown
from domain.errors import InputInvalid
from domain.values import canonical, digest
from policies.intake import storable


class Row(BaseModel):
    """A record as a file may state it."""

    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True)  # an id may well be a number

    source: str
    external_id: str
    received_at: AwareDatetime
    fields: dict[str, Any]


def json_lines(path: Path, start: Place, source: str, now: datetime) -> Iterator[Piece]:
    """An object a line; a last line without its end is finished if it is one."""
    with path.open("rb") as lines:
        lines.seek(start.offset)
        after = start
        for line in lines:
            after = Place(after.offset + len(line), after.number + 1)
            if line.strip():
                read = _json_line(line, f"{path.name}:{after.number}", source, now)
                yield Piece(read, after, finished=line.endswith(b"\n") or isinstance(read, Arrival))


def _json_line(line: bytes, where: str, source: str, now: datetime) -> Arrival | Unreadable:
    try:
        given = json.loads(line.decode("utf-8-sig"))
    except (ValueError, RecursionError) as exc:  # bad UTF-8, bad JSON, endless digits, brackets without end
        return Unreadable(where, f"not a line of JSON in UTF-8: {exc}", shown(line))
    return _arrival(given, where, shown(line), source, now)


def csv_rows(path: Path, start: Place, source: str, now: datetime) -> Iterator[Piece]:
    """Rows under a header; the separator is the comma, or what a header without one is parted by."""
    with _lines(path, Place()) as lines:
        header, separator = _header(path, lines)
        below = lines.at
    with _lines(path, max(start, below, key=lambda place: place.offset)) as lines:
        rows = csv.reader(lines, delimiter=separator, strict=True)
        while True:
            lines.taken.clear()
            where, fault, row = f"{path.name}:{lines.at.number + 1}", "", []
            try:
                row = next(rows)
            except StopIteration:
                return
            except csv.Error as exc:
                fault = f"not a row of CSV: {exc}"
            raw = "".join(lines.taken)
            finished = raw.endswith(("\n", "\r")) and not (fault and lines.ended)
            if not _is_utf8(raw):
                fault = "not UTF-8; save the file as UTF-8"
            elif len(row) > len(header):
                fault = "more columns than the header names"
            if fault:
                told = shown(raw.encode("utf-8", "surrogateescape"))
                yield Piece(Unreadable(where, fault, told), lines.at, finished)
            elif any(row):
                given = _sorted_out(dict(zip(header, row, strict=False)))
                yield Piece(_arrival(given, where, raw, source, now), lines.at, finished)


class _Lines:
    """A file's lines from a place on; `taken` has those since somebody cleared it."""

    def __init__(self, file: TextIO, start: Place) -> None:
        self._file = file
        self.at = start
        self.taken: list[str] = []
        self.ended = False

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._file.readline()
        if not line:
            self.ended = True
            raise StopIteration
        self.taken.append(line)
        length = len(line.encode("utf-8", "surrogateescape"))
        self.at = Place(self.at.offset + length, self.at.number + 1)
        return line


@contextmanager
def _lines(path: Path, start: Place) -> Iterator[_Lines]:
    with path.open("rb") as file:
        file.seek(start.offset)
        yield _Lines(TextIOWrapper(file, "utf-8", "surrogateescape", newline=""), start)


def _header(path: Path, lines: Iterator[str]) -> tuple[list[str], str]:
    """The columns' names, and what parts them; none in an empty file."""
    line = next((line for line in lines if line.strip("\ufeff \r\n")), "").removeprefix("\ufeff")
    separator = max(",;\t", key=line.count)
    try:
        header = next(csv.reader([line], delimiter=separator, strict=True), [])
    except csv.Error as exc:
        raise InputInvalid(f"{path}:1: not a header of CSV: {exc}. Write the columns' names on one line.") from exc
    if not _is_utf8(line):
        raise InputInvalid(f"{path}:1: not UTF-8. Save the file as UTF-8.")
    if doubled := [name for name, count in Counter(header).items() if count > 1]:
        raise InputInvalid(f"{path}:1: columns of the same name: {doubled}. Give each its own.")
    return header, separator


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _arrival(given: object, where: str, raw: str, source: str, now: datetime) -> Arrival | Unreadable:
    """A record as it stands, or one made of a flat row of fields.

    A row without an id is named by its content, so that the same file read twice is
    recognised.
    """
    if not isinstance(given, dict):
        return Unreadable(where, "not a JSON object", raw)
    full = given if "fields" in given else _sorted_out(given)
    filled = {
        "source": source,
        "external_id": f"row-{_fingerprint([full['fields'], full.get('received_at')])}",
        "received_at": now,
    }
    stated = {name: value for name, value in full.items() if value is not None}
    try:
        row = Row.model_validate({**filled, **stated})
    except ValidationError as exc:
        first = exc.errors(include_url=False)[0]
        return Unreadable(where, f"{'.'.join(map(str, first['loc']))}: {first['msg']}", raw)
    return Arrival(where, row.source, row.external_id, row.received_at, row.fields)


def _sorted_out(row: dict[str, Any]) -> dict[str, Any]:
    """A flat row, its fields apart from what every record has."""
    own = {name: row[name] for name in _OWN if row.get(name)}
    return {**own, "fields": {name: value for name, value in row.items() if name not in _OWN}}


def _fingerprint(fields: object) -> str:
    return digest(storable(canonical(fields)))[:16]


_OWN = ("source", "external_id", "received_at")
