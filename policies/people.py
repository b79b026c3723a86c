"""The people file: how a business writes down who its people are, and whether a policy's names are in it."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, model_validator

from domain.assignment import Assigning
from domain.business_time import Calendar
from domain.people import Absence, Channel, People, Person, Team
from domain.values import Frozen
from policies.calendars import WorkingHours
from policies.strict_yaml import load_yaml

if TYPE_CHECKING:
    from policies.model import Policy

Called = Annotated[str, Field(min_length=1, max_length=100)]
"""A person's, role's or team's name, as people say it."""


class Reach(Frozen):
    """Where somebody is reached.

    Attributes:
        slack: id of a channel or of a direct conversation, at the end of its details in Slack.
        mail: an address.
    """

    slack: Annotated[str, Field(pattern=r"^[CDG][A-Z0-9]{2,}$")] | None = None
    mail: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")] | None = None

    @property
    def addresses(self) -> dict[Channel, str]:
        """By channel."""
        given = {Channel.SLACK: self.slack, Channel.MAIL: self.mail}
        return {channel: address for channel, address in given.items() if address}


class Away(Frozen):
    """Days of absence, both included."""

    since: date = Field(alias="from")
    to: date

    @model_validator(mode="after")
    def _can_be(self) -> "Away":
        _ = self.absence
        return self

    @property
    def absence(self) -> Absence:
        """The same, as the domain has it."""
        return Absence(first=self.since, last=self.to)


class PersonEntry(Reach):
    """A person, or a role.

    Attributes:
        calendar: name of one of the file's calendars; without one they work always.
        limit: reviews at the same time; the policy's without one.
    """

    teams: tuple[str, ...] = ()
    calendar: str | None = None
    absences: tuple[Away, ...] = ()
    limit: int | None = Field(default=None, ge=1)


class PeopleFile(Frozen):
    """Calendars, teams and people, by name."""

    calendars: dict[Called, WorkingHours] = Field(default_factory=dict)
    teams: dict[Called, Reach] = Field(default_factory=dict)
    people: dict[Called, PersonEntry] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_agree(self) -> "PeopleFile":
        if both := sorted(self.teams.keys() & self.people.keys()):
            raise ValueError(f"'{both[0]}' is a person and a team; call one of them otherwise")
        for name, entry in self.people.items():
            if strange := [team for team in entry.teams if team not in self.teams]:
                raise ValueError(f"'{name}' is in no team '{strange[0]}'; add it to teams or mend the name")
            if entry.calendar is not None and entry.calendar not in self.calendars:
                raise ValueError(f"'{name}' has no calendar '{entry.calendar}'; add it to calendars or mend the name")
        return self

    @property
    def everybody(self) -> People:
        """The same, as the domain has it."""
        return People(
            people=tuple(
                Person(
                    name=name,
                    addresses=entry.addresses,
                    teams=entry.teams,
                    calendar=self.calendars[entry.calendar].calendar if entry.calendar else Calendar(),
                    absences=tuple(away.absence for away in entry.absences),
                    limit=entry.limit,
                )
                for name, entry in self.people.items()
            ),
            teams=tuple(Team(name=name, addresses=reach.addresses) for name, reach in self.teams.items()),
        )


def load_people(path: Path) -> PeopleFile:
    """The people in `path`, checked.

    Raises:
        PolicyInvalid: one line a fault.
    """
    return load_yaml(path, PeopleFile, "people:")


def unknown_people(policy: "Policy", people: People) -> Iterator[str]:
    """Each name in a policy that the people file cannot bear out, with the mend."""
    for number, step in enumerate(policy.escalation.steps):
        where = f"escalation.steps.{number}.to"
        if step.on_shift and people.team(step.to) is None:
            yield f"{where}: 'on_shift' goes with a team, and '{step.to}' is none; name a team of the people file"
        elif step.by is not Channel.PREFECT and not people.reachable(step.to, step.by, on_shift=step.on_shift):
            yield f"{where}: '{step.to}' has no {step.by} address in the people file; add it, or use 'by: prefect'"
    if policy.review.assign is not None:
        yield from _unknown_reviewers(policy.review.assign, people)


def _unknown_reviewers(assigning: Assigning, people: People) -> Iterator[str]:
    for team in filter(None, (assigning.team, assigning.next_team)):
        members = people.members(team)
        if not members:
            yield f"review.assign: nobody in the people file is in the team '{team}'; add somebody or mend the name"
        for person in members if assigning.tell else ():
            if assigning.tell not in person.addresses:
                fault = f"'{person.name}' of the team '{team}' has no {assigning.tell} address in the people file"
                yield f"review.assign.tell: {fault}; add it, or tell them by another channel"
