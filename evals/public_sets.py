"""Two public sets as workflows: policies of ours, examples and items read from where the data lie.

- Banking77 (Casanueva et al. 2020, CC BY 4.0), its 77 intents grouped into the 8 teams of a bank.
- CLINC150 (Larson et al. 2019, CC BY 3.0), its 10 domains, and requests outside all of them.

The data are not part of this project: `INTERLOCK_PUBLIC_DATA` names the folder.
"""

import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from domain.errors import InputInvalid
from domain.proposal import NONE_OF_THESE
from evals.items import plain_text

HERE = Path(__file__).parent / "public"
PER_INTENT = 10
"""Examples of each intent; the same number of none of these."""


@dataclass(frozen=True)
class PublicSet:
    """Where a set's files lie, under the folder of public data."""

    name: str
    train: tuple[str, ...]
    test: tuple[str, ...]


SETS = {
    "banking_teams": PublicSet("banking_teams", ("banking77/train.jsonl",), ("banking77/test.jsonl",)),
    "clinc_domains": PublicSet(
        "clinc_domains",
        ("clinc150/train.jsonl", "clinc150/oos_train.jsonl"),
        ("clinc150/test.jsonl", "clinc150/oos_test.jsonl"),
    ),
}


@dataclass(frozen=True)
class Prepared:
    """A public set, ready for every command: the policy's path, and all labelled items for it."""

    policy: Path
    items: Path


def prepare(name: str, public_data: Path, folder: Path) -> Prepared:
    """Write the set's policy, its examples and its items into `folder`.

    Raises:
        InputInvalid: the data are not there.
    """
    chosen = SETS[name]
    folder.mkdir(parents=True, exist_ok=True)
    train, test = _read(public_data, chosen.train), _read(public_data, chosen.test)
    shutil.copyfile(HERE / f"{name}.yaml", folder / f"{name}.yaml")
    examples = _some_of_each(train)
    taught = {plain_text(row["text"]) for row in examples}
    _write(folder / f"{name}.examples.jsonl", examples)
    _write(folder / f"{name}.items.jsonl", (row for row in _once(test) if plain_text(row["text"]) not in taught))
    return Prepared(folder / f"{name}.yaml", folder / f"{name}.items.jsonl")


def _read(public_data: Path, files: Iterable[str]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for file in files:
        path = public_data / file
        if not path.is_file():
            raise InputInvalid(
                f"{path}: the public data are not here. Set INTERLOCK_PUBLIC_DATA to the folder that holds "
                "banking77/ and clinc150/; nothing else needs them."
            )
        rows += [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]
    return rows


def _some_of_each(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """`PER_INTENT` rows of each intent, drawn once and for all."""
    by_intent: dict[str, list[dict[str, Any]]] = {}
    for row in _once(rows):
        by_intent.setdefault(row["intent"], []).append(row)
    drawn = Random(0)  # noqa: S311  a draw to be repeated, not a secret
    return [row for _, own in sorted(by_intent.items()) for row in drawn.sample(own, PER_INTENT)]


def _once(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows without those whose text stood there already."""
    return list({plain_text(row["text"]): row for row in reversed(list(rows))}.values())[::-1]


def _write(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    lines = []
    for row in rows:
        kind = "out_of_scope" if row["label"] == NONE_OF_THESE else "in_scope"
        known = {name: row[name] for name in ("id", "text", "label", "intent")}
        extra = {} if "examples" in path.name else {"fields": {"scope": kind}}
        lines.append(json.dumps(known | extra, ensure_ascii=False))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
