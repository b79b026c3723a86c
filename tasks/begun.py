"""What began under one version of a policy ends under that version, whatever the policy's file says by then."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from pydantic import AwareDatetime

from connectors.store.engine import Transaction
from connectors.store.tables import ReviewRow
from domain.decision import Decision
from domain.errors import PolicyInvalid
from domain.escalation import Cause
from domain.item import ClaimedItem
from domain.proposal import Proposal
from domain.review import ReviewKind
from domain.values import digest
from policies.load import Workflow
from tasks.escalate import escalate
from tasks.resources import Resources

BEGUN = (ReviewKind.ROUTE, ReviewKind.FIELDS, ReviewKind.ACTION)
"""Kinds of reviews that a decision on an item waits in: what is asked, and done, follows from its policy."""

LOST = (
    "The version of the policy that this began under cannot be read any more. "
    "What you see, and what will be done, is by the policy of today."
)


def begin(tx: Transaction, workflow: Workflow, now: datetime) -> None:
    """Keep what a policy says, in the transaction of what is decided under it."""
    tx.versions.keep(workflow.policy.name, workflow.version, workflow.source, now)


@dataclass(frozen=True)
class Begun:
    """An item that waits for a person, with the workflow that it began under.

    Attributes:
        workflow: today's, where `lost`: then the person is asked anew and told so, and no earlier answer counts.
        held: the decision that waits.
    """

    workflow: Workflow
    claimed: ClaimedItem
    proposal: Proposal
    held: Decision
    due_at: AwareDatetime
    lost: bool

    @classmethod
    def load(cls, here: Resources, tx: Transaction, review: ReviewRow) -> Self:
        """The item that a review is about, as it stands."""
        claimed, proposal, held = tx.inbox.under_review(review.item_id)
        try:
            workflow, lost = here.version(tx, review.workflow, held.policy_fingerprint), False
        except PolicyInvalid:
            workflow, lost = here.workflow(review.workflow), True
            held = held.model_copy(update={"policy_fingerprint": workflow.version})
        return cls(workflow, claimed, proposal, held, review.due_at, lost)

    @property
    def binding(self) -> str:
        """Digest of what the reviewer is shown: of the proposal; another where they are asked anew."""
        return digest(self.proposal.hash, self.workflow.version) if self.lost else self.proposal.hash

    @property
    def moves(self) -> bool:
        """Whether what is asked can change while it waits: only where the version is lost."""
        return self.lost

    def noted(self, notice: str) -> str:
        """What the form's reader must know first."""
        return " ".join(filter(None, (notice, LOST if self.lost else "")))


def tell_of_lost(here: Resources, tx: Transaction, policy: str, now: datetime) -> None:
    """Escalate, once, that reviews wait under versions which cannot be read any more; over when none does.

    Args:
        policy: how to load it.
    """
    name, lost, why = here.workflow(policy).policy.name, 0, ""
    for version, count in tx.versions.waiting(name, BEGUN).items():
        try:
            here.version(tx, policy, version)
        except PolicyInvalid as exc:
            lost, why = lost + count, str(exc)
    if not lost:
        tx.escalations.resolve(Cause.VERSION_LOST, name, "no review waits under a lost version any more", now)
    elif not tx.escalations.stands(name, Cause.VERSION_LOST, name):
        message = (
            f"{lost} reviews of {name} are asked anew, by the policy of today; what they began under is lost: {why}"
        )
        escalate(tx, Cause.VERSION_LOST, name, name, message, now)
