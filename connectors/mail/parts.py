"""A message's parts: the text that a reader sees, what is attached, and the messages enclosed."""

import re
from dataclasses import dataclass, field
from email.message import Message

from connectors.mail.charsets import decoded
from connectors.mail.headers import unencoded
from connectors.mail.plain_text import unflowed, without_uuencoded
from connectors.mail.rich_text import seen_text

LONGEST_NAME = 200
"""Characters of an attachment's name."""

STUB_SHARE, STUB_LENGTH = 0.2, 400
"""A plain part with less than this share of the text of an HTML part longer than that says "see the HTML"."""


@dataclass(frozen=True)
class Attachment:
    """What is attached: `size` in bytes, decoded."""

    name: str
    content_type: str
    size: int

    def __str__(self) -> str:
        return f"{self.name or 'unnamed'} ({self.content_type}, {self.size} bytes)"


@dataclass
class Parts:
    """What a message consists of.

    Attributes:
        texts: of each part that a reader sees, in order.
        enclosed: messages that are attached whole.
        content_types: of every part, containers included.
    """

    texts: list[str] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    enclosed: list[Message] = field(default_factory=list)
    content_types: set[str] = field(default_factory=set)

    @property
    def text(self) -> str:
        """All of the text."""
        return "\n\n".join(filter(None, (text.strip() for text in self.texts)))

    def add(self, other: "Parts", *, texts: bool) -> None:
        """Take in what another part holds, its texts only if `texts`."""
        self.texts += other.texts if texts else []
        self.attachments += other.attachments
        self.enclosed += other.enclosed
        self.content_types |= other.content_types


def parts_of(mail: Message) -> Parts:
    """The parts of a message.

    Raises:
        ValueError: a part is too long to read.
        RecursionError: parts in parts without end.
    """
    return _parts(mail, whole=True)


def _parts(part: Message, *, whole: bool = False) -> Parts:
    kind = part.get_content_type()
    found = Parts(content_types={kind})
    children = part.get_payload() if part.is_multipart() else []
    match kind.split("/"):
        case ["multipart", "alternative"] if children:
            _add_alternatives(found, [_parts(child) for child in children if isinstance(child, Message)])
        case ["multipart", _] if children:
            for child in children:
                if isinstance(child, Message):
                    found.add(_parts(child), texts=True)
        case ["message", "rfc822" | "global"] if children:
            found.attachments.append(_attachment(part))
            found.enclosed += [child for child in children if isinstance(child, Message)]
        case ["multipart", _]:
            _add_text(found, part, "plain")  # no boundary, or none that occurs
        case ["text", "plain" | "html" as subtype] if whole or not _is_attached(part):
            _add_text(found, part, subtype)
        case _:
            found.attachments.append(_attachment(part))
    return found


def _add_alternatives(found: Parts, alternatives: list[Parts]) -> None:
    """Take the plain one, unless it only says that there is another (RFC 2046, 5.1.4)."""
    plain = next((one for one in alternatives if "text/plain" in one.content_types and one.text), None)
    rich = max(alternatives, key=lambda one: len(one.text), default=None)
    is_stub = plain and rich and len(rich.text) > STUB_LENGTH and len(plain.text) < STUB_SHARE * len(rich.text)
    best = rich if plain is None or is_stub else plain
    for one in alternatives:
        found.add(one, texts=one is best)


def _add_text(found: Parts, part: Message, subtype: str) -> None:
    text = decoded(_content(part), _parameter(part, "charset")).replace("\r\n", "\n").replace("\r", "\n")
    if subtype == "html":
        found.texts.append(seen_text(text))
        return
    if _parameter(part, "format").lower() == "flowed":
        text = unflowed(text, without_spaces=_parameter(part, "delsp").lower() == "yes")
    text, files = without_uuencoded(text)
    found.texts.append(text)
    found.attachments += [Attachment(_clean(name), "application/octet-stream", size) for name, size in files]


def _is_attached(part: Message) -> bool:
    return part.get_content_disposition() == "attachment" or bool(_name(part))


def _attachment(part: Message) -> Attachment:
    enclosed = part.get_payload() if part.is_multipart() else []
    size = sum(len(child.as_bytes()) for child in enclosed if isinstance(child, Message)) or len(_content(part))
    return Attachment(_name(part), part.get_content_type(), size)


def _content(part: Message) -> bytes:
    """A part's bytes; encoded ones that cannot be decoded stay as they are."""
    content = part.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""


def _name(part: Message) -> str:
    try:
        return _clean(unencoded(part.get_filename() or ""))
    except (LookupError, ValueError, TypeError):  # RFC 2231 in an unknown charset, or half of it
        return "unnamed"


def _parameter(part: Message, name: str) -> str:
    try:
        given = part.get_param(name)
    except (LookupError, ValueError, TypeError):
        return ""
    return str(given[2] if isinstance(given, tuple) else given or "")


def _clean(name: str) -> str:
    """A file's name without folders, for it is only shown."""
    last = re.split(r"[/\\]", name.strip())[-1]
    return "".join(sign for sign in last if sign.isprintable())[:LONGEST_NAME]
