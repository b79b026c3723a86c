"""Reviews of kind `action`: shows an event of a case that waits, and does what people agree on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from pydantic import AwareDatetime

from connectors.store.engine import Transaction
from connectors.store.tables import ReviewRow
from domain.action import agreed
from domain.case import BY_PERSON, Plan
from domain.decision import Decision, Reason
from domain.explain import BECAUSE
from domain.proposal import NONE_OF_THESE
from domain.review import Answer, Form
from domain.story import tell
from policies.cases import CasePolicy
from policies.load import Workflow, cases_of
from policies.situations import Situation, plan, possible, situate
from prompts.action_review import action_form
from tasks.act import action_review, carry_out, shown_binding
from tasks.meet import stored
from tasks.resources import Resources

NOTHING = "none of these; nothing is done"
"""What `none_of_these` means."""

HISTORY = 10
"""Moves of the case that the form shows, the latest."""


@dataclass(frozen=True)
class ActionReview:
    """A decision about an event that waits, with the case as it stands now.

    Attributes:
        held: with its plan made anew where the case has moved on since.
        asking: how often people were asked about this event, this time included.
    """

    workflow: Workflow
    cases: CasePolicy
    met: Situation
    held: Decision
    history: tuple[str, ...]
    asking: int
    due_at: AwareDatetime

    @classmethod
    def load(cls, here: Resources, tx: Transaction, review: ReviewRow) -> Self:
        """The decision that a review is about, in its case."""
        decided = tx.inbox.decided(review.item_id)
        if decided is None:
            raise LookupError(f"nothing was decided about {review.item_id}, and there is a review of it")
        claimed, _, held = decided
        workflow = here.workflow(review.workflow)
        cases = cases_of(workflow)
        case = stored(tx, cases, str(review.question["case"]))
        met = situate(cases, claimed, case)
        if held.plan is not None and held.plan.version != case.version:
            held = held.model_copy(update={"plan": _planned(cases, met, held.plan, held.plan.action, {})[0]})
        history = tuple(tell(entry.event, entry.facts) for entry in tx.cases.history(cases.name, case.key, HISTORY))
        return cls(workflow, cases, met, held, history, int(review.question["asking"]), review.due_at)

    def form(self, notice: str, *, late: bool) -> Form:
        """The event, its case and what is proposed; only what is possible can be chosen."""
        names = possible(self.cases, self.met) if self.met.case.key else ()
        choices = {name: self.cases.actions[name].description for name in names} | {NONE_OF_THESE: NOTHING}
        proposed = self.held.plan.action if self.held.plan and not self.held.blind else None
        inputs = {
            name: f"{kind.type.value}, for {action}"
            for action in names
            for name, kind in self.cases.actions[action].parameters.items()
        }
        return Form(
            markdown=action_form(self.cases, self.met, self.held, choices, self.history, self.due_at, notice),
            label="Action",
            choices=choices,
            preselected=proposed if proposed in choices else None,
            inputs=inputs,
            binding=shown_binding(self.met.case, self.held),
            due_at=self.due_at,
            late=late,
        )

    def objection(self, answer: Answer) -> str:
        """What is missing, does not hold, or needs somebody else."""
        made, doubts = self._chosen(answer)
        if made is None:
            return ""
        if doubts:
            return f"That cannot be done: {'; '.join(made.faults or [BECAUSE[doubt] for doubt in doubts])}."
        before = self.held.plan.approved_by if self.held.plan and self.held.plan.binding == made.binding else ()
        if answer.reviewer.strip().casefold() in {name.casefold() for name in before}:
            return f"{answer.reviewer.strip()} has agreed already; another person must agree too."
        return ""

    def settle(self, tx: Transaction, answer: Answer, now: AwareDatetime) -> bool:
        """Do what was agreed on, or ask the second person where it needs one."""
        item_id, mode = self.met.claimed.item_id, self.workflow.terms.mode
        made, _ = self._chosen(answer)
        decision = agreed(self.held, made, answer.reviewer.strip(), answer.note.strip(), mode, now)
        if decision.waits:
            tx.inbox.replace_decision(item_id, decision, 0, now)
            tx.reviews.open(action_review(self.workflow, self.met, decision, self.asking + 1), now)
            return False
        writes = carry_out(tx, self.workflow, self.met, decision)
        tx.inbox.replace_decision(item_id, decision, writes, now)
        return writes > 0

    def _chosen(self, answer: Answer) -> tuple[Plan | None, tuple[Reason, ...]]:
        if answer.choice == NONE_OF_THESE:
            return None, ()
        filled = {name: text for name, text in answer.inputs.items() if text.strip()}
        return _planned(self.cases, self.met, self.held.plan, answer.choice, filled)


def _planned(
    cases: CasePolicy, met: Situation, before: Plan | None, action: str, filled: Mapping[str, str]
) -> tuple[Plan | None, tuple[Reason, ...]]:
    """The plan of an action now; what was known of its parameters before is weighed again."""
    known = before.parameters if before and before.action == action else {}
    said = {name: one.value for name, one in known.items() if one.evidence != BY_PERSON}
    found = {one.evidence: one.value for one in known.values() if one.evidence not in (BY_PERSON, *met.evidence)}
    by_person = {name: one.value for name, one in known.items() if one.evidence == BY_PERSON}
    return plan(cases, met, action, said, found, {**by_person, **filled})
