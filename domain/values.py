"""What every value of the domain shares: frozen models, canonical JSON, digests."""

import hashlib
import json
from typing import Any

from pydantic import BaseModel, ConfigDict

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)
"""Made once: `json.dumps` would make one a call."""


class Frozen(BaseModel):
    """Base of the domain's models: immutable, and strict about unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def canonical(value: Any) -> str:
    """`value` as JSON in one possible spelling: sorted keys, no spaces, UTF-8 kept."""
    return _ENCODER.encode(value)


def digest(*parts: Any) -> str:
    """SHA-256, in hex, of the canonical JSON of `parts`; equal values, equal digest."""
    return hashlib.sha256(canonical(parts).encode()).hexdigest()


def share(seed: str) -> float:
    """A number in [0, 1) that depends on `seed` alone: a draw that can be repeated."""
    return int(hashlib.sha256(seed.encode()).hexdigest()[:13], 16) / 16**13
