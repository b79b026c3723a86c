"""Puts reviews of the tiny policy's routes into a store, as its flow would."""

from datetime import UTC, datetime, timedelta

from builders import proposal
from tiny import message

from connectors.store.engine import Store
from domain.decide import decide
from domain.decision import Reason
from domain.extraction import Extraction
from domain.review import Review, ReviewKind
from policies.load import load_workflow
from tasks.begun import begin

HOUR = timedelta(hours=1)


def ask(
    store: Store,
    policy: str,
    external_id: str,
    text: str = "hello there",
    *,
    email: str | None = "a@example.com",
    due_in: timedelta = HOUR,
    opened: timedelta = timedelta(0),
    label: str = "access",
    blind: bool = False,
    extraction: Extraction | None = None,
    now: datetime | None = None,
) -> str:
    """Leave a message to a person; gives its review.

    Args:
        due_in: from `now`; negative for a late one.
        opened: how long ago.
        label: what model and examples propose.
        blind: drawn for the audit.
    """
    workflow, now = load_workflow(policy), now or datetime.now(UTC)
    with store.transaction() as tx:
        begin(tx, workflow, now)
        item = message(external_id, text, email).model_copy(update={"received_at": datetime.now(UTC)})
        item_id, _ = tx.inbox.accept("tiny", item, timedelta(0), now)
        (claimed,) = tx.inbox.claim("tiny", "run", 1, HOUR, now)
        proposed = proposal(label=label, opinion=label, confidence=0.4)
        held = decide(proposed, None, workflow.terms, now, ())
        if blind:
            held = held.model_copy(update={"reason": Reason.AUDIT, "holds": ()})
        tx.inbox.keep_decision(item_id, proposed, held, 0, now)
        if extraction is not None:
            tx.extractions.keep(item_id, extraction, 0.9, cached=False, now=now)
        review = Review(
            kind=ReviewKind.ROUTE,
            item_id=claimed.item_id,
            policy="tiny",
            workflow=workflow.reference,
            binding=proposed.hash,
            why=held.reason.value,
            proposed=held.proposed,
            due_at=now + due_in,
        )
        tx.reviews.open(review, now - opened)
    return review.review_id
