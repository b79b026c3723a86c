"""The figures of a running workflow: what they are made of, and how they are made of it."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Self

from pydantic import Field

from domain.audit import AuditTally
from domain.values import Frozen


class Slice(StrEnum):
    """Which items: each figure is a count of some of these, and each can be listed."""

    ACCEPTED = "accepted"
    DONE = "done"
    """Decided, waiting for nobody, and everything written that was to be."""
    UNDONE = "undone"
    DECIDED = "decided"
    """Be it that a person is asked."""
    SETTLED = "settled"
    """Decided, and no person is waited for."""
    AUTOMATIC = "automatic"
    """First decided by the model, a rule or checks."""
    TO_PERSON = "to_person"
    """First left to a person."""
    ANSWERED = "answered"
    """A person, shown what was proposed, chose a route or action, or that nothing be written."""
    OVERRIDDEN = "overridden"
    """Of these: they chose otherwise than was proposed."""
    AUDITED = "audited"
    """Decided by a person blindly, of what would have acted alone; see `domain.audit`."""
    MISROUTED = "misrouted"
    """Of these: they decided otherwise."""
    RETRIED = "retried"
    """A call or a write of it had to be tried again."""
    ESCALATED = "escalated"
    """Somebody had to be told about it."""
    GIVEN_UP = "given_up"
    """A write of it became a dead letter, mended since or not."""
    DEAD = "dead"
    """A write of it is a dead letter now; at whatever time it came in."""
    NOWHERE = "nowhere"
    """It stands nowhere: unaccounted, at whatever time it came in; see `domain.account`."""


class Work(StrEnum):
    """What people and systems have to do, did, or were late with: each figure is a count of some, and can be listed."""

    WAITING = "waiting"
    """Reviews that wait."""
    CONFLICTS = "conflicts"
    """Of them, those of values that systems contradict each other about."""
    ESCALATIONS = "escalations"
    """Escalations that nobody has taken over."""
    ASSIGNED = "assigned"
    """Reviews that wait, and are with somebody."""
    UNASSIGNED = "unassigned"
    """Reviews that wait, and are with nobody in particular."""
    ANSWERED_BY = "answered_by"
    """Reviews that somebody answered, in the time of the answer."""
    UNWRITTEN = "unwritten"
    """Writes that are to be sent, or looked up."""
    DEAD_LETTERS = "dead_letters"
    """Writes that were given up and wait to be mended."""
    LATE = "late"
    """Clocks of items and entities that were late, told so far or not; in the time when they became so."""


OF_ALL_TIMES = (Slice.DEAD, Slice.NOWHERE)
"""What is not chosen by when items came in."""
OF_NOW = (Slice.DEAD, Slice.NOWHERE, *(work for work in Work if work not in (Work.ANSWERED_BY, Work.LATE)))
"""What is told as it stands, whatever the time that is chosen."""


class Share(Frozen):
    """How many of how many."""

    part: int = Field(default=0, ge=0)
    of: int = Field(default=0, ge=0)

    @property
    def value(self) -> float | None:
        """The share, 0 to 1; None of nothing."""
        return self.part / self.of if self.of else None

    def __add__(self, other: "Share") -> "Share":
        """Both together."""
        return Share(part=self.part + other.part, of=self.of + other.of)


class Price(Frozen):
    """What tokens cost.

    Attributes:
        prompt, completion: of a million tokens.
        currency: as it is written after an amount; empty where nobody said.
    """

    prompt: float = Field(ge=0, allow_inf_nan=False)
    completion: float = Field(ge=0, allow_inf_nan=False)
    currency: str = ""


class Counts(Frozen):
    """Of the items that came in within a time: how many of each slice, and what they took.

    Attributes:
        retries: calls and writes that had to be tried again, of all of them.
        prompt_tokens, completion_tokens: that were paid for; what was remembered cost none.
    """

    accepted: int = Field(default=0, ge=0)
    done: int = Field(default=0, ge=0)
    decided: int = Field(default=0, ge=0)
    settled: int = Field(default=0, ge=0)
    automatic: int = Field(default=0, ge=0)
    answered: int = Field(default=0, ge=0)
    overridden: int = Field(default=0, ge=0)
    audited: int = Field(default=0, ge=0)
    misrouted: int = Field(default=0, ge=0)
    retried: int = Field(default=0, ge=0)
    escalated: int = Field(default=0, ge=0)
    given_up: int = Field(default=0, ge=0)
    retries: int = Field(default=0, ge=0)
    prompt_tokens: int = Field(default=0, ge=0)
    completion_tokens: int = Field(default=0, ge=0)

    def __add__(self, other: "Counts") -> "Counts":
        """Both together."""
        return Counts(**{name: getattr(self, name) + getattr(other, name) for name in Counts.model_fields})

    @classmethod
    def total(cls, several: Sequence[Self]) -> "Counts":
        """All of them together."""
        return sum(several, start=Counts())

    @property
    def completion(self) -> Share:
        """Workflow completion rate: what is done, of what came in."""
        return Share(part=self.done, of=self.accepted)

    @property
    def errors(self) -> Share:
        """Error rate: items of which a write was given up, of what came in."""
        return Share(part=self.given_up, of=self.accepted)

    @property
    def escalations(self) -> Share:
        """Escalation rate: items about which somebody had to be told, of what came in."""
        return Share(part=self.escalated, of=self.accepted)

    @property
    def automation(self) -> Share:
        """Automation rate: what was first decided without a person, of what was decided."""
        return Share(part=self.automatic, of=self.decided)

    @property
    def to_person(self) -> int:
        """What was first left to a person."""
        return self.decided - self.automatic

    @property
    def undone(self) -> int:
        """What is not done yet."""
        return self.accepted - self.done

    @property
    def overrides(self) -> Share:
        """Override rate: answers other than what was proposed, of those that saw a proposal."""
        return Share(part=self.overridden, of=self.answered)

    @property
    def audit(self) -> AuditTally:
        """The blind audit, with the misroute rate and its exact interval."""
        return AuditTally(n=self.audited, wrong=self.misrouted)

    @property
    def retries_each(self) -> float | None:
        """Retry frequency: tries again per item that came in; None of nothing."""
        return self.retries / self.accepted if self.accepted else None

    @property
    def tokens(self) -> int:
        """All tokens that were paid for."""
        return self.prompt_tokens + self.completion_tokens

    def tokens_each(self) -> float | None:
        """Tokens per decided item; None of nothing."""
        return self.tokens / self.decided if self.decided else None

    def cost_each(self, price: Price) -> float | None:
        """What a decided item cost, in the price's currency; None of nothing."""
        spent = self.prompt_tokens * price.prompt + self.completion_tokens * price.completion
        return spent / 1_000_000 / self.decided if self.decided else None


