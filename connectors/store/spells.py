"""For how long entities are out of step: from when a change was observed until no system lacks it."""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import inspect
from sqlmodel import Session, col, select

from connectors.store.crosswalk_tables import EntityRow
from connectors.store.ledger import Ledger
from connectors.store.tables import EntryRow
from domain.ledger import Entry, Event
from domain.moments import Moments, spell

ABOUT = (Event.OUT_OF_STEP, Event.IN_STEP)
"""What the ledger has of a spell: its beginning and its end."""


class Timed(NamedTuple):
    """What a clock runs for: an item, or one of the spells of an entity, the first of which is 1."""

    item_id: str
    spell: int = 0


class Spells:
    """The times for which entities are out of step.

    One begins with the first change that a system is behind with, as of when that was observed, and ends once
    no system is behind with any. What changes meanwhile belongs to it.
    """

    def __init__(self, session: Session, ledger: Ledger) -> None:
        self._session = session
        self._ledger = ledger

    def merged(self, row: EntityRow, *, owes: bool, now: datetime) -> None:
        """Take down how an entity stands once all that was observed of it is merged.

        Args:
            owes: whether a system is behind with anything.
        """
        if owes and row.out_since is None and row.news_at is not None:
            row.out_since, row.spells = row.news_at, row.spells + 1
            self._log(row, Event.OUT_OF_STEP, now)
        elif not owes and row.out_since is not None:
            self._log(row, Event.IN_STEP, now, merged_into=row.merged_into)
            row.out_since = None
        row.news_at = None

    def touched(self, policy: str, after: int, upto: int) -> list[Timed]:
        """The spells of a policy's entities that the entries in (`after`, `upto`] begin or end."""
        query = (
            select(EntryRow.item_id, EntryRow.facts)
            .join(EntityRow, col(EntityRow.entity_id) == EntryRow.item_id)
            .where(col(EntryRow.seq) > after, col(EntryRow.seq) <= upto, col(EntryRow.event).in_(ABOUT))
            .where(EntityRow.policy == policy)
        )
        return sorted({Timed(entity_id or "", facts["spell"]) for entity_id, facts in self._session.exec(query)})

    def moments(self, spells: Collection[Timed]) -> dict[Timed, tuple[Moments, datetime]]:
        """Of each of these: when it began and ended, and when that was written."""
        table = inspect(EntryRow).local_table
        query = table.select().where(table.c.item_id.in_({one.item_id for one in spells}), table.c.event.in_(ABOUT))
        found: dict[Timed, tuple[Moments, datetime]] = {}
        for row in self._session.execute(query.order_by(table.c.seq)).mappings():
            entry = Entry(**row)
            if (one := Timed(entry.item_id or "", entry.facts["spell"])) in spells:
                found[one] = spell(entry), entry.at
        return found

    def _log(self, row: EntityRow, event: Event, now: datetime, **facts: str | None) -> None:
        since = row.out_since.isoformat() if row.out_since else ""
        self._ledger.append(row.entity_id, event, now, spell=row.spells, since=since, **facts)
