"""How the sources that items come from have answered lately, and what came back from them of our own writes."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

from connectors.ports import Arrival
from connectors.store.ledger import Ledger
from connectors.store.tables import EntryRow, OperationRow
from connectors.store.watch_tables import SourceRow
from domain.breaker import Breaker
from domain.delivery import Operation
from domain.echo import is_echo
from domain.ledger import Event
from domain.source_state import SourceState, Trouble


@dataclass(frozen=True)
class Troubled:
    """A source that cannot be read.

    Attributes:
        source: by which its cursor and its state are kept, and `shown` its name for people.
    """

    source: str
    policy: str
    shown: str
    state: SourceState


class Sources:
    """The state of each source of each policy, by the name that its cursor has too."""

    def __init__(self, session: Session, ledger: Ledger) -> None:
        self._session = session
        self._ledger = ledger

    def of(self, source: str) -> SourceState:
        """A source's state; one that never failed has no trouble."""
        row = self._session.get(SourceRow, source)
        return _state(row) if row else SourceState()

    def troubled(self) -> list[Troubled]:
        """The sources that cannot be read, those that could not be for longest first."""
        query = select(SourceRow).where(col(SourceRow.trouble).is_not(None))
        rows = self._session.exec(query.order_by(col(SourceRow.since), col(SourceRow.source)))
        return [Troubled(row.source, row.policy, row.shown, _state(row)) for row in rows]

    def forget(self, source: str) -> None:
        """Keep nothing of how a source answers that nobody reads any more."""
        self._session.delete(self._session.get_one(SourceRow, source))

    def put(self, source: str, policy: str, shown: str, state: SourceState, now: datetime) -> bool:
        """Keep a source's state; whether its trouble is another than before, which the ledger records.

        Args:
            shown: the source's name for people.
        """
        before = self.of(source)
        if state == before:
            return False
        breaker = state.breaker
        row = SourceRow(source=source, policy=policy, shown=shown, trouble=state.trouble, since=state.since)
        row.failures, row.open_until, row.why = breaker.failures, breaker.open_until, breaker.why
        self._session.merge(row)
        if state.trouble is before.trouble:
            return False
        who = {"policy": policy, "source": shown}
        match state.trouble:
            case Trouble.AWAY:
                until = breaker.open_until.isoformat(timespec="seconds") if breaker.open_until else ""
                self._ledger.append(None, Event.SOURCE_PAUSED, now, **who, until=until, why=breaker.why)
            case Trouble.REFUSED:
                self._ledger.append(None, Event.SOURCE_REFUSED, now, **who, why=breaker.why)
            case None:
                since = before.since.isoformat(timespec="seconds") if before.since else ""
                self._ledger.append(None, Event.SOURCE_RESUMED, now, **who, since=since)
        return True

    def echoes(self, policy: str, arrivals: Collection[Arrival], now: datetime) -> set[str]:
        """External ids of those arrivals that are a policy's own writes, come back; each is in the ledger, once."""
        by_id = self._operations(policy, {one.operation_id for one in arrivals if one.operation_id})
        found: set[str] = set()
        for arrival in arrivals:
            if (operation := by_id.get(arrival.operation_id)) is None:
                continue
            told = self._told(operation)
            change = f"{arrival.source} {arrival.external_id}"
            if is_echo(operation.values, change, arrival.fields, told):
                found.add(arrival.external_id)
                if change not in told:
                    facts = {"operation": operation.operation_id, "change": change, "where": arrival.where}
                    self._ledger.append(operation.item_id, Event.ECHOED, now, **facts)
                    self._session.flush()  # the next arrival may carry the same id
        return found

    def _operations(self, policy: str, operation_ids: set[str]) -> dict[str, Operation]:
        if not operation_ids:
            return {}
        wanted = col(OperationRow.operation_id).in_(operation_ids), OperationRow.policy == policy
        rows = self._session.exec(select(OperationRow).where(*wanted))
        return {row.operation_id: Operation.model_validate(row.operation) for row in rows}

    def _told(self, operation: Operation) -> set[str]:
        """Changes that were taken for an operation's echo before."""
        wanted = EntryRow.item_id == operation.item_id, EntryRow.event == Event.ECHOED
        facts = [row.facts for row in self._session.exec(select(EntryRow).where(*wanted))]
        return {one["change"] for one in facts if one["operation"] == operation.operation_id}


def _state(row: SourceRow) -> SourceState:
    breaker = Breaker(failures=row.failures, open_until=row.open_until, why=row.why)
    return SourceState(breaker=breaker, trouble=Trouble(row.trouble) if row.trouble else None, since=row.since)
