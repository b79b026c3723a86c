"""The protocols that connectors implement; tasks know nothing else of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from domain.delivery import DeliveryOutcome, Operation
from domain.proposal import Opinion, Tokens


@dataclass(frozen=True)
class Message:
    """One message of a chat prompt."""

    role: str
    content: str


@dataclass(frozen=True)
class LabelAnswer:
    """A usable answer of a model.

    Attributes:
        label: one of those that were offered.
        scores: probability of each label, renormalised over the labels; empty without log-probabilities.
        calls: requests it took, re-asks included.
    """

    label: str
    scores: dict[str, float]
    tokens: Tokens
    calls: int


class LanguageModel(Protocol):
    """Something that picks one of a list of labels."""

    @property
    def model(self) -> str:
        """What answers; part of every cache key and fingerprint."""
        ...

    async def choose(
        self, messages: Sequence[Message], labels: Sequence[str], *, reasks: int, timeout_s: float
    ) -> LabelAnswer:
        """The label that the model picks.

        Raises:
            Retryable: throttled, down, or no answer in time; the same later may do.
            Permanent: the endpoint refuses the request or the key.
            ModelOutputInvalid: cut off, nonsense or an unknown label, also after `reasks`.
        """
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...


@dataclass(frozen=True)
class Neighbour:
    """A labelled example and its similarity, 0 to 1, to some text."""

    text: str
    label: str
    similarity: float


class Examples(Protocol):
    """A policy's labelled examples, searchable."""

    @property
    def name(self) -> str:
        """How they are searched; part of every fingerprint of a classifier."""
        ...

    def nearest(self, text: str, count: int) -> list[Neighbour]:
        """The `count` examples nearest to `text`, the nearest last."""
        ...

    def opinion(self, text: str) -> Opinion:
        """The examples' own vote on `text`."""
        ...


class Destination(Protocol):
    """A system that takes writes.

    Both methods return an outcome for everything that the system can answer or fail to
    answer; they raise only for faults of ours.
    """

    async def send(self, operation: Operation) -> DeliveryOutcome:
        """Make the target's record hold the operation's values, leaving the operation's id on it."""
        ...

    async def find(self, operation: Operation) -> DeliveryOutcome | None:
        """What became of an earlier send.

        `Written` if the target has the operation's id, None if it has not, `RetryAfter` or
        `Unknown` if it cannot say now.
        """
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...
