"""What a destination must do that takes several writes in one request."""

from typing import ClassVar

from connectors.contract.network import JSON, UNREADABLE
from connectors.contract.outbox import ends_with_one_effect
from connectors.contract.rehearsal import cuts
from connectors.contract.subject import NetworkSubject, Subject, hold
from connectors.ports import BatchDestination
from connectors.sandbox.proxy import Answer, CutAnswer, CutRequest, WireFault
from domain.delivery import DeliveryOutcome, Invalid, Operation, RetryAfter, Written

FEW = 3
WAIT_S = 7
LOOKED_AT = 10
"""Operations of a full batch whose records are read."""


class BatchContract:
    """Promises of `connectors.ports.BatchDestination`, with a network or without."""

    async def test_a_full_batch_gives_each_its_outcome_in_order(self, subject: Subject) -> None:
        """As many as the capabilities say, in one go; and one alone."""
        for size in (subject.destination.capabilities.batch, 1):
            operations = [subject.saying(subject.fresh(), f"text {number}") for number in range(size)]
            outcomes = await _sent(subject, operations)
            ids = {outcome.external_id for outcome in outcomes if isinstance(outcome, Written)}
            hold(len(ids) == size, f"{size} operations must make as many records, and made {len(ids)}")
            await subject.lag_passes()
            for number in {*range(0, size, 1 + size // LOOKED_AT), size - 1}:
                operation, outcome, case = operations[number], outcomes[number], f"number {number + 1} of {size}"
                await subject.holds_once(operation, case)
                found = await subject.destination.find(operation)
                if isinstance(found, Written) and isinstance(outcome, Written):
                    same = found.external_id == outcome.external_id
                    hold(same, f"{case}: outcomes must be in order; sent as {outcome!r}, found as {found!r}")

    async def test_a_poisoned_record_harms_no_other(self, subject: Subject) -> None:
        """Wherever it stands: it alone is Invalid, by its field's name."""
        for place in range(len(_few(subject))):
            operations = _few(subject)
            operations[place] = subject.poisoned(operations[place])
            outcomes = await _sent(subject, operations)
            for number, (operation, outcome) in enumerate(zip(operations, outcomes, strict=True)):
                case = f"number {number + 1} of {len(operations)} with number {place + 1} poisoned"
                if number == place:
                    hold(isinstance(outcome, Invalid), f"{case}: must be Invalid, is {outcome!r}")
                    hold(subject.refused[0] in str(outcome), f"{case}: must name {subject.refused[0]}: {outcome!r}")
                    await subject.holds_nothing(operation, case)
                else:
                    hold(isinstance(outcome, Written), f"{case}: must be Written, is {outcome!r}")
                    await subject.holds_once(operation, case)

    async def test_a_batch_that_breaks_off_ends_with_one_effect_each(self, subject: Subject) -> None:
        """Whatever ends its connection or its transaction, and wherever."""
        cut_elsewhere = isinstance(subject, NetworkSubject)
        hold(
            bool(subject.breaks) or cut_elsewhere, "without a network it must say how a batch breaks off: give `breaks`"
        )
        for case, breaking in subject.breaks.items():
            operations = _few(subject)
            async with breaking():
                outcomes = await _sent(subject, operations)
            broke = any(not isinstance(outcome, Written) for outcome in outcomes)
            hold(broke, f"{case}: every outcome is Written, so nothing was tried")
            for operation, outcome in zip(operations, outcomes, strict=True):
                await ends_with_one_effect(subject, operation, case, outcome)


class NetworkBatchContract(BatchContract):
    """Also, where it speaks HTTP.

    Attributes:
        batch_samples: places at which each message of a batch is cut beside those that differ in
            kind, see `cuts`.
    """

    batch_samples: ClassVar[int] = 0

    async def test_a_batch_cut_at_any_byte_ends_with_one_effect_each(self, subject: NetworkSubject) -> None:
        """The first request of a batch, and its answer."""
        await _sent(subject, _few(subject))
        begun = len(subject.proxy.seen)
        await _sent(subject, _few(subject))
        for number, exchange in enumerate(subject.proxy.seen[begun:]):
            for after in cuts(exchange.request, self.batch_samples):
                await _delivered(subject, CutRequest(after), number, f"request {number + 1} cut after {after} bytes")
            for after in cuts(exchange.answer, self.batch_samples):
                await _delivered(subject, CutAnswer(after), number, f"answer {number + 1} cut after {after} bytes")

    async def test_a_failing_batch_ends_with_one_effect_each(self, subject: NetworkSubject) -> None:
        """Statuses and unreadable answers, at each request of a batch."""
        await _sent(subject, _few(subject))
        begun = len(subject.proxy.seen)
        await _sent(subject, _few(subject))
        for number in range(len(subject.proxy.seen[begun:])):
            for status in (500, 502, 503):
                await _delivered(subject, Answer(status, b"{}", JSON), number, f"HTTP {status}")
            for name, body in UNREADABLE.items():
                await _delivered(subject, Answer(200, body, JSON), number, f"200 with {name}")

    async def test_a_throttled_batch_writes_nothing(self, subject: NetworkSubject) -> None:
        """Every one of its operations waits, and as long as was asked for."""
        operations = _few(subject)
        subject.proxy.next(Answer(429, b"{}", JSON | {"Retry-After": str(WAIT_S)}), times=None)
        outcomes = await _sent(subject, operations)
        subject.proxy.clear()
        for operation, outcome in zip(operations, outcomes, strict=True):
            hold(isinstance(outcome, RetryAfter) and outcome.seconds == WAIT_S, f"must wait {WAIT_S} s: {outcome!r}")
            await subject.holds_nothing(operation, "after a throttled batch")


def _few(subject: Subject) -> list[Operation]:
    count = min(FEW, subject.destination.capabilities.batch)
    return [subject.saying(subject.fresh(), f"text {number}") for number in range(count)]


async def _sent(subject: Subject, operations: list[Operation]) -> list[DeliveryOutcome]:
    destination = subject.destination
    if not isinstance(destination, BatchDestination):
        raise AssertionError("its capabilities claim a batch: it must have `send_all`")  # noqa: TRY004
    outcomes = await destination.send_all(operations)
    hold(len(outcomes) == len(operations), f"{len(operations)} operations must have as many outcomes: {outcomes}")
    return outcomes


async def _delivered(subject: NetworkSubject, fault: WireFault, number: int, case: str) -> None:
    """A batch under a fault: each claim is so, and each operation, delivered on its own from there, is written once."""
    operations = _few(subject)
    subject.proxy.next(fault, skip=number)
    outcomes = await _sent(subject, operations)
    subject.proxy.clear()
    for operation, outcome in zip(operations, outcomes, strict=True):
        await ends_with_one_effect(subject, operation, case, outcome)
