"""Reviews of kind `fields`: shows what was found of an item, and keeps what a person makes of it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

from pydantic import AwareDatetime

from connectors.store.engine import Transaction
from connectors.store.tables import ReviewRow
from domain.decision import RuleAction
from domain.extraction import Extraction
from domain.fields_review import END, LEAVE_OUT, NOTHING, WRITE, settle_fields
from domain.intake import Gap
from domain.review import Answer, Form
from policies.intake import Checked, asked_fields, check, complete
from policies.writes import operations, patient
from prompts.fields_form import CHOICES, fields_form, meaning, unfit
from tasks.begun import Begun
from tasks.resources import Resources


@dataclass(frozen=True)
class FieldsReview(Begun):
    """An item that waits, with what was found of its fields."""

    extraction: Extraction | None = None

    @classmethod
    def load(cls, here: Resources, tx: Transaction, review: ReviewRow) -> Self:
        """The item that a review is about, as it stands."""
        extraction = tx.extractions.of([review.item_id]).get(review.item_id)
        return replace(super().load(here, tx, review), extraction=extraction)

    @property
    def found(self) -> Checked:
        """The item's fields as they would be written."""
        return check(self.claimed.item, self.workflow.policy, self.extraction)

    def form(self, notice: str, *, late: bool) -> Form:
        """The message, what was found with its evidence, a text for each field; a blind check shows nothing found."""
        policy, held, found = self.workflow.policy, self.held, self.found
        allowed = {WRITE: True, LEAVE_OUT: policy.review.leave_out and bool(found.gaps), END: policy.review.end}
        wanted = END if self._rule_ends() else None if found.gaps else WRITE
        return Form(
            markdown=fields_form(self.claimed, self.extraction, found, held, policy, self.due_at, self.noted(notice)),
            label="What shall happen",
            choices={name: CHOICES[name] for name, may in allowed.items() if may},
            preselected=None if held.blind or not allowed.get(wanted or "") else wanted,
            inputs={name: meaning(policy, name) for name in asked_fields(policy)},
            binding=self.binding,
            due_at=self.due_at,
            late=late,
        )

    def objection(self, answer: Answer) -> str:
        """Which input is malformed, or which check fails, where the item is to be written."""
        inputs = self._inputs(answer)
        return "" if answer.choice == END else self._unfit(answer, inputs, self._completed(inputs))

    def needs(self, answer: Answer) -> int:
        """As many people as the policy wants to agree on what is written; a blind check is one's own."""
        alone = self.held.blind or answer.choice == END
        return 1 if alone else self.workflow.policy.review.people

    def settle(self, tx: Transaction, answer: Answer, now: AwareDatetime) -> bool:
        """Keep the decision with the writes that it asks for."""
        policy = self.workflow.policy
        inputs = self._inputs(answer)
        completed = self._completed(inputs)
        before = self.found.values
        changed = {name for name in inputs if completed.values.get(name) != before.get(name)}
        filled = {name: completed.values.get(name, "") for name in asked_fields(policy) if name in changed}
        decision = settle_fields(answer, self.held, filled, completed.gaps, self.workflow.terms.mode, now)
        writes = operations(self.claimed, completed, decision, self.workflow)
        tx.inbox.replace_decision(self.claimed.item_id, decision, len(writes), now)
        tx.outbox.put_all(patient(writes, self.workflow), now)
        return bool(writes)

    def _completed(self, inputs: Mapping[str, str | None]) -> Checked:
        return complete(self.claimed.item, self.workflow.policy, self.extraction, inputs)

    def _inputs(self, answer: Answer) -> dict[str, str | None]:
        """What is filled in; an empty text keeps what stands there, which blindly is what came in by form."""
        asked, given = asked_fields(self.workflow.policy), self.claimed.item.fields
        told = {name: text for name in asked if (text := answer.inputs.get(name, "").strip())}
        filled = {name: None if text == NOTHING else text for name, text in told.items()}
        return dict.fromkeys(name for name in asked if name not in given) | filled if self.held.blind else filled

    def _unfit(self, answer: Answer, inputs: Mapping[str, str | None], completed: Checked) -> str:
        """What is wrong with an answer that wants the item written, in words; empty if nothing is."""
        lost = [name for name, text in inputs.items() if text and name not in completed.values]
        gaps = {name: completed.gaps.get(name, Gap.MALFORMED) for name in lost}
        return unfit(self.workflow.policy, completed, gaps if answer.choice == LEAVE_OUT else completed.gaps | gaps)

    def _rule_ends(self) -> bool:
        rules = {rule.name: rule.action for rule in self.workflow.policy.rules}
        return rules.get(self.held.rule or "") is RuleAction.REJECT
