"""Reviews: what waits for a person, since when, until when."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import func
from sqlmodel import Session, col, or_, select

from connectors.store.ledger import Ledger
from connectors.store.tables import ItemRow, ReviewRow
from domain.agreement import Agreed
from domain.audit import Answered, AuditTally, tally_answers
from domain.decision import Reason
from domain.ledger import Event
from domain.review import Answer, Review, ReviewKind
from domain.values import digest

_WAITING = select(ReviewRow).where(col(ReviewRow.answered_at).is_(None)).order_by(col(ReviewRow.due_at))


class Reviews:
    """The queue of questions for people."""

    def __init__(self, session: Session, ledger: Ledger) -> None:
        self._session = session
        self._ledger = ledger

    def open(self, review: Review, now: datetime) -> None:
        """Ask for a person's answer; the same question twice is a fault of ours and is refused by the database."""
        alike = _alike(review, self._session.get_one(ItemRow, review.item_id).item["text"])
        self._session.add(ReviewRow(review_id=review.review_id, opened_at=now, alike=alike, **review.model_dump()))
        due_at = review.due_at.isoformat(timespec="minutes")
        self._ledger.append(
            review.item_id, Event.REVIEW_OPENED, now, review=review.review_id, asks=review.kind.value, due_at=due_at
        )

    def get(self, review_id: str) -> ReviewRow | None:
        """A review, waiting or answered; None if there was never one."""
        return self._session.get(ReviewRow, review_id)

    def of(self, item_ids: list[str], named: str) -> list[ReviewRow]:
        """The reviews of these items, and those whose id begins with `named`; the oldest first."""
        fits = or_(col(ReviewRow.item_id).in_(item_ids), col(ReviewRow.review_id).startswith(named, autoescape=True))
        return list(self._session.exec(select(ReviewRow).where(fits).order_by(col(ReviewRow.opened_at)).limit(20)))

    def waiting(self, policy: str | None = None) -> list[ReviewRow]:
        """Reviews without an answer, the most urgent first."""
        return list(self._session.exec(_WAITING.where(ReviewRow.policy == policy) if policy else _WAITING))

    def in_forms(self, policy: str) -> list[ReviewRow]:
        """Reviews without an answer that a flow run was started for, the most urgent first."""
        return list(
            self._session.exec(_WAITING.where(ReviewRow.policy == policy, col(ReviewRow.flow_run).is_not(None)))
        )

    def lacking_forms(
        self, policy: str, shown: Collection[str], forms: int, cancelled: int, count: int
    ) -> list[ReviewRow]:
        """Up to `count` reviews without an answer that are to be shown, the most urgent first.

        Args:
            shown: those that are shown already.
            forms: flow runs after which none is started for a review any more,
            cancelled: and cancelled ones after which.
        """
        tired = or_(col(ReviewRow.forms) >= forms, col(ReviewRow.cancelled) >= cancelled)
        wanted = _WAITING.where(ReviewRow.policy == policy, ~tired, col(ReviewRow.review_id).not_in(shown))
        return list(self._session.exec(wanted.limit(count)))

    def shown(self, review_id: str, flow_run: str, now: datetime) -> None:
        """Note the flow run that shows the form."""
        row = self._session.get_one(ReviewRow, review_id)
        if row.flow_run != flow_run:
            row.flow_run, row.forms = flow_run, row.forms + 1
            self._ledger.append(row.item_id, Event.REVIEW_SHOWN, now, review=review_id, flow_run=flow_run)

    def resumed(self, review_id: str, flow_run: str, forms: int, now: datetime) -> bool:
        """Note that the flow run that shows the form runs again; it counts as one form more.

        Nothing happens, and it gives False, where that is not how the review stands any more.

        Args:
            forms: how many there were.
        """
        row = self._session.get_one(ReviewRow, review_id)
        if (row.flow_run, row.forms) != (flow_run, forms) or row.answered_at is not None:
            return False
        row.forms += 1
        self._ledger.append(row.item_id, Event.REVIEW_RESUMED, now, review=review_id, flow_run=flow_run)
        return True

    def cancelled(self, review_id: str, flow_run: str, now: datetime, *, again: bool) -> bool:
        """Note, once, that somebody cancelled the flow run that shows the form; the review goes on waiting.

        Args:
            again: whether it will be shown once more.
        """
        row = self._session.get_one(ReviewRow, review_id)
        if row.flow_run != flow_run or row.answered_at is not None:
            return False
        row.flow_run, row.cancelled = None, row.cancelled + 1
        facts = {"review": review_id, "flow_run": flow_run, "again": again}
        self._ledger.append(row.item_id, Event.REVIEW_CANCELLED, now, **facts)
        return True

    def refuse(self, review_id: str, answer: Answer, why: str, now: datetime) -> None:
        """Record an answer that settles nothing."""
        facts = {"review": review_id, "reviewer": answer.reviewer, "proven": answer.proven.value}
        facts |= {"choice": answer.choice, "why": why}
        self._ledger.append(self._session.get_one(ReviewRow, review_id).item_id, Event.ANSWER_REFUSED, now, **facts)

    def rebind(self, review_id: str, binding: str) -> None:
        """Note that what stands there now is another than when the review was opened."""
        self._session.get_one(ReviewRow, review_id).binding = binding

    def given(self, review_id: str) -> tuple[Agreed, ...]:
        """Those who have answered so far, where several people must."""
        agreed = self._session.get_one(ReviewRow, review_id).agreed or []
        return tuple(Agreed.model_validate(one) for one in agreed)

    def agree(self, review_id: str, answer: Answer, missing: int, now: datetime) -> None:
        """Keep one of several people's answers; with none `missing`, it is closed by `answered`."""
        row = self._session.get_one(ReviewRow, review_id)
        named = answer.model_dump(mode="json", include={"reviewer", "proven", "choice", "inputs", "binding"})
        row.agreed = [*(row.agreed or []), {**named, "reviewer": answer.reviewer.strip(), "at": now.isoformat()}]
        if missing:
            facts = {"review": review_id, "by": answer.reviewer.strip(), "proven": answer.proven.value}
            self._ledger.append(row.item_id, Event.REVIEW_AGREED, now, choice=answer.choice, missing=missing, **facts)

    def answered(self, review_id: str, answer: Answer, now: datetime) -> None:
        """Close the review with the answer that settled it; what it settled, its kind keeps."""
        row = self._session.get_one(ReviewRow, review_id)
        row.answered_at, row.answer, row.reviewer, row.proven = now, answer.choice, answer.by, answer.proven.value
        facts = {"review": review_id, "by": answer.by, "proven": answer.proven.value, "choice": answer.choice}
        self._ledger.append(row.item_id, Event.REVIEW_ANSWERED, now, **facts)

    def relieved(self, review_id: str, rule: str, now: datetime) -> None:
        """Close the review without a person's answer, because a rule has decided."""
        row = self._session.get_one(ReviewRow, review_id)
        row.answered_at, row.reviewer = now, f"the rule {rule}"

    def audited(self, policy: str, classifier: str | None, since: datetime | None = None) -> AuditTally:
        """The blind answers on one classifier's decisions, or all, those after `since` or all.

        Where fields are asked for, an answer agrees that writes the item as it would have been written.
        """
        query = (
            select(ReviewRow, ItemRow.decision)
            .join(ItemRow, col(ItemRow.item_id) == ReviewRow.item_id)
            .where(ReviewRow.policy == policy, ReviewRow.why == Reason.AUDIT.value, col(ReviewRow.answer).is_not(None))
            .where(col(ReviewRow.kind).in_((ReviewKind.ROUTE, ReviewKind.ACTION, ReviewKind.FIELDS)))
        )
        if classifier is not None:
            query = query.where(ReviewRow.classifier == classifier)
        if since is not None:
            query = query.where(col(ReviewRow.answered_at) > since)
        return tally_answers(_compared(review, decision or {}) for review, decision in self._session.exec(query))

    def answers(self, policy: str) -> list[Answered]:
        """Every answered review that chose a route or an action, with its item's text, oldest answer first."""
        query = (
            select(ReviewRow, ItemRow.item)
            .join(ItemRow, col(ItemRow.item_id) == ReviewRow.item_id)
            .where(ReviewRow.policy == policy, col(ReviewRow.kind).in_((ReviewKind.ROUTE, ReviewKind.ACTION)))
            .where(col(ReviewRow.answer).is_not(None), col(ReviewRow.why).is_not(None))
            .order_by(col(ReviewRow.answered_at), col(ReviewRow.item_id))
        )
        return [
            Answered.model_validate(
                row.model_dump(include={"item_id", "why", "proposed", "answer", "reviewer"})
                | {"text": item["text"], "at": row.answered_at}
            )
            for row, item in self._session.exec(query)
        ]

    def answered_of(self, policy: str, kind: ReviewKind) -> list[ReviewRow]:
        """The reviews of a kind that a person has answered, the oldest answer first."""
        query = select(ReviewRow).where(ReviewRow.policy == policy, ReviewRow.kind == kind)
        query = query.where(col(ReviewRow.answer).is_not(None))
        return list(self._session.exec(query.order_by(col(ReviewRow.answered_at), col(ReviewRow.review_id))))

    def answered_by_kind(self, policy: str) -> dict[ReviewKind, int]:
        """How many reviews of each kind people have answered; kinds of which none was are left out."""
        query = select(ReviewRow.kind, func.count()).where(
            ReviewRow.policy == policy, col(ReviewRow.answer).is_not(None)
        )
        return {ReviewKind(kind): count for kind, count in self._session.exec(query.group_by(ReviewRow.kind))}

    def mark_late(self, policy: str, now: datetime) -> list[ReviewRow]:
        """Mark, once each, the reviews whose time is over, and give them: somebody must be told."""
        late = [row for row in self.waiting(policy) if row.due_at < now and row.escalated_at is None]
        for row in late:
            row.escalated_at = now
        return late


def _alike(review: Review, text: str) -> str:
    """The same for reviews that ask the same of the same words, letter case and white space aside."""
    words = " ".join(text.split()).casefold()
    blind = review.why == Reason.AUDIT
    return digest(review.policy, review.kind.value, blind, review.proposed, words, review.question)


def _compared(review: ReviewRow, decision: Mapping[str, Any]) -> tuple[str | None, str]:
    """What would have been done, and what the reviewer did."""
    if review.kind != ReviewKind.FIELDS:
        return review.proposed, review.answer or ""
    as_found = decision["reason"] == Reason.COMPLETED.value and not decision["filled"]
    return Reason.COMPLETED.value, Reason.COMPLETED.value if as_found else Reason.OVERRIDDEN.value
