"""When what must run on a schedule last ran to its end, so that its silence is noticed."""

from datetime import datetime

from sqlmodel import Session, col, select

from connectors.store.watch_tables import HeartbeatRow


class Heartbeats:
    """The last beat of each schedule, by name."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def beat(self, name: str, now: datetime) -> None:
        """It ran to its end."""
        self._session.merge(HeartbeatRow(name=name, at=now))

    def all(self, prefix: str) -> list[tuple[str, datetime]]:
        """The last beat of each whose name begins with `prefix`, by name."""
        fits = col(HeartbeatRow.name).startswith(prefix, autoescape=True)
        rows = self._session.exec(select(HeartbeatRow).where(fits).order_by(col(HeartbeatRow.name)))
        return [(row.name, row.at) for row in rows]

    def last(self, name: str) -> datetime | None:
        """When it last did; None for never."""
        row = self._session.get(HeartbeatRow, name)
        return row.at if row else None
