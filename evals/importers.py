"""Labelled data of other forms, brought into the one that every command reads."""

import csv
from pathlib import Path

from domain.errors import InputInvalid
from evals.items import Item


def import_csv(source: Path, out: Path, text: str, label: str, id_column: str) -> int:
    """Write the CSV's rows as items to `out`; the other columns become fields to slice by. Returns their number.

    Raises:
        InputInvalid: no such file or column, or a row with more cells than there are columns.
    """
    try:
        with source.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            columns = list(reader.fieldnames or ())
            if lacking := [name for name in (text, label) if name not in columns]:
                raise InputInvalid(f"{source}:1: no column {', '.join(lacking)}; there are: {', '.join(columns)}")
            items = [
                _item(source, reader.line_num, number, row, (text, label, id_column))
                for number, row in enumerate(reader, start=1)
            ]
    except FileNotFoundError as exc:
        raise InputInvalid(f"{source}: no such file. Give a CSV, or banking_teams or clinc_domains.") from exc
    except (OSError, UnicodeDecodeError, csv.Error) as exc:
        raise InputInvalid(f"{source}: cannot be read ({exc}). Save it as UTF-8.") from exc
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text("".join(item.model_dump_json(exclude_none=True) + "\n" for item in items), encoding="utf-8")
    return len(items)


def _item(source: Path, line: int, number: int, row: dict[str | None, str | None], names: tuple[str, str, str]) -> Item:
    text, label, id_column = names
    if None in row:
        raise InputInvalid(f"{source}:{line}: more cells than columns. Put quotes around a text with commas.")
    if not (row[text] or "").strip() or not (row[label] or "").strip():
        raise InputInvalid(f"{source}:{line}: the text or the label is empty. Fill it in or remove the row.")
    others = {name: value or "" for name, value in row.items() if name and name not in names}
    own = row.get(id_column) or f"{source.stem}-{number}"
    return Item(id=own, text=row[text] or "", label=(row[label] or "").strip(), fields=others)
