"""Who people are: how they are reached, which teams they are in, when they work and how much they take."""

from datetime import date, datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator

from domain.business_time import Calendar
from domain.values import Frozen

DIRECT = "D"
"""What the id of a conversation with one person begins with in Slack; `C` and `G` are channels and groups."""


class Channel(StrEnum):
    """How somebody is told something."""

    SLACK = "slack"
    MAIL = "mail"
    PREFECT = "prefect"
    """Prefect's event alone: an automation sends it on."""


class Absence(Frozen):
    """Days on which somebody does not work, the first and the last included."""

    first: date
    last: date

    @model_validator(mode="after")
    def _begins_first(self) -> "Absence":
        if self.last < self.first:
            raise ValueError("an absence ends on the day it begins or later; turn the days around")
        return self


class Person(Frozen):
    """Somebody, or a role such as `support lead`.

    Attributes:
        addresses: where they are reached, by channel.
        teams: names of the teams that they are in.
        calendar: their working hours and holidays.
        limit: reviews that they take at the same time; None for the policy's limit.
    """

    name: str
    addresses: dict[Channel, str] = Field(default_factory=dict)
    teams: tuple[str, ...] = ()
    calendar: Calendar = Calendar()
    absences: tuple[Absence, ...] = ()
    limit: int | None = Field(default=None, ge=1)

    def absent(self, now: datetime) -> bool:
        """Whether they are away for the day, by the date where they are."""
        today = now.astimezone(ZoneInfo(self.calendar.zone)).date()
        return any(absence.first <= today <= absence.last for absence in self.absences)

    def at_work(self, now: datetime) -> bool:
        """Whether they are in their working hours and not away."""
        return self.calendar.open_at(now) and not self.absent(now)

    def is_one_of(self, words: frozenset[str]) -> bool:
        """Whether their name or one of their addresses is among `words`, which are casefolded."""
        return not words.isdisjoint(word.casefold() for word in (self.name, *self.addresses.values()))


class Team(Frozen):
    """People who can be told together. `addresses` are the team's own, such as its channel."""

    name: str
    addresses: dict[Channel, str] = Field(default_factory=dict)


class Recipient(Frozen):
    """Whom a message reaches, and where.

    Attributes:
        shared: whether others can read there too, as in a channel: nothing that is for one person goes there.
    """

    name: str
    address: str
    shared: bool = False


class People(Frozen):
    """Everybody whom a policy can name, in the file's order."""

    people: tuple[Person, ...] = ()
    teams: tuple[Team, ...] = ()

    def person(self, name: str) -> Person | None:
        """The person of that name."""
        return next((person for person in self.people if person.name == name), None)

    def team(self, name: str) -> Team | None:
        """The team of that name."""
        return next((team for team in self.teams if team.name == name), None)

    def members(self, team: str) -> tuple[Person, ...]:
        """Who is in a team."""
        return tuple(person for person in self.people if team in person.teams)

    def reached(self, to: str, by: Channel, now: datetime, *, on_shift: bool = False) -> tuple[Recipient, ...]:
        """Whom a message to a person or a team reaches at `now`; nobody who is away.

        A team is told at its own address; one without, and the shift, each at theirs.

        Args:
            on_shift: only those who are in their working hours.
        """
        if not on_shift and (team := self.team(to)) is not None and by in team.addresses:
            return (Recipient(name=to, address=team.addresses[by], shared=True),)
        return tuple(
            one
            for person in self._meant(to)
            if (one := self.reach(person, by)) and not person.absent(now) and (not on_shift or person.at_work(now))
        )

    def reach(self, person: Person, by: Channel) -> Recipient | None:
        """Somebody at their own address, wherever they are just now; None without one.

        It is shared if another person or a team has the same, or if it is a channel of Slack's.
        """
        if (address := person.addresses.get(by)) is None:
            return None
        known = [*(one.addresses for one in self.people), *(one.addresses for one in self.teams)]
        same = [one for one in known if one.get(by, "").casefold() == address.casefold()]
        shared = len(same) > 1 or (by is Channel.SLACK and not address.startswith(DIRECT))
        return Recipient(name=person.name, address=address, shared=shared)

    def reachable(self, to: str, by: Channel, *, on_shift: bool = False) -> bool:
        """Whether a message could ever reach somebody."""
        team = self.team(to)
        own = not on_shift and team is not None and by in team.addresses
        return own or any(by in person.addresses for person in self._meant(to))

    def _meant(self, to: str) -> tuple[Person, ...]:
        person = self.person(to)
        return self.members(to) if person is None else (person,)
