"""What happened to a field of one thing that several systems hold, and what may be wrong with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as made_of
from enum import StrEnum

from domain.entity import Move
from domain.merge import Kind


@dataclass(frozen=True)
class Change:
    """A field of a record became something else.

    Attributes:
        at: when, in milliseconds.
        edit: the number of the person's edit; None if it was written to keep systems in step.
        asked: when the write was decided on, in milliseconds; None if that is not known.
    """

    at: int
    system: str
    before: str
    after: str
    edit: int | None = None
    asked: int | None = None


class Told(Move):
    """What was made of the edits of a field, and when, in milliseconds."""

    at: int = 0


@dataclass(frozen=True)
class Story:
    """All that happened to a field of one thing.

    Attributes:
        changes: of all systems, in the order of their times; each begins with a blank.
        moves: what was made of the edits, the oldest first.
        held: what each system holds in the end.
        agreed: what was agreed on in the end.
        contested: what systems say instead, if that waits for a person.
        refused: the systems that would not take what is agreed on.
        owner: the system whose edits go first, and that alone may clear the field.
        stages: of `forward`, in their order.
    """

    thing: str
    field: str
    kind: Kind
    changes: Sequence[Change]
    held: Mapping[str, str]
    agreed: str = ""
    moves: Sequence[Told] = ()
    contested: Mapping[str, str] = made_of(default_factory=dict)
    refused: frozenset[str] = frozenset()
    owner: str | None = None
    stages: Sequence[str] = ()


class Fault(StrEnum):
    """What should not be."""

    LOST = "lost"
    DOUBLED = "doubled"
    UNEXPLAINED = "unexplained"


@dataclass(frozen=True)
class Finding:
    """A fault, and where."""

    fault: Fault
    thing: str
    field: str
    why: str


def parts(kind: Kind, text: str) -> set[str]:
    """What somebody must have made: the value, or each tag or line of it."""
    match kind:
        case Kind.UNION:
            return tags(text)
        case Kind.APPEND:
            return lines(text)
        case _:
            return {same(text)} - {""}


def meaning(kind: Kind, text: str) -> str:
    """The same for values that say the same: tags may stand in any order."""
    return ", ".join(sorted(tags(text))) if kind is Kind.UNION else same(text)


def same(text: str) -> str:
    """The one spelling of values that differ in blanks alone."""
    return " ".join(text.split())


def tags(text: str) -> set[str]:
    """The tags of a list of them, whatever their order."""
    return {tag for tag in (same(part) for part in text.split(",")) if tag}


def lines(text: str) -> set[str]:
    """The lines of a text that say something."""
    return {line for line in map(same, text.splitlines()) if line}
