"""Where records belong: what those are like that are new, and whether an entity has room for one of a system."""

from collections.abc import Collection, Sequence
from datetime import datetime
from enum import StrEnum

from sqlmodel import Session, col, not_, select

from connectors.store.crosswalk_rows import STRANGE, Of, of_kind, of_side, sharing
from connectors.store.crosswalk_tables import RecordRow
from connectors.store.ledger import Ledger
from connectors.store.states import FINAL, State
from connectors.store.tables import OperationRow
from domain.ledger import Event
from domain.linking import Apart


class Room(StrEnum):
    """What an entity has of a system."""

    FREE = "free"
    """No record, or one that was deleted there."""
    TAKEN = "taken"
    """A record."""
    BEING_MADE = "being_made"
    """A write that may have gone out is to make one: nobody knows whether it is there."""


class Places:
    """The places of entities, one a system."""

    def __init__(self, session: Session, ledger: Ledger) -> None:
        self._session = session
        self._ledger = ledger

    def room(self, entity_id: str, system: str, now: datetime) -> Room:
        """What an entity has of a system, once a record has turned up there that may be of it.

        One that was to be made, and certainly was not, is not made any more: what turned up takes its place.
        """
        rows = self._of(entity_id, system)
        if any(row.external_id is not None for row in rows):
            return Room.TAKEN
        if self.being_made(entity_id, system):
            return Room.BEING_MADE
        for row in rows:
            self._give_up(row, now)
        self._session.flush()
        return Room.FREE

    def being_made(self, entity_id: str, system: str) -> bool:
        """Whether a write that may have gone out is to make an entity's record in a system."""
        to_be_made = [row for row in self._of(entity_id, system) if row.external_id is None]
        writes = [self._write(row) for row in to_be_made if row.operation_id is not None]
        return any(write.state != State.PENDING or write.sent_until is not None for write in writes)

    def strange(self, of: Of, count: int, after: int = 0, system: str = "") -> list[RecordRow]:
        """Up to `count` records that were read, from number `after` on, and of which nobody knows what they are of.

        Args:
            system: whose they are; every system's without one.
        """
        here = of_side(of, system) if system else of_kind(of)
        query = select(RecordRow).where(*here, *STRANGE, not_(col(RecordRow.unread)), col(RecordRow.seq) > after)
        return list(self._session.exec(query.order_by(col(RecordRow.seq)).limit(count)))

    def alike(self, of: Of, keys: Collection[str], but: int) -> list[RecordRow]:
        """The records that share one of `keys`, without the one of number `but`."""
        query = select(RecordRow).where(sharing(of, keys), RecordRow.seq != but, not_(col(RecordRow.gone)))
        return sorted(self._session.exec(query), key=lambda row: row.seq or 0)

    def made_by(self, policy: str, operation_ids: Collection[str]) -> dict[str, str]:
        """The entities that these writes were for, by the write."""
        query = select(OperationRow.operation_id, OperationRow.item_id).where(
            OperationRow.policy == policy, col(OperationRow.operation_id).in_(operation_ids)
        )
        return dict(self._session.exec(query).all())

    def all_known(self, of: Of) -> bool:
        """Whether of every record that was heard of it is known what it is of, or why it is of nothing."""
        unknown = select(RecordRow.seq).where(*of_kind(of), *STRANGE)
        return self._session.exec(unknown.limit(1)).first() is None

    def outside(self, of: Of, system: str, keys: Collection[str]) -> list[RecordRow]:
        """The records of a system that the policy wants nothing of, and that share one of `keys`."""
        query = select(RecordRow).where(*of_side(of, system), sharing(of, keys), not_(col(RecordRow.gone)))
        return list(self._session.exec(query.where(RecordRow.apart == Apart.OUTSIDE)))

    def _of(self, entity_id: str, system: str) -> list[RecordRow]:
        query = select(RecordRow).where(RecordRow.entity_id == entity_id, RecordRow.system == system)
        return list(self._session.exec(query.where(not_(col(RecordRow.gone)))))

    def _write(self, row: RecordRow) -> OperationRow:
        return self._session.exec(select(OperationRow).where(OperationRow.operation_id == row.operation_id)).one()

    def _give_up(self, row: RecordRow, now: datetime) -> None:
        """Make a record no more; its write, of which nothing has gone out, is ended."""
        if row.operation_id is not None:
            write = self._write(row)
            write.state, write.outcome = State.DONE, {"kind": Event.SUPERSEDED.value}
            facts = {"operation": write.operation_id, "destination": write.operation["destination"]}
            self._ledger.append(write.item_id, Event.SUPERSEDED, now, **facts, by="merge", newer=None)
        self._session.delete(row)

    def ended(self, policy: str, count: int) -> list[tuple[RecordRow, OperationRow]]:
        """Up to `count` records to which a write was under way that has its outcome."""
        query = (
            select(RecordRow, OperationRow)
            .join(OperationRow, col(OperationRow.operation_id) == RecordRow.operation_id)
            .where(RecordRow.policy == policy, col(OperationRow.state).in_(FINAL))
        )
        return list(self._session.exec(query.order_by(col(RecordRow.seq)).limit(count)))

    def again(self, rows: Sequence[RecordRow]) -> list[RecordRow]:
        """These records as this transaction has them; those that are not there any more are left out."""
        query = select(RecordRow).where(col(RecordRow.seq).in_([row.seq for row in rows]))
        return list(self._session.exec(query.order_by(col(RecordRow.seq))))

    def record(self, seq: int) -> RecordRow:
        """A record by its number."""
        return self._session.get_one(RecordRow, seq)
