"""The protocols that connectors implement; tasks know nothing else of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from connectors.capabilities import Capabilities
from domain.delivery import DeliveryOutcome, Invalid, Operation, RetryAfter
from domain.extraction import Quoted
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
        calls: requests, re-asks and samples included.
    """

    label: str
    scores: dict[str, float]
    scores_from: ScoresFrom
    tokens: Tokens
    calls: int


@dataclass(frozen=True)
class FieldsAnswer:
    """The fields that a model has a word for, each with its quote, and the requests that it took."""

    fields: dict[str, Quoted]
    tokens: Tokens
    calls: int


class LanguageModel(Protocol):
    """Something that picks one of a list of labels, and finds fields in a text."""

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

    async def extract(
        self,
        messages: Sequence[Message],
        fields: Sequence[str],
        faults: Callable[[Mapping[str, Quoted]], Mapping[str, str]],
        *,
        reasks: int,
        timeout_s: float,
    ) -> FieldsAnswer:
        """What the model finds of `fields`; those that it has nothing to say of are absent.

        Args:
            faults: what is wrong with an answer, by field; it is asked again while anything is, within `reasks`.

        Raises:
            InterlockError: as `choose`.
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

    The methods return an outcome for everything that the system can answer or fail to answer; they
    raise only for faults of ours. They are cancelled when they take too long, at any point.
    """

    @property
    def capabilities(self) -> Capabilities:
        """What the system can do."""
        ...

    async def send(self, operation: Operation) -> DeliveryOutcome:
        """Make the target's record hold the operation's values, leaving the operation's id on it.

        Where its systems are kept in step (see `connectors.kept`), what is `expected` of a record is compared first.
        """
        ...

    async def find(self, operation: Operation) -> DeliveryOutcome | None:
        """What became of an earlier send.

        `Written` if the target has the operation's id and took its values, `Invalid` if not all of them, None if it
        has not the id, `RetryAfter` or `Unknown` if it cannot say now. A `Conflict` that moved: it has the id, and was
        changed since. See `search_lag_s` for a None too early.
        """
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...


@runtime_checkable
class BatchDestination(Destination, Protocol):
    """A system that takes several writes in one request."""

    async def send_all(self, operations: Sequence[Operation]) -> list[DeliveryOutcome]:
        """The outcome of each operation, in order; at most `capabilities.batch`, each on another record under our key.

        A batch that is refused whole for one record's sake is halved until that one stands alone.
        """
        ...


@dataclass(frozen=True)
class Candidate:
    """A record of the target that may be the one about to be written; `ours` if it has our key."""

    external_id: str
    values: dict[str, str]
    ours: bool = False


@runtime_checkable
class Placed(Protocol):
    """A system whose places differ in what they can do; its `capabilities` are the least of them."""

    @property
    def places(self) -> Mapping[str, Capabilities]:
        """What each place can do, by its name."""
        ...


@runtime_checkable
class Searchable(Protocol):
    """A system that can be searched for records like one that is about to be written."""

    async def candidates(self, operation: Operation) -> list[Candidate] | RetryAfter | Invalid:
        """Records that share a blocking key (e-mail, phone, name); if one has the operation's own key, that alone.

        An operation with an `external_id` is sent to that record, which gets our key where it has none.
        """
        ...


@dataclass(frozen=True)
class Arrival:
    """One input, before a policy makes an item of it.

    Attributes:
        where: for people: file and line, mailbox and number, address of a request.
        external_id: the source's own id; with `source` it names a delivery.
        envelope: the fields that tell who sent it, rather than what it says.
        operation_id: of the write of ours that the record carries, where the source's records do.
    """

    where: str
    source: str
    external_id: str
    received_at: datetime
    fields: dict[str, Any]
    envelope: frozenset[str] = field(default=frozenset(), kw_only=True)
    operation_id: str = field(default="", kw_only=True)


@dataclass(frozen=True)
class Unreadable:
    """An input that cannot be read: where it was, why, and what stood there."""

    where: str
    why: str
    raw: str


@dataclass(frozen=True)
class Fetched:
    """What a source had since a cursor.

    Attributes:
        cursor: where to go on next time, once these are stored; opaque, of the source's own making.
        more: whether there is more to fetch at once.
        note: what whoever runs it should know, for the log.
    """

    arrivals: tuple[Arrival | Unreadable, ...]
    cursor: str
    more: bool = False
    note: str = ""


class Changes(Protocol):
    """A source that is asked for what is new: a mailbox, a folder, a system's changed records."""

    async def fetch(self, cursor: str, count: int) -> Fetched:
        """Up to `count` arrivals after `cursor` (empty: begins), the oldest first; changes nothing at the source.

        Raises:
            Retryable: it does not answer; the same later may do.
            Permanent: it refuses.
        """
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...
