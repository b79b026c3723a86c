"""Keys: text that proves who may do what until when, and that nobody without the secret can make or change.

A key is `payload.seal`, both in URL-safe base64: the payload says what it is for, the seal is the
HMAC-SHA256 of the payload's text. It hides nothing: whoever has a key reads what it says.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from enum import StrEnum

from pydantic import AwareDatetime, Field, ValidationError

from domain.values import Frozen, canonical

SHORTEST_SECRET = 32
"""Bytes; as long as the digest, below which the secret would be the weaker part (RFC 2104, section 3)."""

LONGEST = 2_000
"""Characters of a key; nothing longer is read."""

_CONTEXT = b"interlock key 1\n"
"""What is sealed beside the payload, so that a seal made for anything else fits no key."""


class Purpose(StrEnum):
    """What a key is for; one made for one thing opens no other."""

    REVIEW = "review"
    """To see one review and to decide it, once."""
    LOGIN = "login"
    """To begin a session as a reviewer, once."""
    SESSION = "session"
    """To see the queue and decide; the browser keeps it."""
    LOOK = "look"
    """To look at the dashboard, and to decide nothing; the browser keeps it."""
    FORM = "form"
    """Shows that a form came from a page of ours in this very session."""


class Key(Frozen):
    """What a key says.

    Attributes:
        reviewer: whose it is.
        proven: whether the holder's being `reviewer` is proven; a session begun with a shared token
            only claims it.
        about: the review's id, or of a form the session's nonce.
        binding: digest of what the reviewer is shown, so that nothing else is decided with it.
        nonce: a random text that no other key has.
    """

    purpose: Purpose
    reviewer: str = Field(default="", max_length=200)
    proven: bool = False
    about: str = ""
    binding: str = ""
    expires_at: AwareDatetime
    nonce: str = Field(min_length=16, max_length=64)


class KeyFault(StrEnum):
    """Why a key opens nothing."""

    UNREADABLE = "unreadable"
    """Not a key, or not sealed with a secret that is known here, or made for something else."""
    EXPIRED = "expired"


def seal(key: Key, secret: bytes) -> str:
    """The key as text.

    Args:
        secret: at least `SHORTEST_SECRET` bytes that nobody outside knows.
    """
    payload = _encoded(canonical(key.model_dump(mode="json", exclude_defaults=True)).encode())
    return f"{payload}.{_seal(payload, secret)}"


def unseal(text: str, purpose: Purpose, secrets: Sequence[bytes], now: AwareDatetime) -> Key | KeyFault:
    """What a key says, if it was sealed with one of the secrets for this purpose, and still holds.

    Args:
        secrets: while one is being replaced, the new and the old. Seals are compared as text and in
            constant time, so that there is one spelling of each key and no hint of a better guess.
    """
    key = _read(text, secrets)
    if key is None or key.purpose is not purpose:
        return KeyFault.UNREADABLE
    return KeyFault.EXPIRED if now >= key.expires_at else key


def _read(text: str, secrets: Sequence[bytes]) -> Key | None:
    if len(text) > LONGEST or not text.isascii():
        return None
    payload, _, given = text.partition(".")
    fits = [hmac.compare_digest(_seal(payload, secret), given) for secret in secrets]  # all of them, always
    if not any(fits):
        return None
    try:
        return Key.model_validate_json(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (binascii.Error, ValidationError):  # sealed by another version of this
        return None


def _seal(payload: str, secret: bytes) -> str:
    return _encoded(hmac.new(secret, _CONTEXT + payload.encode(), hashlib.sha256).digest())


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
