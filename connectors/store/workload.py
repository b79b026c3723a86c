"""What people and systems have to do, and what people did: counts, and the reviews, writes and others of each.

As with the figures of items, one condition makes a count and the list behind it.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, String, TextClause, cast, exists, func, or_
from sqlmodel import Session, col, select

from connectors.store.escalations import NOT_TAKEN
from connectors.store.figures import UNWRITTEN, Choice, Place, late
from connectors.store.states import State as Sending
from connectors.store.tables import OperationRow, ReviewRow
from connectors.store.watch_tables import ClockRow, EscalationRow, JourneyRow
from domain.figures import Share, Work
from domain.review import ReviewKind

WRITES = (Work.UNWRITTEN, Work.DEAD_LETTERS)
"""What is a list of writes; all but these, the escalations and the clocks are of reviews."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class Reviewed:
    """A review behind a figure.

    Attributes:
        at: when it was opened or, in a list of answers, answered.
        answer: None while it waits.
    """

    review_id: str
    item_id: str
    policy: str
    kind: str
    at: datetime
    due_at: datetime
    answer: str | None

    @property
    def place(self) -> Place:
        """Where it stands in the list."""
        return (self.at - _EPOCH) // _MICROSECOND, self.review_id


@dataclass(frozen=True)
class Escalated:
    """An escalation behind a figure; `item_id`: in whose story it is told."""

    escalation_id: str
    item_id: str
    policy: str
    at: datetime
    message: str

    @property
    def place(self) -> Place:
        """Where it stands in the list."""
        return (self.at - _EPOCH) // _MICROSECOND, self.escalation_id


@dataclass(frozen=True)
class Late:
    """A clock that was late; of what is kept in step, `item_id` is the entity.

    Attributes:
        spell: which of the times that the entity was out of step; 0 of an item.
        ended_at: None while what was promised has not happened.
    """

    item_id: str
    clock: str
    spell: int
    policy: str
    due_at: datetime
    ended_at: datetime | None

    @property
    def place(self) -> Place:
        """Where it stands in the list."""
        return (self.due_at - _EPOCH) // _MICROSECOND, f"{self.item_id}.{self.clock}.{self.spell}"


@dataclass(frozen=True)
class Write:
    """A write behind a figure.

    Attributes:
        item_id: in whose story it is told; of a record that is kept in step its entity, of a message its notice.
        due_at: when it is tried next; None for a dead letter.
        why: what came of the last try; empty where there was none.
    """

    number: int
    item_id: str
    policy: str
    system: str
    state: str
    due_at: datetime | None
    why: str

    @property
    def place(self) -> Place:
        """Where it stands in the list."""
        return self.number, self.item_id


