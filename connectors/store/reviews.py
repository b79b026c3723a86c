"""Reviews: which decisions wait for a person, since when, until when."""

from datetime import datetime

from sqlmodel import Session, col, select

from connectors.store.ledger import Ledger
from connectors.store.tables import ItemRow, ReviewRow
from domain.audit import Answered, AuditTally, tally_answers
from domain.decision import Decision, Reason
from domain.item import ClaimedItem
from domain.ledger import Event
from domain.proposal import NONE_OF_THESE
from domain.review import Answer


class Reviews:
    """The queue of decisions that wait."""

    def __init__(self, session: Session, ledger: Ledger) -> None:
        self._session = session
        self._ledger = ledger

    def open(
        self,
        claimed: ClaimedItem,
        workflow: str,
        proposal_hash: str,
        due_at: datetime,
        now: datetime,
        *,
        held: Decision | None = None,
        classifier: str | None = None,
    ) -> None:
        """Ask for a person's answer by `due_at`.

        Args:
            workflow: how to load the policy.
            held: the decision that waits, and `classifier` the fingerprint of what its confidence
                depends on. A review without them is answered like any other, and counts neither
                for the audit nor as a case.
        """
        item_id = claimed.item_id
        row = ReviewRow(
            item_id=item_id,
            policy=claimed.policy,
            workflow=workflow,
            proposal_hash=proposal_hash,
            opened_at=now,
            due_at=due_at,
            why=held.reason.value if held else None,
            proposed=held.proposed if held else None,
            classifier=classifier,
        )
        self._session.add(row)
        self._ledger.append(item_id, Event.REVIEW_OPENED, now, due_at=due_at.isoformat(timespec="minutes"))

    def get(self, item_id: str) -> ReviewRow | None:
        """The review of an item, waiting or answered; None if there was never one."""
        return self._session.get(ReviewRow, item_id)

    def waiting(self, policy: str | None = None) -> list[ReviewRow]:
        """Reviews without an answer, the most urgent first."""
        query = select(ReviewRow).where(col(ReviewRow.answered_at).is_(None)).order_by(col(ReviewRow.due_at))
        return list(self._session.exec(query.where(ReviewRow.policy == policy) if policy else query))

    def shown(self, item_id: str, flow_run: str, now: datetime) -> None:
        """Note the flow run that shows the form."""
        row = self._session.get_one(ReviewRow, item_id)
        if row.flow_run != flow_run:
            row.flow_run = flow_run
            self._ledger.append(item_id, Event.REVIEW_SHOWN, now, flow_run=flow_run)

    def refuse(self, item_id: str, answer: Answer, why: str, now: datetime) -> None:
        """Record an answer that settles nothing."""
        self._ledger.append(item_id, Event.ANSWER_REFUSED, now, reviewer=answer.reviewer, route=answer.route, why=why)

    def answered(self, item_id: str, now: datetime, settled: Decision | None = None) -> None:
        """Close the review with what the answer settled; the decision itself is in the inbox."""
        row = self._session.get_one(ReviewRow, item_id)
        row.answered_at = now
        if settled is not None:
            row.answer, row.reviewer = settled.route or NONE_OF_THESE, settled.by

    def audited(self, policy: str, classifier: str, since: datetime | None = None) -> AuditTally:
        """The blind answers on one classifier's decisions, those after `since` or all."""
        query = select(ReviewRow.proposed, ReviewRow.answer).where(
            ReviewRow.policy == policy,
            ReviewRow.classifier == classifier,
            ReviewRow.why == Reason.AUDIT.value,
            col(ReviewRow.answer).is_not(None),
        )
        if since is not None:
            query = query.where(col(ReviewRow.answered_at) > since)
        return tally_answers((proposed, answer) for proposed, answer in self._session.exec(query) if answer)

    def answers(self, policy: str) -> list[Answered]:
        """Every answered review of a policy with its item's text, oldest answer first."""
        query = (
            select(ReviewRow, ItemRow.item)
            .join(ItemRow, col(ItemRow.item_id) == ReviewRow.item_id)
            .where(ReviewRow.policy == policy, col(ReviewRow.answer).is_not(None), col(ReviewRow.why).is_not(None))
            .order_by(col(ReviewRow.answered_at), col(ReviewRow.item_id))
        )
        return [
            Answered.model_validate(
                row.model_dump(include={"item_id", "why", "proposed", "answer", "reviewer"})
                | {"text": item["text"], "at": row.answered_at}
            )
            for row, item in self._session.exec(query)
        ]

    def mark_late(self, policy: str, now: datetime) -> list[ReviewRow]:
        """Mark, once each, the reviews whose time is over, and give them: somebody must be told."""
        late = [row for row in self.waiting(policy) if row.due_at < now and row.escalated_at is None]
        for row in late:
            row.escalated_at = now
        return late
