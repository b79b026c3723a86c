"""What the dashboard's figures are counted from, and the items behind each: one condition makes both.

One statement reads the journeys for all counts of all policies, routes and stretches of time.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, case, exists, func, not_, or_, text, true, union
from sqlmodel import Session, col, select

from connectors.store.accounts import FINISHED, stands
from connectors.store.drift_tables import DriftRow, PassRow
from connectors.store.journeys import moment_of, ms
from connectors.store.states import State as Sending
from connectors.store.tables import OperationRow, ReviewRow
from connectors.store.watch_tables import BooksRow, ClockRow, EscalationRow, JourneyRow
from domain.account import Account
from domain.decision import SETTLED, Kind, Reason
from domain.figures import OF_ALL_TIMES, Counts, Pace, Share, Slice, rank
from domain.sla import State

HOUR_MS = 3_600_000

WORK_MB = 128
"""Enough for a million journeys: each stretch of time is a group, and with 4 MB PostgreSQL would sort on disk."""

Place = tuple[int, str]
"""Where an item stands in a list: when it came in, and its id."""


@dataclass(frozen=True)
class Choice:
    """Which items are meant; None for any.

    Attributes:
        since: only what came in from then on.
    """

    policy: str | None = None
    route: str | None = None
    since: datetime | None = None


@dataclass(frozen=True)
class Part:
    """The counts of what came in of a policy, for a route, within some hours.

    Attributes:
        route: None for what has none, or none yet.
        hour: the first of them, since 1970 in UTC.
    """

    policy: str
    route: str | None
    hour: int
    counts: Counts


@dataclass(frozen=True)
class Listed:
    """An item behind a figure."""

    item_id: str
    policy: str
    accepted_at: datetime
    route: str | None
    kind: str | None
    reason: str | None
    verdict: str | None
    took_ms: int | None

    @property
    def place(self) -> Place:
        """Where it stands in the list."""
        return ms(self.accepted_at), self.item_id


@dataclass(frozen=True)
class Books:
    """A policy's books, and when they were balanced."""

    policy: str
    at: datetime
    account: Account


