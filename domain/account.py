"""The conservation law: what was accepted is done, waits, is escalated or is dead-lettered."""

from enum import StrEnum

from pydantic import Field

from domain.values import Frozen


class Disposition(StrEnum):
    """Where an accepted item stands; every one has exactly one."""

    DONE = "done"
    WAITING = "waiting"
    """Unclaimed, in work, before a person, or in the outbox."""
    ESCALATED = "escalated"
    """Its review is past its time."""
    DEAD_LETTERED = "dead_lettered"
    """A write of it was given up and needs mending."""


class Account(Frozen):
    """The balance over all items, or over one policy's.

    Attributes:
        accepted: counted in the ledger; the four dispositions are counted in the store, so
            that the two can disagree if anything was lost.
    """

    accepted: int = Field(ge=0)
    done: int = Field(ge=0)
    waiting: int = Field(ge=0)
    escalated: int = Field(ge=0)
    dead_lettered: int = Field(ge=0)

    @property
    def unaccounted(self) -> int:
        """Items that came in and stand nowhere; anything but 0 is a fault of ours."""
        return self.accepted - self.done - self.waiting - self.escalated - self.dead_lettered
