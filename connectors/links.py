"""Links by which a reviewer sees and decides one review, or comes into the queue, without an account.

A link proves who opens it: it was sent to that person alone. So whoever sends one must name the
person whose address it goes to.
"""

from datetime import datetime, timedelta
from secrets import token_urlsafe
from urllib.parse import quote, urlencode

from connectors.settings import Settings
from domain.errors import PolicyInvalid
from domain.keys import SHORTEST_SECRET, Key, Purpose, seal

HOW_TO_HAVE_LINKS = (
    "No links are made without INTERLOCK_LINK_SECRET: at least 32 bytes that nobody can guess, such as from "
    "'openssl rand -base64 32', the same for all of this installation's processes."
)


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


def _key(settings: Settings, purpose: Purpose, reviewer: str, now: datetime) -> Key:
    expires_at = now + timedelta(hours=settings.link_hours)
    return Key(purpose=purpose, reviewer=reviewer, proven=True, expires_at=expires_at, nonce=token_urlsafe(16))


def _address(settings: Settings, path: str, key: Key) -> str | None:
    secrets = link_secrets(settings)
    if not secrets or not settings.public_url:
        return None
    return f"{settings.public_url.rstrip('/')}{path}?{urlencode({'key': seal(key, secrets[0])})}"
