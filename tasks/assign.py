"""Gives reviews to reviewers, and sees to those that nobody can take."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from prefect import task

from connectors.store.assignments import Waiting
from connectors.store.engine import Transaction
from connectors.store.tables import ReviewRow
from domain.agreement import names
from domain.assignment import (
    Assigned,
    Assigning,
    Because,
    Overload,
    Placement,
    Seat,
    assign,
    notice_id,
    say_assigned,
)
from domain.case import Case
from domain.decision import Mode
from domain.delivery import Invitation, Operation
from domain.escalation import Cause
from domain.people import Channel, Person, Recipient
from domain.review import ReviewKind
from policies.load import Workflow
from policies.notices import PATIENCE, assignment
from tasks.action_review import ActionReview
from tasks.escalate import escalate
from tasks.names import ACT, named
from tasks.resources import Resources, resources
from tasks.review import case_of, concerned
from tasks.route_review import RouteReview
from tasks.standing import in_force

ASKS: dict[ReviewKind, type[RouteReview | ActionReview]] = {
    ReviewKind.ROUTE: RouteReview,
    ReviewKind.ACTION: ActionReview,
}
"""Kinds that rules know an answer to; the others wait for people, however many wait."""


@task(task_run_name=named("assign"), **ACT)
async def assign_reviews(policy: str) -> int:
    """Give each review that waits to somebody who may and can decide it; an act, safe to repeat.

    Where everybody at work is at their limit, the policy's choice applies: reviews wait and the
    ladder's people are told once, a rule that names a route takes them, or the next team helps.
    No choice accepts what was proposed. Returns how many reviews went to somebody else than before.
    """
    here = resources()
    workflow = here.workflow(policy)
    assigning = workflow.policy.review.assign
    if assigning is None:
        return 0
    mode = in_force(here, workflow)[0]
    with here.store.transaction() as tx:
        waiting = tx.assignments.waiting(workflow.policy.name)
        placements = _placements(tx, workflow, assigning, waiting, here)
        notices = _notices(workflow, assigning, waiting, placements, here.now())
        named = {review_id: notice.item_id for notice, reviews in notices for review_id in reviews}
        moved = tx.assignments.place(waiting, placements, here.now(), named)
        tx.outbox.put_all([(notice, PATIENCE) for notice, _ in notices], here.now())
        full = {one.review_id for one in placements if one.why is Because.FULL}
        beyond = [one for one in waiting if one.review.review_id in full]
        if assigning.overload is Overload.RULES:
            beyond = _relieved(tx, workflow, mode, beyond, here)
        _tell_of_overload(tx, workflow.policy.name, len(beyond), here)
    return moved


def _notices(
    workflow: Workflow,
    assigning: Assigning,
    waiting: Sequence[Waiting],
    placements: Sequence[Placement],
    now: datetime,
) -> list[tuple[Operation, list[str]]]:
    """What goes to those who are given reviews now, one message each, with the reviews that it tells of."""
    rows, given = {one.review.review_id: one.review for one in waiting}, defaultdict[str, list[ReviewRow]](list)
    for one in placements:
        if one.to is not None and one.to != rows[one.review_id].assignee:
            given[one.to].append(rows[one.review_id])
    return [
        (_notice(workflow.policy.name, assigning.tell, to, reviews, now), [one.review_id for one in reviews])
        for name, reviews in given.items()
        if assigning.tell and (person := workflow.people.person(name))
        if (to := workflow.people.reach(person, assigning.tell))
    ]


def _notice(policy: str, by: Channel, to: Recipient, reviews: Sequence[ReviewRow], now: datetime) -> Operation:
    given = [
        Assigned(review_id=one.review_id, kind=one.kind, why=one.why or one.kind, due_at=one.due_at) for one in reviews
    ]
    first = reviews[0]
    invites = Invitation(review_id=first.review_id, binding=first.binding) if len(reviews) == 1 else Invitation()
    return assignment(notice_id(to.name, given, now), policy, by, to, say_assigned(policy, given), invites)


def _placements(
    tx: Transaction, workflow: Workflow, assigning: Assigning, waiting: Sequence[Waiting], here: Resources
) -> list[Placement]:
    people, name = workflow.people, workflow.policy.name
    team = people.members(assigning.team)
    helpers = people.members(assigning.next_team) if assigning.next_team else ()
    cases = tx.cases.of(name, filter(None, (case_of(one.review) for one in waiting)))
    seats = [_seat(tx, workflow, one, (*team, *helpers), cases.get(case_of(one.review))) for one in waiting]
    held, last = tx.assignments.held_elsewhere(name), tx.assignments.last_given()
    return assign(seats, team, helpers, assigning, here.now(), held, last)


def _seat(tx: Transaction, workflow: Workflow, one: Waiting, people: Sequence[Person], case: Case | None) -> Seat:
    """A review, and who may not decide it: whom the item or its case names, and who has agreed already."""
    given = [
        agreed.reviewer for agreed in tx.reviews.given(one.review.review_id) if agreed.binding == one.review.binding
    ]
    told = [*concerned(workflow, one.item, case), *given]
    whole = frozenset(value.strip().casefold() for value in one.item.fields.values())
    words = whole.union(*map(names, told))
    return Seat(
        review_id=one.review.review_id,
        opened_at=one.review.opened_at,
        barred=frozenset(person.name for person in people if person.is_one_of(words)),
        assignee=one.review.assignee,
        assigned_at=one.review.assigned_at,
        passed=tuple(one.review.passed or ()),
    )


def _relieved(
    tx: Transaction, workflow: Workflow, mode: Mode, beyond: Sequence[Waiting], here: Resources
) -> list[Waiting]:
    """Let rules decide what nobody can take, as many as a batch has; gives those that go on waiting."""
    some = beyond[: workflow.policy.batch.items]
    return [one for one in beyond if one not in some or not _relieve(tx, mode, one, here)]


def _relieve(tx: Transaction, mode: Mode, one: Waiting, here: Resources) -> bool:
    review, now = one.review, here.now()
    asks = ASKS.get(ReviewKind(review.kind))
    rule = asks.load(here, tx, review).relieve(tx, mode, now) if asks else None
    if rule is None:
        return False
    tx.reviews.relieved(review.review_id, rule, now)
    tx.escalations.resolve(Cause.REVIEW_LATE, review.review_id, f"the rule {rule} has decided", now)
    return True


def _tell_of_overload(tx: Transaction, policy: str, count: int, here: Resources) -> None:
    """Tell the ladder's people once that reviews wait for room, until they have it."""
    now = here.now()
    if not count:
        tx.escalations.resolve(Cause.OVERLOADED, policy, "reviewers have room again", now)
    elif not tx.escalations.stands(policy, Cause.OVERLOADED, policy):
        message = f"everybody at work is at their limit, and {count} reviews wait"
        escalate(tx, Cause.OVERLOADED, policy, policy, message, now)
