"""Wears records the way forms, people and years do, so that a clean set becomes a messy one.

Every record wears the same each time: what happens to it depends on its id alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from domain.values import share


@dataclass(frozen=True)
class Wear:
    """How much happens to a record, as chances 0 to 1.

    Attributes:
        lost: of each value, that it is missing.
        slip: of each value, that a character is exchanged with its neighbour, left out or doubled.
        initial: of the given name, that its first letter stands for it.
        exchanged: that given and family name stand in each other's field.
        moved: that the whole address is another record's.
    """

    lost: float = 0.25
    slip: float = 0.15
    initial: float = 0.10
    exchanged: float = 0.05
    moved: float = 0.15


@dataclass(frozen=True)
class Parts:
    """Which of a record's values are its names and its address."""

    given: str
    family: str
    address: tuple[str, ...]


def worn(
    records: Sequence[tuple[str, Mapping[str, str]]], parts: Parts, wear: Wear | None = None
) -> list[tuple[str, dict[str, str]]]:
    """The records after wear; ids stay."""
    chances = wear or Wear()
    return [(id_, _worn(id_, values, records, parts, chances)) for id_, values in records]


def _worn(
    id_: str, values: Mapping[str, str], records: Sequence[tuple[str, Mapping[str, str]]], parts: Parts, wear: Wear
) -> dict[str, str]:
    new = dict(values)
    if share(f"moved {id_}") < wear.moved:
        other = records[int(share(f"where to {id_}") * len(records))][1]
        new |= {name: other[name] for name in parts.address}
    if share(f"exchanged {id_}") < wear.exchanged:
        new |= {parts.given: new[parts.family], parts.family: new[parts.given]}
    if share(f"initial {id_}") < wear.initial:
        new[parts.given] = new[parts.given][:1]
    for name, value in new.items():
        seed = f"{id_} {name}"
        if share(f"lost {seed}") < wear.lost:
            new[name] = ""
        elif share(f"slip {seed}") < wear.slip:
            new[name] = _slipped(value, seed)
    return new


def _slipped(value: str, seed: str) -> str:
    """The value with one slip; one of a single character stays."""
    if len(value) < 2:  # noqa: PLR2004  nothing to exchange
        return value
    at = int(share(f"at {seed}") * (len(value) - 1))
    slips = (
        value[:at] + value[at + 1] + value[at] + value[at + 2 :],
        value[:at] + value[at + 1 :],
        value[: at + 1] + value[at:],
    )
    return slips[int(share(f"which {seed}") * len(slips))]
