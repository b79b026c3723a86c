"""What the tasks of one flow run share: the store, the model, the systems, the loaded policies.

Prefect's task parameters are values; connections are not. A flow opens the resources once,
and its tasks find them in the context.
"""

import asyncio
import gc
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from connectors.capabilities import Capabilities
from connectors.choice import NOBODY, open_examples, open_model
from connectors.kept import Kept
from connectors.ports import Changes, Destination, Examples, Labelled, LanguageModel, Placed
from connectors.registry import open_destination, open_kept, open_source, place_of, reading_of
from connectors.settings import Settings
from connectors.store.engine import Store, Transaction
from connectors.store.turns import searches
from domain.delivery import Operation
from domain.errors import PolicyInvalid
from domain.values import digest
from policies.load import Workflow, as_it_was, load_workflow
from policies.model import Policy
from policies.sources import IntakeSource
from policies.sync import Side
from prompts.render import VOTER_PARTS, classifier_parts
from tasks.prefect_secrets import resolved
from tasks.private_logs import keep_logs_private

if TYPE_CHECKING:
    from connectors.llm.agent import AgentModel


class Resources:
    """Opened on first use, closed together.

    A workflow is read once, so that one flow run sees one version of its policy.

    Args:
        store: where items, decisions and writes are kept.
        open_model: gives the model to ask, or None.
        open_examples: gives the index of a workflow's labelled examples.
        open_destination: gives the connector of a system by name.
        clock: tells the time.
        open_source: gives what is read for new items, by its name and its options.
        open_agent: gives the model that the agent of a case asks, or None.
        settings: of this installation; the environment's if none are given.
        open_kept: gives a system's records that are kept in step, by its name, its options and its fields' names.
    """

    def __init__(
        self,
        store: Store,
        open_model: Callable[[], LanguageModel | None],
        open_examples: Callable[[Workflow], Examples],
        open_destination: Callable[[str], Destination],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        open_source: Callable[[str, Mapping[str, str]], Changes] = lambda name, options: open_source(name, options, {}),
        open_agent: Callable[[], "AgentModel | None"] = lambda: None,
        settings: Settings | None = None,
        *,
        open_kept: Callable[[str, Mapping[str, str], Sequence[str]], Kept] = (
            lambda name, options, fields: open_kept(name, options, fields, {})
        ),
    ) -> None:
        self.store = store
        self.settings = settings or Settings()
        self.now = clock
        self._open_model, self._open_examples = open_model, open_examples
        self._open_destination, self._open_source = open_destination, open_source
        self._model: LanguageModel | None = None
        self._model_opened = False
        self._open_agent = open_agent
        self._agent: AgentModel | None = None
        self._agent_opened = False
        self._workflows: dict[str, Workflow] = {}
        self._past: dict[str, Workflow] = {}
        self._examples: dict[Path, Examples] = {}
        self._parts: dict[Path, dict[str, str]] = {}
        self._destinations: dict[str, Destination] = {}
        self._sources: dict[str, Changes] = {}
        self._open_kept = open_kept
        self._kept: dict[str, Kept] = {}
        self.batches: dict[str, int] = {}
        """How many writes the systems that were opened take in one request, where it is more than one."""
        self._asking: dict[str, asyncio.Semaphore] = {}
        self.sending: set[asyncio.Task[Any]] = set()
        """Requests in flight to systems that are written to, of every sender of this process."""
        self.rates: dict[str, float] = {}
        """Requests a second that they allow, where they say so; see `Outbox.claim`."""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str], *, ask: bool = True) -> Self:
        """Those that the environment variables name, blocks resolved; without `ask`, no model."""
        settings = Settings.of(environ)
        return cls(
            Store(settings.store_url),
            lambda: open_model(settings) if ask else None,
            lambda workflow: open_examples(settings, labelled(workflow)),
            lambda system: open_destination(system, environ),
            open_source=lambda name, options: open_source(name, options, environ),
            open_agent=lambda: _agent_of(settings) if ask else None,
            open_kept=lambda name, options, fields: open_kept(name, options, fields, environ),
            settings=settings,
        )

    def afresh(self) -> Self:
        """Resources over the same store that read every policy anew: for what outlives a policy's change."""
        opens = (self._open_model, self._open_examples, self._open_destination)
        return type(self)(
            self.store, *opens, self.now, self._open_source, open_kept=self._open_kept, settings=self.settings
        )

    @property
    def model(self) -> LanguageModel | None:
        """The model to ask, started on first use; None where there is none."""
        if not self._model_opened:
            self._model, self._model_opened = self._open_model(), True
        return self._model

    @property
    def model_name(self) -> str:
        """The model's name, `none` where there is none."""
        return self.model.model if self.model else NOBODY

    @property
    def agent(self) -> "AgentModel | None":
        """The model that the agent of a case asks; None where there is no endpoint."""
        if not self._agent_opened:
            self._agent, self._agent_opened = self._open_agent(), True
        return self._agent

    def asked_by(self, workflow: Workflow) -> str:
        """The name of the model that a workflow asks, `none` where there is none."""
        if workflow.cases is None:
            return self.model_name
        return self.agent.name if self.agent else NOBODY

    def workflow(self, policy: str) -> Workflow:
        """The workflow of a policy, by name or path."""
        if policy not in self._workflows:
            self._workflows[policy] = load_workflow(policy)
        return self._workflows[policy]

    def version(self, tx: Transaction, policy: str, version: str) -> Workflow:
        """The workflow of a policy as it was when something was decided under `version`.

        Raises:
            PolicyInvalid: that was not kept, or this version of Interlock cannot read it.
        """
        now = self.workflow(policy)
        if version == now.version:
            return now
        if version not in self._past:
            if (source := tx.versions.source(version)) is None:
                raise PolicyInvalid(f"{now.path}@{version[:12]}: what it said was not kept")
            self._past[version] = as_it_was(now, version, source)
        return self._past[version]

    def asking(self, policy: Policy) -> asyncio.Semaphore:
        """What is held while a model is asked: a policy's `classifier.concurrency`, over all chunks of the run."""
        return self._asking.setdefault(policy.name, asyncio.Semaphore(policy.classifier.concurrency))

    def parts(self, workflow: Workflow) -> dict[str, str]:
        """Fingerprints of model, prompt, labels, examples and index: this model under this workflow."""
        if workflow.path not in self._parts:
            index = self.examples(workflow).name
            self._parts[workflow.path] = classifier_parts(workflow, self.asked_by(workflow), index)
        return self._parts[workflow.path]

    def classifier(self, workflow: Workflow) -> str:
        """Fingerprint of the classifier as a whole."""
        return digest(self.parts(workflow))

    def voter(self, workflow: Workflow) -> str:
        """Fingerprint of the examples' vote, for when they serve alone."""
        return digest({name: self.parts(workflow)[name] for name in VOTER_PARTS})

    def examples(self, workflow: Workflow) -> Examples:
        """The index of a workflow's labelled examples."""
        if workflow.path not in self._examples:
            self._examples[workflow.path] = self._open_examples(workflow)
        return self._examples[workflow.path]

    def destination(self, system: str) -> Destination:
        """The connector of a system."""
        if system not in self._destinations:
            opened = self._destinations[system] = self._open_destination(system)
            can = opened.capabilities
            if can.batch > 1:
                self.batches[system] = can.batch
            limits = {system: can.rate_per_s, searches(system): can.searches_per_s}
            if isinstance(opened, Placed):
                limits |= {f"{system}/{place}": each.rate_per_s for place, each in opened.places.items()}
            self.rates |= {name: rate for name, rate in limits.items() if rate is not None}
        return self._destinations[system]

    def capabilities(self, write: Operation) -> Capabilities:
        """What a write's system can do, at the place that it goes to."""
        opened = self.destination(write.system)
        places = opened.places if isinstance(opened, Placed) else {}
        return places.get(place_of(write) or "", opened.capabilities)

    def source(self, wanted: IntakeSource) -> Changes:
        """What a policy's source gives."""
        name = reading_of(wanted.source, wanted.options)
        if name not in self._sources:
            self._sources[name] = self._open_source(wanted.source, wanted.options)
        return self._sources[name]

    def kept(self, side: Side, fields: Sequence[str]) -> Kept:
        """A system's records that are kept in step.

        Args:
            fields: the names, by the system, of what is read of each.
        """
        name = digest(side.system, side.options, sorted(fields))
        if name not in self._kept:
            self._kept[name] = self._open_kept(side.system, side.options, sorted(fields))
        return self._kept[name]

    async def aclose(self) -> None:
        """Close everything that was opened."""
        async with AsyncExitStack() as stack:
            stack.callback(self.store.close)
            for examples in self._examples.values():
                stack.push_async_callback(examples.aclose)
            for destination in self._destinations.values():
                stack.push_async_callback(destination.aclose)
            for source in self._sources.values():
                stack.push_async_callback(source.aclose)
            for kept in self._kept.values():
                stack.push_async_callback(kept.aclose)
            if self._model is not None:
                stack.push_async_callback(self._model.aclose)
            if self._agent is not None:
                stack.push_async_callback(self._agent.aclose)


