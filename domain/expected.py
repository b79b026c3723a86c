"""Whether a record is still what it was when a write to it was decided."""

from collections.abc import Callable, Mapping

from domain.delivery import Conflict, Operation

Alike = Callable[[str, str, str], bool]
"""Whether two texts are one value of a name, which comes first, to the system that keeps it."""


def by_letter(_name: str, one: str, other: str) -> bool:
    """Of systems that keep every text as it is."""
    return one == other


def moved(operation: Operation, held: Mapping[str, str], alike: Alike = by_letter) -> list[str]:
    """The names of the values by which a record is not what `operation` expected it to be; none where it may go ahead.

    A value that the record holds as the operation would write it is no hindrance.

    Args:
        held: what the record holds, by the operation's names; what is missing is blank.
    """
    return [
        name
        for name, before in sorted((operation.expected or {}).items())
        if not alike(name, held.get(name, ""), before)
        and not alike(name, held.get(name, ""), operation.values.get(name, before))
    ]


def refused(who: str, operation: Operation, held: Mapping[str, str], alike: Alike = by_letter) -> Conflict | None:
    """The outcome of a write whose record has `moved`; None where it may go ahead.

    Args:
        who: the system, for people.
        held, alike: as in `moved`.
    """
    if not (names := moved(operation, held, alike)):
        return None
    were = "; ".join(f"{name} is not what it was" for name in names)
    return Conflict(detail=f"{who}: record {operation.external_id}: {were}", moved=True)
