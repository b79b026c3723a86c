"""What is tried: a destination, and the ways to see and disturb its target behind its back."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from uuid import uuid4

from connectors.ports import Destination
from connectors.sandbox.proxy import Proxy
from domain.delivery import DeliveryOutcome, Operation

LONGEST_SHOWN = 120
"""Characters of a value in a complaint."""


def hold(fact: bool, otherwise: str) -> None:
    """Break the contract unless `fact` holds.

    Raises:
        AssertionError: it does not; says `otherwise`. (An assert statement would say nothing
            here: pytest explains only those of test modules.)
    """
    if not fact:
        raise AssertionError(otherwise)


@dataclass(frozen=True)
class Stored:
    """A record of the target that an operation made or changed.

    Attributes:
        values: the record's, under the operation's names for them.
        writes: how often the record was changed in the operation's name, if the target's books
            tell; else 1.
    """

    values: Mapping[str, str]
    writes: int = 1


@dataclass(frozen=True)
class Key:
    """The secret that the destination was opened with, and the variable that it came from."""

    variable: str
    secret: str


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A destination with an empty or well-known target, for one test.

    Attributes:
        fresh: makes an operation that the target will accept, with an id and a record key that
            were never used; it writes `text` and at least one value beside.
        stored: what an operation left in the target, read past the destination: the records
            that carry its id, or where the target keeps no ids, those under its record key
            that hold its values.
        text: the name of a value that takes any text.
        refused: the name and content of a value for which the target refuses a record.
        skipped: the name and content of a value that the target leaves out in silence while it takes
            the rest of the record; None where it does no such thing.
        passes: moves the target's clock on by so many seconds; needed where its search lags.
        breaks: by name, the ways in which what is under way breaks off: within the block it does.
            Needed for batches where no network is cut.
    """

    destination: Destination
    fresh: Callable[[], Operation]
    stored: Callable[[Operation], Awaitable[Sequence[Stored]]]
    text: str
    refused: tuple[str, str]
    skipped: tuple[str, str] | None = None
    passes: Callable[[float], Awaitable[None]] | None = None
    breaks: Mapping[str, Callable[[], AbstractAsyncContextManager[None]]] = field(default_factory=dict)

    def saying(self, operation: Operation, text: str) -> Operation:
        """The operation with another text."""
        return operation.model_copy(update={"values": operation.values | {self.text: text}})

    def after(self, operation: Operation, **changed: str) -> Operation:
        """A later operation on the same record."""
        new_id = f"op-{uuid4().hex[:24]}"
        return operation.model_copy(update={"operation_id": new_id, "values": operation.values | changed})

    def poisoned(self, operation: Operation) -> Operation:
        """The operation with the value that the target refuses."""
        return self.with_value(operation, self.refused)

    def with_value(self, operation: Operation, value: tuple[str, str]) -> Operation:
        """The operation with a value of this name and content."""
        name, content = value
        return operation.model_copy(update={"values": operation.values | {name: content}})

    async def lag_passes(self) -> None:
        """Let the target's search catch up."""
        if self.passes is not None:
            await self.passes(self.destination.capabilities.search_lag_s)

    async def holds_once(self, operation: Operation, case: str) -> None:
        """The target holds the operation's write, once and as it was asked for."""
        records = await self.stored(operation)
        writes = sum(record.writes for record in records)
        hold(len(records) == 1, f"{case}: the write must be on one record, and is on {len(records)}")
        hold(writes == 1, f"{case}: the write must be stored once, and was stored {writes} times")
        for name, wanted in operation.values.items():
            kept = records[0].values.get(name)
            hold(kept == wanted, f"{case}: '{name}' must be {_shown(wanted)}, and is {_shown(kept)}")

    async def holds_nothing(self, operation: Operation, case: str) -> None:
        """The target holds nothing of the operation."""
        count = len(await self.stored(operation))
        hold(count == 0, f"{case}: nothing may be stored, and {count} records are")


@dataclass(frozen=True, kw_only=True)
class NetworkSubject(Subject):
    """A destination that reaches its target through a proxy.

    Attributes:
        proxy: between the two; `stored`, `edit` and `passes` go past it.
        edit: somebody else changes the text on the operation's record; needed where the target
            refuses stale writes.
        key: what the destination proves itself with, None where there is no key.
        documented: what statuses mean by the vendor's documentation where that is not the usual.
    """

    proxy: Proxy
    edit: Callable[[Operation, str], Awaitable[None]] | None = None
    key: Key | None = None
    documented: Mapping[int, type[DeliveryOutcome]] = field(default_factory=dict)


def _shown(text: str | None) -> str:
    shown = repr(text)
    return shown if len(shown) <= LONGEST_SHOWN else f"{shown[:LONGEST_SHOWN]}… ({len(shown)} characters)"
