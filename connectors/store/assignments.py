"""With whom reviews are, and since when."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func
from sqlmodel import Session, col, select

from connectors.store.ledger import Ledger
from connectors.store.tables import ItemRow, ReviewRow
from domain.assignment import Because, Placement
from domain.item import InboundItem
from domain.ledger import Event


@dataclass(frozen=True)
class Waiting:
    """A review without an answer, with what it is about."""

    review: ReviewRow
    item: InboundItem


class Assignments:
    """Gives open reviews to people."""

    def __init__(self, session: Session, ledger: Ledger) -> None:
        self._session = session
        self._ledger = ledger

    def waiting(self, policy: str) -> list[Waiting]:
        """A policy's reviews without an answer, with their items, the oldest first."""
        query = (
            select(ReviewRow, ItemRow.item)
            .join(ItemRow, col(ItemRow.item_id) == ReviewRow.item_id)
            .where(ReviewRow.policy == policy, col(ReviewRow.answered_at).is_(None))
            .order_by(col(ReviewRow.opened_at), col(ReviewRow.review_id))
        )
        return [Waiting(row, InboundItem.model_validate(item)) for row, item in self._session.exec(query)]

    def held_elsewhere(self, policy: str) -> dict[str, int]:
        """How many open reviews of other policies each person has."""
        query = (
            select(ReviewRow.assignee, func.count())
            .where(
                ReviewRow.policy != policy,
                col(ReviewRow.answered_at).is_(None),
                col(ReviewRow.assignee).is_not(None),
            )
            .group_by(col(ReviewRow.assignee))
        )
        return {person: count for person, count in self._session.exec(query) if person}

    def last_given(self) -> dict[str, datetime]:
        """When each person was last given a review, answered ones included."""
        query = (
            select(ReviewRow.assignee, func.max(ReviewRow.assigned_at))
            .where(col(ReviewRow.assignee).is_not(None))
            .group_by(col(ReviewRow.assignee))
        )
        return {person: at for person, at in self._session.exec(query) if person and at}

    def place(
        self,
        waiting: Sequence[Waiting],
        placements: Sequence[Placement],
        now: datetime,
        notices: Mapping[str, str] | None = None,
    ) -> int:
        """Give reviews to whom the placements say; returns how many went to somebody else than before.

        Args:
            notices: by review, the id under which its new assignee is told.
        """
        rows = {one.review.review_id: one.review for one in waiting}
        moved = [one for one in placements if one.to != rows[one.review_id].assignee]
        for one in moved:
            row = rows[one.review_id]
            before, row.assignee, row.assigned_at = row.assignee, one.to, now if one.to else None
            if before is not None and one.why is Because.UNANSWERED:
                row.passed = [*(row.passed or ()), before]
            facts = {"review": row.review_id, "to": one.to, "why": one.why.value, "before": before}
            facts |= {"notice": notices[one.review_id]} if notices and one.review_id in notices else {}
            self._ledger.append(row.item_id, Event.ASSIGNED, now, **facts)
        return len(moved)
