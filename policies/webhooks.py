"""The part of a policy that says how webhooks come in: who may send, and which fields their payloads hold."""

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

from pydantic import Field, model_validator

from domain.values import Frozen

EnvironmentName = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")]
"""The name of an environment variable."""

PayloadPath = Annotated[str, Field(pattern=r"^[^.]+(\.[^.]+)*$")]
"""Keys into a payload, parted by dots; a number counts into a list from 0."""


class Signature(StrEnum):
    """How a request proves who sent it."""

    LOOPBACK = "loopback"
    """Not at all; taken only from programs on the same machine."""
    NONE = "none"
    """Not at all: whoever reaches the server may send."""
    STANDARD_WEBHOOKS = "standard_webhooks"
    """standardwebhooks.com: `webhook-id`, `webhook-timestamp`, `webhook-signature`."""
    HUBSPOT_V3 = "hubspot_v3"
    """HubSpot's `X-HubSpot-Signature-v3`."""


SIGNED = frozenset({Signature.STANDARD_WEBHOOKS, Signature.HUBSPOT_V3})


class Webhook(Frozen):
    """Requests to `/intake/<policy>`.

    Attributes:
        secrets: names of the environment variables that hold the signing secrets; while one is
            being replaced, both. Those that are not set are passed over.
        source: where its items come from, for the ledger and for rules.
        fields: where in a payload the input's fields are; a field that is not named here is
            taken from the payload's top level, by its own name.
        largest_body_kb: a longer request is refused, in 1024 bytes.
    """

    signature: Signature = Signature.LOOPBACK
    secrets: tuple[EnvironmentName, ...] = ()
    source: str = Field(default="webhook", min_length=1, max_length=100)
    fields: dict[str, PayloadPath] = Field(default_factory=dict)
    largest_body_kb: int = Field(default=256, ge=1, le=10_240)

    @model_validator(mode="after")
    def _secrets_go_with_a_signature(self) -> "Webhook":
        if bool(self.secrets) != (self.signature in SIGNED):
            schemes = " and ".join(sorted(SIGNED))
            raise ValueError(
                f"secrets go with the signatures {schemes}, and with no other; name a variable or remove them"
            )
        return self


def payload_fields(payload: Mapping[str, object], paths: Mapping[str, str]) -> dict[str, str]:
    """A payload's fields as text, by the policy's names; what is not there or null is left out.

    What the policy does not name is kept under its own name, nested values as JSON.

    Args:
        paths: where in the payload each of the policy's fields is.
    """
    own = {name: value for name, value in payload.items() if name not in paths}
    mapped = {name: _at(payload, path) for name, path in paths.items()}
    return {name: _text(value) for name, value in {**own, **mapped}.items() if value is not None}


def _at(payload: object, path: str) -> object:
    for key in path.split("."):
        match payload:
            case Mapping() if key in payload:
                payload = payload[key]
            case list() if key.isascii() and key.isdigit() and int(key) < len(payload):
                payload = payload[int(key)]
            case _:
                return None
    return payload


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
