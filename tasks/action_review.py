"""Reviews of kind `action`: shows an event of a case that waits, and does what people agree on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from pydantic import AwareDatetime

from connectors.store.engine import Transaction
from connectors.store.tables import ReviewRow
from domain.action import relieve_action, settle_action
from domain.case import BY_PERSON, Gate, Plan
from domain.decision import Decision, Mode, Reason
from domain.explain import BECAUSE
from domain.proposal import NONE_OF_THESE
from domain.review import Answer, Form
from domain.story import tell
from policies.cases import CasePolicy
from policies.intake import match_rule
from policies.load import cases_of
from policies.situations import Situation, plan, possible, situate
from prompts.action_review import action_form
from tasks.act import carry_out, shown_binding
from tasks.begun import Begun
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
        begun: with the workflow that plans.
        held: with its plan made anew where the case has moved on since, or what was to be done is lost.
    """

    begun: Begun
    cases: CasePolicy
    met: Situation
    held: Decision
    history: tuple[str, ...]
    due_at: AwareDatetime

    @classmethod
    def load(cls, here: Resources, tx: Transaction, review: ReviewRow) -> Self:
        """The decision that a review is about, in its case."""
        begun = Begun.load(here, tx, review)
        cases, held = cases_of(begun.workflow), begun.held
        case = stored(tx, cases, str(review.question["case"]))
        met = situate(cases, begun.claimed, case)
        if held.plan is not None and (held.plan.version != case.version or begun.lost):
            held = held.model_copy(update={"plan": _planned(cases, met, held.plan, held.plan.action, {})[0]})
        history = tuple(tell(entry.event, entry.facts) for entry in tx.cases.history(cases.name, case.key, HISTORY))
        return cls(begun, cases, met, held, history, review.due_at)

    @property
    def binding(self) -> str:
        """Of the proposal, the case and the version of the policy."""
        return shown_binding(self.met.case, self.held)

    @property
    def moves(self) -> bool:
        """Always: the case may move on while it waits."""
        return True

    def form(self, notice: str, *, late: bool) -> Form:
        """The event, its case and what is proposed; only what is possible can be chosen."""
        told = self.begun.noted(notice)
        names = possible(self.cases, self.met) if self.met.case.key else ()
        plans = {name: made for name in names if (made := self._planned(name, {})[0])}
        choices = {name: self.cases.actions[name].description for name in names} | {NONE_OF_THESE: NOTHING}
        proposed = self.held.plan.action if self.held.plan and not self.held.blind else None
        inputs = {
            name: f"{kind.type.value}, for {action}"
            for action in names
            for name, kind in self.cases.actions[action].parameters.items()
        }
        return Form(
            markdown=action_form(self.cases, self.met, self.held, choices, plans, self.history, self.due_at, told),
            label="Action",
            choices=choices,
            preselected=proposed if proposed in choices else None,
            inputs=inputs,
            binding=self.binding,
            due_at=self.due_at,
            late=late,
        )

    def objection(self, answer: Answer) -> str:
        """What is missing or does not hold."""
        made, doubts = self._chosen(answer)
        if made is not None and doubts:
            return f"That cannot be done: {'; '.join(made.faults or [BECAUSE[doubt] for doubt in doubts])}."
        return ""

    def needs(self, answer: Answer) -> int:
        """As many people as the action with these parameters needs, and as the policy wants for any."""
        made, _ = self._chosen(answer)
        return max(made.approvals, 1 if self.held.blind else self.cases.review.people) if made else 1

    def settle(self, tx: Transaction, answer: Answer, now: AwareDatetime) -> bool:
        """Do what was agreed on."""
        decision = settle_action(answer, self.held, self._chosen(answer)[0], self.begun.workflow.terms.mode, now)
        return self._keep(tx, decision, now)

    def relieve(self, tx: Transaction, mode: Mode, now: AwareDatetime) -> str | None:
        """Let a rule act in a person's place, where one may; gives the rule's name."""
        if self.begun.lost:
            return None
        terms = self.begun.workflow.terms.model_copy(update={"mode": mode})
        rule = match_rule(self.met.claimed.item, self.met.checked, self.cases)
        if rule is None or rule.route is None or self.met.gate is not Gate.ALLOWED:
            return None
        made, doubts = self._planned(rule.route, {})
        decision = relieve_action(self.held, rule, made, (*self.met.barred, *doubts), terms, now)
        if decision is None:
            return None
        self._keep(tx, decision, now)
        return rule.name

    def _keep(self, tx: Transaction, decision: Decision, now: AwareDatetime) -> bool:
        writes = carry_out(tx, self.begun.workflow, self.met, decision)
        tx.inbox.replace_decision(self.met.claimed.item_id, decision, writes, now)
        return writes > 0

    def _chosen(self, answer: Answer) -> tuple[Plan | None, tuple[Reason, ...]]:
        if answer.choice == NONE_OF_THESE:
            return None, ()
        filled = {name: text for name, text in answer.inputs.items() if text.strip()}
        return self._planned(answer.choice, filled)

    def _planned(self, action: str, filled: Mapping[str, str]) -> tuple[Plan | None, tuple[Reason, ...]]:
        """The plan of an action that is shown, and carried out; a blind check's owes the machine nothing."""
        return _planned(self.cases, self.met, None if self.held.blind else self.held.plan, action, filled)


def _planned(
    cases: CasePolicy, met: Situation, before: Plan | None, action: str, filled: Mapping[str, str]
) -> tuple[Plan | None, tuple[Reason, ...]]:
    """The plan of an action now; what was known of its parameters before is weighed again."""
    known = before.parameters if before and before.action == action else {}
    said = {name: one.value for name, one in known.items() if one.evidence != BY_PERSON}
    found = {one.evidence: one.value for one in known.values() if one.evidence not in (BY_PERSON, *met.evidence)}
    by_person = {name: one.value for name, one in known.items() if one.evidence == BY_PERSON}
    return plan(cases, met, action, said, found, {**by_person, **filled})
