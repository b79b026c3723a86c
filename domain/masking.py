"""Takes what tells a person apart out of a text, and puts it back into what is said about the text."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from phonenumbers import Leniency, PhoneNumberMatcher


class Maskable(StrEnum):
    """What can be masked."""

    EMAIL = "email"
    """E-mail addresses."""
    PHONE = "phone"
    """Phone numbers that are valid where they are; without a country's prefix only where the region is known."""
    IBAN = "iban"
    """Account numbers with the right check digits."""


_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[^\W_](?:[\w-]{0,62}\.){1,8}[^\W\d_]{2,24}(?![\w-])")
_IBAN = re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}(?!\w)")


@dataclass
class Mask:
    """Masks the texts of one question: the same words are the same placeholder in all of them.

    Placeholders are numbered as they come, so that equal texts in equal order are masked equally.

    Attributes:
        kinds: what is masked; with none, texts stay as they are.
        region: ISO alpha-2 of the country whose phone numbers come without a prefix.
        originals: by placeholder, what it stands for.
    """

    kinds: Sequence[Maskable]
    region: str | None = None
    originals: dict[str, str] = field(default_factory=dict)

    def hide(self, text: str) -> str:
        """The text with placeholders, such as `[email 1]`, which the text itself does not have."""
        hidden, end = [], 0
        for start, stop, kind in sorted(self._found(text), key=lambda found: (found[0], -found[1])):
            if start >= end:
                hidden += [text[end:start], self._placeholder(kind, text[start:stop], text)]
                end = stop
        return "".join([*hidden, text[end:]])

    def restore(self, said: str) -> str:
        """What was said about hidden texts, with the words that placeholders stand for."""
        for placeholder, original in self.originals.items():
            said = said.replace(placeholder, original)
        return said

    def _found(self, text: str) -> Iterator[tuple[int, int, Maskable]]:
        if Maskable.EMAIL in self.kinds:
            yield from ((*one.span(), Maskable.EMAIL) for one in _EMAIL.finditer(text))
        if Maskable.IBAN in self.kinds:
            yield from ((*one.span(), Maskable.IBAN) for one in _IBAN.finditer(text) if _checks(one[0]))
        if Maskable.PHONE in self.kinds:
            numbers = PhoneNumberMatcher(text, self.region, leniency=Leniency.VALID)
            yield from ((one.start, one.end, Maskable.PHONE) for one in numbers)

    def _placeholder(self, kind: Maskable, original: str, text: str) -> str:
        number = 0
        while True:
            number += 1
            placeholder = f"[{kind.value} {number}]"
            if placeholder not in text and self.originals.setdefault(placeholder, original) == original:
                return placeholder


def _checks(iban: str) -> bool:
    """Whether the check digits fit (ISO 13616: the rearranged number is 1 modulo 97)."""
    bare = iban.replace(" ", "")
    return int("".join(str(int(sign, 36)) for sign in bare[4:] + bare[:4])) % 97 == 1
