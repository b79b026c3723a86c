"""Finds in a ticket's history what a write of ours replaced although somebody had just changed it.

RT compares the version before it writes, with no lock between: an edit that falls in there is taken, and
overwritten. It stays in the history. RT notes each change just after it is made, so that of two at the same time
the order there may be another than that in which they were made: what the ticket holds tells which of them lost.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, assert_never

from pydantic import BaseModel, Field

from connectors.help_desk.request_tracker_api import LARGEST_PAGE, CustomField, Ref, Ticket
from connectors.help_desk.request_tracker_tickets import (
    ATTRIBUTES,
    OPERATION_FIELD,
    PEOPLE,
    addresses,
    option,
)
from connectors.help_desk.request_tracker_values import SEPARATOR, alike
from connectors.http_outcomes import HttpApi
from domain.delivery import Invalid, Operation, RetryAfter

TOGETHER = timedelta(seconds=10)
"""What is noted of one write, and of edits that fall into it, lies no further apart: RT also runs its scrips there."""
TWICE_TOLD = "SetWatcher"
"""The second note of a change of the owner."""


class Note(BaseModel):
    """A change of a field: one value for another, or of several values one that came or went."""

    id: int
    type: str = Field(alias="Type")
    field: str = Field(default="", alias="Field")
    old: str = Field(default="", alias="OldValue")
    new: str = Field(default="", alias="NewValue")
    at: datetime = Field(alias="Created")
    by: Ref = Field(alias="Creator")


class Notes(BaseModel):
    """Answer to a search in the history."""

    items: list[Note]


class Named(BaseModel):
    """A queue or a user, by the number that the history has of them."""

    name: str = Field(alias="Name")
    email: str = Field(default="", alias="EmailAddress")


class Step(NamedTuple):
    """A note in the words of the values: what went and what came, each blank for nothing; `ours`: by our user."""

    old: str
    new: str
    ours: bool


class History:
    """What happened to tickets lately."""

    def __init__(self, api: HttpApi) -> None:
        self._api = api

    async def overwritten(
        self,
        ticket: Ticket,
        operation: Operation,
        names: Collection[str],
        fields: Mapping[str, CustomField],
        version: int = 0,
    ) -> dict[str, str] | RetryAfter:
        """What `operation` replaced unseen, by name; empty if the ticket's last hundred changes do not tell of it.

        Args:
            names: of those values of the operation which the ticket holds.
            fields: the custom fields, by the values' names.
            version: the ticket's, over which it was written; 0 where it is not known, and then what was noted since
                another write of ours counts.
        """
        asked = {
            "query": f"ObjectType = 'RT::Ticket' AND ObjectId = {ticket.id}",
            "fields": "Type,Field,OldValue,NewValue,Created,Creator",
            "orderby": "id",
            "order": "DESC",
            "per_page": str(LARGEST_PAGE),
        }
        answer = await self._api.look_up(Notes, "/transactions", asked)
        if not isinstance(answer, Notes):
            return answer
        own = str(fields[option(operation, OPERATION_FIELD)].id)
        marks = [note for note in answer.items if note.field == own and note.new]
        ours = next((mark for mark in marks if mark.new == operation.operation_id), None)
        if ours is None:
            return {}
        since = version or max((mark.id for mark in marks if mark.id < ours.id), default=0)
        near = [note for note in reversed(answer.items) if note.id > since and abs(note.at - ours.at) <= TOGETHER]
        same, lost = alike(fields), dict[str, str]()
        for name, before in sorted((operation.expected or {}).items()):
            if name not in names:
                continue
            steps = await self._steps(name, near, fields, ours.by)
            if not isinstance(steps, list):
                return steps
            wrote = operation.values[name]
            edit = _replaced(name, steps, wrote, fields)
            if not any(same(name, edit, known) for known in (before, wrote)):
                lost[name] = edit
        return lost

    async def _steps(
        self, name: str, notes: Sequence[Note], fields: Mapping[str, CustomField], us: Ref
    ) -> list[Step] | RetryAfter:
        """What is noted of a value; RT notes a queue and people by their numbers."""
        field = {**ATTRIBUTES, **PEOPLE, "queue": "Queue"}.get(name) or str(fields[name].id)
        steps = list[Step]()
        for note in notes:
            if note.field != field or note.type == TWICE_TOLD:
                continue
            old = await self._told(name, note.old)
            if isinstance(old, RetryAfter):
                return old
            new = await self._told(name, note.new)
            if isinstance(new, RetryAfter):
                return new
            steps.append(Step(old, new, ours=note.by.id == us.id))
        return steps

    async def _told(self, name: str, text: str) -> str | RetryAfter:
        if not text or name not in ("queue", "owner", *PEOPLE):
            return text
        match await self._api.ask(Named, f"/{'queue' if name == 'queue' else 'user'}/{text}", {}):
            case Named(name=told, email=email):
                return (email or told).casefold() if name in PEOPLE else told
            case RetryAfter() as later:
                return later
            case Invalid():  # a group among the people, or something that may not be seen
                return text
            case other:
                assert_never(other)


def _replaced(name: str, steps: Sequence[Step], wrote: str, fields: Mapping[str, CustomField]) -> str:
    """What the last change that is not ours had made; what we wrote, if there was none.

    Our user may be another program's, or a person's, as well: what led elsewhere than to what we wrote is not ours.
    Of several values RT adds what is new before it takes away what is not wanted.
    """
    if name not in PEOPLE and (name not in fields or fields[name].most == 1):
        same = alike(fields)
        others = (step.new for step in reversed(steps) if not (step.ours and same(name, step.new, wrote)))
        return next(others, wrote)
    want = {text.casefold() if name in PEOPLE else text for text in addresses(wrote)}
    held, added = set(want), False
    for old, new, ours in reversed(steps):
        if not ours or (new and new not in want) or old in want or (old and added):
            return SEPARATOR.join(sorted(held))
        held, added = (held - {new}) | ({old} - {""}), bool(new)
    return wrote
