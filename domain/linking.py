"""What a system's record is a record of, by what it holds; and why it may be of nothing for now."""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

from domain.entity import FieldTerms


class Apart(StrEnum):
    """Why a record is of no entity."""

    OUTSIDE = "outside"
    """Its policy wants nothing of it as it stands."""
    ASKED = "asked"
    """A person was asked."""
    SECOND = "second"
    """Its system has another record of the same thing."""
    GONE = "gone"
    """It was deleted, and another one was made in its place."""
    MERGED = "merged"
    """Its system has merged it into another one."""


def same_by(keys: Sequence[str], one: Mapping[str, str], other: Mapping[str, str]) -> bool | None:
    """Whether two records are of the same thing by the first of these fields that both have; None if there is none.

    Args:
        one: a record's values by field, each in its one spelling; blank ones do not count.
    """
    for key in keys:
        mine, theirs = one.get(key, "").strip(), other.get(key, "").strip()
        if mine and theirs:
            return mine.casefold() == theirs.casefold()
    return None


def spelt(terms: Mapping[str, FieldTerms], values: Mapping[str, str]) -> dict[str, str]:
    """Values by field in their one spelling; those of fields that the policy does not have any more are left out."""
    return {field: terms[field].spelling(text) for field, text in values.items() if field in terms}


def keys_of(terms: Mapping[str, FieldTerms], fields: Iterable[str], values: Mapping[str, str]) -> list[str]:
    """What a record of these values is found by, of these fields; nothing for a blank one."""
    filled = {field: text for field in fields if (text := values.get(field, "")).strip()}
    return [f"{field}={terms[field].spelling(text).casefold()}" for field, text in filled.items()]
