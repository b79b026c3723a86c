"""Reads a user's own file into records: JSON Lines, CSV, one mail (.eml) or a mailbox (.mbox).

A record is a source, an id, a time and fields. A broken record is told apart with its
place and the reason, and the rest goes on.
"""

import csv
import json
import mailbox
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.errors import MessageError
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, TypeAdapter, ValidationError

from domain.errors import InputInvalid
from domain.values import canonical, digest
from policies.intake import storable

LONGEST_RAW = 2000
"""Characters that are kept of a broken record."""


class Record(BaseModel):
    """One input, before a policy makes an item of it; `where` is its file and line or message number."""

    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True)  # an id may well be a number

    where: str
    source: str
    external_id: str
    received_at: AwareDatetime
    fields: dict[str, Any]


@dataclass(frozen=True)
class Broken:
    """A record that cannot be read.

    Attributes:
        where: file and line or message number.
        raw: what stands there, at most `LONGEST_RAW` characters.
    """

    where: str
    why: str
    raw: str


def read_records(path: Path, now: datetime) -> Iterator[Record | Broken]:
    """Every record of a file, in its order; those without a time get `now`.

    Raises:
        InputInvalid: there is no such file, its kind is unknown or, on the first record, a CSV
            file has no usable header or a mailbox no mail.
    """
    if not path.is_file():
        raise InputInvalid(f"{path}: no such file")
    match path.suffix.lower():
        case ".jsonl" | ".ndjson":
            return _json_lines(path, now)
        case ".csv":
            return _csv(path, now)
        case ".eml":
            return _mails(path, [path.read_bytes()], now)
        case ".mbox":
            return _mails(path, _mbox(path), now)
        case other:
            raise InputInvalid(f"{path}: '{other}' is not read; give a .jsonl, .csv, .eml or .mbox file")


def _json_lines(path: Path, now: datetime) -> Iterator[Record | Broken]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            where, raw = f"{path.name}:{number}", _shown(line)
            try:
                given = json.loads(line.decode("utf-8-sig"))
            except (ValueError, RecursionError) as exc:  # bad UTF-8, bad JSON, endless digits, brackets without end
                yield Broken(where, f"not a line of JSON in UTF-8: {exc}", raw)
                continue
            yield _record(given, where, raw, path.stem, now)


def _csv(path: Path, now: datetime) -> Iterator[Record | Broken]:
    """Rows under a header; the separator is the comma, or what a header without one is parted by."""
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        lines = _Lines(file)
        header, separator = _header(path, lines)
        rows = csv.reader(lines, delimiter=separator, strict=True)
        while True:
            lines.taken.clear()
            where, fault, row = f"{path.name}:{lines.count + 1}", "", []
            try:
                row = next(rows)
            except StopIteration:
                return
            except csv.Error as exc:
                fault = f"not a row of CSV: {exc}"
            raw = "".join(lines.taken)
            if not _is_utf8(raw):
                fault = "not UTF-8; save the file as UTF-8"
            elif len(row) > len(header):
                fault = "more columns than the header names"
            if fault:
                yield Broken(where, fault, _shown(raw.encode("utf-8", "surrogateescape")))
            elif any(row):
                yield _record(_sorted_out(dict(zip(header, row, strict=False))), where, raw, path.stem, now)


class _Lines:
    """A file's lines, counted, and those remembered that were taken since somebody cleared `taken`."""

    def __init__(self, file: Iterable[str]) -> None:
        self._file = iter(file)
        self.taken: list[str] = []
        self.count = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._file)
        self.taken.append(line)
        self.count += 1
        return line


def _header(path: Path, lines: Iterator[str]) -> tuple[list[str], str]:
    """The columns' names, and what parts them; none in an empty file."""
    line = next((line for line in lines if line.strip()), "")
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


def _record(given: object, where: str, raw: str, stem: str, now: datetime) -> Record | Broken:
    """A record as it stands, or one made of a flat row of fields.

    A row without an id is named by its content, so that the same file read twice is
    recognised.
    """
    if not isinstance(given, dict):
        return Broken(where, "not a JSON object", raw)
    full = given if "fields" in given else _sorted_out(given)
    filled = {
        "source": stem,
        "external_id": f"row-{_fingerprint([full['fields'], full.get('received_at')])}",
        "received_at": now,
    }
    stated = {name: value for name, value in full.items() if value is not None}
    try:
        return _RECORD.validate_python({**filled, **stated, "where": where})
    except ValidationError as exc:
        first = exc.errors(include_url=False)[0]
        return Broken(where, f"{'.'.join(map(str, first['loc']))}: {first['msg']}", raw)


