"""When the things happened to an item that promises on time are about, told by its ledger entries."""

from collections.abc import Iterable
from datetime import datetime

from pydantic import AwareDatetime

from domain.delivery import Step
from domain.duplicates import Finding
from domain.ledger import Entry, Event
from domain.values import Frozen


class Pause(Frozen):
    """The customer owed an answer in [begins, ends). `ends` is None while it is still owed."""

    begins: AwareDatetime
    ends: AwareDatetime | None = None


class Moments(Frozen):
    """What promises are measured between.

    Those of an item begin with its acceptance; those of an entity that is out of step with a change.

    Attributes:
        accepted_at: None for an entity.
        decided_at: the first decision, be it to ask a person, or to let an event before its turn wait.
        delivered_at: every write that was asked for has its end, and one at least was written.
        closed_at: nothing is written: it was decided so, or no destination was meant, or every write ended
            unwritten. Or an entity turned out to be another one.
        answered_at: a person's answer settled the review.
        changed_at: a change of an entity was observed that not every system held.
        synced_at: every system held it, and all that was observed since.
        pauses: in order, none overlaps another.
    """

    accepted_at: AwareDatetime | None = None
    decided_at: AwareDatetime | None = None
    delivered_at: AwareDatetime | None = None
    closed_at: AwareDatetime | None = None
    review_opened_at: AwareDatetime | None = None
    answered_at: AwareDatetime | None = None
    changed_at: AwareDatetime | None = None
    synced_at: AwareDatetime | None = None
    pauses: tuple[Pause, ...] = ()


def moments(entries: Iterable[Entry]) -> Moments | None:
    """An item's moments, from its entries in their order; None if it was never accepted."""
    seen = _Seen()
    for entry in entries:
        seen.take(entry)
    return seen.moments()


def spell(entry: Entry) -> Moments:
    """The moments of a time for which an entity is, or was, out of step, from the entry that began or ended it."""
    changed_at = datetime.fromisoformat(entry.facts["since"])
    if entry.event is Event.OUT_OF_STEP:
        return Moments(changed_at=changed_at)
    ended = "closed_at" if entry.facts.get("merged_into") else "synced_at"
    return Moments(changed_at=changed_at, **{ended: entry.at})


class _Seen:
    """What the entries have said so far. Where a thing happens twice, the first time counts."""

    def __init__(self) -> None:
        self._at: dict[str, AwareDatetime] = {}
        self._pauses: list[Pause] = []
        self._unwritten: set[str] = set()
        self._settled = False
        self._written = False
        self._over_at: AwareDatetime | None = None

    def take(self, entry: Entry) -> None:
        """One more entry."""
        match entry.event:
            case Event.ACCEPTED:
                self._first("accepted_at", entry)
            case Event.DECIDED:
                self._decided(entry)
            case Event.EVENT_WAITS:
                self._first("decided_at", entry)
            case Event.REVIEW_OPENED:
                self._first("review_opened_at", entry)
            case Event.REVIEW_ANSWERED:
                self._first("answered_at", entry)
            case Event.QUEUED:
                self._unwritten.add(entry.facts["operation"])
                self._over_at = None
            case Event.ATTEMPTED if entry.facts["next"] == Step.DONE and not entry.facts.get("moved"):
                self._written |= self._settled
                self._ended(entry)
            case Event.SUPERSEDED:
                self._ended(entry)
            case Event.COMPARED if entry.facts["finding"] == Finding.UNWANTED:
                self._ended(entry)
            case Event.CUSTOMER_ASKED if not self._owed:
                self._pauses.append(Pause(begins=entry.at))
            case Event.CUSTOMER_ANSWERED | Event.CUSTOMER_SILENT if self._owed:
                self._resume(entry)
            case _:
                pass

    def moments(self) -> Moments | None:
        """All that was said. The writes of a decision come with it: where none did, none will."""
        if self._over_at is not None:
            self._at.setdefault("delivered_at" if self._written else "closed_at", self._over_at)
        return Moments(**self._at, pauses=tuple(self._pauses)) if "accepted_at" in self._at else None

    @property
    def _owed(self) -> bool:
        return bool(self._pauses) and self._pauses[-1].ends is None

    def _resume(self, entry: Entry) -> None:
        """The pause ends when the entry says that it did: what is noticed later held up nothing in between."""
        begins, since = self._pauses.pop().begins, entry.facts.get("since")
        ends = min(entry.at, datetime.fromisoformat(since)) if since else entry.at
        self._pauses.append(Pause(begins=begins, ends=max(begins, ends)))

    def _decided(self, entry: Entry) -> None:
        self._first("decided_at", entry)
        if entry.facts["waits"]:
            return
        self._settled = True
        if "review_opened_at" in self._at:
            self._first("answered_at", entry)
        if not entry.facts["writes"]:
            self._first("closed_at", entry)
        elif not self._unwritten:
            self._over_at = entry.at

    def _ended(self, entry: Entry) -> None:
        """A write has its end, be it that it is not made."""
        self._unwritten.discard(entry.facts["operation"])
        if self._settled and not self._unwritten:
            self._over_at = self._over_at or entry.at

    def _first(self, name: str, entry: Entry) -> None:
        self._at.setdefault(name, entry.at)
