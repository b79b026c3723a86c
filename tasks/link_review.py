"""Reviews of kind `link`: shows a record beside those that it may be the same as, and keeps what a person says."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from pydantic import AwareDatetime

from connectors.store.candidates import Candidates
from connectors.store.crosswalk import Crosswalk
from connectors.store.crosswalk_rows import Of
from connectors.store.crosswalk_tables import RecordRow
from connectors.store.engine import Transaction
from connectors.store.places import Places, Room
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
OTHER = "other"
"""The choice of one that is known and was not shown; which, is filled in."""
RECORD = "record"
"""What is filled in with `OTHER`: a system's own id, after the system's name where several have it."""
BLIND = "it is one of a random sample by which linking is measured; please look for it in the other systems too"


@dataclass(frozen=True)
class Asked:
    """What else a question about a record holds.

    Attributes:
        evidence: by entity, what each field says, in words.
        other: whether one that is not shown can be named.
        sample: whether the record was drawn blindly, so that the answer is a label that proves something.
    """

    evidence: Mapping[str, list[str]] = field(default_factory=dict)
    other: bool = False
    sample: bool = False


def ask_about(
    tx: Transaction,
    workflow: Workflow,
    of: Of,
    row: RecordRow,
    entities: Sequence[str],
    why: str,
    now: datetime,
    *,
    about: str = "",
    more: Asked | None = None,
) -> bool:
    """Ask which of some entities a record is of, if any; until then it stays apart, or with the entity that it is of.

    What the records hold is kept with the question: once they are linked they are made alike. False if that was
    asked before.

    Args:
        why: a person is asked, in words.
        about: what is asked once only; each change of the record makes another question without it.
    """
    if row.entity_id is None:
        row.apart = Apart.ASKED
    asked: dict[str, Any] = {"object": of.object, "record": row.seq, "entities": list(entities), "why": why}
    if more is not None:
        known = [one for entity in entities for one in tx.crosswalk.get(entity).records.values()]
        asked |= {"evidence": dict(more.evidence), "other": more.other, "sample": more.sample}
        asked["held"] = {str(one.seq): one.now for one in (row, *known)}
    question = Question(
        kind=ReviewKind.LINK,
        reason=Reason.MAYBE_SAME,
        about=about or f"{row.seq}/{row.told}",
        text=f"Is {of.object} {row.external_id} of {row.system} one that is known?",
        fields={"object": of.object, "entity": ", ".join(entities), "field": row.external_id or ""},
        asked=asked,
        binding=_binding(asked, row, {entity: tx.crosswalk.get(entity).records.values() for entity in entities}),
    )
    return ask_person(tx, workflow, question, now)


def open_sample_of(
    tx: Transaction, workflow: Workflow, of: Of, row: RecordRow, entities: Sequence[str], now: datetime
) -> None:
    """Ask about a record that was drawn blindly; the likeliest are shown in no order that tells anything."""
    ask_about(tx, workflow, of, row, sorted(entities), BLIND, now, more=Asked(other=True, sample=True))


def sampled(tx: Transaction, policy: str, object_name: str) -> tuple[int, int]:
    """How many of the records that were drawn blindly wait for a person, and how many people have answered."""

    def drawn(rows: Sequence[ReviewRow]) -> int:
        mine = (row.question for row in rows if row.kind == ReviewKind.LINK)
        return sum(bool(asked.get("sample")) and asked.get("object") == object_name for asked in mine)

    return drawn(tx.reviews.waiting(policy)), drawn(tx.reviews.answered_of(policy, ReviewKind.LINK))


@dataclass(frozen=True)
class LinkReview:
    """A record that may be of something that is known."""

    workflow: Workflow
    item_id: str
    question: dict[str, Any]
    record: RecordRow
    known: dict[str, list[RecordRow]]
    due_at: AwareDatetime
    candidates: Candidates
    crosswalk: Crosswalk
    places: Places

    @classmethod
    def load(cls, here: Resources, tx: Transaction, review: ReviewRow) -> Self:
        """The record, and those of what it may be of, as they stand."""
        asked = review.question
        still = dict.fromkeys(tx.crosswalk.still(name) for name in asked["entities"])
        known = {name: list(tx.crosswalk.get(name).records.values()) for name in still}
        workflow, record = here.workflow(review.workflow), tx.places.record(asked["record"])
        return cls(
            workflow, review.item_id, asked, record, known, review.due_at, tx.candidates, tx.crosswalk, tx.places
        )

    @property
    def binding(self) -> str:
        """Of the question, and of the records that are shown, as they stand."""
        return _binding(self.question, self.record, self.known)

    @property
    def moves(self) -> bool:
        """Always: records change."""
        return True

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
                self.record.object,
                self.record.system,
                fields,
                rows,
                self.question["why"],
                self.due_at,
                notice,
                self.question.get("evidence", {}),
                known=self.record.entity_id is not None,
            ),
            label="Which one it is",
            choices=offered | {NEW: "none of them"} | ({OTHER: "another one that is known"} if self._other else {}),
            inputs={RECORD: _NAMES_IT} if self._other else {},
            binding=self.binding,
            due_at=self.due_at,
            late=late,
        )

    def objection(self, answer: Answer) -> str:
        """That the record which was filled in is none that is known, or several are; or that a write is under way."""
        if self._busy(answer):
            return "A write to one of them is under way; answer again in a moment."
        if answer.choice != OTHER or self._named(answer):
            return ""
        named = answer.inputs.get(RECORD, "").strip()
        if not named:
            return "Fill in the id of the record that it is the same as, or choose one of those that are shown."
        return f"'{named}' is not one record of another system; fill in its id there, after the system's name."

    def needs(self, answer: Answer) -> int:  # noqa: ARG002  whatever is chosen
        """As many people as the policy wants to agree."""
        return self.workflow.policy.review.people

    def settle(self, tx: Transaction, answer: Answer, now: AwareDatetime) -> bool:
        """Link the record, or begin an entity with it; a second one in its system stays apart, and is told of.

        Of a record that has an entity, that and the one that was chosen become one.
        """
        chosen = self._chosen(answer)
        if (own := self.record.entity_id) is not None:
            if chosen not in (NEW, own):
                tx.crosswalk.merge(own, chosen, now)
        elif chosen == NEW:
            tx.crosswalk.begin(self._of, self.record, now)
        elif tx.places.room(chosen, self.record.system, now) is not Room.FREE:
            self.record.apart = Apart.SECOND
        else:
            tx.crosswalk.link(self.record, chosen, now, by=answer.by)
        settled(tx, self.item_id, Kind.HUMAN, Reason.SAID, answer.by, answer.note, now)
        return True

    @property
    def _of(self) -> Of:
        return Of(self.record.policy, self.record.object)

    @property
    def _other(self) -> bool:
        return bool(self.question.get("other"))

    def _chosen(self, answer: Answer) -> str:
        """The entity that was chosen, as it is called now, or `NEW`."""
        chosen = self._named(answer) if answer.choice == OTHER else answer.choice
        return chosen if chosen == NEW else self.crosswalk.still(chosen)

    def _busy(self, answer: Answer) -> bool:
        """Whether the answer would make two entities one, or put a record in a place, while a write is under way."""
        if answer.choice == NEW or (answer.choice == OTHER and not self._named(answer)):
            return False
        own, chosen = self.record.entity_id, self._chosen(answer)
        if own is not None:
            return own != chosen and self.crosswalk.busy(own, chosen)
        return self.places.being_made(chosen, self.record.system)

    def _named(self, answer: Answer) -> str:
        """The entity of the record that was filled in; empty where that is not one."""
        named = answer.inputs.get(RECORD, "").strip()
        system, _, id_ = named.partition(" ")
        within = sync_of(self.workflow).objects[self.record.object].systems
        found = self.candidates.named(self._of, id_.strip(), self.record.system, system) if system in within else []
        found = found or self.candidates.named(self._of, named, self.record.system)
        return found[0] if len(found) == 1 else ""


_NAMES_IT = f"Its id in another system, such as 'crm 17', where '{OTHER}' is chosen"


def _binding(asked: Mapping[str, Any], row: RecordRow, known: Mapping[str, Iterable[RecordRow]]) -> str:
    """Of what is asked and of each record that is shown with it: an answer is about what these hold."""
    ids = {name: sorted(one.seq or 0 for one in rows) for name, rows in known.items()}
    shown = sorted((row, *(one for rows in known.values() for one in rows)), key=lambda one: one.seq or 0)
    return digest(asked, ids, [(one.system, one.external_id, one.now, one.gone) for one in shown])


def _called(row: RecordRow) -> str:
    return f"{row.system} {row.external_id or 'to be made'}"
