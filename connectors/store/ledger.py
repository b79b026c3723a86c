"""The append-only ledger."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from secrets import token_hex
from typing import Any

from sqlalchemy import insert
from sqlmodel import Session, col, select

from connectors.store.journeys import Journeys
from connectors.store.tables import EntryRow, HeadRow
from domain.ledger import Entry, Event, link

ONE_STATEMENT = {"render_nulls": True}
"""Else SQLAlchemy makes a statement of each run of rows in which the same columns are NULL: half as many as rows."""


class Ledger:
    """Appends to the chain and reads it; what journeys are told by follows each entry."""

    def __init__(self, session: Session, journeys: Journeys) -> None:
        self._session = session
        self._journeys = journeys
        self._head: HeadRow | None = None
        self._held: list[dict[str, Any]] | None = None

    def lock(self) -> None:
        """Become the one writer; released when the transaction ends."""
        self._head = self._session.exec(select(HeadRow).with_for_update()).one()

    def append(self, item_id: str | None, event: Event, at: datetime, **facts: Any) -> None:
        """Record that `event` happened; facts are JSON values.

        The time is hashed as the database gives it back: in UTC.
        """
        entry = self._linked(item_id, event, at, facts)
        row = dict(entry) | {"sealed": entry.sealed and entry.sealed.model_dump()}
        if self._held is None:
            self._session.add(EntryRow(**row))
        else:
            self._held.append(row)

    def append_all(self, happened: Sequence[tuple[str | None, Event, dict[str, Any]]], at: datetime) -> None:
        """Record several events with their facts, in their order, in one statement."""
        with self.together():
            for item_id, event, facts in happened:
                self.append(item_id, event, at, **facts)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Write what is recorded in the block in one statement, at its end; until then no query sees it.

        A block within another is a part of that.
        """
        if self._held is not None:
            yield
            return
        self._held = []
        yield  # where it fails, the transaction does too
        rows, self._held = self._held, None
        if rows:
            self._session.execute(insert(EntryRow), rows, execution_options=ONE_STATEMENT)

    def _linked(self, item_id: str | None, event: Event, at: datetime, facts: dict[str, Any]) -> Entry:
        if self._head is None:
            raise RuntimeError("the ledger is written in Store.transaction() only")
        salt = token_hex(16)
        entry = link(self._head.hash, self._head.seq + 1, item_id, at.astimezone(UTC), event, facts, salt)
        self._head.seq, self._head.hash = entry.seq, entry.hash
        self._journeys.follow(entry)
        return entry

    def entries(self, item_id: str | None = None, after: int = 0) -> Iterator[Entry]:
        """All entries, or one item's, after number `after`, oldest first, a thousand in memory at a time."""
        query = select(EntryRow).where(col(EntryRow.seq) > after).order_by(col(EntryRow.seq))
        query = query.execution_options(yield_per=1000)
        if item_id is not None:
            query = query.where(EntryRow.item_id == item_id)
        with closing(self._session.exec(query)) as rows:  # who verifies stops at the first break
            for row in rows:
                yield Entry(**row.model_dump())

    def head(self) -> tuple[int, str]:
        """Number and hash of the last entry."""
        head = self._session.exec(select(HeadRow)).one()
        return head.seq, head.hash
