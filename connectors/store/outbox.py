"""The outbox: writes that decisions asked for, until each has its outcome."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, assert_never

from sqlalchemy import ColumnElement, and_, case, func, insert, or_
from sqlmodel import Session, col, select

from connectors.registry import scope_of
from connectors.store.due import BLOCKED, is_due, limits
from connectors.store.ledger import Ledger
from connectors.store.states import DUE, HELD, SEARCHED, State
from connectors.store.systems import Systems
from connectors.store.tables import OperationRow
from connectors.store.turns import Turns, parted, searches
from domain.delivery import DeliveryOutcome, NextStep, Operation, Patience, RetryAfter, Step, Tries, Unknown
from domain.duplicates import Comparison, Finding
from domain.ledger import Event

PROBE_TIME = timedelta(seconds=0.5)
"""Between two looks at a system that another sender probes."""


@dataclass(frozen=True)
class Due:
    """An operation that a sender holds until `lease_until`, this try included in its tries.

    `scope` is what the breaker and the limiter hold for: its system, or its place there.
    `sent_until` is when its last send ended without an answer; while one is under way, when it ends at the
    latest. Where the target is to be searched first, the operation has a `search`, and searches count as look-ups.
    """

    operation: Operation
    scope: str
    patience: Patience
    tries: Tries
    sent_until: datetime | None
    lease_until: datetime


class Outbox:
    """Writes that wait to be sent."""

    def __init__(self, session: Session, ledger: Ledger, systems: Systems, turns: Turns) -> None:
        self._session = session
        self._ledger = ledger
        self._systems = systems
        self._turns = turns
        self._read: dict[str, OperationRow] = {}

    def read(self, operation_ids: Collection[str]) -> None:
        """Read operations in one statement, for what this transaction does about each of them."""
        if not operation_ids:
            return
        rows = self._session.exec(select(OperationRow).where(col(OperationRow.operation_id).in_(operation_ids)))
        self._read |= {row.operation_id: row for row in rows}

    def put(self, operation: Operation, patience: Patience, now: datetime) -> None:
        """`put_all` of one write."""
        self.put_all([(operation, patience)], now)

    def put_all(self, writes: Sequence[tuple[Operation, Patience]], now: datetime) -> None:
        """Queue writes, in one statement, behind those that were put before.

        The same one twice is refused by the database.
        """
        if not writes:
            return
        self._session.execute(insert(OperationRow), [_new(*write, now) for write in writes])
        queued = [
            {"operation": one.operation_id, "destination": one.destination, "record_key": one.record_key}
            for one, _ in writes
        ]
        told = [(one.item_id, Event.QUEUED, facts) for (one, _), facts in zip(writes, queued, strict=True)]
        self._ledger.append_all(told, now)

    def claim(
        self,
        count: int,
        lease: timedelta,
        now: datetime,
        batches: Mapping[str, int] | None = None,
        rates: Mapping[str, float] | None = None,
        meet: Callable[[str], None] = lambda _system: None,
    ) -> list[Due]:
        """Hold up to `count` operations that are due, the oldest first, one a record.

        A record's later operation waits until the earlier one has its outcome. Nothing is
        given for a scope that is paused, and one operation, the least tried, for one that is being
        probed: what always fails there keeps nothing else from showing that it works. Nor is
        anything given whose turn has not come, under the rate that its scope allows.

        Args:
            batches: how many new writes a system takes in one request, by its name; one that
                is given anyway comes with so many of its kind.
            rates: requests a second, by scope or by system; of searches by `searches(…)` of either.
            meet: called with each system that has something due, before `batches` and `rates` are read of it.
        """
        troubled = self._systems.troubled(now)
        due = [is_due(now), *self._in_their_turn(now)]
        well = [*due, col(OperationRow.scope).not_in(troubled)] if troubled else due
        rows = self._oldest(count, *well)
        for system in {row.system for row in rows}:
            meet(system)
        new = col(OperationRow.state) == State.PENDING
        at_once = {row.scope: (batches or {}).get(row.system, 1) for row in rows if row.state == State.PENDING}
        for scope in [scope for scope, most in at_once.items() if most > 1]:
            more = self._oldest(at_once[scope], *well, new, col(OperationRow.scope) == scope)
            held = {row.seq for row in rows}
            rows += [row for row in more if row.seq not in held]
        for scope, breaker in troubled.items():
            if not breaker.paused(now) and not self._being_sent(scope, now):
                probe = self._least_tried(*due, col(OperationRow.scope) == scope)
                for row in probe:
                    meet(row.system)
                rows += probe
        return [self._begin(row, lease, now) for row in self._in_turn(rows, batches or {}, rates or {}, now)]

    def settle(self, due: Due, outcome: DeliveryOutcome, step: NextStep, now: datetime) -> bool:
        """Record what came of a send or a look-up, and what comes next.

        A sender that was taken for dead, and comes back after another took the operation
        over, changes nothing and gets False: what it did is found by the other's look-up.
        """
        row = self._row(due.operation.operation_id)
        if row.state not in HELD or row.lease_until != due.lease_until:
            return False
        if isinstance(outcome, RetryAfter) and not outcome.counts:
            looked = due.tries.looking_up
            row.sends, row.look_ups = row.sends - (not looked), row.look_ups - looked
        row.outcome, row.due_at, row.lease_until = outcome.model_dump(mode="json"), step.at, None
        if not due.tries.looking_up:
            row.sent_until = now if isinstance(outcome, Unknown) else None  # else nothing is under way
        if step.step is Step.SEARCH_AGAIN:
            row.operation, row.look_ups = due.operation.searched_again().model_dump(mode="json"), 0
        row.state = {
            Step.DONE: State.DONE,
            Step.SEND_AGAIN: State.PENDING,
            Step.LOOK_UP: State.UNCOMPARED if due.operation.search else State.UNKNOWN,
            Step.SEARCH_AGAIN: State.UNCOMPARED,
            Step.DEAD_LETTER: State.DEAD,
        }[step.step]
        facts = {"operation": row.operation_id, "destination": due.operation.destination}
        self._ledger.append(
            row.item_id,
            Event.ATTEMPTED,
            now,
            **facts,
            attempt=due.tries.sends,
            look_up=due.tries.looking_up,
            search=due.operation.search is not None,
            outcome=outcome.kind,
            next=step.step.value,
            **outcome.model_dump(
                mode="json", exclude={"kind", "values", "overwrote"}
            ),  # what a record holds can be erased, the ledger not
        )
        if step.step is Step.DEAD_LETTER:
            self._ledger.append(row.item_id, Event.DEAD_LETTERED, now, **facts, why=step.reason)
        return True

    def compared(self, due: Due, comparison: Comparison, now: datetime) -> bool:
        """Record what a search for duplicates came to: the write goes out, to whichever record, or a person is asked.

        Nothing happens, and it gives False, where somebody else took the operation over.
        """
        row = self._row(due.operation.operation_id)
        if row.state != State.COMPARING or row.lease_until != due.lease_until:
            return False
        self._apply(row, comparison, now)
        return True

    def answered(self, operation_id: str, comparison: Comparison, now: datetime) -> None:
        """Record what a person said of an operation that waits for it."""
        row = self._row(operation_id)
        if row.state != State.ASKING:
            raise LookupError(f"operation {operation_id} waits for nobody: it is {row.state}")
        self._apply(row, comparison, now)

    def _apply(self, row: OperationRow, comparison: Comparison, now: datetime) -> None:
        operation = Operation.model_validate(row.operation)
        row.lease_until, row.due_at, row.look_ups = None, now, 0
        match comparison.finding:
            case Finding.ASK_PERSON:
                row.state = State.ASKING
            case Finding.UNWANTED:
                row.state, row.outcome = State.DONE, {"kind": comparison.finding.value}
            case Finding.OURS | Finding.REMEMBERED | Finding.SAME | Finding.DIFFERENT:
                row.state = State.PENDING
                row.operation = operation.sent_to(comparison.written_to).model_dump(mode="json")
            case other:
                assert_never(other)
        facts = {"operation": row.operation_id, "destination": operation.destination}
        self._ledger.append(row.item_id, Event.COMPARED, now, **facts, **comparison.model_dump(mode="json"))

    def remembered(self, operation: Operation) -> str | None:
        """The target's id of the record that the last write of this one went to, where a search had found that.

        None if a write has found since that it is not there any more.
        """
        query = (
            select(OperationRow.state, OperationRow.operation)
            .where(OperationRow.scope == scope_of(operation), OperationRow.record_key == operation.record_key)
            .order_by(col(OperationRow.seq).desc())
        )
        gone = set[str]()
        for state, stored in self._session.exec(query):
            gone.update(stored.get("gone", ()))
            if state == State.DONE:
                last: str = stored.get("external_id", "")
                return last if last and last not in gone else None
        return None

    def next_due_at(self, now: datetime) -> datetime | None:
        """When `claim` can next give something: the first due time or end of a sender's lease.

        None when all are final. What waits for an earlier operation on its record does not
        count, and a system's pause puts off all that is due there.
        """
        sending = col(OperationRow.state).in_(HELD)
        at = case((sending, col(OperationRow.lease_until)), else_=col(OperationRow.due_at))
        where = (col(OperationRow.scope), col(OperationRow.state))
        waiting = select(*where, func.min(at)).where(col(OperationRow.state).in_((*DUE, *HELD)), ~BLOCKED)
        troubled, turns = self._systems.troubled(now), self._turns.later(now)
        first: datetime | None = None
        for scope, state, due_at in self._session.exec(waiting.group_by(*where)):
            pauses = [troubled[scope].open_until or now] if scope in troubled else []
            probed = [now + PROBE_TIME] if scope in troubled and self._being_sent(scope, now) else []
            names = [scope, searches(scope)] if state in SEARCHED else [scope]
            here = max([due_at, *pauses, *probed, *(turns[name] for name in names if name in turns)])
            first = min(first, here) if first else here
        return first

    def find(self, fragment: str) -> list[str]:
        """Whose writes there are that is, or begins with, `fragment`: items, escalations and notices to assignees."""
        owner = col(OperationRow.item_id)
        fits = owner.startswith(fragment, autoescape=True)
        return list(self._session.exec(select(OperationRow.item_id).where(fits).distinct().order_by(owner).limit(20)))

    def done(self) -> int:
        """How many writes have their outcome."""
        query = select(func.count()).select_from(OperationRow).where(OperationRow.state == State.DONE)
        return self._session.exec(query).one()

    def confirmed(self) -> set[str]:
        """Ids of the operations that a system is said to hold; those that changed nothing left no trace."""
        rows = self._session.exec(select(OperationRow).where(OperationRow.state == State.DONE))
        return {row.operation_id for row in rows if row.outcome and row.outcome["kind"] in ("created", "updated")}

    def _oldest(self, count: int, *wanted: ColumnElement[bool]) -> list[OperationRow]:
        query = select(OperationRow).where(*wanted, ~BLOCKED).order_by(col(OperationRow.seq)).limit(count)
        return list(self._session.exec(query))

    def _least_tried(self, *wanted: ColumnElement[bool]) -> list[OperationRow]:
        tries = col(OperationRow.sends) + col(OperationRow.look_ups)
        query = select(OperationRow).where(*wanted, ~BLOCKED).order_by(tries, col(OperationRow.seq)).limit(1)
        return list(self._session.exec(query))

    def _being_sent(self, scope: str, now: datetime) -> bool:
        held = and_(col(OperationRow.state).in_(HELD), col(OperationRow.lease_until) > now)
        query = select(OperationRow.seq).where(held, col(OperationRow.scope) == scope).limit(1)
        return self._session.exec(query).first() is not None

    def _in_their_turn(self, now: datetime) -> list[ColumnElement[bool]]:
        """What holds of an operation whose scope takes a request of its kind now; nothing where all do."""
        if not (later := self._turns.later(now)):
            return []
        resting, unsearched = parted(later)
        searched = and_(col(OperationRow.state).in_(SEARCHED), col(OperationRow.scope).in_(unsearched))
        return [~or_(col(OperationRow.scope).in_(resting), searched)]

    def _in_turn(
        self, rows: Sequence[OperationRow], batches: Mapping[str, int], rates: Mapping[str, float], now: datetime
    ) -> list[OperationRow]:
        """Those of which each request has its turn; new writes that go out together need one."""
        room: dict[str, int] = {}
        given: list[OperationRow] = []
        for row in rows:
            new = row.state == State.PENDING and not row.operation.get("external_id")  # others go out alone
            if not (new and room.get(row.scope)) and not self._turns.take(limits(row, rates), now):
                continue
            if new:
                room[row.scope] = (room.get(row.scope) or batches.get(row.system, 1)) - 1
            given.append(row)
        return given

    def _begin(self, row: OperationRow, lease: timedelta, now: datetime) -> Due:
        look_up, searched = row.state != State.PENDING, row.state in SEARCHED
        row.sends, row.look_ups = (row.sends, row.look_ups + 1) if look_up else (row.sends + 1, 0)
        row.sent_until = row.sent_until if look_up else now + lease
        row.state, row.lease_until = State.COMPARING if searched else State.SENDING, now + lease
        tries = Tries(sends=row.sends, look_ups=row.look_ups)
        operation, patience = Operation.model_validate(row.operation), Patience.model_validate(row.patience)
        return Due(operation, row.scope, patience, tries, row.sent_until, now + lease)

    def _row(self, operation_id: str) -> OperationRow:
        if operation_id in self._read:
            return self._read[operation_id]
        return self._session.exec(select(OperationRow).where(OperationRow.operation_id == operation_id)).one()


def _new(operation: Operation, patience: Patience, now: datetime) -> dict[str, Any]:
    """The row of a write that nobody has tried."""
    return {
        "operation_id": operation.operation_id,
        "item_id": operation.item_id,
        "policy": operation.policy,
        "system": operation.system,
        "scope": scope_of(operation),
        "record_key": operation.record_key,
        "operation": operation.model_dump(mode="json"),
        "patience": patience.model_dump(),
        "state": State.UNCOMPARED if operation.search else State.PENDING,
        "sends": 0,
        "look_ups": 0,
        "due_at": now,
    }
