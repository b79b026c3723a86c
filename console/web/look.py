"""Which part of the figures somebody wants to see, as it stands in the page's address."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from urllib.parse import urlencode

from connectors.store.figures import Choice, Place
from domain.figures import OF_NOW, Slice, Work

MOST_DIGITS = 18
"""Of a time in microseconds; more would be no number of the database's."""


class Period(StrEnum):
    """How far back."""

    DAY = "24h"
    WEEK = "7d"
    MONTH = "30d"
    ALL = "all"


PERIODS: dict[Period, tuple[str, timedelta | None]] = {
    Period.DAY: ("24 hours", timedelta(hours=24)),
    Period.WEEK: ("7 days", timedelta(days=7)),
    Period.MONTH: ("30 days", timedelta(days=30)),
    Period.ALL: ("all time", None),
}
"""Each period in words, and how long it is."""


@dataclass(frozen=True)
class Look:
    """What is shown; empty for everything.

    Attributes:
        of: what is listed, and of work `whose`: a reviewer's or a system's; empty for all.
        after: where the page before ended; empty for the beginning.
    """

    policy: str = ""
    route: str = ""
    period: Period = Period.WEEK
    of: Slice | Work = Slice.ACCEPTED
    whose: str = ""
    after: str = ""

    @classmethod
    def read(cls, asked: Mapping[str, str]) -> "Look":
        """What an address asks for; what it does not know of is left out."""
        period, of, after = (asked.get(name, "") for name in ("period", "of", "after"))
        return cls(
            asked.get("policy", ""),
            asked.get("route", ""),
            Period(period) if period in set(Period) else Period.WEEK,
            Slice(of) if of in set(Slice) else Work(of) if of in set(Work) else Slice.ACCEPTED,
            asked.get("whose", ""),
            after if _place(after) else "",
        )

    def query(self, **changes: str) -> str:
        """The part of an address from `?` that asks for the same figures, with changes."""
        given = {"policy": self.policy, "route": self.route, "period": self.period.value, **changes}
        return f"?{urlencode({name: value for name, value in given.items() if value})}"

    def items(self, of: str, **changes: str) -> str:
        """The address of the list behind a figure."""
        return f"/dashboard/items{self.query(of=of, **changes)}"

    def listed(self, **changes: str) -> str:
        """The part of an address from `?` that asks for the same list, with changes."""
        return self.query(of=self.of, whose=self.whose, **changes)

    @property
    def time(self) -> str:
        """What time the list is about, in words."""
        return "as of now" if self.of in OF_NOW else PERIODS[self.period][0]

    def since(self, now: datetime) -> datetime | None:
        """When the period began."""
        length = PERIODS[self.period][1]
        return now - length if length else None

    def choice(self, now: datetime) -> Choice:
        """What the store is asked for."""
        return Choice(self.policy or None, self.route or None, self.since(now))

    @property
    def place(self) -> Place | None:
        """Where the list begins."""
        return _place(self.after)


def mark(place: Place) -> str:
    """A place as it stands in an address."""
    return f"{place[0]}.{place[1]}"


def _place(text: str) -> Place | None:
    at, _, item_id = text.partition(".")
    number = at.removeprefix("-")
    return (
        (int(at), item_id) if number.isascii() and number.isdigit() and len(number) < MOST_DIGITS and item_id else None
    )
