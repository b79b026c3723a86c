"""In which country a sender is, by their address or their own words."""

import re
from collections.abc import Iterator

from connectors.extractors.senders import Mail
from domain.extraction import Candidate, Ground
from policies.fields import Conventions, country_named

_PLAIN = Conventions()

_SEATED = re.compile(
    r"\b(?:based in|located in|headquartered in|mit sitz in|ans[äa]ssig in|bas[ée]e?s? (?:en|au|à)|"
    r"situ[ée]e?s? (?:en|au))\s+(?:the |den |der |la )?"
    r"(?P<name>[^\W\d_]+(?:[ -][^\W\d_]+){0,3})(?:,\s+(?P<further>[^\W\d_]+(?:[ -][^\W\d_]+){0,3}))?",
    re.IGNORECASE,
)
_PREFIX = re.compile(r"(?<![\w-])(?P<name>D|A|CH|F|NL|DK|PL|CZ|L|B|I)-\d{4,5}(?=[ \t]+[^\W\d_a-z])")
_PLATES = {"D": "DE", "A": "AT", "F": "FR", "L": "LU", "B": "BE", "I": "IT"}
"""Marks of cars in front of postal codes, where they are not the ISO code."""

_ALSO_OTHERS = frozenset({"georgia", "jordan", "chad"})
"""Countries that in a signature are more likely a state of the USA or a first name."""


def countries(mail: Mail) -> Iterator[Candidate]:
    """Countries in the sender's postal address, or in which they say they are."""
    for part in mail.speaking:
        for found in _PREFIX.finditer(mail.text, part.start, part.end):
            name = found["name"]
            yield _country(_PLATES.get(name, name), *found.span("name"))
        for found in _SEATED.finditer(mail.text, part.start, part.end):
            yield from _leading_country(found)
        for piece in re.finditer(r"[^\n,|•·()–]+", mail.text[part.signature : part.end]):
            bare = piece[0].strip(" >*-")
            if mail.addressed(part.signature + piece.start()):
                continue
            if bare.casefold() not in _ALSO_OTHERS and (code := country_named(bare)):
                start = mail.text.index(bare, part.signature + piece.start())
                yield _country(code, start, start + len(bare))


def _leading_country(found: re.Match[str]) -> Iterator[Candidate]:
    """The longest country name that the words after `based in`, or after a town and a comma, begin with."""
    for group in ("name", "further"):
        words = (found[group] or "").split(" ")
        for count in range(len(words), 0, -1):
            name = " ".join(words[:count])
            if code := country_named(name):
                yield _country(code, found.start(group), found.start(group) + len(name))
                return


def _country(code: str, start: int, end: int) -> Candidate:
    return Candidate(value=code, start=start, end=end, ground=Ground.PLACED)
