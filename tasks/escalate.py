"""Tells people that somebody must act, by the policy's ladder, until somebody acknowledges."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from prefect import task

from connectors.links import escalations_address
from connectors.settings import Settings
from connectors.store.engine import Transaction
from connectors.store.escalations import Standing
from domain.delivery import Invitation
from domain.errors import InputInvalid
from domain.escalation import Cause, Move, Pending, Why, fold, headline, kind, next_notice
from domain.people import Channel
from domain.review import Proven
from policies.intake import storable
from policies.load import Workflow
from policies.notices import PATIENCE, messages
from tasks.alert import alert
from tasks.names import ACT, named
from tasks.resources import Resources, resources
from tasks.troubles import going_on

LONGEST_MESSAGE = 500
"""Characters of what is told of one occurrence: vendors' answers can be long."""


def escalate(
    tx: Transaction,
    cause: Cause,
    subject: str,
    policy: str,
    message: str,
    now: datetime,
    /,
    *,
    item_id: str | None = None,
    **facts: str,
) -> str:
    """Record, in the transaction of what happened, that somebody must act; `climb` tells people.

    The same cause about the same subject is one escalation while it stands: later occurrences are
    counted on it. Returns its id.

    Args:
        policy: by its name; its ladder says who is told.
        message: one line for people, without a customer's words.
        item_id: in whose story it is told, where it is about an item.
        facts: what Prefect's event carries beside it.
    """
    line = storable(message)[:LONGEST_MESSAGE]
    return tx.escalations.begin(policy, cause, subject, line, now, item_id=item_id, facts=facts)


def acknowledge(tx: Transaction, escalation_id: str, by: str, now: datetime, proven: Proven = Proven.CLAIMED) -> bool:
    """Stop an escalation's ladder because `by` takes it over; False if that is done or it is over.

    Args:
        proven: how it is known that it is them.

    Raises:
        InputInvalid: no name is given.
    """
    if not by.strip():
        raise InputInvalid("give a name, so that the ledger and the others know who takes it over")
    return tx.escalations.acknowledge(escalation_id, storable(by.strip()), now, proven.value)


@task(task_run_name=named("climb"), **ACT)
async def climb(policy: str) -> int:
    """Give every notice of a policy's escalations that is due; an act, safe to repeat.

    What is due, the messages in the outbox and the record of who was told are one transaction, so
    that nobody is told twice. A step that reaches nobody is followed by the next one at once.
    Returns how many notices were given.
    """
    here = resources()
    workflow = here.workflow(policy)
    given: list[_Told] = []
    with here.store.transaction() as tx:
        for _ in range(workflow.policy.escalation.turns):
            step = _climb_once(here, tx, workflow)
            given += step
            if all(told.reached for told in step):
                break
    for told in given:
        told.emit()
    return len(given)


@dataclass(frozen=True)
class _Told:
    """A notice, as Prefect's event tells it.

    Attributes:
        reached: whether the notice was for anybody; its event goes out either way.
    """

    cause: Cause
    subject: str
    line: str
    payload: dict[str, str]
    reached: bool

    def emit(self) -> None:
        alert(self.cause.value, kind(self.cause), self.subject, self.line, **self.payload)


def _climb_once(here: Resources, tx: Transaction, workflow: Workflow) -> list[_Told]:
    policy, due, whys, now = workflow.policy, list[Pending](), dict[str, Why](), here.now()
    still = going_on(tx, policy, tx.escalations.standing(policy.name), now)
    standing = {one.row.escalation_id: one for one in still}
    for known, one in standing.items():
        coming = next_notice(policy.escalation, one.course, policy.ladder_time, now)
        if coming.turn is not None:
            due.append(Pending(escalation_id=known, cause=Cause(one.row.cause), turn=coming.turn))
            whys[known] = coming.why
        elif coming.move is Move.CLOSE:
            tx.escalations.close(one.row, now)
        elif coming.move is Move.RENEW:
            tx.escalations.renew(one.row, now)
    groups = fold(due, tx.escalations.last_given(policy.name), policy.escalation.fold_minutes, now)
    return [
        _give(
            tx,
            workflow,
            here.settings,
            [standing[one.escalation_id] for one in group],
            group[0].turn,
            whys[group[0].escalation_id],
            now,
        )
        for group in groups
    ]


def _invites(tx: Transaction, group: Sequence[Standing]) -> Invitation | None:
    """What a notice invites to: the review that is late, or the queue where several are; None where it is no review."""
    if Cause(group[0].row.cause) is not Cause.REVIEW_LATE:
        return None
    review = tx.reviews.get(group[0].row.subject) if len(group) == 1 else None
    return Invitation(review_id=review.review_id, binding=review.binding) if review else Invitation()


def _give(
    tx: Transaction,
    workflow: Workflow,
    settings: Settings,
    group: Sequence[Standing],
    turn: int,
    why: Why,
    now: datetime,
) -> _Told:
    """Put one notice of a group of escalations in the outbox."""
    policy, first = workflow.policy, group[0].row
    step, matters = policy.escalation.step(turn), [one.matter for one in group]
    recipients = workflow.people.reached(step.to, step.by, now, on_shift=step.on_shift)
    invites, address = _invites(tx, group), escalations_address(settings)
    writes = messages(policy.name, step.by, recipients, turn, matters, why, invites=invites, address=address)
    for write in writes:
        tx.outbox.put(write, PATIENCE, now)
    told: dict[str, str | None] = {step.to: None} if step.by is Channel.PREFECT else {}
    told |= {one.name: write.operation_id for one, write in zip(recipients, writes, strict=False)}
    tx.escalations.gave([one.row for one in group], turn, step, told, why, now)
    payload = {"to": step.to, "by": step.by.value, "escalation": first.escalation_id, "count": str(len(group))}
    line = f"for {step.to}: {headline(policy.name, matters)}"
    return _Told(
        Cause(first.cause),
        first.item_id or first.subject,
        line,
        {"policy": policy.name, **first.facts, **payload},
        bool(told),
    )