def _sorted_out(row: dict[str, Any]) -> dict[str, Any]:
    """A flat row, its fields apart from what every record has."""
    own = {name: row[name] for name in _OWN if row.get(name)}
    return {**own, "fields": {name: value for name, value in row.items() if name not in _OWN}}


def _fingerprint(fields: object) -> str:
    return digest(storable(canonical(fields)))[:16]


def _shown(raw: bytes) -> str:
    return raw.decode("utf-8", "replace").strip()[:LONGEST_RAW]


_OWN = ("source", "external_id", "received_at")
_RECORD = TypeAdapter(Record)


def _mbox(path: Path) -> Iterator[bytes]:
    """The mails of a mailbox, as they stand.

    Raises:
        InputInvalid: the file is no mailbox.
    """
    with closing(mailbox.mbox(path, create=False)) as box:
        for key in box.iterkeys():
            yield box.get_bytes(key)
        if len(box) == 0 and path.stat().st_size > 0:
            raise InputInvalid(f"{path}: not a mailbox: no line begins with 'From '. One mail alone is an .eml file.")


def _mails(path: Path, mails: Iterable[bytes], now: datetime) -> Iterator[Record | Broken]:
    for number, raw in enumerate(mails, start=1):
        where = f"{path.name}:{number}"
        try:
            yield _mail_record(message_from_bytes(raw, policy=policy.default), where, now)
        except _UNREADABLE as exc:
            yield Broken(where, f"not a readable mail: {exc}", _shown(raw))


_UNREADABLE = (AttributeError, AssertionError, LookupError, MessageError, RecursionError, TypeError, ValueError)
"""Unknown charsets, and whatever the standard library's parsers trip over in hostile mails."""


def _mail_record(mail: EmailMessage, where: str, now: datetime) -> Record:
    body = mail.get_body(preferencelist=("plain", "html"))
    sender = mail["from"].addresses[0] if mail["from"] and mail["from"].addresses else None
    fields = {
        "subject": str(mail["subject"] or ""),
        "message": _text(body) if isinstance(body, EmailMessage) else "",
        "name": sender.display_name if sender else "",
        "email": sender.addr_spec if sender else "",
    }
    message_id = str(mail["message-id"] or "").strip("<> \r\n\t")
    return Record(
        where=where,
        source="mail",
        external_id=message_id or f"mail-{_fingerprint([fields, str(mail['date'])])}",
        received_at=_sent_at(mail) or now,
        fields=fields,
    )


def _sent_at(mail: EmailMessage) -> datetime | None:
    """When a mail says that it was sent; None if it does not, or writes it as nobody can read."""
    try:
        sent_at = parsedate_to_datetime(str(mail["date"]))
    except ValueError:
        return None
    return sent_at if sent_at.tzinfo else sent_at.replace(tzinfo=UTC)


def _text(body: EmailMessage) -> str:
    """A part's text, of HTML what a reader sees.

    Raises:
        LookupError: nobody knows its charset.
    """
    raw = body.get_payload(decode=True)
    if not isinstance(raw, bytes):
        return ""
    charset = body.get_content_charset()
    try:
        text = raw.decode(charset or "utf-8")
    except UnicodeDecodeError:
        text = raw.decode(charset if charset and charset != "us-ascii" else "latin-1", "replace")
    if body.get_content_type() != "text/html":
        return text
    seen = _Seen()
    seen.feed(text)
    seen.close()
    return "\n".join(filter(None, (" ".join(line.split()) for line in "".join(seen.text).splitlines())))


class _Seen(HTMLParser):
    """Collects in `text` what a reader of a page sees."""

    def __init__(self) -> None:
        super().__init__()
        self.text: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002  the standard library's signature
        """Note where hidden text begins; a block begins a line."""
        self._hidden = 0 if tag == "body" else self._hidden + (tag in _HIDDEN)
        self.text += ["\n"] if tag in _BLOCKS else []

    def handle_endtag(self, tag: str) -> None:
        """Note where hidden text ends."""
        self._hidden -= tag in _HIDDEN and self._hidden > 0

    def handle_data(self, data: str) -> None:
        """Keep what is not hidden."""
        self.text += [] if self._hidden else [data]


_HIDDEN = {"script", "style", "title"}
_BLOCKS = {"br", "div", "h1", "h2", "h3", "li", "p", "table", "td", "tr"}
