"""Labelled items: read from JSON Lines or CSV, and checked before anything is proven with them."""

import csv
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from domain.errors import InputInvalid
from domain.values import Frozen, digest
from policies.load import Workflow

MOST_NAMED = 10
"""Rows that a message names one by one."""


class Item(Frozen):
    """A text and the label that is right for it; one line of a data file.

    Attributes:
        id: its own within the file.
        label: one of the policy's routes, or `none_of_these`.
        intent: a finer label, where the data have one.
        fields: anything to slice results by, such as the source or the language.
    """

    id: str = Field(min_length=1)
    text: str
    label: str
    intent: str | None = None
    fields: dict[str, str] = Field(default_factory=dict)


@dataclass(frozen=True)
class Data:
    """A checked data file, with what was worth a warning."""

    items: tuple[Item, ...]
    warnings: tuple[str, ...]

    @property
    def fingerprint(self) -> str:
        """Digest of texts and labels, whatever their order."""
        return digest(sorted((item.text, item.label) for item in self.items))


def load_data(path: Path, workflow: Workflow) -> Data:
    """The labelled items in `path`, all of them usable.

    Raises:
        InputInvalid: naming rows: one that cannot be read, an unknown label, an empty text, a doubled
            id, a text with two labels, or one that is among the policy's examples.
    """
    rows = list(_rows(path))
    if not rows:
        raise InputInvalid(f"{path}: no items. Write one JSON object a line: id, text, label.")
    items = [(number, _item(path, number, raw)) for number, raw in rows]
    faults = [item for _, item in items if isinstance(item, str)]
    good = [(number, item) for number, item in items if isinstance(item, Item)]
    faults += _faults(path, good, workflow)
    if faults:
        more = f"\n... and {len(faults) - MOST_NAMED} more" if len(faults) > MOST_NAMED else ""
        raise InputInvalid("\n".join(faults[:MOST_NAMED]) + more)
    kept = tuple(item for _, item in good)
    return Data(kept, tuple(_warnings(path, good, workflow)))


def _rows(path: Path) -> Iterator[tuple[int, Any]]:
    """Line number and raw content of each row."""
    try:
        if path.suffix == ".csv":
            with path.open(encoding="utf-8-sig", newline="") as file:
                reader = csv.DictReader(file)
                lacking = {"id", "text", "label"} - set(reader.fieldnames or ())
                if lacking:
                    raise InputInvalid(
                        f"{path}:1: no column {', '.join(sorted(lacking))}. A CSV needs id, text and label."
                    )
                for row in reader:
                    yield reader.line_num, row
            return
        for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), start=1):
            if line.strip():
                yield number, line
    except FileNotFoundError as exc:
        raise InputInvalid(f"{path}: no such file. Write one JSON object a line: id, text, label.") from exc
    except (OSError, UnicodeDecodeError, csv.Error) as exc:
        raise InputInvalid(f"{path}: cannot be read ({exc}). Save it as UTF-8 text.") from exc


def _item(path: Path, number: int, raw: Any) -> Item | str:
    """The item on a row, or what is wrong with it."""
    try:
        if isinstance(raw, str):
            return Item.model_validate_json(raw)
        extra = {name: value or "" for name, value in raw.items() if name not in ("id", "text", "label", "intent")}
        if None in extra:
            return f"{path}:{number}: more cells than columns. Put quotes around a text with commas."
        known = {name: raw[name] or "" for name in ("id", "text", "label")}
        return Item(**known, intent=raw.get("intent") or None, fields=extra)
    except ValidationError as exc:
        fault = exc.errors(include_url=False)[0]
        where = ".".join(map(str, fault["loc"]))
        return f"{path}:{number}: {where + ': ' if where else ''}{fault['msg']}. An item has id, text and label."


def _faults(path: Path, items: Iterable[tuple[int, Item]], workflow: Workflow) -> Iterator[str]:
    labels = workflow.policy.labels
    ids: dict[str, int] = {}
    texts: dict[str, tuple[int, str]] = {}
    taught = {plain_text(example.text): example.id for example in workflow.examples}
    for number, item in items:
        if item.label not in labels:
            yield f"{path}:{number}: label '{item.label}' is unknown. Use one of: {', '.join(labels)}"
        if not item.text.strip():
            yield f"{path}:{number}: the text is empty. Remove the row or fill it in."
        if (first := ids.setdefault(item.id, number)) != number:
            yield f"{path}:{number}: id '{item.id}' stands on line {first} already. Give it its own."
        first, label = texts.setdefault(plain_text(item.text), (number, item.label))
        if label != item.label:
            yield f"{path}:{number}: the text of line {first}, there as '{label}', here as '{item.label}'. Keep one."
        if (example := taught.get(plain_text(item.text))) is not None:
            yield f"{path}:{number}: the text is the policy's example '{example}'. Take it out of one of them."


def _warnings(path: Path, items: list[tuple[int, Item]], workflow: Workflow) -> Iterator[str]:
    counts = Counter(item.label for _, item in items)
    if silent := [route for route in workflow.policy.routes if not counts[route]]:
        yield f"{path}: no item of {', '.join(silent)}: nothing is said of these routes"
    seen: dict[str, int] = {}
    doubled = [
        f"{number} (as {seen[plain_text(item.text)]})"
        for number, item in items
        if seen.setdefault(plain_text(item.text), number) != number
    ]
    if doubled:
        named = ", ".join(doubled[:MOST_NAMED])
        yield f"{path}: {len(doubled)} texts stand there more than once, on lines {named}: they count each time"


def plain_text(text: str) -> str:
    """A text without the differences that make no other message."""
    return " ".join(text.casefold().split())
