"""What a destination must do that speaks HTTP, when the network or the other side fails."""

import asyncio
import contextlib
import random
from typing import ClassVar

from connectors.contract.destination import DestinationContract
from connectors.contract.diagnosis import NetworkDiagnosisContract
from connectors.contract.outbox import HARMLESS_TO_REPEAT, ends_with_one_effect
from connectors.contract.rehearsal import cuts, rehearse, send_under, writes
from connectors.contract.subject import NetworkSubject, hold
from connectors.sandbox.proxy import Answer, CutAnswer, CutRequest, Hang, Late, Seen, WireFault
from domain.delivery import DeliveryOutcome, Hindrance, RetryAfter, Unknown

HTML = b"<!DOCTYPE html><html><body><h1>Sign in to the guest network</h1></body></html>"
"""What a hotel's, a firm's or a CDN's proxy answers with, often with status 200."""
UNREADABLE = {
    "a proxy's page": HTML,
    "nothing": b"",
    "an empty object": b"{}",
    "an empty list": b"[]",
    "null": b"null",
    "half of a JSON text": b'{"id": "1',
    "bytes that are no text": b"\xff\xfe\x00",
}
JSON = {"Content-Type": "application/json"}
STATUSES: dict[int, type[DeliveryOutcome]] = dict.fromkeys((500, 502, 503, 504), Unknown)
"""What they mean on a write, unless the vendor documents otherwise: see `connectors.http_outcomes`."""
CANNOT_TELL = RetryAfter | Unknown
STRUCK = 0.5
"""Share of requests that fail in a storm."""


