"""Reads a user's own file into records: JSON Lines, CSV, one mail (.eml) or a mailbox (.mbox).

A record is a source, an id, a time and fields. A broken record is told apart with its
place and the reason, and the rest goes on.
"""

import csv
import json
import mailbox
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_binary_file, message_from_bytes, policy
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, TypeAdapter, ValidationError

from domain.errors import InputInvalid
from domain.values import digest


class Record(BaseModel):
    """One input, before a policy makes an item of it; `where` is its file and line or message number."""

    model_config = ConfigDict(extra="forbid")

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
        raw: what stands there, at most 2,000 characters.
    """

    where: str
    why: str
    raw: str


def read_records(path: Path, now: datetime) -> Iterator[Record | Broken]:
    """Every record of a file, in its order; those without a time get `now`.

    Raises:
        InputInvalid: there is no such file, or its kind is unknown.
    """
    if not path.is_file():
        raise InputInvalid(f"{path}: no such file")
    match path.suffix.lower():
        case ".jsonl" | ".ndjson":
            return _json_lines(path, now)
        case ".csv":
            return _csv(path, now)
        case ".eml":
            return _mails(path, [_mail(path)], now)
        case ".mbox":
            return _mails(path, (message_from_bytes(raw.as_bytes(), policy=policy.default) for raw in _mbox(path)), now)
        case other:
            raise InputInvalid(f"{path}: '{other}' is not read; give a .jsonl, .csv, .eml or .mbox file")


def _json_lines(path: Path, now: datetime) -> Iterator[Record | Broken]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            where, raw = f"{path.name}:{number}", line.decode("utf-8", "replace").strip()[:2000]
            try:
                given = json.loads(line.decode("utf-8"))
            except (UnicodeDecodeError, json.JSONDecodeError) as exc:
                yield Broken(where, f"not a line of JSON in UTF-8: {exc}", raw)
                continue
            yield _record(given, where, raw, path.stem, now)


def _csv(path: Path, now: datetime) -> Iterator[Record | Broken]:
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
        rows = csv.DictReader(lines, restkey="…", strict=True)
        while True:
            try:
                row = next(rows)
            except StopIteration:
                return
            except csv.Error as exc:
                yield Broken(f"{path.name}:{rows.line_num}", f"not a row of CSV: {exc}", "")
                continue
            where, raw = f"{path.name}:{rows.line_num}", json.dumps(row, ensure_ascii=False)[:2000]
            if "…" in row:
                yield Broken(where, "more columns than the header names", raw)
                continue
            yield _record(dict(row), where, raw, path.stem, now)


def _record(given: object, where: str, raw: str, stem: str, now: datetime) -> Record | Broken:
    """A record as it stands, or one made of a flat row of fields.

    A row without an id is named by its content, so that the same file read twice is
    recognised.
    """
    if not isinstance(given, dict):
        return Broken(where, "not a JSON object", raw)
    given.pop("where", None)
    if "fields" not in given:
        rest = {name: value for name, value in given.items() if name not in _OWN}
        own = {name: given[name] for name in _OWN if given.get(name)}
        given = {**own, "fields": rest}
    fields = given["fields"]
    filled = {
        "where": where,
        "source": stem,
        "external_id": f"row-{digest(fields)[:16]}",
        "received_at": now.isoformat(),
    }
    try:
        return _RECORD.validate_python(filled | {name: value for name, value in given.items() if value is not None})
    except ValidationError as exc:
        first = exc.errors(include_url=False)[0]
        return Broken(where, f"{'.'.join(map(str, first['loc']))}: {first['msg']}", raw)


_OWN = ("source", "external_id", "received_at")
_RECORD = TypeAdapter(Record)


def _mail(path: Path) -> EmailMessage:
    with path.open("rb") as raw:
        return message_from_binary_file(raw, policy=policy.default)


def _mbox(path: Path) -> Iterator[mailbox.mboxMessage]:
    box = mailbox.mbox(path, create=False)
    try:
        yield from box
    finally:
        box.close()


def _mails(path: Path, mails: Any, now: datetime) -> Iterator[Record | Broken]:
    for number, mail in enumerate(mails, start=1):
        where = f"{path.name}:{number}"
        try:
            yield _mail_record(mail, where, now)
        except (LookupError, ValueError) as exc:  # unknown charsets, headers beyond repair
            yield Broken(where, f"not a readable mail: {exc}", str(mail)[:2000])


def _mail_record(mail: EmailMessage, where: str, now: datetime) -> Record:
    body = mail.get_body(preferencelist=("plain", "html"))
    text = body.get_content() if body else ""
    sender = mail["from"].addresses[0] if mail["from"] and mail["from"].addresses else None
    fields = {
        "subject": str(mail["subject"] or ""),
        "message": text,
        "name": sender.display_name if sender else "",
        "email": sender.addr_spec if sender else "",
    }
    received = parsedate_to_datetime(mail["date"]) if mail["date"] else now
    if received.tzinfo is None:
        received = received.replace(tzinfo=UTC)
    message_id = str(mail["message-id"] or "").strip("<> \r\n\t")
    return Record(
        where=where,
        source="mail",
        external_id=message_id or f"mail-{digest(fields)[:16]}",
        received_at=received,
        fields=fields,
    )
