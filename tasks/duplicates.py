"""Looks, before a record is written anew, whether its system has it already; and what a person says of it."""

from dataclasses import dataclass
from typing import Any, Self

from pydantic import AwareDatetime

from connectors.ports import Destination, Searchable
from connectors.store.engine import Transaction
from connectors.store.outbox import Due
from connectors.store.tables import ReviewRow
from domain.delivery import Invalid, Operation, RetryAfter, Search
from domain.duplicates import Comparison, Finding, choices, compare_with, settle_duplicate
from domain.item import ClaimedItem
from domain.review import Answer, Form, Review, ReviewKind
from domain.sameness import Known
from domain.values import Frozen, digest
from policies.duplicates import identity
from prompts.duplicate import duplicate_form
from tasks.resources import Resources


class Alike(Frozen):
    """A record of the target that a person is shown."""

    external_id: str
    values: dict[str, str]


class Searched(Frozen):
    """What a search came to, with the records that a person may have to choose among."""

    comparison: Comparison
    alike: tuple[Alike, ...] = ()


def asked_search(write: Operation) -> Search:
    """How the operation's target is to be searched; that it is to be is for the caller to know."""
    if write.search is None:
        raise LookupError(f"operation {write.operation_id} asks for no search")
    return write.search


async def search_for(destination: Destination, write: Operation) -> Searched | Invalid | RetryAfter:
    """Whether the target has the operation's record, under our key or as somebody else's."""
    if not isinstance(destination, Searchable):
        return Invalid(detail=f"{write.system} cannot be searched for duplicates; take that out of the policy")
    answered = await destination.candidates(write)
    if not isinstance(answered, list):
        return answered
    found = [one for one in answered if one.external_id not in write.gone]  # searches lag behind deletions too
    if any(one.ours for one in found):
        return Searched(comparison=Comparison(finding=Finding.OURS, why="it has our key"))
    asked = asked_search(write)
    known = [Known(external_id=one.external_id, identity=identity(one.values, asked)) for one in found]
    comparison = compare_with(identity(write.values, asked), known)
    alike = [Alike(external_id=one.external_id, values=one.values) for one in found]
    return Searched(comparison=comparison, alike=tuple(one for one in alike if one.external_id in comparison.records))


def keep(here: Resources, tx: Transaction, due: Due, searched: Searched, now: AwareDatetime) -> None:
    """Keep what a search came to, with the review that it may ask for, before anything is sent."""
    kept = tx.outbox.compared(due, searched.comparison, now)
    if kept and searched.comparison.finding is Finding.ASK_PERSON:
        policy = here.workflow(asked_search(due.operation).workflow).policy
        tx.reviews.open(_review(due.operation, searched, policy.review_due_at(now)), now)


def _review(write: Operation, searched: Searched, due_at: AwareDatetime) -> Review:
    search = asked_search(write)
    question = _Asked(operation=write, why=searched.comparison.why, alike=searched.alike).model_dump(mode="json")
    return Review(
        kind=ReviewKind.DUPLICATE,
        item_id=write.item_id,
        policy=write.policy,
        workflow=search.workflow,
        about=write.destination,
        question=question,
        binding=digest(question),
        why="possible_duplicate",
        due_at=due_at,
    )


class _Asked(Frozen):
    """A duplicate review's question: the write that waits, and the records that may be its."""

    operation: Operation
    why: str
    alike: tuple[Alike, ...]


@dataclass(frozen=True)
class DuplicateReview:
    """A write that waits until a person has said which record it is about."""

    claimed: ClaimedItem
    question: dict[str, Any]
    due_at: AwareDatetime

    @classmethod
    def load(cls, tx: Transaction, review: ReviewRow) -> Self:
        """What a review asks, as it was found when it was opened."""
        return cls(tx.inbox.get(review.item_id), review.question, review.due_at)

    @property
    def binding(self) -> str:
        """Of the question."""
        return digest(self.question)

    @property
    def moves(self) -> bool:
        """Never: what was found is kept with the question."""
        return False

    def form(self, notice: str, *, late: bool) -> Form:
        """The new record beside those that it may be, and a choice among them."""
        asked = self._asked
        write = asked.operation
        search = asked_search(write)
        records = [(one.external_id, one.values, identity(one.values, search)) for one in asked.alike]
        offered = choices([one.external_id for one in asked.alike], write.system)
        return Form(
            markdown=duplicate_form(
                self.claimed, write, identity(write.values, search), records, asked.why, self.due_at, notice
            ),
            label="Which record",
            choices=offered,
            binding=self.binding,
            due_at=self.due_at,
            late=late,
        )

    def objection(self, answer: Answer) -> str:  # noqa: ARG002  every record that is offered can be chosen
        """Nothing: every choice of the form can be done."""
        return ""

    def needs(self, answer: Answer) -> int:  # noqa: ARG002
        """One person: what is written was decided on before."""
        return 1

    def settle(self, tx: Transaction, answer: Answer, now: AwareDatetime) -> bool:
        """Send the write on its way, or end it."""
        comparison = settle_duplicate(answer.choice, answer.by, answer.note)
        tx.outbox.answered(self._asked.operation.operation_id, comparison, now)
        return comparison.finding is not Finding.UNWANTED

    @property
    def _asked(self) -> _Asked:
        return _Asked.model_validate(self.question)
