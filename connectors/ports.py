"""The protocols that connectors implement; tasks know nothing else of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from domain.delivery import DeliveryOutcome, Operation
from domain.proposal import Opinion, ScoresFrom, Tokens


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
        scores: probability of each label, summing to 1; empty where nothing tells it.
        calls: requests it took, re-asks and samples included.
    """

    label: str
    scores: dict[str, float]
    scores_from: ScoresFrom
    tokens: Tokens
    calls: int


class LanguageModel(Protocol):
    """Something that picks one of a list of labels."""

    @property
    def model(self) -> str:
        """What answers; part of every cache key and fingerprint."""
        ...

    async def choose(
        self, messages: Sequence[Message], labels: Sequence[str], *, reasks: int, samples: int, timeout_s: float
    ) -> LabelAnswer:
        """The label that the model picks.

        Args:
            reasks: further calls when an answer is unusable.
            samples: answers to count as votes where there are no log-probabilities; 0 for none.
            timeout_s: for each call.

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


@dataclass(frozen=True)
class Labelled:
    """An example: its text, its label, and a finer label where the data have one."""

    text: str
    label: str
    intent: str | None = None


@dataclass(frozen=True)
class Consulted:
    """What the examples say of a text: their vote, and the nearest of them, the nearest last."""

    opinion: Opinion
    nearest: list[Neighbour]


class Examples(Protocol):
    """A policy's labelled examples, searchable."""

    @property
    def name(self) -> str:
        """How they are compared and counted; part of every fingerprint of a classifier."""
        ...

    async def consult(self, texts: Sequence[str], count: int) -> list[Consulted]:
        """The examples' own vote on each text, and its `count` nearest examples.

        Raises:
            Retryable: what computes the embeddings does not answer; the same later may do.
            Permanent: it refuses.
        """
        ...

    async def aclose(self) -> None:
        """Close the connections."""
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
