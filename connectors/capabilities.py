"""What a system can do, as its connector says and the contract kit holds."""

from dataclasses import dataclass
from enum import StrEnum


class Upsert(StrEnum):
    """How a system is made to hold one record under our key."""

    KEY = "key"
    """It takes our key and decides itself, atomically."""
    SEARCH = "search"
    """We look first; two writers at once may make two, where it refuses no doubled key."""
    NONE = "none"
    """Every send makes another record."""


class Idempotency(StrEnum):
    """What keeps a repeated send from acting twice."""

    KEY = "key"
    """It recognises the operation's id in the request, for as long as it says."""
    TRACE = "trace"
    """The operation's id stays on the record, where `find` looks for it."""
    CONTENT = "content"
    """Sending the same values again changes nothing."""
    NONE = "none"
    """Nothing does: an unknown outcome needs a person."""


class Versioning(StrEnum):
    """What protects a change that somebody else made since we read."""

    COMPARE = "compare"
    """Compare-and-set: a stale write is refused."""
    READ_BACK = "read_back"
    """Nothing; the connector reads again after the write."""
    NONE = "none"


@dataclass(frozen=True)
class Capabilities:
    """What a system can do, as its documentation says and its contract test holds.

    Attributes:
        batch: most operations in one request; 1 for systems without batches.
        search_lag_s: for so long after a write a look-up may miss it, in seconds.
        rate_per_s: requests a second that it allows one client, where it says so.
        searches_per_s: of these, searches for duplicates, where it allows fewer.
        deltas: whether it tells what changed since a cursor (see `Changes`).
    """

    upsert: Upsert
    idempotency: Idempotency
    versioning: Versioning = Versioning.NONE
    batch: int = 1
    search_lag_s: float = 0
    rate_per_s: float | None = None
    searches_per_s: float | None = None
    deltas: bool = False
