"""How far each source was read."""

from datetime import datetime

from sqlmodel import Session

from connectors.store.tables import CursorRow


class Cursors:
    """The cursors of all sources; moved in the transaction that stores what was read."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def of(self, source: str) -> str:
        """Where to go on reading; empty for a source that was never read."""
        row = self._session.get(CursorRow, source)
        return row.cursor if row else ""

    def moved_at(self, source: str) -> datetime | None:
        """When there was something new last; None for a source that was never read."""
        row = self._session.get(CursorRow, source)
        return row.moved_at if row else None

    def move(self, source: str, cursor: str, now: datetime) -> None:
        """Go on from `cursor` next time."""
        row = self._session.get(CursorRow, source) or CursorRow(source=source, cursor=cursor)
        row.cursor, row.moved_at = cursor, now
        self._session.add(row)
