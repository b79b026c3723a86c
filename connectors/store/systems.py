"""How the systems that are written to have answered lately, shared by all who send.

What is called a system here is a scope: the system, or the place in it that a write goes to.
"""

from datetime import datetime

from sqlmodel import Session, col, select

from connectors.store.ledger import Ledger
from connectors.store.watch_tables import SystemRow
from domain.breaker import Breaker, after
from domain.delivery import DeliveryOutcome
from domain.ledger import Event


class Systems:
    """The breakers of all systems."""

    def __init__(self, session: Session, ledger: Ledger) -> None:
        self._session = session
        self._ledger = ledger
        self.changed: dict[str, tuple[Breaker, Breaker]] = {}
        """The breakers that this transaction has changed: as they were, and as they are."""
        self._read: dict[str, SystemRow | None] = {}

    def of(self, system: str) -> Breaker:
        """A system's breaker."""
        if system not in self._read:
            self._read[system] = self._session.get(SystemRow, system)
        row = self._read[system]
        return _breaker(row) if row else Breaker()

    def troubled(self, now: datetime) -> dict[str, Breaker]:
        """The systems that are paused, or whose next write is a probe."""
        rows = {
            row.system: _breaker(row) for row in self._session.exec(select(SystemRow).order_by(col(SystemRow.system)))
        }
        return {system: breaker for system, breaker in rows.items() if breaker.paused(now) or breaker.probing}

    def note(self, system: str, outcome: DeliveryOutcome, now: datetime) -> None:
        """Take one more outcome into account; pauses and their ends are in the ledger."""
        before = self.of(system)
        breaker = after(before, outcome, now)
        if breaker == before:
            return
        self.changed[system] = self.changed.get(system, (before, before))[0], breaker
        row = self._read[system] = self._read[system] or SystemRow(system=system)
        row.failures, row.open_until, row.why = breaker.failures, breaker.open_until, breaker.why
        self._session.add(row)
        if breaker.open_until and breaker.open_until != before.open_until:
            until = breaker.open_until.isoformat(timespec="seconds")
            self._ledger.append(None, Event.SYSTEM_PAUSED, now, system=system, until=until, why=breaker.why)
        elif before.probing and not breaker.probing:
            self._ledger.append(None, Event.SYSTEM_RESUMED, now, system=system, failures=before.failures)


def _breaker(row: SystemRow) -> Breaker:
    return Breaker(failures=row.failures, open_until=row.open_until, why=row.why)
