"""Reads one mail, whatever its bytes, into an arrival."""

import hashlib
import re
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.errors import MessageError
from email.message import Message
from email.policy import Compat32

from connectors.mail.headers import LONGEST_HEADER, Address, Headers, moment
from connectors.mail.kind import Kind, kind_of
from connectors.mail.parts import Parts, parts_of
from connectors.mail.reply import Written, taken_apart
from connectors.ports import Arrival, Unreadable
from connectors.raw import shown
from domain.values import digest
from policies.intake import storable

LARGEST_MAIL = 40 * 2**20
"""Bytes of a mail that is read: 25 MB of attachments, which large providers allow, are 34 MB as base64."""

LONGEST_ID = 300
"""Characters of an item's external id."""

ENVELOPE = frozenset({"name", "email"})
"""Fields that tell who sent a mail, which is not always whose matter it is."""

MOST_LISTED = 100
"""Attachments that are listed by name."""

EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
CLOCK_SKEW = timedelta(days=1)
"""A time further ahead is a wrong clock's; one that is less ahead is now."""

_UNREADABLE = (
    AttributeError,
    AssertionError,
    LookupError,
    MessageError,
    RecursionError,
    TypeError,
    ValueError,
)
"""Whatever the standard library's parsers trip over in hostile mails."""
_ID = re.compile(r"[^\s<>@]+@[^\s<>@]+")


class _Bounded(Compat32):
    """Reads headers up to their longest: the parser takes quadratic time on their parameters."""

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        name, value = super().header_source_parse(sourcelines)
        return name, value[:LONGEST_HEADER]


_BOUNDED = _Bounded()


def read_mail(raw: bytes, where: str, now: datetime, source: str = "mail") -> Arrival | Unreadable:
    """The arrival that a mail of any bytes is; never fails.

    Its fields, all text, empty where the mail says nothing: subject; message (what the
    sender wrote now, and what they forward); signature (the sender's own, where phone
    numbers live); letter (message and signature in the order of the mail); quoted (the rest
    of the text); name and email of the sender; to; reply_to; forwarded_from; attachments (a
    line each: name, type, bytes); kind (see `Kind`); message_id and in_reply_to.

    It is named by its Message-ID and its content: some mailers give every mail the same id. It came
    when the last server on its way says, else when it says that it was sent, else `now`.
    """
    if len(raw) > LARGEST_MAIL:
        return Unreadable(where, f"{len(raw)} bytes; mails of at most {LARGEST_MAIL} are read", shown(raw))
    try:
        mail = message_from_bytes(raw, policy=_BOUNDED)
        headers, parts = Headers(mail), parts_of(mail)
        fields = _fields(headers, parts)
        content = _content_of(mail, headers)
    except _UNREADABLE as exc:
        return Unreadable(where, f"not a readable mail: {type(exc).__name__} {exc}".strip(), shown(raw))
    return Arrival(
        where=where,
        source=source,
        external_id=_external_id(headers, fields["message_id"], content),
        received_at=_received_at(headers, now),
        fields=dict(fields),
        envelope=ENVELOPE,
    )


def _fields(headers: Headers, parts: Parts) -> dict[str, str]:
    subject, sender = headers.text("Subject"), headers.address("From")
    kind = kind_of(headers, parts.content_types)
    enclosed = [] if kind is Kind.BOUNCE else [_retold(mail) for mail in parts.enclosed]
    text = "\n".join([parts.text, *enclosed])
    # A report's own words are all there is to it: nothing in it is quoted or signed.
    written = taken_apart(text, subject) if kind is not Kind.BOUNCE else Written(parts.text, parts.text)
    listed = [str(attachment) for attachment in parts.attachments]
    if len(listed) > MOST_LISTED:
        listed[MOST_LISTED:] = [f"and {len(listed) - MOST_LISTED} more"]
    fields = {
        "subject": subject,
        "message": written.text,
        "signature": written.signature,
        "letter": written.letter,
        "quoted": written.quoted,
        "name": sender.name,
        "email": sender.email,
        "to": _together(headers.addresses("To")),
        "reply_to": headers.address("Reply-To").email,
        "forwarded_from": str(written.forwarded_from),
        "attachments": "\n".join(listed),
        "kind": kind.value,
        "message_id": _id_in(headers.text("Message-ID")),
        "in_reply_to": _id_in(headers.text("In-Reply-To")),
    }
    return {name: storable(text) for name, text in fields.items()}


def _retold(mail: Message) -> str:
    """An attached mail, as mailers write out what they forward."""
    headers = Headers(mail)
    told = [f"{name}: {value}" for name in ("From", "Date", "To", "Subject") if (value := headers.text(name))]
    return "\n".join(["---------- Forwarded message ---------", *told, "", parts_of(mail).text])


def _together(addresses: list[Address]) -> str:
    return ", ".join(address.email for address in addresses)


def _id_in(text: str) -> str:
    """The first message id in a header, without its brackets; empty if there is none."""
    found = _ID.search(text)
    return found[0] if found else ""


def _external_id(headers: Headers, message_id: str, content: str) -> str:
    named = f"{message_id}#{content[:12]}"
    if message_id and len(named) <= LONGEST_ID:
        return named
    said = [headers.text(name) for name in ("Message-ID", "To")]
    return f"mail-{digest(storable(repr(said)), content)[:24]}"


def _content_of(mail: Message, headers: Headers) -> str:
    """Digest of who wrote what and when, attachments included, however it is encoded and whichever way it took."""
    content = hashlib.sha256(repr([headers.text(name) for name in ("Date", "From", "Subject")]).encode())
    for part in mail.walk():
        held = None if part.is_multipart() else part.get_payload(decode=True)
        if isinstance(held, bytes):
            content.update(hashlib.sha256(held.replace(b"\r\n", b"\n").strip()).digest())
    return content.hexdigest()


def _received_at(headers: Headers, now: datetime) -> datetime:
    passed = headers.every("Received")
    told = [moment(passed[0].rpartition(";")[2])] if passed else []
    for at in [*told, moment(headers.text("Date"))]:
        if at is not None and EARLIEST <= at <= now + CLOCK_SKEW:
            return min(at, now)
    return now
