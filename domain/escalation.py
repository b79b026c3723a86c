"""Ladders of escalation: who is told next, by which channel and when, until somebody acknowledges.

One escalation is about one cause and one subject. What happens again while it stands is counted
on it. A ladder ends: each step is taken once, the last one is repeated a bounded number of times.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal, assert_never

from pydantic import AwareDatetime, Field, model_validator

from domain.business_time import Calendar
from domain.people import Channel
from domain.values import Frozen, digest


class Cause(StrEnum):
    """What people are told of because somebody must act; `interlock.` and this names Prefect's event."""

    REVIEW_LATE = "review.late"
    WRITE_DEAD_LETTERED = "write.dead_lettered"
    SLA_BREACHED = "sla.breached"
    STEPPED_BACK = "policy.stepped_back"
    DRIFTED = "policy.drifted"
    OVERLOADED = "policy.overloaded"
    """More reviews wait than reviewers may take."""
    VERSION_LOST = "policy.version_lost"
    """Reviews wait that began under a version of the policy which cannot be read any more."""
    SOURCE_UNREADABLE = "source.unreadable"
    RECORDS_REFUSED = "source.records_refused"
    """What a source had cannot become items, and nobody else would hear of it."""
    SYSTEM_PAUSED = "system.paused"


def kind(cause: Cause) -> Literal["item", "policy", "source", "system"]:
    """What the subjects of a cause are."""
    match cause:
        case Cause.REVIEW_LATE | Cause.WRITE_DEAD_LETTERED | Cause.SLA_BREACHED:
            return "item"
        case Cause.STEPPED_BACK | Cause.DRIFTED | Cause.OVERLOADED | Cause.VERSION_LOST:
            return "policy"
        case Cause.SOURCE_UNREADABLE | Cause.RECORDS_REFUSED:
            return "source"
        case Cause.SYSTEM_PAUSED:
            return "system"
        case _:
            assert_never(cause)


def lasts(cause: Cause) -> bool:
    """Whether what stands about a cause goes on: it is resolved when the cause ends, seen again or not."""
    return cause in (Cause.REVIEW_LATE, Cause.SLA_BREACHED, Cause.WRITE_DEAD_LETTERED)


class LadderStep(Frozen):
    """Whom to tell, and how.

    Attributes:
        to: a person or a team of the people file; by Prefect's event alone, any name.
        after_minutes: working minutes since the step before, the first since the escalation began.
        on_shift: of a team only those who are in their working hours.
    """

    to: str = Field(min_length=1)
    by: Channel = Channel.PREFECT
    after_minutes: float = Field(default=0, ge=0, le=100_000)
    on_shift: bool = False


class Ladder(Frozen):
    """Who is told, one after the other, until somebody acknowledges.

    Attributes:
        to: instead of `steps`: the one to whom Prefect's event is addressed.
        calendar: one of the policy's `calendars`, in whose time the minutes pass; without it every minute counts.
        repeats: how often the last step is taken again, every `repeat_minutes` working minutes.
        fold_minutes: within so many minutes people get one message of one cause, which counts what it stands for.
        quiet_minutes: so long after an acknowledgement, or the last notice, what goes on is
            counted; if it went on, an escalation begins anew then.
    """

    to: str | None = Field(default=None, min_length=1)
    steps: tuple[LadderStep, ...] = Field(default=(), max_length=20)
    calendar: str | None = Field(default=None, min_length=1)
    repeats: int = Field(default=2, ge=0, le=20)
    repeat_minutes: float = Field(default=240, gt=0, le=100_000)
    fold_minutes: float = Field(default=10, ge=0, le=1440)
    quiet_minutes: float = Field(default=60, gt=0, le=100_000)

    @model_validator(mode="after")
    def _one_of_both(self) -> "Ladder":
        if (self.to is None) == (not self.steps):
            raise ValueError("an escalation has either 'to' or 'steps'; add one or remove the other")
        return self

    @property
    def all_steps(self) -> tuple[LadderStep, ...]:
        """The steps, at least one."""
        return self.steps or (LadderStep(to=self.to or ""),)

    @property
    def by_event(self) -> tuple[str, ...]:
        """Those who are told by Prefect's event alone."""
        return tuple(dict.fromkeys(step.to for step in self.all_steps if step.by is Channel.PREFECT))

    @property
    def turns(self) -> int:
        """How many notices one escalation has at most."""
        return len(self.all_steps) + self.repeats

    def step(self, turn: int) -> LadderStep:
        """The step of a notice, the first being turn 0."""
        return self.all_steps[min(turn, len(self.all_steps) - 1)]


class Given(Frozen):
    """A notice that was given. `failed`: it reached nobody, or could not be delivered."""

    at: AwareDatetime
    failed: bool = False


class Course(Frozen):
    """How an escalation went so far.

    Attributes:
        last_at: when its cause was last seen.
        given: the notice of each turn, in order.
        lasts: whether its cause goes on for as long as it stands, seen again or not.
    """

    began_at: AwareDatetime
    last_at: AwareDatetime
    given: tuple[Given, ...] = ()
    acknowledged_at: AwareDatetime | None = None
    lasts: bool = False


class Move(StrEnum):
    """What is done with an escalation."""

    GIVE = "give"
    WAIT = "wait"
    CLOSE = "close"
    """It was acknowledged and its cause did not come back."""
    RENEW = "renew"
    """Its cause went on after everything: another begins."""


