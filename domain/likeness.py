"""How alike two names are, whoever asks: words in one spelling, compared word by word.

The grades are shared by everything that compares records, so that one pair of names is not the
same in one place and another in the next.
"""

import re
import unicodedata
from collections.abc import Sequence
from enum import StrEnum

from rapidfuzz.distance import JaroWinkler

SAME_NAME = 0.92
"""Jaro-Winkler similarity from which two names are one with a slip of the pen, and `LIKE_NAME` from which
they may be: the first two levels of the name comparison that the record-linkage library Splink ships
(0.92, 0.88), after Winkler, "String comparator metrics" (1990)."""
LIKE_NAME = 0.88


class Level(StrEnum):
    """How far two values agree, from the most to the least; a missing one is no disagreement."""

    SAME = "same"
    CLOSE = "close"
    """The same but for a slip."""
    ELSEWHERE = "elsewhere"
    """One side has the other's value in another field, as first and last name exchanged."""
    LIKE = "like"
    """Something speaks for it: an initial, a part, the same but for more than a slip."""
    DIFFERENT = "different"
    MISSING = "missing"
    """At least one side does not say."""


AGREEMENT = (Level.SAME, Level.CLOSE, Level.ELSEWHERE, Level.LIKE, Level.DIFFERENT)
"""The levels in their order, without the one that says nothing."""


def words(text: str) -> list[str]:
    """A text's words in small letters: `ü` and `ue`, `é` and `e` are the same."""
    spelled = text.casefold().replace("ä", "ae").replace("ö", "oe").replace("ü", "ue")
    plain = "".join(char for char in unicodedata.normalize("NFKD", spelled) if not unicodedata.combining(char))
    return re.findall(r"[^\W_]+", plain)


def compare_names(one: Sequence[str], other: Sequence[str], like: float = LIKE_NAME) -> Level:
    """How far two names agree, given their words; the order of the words and of the two does not matter.

    Args:
        like: Jaro-Winkler similarity of the least similar words from which two names are alike.
    """
    if not one or not other:
        return Level.MISSING
    a, b = sorted((list(one), list(other)))
    if sorted(a) == sorted(b):
        return Level.SAME
    alike = [
        min(JaroWinkler.similarity(x, y) for x, y in zip(first, second, strict=True))
        for first, second in ((a, b), (sorted(a), sorted(b)))
        if len(first) == len(second)
    ]
    best = max(alike, default=0.0)
    if best >= SAME_NAME:
        return Level.CLOSE
    return Level.LIKE if best >= like or _abbreviates(a, b) or _abbreviates(b, a) else Level.DIFFERENT


def _abbreviates(short: Sequence[str], long: Sequence[str]) -> bool:
    """Whether `J. Weber`, or `Weber` alone, may stand for `Julia Weber`."""
    if short[-1] != long[-1] or len(short) > len(long):
        return False
    return len(short) == 1 or (len(short[0]) == 1 and long[0].startswith(short[0]))


_LEGAL_FORM = re.compile(
    r"\b(?:gmbh|co|kg|ag|se|ohg|gbr|ek|ug|mbh|ltd|limited|llc|llp|inc|corp|plc|sarl|sas|sa|spa|srl|bv|nv|oy|aps|as|ab)\b"
)


def without_legal_form(company: str) -> str:
    """A company's name in one spelling, but for its legal form."""
    return " ".join(_LEGAL_FORM.sub(" ", " ".join(words(company.replace(".", "")))).split())


SOUND = 4
"""Signs of a sound code, as in Soundex."""
_SOUNDS = str.maketrans("bfpvcgjkqsxzdtlmnraeiouyhw", "111122222222334556........")
_PAIRS = (("ph", "f"), ("pf", "f"), ("sch", "s"), ("ck", "k"), ("th", "t"), ("kn", "n"), ("wr", "r"))


def sound(word: str) -> str:
    """How a word sounds, roughly: Soundex (Russell 1918), with the first letter coded like the others."""
    for letters, one in _PAIRS:
        word = word.replace(letters, one)
    coded = word.translate(_SOUNDS)
    merged = re.sub(r"(.)\1+", r"\1", coded)
    return (merged[:1] + merged[1:].replace(".", ""))[:SOUND]
