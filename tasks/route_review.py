"""Reviews of kind `route`: shows a decision that waits, and keeps what a person makes of it."""

from dataclasses import dataclass

from pydantic import AwareDatetime

from connectors.store.engine import Transaction
from domain.decision import Decision, Mode
from domain.proposal import NONE_OF_THESE
from domain.review import Answer, Form
from domain.route_review import relieve, settle_route
from policies.intake import Checked, check, match_rule
from policies.writes import operations, patient
from prompts.review import NO_ROUTE, review_form
from tasks.begun import Begun


@dataclass(frozen=True)
class RouteReview(Begun):
    """A decision that waits, with what it was made of."""

    def form(self, notice: str, *, late: bool) -> Form:
        """The message, what is said of it, and the policy's routes; a blind check shows no proposal."""
        policy, held = self.workflow.policy, self.held
        return Form(
            markdown=review_form(self.claimed, self.proposal, held, self.due_at, self.noted(notice)),
            label="Route",
            choices={name: route.description for name, route in policy.routes.items()} | {NONE_OF_THESE: NO_ROUTE},
            preselected=held.proposed if held.proposed in policy.labels and not held.blind else None,
            binding=self.binding,
            due_at=self.due_at,
            late=late,
        )

    def objection(self, answer: Answer) -> str:  # noqa: ARG002  an item can go to every route of its policy
        """Nothing: every choice of the form can be done."""
        return ""

    def needs(self, answer: Answer) -> int:
        """As many people as the policy wants to agree on a route; a blind check is one's own."""
        alone = self.held.blind or answer.choice == NONE_OF_THESE
        return 1 if alone else self.workflow.policy.review.people

    def settle(self, tx: Transaction, answer: Answer, now: AwareDatetime) -> bool:
        """Keep the decision with the writes that it asks for."""
        return self._keep(tx, settle_route(answer, self.held, self.workflow.terms.mode, now), self._checked(tx), now)

    def relieve(self, tx: Transaction, mode: Mode, now: AwareDatetime) -> str | None:
        """Let a rule decide in a person's place, where one may; gives the rule's name."""
        if self.lost:
            return None
        checked, terms = self._checked(tx), self.workflow.terms.model_copy(update={"mode": mode})
        decision = relieve(self.held, match_rule(self.claimed.item, checked, self.workflow.policy), terms, now)
        if decision is None:
            return None
        self._keep(tx, decision, checked, now)
        return decision.rule

    def _checked(self, tx: Transaction) -> Checked:
        item_id = self.claimed.item_id
        return check(self.claimed.item, self.workflow.policy, tx.extractions.of([item_id]).get(item_id))

    def _keep(self, tx: Transaction, decision: Decision, checked: Checked, now: AwareDatetime) -> bool:
        item_id = self.claimed.item_id
        writes = operations(self.claimed, checked, decision, self.workflow)
        tx.inbox.replace_decision(item_id, decision, len(writes), now)
        tx.outbox.put_all(patient(writes, self.workflow), now)
        return bool(writes)
