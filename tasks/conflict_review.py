"""Reviews of kind `conflict`: shows what systems say of a field, and keeps what a person says it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Self

from pydantic import AwareDatetime

from connectors.store.crosswalk_rows import Due
from connectors.store.engine import Transaction
from connectors.store.tables import ReviewRow
from domain.conflict import OTHER, VALUE, choices, outcomes, value_of
from domain.decision import Kind, Reason
from domain.entity import Entity, FieldTerms, Move, Standing, decided
from domain.escalation import Cause
from domain.merge import Side, Why
from domain.review import Answer, Form, ReviewKind
from domain.values import digest
from policies.load import Workflow, sync_of
from policies.sync import SyncField
from policies.sync_rule import owner_diff
from prompts.conflict import conflict_form
from tasks.resources import Resources
from tasks.sync_item import Question, ask_person, item_about, settled

LOST = "The policy does not have this field any more: whatever you choose is kept, and written nowhere."
OWNER = "owner"
"""In an answered question, the system that owned the field by the policy that it was answered under; or nothing."""
ENDED = {
    Reason.SYSTEMS_AGREE: "that what the systems agree on is taken",
    Reason.RULE_ADDED: "that the policy has for the field now",
    Reason.FIELD_LOST: "that the policy does not have the field any more",
}
"""The rule by which a question ends that nobody has answered."""
RULED = frozenset({Why.OWNER, Why.UNION, Why.APPEND, Why.FORWARD})
"""What ends a question as the policy's rule for the field, not because the systems came to say the same."""
RULE = "rule"
"""In an open question, what the policy said of the field when it was last merged."""
KNOWN = 3
"""Other fields that a form shows, so that its reader knows what it is about."""


def look_anew(tx: Transaction, workflow: Workflow, now: datetime) -> None:
    """Have what people are asked about merged again where the policy says something else of the field than it did."""
    told = sync_of(workflow)
    known = {_rule(name, field, one) for name, kept in told.objects.items() for field, one in kept.fields.items()}
    for review in tx.reviews.waiting(told.name):
        if review.kind != ReviewKind.CONFLICT or review.question.get(RULE) in known:
            continue
        entity, field = str(review.question["entity"]), str(review.question["field"])
        name = tx.crosswalk.get(entity).row.object
        fields = told.objects[name].fields if name in told.objects else {}
        review.question = review.question | {RULE: _rule(name, field, fields.get(field))}
        tx.crosswalk.look_again(entity, now if told.promises_step else None)


def _rule(name: str, field: str, kept: SyncField | None) -> str:
    return digest(name, field, kept and kept.model_dump(mode="json"))


def contest(
    tx: Transaction,
    workflow: Workflow,
    due: Due,
    before: Entity,
    after: Entity,
    now: datetime,
    moves: Sequence[Move] = (),
) -> None:
    """Ask a person about each field whose edits contradict each other now; end what need not be asked any more.

    Args:
        moves: what made `after` of `before`.
    """
    kept = sync_of(workflow).objects[due.row.object].fields
    ruled = {move.field for move in moves if move.why in RULED}
    for field, standing in after.fields.items():
        was = before.fields.get(field, Standing())
        about = f"{due.row.entity_id}/{field}/{standing.contests}"
        if standing.contested and not was.contested:
            rule = _rule(due.row.object, field, kept.get(field))
            ask_person(tx, workflow, _question(due, field, about, standing, rule), now)
        elif was.contested and not standing.contested:
            agree = Reason.RULE_ADDED if field in ruled else Reason.SYSTEMS_AGREE
            item, reason = item_about(workflow, about), agree if field in kept else Reason.FIELD_LOST
            tx.reviews.relieved(item, ENDED[reason], now)
            tx.escalations.resolve(Cause.REVIEW_LATE, item, f"the rule {ENDED[reason]}", now)
            settled(tx, item, Kind.RULE, reason, "merge", "", now)


def _question(due: Due, field: str, about: str, standing: Standing, rule: str) -> Question:
    entity, name = due.row.entity_id, due.row.object
    differ = ", ".join(standing.contested)
    return Question(
        kind=ReviewKind.CONFLICT,
        reason=Reason.EDITS_CONTRADICT,
        about=about,
        text=f"What is the {field.replace('_', ' ')} of {name} {entity}? {differ} changed it, and not to the same.",
        fields={"object": name, "entity": entity, "field": field},
        asked={"entity": entity, "field": field, RULE: rule},
        binding=_binding(standing),
    )


