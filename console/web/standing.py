"""How reviewers, systems and sources stand: with the list behind each figure, and what to do about each trouble."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never

from connectors.store.engine import Transaction
from connectors.store.sources import Troubled
from console.web.look import Look
from console.web.render import ago
from domain.breaker import LONGEST_PAUSE_S
from domain.figures import Work
from domain.source_state import Trouble

UNTRIED_AFTER = timedelta(seconds=LONGEST_PAUSE_S)
"""After the end of its pause a source is read within minutes, by any schedule of ours; after so long nobody does."""


@dataclass(frozen=True)
class Cell:
    """A count, and the list of what it counts; no list where nothing can be in it."""

    count: int
    href: str = ""


@dataclass(frozen=True)
class Reviewer:
    """What somebody has to answer, and has answered; the empty name is nobody in particular's."""

    name: str
    waiting: Cell
    answered: Cell


@dataclass(frozen=True)
class Health:
    """How a system stands.

    Attributes:
        waiting: writes that are to be sent, and `dead` those that were given up.
        trouble: why nothing, or little, is sent there; empty where it works.
    """

    system: str
    waiting: Cell
    dead: Cell
    trouble: str


@dataclass(frozen=True)
class Unread:
    """A source that cannot be read.

    Attributes:
        says: since when, and why.
        mend: what to do, and what happens by itself.
    """

    policy: str
    source: str
    says: str
    mend: str


def reviewers(tx: Transaction, look: Look, now: datetime) -> list[Reviewer]:
    """By reviewer."""
    return [
        Reviewer(
            name,
            Cell(load.part, look.items(Work.ASSIGNED, whose=name) if name else look.items(Work.UNASSIGNED)),
            Cell(load.of, look.items(Work.ANSWERED_BY, whose=name) if name else ""),
        )
        for name, load in tx.workload.reviewers(look.choice(now)).items()
    ]


def systems(tx: Transaction, look: Look, now: datetime) -> list[Health]:
    """By system that has something to write, or is in trouble."""
    unwritten = tx.workload.unwritten(look.choice(now))
    trouble = {
        system: f"paused until {breaker.open_until:%H:%M} UTC: {breaker.why}"
        if breaker.open_until and breaker.paused(now)
        else f"being probed: {breaker.why}"
        for system, breaker in tx.systems.troubled(now).items()
    }
    found = []
    for name in sorted({*trouble, *unwritten}):
        counts = unwritten.get(name)
        waiting, dead = (
            Cell(counts.get(of, 0), look.items(of, whose=name)) if counts else Cell(0)
            for of in (Work.UNWRITTEN, Work.DEAD_LETTERS)
        )
        found.append(Health(name, waiting, dead, trouble.get(name, "")))
    return found


def unread(tx: Transaction, look: Look, now: datetime) -> Iterator[Unread]:
    """The sources that cannot be read, of the policies that are meant."""
    for one in tx.sources.troubled():
        if look.policy in ("", one.policy):
            yield _unread(one, now)


def _unread(one: Troubled, now: datetime) -> Unread:
    state, until = one.state, one.state.breaker.open_until
    since = f" since {state.since:%Y-%m-%d %H:%M} UTC, {ago(state.since, now)}" if state.since else ""
    why = state.breaker.why.rstrip(".")
    match state.trouble:
        case Trouble.REFUSED:
            says = f"has refused to be read{since}: {why}."
            mend = f"Mend its key, or what it is told: 'interlock doctor {one.policy}' looks at both."
        case Trouble.AWAY | None:
            says = f"has not answered{since}: {why}."
            mend = "See whether it is up and can be reached from the workers."
        case other:
            assert_never(other)
    if until is not None and now - until > UNTRIED_AFTER:
        idle = f"Nobody has tried it again since {until:%Y-%m-%d %H:%M} UTC: does the flow that reads it run?"
        return Unread(one.policy, one.shown, says, f"{mend} {idle}")
    then = f"at {until:%H:%M} UTC" if until and until > now else "by the next run"
    return Unread(one.policy, one.shown, says, f"{mend} It is tried again {then}, and read on from where it was.")
