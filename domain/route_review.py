"""Reviews of kind `route`: a decision that waits, and what an answer makes of it."""

from pydantic import AwareDatetime

from domain.decision import Decision, Kind, Mode, Reason
from domain.proposal import NONE_OF_THESE
from domain.review import Answer


def settle_route(answer: Answer, held: Decision, mode: Mode, now: AwareDatetime) -> Decision:
    """The decision that a valid answer makes of one that waits.

    Args:
        answer: its choice is a route, or `none_of_these` to end the item unwritten.
        held: the decision that waits for a person.
    """
    dismissed = answer.choice == NONE_OF_THESE
    return held.model_copy(
        update={
            "kind": Kind.HUMAN,
            "reason": _reason(answer, held, dismissed),
            "route": None if dismissed else answer.choice,
            "writes": not dismissed and mode is not Mode.SHADOW,
            "by": answer.reviewer.strip(),
            "note": answer.note.strip(),
            "decided_at": now,
        }
    )


def _reason(answer: Answer, held: Decision, dismissed: bool) -> Reason:
    if dismissed:
        return Reason.DISMISSED
    return Reason.APPROVED if answer.choice == held.proposed else Reason.OVERRIDDEN
