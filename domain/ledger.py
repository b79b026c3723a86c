"""The ledger's entries: what can happen, and the chain that makes them tamper-evident."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

from pydantic import AwareDatetime, Field

from domain.values import Frozen, digest

GENESIS = "0" * 64
"""Hash that the first entry follows."""

GONE = "(erased)"
"""What stands for a text that was erased."""

IMPERSONAL = frozenset(
    """
    policy source how by proven reviewer to from after before event state version action object system
    destination operation newer review asks flow_run again missing escalation cause occurrences others turn
    notice clock due_at until since ended_at accepted done waiting escalated dead_lettered unaccounted attempt
    look_up search found outcome next moved gone external limit kind reason route proposed holds rule flags
    filled confidence threshold mode writes waits proposal_hash policy_fingerprint label model_label scores_from
    tampering opinion model classifier hash cached calls tokens latency_s through merged_into failures drifts n
    wrong target finding fields entries items cases run wrote spell
    """.split()  # noqa: SIM905  a list of words reads better than a column of quotes
)
"""Names of facts that never tell of whom something is about. Codes, counts, times, ids of our own, names of the
policy's, and of those who work with it. What is not listed counts as personal: a new fact can be erased."""


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
    ERASED = "erased"
    """What was kept of a person, or of something that is over, was erased; of whom is not told."""


class Sealed(Frozen):
    """The facts of an entry that may tell of a person: the chain holds them by a seal, so that they can go.

    Attributes:
        names: of these facts.
        salt: 32 hex digits of chance, without which nobody can try out what stood under a seal; gone with the facts.
        seal: digest of salt and facts, once they are erased; of all facts, unsalted, where `whole`.
        whole: whether the entry is older than seals, so that of the facts that are left none is proven any more.
    """

    names: tuple[str, ...]
    salt: str | None = None
    seal: str | None = None
    whole: bool = False


class Entry(Frozen):
    """One thing that happened. Never deleted, and never changed but that its sealed facts may be erased.

    Attributes:
        seq: 1 for the first, without gaps.
        item_id: None where it concerns no single item.
        facts: what is worth keeping of it, in JSON values; never a secret.
        previous: hash of the entry before.
        hash: of this entry's content and `previous`.
        sealed: which of the facts may tell of a person; None where none does, and in entries older than seals.
    """

    seq: int = Field(ge=1)
    item_id: str | None
    at: AwareDatetime
    event: Event
    facts: dict[str, Any]
    previous: str
    hash: str
    sealed: Sealed | None = None

    @property
    def is_erased(self) -> bool:
        """Whether facts of it were erased."""
        return self.sealed is not None and self.sealed.seal is not None

    @property
    def is_personal(self) -> bool:
        """Whether it has facts that may tell of a person."""
        return not self.is_erased and bool(personal(self.facts))


def link(
    previous: str,
    seq: int,
    item_id: str | None,
    at: AwareDatetime,
    event: Event,
    facts: dict[str, Any],
    salt: str | None = None,
) -> Entry:
    """The entry that follows the one with hash `previous`.

    The chain takes the facts in by their digest; under a seal of their own those that may tell of a person, if
    there is a `salt` to seal them with.
    """
    names = personal(facts) if salt else ()
    sealed = Sealed(names=names, salt=salt) if names else None
    entry = Entry(seq=seq, item_id=item_id, at=at, event=event, facts=facts, previous=previous, hash="", sealed=sealed)
    return entry.model_copy(update={"hash": _hash(entry)})


def personal(facts: dict[str, Any]) -> tuple[str, ...]:
    """The names of the facts that may tell of a person: all that say something and are not known to be `IMPERSONAL`."""
    return tuple(sorted(name for name, fact in facts.items() if name not in IMPERSONAL and blank(fact) != fact))


def erased(entry: Entry) -> Entry:
    """The entry without the facts that may tell of a person; the chain goes on to hold."""
    sealed = entry.sealed or Sealed(names=personal(entry.facts), seal=digest(entry.facts), whole=True)
    if sealed.seal is None:
        sealed = sealed.model_copy(update={"salt": None, "seal": _seal(sealed, entry.facts)})
    facts = {name: blank(fact) if name in sealed.names else fact for name, fact in entry.facts.items()}
    return entry.model_copy(update={"facts": facts, "sealed": sealed})


def blank(value: Any) -> Any:
    """A JSON value of the same shape in which every text that says something is `GONE`."""
    match value:
        case str():
            return GONE if value else value
        case list() | tuple():
            return [blank(one) for one in value]
        case dict():
            return {name: blank(one) for name, one in value.items()}
        case _:
            return value


def first_break(entries: Iterable[Entry], after: Entry | None = None) -> int | None:
    """The `seq` of the first entry that does not follow from the one before; None when all do.

    Facts that were erased are held to their seal, and to saying nothing any more.

    Args:
        after: the entry that they follow, taken as it stands; without it they begin with the first of all.
    """
    previous, begun = (after.hash, after.seq) if after else (GENESIS, 0)
    for seq, entry in enumerate(entries, start=begun + 1):
        if (entry.seq, entry.previous, entry.hash) != (seq, previous, _hash(entry)) or not _holds(entry):
            return seq
        previous = entry.hash
    return None


def _hash(entry: Entry) -> str:
    content = (entry.previous, entry.seq, entry.item_id, entry.at.isoformat(), entry.event.value)
    sealed = entry.sealed
    if sealed is None:
        return digest(*content, digest(entry.facts))
    if sealed.whole:
        return digest(*content, sealed.seal)
    rest = {name: fact for name, fact in entry.facts.items() if name not in sealed.names}
    return digest(*content, digest(rest), sealed.seal or _seal(sealed, entry.facts))


def _seal(sealed: Sealed, facts: dict[str, Any]) -> str:
    return digest(sealed.salt, {name: facts.get(name) for name in sealed.names})


def _holds(entry: Entry) -> bool:
    """Whether what is sealed is there, or gone altogether."""
    sealed = entry.sealed
    if sealed is None or sealed.seal is None:
        return True
    kept = {name: entry.facts.get(name) for name in sealed.names}
    return sealed.salt is None and kept == blank(kept)
