"""How far two values of one kind agree, in a few grades.

Values are first put into the kind's one spelling, once a record; grades then compare the spellings.
Every grade is the same whichever side a value stands on. Missing on either side is a grade of its own.
"""

import re
from enum import StrEnum
from functools import lru_cache
from typing import assert_never

from rapidfuzz import fuzz
from rapidfuzz.distance import OSA, JaroWinkler

from domain.likeness import SAME_NAME, Level, compare_names, sound, without_legal_form, words

LIKE_WORD = 0.8
"""Jaro-Winkler similarity from which single names and places are alike. Splink's third level is 0.7; what a
grade is worth is fitted to the data, so that only how finely it is cut depends on it."""
CLOSE_TEXT, LIKE_TEXT = 0.85, 0.6
"""Shares of characters in common, words sorted, from which longer texts are close or alike."""
FEWEST_DIGITS = 7
"""Of a telephone number, without area code; fewer prove nothing."""
EXTENSION = 3
"""Last digits in which numbers of one switchboard differ."""
LONG_CODE = 5
"""Characters from which a code with one slip is still told from another."""


class Kind(StrEnum):
    """What a field holds, and so how it is compared."""

    NAME = "name"
    """A whole name: the order of its words does not count, and an initial may stand for a word."""
    GIVEN_NAME = "given_name"
    """Names that sound alike are alike; so are family names and places."""
    FAMILY_NAME = "family_name"
    EMAIL = "email"
    PHONE = "phone"
    DATE = "date"
    """ISO 8601, with or without hyphens."""
    STREET = "street"
    """Street and house number, on one line."""
    POSTCODE = "postcode"
    PLACE = "place"
    COMPANY = "company"
    """The legal form does not count."""
    TEXT = "text"
    CODE = "code"
    """Agrees to the letter, or but for one slip where it is long; else it differs."""


_STREET_WORDS = {
    "street": "st", "strasse": "str", "road": "rd", "avenue": "ave", "av": "ave", "boulevard": "blvd", "blv": "blvd",
    "drive": "dr", "place": "pl", "court": "ct", "crescent": "cres", "circuit": "cct", "lane": "ln", "square": "sq",
    "highway": "hwy", "parkway": "pkwy", "terrace": "tce", "close": "cl", "suite": "ste", "platz": "pl",
    "north": "n", "south": "s", "east": "e", "west": "w", "saint": "st", "fifth": "5th", "first": "1st",
    "second": "2nd", "third": "3rd", "fourth": "4th", "sixth": "6th", "seventh": "7th", "eighth": "8th",
    "ninth": "9th", "tenth": "10th",
}  # fmt: skip
"""How street words are shortened; whichever way a side writes them."""


def spelled(kind: Kind, text: str) -> str:
    """A value in its kind's one spelling; empty where there is nothing to compare."""
    match kind:
        case Kind.NAME | Kind.GIVEN_NAME | Kind.FAMILY_NAME | Kind.PLACE | Kind.TEXT:
            return " ".join(words(text))
        case Kind.EMAIL:
            return text.strip().casefold()
        case Kind.PHONE:
            return re.sub(r"\D", "", text).lstrip("0")
        case Kind.DATE:
            return re.sub(r"\D", "", text)[:8]
        case Kind.STREET:
            return " ".join(_short(word) for word in words(text))
        case Kind.COMPANY:
            return without_legal_form(text) or " ".join(words(text))
        case Kind.POSTCODE | Kind.CODE:
            return "".join(words(text))
        case _:
            assert_never(kind)


def _short(word: str) -> str:
    for ending in ("strasse", "str"):
        if word.endswith(ending) and word != ending:
            return word.removesuffix(ending) + "str"
    return _STREET_WORDS.get(word, word)


def grade(kind: Kind, one: str, other: str) -> Level:
    """How far two spelled values agree; the same whichever comes first."""
    if not one or not other:
        return Level.MISSING
    if one == other:
        return Level.SAME
    return _grade(kind, one, other) if one < other else _grade(kind, other, one)


