"""What people said of which records are the same: answered reviews, and a file."""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from connectors.store.crosswalk_rows import Of
from connectors.store.engine import Transaction
from domain.errors import InputInvalid
from domain.review import ReviewKind
from domain.values import Frozen
from tasks.link_review import NEW, OTHER


class GivenLabel(Frozen):
    """A line of a file: a record that somebody looked for in the other systems, and what it is there.

    Attributes:
        other_system: `other_record` in it is the same; both are empty where the record is nowhere else.
    """

    system: str
    record: str
    other_system: str = ""
    other_record: str = ""


@dataclass(frozen=True)
class LinkLabel:
    """A record of which it is known where it belongs.

    Attributes:
        left: its number.
        truth: the entity that it is of; None where it is known to be elsewhere nowhere.
        blind: whether it was drawn without looking, so that it proves something.
        held: by number, what it and those it was shown beside held when the question was asked.
        given: whether it comes from a file.
    """

    left: int
    truth: str | None
    blind: bool
    held: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    given: bool = False


def read_labels(path: Path) -> list[GivenLabel]:
    """The labels of a CSV or JSON Lines file, with `system`, `record`, `other_system`, `other_record`.

    Raises:
        InputInvalid: there is no such file, or a line is none; names it.
    """
    if not path.is_file():
        raise InputInvalid(f"{path}: no such file")
    with path.open(encoding="utf-8", newline="") as lines:
        rows = csv.DictReader(lines) if path.suffix == ".csv" else _json_lines(path, lines.readlines())
        return [_given(path, number, row) for number, row in enumerate(rows, 2 if path.suffix == ".csv" else 1)]


def _json_lines(path: Path, lines: Sequence[str]) -> Iterator[Any]:
    for number, line in enumerate(lines, 1):
        try:
            yield json.loads(line)
        except ValueError as exc:
            raise InputInvalid(f"{path}:{number}: not JSON; write one object a line") from exc


def _given(path: Path, number: int, row: Any) -> GivenLabel:
    try:
        return GivenLabel.model_validate(row)
    except ValidationError as exc:
        raise InputInvalid(
            f"{path}:{number}: give 'system' and 'record', and 'other_system' and 'other_record' or nothing for both"
        ) from exc


def given_labels(tx: Transaction, of: Of, given: Sequence[GivenLabel]) -> list[LinkLabel]:
    """The labels of a file, by the crosswalk's numbers.

    Raises:
        InputInvalid: a record is not known.
    """
    found = []
    for one in given:
        left = tx.candidates.record(of, one.system, one.record)
        other = tx.candidates.record(of, one.other_system, one.other_record) if one.other_record else None
        if left is None or (one.other_record and other is None):
            unknown = f"{one.system} {one.record}" if left is None else f"{one.other_system} {one.other_record}"
            raise InputInvalid(f"no {of.object} {unknown} is known; read the systems first, or look at its id")
        truth = (other.entity_id or f"#{other.seq}") if other else None
        found.append(LinkLabel(left.seq or 0, truth, blind=True, given=True))
    return found


def answered_labels(tx: Transaction, of: Of) -> list[LinkLabel]:
    """What people answered when they were asked what a record is of; a record's last answer counts."""
    found: dict[int, LinkLabel] = {}
    for review in tx.reviews.answered_of(of.policy, ReviewKind.LINK):
        asked = review.question
        if asked.get("object") != of.object or "held" not in asked:
            continue
        left, answer = int(asked["record"]), review.answer or ""
        truth = tx.places.record(left).entity_id if answer == OTHER else _merged(tx, answer)
        if answer == OTHER and truth is None:
            continue  # a second record of its system: what it is of is not kept
        held = {int(seq): values for seq, values in asked["held"].items()}
        found[left] = LinkLabel(left, truth, bool(asked.get("sample")), held)
    return list(found.values())


def _merged(tx: Transaction, entity: str) -> str | None:
    """The entity that one was merged into, if it was."""
    if entity == NEW:
        return None
    into = tx.crosswalk.get(entity).row.merged_into
    return _merged(tx, into) if into else entity
