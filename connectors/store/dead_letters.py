"""Writes that were given up: put back in the outbox, or ended where a later one has taken their place."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, or_, select

from connectors.store.crosswalk_tables import EntityRow, RecordRow
from connectors.store.ledger import Ledger
from connectors.store.states import State
from connectors.store.tables import OperationRow
from domain.delivery import Operation
from domain.ledger import Event

WRITTEN = ("created", "updated", "unchanged")
SENT = (State.SENDING, State.UNKNOWN)
"""States of what may have gone out."""


@dataclass(frozen=True)
class DeadLetter:
    """A write that was given up.

    Attributes:
        newer: the item whose later write of the same record has gone out; None for none.
        kept: whether it is of a record that is kept in step: put back, what is to be written is decided anew.
    """

    operation: Operation
    newer: str | None
    kept: bool = False


class DeadLetters:
    """What was given up, and what people make of it."""

    def __init__(self, session: Session, ledger: Ledger) -> None:
        self._session = session
        self._ledger = ledger

    def of(self, *, item_id: str | None = None, system: str | None = None) -> list[DeadLetter]:
        """An item's, a system's or a scope's dead letters, the oldest first."""
        query = select(OperationRow).where(OperationRow.state == State.DEAD)
        if item_id is not None:
            query = query.where(OperationRow.item_id == item_id)
        if system is not None:
            query = query.where(or_(OperationRow.system == system, OperationRow.scope == system))
        rows = list(self._session.exec(query.order_by(col(OperationRow.seq))))
        return [
            DeadLetter(Operation.model_validate(row.operation), self._newer(row), self._entity(row) is not None)
            for row in rows
        ]

    def put_back(self, letters: Iterable[DeadLetter], by: str, now: datetime) -> int:
        """Put them back in the queue with their attempts forgiven, and tell the ledger; returns how many.

        A write to a record that is kept in step is ended instead: by now it may be an old value that it would bring.
        What is to be written is decided anew, by the next run.
        """
        count = 0
        for row in map(self._row, letters):
            count += 1
            if (entity := self._entity(row)) is not None:
                self._decide_anew(row, entity)
                self._log(row, Event.SUPERSEDED, now, by=by, newer=None)
                continue
            never_sent = row.operation.get("search") is not None
            row.state = State.UNCOMPARED if never_sent else State.UNKNOWN
            row.due_at, row.sends, row.look_ups = now, 0, 0
            self._log(row, Event.PUT_BACK, now, by=by)
        return count

    def supersede(self, letters: Iterable[DeadLetter], by: str, now: datetime) -> int:
        """End them unwritten, because a later write of their record has gone out; returns how many."""
        count = 0
        for letter in letters:
            row = self._row(letter)
            row.state, row.outcome = State.DONE, {"kind": Event.SUPERSEDED.value}
            self._log(row, Event.SUPERSEDED, now, by=by, newer=letter.newer)
            count += 1
        return count

    def _entity(self, row: OperationRow) -> EntityRow | None:
        return self._session.get(EntityRow, row.item_id)

    def _decide_anew(self, row: OperationRow, entity: EntityRow) -> None:
        row.state, row.outcome = State.DONE, {"kind": Event.SUPERSEDED.value}
        while entity.merged_into is not None:
            entity = self._session.get_one(EntityRow, entity.merged_into)
        mine = RecordRow.entity_id == entity.entity_id, RecordRow.system == row.operation["destination"]
        for record in self._session.exec(select(RecordRow).where(*mine, col(RecordRow.operation_id).is_(None))).all():
            if record.external_id is None:
                self._session.delete(record)
            record.refused, record.singly = None, False
        entity.due = True

    def _newer(self, row: OperationRow) -> str | None:
        kind = col(OperationRow.outcome)["kind"].as_string()
        done = (col(OperationRow.state) == State.DONE) & kind.in_(WRITTEN)
        later = (
            select(OperationRow.item_id)
            .where(OperationRow.scope == row.scope, OperationRow.record_key == row.record_key)
            .where(col(OperationRow.seq) > row.seq, or_(done, col(OperationRow.state).in_(SENT)))
        )
        return self._session.exec(later.order_by(col(OperationRow.seq).desc()).limit(1)).first()

    def _row(self, letter: DeadLetter) -> OperationRow:
        wanted = OperationRow.operation_id == letter.operation.operation_id
        return self._session.exec(select(OperationRow).where(wanted, OperationRow.state == State.DEAD)).one()

    def _log(self, row: OperationRow, event: Event, now: datetime, **facts: str | None) -> None:
        destination = row.operation["destination"]
        self._ledger.append(row.item_id, event, now, operation=row.operation_id, destination=destination, **facts)
