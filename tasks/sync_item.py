"""Makes an item of what a person has to decide about records: asked, told, late and accounted for as any."""

from datetime import UTC, datetime, timedelta

from pydantic import JsonValue

from connectors.store.engine import Transaction
from connectors.store.inbox import item_id
from domain.decision import Decision, Kind, Reason
from domain.item import InboundItem
from domain.proposal import AskOutcome, Proposal
from domain.review import Review, ReviewKind
from domain.values import Frozen, digest
from policies.load import Workflow

SOURCE = "sync"


class Question(Frozen):
    """What a person is asked.

    Attributes:
        about: tells it apart from whatever else is asked about records.
        text: what is asked, in one sentence.
        fields: of the item, by the policy's names.
        asked: what the kind needs to know.
    """

    kind: ReviewKind
    reason: Reason
    about: str
    text: str
    fields: dict[str, str]
    asked: dict[str, JsonValue]
    binding: str


def item_about(workflow: Workflow, about: str) -> str:
    """The id of the item, and of the review, of a question."""
    return item_id(workflow.policy.name, _item(about, "-", {}, datetime.now(UTC)))


def ask_person(tx: Transaction, workflow: Workflow, question: Question, now: datetime) -> bool:
    """Open a review, with an item of its own; False if that was asked before."""
    policy = workflow.policy
    item = _item(question.about, question.text, question.fields, now)
    known = item_id(policy.name, item)
    if tx.inbox.known([known]):
        return False
    tx.inbox.accept(policy.name, item, timedelta(0), now)
    proposal = Proposal(key=digest(question.about), outcome=AskOutcome.NO_MODEL, model="none", classifier="")
    decision = Decision(
        kind=Kind.HUMAN,
        reason=question.reason,
        route=None,
        mode=policy.mode,
        writes=True,
        by="merge",
        proposal_hash=proposal.hash,
        policy_fingerprint=policy.fingerprint,
        decided_at=now,
    )
    tx.inbox.keep_decision(known, proposal, decision, 0, now)
    review = Review(
        kind=question.kind,
        item_id=known,
        policy=policy.name,
        workflow=workflow.reference,
        about=question.about,
        question=question.asked,
        binding=question.binding,
        why=question.reason.value,
        due_at=policy.review_due_at(now),
    )
    tx.reviews.open(review, now)
    return True


def settled(tx: Transaction, item: str, kind: Kind, reason: Reason, by: str, note: str, now: datetime) -> None:
    """Keep who, or what, has decided about such an item."""
    _, _, held = tx.inbox.under_review(item)
    decided = {"kind": kind, "reason": reason, "by": by, "note": note, "decided_at": now}
    tx.inbox.replace_decision(item, held.model_copy(update=decided), 0, now)


def _item(about: str, text: str, fields: dict[str, str], now: datetime) -> InboundItem:
    return InboundItem(source=SOURCE, external_id=about, received_at=now, text=text, fields=fields)