def _binding(standing: Standing) -> str:
    return digest(standing.agreed, standing.contested)


@dataclass(frozen=True)
class ConflictReview:
    """A field of which systems say different things."""

    workflow: Workflow
    due: Due
    row: ReviewRow
    field: str

    @classmethod
    def load(cls, here: Resources, tx: Transaction, review: ReviewRow) -> Self:
        """The field that a review is about, as it stands."""
        asked = review.question
        due = tx.crosswalk.get(str(asked["entity"]))
        return cls(here.workflow(review.workflow), due, review, str(asked["field"]))

    @cached_property
    def standing(self) -> Standing:
        """Where the field stands."""
        return self.due.entity.fields[self.field]

    @property
    def binding(self) -> str:
        """Of what is agreed on and what the systems say instead."""
        return _binding(self.standing)

    @property
    def moves(self) -> bool:
        """Always: systems go on saying things."""
        return True

    def form(self, notice: str, *, late: bool) -> Form:
        """What was agreed on, what each system makes of it, and what each rule would do."""
        standing, entity, name = self.standing, self.due.entity, self.due.row.object
        held = {system: record for system, record in entity.records.items() if self.field in record.now}
        sides = {
            system: Side(now=record.now[self.field], base=record.base.get(self.field, ""))
            for system, record in held.items()
        }
        others = {field: one.agreed for field, one in entity.fields.items() if field != self.field and one.agreed}
        return Form(
            markdown=conflict_form(
                name,
                self.due.row.entity_id,
                self.field,
                standing,
                {system: (side.now, side.base) for system, side in sides.items()},
                dict(list(others.items())[:KNOWN]),
                outcomes(standing, sides, self._terms.spelling) if self._terms else {},
                {system: owner_diff(self.workflow.path, name, self.field, system) for system in standing.contested}
                if self._terms
                else {},
                self.row.due_at,
                notice if self._terms else f"{LOST} {notice}".strip(),
            ),
            label="What it is",
            choices=choices(standing),
            inputs={VALUE: f"The {self.field.replace('_', ' ')}, where '{OTHER}' is chosen"},
            binding=self.binding,
            due_at=self.row.due_at,
            late=late,
        )

    def objection(self, answer: Answer) -> str:
        """That another value was chosen and none was filled in, or one that is none of the field's type."""
        value = value_of(answer, self.standing)
        if answer.choice == OTHER and not value:
            return f"Fill in what the {self.field.replace('_', ' ')} is, or choose what one of the systems says."
        if value.strip() and self._terms and not self._terms.normal(value):
            return f"'{value}' cannot be read as what this field takes; fill in another."
        return ""

    def needs(self, answer: Answer) -> int:  # noqa: ARG002  whatever is chosen
        """As many people as the policy wants to agree."""
        return self.workflow.policy.review.people

    def settle(self, tx: Transaction, answer: Answer, now: AwareDatetime) -> bool:
        """Keep the value; the next run has it written wherever another one stands."""
        standing = self.standing
        chosen = value_of(answer, standing)
        value = (self._terms.normal(chosen) if self._terms else chosen) if chosen.strip() else ""
        after = decided(self.due.entity, self.field, value, answer.by)
        move = Move(field=self.field, before=standing.agreed, after=value, why=Why.DECIDED, edited=standing.contested)
        tx.crosswalk.keep(self.due, after, [move], now, by=answer.by)
        promised = sync_of(self.workflow).promises_step
        tx.crosswalk.look_again(self.due.row.entity_id, now if promised else None)
        self.row.question = self.row.question | {OWNER: self._owner}
        settled(tx, self.row.item_id, Kind.HUMAN, Reason.SAID, answer.by, answer.note, now)
        return True

    @property
    def _kept(self) -> SyncField | None:
        """The field in the policy, if that still has it."""
        kept = sync_of(self.workflow).objects.get(self.due.row.object)
        return kept.fields.get(self.field) if kept else None

    @property
    def _owner(self) -> str:
        return (self._kept.owner if self._kept else None) or ""

    @cached_property
    def _terms(self) -> FieldTerms | None:
        return sync_of(self.workflow).field_terms.get(self.due.row.object, {}).get(self.field)