class Workload:
    """Who and what has how much to do, to read."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def reviewers(self, choice: Choice) -> dict[str, Share]:
        """By reviewer: reviews that are with them now (`part`), and those that they have answered since (`of`).

        What waits and is with nobody stands under the empty name.
        """
        load: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
        for of, place in ((Work.ASSIGNED, 0), (Work.UNASSIGNED, 0), (Work.ANSWERED_BY, 1)):
            who = _WHOSE[of]
            query = select(who, func.count()).where(*_which(of, choice, "")).group_by(who)
            for name, count in self._session.exec(query):
                load[name or ""][place] += count
        return {name: Share(part=part, of=of) for name, (part, of) in sorted(load.items())}

    def unwritten(self, choice: Choice) -> dict[str, dict[Work, int]]:
        """How many writes are not written, by system: those to be sent, and those that were given up."""
        found: defaultdict[str, dict[Work, int]] = defaultdict(dict)
        for of in (Work.UNWRITTEN, Work.DEAD_LETTERS):
            query = select(OperationRow.system, func.count()).where(*_which(of, choice, ""))
            for system, count in self._session.exec(query.group_by(col(OperationRow.system))):
                found[system][of] = count
        return dict(found)

    def reviews(self, choice: Choice, of: Work, whose: str, after: Place | None, count: int) -> list[Reviewed]:
        """Up to `count` of the reviews behind a figure, the newest first, from behind a place on.

        Args:
            whose: the reviewer; empty for all.
        """
        at, review_id = _at(of), col(ReviewRow.review_id)
        query = select(ReviewRow).where(*_which(of, choice, whose), *_behind(after, at, review_id))
        query = query.order_by(at.desc(), review_id.desc())
        return [_reviewed(row, of) for row in self._session.exec(query.limit(count))]

    def escalations(self, choice: Choice, after: Place | None, count: int) -> list[Escalated]:
        """Up to `count` of the escalations that nobody has taken over, the newest first, from behind a place on."""
        at, escalation_id = col(EscalationRow.began_at), col(EscalationRow.escalation_id)
        query = select(EscalationRow).where(*NOT_TAKEN, *_behind(after, at, escalation_id))
        query = query if choice.policy is None else query.where(EscalationRow.policy == choice.policy)
        query = query.order_by(at.desc(), escalation_id.desc())
        return [
            Escalated(row.escalation_id, row.story, row.policy, row.began_at, row.message)
            for row in self._session.exec(query.limit(count))
        ]

    def late(self, choice: Choice, now: datetime, after: Place | None, count: int) -> list[Late]:
        """Up to `count` of the clocks that were late, those due last first, from behind a place on."""
        at = col(ClockRow.due_at)
        named = col(ClockRow.item_id) + "." + col(ClockRow.clock) + "." + cast(ClockRow.spell, String)
        query = select(ClockRow).where(*late(choice, now), *_behind(after, at, named))
        return [
            Late(row.item_id, row.clock, row.spell, row.policy, row.due_at, row.ended_at)
            for row in self._session.exec(query.order_by(at.desc(), named.desc()).limit(count))
            if row.due_at is not None
        ]

    def writes(self, choice: Choice, of: Work, whose: str, after: Place | None, count: int) -> list[Write]:
        """Up to `count` of the writes behind a figure, the newest first, from behind a place on.

        Args:
            whose: the system; empty for all.
        """
        query = select(OperationRow).where(*_which(of, choice, whose)).order_by(col(OperationRow.seq).desc())
        query = query if after is None else query.where(col(OperationRow.seq) < after[0])
        return [_write(row) for row in self._session.exec(query.limit(count))]


_WHOSE: dict[Work, Any] = {
    Work.WAITING: col(ReviewRow.assignee),
    Work.CONFLICTS: col(ReviewRow.assignee),
    Work.ASSIGNED: col(ReviewRow.assignee),
    Work.UNASSIGNED: col(ReviewRow.assignee),
    Work.ANSWERED_BY: col(ReviewRow.reviewer),
    Work.UNWRITTEN: col(OperationRow.system),
    Work.DEAD_LETTERS: col(OperationRow.system),
}
_WAITS = col(ReviewRow.answered_at).is_(None)

_IS: dict[Work, tuple[ColumnElement[bool] | TextClause, ...]] = {
    Work.WAITING: (_WAITS,),
    Work.CONFLICTS: (_WAITS, col(ReviewRow.kind) == ReviewKind.CONFLICT),
    Work.ASSIGNED: (_WAITS, col(ReviewRow.assignee).is_not(None)),
    Work.UNASSIGNED: (_WAITS, col(ReviewRow.assignee).is_(None)),
    Work.ANSWERED_BY: (col(ReviewRow.answer).is_not(None),),
    Work.UNWRITTEN: (UNWRITTEN, col(OperationRow.state) != Sending.DEAD),
    Work.DEAD_LETTERS: (UNWRITTEN, col(OperationRow.state) == Sending.DEAD),
}


def _which(of: Work, choice: Choice, whose: str) -> Iterator[ColumnElement[bool] | TextClause]:
    """What is meant; work that waits is told as of now, whenever it came in."""
    row: Any = OperationRow if of in WRITES else ReviewRow
    yield from _IS[of]
    if whose:
        yield _WHOSE[of] == whose
    if choice.policy is not None:
        yield row.policy == choice.policy
    if choice.route is not None:
        yield exists().where(col(JourneyRow.item_id) == row.item_id, col(JourneyRow.route) == choice.route)
    if choice.since is not None and of is Work.ANSWERED_BY:
        yield _at(of) >= choice.since


def _behind(place: Place | None, at: Any, named: Any) -> Iterator[ColumnElement[bool]]:
    """What comes after a place of a list that goes back in time."""
    if place is not None:
        moment = _EPOCH + max(place[0], 0) * _MICROSECOND
        yield at <= moment
        yield or_(at < moment, named < place[1])


def _at(of: Work) -> Any:
    return col(ReviewRow.answered_at if of is Work.ANSWERED_BY else ReviewRow.opened_at)


def _reviewed(row: ReviewRow, of: Work) -> Reviewed:
    at = row.answered_at if of is Work.ANSWERED_BY and row.answered_at else row.opened_at
    named = ("review_id", "item_id", "policy", "kind", "due_at", "answer")
    return Reviewed(at=at, **{name: getattr(row, name) for name in named})


def _write(row: OperationRow) -> Write:
    due_at = None if row.state == Sending.DEAD else row.due_at
    outcome = row.outcome or {}
    why = str(outcome.get("detail") or outcome.get("kind") or "")
    return Write(row.seq or 0, row.item_id, row.policy, row.system, row.state, due_at, why)