def _agent_of(settings: Settings) -> "AgentModel | None":
    from connectors.llm.agent import open_agent  # noqa: PLC0415  pydantic-ai takes a second to import

    return open_agent(settings)


def labelled(workflow: Workflow) -> list[Labelled]:
    """A workflow's examples, as the index takes them."""
    return [Labelled(example.text, example.label, example.intent) for example in workflow.examples]


_current: ContextVar[Resources] = ContextVar("interlock_resources")


def resources() -> Resources:
    """The flow run's resources; a task outside `opened` is a fault of ours."""
    return _current.get()


@asynccontextmanager
async def opened(given: Resources | None = None) -> AsyncIterator[Resources]:
    """Resources for the block: those `given`, those of the block around it, or the environment's.

    Only what is opened here is closed here.
    """
    outer = given or _current.get(None)
    mine = outer or await _of_this_process()
    token = _current.set(mine)
    try:
        yield mine
    finally:
        _current.reset(token)
        if outer is None:
            await mine.aclose()


async def _of_this_process() -> Resources:
    environ = await resolved(os.environ)
    keep_logs_private(environ)  # of the secrets themselves, not of the blocks' names that stood for them
    opened_here = Resources.from_environment(environ)
    _collect_less()
    return opened_here


YOUNG = 10_000
"""New objects after which the garbage collector looks through them. At Python's own 700 it took a fortieth of a
worker's time, up to 90 ms at once, in which no answer of a model is taken."""


@cache
def _collect_less() -> None:
    """Once a process: have the garbage collector look less often, and leave alone what was imported.

    With Prefect that is some 400,000 objects, and a third of a second each time that it looks through them all.
    """
    gc.freeze()
    gc.set_threshold(YOUNG)
