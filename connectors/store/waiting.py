"""The reviews that wait, as people look through them: a part at a time, the most urgent first.

Pages are found by where the one before ended, never by counting from the beginning, so that the
last page of ten thousand costs as much as the first and nothing is shown twice when others decide
meanwhile.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, or_
from sqlmodel import Session, col, select

from connectors.store.tables import ItemRow, ReviewRow
from domain.item import InboundItem

Place = tuple[datetime, str]
"""Where a review stands in the queue: when it is due, and its id."""


@dataclass(frozen=True)
class Narrow:
    """Which reviews are meant; None for any."""

    policy: str | None = None
    kind: str | None = None
    due_before: datetime | None = None
    opened_before: datetime | None = None
    assignee: str | None = None


@dataclass(frozen=True)
class Count:
    """How many reviews wait, and how many of them are late."""

    waiting: int
    late: int


class Waiting:
    """The queue, to read."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def page(self, narrow: Narrow, after: Place | None, count: int) -> list[tuple[ReviewRow, InboundItem]]:
        """Up to `count` reviews after a place, with their items."""
        query = (
            select(ReviewRow, ItemRow.item)
            .join(ItemRow, col(ItemRow.item_id) == ReviewRow.item_id)
            .where(*_fits(narrow))
            .order_by(col(ReviewRow.due_at), col(ReviewRow.review_id))
        )
        rows = self._session.exec((query.where(_after(after)) if after else query).limit(count))
        return [(review, InboundItem.model_validate(item)) for review, item in rows]

    def count(self, narrow: Narrow, now: datetime) -> Count:
        """How many reviews wait."""
        waiting = select(func.count()).select_from(ReviewRow).where(*_fits(narrow))
        late = waiting.where(col(ReviewRow.due_at) < now)
        return Count(self._session.exec(waiting).one(), self._session.exec(late).one())

    def around(self, narrow: Narrow, place: Place) -> tuple[str | None, str | None]:
        """The reviews before and after a place; None where there is none."""
        due_at, review_id = col(ReviewRow.due_at), col(ReviewRow.review_id)
        query = select(ReviewRow.review_id).where(*_fits(narrow))
        before = query.where(_before(place)).order_by(due_at.desc(), review_id.desc()).limit(1)
        after = query.where(_after(place)).order_by(due_at, review_id).limit(1)
        return self._session.exec(before).first(), self._session.exec(after).first()

    def same(self, alike: Iterable[str]) -> dict[str, int]:
        """How many reviews wait that are alike, by what makes them so."""
        query = select(ReviewRow.alike, func.count()).where(_OPEN, col(ReviewRow.alike).in_(set(alike)))
        return {str(one): count for one, count in self._session.exec(query.group_by(col(ReviewRow.alike)))}

    def alike(self, review: ReviewRow, count: int) -> list[tuple[ReviewRow, InboundItem]]:
        """Up to `count` reviews that ask the same of the same words, this one among them, the most urgent first."""
        query = (
            select(ReviewRow, ItemRow.item)
            .join(ItemRow, col(ItemRow.item_id) == ReviewRow.item_id)
            .where(_OPEN, ReviewRow.alike == review.alike)
            .order_by(col(ReviewRow.review_id) != review.review_id, col(ReviewRow.due_at), col(ReviewRow.review_id))
            .limit(count)
        )
        return [(one, InboundItem.model_validate(item)) for one, item in self._session.exec(query)]

    def named(self) -> tuple[list[str], list[str]]:
        """The policies and the kinds of what waits."""
        query = select(ReviewRow.policy, ReviewRow.kind).where(_OPEN).distinct()
        found = list(self._session.exec(query))
        return sorted({policy for policy, _ in found}), sorted({kind for _, kind in found})


_OPEN = col(ReviewRow.answered_at).is_(None)


def _fits(narrow: Narrow) -> list[ColumnElement[bool]]:
    fits: list[ColumnElement[bool]] = [_OPEN]
    if narrow.policy is not None:
        fits.append(col(ReviewRow.policy) == narrow.policy)
    if narrow.kind is not None:
        fits.append(col(ReviewRow.kind) == narrow.kind)
    if narrow.due_before is not None:
        fits.append(col(ReviewRow.due_at) < narrow.due_before)
    if narrow.opened_before is not None:
        fits.append(col(ReviewRow.opened_at) < narrow.opened_before)
    if narrow.assignee is not None:
        fits.append(col(ReviewRow.assignee) == narrow.assignee)
    return fits


def _after(place: Place) -> ColumnElement[bool]:
    """Written so that both databases begin at the place in their index."""
    due_at, review_id = col(ReviewRow.due_at), col(ReviewRow.review_id)
    return and_(due_at >= place[0], or_(due_at > place[0], review_id > place[1]))


def _before(place: Place) -> ColumnElement[bool]:
    due_at, review_id = col(ReviewRow.due_at), col(ReviewRow.review_id)
    return and_(due_at <= place[0], or_(due_at < place[0], review_id < place[1]))
