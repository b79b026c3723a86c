"""Finds in a ticket's history what a write of ours replaced unseen, and what was replaced of it since.

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
from connectors.help_desk.request_tracker_values import NOBODY, SEPARATOR, alike
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


class Traced(NamedTuple):
    """What a ticket's history tells of a write.

    Attributes:
        replaced: the edits that it replaced unseen, by name.
        stored: the names of what was stored of it, though the ticket holds something else by now.
        gone: the edits that it replaced unseen, of what somebody has changed again since; of single values alone.
    """

    replaced: dict[str, str]
    stored: frozenset[str]
    gone: dict[str, str]


class History:
    """What happened to tickets lately."""

    def __init__(self, api: HttpApi) -> None:
        self._api = api

    async def traced(
        self,
        ticket: Ticket,
        operation: Operation,
        sent: Collection[str],
        held: Collection[str],
        fields: Mapping[str, CustomField],
        version: int = 0,
    ) -> Traced | RetryAfter:
        """What became of an operation's values; nothing if the ticket's last hundred changes do not tell of it.

        Args:
            sent: the names of those values which are looked for, and `held` of those which the ticket holds.
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
            return Traced({}, frozenset(), {})
        since = version or max((mark.id for mark in marks if mark.id < ours.id), default=0)
        near = [note for note in reversed(answer.items) if note.id > since and abs(note.at - ours.at) <= TOGETHER]
        same, replaced, gone, stored = alike(fields), dict[str, str](), dict[str, str](), set[str]()
        for name, before in sorted((operation.expected or {}).items()):
            if name not in sent:
                continue
            steps = await self._steps(name, near, fields, ours.by)
            if not isinstance(steps, list):
                return steps
            wrote, lost = operation.values[name], replaced
            if name not in held:
                if not _is_stored(name, steps, wrote, fields):
                    continue
                stored.add(name)
                steps, lost = _until_changed(name, steps, wrote, fields), gone
            edit = _replaced(name, steps, wrote, fields, None if version else before)
            if not any(same(name, edit, known) for known in (before, wrote)):
                lost[name] = "" if (name, edit) == ("owner", NOBODY) else edit
        return Traced(replaced, frozenset(stored), gone)

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


def _replaced(
    name: str, steps: Sequence[Step], wrote: str, fields: Mapping[str, CustomField], before: str | None
) -> str:
    """What the last change that is not ours had made; what we wrote, if there was none.

    Our user may be another program's, or a person's, as well: what led elsewhere than to what we wrote is not ours.
    Of several values RT adds what is new before it takes away what is not wanted.

    Args:
        before: what was there before us, where only that tells where ours begins among our user's changes.
    """
    if _is_single(name, fields):
        same = alike(fields)
        others = (step.new for step in reversed(steps) if not (step.ours and same(name, step.new, wrote)))
        return next(others, wrote)
    want = _several(name, wrote)
    held, added = set(want), False
    alone = all(step.ours for step in steps)
    begun = _several(name, before) if before is not None and alone else None
    for old, new, ours in reversed(steps):
        if held == begun or not ours or (new and new not in want) or old in want or (old and added):
            return SEPARATOR.join(sorted(held))
        held, added = (held - {new}) | ({old} - {""}), bool(new)
    return wrote


def _until_changed(name: str, steps: list[Step], wrote: str, fields: Mapping[str, CustomField]) -> list[Step]:
    """What happened to a single value until somebody changed what we wrote, without what stands since all the same."""
    same = alike(fields)
    after = (number for number, step in enumerate(steps) if same(name, step.old, wrote))
    if not _is_single(name, fields) or (since := next(after, None)) is None:
        return []
    later = [step.new for step in steps[since:]]
    return [step for step in steps[:since] if not any(same(name, step.new, text) for text in later)]


def _is_stored(name: str, steps: Sequence[Step], wrote: str, fields: Mapping[str, CustomField]) -> bool:
    """Whether something of what we wrote was noted: it was there, before somebody replaced it."""
    ours = [step for step in steps if step.ours]
    if _is_single(name, fields):
        same = alike(fields)
        return any(same(name, step.new, wrote) for step in ours)
    want = _several(name, wrote)
    return any(step.new in want if step.new else step.old not in want for step in ours)


def _is_single(name: str, fields: Mapping[str, CustomField]) -> bool:
    return name not in PEOPLE and (name not in fields or fields[name].most == 1)


def _several(name: str, text: str) -> set[str]:
    return {part.casefold() if name in PEOPLE else part for part in addresses(text)}
