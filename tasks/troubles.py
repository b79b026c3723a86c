"""Whether what was escalated goes on, though nobody sees it happen again."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from connectors.store.engine import Transaction
from connectors.store.escalations import Standing
from domain.escalation import Cause
from domain.sla import ClockName
from policies.model import Policy


def going_on(tx: Transaction, policy: Policy, standing: Sequence[Standing], now: datetime) -> list[Standing]:
    """The escalations whose cause is not gone; the others are resolved.

    What was late goes on until it is done, a write that was given up until it is put back or
    superseded. A message to people that was given up is told once: nobody waits for an old one.
    """
    causes = {Cause(one.row.cause) for one in standing}
    promised = [clock.name for clock in policy.clocks if clock.name is not ClockName.REVIEW_ANSWERED]
    late = tx.troubles.late(policy.name, promised) if Cause.SLA_BREACHED in causes else set()
    answered = tx.troubles.answered(policy.name) if Cause.REVIEW_LATE in causes else set()
    given_up = tx.troubles.given_up(policy.name) if Cause.WRITE_DEAD_LETTERED in causes else {}
    kept = []
    for one in standing:
        subject = one.row.subject
        match Cause(one.row.cause):
            case Cause.SLA_BREACHED as cause if subject not in late:
                tx.escalations.resolve(cause, subject, "what was late is done, or promised no longer", now)
            case Cause.REVIEW_LATE as cause if subject in answered:
                tx.escalations.resolve(cause, subject, "the review waits for nobody any more", now)
            case Cause.WRITE_DEAD_LETTERED as cause if subject not in given_up:
                tx.escalations.resolve(cause, subject, "nothing of it is given up any more", now)
            case Cause.WRITE_DEAD_LETTERED if not given_up[subject]:
                kept.append(replace(one, course=one.course.model_copy(update={"lasts": False})))
            case _:
                kept.append(one)
    return kept
