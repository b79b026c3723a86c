"""Before a record is written anew: whether the target has it already, and what becomes of the write."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Self, assert_never

from pydantic import Field

from domain.sameness import Identity, Known, Verdict, sameness
from domain.values import Frozen


class Finding(StrEnum):
    """What was found out about a write's record, and by that what becomes of the write."""

    OURS = "ours"
    """The target has it under our own key: it is updated."""
    REMEMBERED = "remembered"
    """An earlier write of the same record was found to belong to a record of the target: it goes there too."""
    SAME = "same"
    """A record of the target is the same: the write goes to it."""
    DIFFERENT = "different"
    """The target has no such record: a new one is made."""
    ASK_PERSON = "ask_person"
    """It may be one of several records of the target: the write waits for a person."""
    UNWANTED = "unwanted"
    """A person wants nothing written: the write has ended."""


class Comparison(Frozen):
    """What was found out, and why.

    Attributes:
        records: the target's ids of the records that are the same, or may be.
        why: in words.
        by: the name of the person who said so; empty where it was computed.
    """

    finding: Finding
    records: tuple[str, ...] = Field(default=())
    why: str
    by: str = ""

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Self:
        """The comparison that a ledger's entry tells of, among its other facts."""
        return cls.model_validate({name: facts[name] for name in cls.model_fields})

    def told(self, where: str) -> str:
        """One plain sentence about it; `where` is the destination."""
        records = ", ".join(self.records)
        why = f" {self.by} said so: {self.why}." if self.by else f" Why: {self.why}."
        match self.finding:
            case Finding.OURS:
                return f"{where} has the record under its key already; it is updated."
            case Finding.REMEMBERED:
                return f"The write goes to record {records} of {where}, as an earlier one of this record did."
            case Finding.SAME:
                return f"Record {records} of {where} is the same; the write goes to it.{why}"
            case Finding.DIFFERENT:
                return f"{where} has no such record; a new one is made.{why}"
            case Finding.ASK_PERSON:
                return f"In {where} the same may be {records}; the write waits for a person.{why}"
            case Finding.UNWANTED:
                return f"Nothing is written to {where}.{why}"
            case _:
                assert_never(self.finding)

    @property
    def written_to(self) -> str:
        """The target's id of the record that the write goes to; empty for the record under our key."""
        return self.records[0] if self.finding in (Finding.SAME, Finding.REMEMBERED) else ""


def compare_with(new: Identity, found: Sequence[Known]) -> Comparison:
    """What a search's results say of a new record."""
    said = sameness(new, found)
    near = [one.identity for one in found if one.external_id in said.same_as]
    match said.verdict:
        case Verdict.SAME:
            return Comparison(finding=Finding.SAME, records=said.same_as, why=f"{_agreeing(new, near)} agree")
        case Verdict.ASK_PERSON:
            why = f"{_agreeing(new, near)} agree, and that is not enough to be sure"
            return Comparison(finding=Finding.ASK_PERSON, records=said.same_as, why=why)
        case Verdict.DIFFERENT:
            return Comparison(finding=Finding.DIFFERENT, why=f"{len(found)} that are alike were compared")
        case _:
            assert_never(said.verdict)


def agreeing(one: Identity, other: Identity) -> list[str]:
    """What two records agree in to the letter, case aside."""
    mine, theirs = one.model_dump(), other.model_dump()
    return [name for name, text in mine.items() if text and text.casefold() == theirs[name].casefold()]


def _agreeing(new: Identity, near: Sequence[Identity]) -> str:
    """What the nearest records agree in, in words."""
    shared = [name for name in Identity.model_fields if any(name in agreeing(new, one) for one in near)]
    return ", ".join(shared) or "the names nearly"


NEW_RECORD = "new_record"
DO_NOT_WRITE = "do_not_write"
SAME_AS = "same_as_"
"""Begins the choice of a record, before its id."""


def choices(records: Sequence[str], system: str) -> dict[str, str]:
    """What a person can choose, with what each means."""
    return {
        **{f"{SAME_AS}{one}": f"it is record {one} of {system}: the write goes to that" for one in records},
        NEW_RECORD: "it is none of them: a new record is made",
        DO_NOT_WRITE: f"nothing is written to {system}",
    }


def settle_duplicate(choice: str, reviewer: str, note: str) -> Comparison:
    """What a person's valid choice makes of a write that waits."""
    why = note.strip() or "no reason was given"
    by = reviewer.strip()
    if choice == NEW_RECORD:
        return Comparison(finding=Finding.DIFFERENT, why=why, by=by)
    if choice == DO_NOT_WRITE:
        return Comparison(finding=Finding.UNWANTED, why=why, by=by)
    return Comparison(finding=Finding.SAME, records=(choice.removeprefix(SAME_AS),), why=why, by=by)
