"""The lists behind figures, a line for each item, review, escalation, clock or write, in words."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from connectors.store.figures import Listed, Place
from connectors.store.workload import WRITES, Escalated, Late, Reviewed, Write
from console.web.look import Look
from console.web.render import when, words
from domain.figures import Work, duration
from tasks.resources import Resources


@dataclass(frozen=True)
class Line:
    """One of what a figure counts.

    Attributes:
        item_id: whose story is told of it.
        at: when the item came in, the review was opened or answered, the escalation began, the clock was due, or the
            write is tried next; None for no time.
        told: what else is to be said of it, in order.
        place: where it stands in the list.
    """

    item_id: str
    policy: str
    at: datetime | None
    told: tuple[str, ...]
    place: Place


def lines(here: Resources, look: Look, count: int) -> list[Line]:
    """Up to so many lines of the list that somebody looks at."""
    now = here.now()
    choice = look.choice(now)
    with here.store.reading() as tx:
        if not isinstance(look.of, Work):
            return [line_of(one) for one in tx.figures.listed(choice, look.of, look.place, count)]
        if look.of in WRITES:
            return [_write(one) for one in tx.workload.writes(choice, look.of, look.whose, look.place, count)]
        if look.of is Work.ESCALATIONS:
            return [_escalated(one) for one in tx.workload.escalations(choice, look.place, count)]
        if look.of is Work.LATE:
            return [_late(one) for one in tx.workload.late(choice, now, look.place, count)]
        reviews = tx.workload.reviews(choice, look.of, look.whose, look.place, count)
        return [_reviewed(one, now) for one in reviews]


def line_of(one: Listed) -> Line:
    """An item's line."""
    if one.kind is None:
        how = "undecided"
    elif one.took_ms is None:
        how = f"waits for a person: {one.reason}"
    else:
        how = f"{'a person' if one.kind == 'human' else one.kind}: {one.verdict}"
    told = words(one.route or ""), words(how), duration(one.took_ms)
    return Line(one.item_id, one.policy, one.accepted_at, told, one.place)


def _reviewed(one: Reviewed, now: datetime) -> Line:
    how = f"answered: {one.answer}" if one.answer is not None else when(one.due_at, now)
    return Line(one.item_id, one.policy, one.at, (words(one.kind), words(how)), one.place)


def _escalated(one: Escalated) -> Line:
    return Line(one.item_id, one.policy, one.at, (one.message,), one.place)


def _late(one: Late) -> Line:
    over = "" if one.ended_at is None else duration((one.ended_at - one.due_at) // timedelta(milliseconds=1))
    how = f"late by {over}" if over else "still late"
    return Line(one.item_id, one.policy, one.due_at, (words(one.clock), how), one.place)


def _write(one: Write) -> Line:
    return Line(one.item_id, one.policy, one.due_at, (one.system, one.state, one.why), one.place)
