"""Webhooks: whether a request is from who it says, and which delivery it is.

Standard Webhooks (standardwebhooks.com, specification 1.0) and HubSpot's signature v3; what is
not signed is taken only as far as the policy allows. Every comparison takes constant time.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol, assert_never
from urllib.parse import unquote

from standardwebhooks import Webhook as StandardWebhook
from standardwebhooks.webhooks import EmptyWebhookSecretError, WebhookVerificationError

from domain.errors import InputInvalid, PolicyInvalid
from domain.values import canonical, digest
from policies.intake import storable
from policies.webhooks import Signature, Webhook

TOLERANCE = timedelta(minutes=5)
"""Older or further ahead, a request may be a replay; the same in both schemes."""

LONGEST_ID = 200
"""Characters of a delivery's id; longer ones are refused rather than cut, which could join two."""

LONGEST_CANDIDATES = 20
"""Signatures in one header that are looked at; rotation needs two."""


@dataclass(frozen=True)
class Delivery:
    """A request as it came.

    Attributes:
        url: the whole public address, with its query, as the sender wrote it.
        headers: by lower-case name.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes


class Scheme(Protocol):
    """How requests to one policy are trusted and told apart."""

    @property
    def per_event(self) -> bool:
        """Whether each event of a list has an id of its own, rather than the request."""
        ...

    def doubt(self, delivery: Delivery) -> str | None:
        """Why a request is not trusted, for its sender; None if it is."""
        ...

    def external_id(self, delivery: Delivery, event: Mapping[str, object], received_at: datetime) -> str:
        """The sender's id of an event: the same again when it is sent again.

        Raises:
            InputInvalid: it gave one that cannot be kept.
        """
        ...


class StandardWebhooks:
    """Requests signed by Standard Webhooks, with any of several secrets."""

    per_event = False

    def __init__(self, secrets: Sequence[StandardWebhook]) -> None:
        self._secrets = secrets

    def doubt(self, delivery: Delivery) -> str | None:
        """The library's verdict on each of the secrets."""
        headers = dict(delivery.headers)
        headers["webhook-signature"] = _well_formed(headers.get("webhook-signature", ""))
        try:
            body = delivery.body.decode()
        except UnicodeDecodeError:
            return "Standard Webhooks sign text; this body is not UTF-8"
        said = "no secret"
        for secret in self._secrets:
            try:
                secret.verify(body, headers, json_parse=False)
            except WebhookVerificationError as exc:
                said = str(exc)
            else:
                return None
        return f"{said}; sign with webhook-id, webhook-timestamp and webhook-signature, sent within 5 minutes"

    def external_id(self, delivery: Delivery, event: Mapping[str, object], received_at: datetime) -> str:  # noqa: ARG002
        """The message's own id, which its signature covers."""
        return _short_enough("webhook-id", delivery.headers["webhook-id"])


class HubSpotV3:
    """Requests signed by HubSpot's app with its client secret.

    Base64 of HMAC-SHA256 over method, address, body and time in ms (HubSpot, Validating requests).
    """

    per_event = True

    def __init__(self, secrets: Sequence[bytes], clock: Callable[[], datetime] = lambda: datetime.now(tz=UTC)) -> None:
        self._secrets = secrets
        self._clock = clock

    def doubt(self, delivery: Delivery) -> str | None:
        """First the time, then the signature."""
        given = delivery.headers.get("x-hubspot-signature-v3", "").encode("utf-8", "surrogateescape")
        stamp = delivery.headers.get("x-hubspot-request-timestamp", "")
        if not given or not stamp:
            return "not signed: X-HubSpot-Signature-v3 and X-HubSpot-Request-Timestamp are missing"
        if not (stamp.isascii() and stamp.isdigit() and len(stamp) < len("1" + "0" * 15)):
            return "X-HubSpot-Request-Timestamp is no time in milliseconds"
        if abs(self._clock().timestamp() * 1000 - int(stamp)) > TOLERANCE.total_seconds() * 1000:
            return "X-HubSpot-Request-Timestamp is more than 5 minutes off: a replay, or a wrong clock"
        expected = [
            base64.b64encode(hmac.digest(secret, signed, hashlib.sha256))
            for secret in self._secrets
            for signed in _hubspot_signs(delivery, stamp)
        ]
        if any([hmac.compare_digest(given, one) for one in expected]):  # noqa: C419  all of them, always
            return None
        return "X-HubSpot-Signature-v3 does not fit: check the client secret and the public address"

    def external_id(self, delivery: Delivery, event: Mapping[str, object], received_at: datetime) -> str:  # noqa: ARG002
        """The event's id with a digest of the event.

        HubSpot does not promise that `eventId` is unique; an event that is sent again is the
        same but for `attemptNumber`.
        """
        fixed = {name: value for name, value in event.items() if name != "attemptNumber"}
        return f"{_short_enough('eventId', str(event.get('eventId', 'event')))}-{_fingerprint(fixed)}"