@lru_cache(maxsize=200_000)
def _grade(kind: Kind, one: str, other: str) -> Level:
    match kind:
        case Kind.NAME:
            return compare_names(one.split(), other.split())
        case Kind.GIVEN_NAME | Kind.FAMILY_NAME | Kind.PLACE:
            named = compare_names(one.split(), other.split(), LIKE_WORD)
            alike = named is Level.DIFFERENT and sound("".join(one.split())) == sound("".join(other.split()))
            return Level.LIKE if alike else named
        case Kind.EMAIL:
            return _emails(one, other)
        case Kind.PHONE:
            return _phones(one, other)
        case Kind.DATE:
            return _dates(one, other)
        case Kind.STREET:
            return _streets(one, other)
        case Kind.POSTCODE:
            return _postcodes(one, other)
        case Kind.COMPANY:
            return _companies(one, other)
        case Kind.TEXT:
            return _texts(one, other)
        case Kind.CODE:
            return Level.CLOSE if _slip(one, other) and min(len(one), len(other)) >= LONG_CODE else Level.DIFFERENT
        case _:
            assert_never(kind)


def _slip(one: str, other: str) -> bool:
    """Whether one character was exchanged with its neighbour, changed, added or left out (Damerau 1964)."""
    return OSA.distance(one, other, score_cutoff=1) <= 1


def _emails(one: str, other: str) -> Level:
    if _slip(one, other):
        return Level.CLOSE
    same_mailbox = one.partition("@")[0] == other.partition("@")[0]
    return Level.LIKE if same_mailbox else Level.DIFFERENT


def _phones(one: str, other: str) -> Level:
    short, long = sorted((one, other), key=len)
    if len(short) < FEWEST_DIGITS:
        return Level.DIFFERENT
    if long.endswith(short):  # with and without country or area code
        return Level.SAME
    tail = long[-len(short) :]
    if _slip(tail, short):
        return Level.CLOSE
    return Level.LIKE if tail[:-EXTENSION] == short[:-EXTENSION] else Level.DIFFERENT


def _dates(one: str, other: str) -> Level:
    exchanged = one[:4] + one[6:] + one[4:6]
    if _slip(one, other) or exchanged == other:
        return Level.CLOSE
    parts = (one[:4] == other[:4], one[4:6] == other[4:6], one[6:] == other[6:])
    return Level.LIKE if sum(parts) >= 2 else Level.DIFFERENT  # noqa: PLR2004  two of year, month, day


def _streets(one: str, other: str) -> Level:
    a, b = one.split(), other.split()
    if sorted(a) == sorted(b):
        return Level.SAME
    numbers = ({word for word in side if word[0].isdigit()} for side in (a, b))
    mine, theirs = numbers
    agree = bool(mine & theirs)
    likeness = _common(
        " ".join(word for word in a if not word[0].isdigit()), " ".join(word for word in b if not word[0].isdigit())
    )
    if likeness >= CLOSE_TEXT and (agree or not mine or not theirs):
        return Level.CLOSE
    return Level.LIKE if likeness >= CLOSE_TEXT or (agree and likeness >= LIKE_TEXT) else Level.DIFFERENT


def _postcodes(one: str, other: str) -> Level:
    if _slip(one, other):
        return Level.CLOSE
    return Level.LIKE if one[:2] == other[:2] else Level.DIFFERENT


def _companies(one: str, other: str) -> Level:
    named = compare_names(one.split(), other.split(), LIKE_WORD)
    if named in (Level.SAME, Level.CLOSE) or JaroWinkler.similarity(one, other) >= SAME_NAME:
        return Level.CLOSE
    return Level.LIKE if named is Level.LIKE or _common(one, other) >= CLOSE_TEXT else Level.DIFFERENT


def _texts(one: str, other: str) -> Level:
    likeness = fuzz.token_sort_ratio(one, other) / 100
    if likeness >= CLOSE_TEXT:
        return Level.CLOSE
    return Level.LIKE if likeness >= LIKE_TEXT else Level.DIFFERENT


def _common(one: str, other: str) -> float:
    """Share of characters in common, words sorted; a side that has all words of the other has all in common."""
    return max(fuzz.token_sort_ratio(one, other), fuzz.token_set_ratio(one, other)) / 100
