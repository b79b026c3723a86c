"""Reviews of kind `fields`: an item that waits for what is missing, and what an answer makes of it."""

from collections.abc import Mapping

from pydantic import AwareDatetime

from domain.decision import ENRICH, Decision, Kind, Mode, Reason
from domain.intake import Gap
from domain.review import Answer

WRITE, LEAVE_OUT, END = "write", "leave_out", "end"
"""What can be chosen: to write the item complete, or without what is missing, or not at all."""

NOTHING = "-"
"""Filled in for a field that shall be left out, whatever was found."""

_REASONS = {WRITE: Reason.COMPLETED, LEAVE_OUT: Reason.LEFT_OUT, END: Reason.DISMISSED}


def settle_fields(
    answer: Answer, held: Decision, filled: Mapping[str, str], gaps: Mapping[str, Gap], mode: Mode, now: AwareDatetime
) -> Decision:
    """The decision that a valid answer makes of an item that waits.

    Args:
        held: the decision that waits for a person.
        filled: by field, what the person changed of what would have been written; empty for what is left out.
        gaps: what is missing all the same.
    """
    return held.model_copy(
        update={
            "kind": Kind.HUMAN,
            "reason": _REASONS[answer.choice],
            "writes": answer.choice != END and mode is not Mode.SHADOW,
            "missing": tuple(gaps),
            "flags": tuple(flag for flag in held.flags if flag != ENRICH or gaps),
            "filled": {} if answer.choice == END else dict(filled),
            "by": answer.by,
            "note": answer.note.strip(),
            "decided_at": now,
        }
    )