class Figures:
    """Counts, times and lists, to read."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def first(self) -> datetime | None:
        """When the first of all items came in."""
        found = self._session.exec(select(func.min(JourneyRow.accepted_ms))).one()
        return None if found is None else moment_of(found)

    def parts(self, choice: Choice, hours: int) -> list[Part]:
        """The counts by policy, route and stretches of `hours` that begin at whole multiples of it since 1970."""
        self._room_to_sort()
        found: defaultdict[tuple[str, str | None, int], dict[str, int]] = defaultdict(dict)
        for named, counts in self._grouped(choice, hours, _COUNTED):
            found[named] |= counts
        for named, few in self._grouped(choice, hours, {"unwritten": func.count()}, _SETTLED_UNDONE):
            found[named]["done"] = found[named]["settled"] - few["unwritten"]
        for named, few in self._grouped(choice, hours, {"escalated": func.count()}, _IS[Slice.ESCALATED]):
            found[named] |= few
        return [
            Part(policy, route, at * hours, Counts(**{"done": counts["settled"], **counts}))
            for (policy, route, at), counts in found.items()
        ]

    def _grouped(
        self, choice: Choice, hours: int, counted: dict[str, ColumnElement[Any]], *of: ColumnElement[bool]
    ) -> Iterator[tuple[tuple[str, str | None, int], dict[str, int]]]:
        """By policy, route and stretch of hours, what is counted."""
        stretch = col(JourneyRow.accepted_ms) // (HOUR_MS * hours)
        query = select(JourneyRow.policy, JourneyRow.route, stretch, *counted.values()).where(*_fits(choice), *of)
        query = query.group_by(col(JourneyRow.policy), col(JourneyRow.route), stretch)
        for policy, route, at, *counts in self._session.exec(query):
            yield (policy, route, int(at)), dict(zip(counted, map(int, counts), strict=True))

    def pace(self, choice: Choice, settled: int) -> Pace:
        """How long items took until they were settled.

        Args:
            settled: how many there are, by `parts`.
        """
        if not settled:
            return Pace()
        places = [rank(percent, settled) + 1 for percent in (50, 95)]
        took = col(JourneyRow.took_ms)
        which = *_fits(choice), took.is_not(None)
        if self._room_to_sort():  # there, numbering every row takes twice as long
            found = func.percentile_disc([place / settled for place in places]).within_group(took)
            p50, p95 = self._session.exec(select(found).where(*which)).one() or (None, None)
            return Pace(p50_ms=p50, p95_ms=p95)
        inner = (
            select(took.label("took_ms"), func.row_number().over(order_by=took).label("place")).where(*which).subquery()
        )
        at = dict(self._session.exec(select(inner.c.place, inner.c.took_ms).where(inner.c.place.in_(places))).all())
        return Pace(p50_ms=at.get(places[0]), p95_ms=at.get(places[1]))

    def _room_to_sort(self) -> bool:
        """For this transaction, memory in which PostgreSQL sorts all journeys; whether it is PostgreSQL.

        Nor does it compile anything: that takes 60 ms, more than it brings any of these.
        """
        if postgres := self._session.connection().dialect.name == "postgresql":
            settings = f"SELECT set_config('work_mem', '{WORK_MB}MB', true), set_config('jit', 'off', true)"
            self._session.connection().exec_driver_sql(settings)
        return postgres

    def kept(self, choice: Choice, now: datetime) -> dict[str, Share]:
        """Of each policy, the clocks that were met, of those met or late since; those without any are left out."""
        found: defaultdict[str, Share] = defaultdict(Share)
        for clocks in (_ended(choice), _untold(choice, now)):  # apart: each is counted within an index
            query = select(ClockRow.policy, ClockRow.state, func.count()).where(clocks, *_of_clocks(choice))
            for policy, state, count in self._session.exec(query.group_by(col(ClockRow.policy), col(ClockRow.state))):
                found[policy] += Share(part=count if state == State.MET else 0, of=count)
        return dict(found)

    def consistency(self, choice: Choice) -> dict[str, Share]:
        """Of each policy, the values that were as agreed on, of those compared by reconciliations that ended since."""
        found: defaultdict[str, Share] = defaultdict(Share)
        for (policy, *_), share in self.compared(choice).items():
            found[policy] += share
        return dict(found)

    def compared(self, choice: Choice) -> dict[tuple[str, str, str, str], Share]:
        """The same by policy, object, system and field."""
        one = and_(
            col(PassRow.run) == DriftRow.run,
            col(PassRow.object) == DriftRow.object,
            col(PassRow.system) == DriftRow.system,
        )
        of = (DriftRow.policy, DriftRow.object, DriftRow.system, DriftRow.field)
        sums = func.sum(DriftRow.equal), func.sum(DriftRow.compared)
        query = select(*of, *sums).join(PassRow, one)  # type: ignore[call-overload]  # six columns, more than it declares
        query = query.where(col(PassRow.ended_at).is_not(None))
        query = query.where(col(PassRow.ended_at) >= choice.since) if choice.since else query
        query = query.where(DriftRow.policy == choice.policy) if choice.policy else query
        found = self._session.exec(query.group_by(*map(col, of)).order_by(*map(col, of)))
        return {tuple(named): Share(part=int(equal), of=int(compared)) for *named, equal, compared in found}

    def books(self) -> list[Books]:
        """Each policy's books as they were balanced last."""
        rows = self._session.exec(select(BooksRow).order_by(col(BooksRow.policy)))
        return [Books(row.policy, row.at, Account.model_validate(row, from_attributes=True)) for row in rows]

    def balanced(self, policy: str, account: Account, now: datetime) -> None:
        """Keep what a policy's books came to."""
        self._session.merge(BooksRow(policy=policy, at=now, **account.model_dump()))

    def open_reviews(self) -> dict[tuple[str, str], int]:
        """How many reviews wait, by policy and kind."""
        query = select(ReviewRow.policy, ReviewRow.kind, func.count()).where(col(ReviewRow.answered_at).is_(None))
        found = self._session.exec(query.group_by(col(ReviewRow.policy), col(ReviewRow.kind)))
        return {(policy, kind): count for policy, kind, count in found}

    def listed(self, choice: Choice, of: Slice, after: Place | None, count: int) -> list[Listed]:
        """Up to `count` of the items behind a figure, the newest first, from behind a place on."""
        self._room_to_sort()
        at, item_id = col(JourneyRow.accepted_ms), col(JourneyRow.item_id)
        query = select(JourneyRow).where(*_fits(choice, of), _IS[of]).order_by(at.desc(), item_id.desc())
        if after is not None:
            query = query.where(at <= after[0], or_(at < after[0], item_id < after[1]))
        return [_listed(row) for row in self._session.exec(query.limit(count))]

    def one(self, item_id: str) -> Listed | None:
        """An item; None if none was accepted under that id."""
        row = self._session.get(JourneyRow, item_id)
        return _listed(row) if row else None


