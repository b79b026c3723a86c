"""What each promise on time showed last, kept so that those which run out are found by an index.

The rows follow the ledger: whatever writes events need not know of clocks, and a row can be
read anew from its item's entries at any time.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, case, func, or_
from sqlmodel import Session, col, select

from connectors.store.cursors import Cursors
from connectors.store.ledger import Ledger
from connectors.store.tables import ClockRow, EntryRow, ItemRow
from domain.ledger import Entry, Event
from domain.moments import moments
from domain.sla import OPEN, Clock, ClockName, Compliance, Reading, State, read

INSTANT = timedelta(microseconds=1)
"""The least that a clock can be late."""


@dataclass(frozen=True)
class Alarm:
    """A clock of an item that is late, or about to be; it is in the ledger, and nobody was told yet."""

    item_id: str
    reading: Reading


class Clocks:
    """The clocks of every policy's items."""

    def __init__(self, session: Session, ledger: Ledger, cursors: Cursors) -> None:
        self._session = session
        self._ledger = ledger
        self._cursors = cursors

    def follow(self, policy: str, clocks: Sequence[Clock], count: int, now: datetime) -> bool:
        """Read the clocks of the items that the next `count` entries are about; False when all are read."""
        source = f"clocks:{policy}"
        after, head = int(self._cursors.of(source) or 0), self._ledger.head()[0]
        if after >= head:
            return False
        upto = min(after + count, head)
        query = (
            select(ItemRow.item_id)
            .join(EntryRow, col(EntryRow.item_id) == ItemRow.item_id)
            .where(ItemRow.policy == policy, col(EntryRow.seq) > after, col(EntryRow.seq) <= upto)
            .distinct()
        )
        self._read(policy, clocks, list(self._session.exec(query)), now)
        self._cursors.move(source, str(upto), now)
        return True

    def ring(self, policy: str, clocks: Sequence[Clock], count: int, now: datetime) -> list[Alarm] | None:
        """Record up to `count` clocks that are late or about to be, once each; None when there are no more.

        They are read anew first, so that nothing rings that ended a moment ago.
        """
        query = select(ClockRow.item_id).where(ClockRow.policy == policy, col(ClockRow.wake_at) <= now)
        items = list(self._session.exec(query.order_by(col(ClockRow.wake_at)).limit(count)))
        if not items:
            return None
        rung = []
        for row, reading in self._read(policy, clocks, sorted(set(items)), now):
            if row.wake_at is not None and row.wake_at <= now:
                self._record(row, reading, now)
                rung.append(Alarm(row.item_id, reading))
        return rung

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

    def customer_asked(self, item_id: str, what: str, by: str, now: datetime) -> bool:
        """From now on the customer owes an answer; False if that is so already."""
        if self._customer_owes(item_id):
            return False
        self._ledger.append(item_id, Event.CUSTOMER_ASKED, now, what=what, by=by)
        return True

    def customer_answered(self, item_id: str, by: str, now: datetime) -> bool:
        """The customer owes nothing any more; False if that was so already."""
        if not self._customer_owes(item_id):
            return False
        self._ledger.append(item_id, Event.CUSTOMER_ANSWERED, now, by=by)
        return True

    def _customer_owes(self, item_id: str) -> bool:
        happened = moments(self._stories([item_id])[item_id])
        return bool(happened and happened.pauses and happened.pauses[-1].ends is None)

    def _read(
        self, policy: str, clocks: Sequence[Clock], items: Sequence[str], now: datetime
    ) -> list[tuple[ClockRow, Reading]]:
        """Read the items' clocks, and bring their rows up to date; those of clocks that are gone sleep.

        Where another machine's clock is ahead, what it wrote has happened all the same.
        """
        known = select(ClockRow).where(col(ClockRow.item_id).in_(items))
        rows = {(row.item_id, row.clock): row for row in self._session.exec(known)}
        shown = []
        for item_id, story in self._stories(items).items():
            if (happened := moments(story)) is None:
                continue
            for clock in clocks:
                if (reading := read(clock, happened, max(now, story[-1].at))) is None:
                    continue
                row = rows.pop((item_id, clock.name), None) or ClockRow(
                    item_id=item_id, clock=clock.name, policy=policy, state=reading.state
                )
                _put(row, reading)
                self._session.add(row)
                shown.append((row, reading))
        for row in rows.values():
            row.wake_at = None
        return shown

    def _stories(self, items: Sequence[str]) -> dict[str, list[Entry]]:
        stories = defaultdict[str, list[Entry]](list)
        query = select(EntryRow).where(col(EntryRow.item_id).in_(items)).order_by(col(EntryRow.seq))
        for row in self._session.exec(query):
            stories[row.item_id or ""].append(Entry(**row.model_dump()))
        return stories

    def _record(self, row: ClockRow, reading: Reading, now: datetime) -> None:
        """Write what rings into the ledger; the row will not ring for it again."""
        facts = {"clock": reading.clock.value, "due_at": _minute(reading.due_at)}
        if reading.state is State.BREACHED:
            row.breached_at = now
            self._ledger.append(row.item_id, Event.SLA_BREACHED, now, **facts, ended_at=_minute(reading.ended_at))
        else:
            row.warned_at = now
            self._ledger.append(row.item_id, Event.SLA_WARNED, now, **facts)
        row.wake_at = _wakes_at(row, reading)


def _put(row: ClockRow, reading: Reading) -> None:
    row.state, row.due_at, row.ended_at = reading.state, reading.due_at, reading.ended_at
    row.settled_at = reading.due_at if reading.state is State.BREACHED else reading.ended_at
    row.wake_at = _wakes_at(row, reading)


def _wakes_at(row: ClockRow, reading: Reading) -> datetime | None:
    """When somebody is to be told: of a breach when it is late, of a warning that is not late yet."""
    match reading.state:
        case State.MET | State.UNSCORED | State.PAUSED:
            return None
        case _ if reading.due_at is None:  # the customer's answer decides when; it changes the reading
            return None
        case State.RUNNING | State.WARNED if row.warned_at is None and reading.warn_at is not None:
            return reading.warn_at
        case State.BREACHED if row.breached_at is not None:
            return None
        case _:
            return reading.due_at + INSTANT


def _minute(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="minutes") if moment else None
