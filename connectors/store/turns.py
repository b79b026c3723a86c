"""Whose turn it is at what takes only so many requests a second, shared by all who send."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from sqlmodel import Session, select

from connectors.store.watch_tables import TurnRow

CATCH_UP = timedelta(seconds=0.1)
"""A sender that looks so late takes the turns that have come up meanwhile; older ones are lost."""


SEARCHES = " (searches)"


def searches(name: str) -> str:
    """The name of the limit of a scope's or a system's searches for duplicates."""
    return name + SEARCHES


def parted(names: Iterable[str]) -> tuple[list[str], list[str]]:
    """Names of limits of every request, and the scopes of those of searches."""
    given = list(names)
    of_searches = [name.removesuffix(SEARCHES) for name in given if name.endswith(SEARCHES)]
    return [name for name in given if not name.endswith(SEARCHES)], of_searches


class Turns:
    """Turns come at an even pace, by the name of what is limited."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def later(self, now: datetime) -> dict[str, datetime]:
        """When the next turn comes up, by name, where that is not yet."""
        return {row.name: row.at for row in self._session.exec(select(TurnRow)) if row.at > now}

    def take(self, rates: Mapping[str, float], now: datetime) -> bool:
        """Take a turn under each of these names, if all have one now.

        Args:
            rates: turns a second, by name.
        """
        rows = {name: self._session.get(TurnRow, name) or TurnRow(name=name, at=now) for name in rates}
        if any(row.at > now for row in rows.values()):
            return False
        for name, row in rows.items():
            row.at = max(row.at, now - CATCH_UP) + timedelta(seconds=1 / rates[name])
            self._session.add(row)
        return True
