"""Who decides which review: load first, then turn by turn, among those who may and can.

Nobody who is away, out of hours or at their limit gets a review, and nobody decides about what
they sent or asked for. What nobody can take stays unassigned, with the reason.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Literal

from pydantic import AwareDatetime, Field, model_validator

from domain.people import Channel, Person
from domain.values import Frozen, digest

NEVER = datetime(1970, 1, 1, tzinfo=UTC)
"""Before anybody was assigned anything."""


class Overload(StrEnum):
    """What becomes of reviews when everybody at work is at their limit."""

    WAIT = "wait"
    """They wait, and the ladder's people are told once."""
    RULES = "rules"
    """Where a rule of the policy names the route or the action that is asked for, it is taken; all others wait."""
    WIDEN = "widen"
    """The next team takes them too."""


class Assigning(Frozen):
    """How a policy's reviews are given out.

    Attributes:
        team: whose members decide.
        limit: reviews that one person takes at the same time, who has no limit of their own.
        answer_minutes: of the person's working time; a review that lies longer goes to another.
        next_team: who helps, with `overload: widen`.
        tell: by which channel somebody hears of what was given to them; without it nobody is told.
    """

    team: str = Field(min_length=1)
    limit: int = Field(default=20, ge=1)
    answer_minutes: float = Field(default=120, gt=0, le=100_000)
    overload: Overload = Overload.WAIT
    next_team: str | None = Field(default=None, min_length=1)
    tell: Literal[Channel.SLACK, Channel.MAIL] | None = None

    @model_validator(mode="after")
    def _widening_needs_a_team(self) -> "Assigning":
        if (self.next_team is not None) != (self.overload is Overload.WIDEN):
            raise ValueError("next_team goes with 'overload: widen' and nothing else; add one or remove the other")
        return self


class Seat(Frozen):
    """A review that waits, and with whom.

    Attributes:
        barred: names of those who may not decide it, such as its item's sender.
        passed: those who had it and did not answer in time.
    """

    review_id: str
    opened_at: AwareDatetime
    barred: frozenset[str] = frozenset()
    assignee: str | None = None
    assigned_at: AwareDatetime | None = None
    passed: tuple[str, ...] = ()


class Because(StrEnum):
    """Why a review is with somebody, or with nobody."""

    STAYS = "stays"
    NEW = "new"
    AWAY = "away"
    """Whoever had it is away."""
    UNANSWERED = "unanswered"
    """Whoever had it did not answer in time."""
    NOT_THEIRS = "not_theirs"
    """Whoever had it may not decide it, or is in no team that does."""
    OFF_SHIFT = "off_shift"
    """Nobody is at work."""
    NOBODY_MAY = "nobody_may"
    """Nobody at work may decide it, or all of them have let it lie."""
    FULL = "full"
    """Everybody at work who may decide it is at their limit."""


class Placement(Frozen):
    """With whom a review is from now on, and why; `to` is None for nobody."""

    review_id: str
    to: str | None
    why: Because


def assign(
    seats: Sequence[Seat],
    team: Sequence[Person],
    helpers: Sequence[Person],
    terms: Assigning,
    now: datetime,
    held: Mapping[str, int],
    last: Mapping[str, datetime],
) -> list[Placement]:
    """Where each review is from now on, in the order in which they were opened.

    A review stays with whoever has it, unless they are away, may not decide it or let it lie.
    The others go to whoever at work has the fewest; among equals, to whoever was given one the
    longest ago.

    Args:
        team: who decides; `helpers` take what is left when all of them at work are at their limit.
        held: how many reviews of other policies each person has.
        last: when each person was last given one.
    """
    everybody = {person.name: person for person in (*team, *helpers)}
    moving = {seat.review_id: _why_move(seat, everybody, terms, now) for seat in seats}
    room = _Room(terms.limit, Counter(held), dict(last))
    still_theirs = (None, Because.UNANSWERED)
    room.load.update(seat.assignee for seat in seats if seat.assignee and moving[seat.review_id] in still_theirs)
    placements = []
    for seat in sorted(seats, key=lambda seat: (seat.opened_at, seat.review_id)):
        why = moving[seat.review_id]
        if why is None:
            placements.append(Placement(review_id=seat.review_id, to=seat.assignee, why=Because.STAYS))
            continue
        placements.append(_place(seat, why, (team, helpers), room, now))
    return placements


