"""Which part of the queue somebody wants to see, as it stands in the page's address."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from urllib.parse import urlencode

from connectors.store.waiting import Narrow, Place


class Age(StrEnum):
    """How long a review has waited, or may still."""

    LATE = "late"
    SOON = "soon"
    OLD = "old"


AGES: dict[Age, str] = {
    Age.LATE: "late",
    Age.SOON: "late, or due within an hour",
    Age.OLD: "waiting for more than a day",
}


@dataclass(frozen=True)
class Wish:
    """What is shown; empty for everything.

    Attributes:
        mine: only what was given to whoever looks.
        after: where the page before ended.
    """

    policy: str = ""
    kind: str = ""
    age: Age | None = None
    mine: bool = False
    after: str = ""

    @classmethod
    def read(cls, asked: Mapping[str, str]) -> "Wish":
        """What an address asks for; what it does not know of is left out."""
        age = asked.get("age", "")
        return cls(
            asked.get("policy", ""),
            asked.get("kind", ""),
            Age(age) if age in set(Age) else None,
            asked.get("mine") == "yes",
            asked.get("after", "") if _place(asked.get("after", "")) else "",
        )

    def asked(self, name: str) -> str:
        """The value of a filter."""
        return str(getattr(self, name) or "")

    @property
    def narrowed(self) -> bool:
        """Whether anything is left out."""
        return replace(self, after="") != Wish()

    def query(self, **changes: str) -> str:
        """The part of an address from `?` that asks for this, with changes; empty if nothing is asked."""
        given = {"policy": self.policy, "kind": self.kind, "age": self.age or "", "mine": "yes" * self.mine}
        asked = {name: value for name, value in {**given, "after": self.after, **changes}.items() if value}
        return f"?{urlencode(asked)}" if asked else ""

    def narrow(self, reviewer: str, now: datetime) -> Narrow:
        """What the store is asked for."""
        due = {Age.LATE: now, Age.SOON: now + timedelta(hours=1)}
        return Narrow(
            policy=self.policy or None,
            kind=self.kind or None,
            due_before=due.get(self.age) if self.age else None,
            opened_before=now - timedelta(days=1) if self.age is Age.OLD else None,
            assignee=reviewer if self.mine else None,
        )

    @property
    def place(self) -> Place | None:
        """Where to begin."""
        return _place(self.after)


def mark(place: Place) -> str:
    """A place as it stands in an address."""
    return f"{place[0].isoformat()} {place[1]}"


def _place(text: str) -> Place | None:
    at, _, review_id = text.partition(" ")
    try:
        due_at = datetime.fromisoformat(at)
    except ValueError:
        return None
    return (due_at, review_id) if due_at.tzinfo and review_id else None
