"""What each promise on time showed last, kept so that those which run out are found by an index.

The rows follow the ledger: whatever writes events need not know of clocks, and a row can be
read anew from its item's entries at any time.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, case, delete, func, insert, inspect, or_, tuple_, update
from sqlmodel import Session, col, select

from connectors.store.cursors import Cursors
from connectors.store.ledger import Ledger
from connectors.store.spells import Spells, Timed
from connectors.store.tables import EntryRow, ItemRow
from connectors.store.watch_tables import ClockRow
from domain.ledger import Entry, Event
from domain.moments import Moments, moments
from domain.sla import OPEN, Clock, ClockName, Compliance, Reading, State, read

INSTANT = timedelta(microseconds=1)
"""The least that a clock can be late."""


@dataclass(frozen=True)
class Alarm:
    """A clock of an item, or an entity, that is late, or about to be; in the ledger, and nobody was told yet."""

    item_id: str
    reading: Reading


class Clocks:
    """The clocks of every policy's items, and of its entities while they are out of step."""

    def __init__(self, session: Session, ledger: Ledger, cursors: Cursors, spells: Spells) -> None:
        self._session = session
        self._ledger = ledger
        self._cursors = cursors
        self._spells = spells

    def follow(self, policy: str, clocks: Sequence[Clock], count: int, now: datetime) -> bool:
        """Read the clocks of the items that the next `count` entries are about; False when all are read.

        While nothing is promised everything is passed over, so that a promise holds for what comes after it.
        """
        source = f"clocks:{policy}"
        after, head = int(self._cursors.of(source) or 0), self._ledger.head()[0]
        if after >= head:
            return False
        upto = min(after + count, head) if clocks else head
        if clocks:
            touched = self._touched(policy, after, upto) + self._spells.touched(policy, after, upto)
            self._keep(policy, clocks, touched, self._read(clocks, touched, now))
        self._cursors.move(source, str(upto), now)
        return True

    def ring(self, policy: str, clocks: Sequence[Clock], count: int, now: datetime) -> list[Alarm] | None:
        """Record up to `count` clocks that are late or about to be, once each; None when there are no more.

        They are read anew first, so that nothing rings that ended a moment ago.
        """
        query = select(ClockRow.item_id, ClockRow.spell).where(ClockRow.policy == policy, col(ClockRow.wake_at) <= now)
        due = sorted({Timed(*row) for row in self._session.exec(query.order_by(col(ClockRow.wake_at)).limit(count))})
        if not due:
            return None
        shown = self._read(clocks, due, now)
        ringing = [one for one in shown if one.wake_at is not None and one.wake_at <= now]
        self._ledger.append_all([_happened(one) for one in ringing], now)
        self._keep(policy, clocks, due, [one.told(now) if one in ringing else one for one in shown])
        return [Alarm(one.of.item_id, one.reading) for one in ringing]

    def compliance(self, policy: str, since: datetime, until: datetime) -> list[Compliance]:
        """Each clock's figure over what was met or became late after `since`, up to `until`; open ones as of then."""
        is_open = col(ClockRow.state).in_(OPEN)
        late = and_(is_open, col(ClockRow.due_at).is_not(None), col(ClockRow.due_at) < until)
        state = case((late, State.BREACHED.value), else_=col(ClockRow.state))
        moment = case((late, col(ClockRow.due_at)), else_=col(ClockRow.settled_at))
        counted = or_(and_(is_open, ~late), and_(moment > since, moment <= until))
        query = (
            select(ClockRow.clock, state, col(ClockRow.ended_at).is_(None), func.count())
            .where(ClockRow.policy == policy, counted)
            .group_by(col(ClockRow.clock), state, col(ClockRow.ended_at).is_(None))
        )
        counts: defaultdict[str, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
        for clock, how, unended, n in self._session.exec(query):
            counts[clock]["running" if how == State.WARNED else how] += n
            counts[clock]["late"] += n if unended and how == State.BREACHED else 0
        return [Compliance(clock=name, **counts[name]) for name in ClockName if name in counts]

    def _touched(self, policy: str, after: int, upto: int) -> list[Timed]:
        """The policy's items that the entries in (`after`, `upto`] are about."""
        about = select(EntryRow.item_id).where(col(EntryRow.seq) > after, col(EntryRow.seq) <= upto)
        touched = {item_id for item_id in self._session.exec(about) if item_id}
        ours = select(ItemRow.item_id).where(col(ItemRow.item_id).in_(touched), ItemRow.policy == policy)
        return sorted(map(Timed, self._session.exec(ours)))

    def _read(self, clocks: Sequence[Clock], timed: Collection[Timed], now: datetime) -> "list[_Shown]":
        """What their clocks show, from the ledger.

        Where another machine's clock is ahead, what it wrote has happened all the same.
        """
        rows = self._session.exec(select(ClockRow).where(_of(timed)))
        told = {(Timed(row.item_id, row.spell), row.clock): (row.warned_at, row.breached_at) for row in rows}
        shown = []
        for one, (happened, last) in self._moments(timed):
            readings = [reading for clock in clocks if (reading := read(clock, happened, max(now, last)))]
            shown += [_Shown(one, reading, *told.get((one, reading.clock), (None, None))) for reading in readings]
        return shown

    def _moments(self, timed: Collection[Timed]) -> Iterator[tuple[Timed, tuple[Moments, datetime]]]:
        """Of each, what its clocks run between, and when the last of it was written."""
        for item_id, story in self._stories([one.item_id for one in timed if not one.spell]).items():
            if (happened := moments(story)) is not None:
                yield Timed(item_id), (happened, story[-1].at)
        if spells := [one for one in timed if one.spell]:
            yield from self._spells.moments(spells).items()

    def _keep(self, policy: str, clocks: Sequence[Clock], timed: Collection[Timed], shown: "Sequence[_Shown]") -> None:
        """Put what their clocks show in place of what they showed; those that are gone never ring again."""
        if not timed:
            return
        theirs, named = _of(timed), [clock.name.value for clock in clocks]
        self._session.execute(delete(ClockRow).where(theirs, col(ClockRow.clock).in_(named)))
        self._session.execute(update(ClockRow).where(theirs).values(wake_at=None))
        if shown:
            self._session.execute(insert(ClockRow), [one.row(policy) for one in shown])

    def _stories(self, items: Sequence[str]) -> dict[str, list[Entry]]:
        stories = defaultdict[str, list[Entry]](list)
        table = inspect(EntryRow).local_table  # rows without objects: they are many
        query = table.select().where(table.c.item_id.in_(items)).order_by(table.c.seq)
        for row in self._session.execute(query).mappings():
            stories[row["item_id"]].append(Entry(**row))
        return stories


def _of(timed: Collection[Timed]) -> Any:
    """The rows of these."""
    return tuple_(col(ClockRow.item_id), col(ClockRow.spell)).in_(timed)


@dataclass(frozen=True)
class _Shown:
    """What a clock shows, and when somebody was told of it."""

    of: Timed
    reading: Reading
    warned_at: datetime | None
    breached_at: datetime | None

    @property
    def wake_at(self) -> datetime | None:
        """When somebody is to be told: of a breach when it is late, of a warning that is not late yet."""
        reading = self.reading
        match reading.state:
            case State.RUNNING | State.WARNED:
                warned = self.warned_at is not None or reading.warn_at is None
                at = reading.due_at if warned else reading.warn_at
                return at + INSTANT if at and warned else at
            case State.BREACHED if self.breached_at is None and reading.due_at is not None:
                return reading.due_at + INSTANT
            case _:
                return None

    def told(self, now: datetime) -> "_Shown":
        """The same once somebody was told."""
        late = self.reading.state is State.BREACHED
        return replace(self, breached_at=now) if late else replace(self, warned_at=now)

    def row(self, policy: str) -> dict[str, Any]:
        """As it is kept."""
        reading = self.reading
        return {
            "item_id": self.of.item_id,
            "clock": reading.clock.value,
            "spell": self.of.spell,
            "policy": policy,
            "state": reading.state.value,
            "due_at": reading.due_at,
            "ended_at": reading.ended_at,
            "settled_at": reading.due_at if reading.state is State.BREACHED else reading.ended_at,
            "warned_at": self.warned_at,
            "breached_at": self.breached_at,
            "wake_at": self.wake_at,
        }


def _happened(one: _Shown) -> tuple[str, Event, dict[str, Any]]:
    """What rings, for the ledger."""
    reading = one.reading
    facts = {"clock": reading.clock.value, "due_at": _minute(reading.due_at)}
    if reading.state is State.BREACHED:
        return one.of.item_id, Event.SLA_BREACHED, facts | {"ended_at": _minute(reading.ended_at)}
    return one.of.item_id, Event.SLA_WARNED, facts


def _minute(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="minutes") if moment else None