class Unsigned:
    """Requests that anybody could have sent.

    Args:
        loopback: take only those of programs on this machine, by no proxy and from no page
            in a browser: both reach 127.0.0.1 on somebody else's behalf.
    """

    per_event = False

    def __init__(self, *, loopback: bool) -> None:
        self._loopback = loopback

    def doubt(self, delivery: Delivery) -> str | None:
        """Only of those that come on somebody else's behalf."""
        told = [name for name in ("forwarded", "x-forwarded-for", "origin", "via") if name in delivery.headers]
        if self._loopback and told:
            return f"not signed, and '{told[0]}' says that it is not from this machine; sign it, as the policy must say"
        return None

    def external_id(self, delivery: Delivery, event: Mapping[str, object], received_at: datetime) -> str:
        """Its `Idempotency-Key` or `webhook-id`; else its content and the day.

        With the content alone, a sender that says the same a year later would be taken for
        one that repeats itself; within a day or so the policy's window recognises it.
        """
        for name in ("idempotency-key", "webhook-id"):
            if given := delivery.headers.get(name):
                return _short_enough(name, given)
        return f"content-{received_at.astimezone(UTC):%Y-%m-%d}-{_fingerprint(event)}"


def open_scheme(webhook: Webhook, environ: Mapping[str, str], *, on_loopback: bool, public_url: str) -> Scheme:
    """What trusts a policy's webhooks, with its secrets from `environ`.

    Args:
        on_loopback: whether only programs on this machine reach the server.
        public_url: where senders think that the server is; empty if nobody said.

    Raises:
        PolicyInvalid: a secret or the public address is missing or unusable, or strangers could
            send unsigned though the policy does not say so; says what to do.
    """
    match webhook.signature:
        case Signature.LOOPBACK if not on_loopback:
            raise PolicyInvalid(
                "intake.webhook.signature is 'loopback', and the server listens on more than this machine. "
                "Write 'standard_webhooks' or 'hubspot_v3' with secrets, or 'none' if whoever reaches it may send."
            )
        case Signature.LOOPBACK:
            return Unsigned(loopback=True)
        case Signature.NONE:
            return Unsigned(loopback=False)
        case Signature.STANDARD_WEBHOOKS:
            return StandardWebhooks([_standard(name, secret) for name, secret in _secrets(webhook, environ).items()])
        case Signature.HUBSPOT_V3:
            if not public_url:
                raise PolicyInvalid(
                    "intake.webhook.signature is 'hubspot_v3', which signs the address. "
                    "Give --public-url, or set INTERLOCK_PUBLIC_URL to the https address that HubSpot calls."
                )
            return HubSpotV3([secret.encode() for secret in _secrets(webhook, environ).values()])
        case other:
            assert_never(other)


def _secrets(webhook: Webhook, environ: Mapping[str, str]) -> dict[str, str]:
    found = {name: secret for name in webhook.secrets if (secret := environ.get(name, "").strip())}
    if not found:
        raise PolicyInvalid(f"no signing secret: set {' or '.join(webhook.secrets)} to the one that the sender uses")
    return found


def _standard(name: str, secret: str) -> StandardWebhook:
    try:
        return StandardWebhook(secret)
    except (ValueError, EmptyWebhookSecretError) as exc:
        raise PolicyInvalid(f"{name} is no secret of Standard Webhooks: 'whsec_' and base64") from exc


def _well_formed(signatures: str) -> str:
    """The header's usable signatures: the library stumbles over others instead of passing over them."""
    kept = []
    for one in signatures.split()[:LONGEST_CANDIDATES]:
        version, _, signature = one.partition(",")
        try:
            base64.b64decode(signature, validate=True)
        except ValueError:
            continue
        if version == "v1" and signature:
            kept.append(one)
    return " ".join(kept)


def _hubspot_signs(delivery: Delivery, stamp: str) -> list[bytes]:
    """What may have been signed: the address as it came, and with its escapes resolved."""
    urls = dict.fromkeys((delivery.url, unquote(delivery.url)))
    return [(delivery.method + url).encode() + delivery.body + stamp.encode() for url in urls]


def _short_enough(name: str, given: str) -> str:
    if len(given) > LONGEST_ID:
        raise InputInvalid(f"{name}: {len(given)} characters; at most {LONGEST_ID} tell deliveries apart")
    return given


def _fingerprint(event: Mapping[str, object]) -> str:
    return digest(storable(canonical(event)))[:32]