_TOOK = col(JourneyRow.took_ms).is_not(None)
_AUDIT = col(JourneyRow.reason) == Reason.AUDIT
_CHOSE = col(JourneyRow.verdict).in_((Reason.APPROVED, Reason.OVERRIDDEN, Reason.DISMISSED))
_SAW = and_(_CHOSE, col(JourneyRow.as_proposed).is_not(None), not_(_AUDIT))
_BLIND = and_(_AUDIT, col(JourneyRow.verdict).in_(sorted(SETTLED)))
UNWRITTEN = text("outbox.state <> 'done'")
"""As the index has it, so that SQLite finds that it holds for it."""
_UNSENT = select(OperationRow.item_id).where(UNWRITTEN)
_ASKED = select(ReviewRow.item_id).where(col(ReviewRow.answered_at).is_(None))
_DONE = and_(_TOOK, col(JourneyRow.item_id).not_in(_UNSENT), col(JourneyRow.item_id).not_in(_ASKED))
_TOLD = select(EscalationRow.item_id).where(col(EscalationRow.item_id).is_not(None))
_DEAD = _UNSENT.where(OperationRow.state == Sending.DEAD)

_IS: dict[Slice, ColumnElement[bool]] = {
    Slice.ACCEPTED: true(),
    Slice.DONE: _DONE,
    Slice.UNDONE: not_(_DONE),
    Slice.DECIDED: col(JourneyRow.kind).is_not(None),
    Slice.SETTLED: _TOOK,
    Slice.AUTOMATIC: col(JourneyRow.kind).in_((Kind.AUTO, Kind.RULE, Kind.REJECT)),
    Slice.TO_PERSON: col(JourneyRow.kind) == Kind.HUMAN,
    Slice.ANSWERED: _SAW,
    Slice.OVERRIDDEN: and_(_SAW, col(JourneyRow.as_proposed).is_(False)),
    Slice.AUDITED: _BLIND,
    Slice.MISROUTED: and_(_BLIND, col(JourneyRow.as_proposed).is_not(True)),
    Slice.RETRIED: col(JourneyRow.retries) > 0,
    Slice.ESCALATED: col(JourneyRow.item_id).in_(_TOLD),
    Slice.GIVEN_UP: col(JourneyRow.given_up) > 0,
    Slice.DEAD: col(JourneyRow.item_id).in_(_DEAD),
    Slice.NOWHERE: and_(col(JourneyRow.item_id).not_in(FINISHED), not_(stands(col(JourneyRow.item_id)))),
}
"""Which items are of a slice, of those that were chosen."""

_SETTLED_UNDONE = and_(_TOOK, col(JourneyRow.item_id).in_(union(_UNSENT, _ASKED)))
_SUMMED = ("retries", "prompt_tokens", "completion_tokens")
_COUNTED: dict[str, ColumnElement[Any]] = {
    name: func.count(case((_IS[Slice(name)], 1)))
    for name in Counts.model_fields
    if name not in (*_SUMMED, Slice.ACCEPTED, Slice.DONE, Slice.ESCALATED)
} | {Slice.ACCEPTED.value: func.count(), **{name: func.sum(col(getattr(JourneyRow, name))) for name in _SUMMED}}
"""What a look at every journey counts, by the name that it has in `Counts`.

What is done and what was escalated is counted from the few items that are not, or were: looking
them up among each journey would take twice as long.
"""


def late(choice: Choice, now: datetime) -> Iterator[ColumnElement[bool]]:
    """Which clocks were late, be it that nobody was told so far."""
    yield or_(and_(col(ClockRow.state) == State.BREACHED, _ended(choice)), _untold(choice, now))
    yield from _of_clocks(choice)


def _ended(choice: Choice) -> ColumnElement[bool]:
    ended = col(ClockRow.state).in_((State.MET, State.BREACHED))
    return ended if choice.since is None else and_(ended, col(ClockRow.settled_at) > choice.since)


def _untold(choice: Choice, now: datetime) -> ColumnElement[bool]:
    over = and_(col(ClockRow.state).in_((State.RUNNING, State.WARNED)), col(ClockRow.due_at) < now)
    return over if choice.since is None else and_(over, col(ClockRow.due_at) > choice.since)


def _of_clocks(choice: Choice) -> Iterator[ColumnElement[bool]]:
    if choice.policy is not None:
        yield col(ClockRow.policy) == choice.policy
    if choice.route is not None:
        yield exists().where(col(JourneyRow.item_id) == ClockRow.item_id, col(JourneyRow.route) == choice.route)


def _fits(choice: Choice, of: Slice = Slice.ACCEPTED) -> Iterator[ColumnElement[bool]]:
    if choice.policy is not None:
        yield col(JourneyRow.policy) == choice.policy
    if choice.route is not None:
        yield col(JourneyRow.route) == choice.route
    if choice.since is not None and of not in OF_ALL_TIMES:
        yield col(JourneyRow.accepted_ms) >= ms(choice.since)


def _listed(row: JourneyRow) -> Listed:
    named = ("item_id", "policy", "route", "kind", "reason", "verdict", "took_ms")
    return Listed(accepted_at=moment_of(row.accepted_ms), **{name: getattr(row, name) for name in named})
