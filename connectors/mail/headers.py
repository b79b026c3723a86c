"""A message's headers as text: unfolded, with encoded words and stray bytes decoded."""

import binascii
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import Message
from email.utils import getaddresses, parsedate_to_datetime

from connectors.mail.charsets import decoded

LONGEST_HEADER = 30_000
"""Characters of a header that are read, some 800 recipients; RFC 5322 knows no limit to folded ones."""

_FOLD = re.compile(r"[ \t]*[\r\n]+[ \t]*")
_WORD = re.compile(r"=\?([\w.:+-]{1,60})(?:\*[\w-]*)?\?([bq])\?([^?]*)\?=", re.IGNORECASE)
_ADDRESS = re.compile(r"[^\s<>@,;:\"()\[\]]{1,64}@[^\s<>@,;:\"()\[\]]{1,255}")


@dataclass(frozen=True)
class Address:
    """Who: a display name and an address; either may be empty."""

    name: str = ""
    email: str = ""

    def __str__(self) -> str:
        return f"{self.name} <{self.email}>" if self.name else self.email


NOBODY = Address()


class Headers:
    """The headers of one message; asking for one that is not there, or is nonsense, gives nothing."""

    def __init__(self, mail: Message) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in mail.raw_items():
            self._values.setdefault(name.lower(), []).append(_unfolded(str(value)))

    def has(self, name: str) -> bool:
        """Whether it is there."""
        return name.lower() in self._values

    def every(self, name: str) -> list[str]:
        """Each value of it, the topmost first, encoded words decoded."""
        return [unencoded(value) for value in self._values.get(name.lower(), [])]

    def text(self, name: str) -> str:
        """Its first value."""
        return next(iter(self.every(name)), "")

    def addresses(self, name: str) -> list[Address]:
        """The addresses in it; names without one are left out."""
        return [address for value in self._values.get(name.lower(), []) for address in _addresses(value)]

    def address(self, name: str) -> Address:
        """The first of them."""
        return next(iter(self.addresses(name)), NOBODY)


def unencoded(text: str) -> str:
    """Text with its encoded words (RFC 2047) decoded; a word that cannot be stays as it is.

    Neighbours of one charset are joined before they are decoded: mailers cut in the middle
    of a character.
    """
    parts: list[str] = []
    joined, charset, end = b"", "", 0
    for word in _WORD.finditer(text):
        raw = _word_bytes(word)
        between = text[end : word.start()]
        if raw is None:
            continue
        if joined and (between.strip() or word[1].lower() != charset):
            parts.append(decoded(joined, charset))
            joined = b""
        if between.strip() or not end:
            parts.append(between)
        joined, charset, end = joined + raw, word[1].lower(), word.end()
    parts += [decoded(joined, charset)] if joined else []
    return _printable("".join([*parts, text[end:]]))


def moment(text: str) -> datetime | None:
    """The time that a date header tells; one without a zone is UTC."""
    try:
        told = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return told if told.tzinfo else told.replace(tzinfo=UTC)


def address_in(text: str) -> Address:
    """The first address in a text such as `Ann Smith <ann@example.com> [mailto:ann@example.com]`."""
    found = _ADDRESS.search(text)
    if found is None:
        return NOBODY
    name = text[: found.start()].removesuffix("mailto:").strip(" \t\"'<([*,;")
    return Address(name, found[0])


def _unfolded(value: str) -> str:
    raw = value.encode("utf-8", "surrogateescape")  # as the parser keeps bytes beyond ASCII
    return _FOLD.sub(" ", decoded(raw, None)).strip()


def _word_bytes(word: re.Match[str]) -> bytes | None:
    content = word[3].encode("utf-8", "replace")
    if word[2] in "qQ":
        return binascii.a2b_qp(content, header=True)
    try:
        return binascii.a2b_base64(content + b"=" * (-len(content) % 4))
    except binascii.Error:
        return None


def _addresses(value: str) -> list[Address]:
    try:
        pairs = getaddresses([value])
        parsed = [Address(unencoded(name), email) for name, email in pairs if re.fullmatch(r"\S+@\S+", email)]
    except (RecursionError, IndexError, ValueError):  # brackets without end
        parsed = []
    return parsed or [found for found in [address_in(unencoded(value))] if found.email]


def _printable(text: str) -> str:
    return "".join(sign if sign.isprintable() else " " for sign in text).strip()