class Pace(Frozen):
    """How long items took from acceptance to the decision that stands, in milliseconds; None of nothing.

    Half took at most `p50_ms`, nineteen of twenty at most `p95_ms`: the nearest-rank percentiles,
    each of them a time that an item really took.
    """

    p50_ms: int | None = None
    p95_ms: int | None = None


def rank(percent: int, n: int) -> int:
    """Place, from 0, of the nearest-rank percentile among `n` values in order.

    Args:
        percent: 1 to 100.
        n: at least 1.
    """
    return -(-percent * n // 100) - 1


MINUTE_S = 60

NONE = "–"
"""What stands where there is nothing to tell."""


def percent(share: Share) -> str:
    """A share in words: never 100 % or 0 % of what is not all or nothing."""
    if share.value is None:
        return NONE
    text = f"{100 * share.value:.1f}"
    rounded = {"100.0": ">99.9", "0.0": "<0.1"}.get(text, text) if 0 < share.part < share.of else text
    return f"{rounded.removesuffix('.0')} %"


def duration(time_ms: int | None) -> str:
    """A time in words, in two of its units at most."""
    if time_ms is None:
        return NONE
    seconds = time_ms / 1000
    if seconds < MINUTE_S:
        return f"{seconds:.1f} s" if seconds >= 1 else f"{time_ms} ms"
    minutes = int(seconds // MINUTE_S)
    hours, days = minutes // 60, minutes // (24 * 60)
    if days:
        return f"{days} d {hours % 24} h"
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min {int(seconds) % 60} s"