def _why_move(seat: Seat, everybody: Mapping[str, Person], terms: Assigning, now: datetime) -> Because | None:
    """Why a review must be given to somebody; None if it stays where it is."""
    if seat.assignee is None or seat.assigned_at is None:
        return Because.NEW
    person = everybody.get(seat.assignee)
    if person is None or person.name in seat.barred:
        return Because.NOT_THEIRS
    if person.absent(now):
        return Because.AWAY
    if person.calendar.between(seat.assigned_at, now) >= timedelta(minutes=terms.answer_minutes):
        return Because.UNANSWERED
    return None


@dataclass
class _Room:
    """Who has how many, and when each was last given one; filled while reviews are given out."""

    limit: int
    load: Counter[str]
    turn: dict[str, datetime]

    def has(self, person: Person) -> bool:
        return self.load[person.name] < (person.limit or self.limit)

    def take(self, person: Person, now: datetime) -> None:
        self.load[person.name] += 1
        self.turn[person.name] = max([now, *self.turn.values()]) + timedelta(microseconds=1)

    def first(self, people: Sequence[Person]) -> Person:
        """Of several, the one whose turn it is; the earlier in the file where nothing else tells."""
        return min(people, key=lambda person: (self.load[person.name], self.turn.get(person.name, NEVER)))


def _place(
    seat: Seat, why: Because, teams: tuple[Sequence[Person], Sequence[Person]], room: _Room, now: datetime
) -> Placement:
    let_it_lie = {*seat.passed, *([seat.assignee] if why is Because.UNANSWERED else [])}
    at_work = [[person for person in team if person.at_work(now)] for team in teams]
    may = [[person for person in team if person.name not in seat.barred | let_it_lie] for team in at_work]
    free = [[person for person in team if room.has(person)] for team in may]
    chosen = free[0] or (free[1] if may[0] else [])
    if chosen:
        first = room.first(chosen)
        room.take(first, now)
        if why is Because.UNANSWERED and seat.assignee is not None:
            room.load[seat.assignee] -= 1
        return Placement(review_id=seat.review_id, to=first.name, why=why)
    if why is Because.UNANSWERED:
        return Placement(review_id=seat.review_id, to=seat.assignee, why=Because.STAYS)
    reason = Because.FULL if may[0] else Because.NOBODY_MAY if at_work[0] else Because.OFF_SHIFT
    return Placement(review_id=seat.review_id, to=None, why=reason)


class Assigned(Frozen):
    """A review that was given to somebody, as they are told of it; nothing in it is a customer's.

    Attributes:
        kind: what is asked, as a code.
        why: why a person is asked, as a code.
    """

    review_id: str
    kind: str
    why: str
    due_at: AwareDatetime


def notice_id(to: str, given: Sequence[Assigned], now: datetime) -> str:
    """Names what somebody is told: by who they are, what was given to them, and when."""
    return "as-" + digest(to, [one.review_id for one in given], now.isoformat())[:16]


def say_assigned(policy: str, given: Sequence[Assigned]) -> tuple[str, str]:
    """What somebody is told of reviews that were given to them: a subject, and the text, which begins with it."""
    first = min(one.due_at for one in given)
    many = len(given) > 1
    subject = f"{policy}: {f'{len(given)} reviews are' if many else 'a review is'} yours to answer"
    lines = [
        subject,
        f"What is asked: {_counted([one.kind for one in given])}",
        f"Why a person is asked: {_counted([one.why for one in given])}",
        f"Due by {first:%Y-%m-%d %H:%M} UTC{', the first of them' if many else ''}",
    ]
    return subject, "\n".join(lines)


def _counted(codes: Sequence[str]) -> str:
    """Codes as words, the most frequent first; how often each, where there are several."""
    counts = Counter(code.replace("_", " ") for code in codes)
    return ", ".join(f"{code} ({count})" if len(codes) > 1 else code for code, count in counts.most_common())
