"""Writes to other systems: one operation, the outcomes it can have, and the step after each."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal, Self, assert_never

from pydantic import AwareDatetime, Field

from domain.sameness import NAMES, IdentityNames
from domain.values import Frozen, digest, share


class Search(Frozen):
    """How a target is searched for duplicates of a record.

    Attributes:
        names: which of the operation's values tell a person apart.
        region: ISO alpha-2 of the country whose phone numbers come without a prefix.
        workflow: how to load the policy, for a review.
    """

    names: IdentityNames = NAMES
    region: str | None = None
    workflow: str


class Invitation(Frozen):
    """What a message invites to. The link itself is made when the message is sent, and kept nowhere.

    Attributes:
        reviewer: the one person whom the message goes to; empty where others can read it too.
        review_id: the review that is to be answered; empty for the whole queue.
        binding: of that review as it stood when the message was written: if what is shown has
            changed by the time it is opened, the link shows it and decides nothing.
    """

    reviewer: str = Field(default="", max_length=200)
    review_id: str = ""
    binding: str = ""


class Operation(Frozen):
    """One write that an item's decision asks for.

    Attributes:
        operation_id: the same for the same item and destination, whatever is retried.
        destination: name of the destination in the policy.
        system: the connector that sends it.
        record_key: names the record in the target; operations on one record keep their order.
        values: the record's fields, all text.
        options: what the system is told beside them, such as the kind of record.
        external_id: the target's own id of the record to write to, where that was found to be the same;
            empty for the record under our key.
        search: how the target is to be searched for the record before anything is sent; None where it is
            not, or was.
        invites: whom the message invites to what, if it is one that does.
        searched: how it was searched, to be searched again if the record of `external_id` is gone.
        gone: the target's ids of records that were to be written to and were not there any more.
        expected: what the record of `external_id` held of the values when the write was decided; None where
            that does not matter. A record that holds anything else by now, and not the operation's own
            values already, is not written. Without an `external_id`: a record under our key that is not of this
            operation is another's, and is not overwritten, by systems that can tell.
    """

    operation_id: str
    item_id: str
    policy: str
    destination: str
    system: str
    record_key: str
    values: dict[str, str]
    options: dict[str, str] = Field(default_factory=dict)
    external_id: str = ""
    search: Search | None = None
    invites: Invitation | None = None
    searched: Search | None = None
    gone: tuple[str, ...] = ()
    expected: dict[str, str] | None = None

    def sent_to(self, external_id: str) -> Self:
        """Searched for, and to be sent to this record."""
        return self.model_copy(update={"search": None, "searched": self.search, "external_id": external_id})

    def searched_again(self) -> Self:
        """To be searched for once more, because the record that was found is gone."""
        gone = (*self.gone, self.external_id)
        return self.model_copy(update={"search": self.searched, "searched": None, "external_id": "", "gone": gone})


def operation_id(item_id: str, destination: str) -> str:
    """The id of the one write of `item_id` to `destination`."""
    return "op-" + digest(item_id, destination)[:24]


class Written(Frozen):
    """The target holds the record as wanted.

    Attributes:
        external_id: the target's id.
        found: whether a look-up found an earlier try's write, so that nothing was sent again.
        values: what the record held of the written values right after the write, in the system's own spelling,
            where that is known for sure to be this write's own effect and nobody else's; else empty.
    """

    kind: Literal["created", "updated", "unchanged"]
    external_id: str
    found: bool = False
    values: dict[str, str] = Field(default_factory=dict)


class Conflict(Frozen):
    """Somebody changed the record between our read and our write; nothing was written.

    Attributes:
        moved: the record holds something else than `expected`; whoever decided on the write must decide again.
        wrote: with `moved`, the names of the values that were written all the same, before somebody changed them.
        overwrote: with `moved`, by name, what somebody had made of values just before ours were written, the last of
            several, where that could not be put back: whoever reads the record does not hear of it.
    """

    kind: Literal["conflict"] = "conflict"
    detail: str
    moved: bool = False
    wrote: tuple[str, ...] = ()
    overwrote: dict[str, str] = Field(default_factory=dict)


class Ambiguous(Frozen):
    """Several records match the key; nothing was written."""

    kind: Literal["ambiguous"] = "ambiguous"
    detail: str


class Invalid(Frozen):
    """The target refuses the record as it stands. `gone`: the record of `external_id` is not there any more."""

    kind: Literal["invalid"] = "invalid"
    detail: str
    gone: bool = False


class Hindrance(StrEnum):
    """What kept a write from being made."""

    TARGET = "target"
    """The target asked for patience, failed before it wrote, or was not reached."""
    KEY = "key"
    """The target does not take our key, whatever is sent: until somebody mends that, no try is counted."""
    RIGHTS = "rights"
    """The target does not allow it with our key: this write alone, or all."""
    SETUP = "setup"
    """It is not set up here: the target was not asked."""
    TURN = "turn"
    """Others went first, and nothing of it was sent: the target was not asked, and no try is counted."""


class RetryAfter(Frozen):
    """Nothing was written; it is to be tried later, after `seconds` if the target said.

    `limit` names the limit that was hit, where it holds for the whole system: nothing else is
    sent there before either.
    """

    kind: Literal["retry_after"] = "retry_after"
    seconds: float | None = Field(default=None, ge=0)
    limit: str | None = None
    hindrance: Hindrance = Hindrance.TARGET
    detail: str

    @property
    def counts(self) -> bool:
        """Whether the try is one of those after which a write is given up."""
        return self.hindrance not in (Hindrance.KEY, Hindrance.TURN)


class Unknown(Frozen):
    """It was sent, and no readable answer came: it may have been written."""

    kind: Literal["unknown"] = "unknown"
    detail: str


class NotThere(Frozen):
    """A look-up found no trace of an earlier try: it was not written.

    `believed_from` is when that can be believed.
    """

    kind: Literal["not_there"] = "not_there"
    believed_from: AwareDatetime | None = None
    detail: str = "no trace of the earlier try"


DeliveryOutcome = Written | Conflict | Ambiguous | Invalid | RetryAfter | Unknown | NotThere
"""Closed: every send and every look-up ends in one of these."""


class Step(StrEnum):
    """What the outbox does next with an operation."""

    DONE = "done"
    SEND_AGAIN = "send_again"
    LOOK_UP = "look_up"
    SEARCH_AGAIN = "search_again"
    DEAD_LETTER = "dead_letter"


class NextStep(Frozen):
    """A step and, unless it is final, when."""

    step: Step
    at: AwareDatetime
    reason: str


class Tries(Frozen):
    """How often an operation was tried: sends in all, and look-ups since the last send."""

    sends: int = Field(default=0, ge=0)
    look_ups: int = Field(default=0, ge=0)

    @property
    def looking_up(self) -> bool:
        """Whether the latest try was a look-up."""
        return self.look_ups > 0


LONGEST_WAIT_S = 604_800
"""A week: no delay that a policy asks for may be longer."""


class Patience(Frozen):
    """How long an operation is tried.

    Attributes:
        attempts: sends before the dead letter, and look-ups in a row before it; 30 last about
            two hours.
        first_delay_s: wait after the first failure; doubled after each further one.
        longest_delay_s: cap of the doubling; a target's own Retry-After may exceed it.
    """

    attempts: int = Field(default=30, ge=1)
    first_delay_s: float = Field(default=1, gt=0, le=LONGEST_WAIT_S)
    longest_delay_s: float = Field(default=300, gt=0, le=LONGEST_WAIT_S)


TRACELESS = "only a person can tell whether it was written; 'interlock outbox retry' sends it again, if it was not"
"""What is to be done about an unknown outcome that no look-up can clear."""


MOVED = "the record has changed since the write was decided"
"""Why a write ends that must be decided anew."""


def next_step(
    outcome: DeliveryOutcome,
    operation: str,
    tries: Tries,
    patience: Patience,
    now: datetime,
    *,
    traceless: bool = False,
    searched: bool = False,
) -> NextStep:
    """What to do after `outcome` of the latest of `tries`.

    After an unknown outcome nothing is sent until a look-up has said that it is not there, at
    a time when that can be believed. Where a write is `traceless`, none ever can: what the
    look-up says is for a person, at once. Where its record was `searched` for and is gone, it is
    searched for again.
    The delay doubles and carries up to half of itself as jitter, drawn from the operation's
    id so that it can be repeated; a target's Retry-After is never undercut. What a conflict has
    shown is read anew at once, further conflicts after a delay; but a write whose record has
    moved on ends unwritten, for it must be decided anew.
    """
    match outcome:
        case Written():
            return NextStep(step=Step.DONE, at=now, reason=outcome.kind)
        case Conflict(moved=True):
            begins = "not written" if not outcome.wrote else f"{', '.join(outcome.wrote)} written and no more"
            return NextStep(step=Step.DONE, at=now, reason=f"{begins}: {MOVED}: {outcome.detail}")
        case Invalid(gone=True) if searched and tries.sends < patience.attempts:
            return NextStep(step=Step.SEARCH_AGAIN, at=now, reason=outcome.detail)
        case Invalid() | Ambiguous():
            return NextStep(step=Step.DEAD_LETTER, at=now, reason=outcome.detail)
        case Unknown() if traceless and tries.looking_up:
            return NextStep(step=Step.DEAD_LETTER, at=now, reason=f"{outcome.detail}: {TRACELESS}")
        case Unknown() if traceless:
            return NextStep(step=Step.LOOK_UP, at=now, reason=outcome.detail)
        case RetryAfter(counts=False):
            again, count = Step.LOOK_UP if tries.looking_up else Step.SEND_AGAIN, 0
        case NotThere(believed_from=datetime() as believed_from) if now < believed_from:
            return NextStep(step=Step.LOOK_UP, at=believed_from, reason=outcome.detail)
        case Unknown() | RetryAfter() | Conflict() if tries.looking_up or isinstance(outcome, Unknown):
            again, count = Step.LOOK_UP, tries.look_ups
        case Conflict() | RetryAfter() | NotThere() | Unknown():
            again, count = Step.SEND_AGAIN, tries.sends
        case _:
            assert_never(outcome)
    if count >= patience.attempts:
        reason = f"gave up after {count} tries: {outcome.detail}"
        return NextStep(step=Step.DEAD_LETTER, at=now, reason=reason)
    at_once = isinstance(outcome, NotThere) or (isinstance(outcome, Conflict) and tries.sends == 1)
    if again is Step.SEND_AGAIN and at_once:
        return NextStep(step=again, at=now, reason=outcome.detail)
    asked = outcome.seconds if isinstance(outcome, RetryAfter) else None
    return NextStep(step=again, at=now + backoff(operation, max(count, 1), patience, asked), reason=outcome.detail)


def backoff(operation: str, tries: int, patience: Patience, retry_after_s: float | None) -> timedelta:
    """How long to wait after failure number `tries`."""
    doublings = min(tries - 1, 64)  # more would overflow, and every cap is reached long before
    delay = min(patience.first_delay_s * 2.0**doublings, patience.longest_delay_s)
    jittered = delay * (1 + share(f"{operation}/{tries}") / 2)
    return timedelta(seconds=max(jittered, retry_after_s or 0))
