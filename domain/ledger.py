"""The ledger's entries: what can happen, and the chain that makes them tamper-evident."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

from pydantic import AwareDatetime, Field

from domain.values import Frozen, digest

GENESIS = "0" * 64
"""Hash that the first entry follows."""


class Event(StrEnum):
    """Everything that the ledger records."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    REFUSED = "refused"
    """A record that could not become an item; it was never accepted."""
    TAKEN_OVER = "taken_over"
    EXTRACTED = "extracted"
    ASK_FAILED = "ask_failed"
    PROPOSED = "proposed"
    DECIDED = "decided"
    QUEUED = "queued"
    REVIEW_OPENED = "review_opened"
    REVIEW_SHOWN = "review_shown"
    REVIEW_RESUMED = "review_resumed"
    """The flow run that shows the form ended with an answer that nothing was made of yet, and runs again."""
    REVIEW_CANCELLED = "review_cancelled"
    """Somebody cancelled the flow run that shows the form: an answer by this form is not to be had."""
    REVIEW_AGREED = "review_agreed"
    REVIEW_ANSWERED = "review_answered"
    ANSWER_REFUSED = "answer_refused"
    ESCALATED = "escalated"
    RECURRED = "recurred"
    NOTIFIED = "notified"
    NOTICE_FAILED = "notice_failed"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    ASSIGNED = "assigned"
    COMPARED = "compared"
    """A target was searched for duplicates of a record, or a person said what it is."""
    ATTEMPTED = "attempted"
    DEAD_LETTERED = "dead_lettered"
    PUT_BACK = "put_back"
    """Somebody had a dead letter sent again."""
    SUPERSEDED = "superseded"
    """Somebody ended a dead letter, because a later write of its record had gone out."""
    BALANCED = "balanced"
    STEPPED_BACK = "stepped_back"
    RELEASED = "released"
    DRIFTED = "drifted"
    SYSTEM_PAUSED = "system_paused"
    SYSTEM_RESUMED = "system_resumed"
    SOURCE_PAUSED = "source_paused"
    SOURCE_REFUSED = "source_refused"
    SOURCE_RESUMED = "source_resumed"
    ECHOED = "echoed"
    """A write of ours came back from a source as a change, and was not taken in."""
    CUSTOMER_ASKED = "customer_asked"
    CUSTOMER_ANSWERED = "customer_answered"
    CUSTOMER_SILENT = "customer_silent"
    """The longest time that clocks stand still for an answer was over without one."""
    SLA_WARNED = "sla_warned"
    SLA_BREACHED = "sla_breached"
    EVENT_WAITS = "event_waits"
    CASE_MOVED = "case_moved"
    LINKED = "linked"
    """A system's record was found to be one of an entity's, or two entities to be one."""
    MERGED = "merged"
    """Edits of an entity's fields were heard; of what they made of the fields, only the names are here."""
    OUT_OF_STEP = "out_of_step"
    """A change of an entity was observed that a system which is to hold it does not hold yet."""
    IN_STEP = "in_step"
    """No system lacks anything of an entity any more that was out of step."""


class Entry(Frozen):
    """One thing that happened. Never changed, never deleted.

    Attributes:
        seq: 1 for the first, without gaps.
        item_id: None where it concerns no single item.
        facts: what is worth keeping of it, in JSON values; never a secret.
        previous: hash of the entry before.
        hash: of this entry's content and `previous`.
    """

    seq: int = Field(ge=1)
    item_id: str | None
    at: AwareDatetime
    event: Event
    facts: dict[str, Any]
    previous: str
    hash: str


def link(previous: str, seq: int, item_id: str | None, at: AwareDatetime, event: Event, facts: dict[str, Any]) -> Entry:
    """The entry that follows the one with hash `previous`.

    The chain takes the facts in by their digest.
    """
    hashed = digest(previous, seq, item_id, at.isoformat(), event.value, digest(facts))
    return Entry(seq=seq, item_id=item_id, at=at, event=event, facts=facts, previous=previous, hash=hashed)


def first_break(entries: Iterable[Entry], after: Entry | None = None) -> int | None:
    """The `seq` of the first entry that does not follow from the one before; None when all do.

    Args:
        after: the entry that they follow, taken as it stands; without it they begin with the first of all.
    """
    previous, begun = (after.hash, after.seq) if after else (GENESIS, 0)
    for seq, entry in enumerate(entries, start=begun + 1):
        if entry != link(previous, seq, entry.item_id, entry.at, entry.event, entry.facts):
            return seq
        previous = entry.hash
    return None
