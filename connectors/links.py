"""Links by which a reviewer sees and decides one review, or comes into the queue, without an account.

A link proves who opens it: it was sent to that person alone. So whoever sends one must name the
person whose address it goes to. A message gets its link when it is sent, so that the key lies
in no outbox, ledger or log.
"""

import logging
from datetime import datetime, timedelta
from secrets import token_urlsafe
from urllib.parse import quote, urlencode

from connectors.settings import Settings
from domain.delivery import DeliveryOutcome, Invitation, Operation
from domain.errors import PolicyInvalid
from domain.keys import SHORTEST_SECRET, Key, Purpose, seal

HOW_TO_HAVE_LINKS = (
    "No links are made without INTERLOCK_LINK_SECRET: at least 32 bytes that nobody can guess, such as from "
    "'openssl rand -base64 32', the same for all of this installation's processes."
)

LOG = logging.getLogger("interlock.links")

ESCALATIONS = "/escalations"
"""Path of the page where people take over what they were told of."""

_WORDS = {"slack": "text", "smtp": "body"}
"""Which of a message's values people read, by the system that sends it."""

_QUOTED = 8
"""Characters of a key's seal that a server may quote before they are taken out: 43 are secret."""


def link_secrets(settings: Settings) -> tuple[bytes, ...]:
    """The secrets that keys are sealed with: the first seals, all of them open; none for no links.

    Raises:
        PolicyInvalid: one of them is too short.
    """
    given = [part.encode() for part in settings.link_secret.get_secret_value().replace(",", " ").split()]
    if any(len(secret) < SHORTEST_SECRET for secret in given):
        raise PolicyInvalid(
            f"INTERLOCK_LINK_SECRET has a secret of less than {SHORTEST_SECRET} bytes. While one is replaced, "
            "write the new and the old one with a comma between them."
        )
    return tuple(given)


def review_link(settings: Settings, review_id: str, binding: str, reviewer: str, now: datetime) -> str | None:
    """A link for `reviewer` to see one review, and to decide it once; None where no links are made.

    Args:
        binding: of the review as it stands: if what is shown changes, the link decides nothing any more.
        reviewer: the name or address of the one person that the link is sent to.
    """
    key = _key(settings, Purpose.REVIEW, reviewer, now)
    about = key.model_copy(update={"about": review_id, "binding": binding})
    return _address(settings, f"/reviews/{quote(review_id, safe='')}", about)


def login_link(settings: Settings, reviewer: str, now: datetime) -> str | None:
    """A link for `reviewer` into the queue, once; None where no links are made."""
    return _address(settings, "/reviews/login", _key(settings, Purpose.LOGIN, reviewer, now))


def escalations_address(settings: Settings) -> str:
    """Where people take over what they were told of; empty where nobody knows what this server is called."""
    return _plain(settings, ESCALATIONS) if settings.public_url else ""


def with_link(settings: Settings, write: Operation, now: datetime) -> Operation:
    """A message with the address that it invites to as its last line; any other write as it is.

    One person gets a link that is theirs. Where others can read it too, or no links are made, it is the
    address alone, which asks who comes. Every sending has a key of its own.
    """
    invites, words = write.invites, _WORDS.get(write.system)
    if invites is None or words is None or not settings.public_url:
        return write
    told, address = _invitation(settings, invites, now)
    text = f"{write.values.get(words, '')}\n{told}\n{address}"
    return write.model_copy(update={"values": write.values | {words: text}})


def without_key(outcome: DeliveryOutcome, write: Operation) -> DeliveryOutcome:
    """An outcome without the key that `write` carries: servers quote what they refuse."""
    _, has_key, key = write.values.get(_WORDS.get(write.system, ""), "").rpartition("?key=")
    if write.invites is None or not has_key:
        return outcome
    texts, secret = {name: text for name, text in outcome if type(text) is str}, key.rpartition(".")[2]
    for at in range(len(secret) - _QUOTED + 1):
        texts = {name: text.replace(secret[at : at + _QUOTED], "…") for name, text in texts.items()}
    return outcome.model_copy(update=texts)


def _invitation(settings: Settings, invites: Invitation, now: datetime) -> tuple[str, str]:
    """What is said of an address, and the address."""
    reviewer, review_id = invites.reviewer, invites.review_id
    try:
        if reviewer and review_id and (link := review_link(settings, review_id, invites.binding, reviewer, now)):
            return "Look and decide, by a link that is yours alone and decides once:", link
        if reviewer and not review_id and (link := login_link(settings, reviewer, now)):
            return "The queue, by a link that is yours alone and signs you in once:", link
    except PolicyInvalid as exc:  # people must hear of it all the same
        LOG.warning("messages are sent without links: %s", exc)
    path = f"/reviews/{quote(review_id, safe='')}" if review_id else "/reviews"
    return "Look and decide; you are asked to sign in:", _plain(settings, path)


def _plain(settings: Settings, path: str) -> str:
    return settings.public_url.rstrip("/") + path


def _key(settings: Settings, purpose: Purpose, reviewer: str, now: datetime) -> Key:
    expires_at = now + timedelta(hours=settings.link_hours)
    return Key(purpose=purpose, reviewer=reviewer, proven=True, expires_at=expires_at, nonce=token_urlsafe(16))


def _address(settings: Settings, path: str, key: Key) -> str | None:
    secrets = link_secrets(settings)
    if not secrets or not settings.public_url:
        return None
    return f"{_plain(settings, path)}?{urlencode({'key': seal(key, secrets[0])})}"
