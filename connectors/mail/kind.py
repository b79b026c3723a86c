"""What sort of mail one is, by what its headers and parts say of it."""

from enum import StrEnum

from connectors.mail.headers import Headers


class Kind(StrEnum):
    """A mail's sort; what it means for a business is the policy's to say."""

    MESSAGE = "message"
    AUTO_REPLY = "auto_reply"
    """No person wrote it: an absence note, a receipt, a bulk mail."""
    BOUNCE = "bounce"
    """A report that a mail could not be delivered."""
    CALENDAR = "calendar"
    """An invitation, or an answer to one."""


_BULK = {"auto_reply", "bulk", "junk"}
"""Values of Precedence; `list` is not among them: people write to lists (RFC 3834, 2)."""
_DAEMONS = {"mailer-daemon", "postmaster"}


def kind_of(headers: Headers, content_types: set[str]) -> Kind:
    """The sort of a mail with these headers and types of parts.

    Bounces go first, for they are sent automatically too; an automatic answer with a null
    return path, as RFC 3834, 3.3 wants it, is no bounce.
    """
    if "message/delivery-status" in content_types or headers.has("X-Failed-Recipients"):  # RFC 3464
        return Kind.BOUNCE
    if headers.address("From").email.partition("@")[0].lower() in _DAEMONS:
        return Kind.BOUNCE
    if _is_automatic(headers) or "message/disposition-notification" in content_types:  # RFC 8098: a receipt
        return Kind.AUTO_REPLY
    if headers.text("Return-Path").replace(" ", "") == "<>":  # RFC 5321, 4.5.5
        return Kind.BOUNCE
    if "text/calendar" in content_types:
        return Kind.CALENDAR
    return Kind.MESSAGE


def _is_automatic(headers: Headers) -> bool:
    submitted = headers.text("Auto-Submitted").partition(";")[0].strip().lower()  # RFC 3834, 5
    suppress = headers.text("X-Auto-Response-Suppress").strip().lower()  # MS-OXCMAIL, 2.2.3.2.14
    return (
        submitted not in {"", "no"}
        or suppress not in {"", "none"}
        or headers.text("Precedence").strip().lower() in _BULK
        or headers.has("X-Autoreply")
        or headers.has("X-Autorespond")
    )
