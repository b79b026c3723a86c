"""Who may answer a review, and what becomes of an answer that several people must give."""

import re
from collections.abc import Iterable, Sequence

from pydantic import AwareDatetime

from domain.review import Answer, Proven, Refusal
from domain.values import Frozen


class Agreed(Frozen):
    """An answer of one of several people who must give the same."""

    reviewer: str
    proven: Proven
    choice: str
    inputs: dict[str, str]
    binding: str
    at: AwareDatetime


def names(person: str, known: Iterable[frozenset[str]] = ()) -> frozenset[str]:
    """What somebody is known by: the words as a whole and any e-mail address in them, letter case aside.

    Args:
        known: names and addresses of people, each person's together and casefolded.
    """
    whole = " ".join(person.split()).casefold()
    own = frozenset({whole, *_ADDRESS.findall(whole)}) - {""}
    return own.union(*[words for words in known if not own.isdisjoint(words)])


def same_person(one: str, other: str, known: Iterable[frozenset[str]] = ()) -> bool:
    """Whether two names are known to be one person's."""
    return not names(one, known).isdisjoint(names(other, known))


def barred(
    answer: Answer,
    people: Iterable[str],
    given: Sequence[Agreed],
    known: Sequence[frozenset[str]] = (),
    *,
    key_used: bool,
) -> Refusal | None:
    """Why this person may not give an answer that is otherwise valid, or not with this key; None if they may.

    Args:
        people: whom the item is about: who sent it, who asked for what is to be decided.
        given: those who have given the same answer before.
        known: as `names` takes it.
    """
    if key_used:
        return Refusal.KEY_USED
    if any(same_person(answer.reviewer, person, known) for person in people):
        return Refusal.CONCERNED
    if any(same_person(answer.reviewer, one.reviewer, known) for one in given):
        return Refusal.SAME_PERSON
    return None


def unknown(
    answer: Answer, needed: int, known: Iterable[frozenset[str]], *, links_alone: bool = False
) -> Refusal | None:
    """That nobody knows who gave an answer which different people must give; None where one is enough, or it is known.

    It is known by a link that was sent to them, or by a name or an address of somebody in the people file.

    Args:
        needed: how many must give it in all.
        known: as `names` takes it.
        links_alone: whether names do not count, as whoever knows them can give them.
    """
    own = names(answer.reviewer)
    if needed < 2 or answer.proven is Proven.LINK:  # noqa: PLR2004  two people
        return None
    if links_alone:
        return Refusal.UNPROVEN
    return None if any(own & words for words in known) else Refusal.UNKNOWN_PERSON


def before(answer: Answer, given: Sequence[Agreed]) -> tuple[Agreed, ...]:
    """Those who have given this very answer to this very question."""
    what = (answer.choice, answer.inputs, answer.binding)
    return tuple(one for one in given if (one.choice, one.inputs, one.binding) == what)


def missing(needed: int, given: Sequence[Agreed]) -> int:
    """How many more people must give the same answer after this one.

    Args:
        needed: how many it needs in all.
        given: those who have given it before.
    """
    return max(0, needed - len(given) - 1)


_ADDRESS = re.compile(r"[^\s<>()\",;:]+@[^\s<>()\",;:]+")
