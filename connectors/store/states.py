"""Where a write of the outbox stands."""

from enum import StrEnum


class State(StrEnum):
    """Where an operation stands."""

    UNCOMPARED = "uncompared"
    """The target is to be searched for its record, from `due_at` on, before anything is sent."""
    COMPARING = "comparing"
    """Its target is being searched; if the lease runs out, somebody else searches."""
    ASKING = "asking"
    """A person was asked whether the target has its record."""
    PENDING = "pending"
    """To be sent, from `due_at` on."""
    SENDING = "sending"
    """Begun; if its lease runs out, the sender died and the outcome is unknown."""
    UNKNOWN = "unknown"
    """To be looked up, from `due_at` on, before anything is sent again."""
    DONE = "done"
    DEAD = "dead"


FINAL = (State.DONE, State.DEAD)
HELD = (State.SENDING, State.COMPARING)
"""States that have a lease."""
DUE = (State.UNCOMPARED, State.PENDING, State.UNKNOWN)
"""States that wait for their time."""
SEARCHED = (State.UNCOMPARED, State.COMPARING)
"""States in which the target is to be searched first."""
