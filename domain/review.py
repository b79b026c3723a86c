"""Reviews: what a person is asked about an item, and when an answer may settle it.

An answer is bound to what the person was shown: if that is not what stands there now, or the
time for the review is over, nothing happens and the person is asked again. What a valid answer
of each kind settles stands beside what the kind is about, such as `domain.route_review`.
"""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import AwareDatetime, Field

from domain.values import Frozen

InputName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
"""Of a text that a form asks for, as the policy's fields are called."""


class ReviewKind(StrEnum):
    """What a review asks."""

    ROUTE = "route"
    """Where the item should go."""
    ACTION = "action"
    """What should be done about an event of a case."""
    FIELDS = "fields"
    """What is missing or wrong in an item's fields, and whether it is written."""
    DUPLICATE = "duplicate"
    """Whether a record of another system is the one that is about to be written."""
    CONFLICT = "conflict"
    """What a field is of which several systems say different things."""
    LINK = "link"
    """Whether a system's record is of the same thing as records that are known."""


_THE_ITEMS_OWN = frozenset({ReviewKind.ROUTE, ReviewKind.FIELDS, ReviewKind.CONFLICT, ReviewKind.LINK})
"""Kinds of which an item has at most one, named as the item is."""


class Review(Frozen):
    """A question about an item, to be answered by a person.

    Attributes:
        workflow: how to load the policy: a shipped one's name, or a path.
        about: tells two reviews of one kind about one item apart; empty where there is only one.
        question: what the kind needs to know beyond the item, in JSON values.
        binding: digest of what the person is shown, as it was when the review was opened.
        why: why a person is asked, as a code; of a route, the reason of the decision that waits.
        proposed: the label that model and examples came to together, and `classifier` the fingerprint of
            what the confidence in it depends on: where a route is asked for, for audits and harvests.
    """

    kind: ReviewKind
    item_id: str
    policy: str
    workflow: str
    about: str = ""
    question: dict[str, Any] = Field(default_factory=dict)
    binding: str
    why: str
    proposed: str | None = None
    classifier: str | None = None
    due_at: AwareDatetime

    @property
    def review_id(self) -> str:
        """Names the review; by the item's own id where it has only one, so that whoever knows the item can answer."""
        if self.kind in _THE_ITEMS_OWN:
            return self.item_id
        return "-".join(filter(None, (self.item_id, self.kind.value, self.about)))


class Proven(StrEnum):
    """How it is known that an answer is the reviewer's."""

    CLAIMED = "claimed"
    """By the name that was given; whoever could reach the form could give it."""
    LINK = "link"
    """By a signed link that was sent to that person alone."""


class Form(Frozen):
    """What a reviewer is shown, and what an answer is checked against.

    Attributes:
        markdown: what is read above the fields.
        label: of the choice.
        choices: what can be chosen, with what each means.
        preselected: the choice that the form begins with, if any; it must still be sent.
        inputs: texts that can be filled in, with what each is for.
        binding: digest of what is shown; an answer carries it back.
        late: whether the form says that the review's time is over.
    """

    markdown: str
    label: str
    choices: dict[str, str] = Field(min_length=1)
    preselected: str | None = None
    inputs: dict[InputName, str] = Field(default_factory=dict)
    binding: str
    due_at: AwareDatetime
    late: bool


class Answer(Frozen):
    """What a reviewer filled in.

    Attributes:
        choice: one of the form's.
        inputs: texts that the form asked for, by name; what is left out is empty.
        reviewer: who answers; `proven` tells how that is known.
        binding: of the form that the reviewer was shown.
        aware_late: whether the reviewer was told that the review's time is over.
        key: nonce of the link's key, which decides once; empty without one.
        agreed: those who have given the same answer before, where several people must.
    """

    choice: str
    inputs: dict[str, Annotated[str, Field(max_length=2000)]] = Field(default_factory=dict)
    reviewer: str = Field(max_length=200)
    note: str = Field(default="", max_length=2000)
    binding: str
    aware_late: bool = False
    proven: Proven = Proven.CLAIMED
    key: str = ""
    agreed: tuple[str, ...] = ()

    @property
    def by(self) -> str:
        """Everybody who gave this answer."""
        return " and ".join((*self.agreed, self.reviewer.strip()))


class Refusal(StrEnum):
    """Why an answer does not settle a review."""

    ALREADY_DECIDED = "already_decided"
    """Somebody was faster; the only one after which the review does not go on waiting."""
    REVIEWER_MISSING = "reviewer_missing"
    UNKNOWN_CHOICE = "unknown_choice"
    UNKNOWN_INPUT = "unknown_input"
    CHANGED = "changed"
    LATE = "late"
    IMPOSSIBLE = "impossible"
    """What was chosen cannot be done; the notice says why."""
    KEY_USED = "key_used"
    CONCERNED = "concerned"
    SAME_PERSON = "same_person"
    UNKNOWN_PERSON = "unknown_person"
    """Several must agree, and nobody knows whose name this is: one person could give them all."""
    UNPROVEN = "unproven"
    """Several must agree, each by a link of theirs, and this is no such answer."""


EXPLAIN: dict[Refusal, str] = {
    Refusal.ALREADY_DECIDED: "Somebody else has decided this already.",
    Refusal.REVIEWER_MISSING: "Please fill in your name, so that the ledger knows who decided.",
    Refusal.UNKNOWN_CHOICE: "That is not among the choices; please take one from the list.",
    Refusal.UNKNOWN_INPUT: "Something was filled in that was not asked for; please look at the list again.",
    Refusal.CHANGED: "What you were shown has changed since; please look again.",
    Refusal.LATE: (
        "The time for this review is over and it was escalated. "
        "Please confirm that nobody has dealt with the message in the meantime."
    ),
    Refusal.IMPOSSIBLE: "That cannot be done.",
    Refusal.KEY_USED: "This link was used before, and each decides once. Ask for a new one.",
    Refusal.CONCERNED: "You sent this or asked for it, so somebody else must decide it.",
    Refusal.SAME_PERSON: "You have agreed to this already; a different person must agree too.",
    Refusal.UNKNOWN_PERSON: (
        "Different people must agree to this, so it must be known who you are: answer by a link of your own "
        "('interlock reviews link' makes one), or under your name as it stands in the people file."
    ),
    Refusal.UNPROVEN: (
        "Different people must agree to this, and each must show who they are: answer by a link that was sent to you "
        "('interlock reviews link' makes one), not under a typed name."
    ),
}


def refusal(answer: Answer, form: Form, binding: str, now: AwareDatetime) -> Refusal | None:
    """Why an answer to an open review settles nothing, whatever is asked; None if it may settle it.

    Args:
        form: as it would be shown now.
        binding: of the review, as it was opened.
    """
    if not answer.reviewer.strip():
        return Refusal.REVIEWER_MISSING
    if answer.choice not in form.choices:
        return Refusal.UNKNOWN_CHOICE
    if not answer.inputs.keys() <= form.inputs.keys():
        return Refusal.UNKNOWN_INPUT
    if not answer.binding == form.binding == binding:
        return Refusal.CHANGED
    if now > form.due_at and not answer.aware_late:
        return Refusal.LATE
    return None