class Why(StrEnum):
    """Why a notice is given, or none is."""

    BEGUN = "begun"
    UNANSWERED = "unanswered"
    """Nobody has acknowledged in the step's time."""
    UNDELIVERED = "undelivered"
    """The notice before reached nobody."""
    REPEATED = "repeated"
    NOT_YET = "not_yet"
    ACKNOWLEDGED = "acknowledged"
    EXHAUSTED = "exhausted"
    """Everybody was told as often as the ladder says."""
    WENT_ON = "went_on"


class Next(Frozen):
    """What comes next in an escalation.

    Attributes:
        turn: of the notice to give; None for none.
        at: when to look again, where time alone changes anything.
    """

    move: Move
    why: Why
    turn: int | None = None
    at: AwareDatetime | None = None


def next_notice(ladder: Ladder, course: Course, calendar: Calendar, now: datetime) -> Next:
    """The notice that is due at `now`, or why none is.

    A notice that reached nobody is followed by the next step at once, but a repetition never is:
    whatever fails, an escalation gives at most `ladder.turns` notices.

    Args:
        calendar: in whose time the steps' minutes pass.
    """
    if course.acknowledged_at is not None:
        return _after_the_end(course, course.acknowledged_at, ladder, Why.ACKNOWLEDGED, now)
    turn = len(course.given)
    if turn >= ladder.turns:
        return _after_the_end(course, course.given[-1].at, ladder, Why.EXHAUSTED, now)
    at, why = _due(ladder, course, calendar, turn)
    if now < at:
        return Next(move=Move.WAIT, why=Why.NOT_YET, at=at)
    return Next(move=Move.GIVE, why=why, turn=turn)


def _due(ladder: Ladder, course: Course, calendar: Calendar, turn: int) -> tuple[datetime, Why]:
    wait = timedelta(minutes=ladder.step(turn).after_minutes)
    if turn == 0:
        return calendar.add(course.began_at, wait), Why.BEGUN
    before = course.given[-1]
    if turn >= len(ladder.all_steps):
        return calendar.add(before.at, timedelta(minutes=ladder.repeat_minutes)), Why.REPEATED
    if before.failed:
        return before.at, Why.UNDELIVERED
    return calendar.add(before.at, wait), Why.UNANSWERED


def _after_the_end(course: Course, ended_at: datetime, ladder: Ladder, why: Why, now: datetime) -> Next:
    quiet_until = ended_at + timedelta(minutes=ladder.quiet_minutes)
    if now < quiet_until:
        return Next(move=Move.WAIT, why=why, at=quiet_until)
    acknowledged = why is Why.ACKNOWLEDGED
    if course.last_at > ended_at or (acknowledged and course.lasts):
        return Next(move=Move.RENEW, why=Why.WENT_ON)
    return Next(move=Move.CLOSE if acknowledged else Move.WAIT, why=why)


class Pending(Frozen):
    """An escalation whose notice of `turn` is due."""

    escalation_id: str
    cause: Cause
    turn: int


Topic = tuple[Cause, int]
"""What is folded together: one cause, one turn of the ladder."""


def fold(
    pending: Sequence[Pending], last_given: Mapping[Topic, datetime], fold_minutes: float, now: datetime
) -> list[tuple[Pending, ...]]:
    """Which notices go out now, each group as one message.

    The first of a topic goes out at once; those that follow within `fold_minutes` wait for the
    rest of that time, and then go out together.

    Args:
        last_given: when a message of each topic last went out.
    """
    groups: defaultdict[Topic, list[Pending]] = defaultdict(list)
    for one in pending:
        groups[one.cause, one.turn].append(one)
    window = timedelta(minutes=fold_minutes)
    return [
        tuple(group)
        for topic, group in groups.items()
        if (last := last_given.get(topic)) is None or now >= last + window
    ]


def escalation_id(policy: str, cause: Cause, subject: str, began_at: datetime) -> str:
    """The id of an escalation: by what it is about and when it began."""
    return "es-" + digest(policy, cause.value, subject, began_at.isoformat())[:16]


class Matter(Frozen):
    """What a notice tells of one escalation: its latest message, and how often its cause was seen since when."""

    escalation_id: str
    message: str
    occurrences: int = Field(ge=1)
    began_at: AwareDatetime


NAMED = 10
"""Escalations that one message names; the others it counts."""


def headline(policy: str, matters: Sequence[Matter]) -> str:
    """One line that says what it is about: the first of them, and how many there are."""
    more = f" (and {len(matters) - 1} more)" if len(matters) > 1 else ""
    return f"{policy}: {matters[0].message}{more}"


def say(policy: str, matters: Sequence[Matter], why: Why, address: str = "") -> str:
    """The text of a notice: what happened, how often, and how to acknowledge it.

    It holds no customer's words and no secret, only where to look.

    Args:
        address: of the page where people acknowledge; empty where there is none.
    """
    lines = [headline(policy, matters), *_said(matters)]
    if why in (Why.UNANSWERED, Why.UNDELIVERED, Why.REPEATED):
        lines.append("Nobody has acknowledged this so far.")
    first = matters[0].escalation_id if len(matters) == 1 else "ID"
    lines.append(f"Who takes it over: interlock escalations acknowledge {first} --by NAME")
    if address:
        lines.append(f"or at {address}")
    return "\n".join(lines)


def _said(matters: Sequence[Matter]) -> list[str]:
    if len(matters) == 1:
        return [_since(matters[0])] if matters[0].occurrences > 1 else []
    lines = [f"- {one.escalation_id}: {one.message}" for one in matters[:NAMED]]
    if len(matters) > NAMED:
        lines.append(f"- and {len(matters) - NAMED} more: interlock escalations list")
    return lines


def _since(matter: Matter) -> str:
    return f"It was seen {matter.occurrences} times since {matter.began_at:%Y-%m-%d %H:%M} UTC."
