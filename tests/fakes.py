"""Fakes of the ports, for flows: a model that answers by script, a system that fails by script."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from connectors.capabilities import Capabilities, Idempotency, Upsert
from connectors.examples.index import LabelledExamples
from connectors.llm.agent import AgentModel
from connectors.ports import (
    Arrival,
    Candidate,
    Consulted,
    Examples,
    Fetched,
    FieldsAnswer,
    LabelAnswer,
    Message,
    Unreadable,
)
from connectors.settings import Settings
from connectors.store.engine import Store, Transaction
from domain.delivery import DeliveryOutcome, Invalid, Operation, RetryAfter, Unknown, Written
from domain.errors import InterlockError, Unavailable
from domain.extraction import Quoted
from domain.proposal import ScoresFrom, Tokens
from policies.load import Workflow
from tasks.resources import Resources, labelled

Script = Callable[[str], LabelAnswer | Exception]
"""What a model does with a text: an answer, or an error to raise."""


def sure(label: str, probability: float = 0.99) -> LabelAnswer:
    """An answer with a log-probability for `label`."""
    scores = {label: probability, "none_of_these": 1 - probability}
    return LabelAnswer(label, scores, ScoresFrom.LOGPROBS, Tokens(prompt=100), 1)


@dataclass
class FakeModel:
    """Answers by script and remembers what it was asked."""

    script: Script
    model: str = "fake-model"
    asked: list[str] = field(default_factory=list)
    samples: list[int] = field(default_factory=list)
    finds: Callable[[str], dict[str, Quoted] | Exception] = lambda _text: {}
    wanted: list[tuple[str, ...]] = field(default_factory=list)

    async def choose(
        self, messages: Sequence[Message], labels: Sequence[str], *, reasks: int, samples: int, timeout_s: float
    ) -> LabelAnswer:
        text = messages[-1].content.removeprefix("<message>\n").removesuffix("\n</message>")
        self.asked.append(text)
        self.samples.append(samples)
        answer = self.script(text)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def extract(
        self,
        messages: Sequence[Message],
        fields: Sequence[str],
        faults: Callable[[Mapping[str, Quoted]], Mapping[str, str]],
        *,
        reasks: int,
        timeout_s: float,
    ) -> FieldsAnswer:
        self.wanted.append(tuple(fields))
        said = self.finds(messages[-1].content)
        if isinstance(said, Exception):
            raise said
        return FieldsAnswer(said, Tokens(prompt=100), 1)

    async def aclose(self) -> None:
        pass


@dataclass
class FailingExamples:
    """Examples whose embeddings cannot be had: each asking takes the next failure, and the last one stays."""

    failures: list[InterlockError]
    name: str = "failing-1"
    consulted: int = 0

    async def consult(self, texts: Sequence[str], count: int) -> list[Consulted]:
        self.consulted += 1
        raise self.failures.pop(0) if len(self.failures) > 1 else self.failures[0]

    async def aclose(self) -> None:
        pass


@dataclass
class FakeSystem:
    """Stores what it is sent, and answers by script: an outcome, or None for its own honest one.

    An `Unknown` outcome is given after the write was stored, as when an answer is lost.
    """

    outcomes: list[DeliveryOutcome | None] = field(default_factory=list)
    stored: list[Operation] = field(default_factory=list)
    looked_up: int = 0
    capabilities: Capabilities = field(
        default_factory=lambda: Capabilities(upsert=Upsert.NONE, idempotency=Idempotency.TRACE)
    )

    async def send(self, operation: Operation) -> DeliveryOutcome:
        scripted = self.outcomes.pop(0) if self.outcomes else None
        if scripted is None or isinstance(scripted, Unknown):
            self.stored.append(operation)
        return scripted or Written(kind="created", external_id=f"r{len(self.stored)}")

    async def find(self, operation: Operation) -> DeliveryOutcome | None:
        self.looked_up += 1
        known = [stored.operation_id for stored in self.stored]
        if operation.operation_id not in known:
            return None
        return Written(kind="created", external_id=f"r{known.index(operation.operation_id) + 1}", found=True)

    async def aclose(self) -> None:
        pass


@dataclass
class FakeCrm(FakeSystem):
    """Can be searched: gives a script of results, then that it has nothing alike."""

    found: list[Sequence[Candidate] | RetryAfter | Invalid] = field(default_factory=list)
    searched: list[str] = field(default_factory=list)

    async def candidates(self, operation: Operation) -> list[Candidate] | RetryAfter | Invalid:
        self.searched.append(operation.record_key)
        scripted = self.found.pop(0) if self.found else []
        return list(scripted) if isinstance(scripted, Sequence) else scripted


@dataclass
class FakeSource:
    """Arrivals in their order, or a failure; the cursor is how many were given."""

    arrivals: list[Arrival | Unreadable] = field(default_factory=list)
    failure: Exception | None = None
    at_most: int = 100
    cursors: list[str] = field(default_factory=list)
    """What it was asked for, in order."""

    async def fetch(self, cursor: str, count: int) -> Fetched:
        self.cursors.append(cursor)
        if self.failure:
            raise self.failure
        begin = int(cursor or 0)
        end = min(begin + min(count, self.at_most), len(self.arrivals))
        return Fetched(tuple(self.arrivals[begin:end]), str(end), more=end < len(self.arrivals))

    async def aclose(self) -> None:
        pass


def words_only(workflow: Workflow) -> Examples:
    """A workflow's examples, compared by their words: what is the same on every machine."""
    return LabelledExamples(labelled(workflow), None, Path("nothing is kept"))


class Hiccup(Store):
    """A store that does not answer the first time that something is to be kept."""

    answers = False

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        if not self.answers:
            self.answers = True
            raise Unavailable("the database does not answer")
        with super().transaction() as tx:
            yield tx


def fake_resources(
    store: Store,
    model: FakeModel | None,
    system: FakeSystem,
    open_examples: Callable[[Workflow], Examples] = words_only,
    sources: Mapping[str, FakeSource] | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    systems: Mapping[str, FakeSystem] | None = None,
    open_agent: Callable[[], AgentModel | None] = lambda: None,
    settings: Settings | None = None,
) -> Resources:
    """Resources with a real store and examples, and fakes for what is outside.

    Every system is `system`, but for those that `systems` names.
    """
    given, named = sources or {}, systems or {}
    return Resources(
        store,
        lambda: model,
        open_examples,
        lambda name: named.get(name, system),
        clock,
        lambda name, _: given[name],
        open_agent,
        settings or Settings.model_validate({"settles_s": 0}),
    )
