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
    """An item was stored; from here on it is accounted for."""
    DUPLICATE = "duplicate"
    """What came in had come in before; it is not processed again."""
    REFUSED = "refused"
    """A record that could not become an item; it was never accepted."""
    TAKEN_OVER = "taken_over"
    """The run that worked on the item stopped half-way, and another took it over."""
    EXTRACTED = "extracted"
    """Fields were read from the item's text, each with the words that support it."""
    ASK_FAILED = "ask_failed"
    """A call to the model failed, with the number of the try and the outcome."""
    PROPOSED = "proposed"
    """What model and examples say of the item."""
    DECIDED = "decided"
    """What shall happen with the item, and the reason."""
    QUEUED = "queued"
    """A write was put in the outbox, in the transaction of the decision."""
    REVIEW_OPENED = "review_opened"
    """A person was asked; an answer is due by the time that is kept."""
    REVIEW_SHOWN = "review_shown"
    """The form was opened in Prefect."""
    REVIEW_RESUMED = "review_resumed"
    """The flow run that shows the form ended with an answer that nothing was made of yet, and runs again."""
    REVIEW_CANCELLED = "review_cancelled"
    """Somebody cancelled the flow run that shows the form: an answer by this form is not to be had."""
    REVIEW_AGREED = "review_agreed"
    """One of several people who must choose the same has done so."""
    REVIEW_ANSWERED = "review_answered"
    """A person's answer was taken."""
    ANSWER_REFUSED = "answer_refused"
    """A person's answer was not taken, and why."""
    ESCALATED = "escalated"
    """Somebody must act on something; the ladder begins."""
    RECURRED = "recurred"
    """What was escalated was seen again, and is counted."""
    NOTIFIED = "notified"
    """A step of the ladder was taken: who was told, by which channel."""
    NOTICE_FAILED = "notice_failed"
    """People could not be told; the next step is due."""
    ACKNOWLEDGED = "acknowledged"
    """Somebody takes an escalation over; nobody else is told."""
    RESOLVED = "resolved"
    """What was escalated is over."""
    ASSIGNED = "assigned"
    """Who should answer a review."""
    COMPARED = "compared"
    """A target was searched for duplicates of a record, or a person said what it is."""
    ATTEMPTED = "attempted"
    """A write was sent, or looked up, and what came of it."""
    DEAD_LETTERED = "dead_lettered"
    """A write was given up and needs mending."""
    PUT_BACK = "put_back"
    """Somebody had a dead letter sent again."""
    SUPERSEDED = "superseded"
    """Somebody ended a dead letter, because a later write of its record had gone out."""
    BALANCED = "balanced"
    """The books were checked: how many were accepted, how many are unaccounted."""
    STEPPED_BACK = "stepped_back"
    """The blind audit refuted the promise, and the mode was lowered."""
    RELEASED = "released"
    """Somebody lifted a step back."""
    DRIFTED = "drifted"
    """What comes in has changed since the thresholds were proven."""
    SYSTEM_PAUSED = "system_paused"
    """Nothing is sent to a system for a time, as it fails or limits."""
    SYSTEM_RESUMED = "system_resumed"
    """A paused system answers again."""
    SOURCE_PAUSED = "source_paused"
    """A source cannot be read, and is tried now and then."""
    SOURCE_REFUSED = "source_refused"
    """A source refuses to be read."""
    SOURCE_RESUMED = "source_resumed"
    """A source is read again."""
    ECHOED = "echoed"
    """A write of ours came back from a source as a change, and was not taken in."""
    CUSTOMER_ASKED = "customer_asked"
    """The customer was asked for something; clocks stand still."""
    CUSTOMER_ANSWERED = "customer_answered"
    """The customer answered; clocks go on."""
    CUSTOMER_SILENT = "customer_silent"
    """The longest time that clocks stand still for an answer was over without one."""
    SLA_WARNED = "sla_warned"
    """A promised time is nearly over."""
    SLA_BREACHED = "sla_breached"
    """A promised time was over before what was promised had happened."""
    EVENT_WAITS = "event_waits"
    """An event came to a case before its turn."""
    CASE_MOVED = "case_moved"
    """A case went from one state to another."""
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


def first_break(entries: Iterable[Entry]) -> int | None:
    """The `seq` of the first entry that does not follow from the one before; None when all do."""
    previous = GENESIS
    for seq, entry in enumerate(entries, start=1):
        if entry != link(previous, seq, entry.item_id, entry.at, entry.event, entry.facts):
            return seq
        previous = entry.hash
    return None
