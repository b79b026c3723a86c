"""What the store has for the pages: a part of the queue, one review with its form, those that are alike."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from connectors.store.engine import Transaction
from connectors.store.tables import ReviewRow
from connectors.store.waiting import Count
from console.web.render import when, words
from console.web.wish import AGES, Wish, mark
from domain.decision import Reason
from domain.extraction import Found
from domain.item import InboundItem
from domain.review import Form
from tasks.resources import Resources
from tasks.review import form_of

PAGE = 25
"""Reviews on one page of the queue."""

TOGETHER = 200
"""Reviews that one answer decides; what is alike beyond that comes after."""

SNIPPET = 180
"""Characters of a message in the queue."""


@dataclass(frozen=True)
class Line:
    """One review of the queue.

    Attributes:
        proposed: what model and examples came to; empty for a blind check.
        same: how many that wait are alike, this one among them.
    """

    review_id: str
    policy: str
    kind: str
    binding: str
    due_at: datetime
    due: str
    is_late: bool
    proposed: str
    assignee: str
    words: str
    source: str
    external_id: str
    fields: Mapping[str, str]
    same: int = 1


@dataclass(frozen=True)
class Queue:
    """A page of the queue.

    Attributes:
        more: where the next page begins; empty if there is none.
        filters: of the page, each with its name, its label and what can be chosen.
        escalated: how many escalations nobody has taken over.
    """

    rows: list[Line]
    count: Count
    more: str
    filters: list[tuple[str, str, list[tuple[str, str]]]]
    escalated: int


@dataclass(frozen=True)
class Shown:
    """One review.

    Attributes:
        form: None once it is decided.
        found: what was read from the message, with the evidence.
        before, next: its neighbours in the queue.
        owed: what the customer owes an answer to; None if nothing.
    """

    review: ReviewRow
    item: InboundItem
    form: Form | None
    found: Mapping[str, Found] = field(default_factory=dict)
    same: int = 1
    before: str | None = None
    next: str | None = None
    owed: str | None = None


def queue(here: Resources, wish: Wish, reviewer: str) -> Queue:
    """The part of the queue that somebody wants to see."""
    now = here.now()
    narrow = wish.narrow(reviewer, now)
    with here.store.reading() as tx:
        found = tx.waiting.page(narrow, wish.place, PAGE + 1)
        count, (policies, kinds) = tx.waiting.count(narrow, now), tx.waiting.named()
        same = tx.waiting.same(review.alike for review, _ in found if review.alike)
        escalated = tx.escalations.count()
    rows = [line(review, item, now, same.get(review.alike or "", 1)) for review, item in found[:PAGE]]
    more = mark((rows[-1].due_at, rows[-1].review_id)) if len(found) > PAGE else ""
    filters = [
        ("policy", "Policy", [(name, words(name)) for name in policies]),
        ("kind", "Asks for", [(name, words(name)) for name in kinds]),
        ("age", "Age", [(age.value, said) for age, said in AGES.items()]),
    ]
    return Queue(rows, count, more, filters, escalated)


def line(review: ReviewRow, item: InboundItem, now: datetime, same: int = 1) -> Line:
    """A review as the queue shows it."""
    text = " ".join(item.text.split())
    return Line(
        review_id=review.review_id,
        policy=review.policy,
        kind=review.kind,
        binding=review.binding,
        due_at=review.due_at,
        due=when(review.due_at, now),
        is_late=now > review.due_at,
        proposed="" if review.why == Reason.AUDIT else review.proposed or "",
        assignee=review.assignee or "",
        words=text if len(text) <= SNIPPET else text[:SNIPPET].rsplit(" ", 1)[0] + " …",
        source=item.source,
        external_id=item.external_id,
        fields={name: value for name, value in item.fields.items() if len(value) <= SNIPPET and value not in item.text},
        same=same,
    )


def review(here: Resources, review_id: str, wish: Wish, reviewer: str) -> Shown | None:
    """One review with its form; None if there is none of that name."""
    now = here.now()
    with here.store.reading() as tx:
        row = tx.reviews.get(review_id)
        if row is None:
            return None
        before, after = tx.waiting.around(wish.narrow(reviewer, now), (row.due_at, review_id))
        same = tx.waiting.same([row.alike] if row.alike else []).get(row.alike or "", 1)
        return Shown(
            review=row,
            item=tx.inbox.get(row.item_id).item,
            form=form_of(here, tx, row),
            found=_found(tx, row),
            same=same,
            before=before,
            next=after,
            owed=tx.customers.owed(row.item_id),
        )


def alike(here: Resources, review_id: str) -> tuple[Shown, list[Line]] | None:
    """A review that waits, and all that are like it; None if it does not wait."""
    now = here.now()
    with here.store.reading() as tx:
        row = tx.reviews.get(review_id)
        if row is None or row.answered_at is not None:
            return None
        found, same = tx.waiting.alike(row, TOGETHER), tx.waiting.same([row.alike or ""])
        shown = Shown(
            row, tx.inbox.get(row.item_id).item, form_of(here, tx, row), _found(tx, row), same.get(row.alike or "", 1)
        )
    return shown, [line(one, item, now) for one, item in found]


def outcome(row: ReviewRow) -> str:
    """What became of a review, and by whom; empty while it waits."""
    if row.answered_at is None:
        return ""
    if row.answer is None:
        return row.outcome  # no person decided
    how = "proven by a signed link" if row.proven == "link" else "name as given"
    return f"{row.reviewer} ({how}) decided on {row.answered_at:%Y-%m-%d at %H:%M} UTC: {words(row.answer or '')}."


def _found(tx: Transaction, row: ReviewRow) -> Mapping[str, Found]:
    extraction = tx.extractions.of([row.item_id]).get(row.item_id)
    return extraction.found if extraction else {}
