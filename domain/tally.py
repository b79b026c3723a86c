"""Counts of what happened, told from the ledger alone."""

from collections.abc import Iterable

from pydantic import Field

from domain.delivery import Step
from domain.ledger import Entry, Event
from domain.values import Frozen


class Tally(Frozen):
    """What a stretch of the ledger holds.

    Attributes:
        accepted: items that came in; `duplicates` and `refused` records did not.
        auto, by_rule, rejected: items decided so at first; `to_person` left to a person.
        answered: reviews that a person decided.
        written: writes that a system confirmed; those that ended because their record had `moved` are not.
        retried: calls and writes that had to be tried again.
        llm_calls: requests to the model; `cache_hits` are items that needed none.
    """

    accepted: int = Field(default=0, ge=0)
    duplicates: int = Field(default=0, ge=0)
    refused: int = Field(default=0, ge=0)
    auto: int = Field(default=0, ge=0)
    by_rule: int = Field(default=0, ge=0)
    rejected: int = Field(default=0, ge=0)
    to_person: int = Field(default=0, ge=0)
    answered: int = Field(default=0, ge=0)
    escalated: int = Field(default=0, ge=0)
    written: int = Field(default=0, ge=0)
    moved: int = Field(default=0, ge=0)
    retried: int = Field(default=0, ge=0)
    dead_lettered: int = Field(default=0, ge=0)
    llm_calls: int = Field(default=0, ge=0)
    cache_hits: int = Field(default=0, ge=0)


def tally(entries: Iterable[Entry]) -> Tally:
    """Count a stretch of the ledger."""
    counts = dict.fromkeys(Tally.model_fields, 0)
    for entry in entries:
        for name, count in _counts(entry):
            counts[name] += count
    return Tally(**counts)


def _counts(entry: Entry) -> list[tuple[str, int]]:
    """What one entry adds to which counts."""
    facts = entry.facts
    match entry.event:
        case Event.ACCEPTED:
            return [("accepted", 1)]
        case Event.DUPLICATE:
            return [("duplicates", 1)]
        case Event.REFUSED:
            return [("refused", 1)]
        case Event.PROPOSED:
            return [("llm_calls", facts["calls"]), ("cache_hits", int(facts["cached"]))]
        case Event.EXTRACTED:
            return [("llm_calls", facts["calls"])]
        case Event.ASK_FAILED:
            return [("retried", 1), ("llm_calls", facts["calls"])]
        case Event.DECIDED if facts["waits"]:
            return [("to_person", 1)]
        case Event.DECIDED:
            return [({"auto": "auto", "rule": "by_rule", "reject": "rejected", "human": "answered"}[facts["kind"]], 1)]
        case Event.ATTEMPTED if facts.get("moved"):
            return [("moved", 1)]
        case Event.ATTEMPTED:
            return [({Step.DONE: "written", Step.DEAD_LETTER: "dead_lettered"}.get(facts["next"], "retried"), 1)]
        case Event.ESCALATED:
            return [("escalated", 1)]
        case _:
            return []
