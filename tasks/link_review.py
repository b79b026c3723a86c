"""Reviews of kind `link`: shows a record beside those that it may be the same as, and keeps what a person says."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from pydantic import AwareDatetime

from connectors.store.crosswalk import Of
from connectors.store.crosswalk_tables import RecordRow
from connectors.store.engine import Transaction
from connectors.store.tables import ReviewRow
from domain.decision import Kind, Reason
from domain.linking import Apart
from domain.review import Answer, Form, ReviewKind
from domain.values import digest
from policies.load import Workflow, sync_of
from prompts.conflict import link_form
from tasks.resources import Resources
from tasks.sync_item import Question, ask_person, settled

NEW = "new"
"""The choice of none of those that are known."""


def ask_about(
    tx: Transaction,
    workflow: Workflow,
    of: Of,
    row: RecordRow,
    entities: Sequence[str],
    why: str,
    now: datetime,
    about: str = "",
) -> None:
    """Ask which of some entities a record is of, if any; until then it stays apart, or with the entity that it is of.

    Args:
        why: a person is asked, in words.
        about: what is asked once only; each change of the record makes another question without it.
    """
    if row.entity_id is None:
        row.apart = Apart.ASKED
    asked: dict[str, Any] = {"record": row.seq, "entities": list(entities), "why": why}
    question = Question(
        kind=ReviewKind.LINK,
        reason=Reason.MAYBE_SAME,
        about=about or f"{row.seq}/{row.told}",
        text=f"Is {of.object} {row.external_id} of {row.system} one that is known?",
        fields={"object": of.object, "entity": ", ".join(entities), "field": row.external_id or ""},
        asked=asked,
        binding=digest(asked),
    )
    ask_person(tx, workflow, question, now)


@dataclass(frozen=True)
class LinkReview:
    """A record that may be of something that is known."""

    workflow: Workflow
    item_id: str
    question: dict[str, Any]
    record: RecordRow
    known: dict[str, list[RecordRow]]
    due_at: AwareDatetime

    @classmethod
    def load(cls, here: Resources, tx: Transaction, review: ReviewRow) -> Self:
        """The record, and those of what it may be of, as they stand."""
        asked = review.question
        known = {name: list(tx.crosswalk.get(name).records.values()) for name in asked["entities"]}
        workflow, record = here.workflow(review.workflow), tx.crosswalk.record(asked["record"])
        return cls(workflow, review.item_id, asked, record, known, review.due_at)

    @property
    def binding(self) -> str:
        """Of the question."""
        return digest(self.question)

    def form(self, notice: str, *, late: bool) -> Form:
        """The record beside each that is known."""
        fields = list(sync_of(self.workflow).objects[self.record.object].fields)
        which = "this one" if self.record.entity_id else "the new one"
        rows = [(f"{which}, {self.record.system} {self.record.external_id}", self.record.now)]
        rows += [
            (f"{name}: {row.system} {row.external_id}", row.now) for name, rows in self.known.items() for row in rows
        ]
        offered = {name: f"the same as {', '.join(map(_called, rows))}" for name, rows in self.known.items()}
        return Form(
            markdown=link_form(
                self.record.object, self.record.system, fields, rows, self.question["why"], self.due_at, notice
            ),
            label="Which one it is",
            choices=offered | {NEW: "none of them"},
            binding=self.binding,
            due_at=self.due_at,
            late=late,
        )

    def objection(self, answer: Answer) -> str:  # noqa: ARG002  all that is offered can be done
        """Nothing: every choice of the form can be done."""
        return ""

    def needs(self, answer: Answer) -> int:  # noqa: ARG002  whatever is chosen
        """As many people as the policy wants to agree."""
        return self.workflow.policy.review.people

    def settle(self, tx: Transaction, answer: Answer, now: AwareDatetime) -> bool:
        """Link the record, or begin an entity with it; a second one in its system stays apart, and is told of.

        Of a record that has an entity, that and the one that was chosen become one.
        """
        of = Of(self.record.policy, self.record.object)
        if (own := self.record.entity_id) is not None:
            into = NEW if answer.choice == NEW else _still(tx, answer.choice)
            if into not in (NEW, own):
                tx.crosswalk.merge(own, into, now)
        elif answer.choice == NEW:
            tx.crosswalk.begin(of, self.record, now)
        elif any(row.system == self.record.system and not row.gone for row in self.known[answer.choice]):
            self.record.apart = Apart.SECOND
        else:
            tx.crosswalk.link(self.record, answer.choice, now, by=answer.by)
        settled(tx, self.item_id, Kind.HUMAN, Reason.SAID, answer.by, answer.note, now)
        return True


def _still(tx: Transaction, entity_id: str) -> str:
    """The entity that this one is now: it may have turned out to be another one."""
    into = tx.crosswalk.get(entity_id).row.merged_into
    return entity_id if into is None else _still(tx, into)


def _called(row: RecordRow) -> str:
    return f"{row.system} {row.external_id or 'to be made'}"