class NetworkContract(NetworkDiagnosisContract, DestinationContract):
    """Promises under every failure of the way there and back.

    Attributes:
        samples: places at which each message is cut beside those that differ in kind, see `cuts`;
            more finds no other kind of fault.
    """

    samples: ClassVar[int] = 0

    async def test_a_refused_connection_writes_nothing_and_says_later(self, subject: NetworkSubject) -> None:
        """Also where connections had been open before."""
        operation = subject.fresh()
        await subject.destination.send(subject.fresh())
        async with subject.proxy.refusing():
            outcome = await subject.destination.send(operation)
        hold(isinstance(outcome, RetryAfter), f"must be RetryAfter, is {outcome!r}")
        await ends_with_one_effect(subject, operation, "after a refused connection", outcome)

    async def test_a_throttled_write_says_when(self, subject: NetworkSubject) -> None:
        """429 with and without Retry-After; nothing is written."""
        for write in writes(subject):
            number = (await rehearse(subject, write)).write
            for headers in ({"Retry-After": "7"}, {}):
                case = f"{write.name}, 429 with {headers or 'no Retry-After'}"
                operation = await write.make()
                outcome = await send_under(subject, operation, Answer(429, b"{}", JSON | headers), number, case)
                hold(isinstance(outcome, RetryAfter), f"{case}: must be RetryAfter, is {outcome!r}")
                if headers and isinstance(outcome, RetryAfter):
                    hold(outcome.seconds == float(headers["Retry-After"]), f"{case}: must say 7 s, says {outcome!r}")
                await ends_with_one_effect(subject, operation, case, outcome)

    async def test_a_failing_server_leaves_the_write_in_doubt_or_later(self, subject: NetworkSubject) -> None:
        """All of them may come after the write was stored; 503 too, where a proxy has lost the answer."""
        for write in writes(subject):
            number = (await rehearse(subject, write)).write
            for status, usual in STATUSES.items():
                wanted, case = subject.documented.get(status, usual), f"{write.name}, HTTP {status}"
                operation = await write.make()
                outcome = await send_under(subject, operation, Answer(status, HTML), number, case)
                hold(isinstance(outcome, wanted), f"{case}: must be {wanted.__name__}, is {outcome!r}")
                await ends_with_one_effect(subject, operation, case, outcome)

    async def test_a_request_cut_at_any_byte_ends_with_one_effect(self, subject: NetworkSubject) -> None:
        """Each request of a write, cut before, within and just after it."""
        await self._cut_everywhere(subject, CutRequest)

    async def test_an_answer_cut_at_any_byte_ends_with_one_effect(self, subject: NetworkSubject) -> None:
        """The target has acted, and its answer is lost wholly, in part, or not at all."""
        await self._cut_everywhere(subject, CutAnswer)

    async def test_a_write_that_is_carried_out_after_its_sender_gave_up_is_not_doubled(
        self, subject: NetworkSubject
    ) -> None:
        """The connection broke, a look-up found nothing, and then the target went on."""
        for write in writes(subject):
            number = (await rehearse(subject, write)).write
            case = f"{write.name}, carried out late"
            operation, late = await write.make(), Late()
            outcome = await send_under(subject, operation, late, number, case)
            hold(isinstance(outcome, Unknown), f"{case}: must be Unknown, is {outcome!r}")
            await ends_with_one_effect(subject, operation, case, outcome, late.happens)

    async def test_a_write_that_hangs_is_cancelled_cleanly(self, subject: NetworkSubject) -> None:
        """A deadline ends it at once, the connector serves on, and delivery ends with one effect."""
        for write in writes(subject):
            requests = len((await rehearse(subject, write)).exchanges)
            for number in range(requests):
                for acted in (False, True):
                    case = f"{write.name}, request {number + 1} hangs{' after it was acted on' if acted else ''}"
                    operation, hang = await write.make(), Hang(acted)
                    subject.proxy.next(hang, skip=number)
                    sending = asyncio.create_task(subject.destination.send(operation))
                    await _first_of(sending, hang.began)
                    sending.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        hold(False, f"{case}: cancelled, it must end as cancelled, and gave {await sending!r}")
                    subject.proxy.clear()
                    await ends_with_one_effect(subject, operation, case, Unknown(detail="no answer in time"))

    async def test_an_unreadable_answer_is_never_taken_for_success(self, subject: NetworkSubject) -> None:
        """On the write itself it leaves doubt; before it, nothing has been written."""
        for write in writes(subject):
            rehearsal = await rehearse(subject, write)
            for number in range(len(rehearsal.exchanges)):
                for name, body in UNREADABLE.items():
                    case = f"{write.name}, request {number + 1} answered 200 with {name}"
                    operation = await write.make()
                    outcome = await send_under(subject, operation, Answer(200, body, JSON), number, case)
                    wanted = Unknown if number == rehearsal.write else CANNOT_TELL
                    hold(isinstance(outcome, wanted), f"{case}: must be {wanted}, is {outcome!r}")
                    await ends_with_one_effect(subject, operation, case, outcome)

    async def test_a_refused_key_is_the_whole_systems_and_names_its_variable(self, subject: NetworkSubject) -> None:
        """A person must know what to set; the key itself is shown nowhere, though the answer repeats it.

        The write is not given up for that: with 401 no write is taken, with 403 this one, and perhaps no other.
        """
        key = subject.key
        body = b'{"message": "no entry for %s"}' % (key.secret if key else "you").encode()
        for status, hindrance in ((401, Hindrance.KEY), (403, Hindrance.RIGHTS)):
            operation = subject.fresh()
            subject.proxy.next(Answer(status, body, JSON), times=None)
            outcome = await subject.destination.send(operation)
            found = await subject.destination.find(operation)
            subject.proxy.clear()
            told = isinstance(outcome, RetryAfter) and outcome.hindrance is hindrance
            hold(told, f"HTTP {status}: must be RetryAfter for {hindrance.value}, is {outcome!r}")
            nameless = subject.destination.capabilities.idempotency in HARMLESS_TO_REPEAT and found is None
            told = isinstance(found, CANNOT_TELL) or nameless
            hold(told, f"HTTP {status} on a look-up tells nothing of the write: it is {type(found).__name__}")
            await subject.holds_nothing(operation, f"HTTP {status}")
            if key is not None:
                hold(key.variable in str(outcome), f"HTTP {status}: must name {key.variable}")
                shown = f"{outcome!r} {found!r} {subject.destination!r}"
                hold(key.secret not in shown, f"HTTP {status}: the key itself is shown")

    async def test_a_look_up_that_fails_says_that_it_cannot_tell(self, subject: NetworkSubject) -> None:
        """What is taken for "not there" is sent again: only a whole and readable answer may say so."""
        operation = subject.fresh()
        await subject.destination.send(operation)
        await subject.lag_passes()
        begun = len(subject.proxy.seen)
        sound = await subject.destination.find(operation)
        exchanges = subject.proxy.seen[begun:]
        for number, exchange in enumerate(exchanges):
            for name, fault in _look_up_faults(exchange, self.samples).items():
                subject.proxy.next(fault, skip=number)
                found = await subject.destination.find(operation)
                subject.proxy.clear()
                told = isinstance(found, CANNOT_TELL) or (number > 0 and found == sound)
                hold(told, f"look-up, {name}: must be RetryAfter or Unknown, is {found!r}")
        async with subject.proxy.refusing():
            unreached = await subject.destination.find(operation)
        doubtful = isinstance(unreached, CANNOT_TELL) or not exchanges
        hold(doubtful, f"look-up, connection refused: must be RetryAfter or Unknown, is {unreached!r}")
        once_more = await subject.destination.find(operation)
        hold(once_more == sound, f"after all failures a look-up must say {sound!r} again, and says {once_more!r}")

    async def test_a_storm_ends_with_one_effect_each(self, subject: NetworkSubject) -> None:
        """Twenty operations while every second request fails, on the way to look-ups too."""
        drawn = random.Random(7)  # noqa: S311 - a repeatable draw, no secret
        for number in range(20):
            operation = subject.fresh()
            for skip in range(6):
                if drawn.random() < STRUCK:
                    subject.proxy.next(_any_fault(drawn), skip=skip)
            await ends_with_one_effect(subject, operation, f"operation {number + 1} in the storm")
            subject.proxy.clear()

    async def _cut_everywhere(self, subject: NetworkSubject, cut: type[CutRequest | CutAnswer]) -> None:
        for write in writes(subject):
            for number, exchange in enumerate((await rehearse(subject, write)).exchanges):
                what, message = ("request", exchange.request) if cut is CutRequest else ("answer", exchange.answer)
                for after in cuts(message, self.samples):
                    case = f"{write.name}, {what} {number + 1} cut after {after} of {len(message)} bytes"
                    operation = await write.make()
                    outcome = await send_under(subject, operation, cut(after), number, case)
                    await ends_with_one_effect(subject, operation, case, outcome)


async def _first_of(task: asyncio.Task[DeliveryOutcome], event: asyncio.Event) -> None:
    waiting = asyncio.create_task(event.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()


def _look_up_faults(exchange: Seen, samples: int) -> dict[str, WireFault]:
    """Everything by which one request of a look-up can fail to tell."""
    faults: dict[str, WireFault] = {f"HTTP {status}": Answer(status, HTML) for status in (429, 500, 503)}
    faults |= {f"200 with {name}": Answer(200, body, JSON) for name, body in UNREADABLE.items()}
    for after in cuts(exchange.request, samples):
        faults[f"request cut after {after} bytes"] = CutRequest(after)
    for after in cuts(exchange.answer, samples)[:-1]:  # whole, it does tell
        faults[f"answer cut after {after} bytes"] = CutAnswer(after)
    return faults


def _any_fault(drawn: random.Random) -> WireFault:
    faults: list[WireFault] = [
        CutRequest(drawn.randrange(400)),
        CutAnswer(drawn.randrange(400)),
        Answer(429, b"{}", {"Retry-After": "3"}),
        Answer(500, HTML),
        Answer(502, HTML),
        Answer(503, HTML),
        Answer(200, HTML),
    ]
    return drawn.choice(faults)
