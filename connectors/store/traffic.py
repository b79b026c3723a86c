"""What happened to one workflow's items, or to its entities where it keeps records in step, in a stretch of time."""

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime

from sqlalchemy import func, or_
from sqlmodel import Session, col, select

from connectors.store.crosswalk_tables import EntityRow
from connectors.store.journeys import ms
from connectors.store.tables import EntryRow, ItemRow
from connectors.store.watch_tables import JourneyRow
from domain.ledger import Entry


class Traffic:
    """Reads the ledger by workflow."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def entries(self, policy: str, since: datetime) -> Iterator[tuple[Entry, str]]:
        """Entries at `since` or later about a policy's items and entities, the oldest first, a thousand in memory.

        Beside each stands the kind of record that its entity is of; empty for an item's.
        """
        query = (
            select(EntryRow, EntityRow.object)
            .join(ItemRow, col(ItemRow.item_id) == EntryRow.item_id, isouter=True)
            .join(EntityRow, col(EntityRow.entity_id) == EntryRow.item_id, isouter=True)
            .where(col(EntryRow.at) >= since, or_(col(ItemRow.policy) == policy, col(EntityRow.policy) == policy))
            .order_by(col(EntryRow.at), col(EntryRow.seq))  # as the index of times has it, so that SQLite takes it
            .execution_options(yield_per=1000)
        )
        with closing(self._session.exec(query)) as rows:
            for row, kind in rows:
                yield Entry(**row.model_dump()), kind or ""

    def sources(self, policy: str, since: datetime) -> dict[str, int]:
        """How many items each source brought that were accepted at `since` or later; duplicates do not count."""
        query = (
            select(ItemRow.source, func.count())
            .join(JourneyRow, col(JourneyRow.item_id) == ItemRow.item_id)  # whose index has policies by time
            .where(JourneyRow.policy == policy, JourneyRow.accepted_ms >= ms(since))
            .where(col(ItemRow.duplicate_of).is_(None))
            .group_by(ItemRow.source)
        )
        return {source: int(count) for source, count in self._session.exec(query)}
