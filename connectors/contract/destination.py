"""What every destination must do, whatever it is reached by."""

from connectors.capabilities import Idempotency, Upsert, Versioning
from connectors.contract.diagnosis import DiagnosisContract
from connectors.contract.outbox import HARMLESS_TO_REPEAT, check_send, deliver
from connectors.contract.subject import Subject, hold
from connectors.ports import Searchable
from domain.delivery import Invalid, Unknown, Written

TEXTS = {
    "accents and scripts": "Zoë Łukasiewicz, 日本語, עברית, 🚲👩‍👩‍👧",
    "quotes": """it's "quoted", `so` and ‘so’ \\ and \\" again""",
    "lines": "first\nsecond\r\nthird\n\n\tand indented",
    "placeholders": "{{ name }} ${name} %s %(name)s {0} <%= name %>",
    "markup": "<b>bold</b> &amp; <script>alert(1)</script> <!-- --> <@U123> *x* _y_ [a](b)",
    "statements": "'; DROP TABLE leads; -- \" OR 1=1",
    "escapes": "\\n \\u0041 %20 %0d%0a + &#10;",
    "what looks like no text": "null",
    "a number": "007.50",
    "control characters": "a\x00b\x07c",
    "ends in blanks": "  between blanks  ",
    "empty": "",
    "very long": "0123456789 abcdef " * 6000,
}
"""Texts that break careless connectors; each must arrive as it is, or be refused."""

LONG_AFTER_S = 60 * 86_400
"""When a write that was given up may still be put back."""


class DestinationContract(DiagnosisContract):
    """Promises of `connectors.ports.Destination`."""

    async def test_the_contract_covers_what_the_capabilities_claim(self, subject: Subject) -> None:
        """Who claims more promises more."""
        can = subject.destination.capabilities
        taken = {base.__name__ for base in type(self).__mro__}
        called_for = {
            "UpsertContract": can.upsert is not Upsert.NONE,
            "VersionedContract": can.versioning is Versioning.COMPARE,
            "BatchContract": can.batch > 1,
            "NetworkBatchContract": can.batch > 1 and "NetworkContract" in taken,
            "SearchableContract": isinstance(subject.destination, Searchable),
        }
        for contract, wanted in called_for.items():
            hold(
                (contract in taken) == wanted, f"by its capabilities it must {'' if wanted else 'not '}be a {contract}"
            )
        hold(can.search_lag_s == 0 or subject.passes is not None, "its search lags: give `passes`, to move its clock")

    async def test_a_new_record_is_created(self, subject: Subject) -> None:
        """A first send makes a record that holds the values, and says so."""
        operation = subject.fresh()
        outcome = await subject.destination.send(operation)
        hold(isinstance(outcome, Written) and outcome.kind == "created", f"must be created, is {outcome!r}")
        await check_send(subject, operation, outcome)
        await subject.holds_once(operation, "after a first send")

    async def test_a_repeated_send_acts_once_or_a_look_up_prevents_it(self, subject: Subject) -> None:
        """Either the target takes the second for what it is, or the first can be found before it."""
        operation, can = subject.fresh(), subject.destination.capabilities
        await subject.destination.send(operation)
        if can.upsert is not Upsert.NONE or can.idempotency in HARMLESS_TO_REPEAT:
            again = await subject.destination.send(operation)
            hold(isinstance(again, Written), f"the same operation again must be Written, is {again!r}")
        else:
            await subject.lag_passes()
            found = await subject.destination.find(operation)
            hold(isinstance(found, Written | Unknown), f"must be found, or left to a person; is {found!r}")
        await subject.holds_once(operation, "after the same operation twice")

    async def test_a_refused_value_is_invalid_and_named(self, subject: Subject) -> None:
        """A person must be able to mend it from the message, and nothing may be half written."""
        operation = subject.poisoned(subject.fresh())
        outcome = await subject.destination.send(operation)
        hold(isinstance(outcome, Invalid), f"must be Invalid, is {outcome!r}")
        hold(subject.refused[0] in str(outcome), f"must name '{subject.refused[0]}', says {outcome!r}")
        await subject.holds_nothing(operation, "after a refused value")

    async def test_a_value_that_is_not_there_is_not_written_whoever_asks(self, subject: Subject) -> None:
        """Refused or left out in silence: no look-up and no second send may say that the values are there.

        After a lost answer, and after a person has put the write back, a look-up is all that there is.
        """
        for name, content in filter(None, (subject.refused, subject.skipped)):
            operation = subject.with_value(subject.fresh(), (name, content))
            outcome = await subject.destination.send(operation)
            hold(isinstance(outcome, Invalid), f"{name} '{content}' must be Invalid, is {outcome!r}")
            hold(name.casefold() in str(outcome).casefold(), f"must name '{name}', says {outcome!r}")
            await subject.lag_passes()
            found = await subject.destination.find(operation)
            hold(not isinstance(found, Written), f"without {name} '{content}' a look-up claims {found!r}")
            again = await subject.destination.send(operation)
            hold(isinstance(again, Invalid), f"without {name} '{content}' another send must be Invalid, is {again!r}")

    async def test_texts_arrive_as_they_are_or_are_invalid(self, subject: Subject) -> None:
        """No text is cut, unescaped, trimmed or taken for a command; one that cannot be kept is refused."""
        for case, text in TEXTS.items():
            operation = subject.saying(subject.fresh(), text)
            outcome = await subject.destination.send(operation)
            hold(isinstance(outcome, Written | Invalid), f"{case}: must be Written or Invalid, is {outcome!r}")
            if isinstance(outcome, Written):
                await subject.holds_once(operation, case)
            else:
                await subject.holds_nothing(operation, case)

    async def test_a_look_up_finds_what_was_written(self, subject: Subject) -> None:
        """Once the search cannot lag any more; where repeating is harmless it may say that it sees nothing.

        And ever after, for a write that was given up may be put back when somebody comes to it.
        """
        operation, can = subject.fresh(), subject.destination.capabilities
        await subject.destination.send(operation)
        await subject.destination.send(subject.fresh())
        await subject.lag_passes()
        found = await subject.destination.find(operation)
        match can.idempotency:
            case Idempotency.TRACE:
                hold(isinstance(found, Written) and found.found, f"must be Written and found, is {found!r}")
            case Idempotency.KEY | Idempotency.CONTENT:
                hold(found is None or isinstance(found, Written), f"must be Written or None, is {found!r}")
            case Idempotency.NONE:
                hold(isinstance(found, Written | Unknown), f"must be Written or Unknown, is {found!r}")
        if subject.passes is not None:
            await subject.passes(LONG_AFTER_S)
            later = await subject.destination.find(operation)
            hold(later == found, f"{LONG_AFTER_S} s later a look-up must say {found!r} again, and says {later!r}")

    async def test_a_look_up_does_not_find_what_was_never_sent(self, subject: Subject) -> None:
        """Others' writes are not taken for it."""
        await subject.destination.send(subject.fresh())
        await subject.lag_passes()
        found = await subject.destination.find(subject.fresh())
        nameless = subject.destination.capabilities.idempotency is Idempotency.NONE
        hold(found is None or (nameless and isinstance(found, Unknown)), f"must be None, is {found!r}")

    async def test_a_delivered_operation_stays_delivered(self, subject: Subject) -> None:
        """Delivery of what was delivered before, as after a crash, changes nothing."""
        operation = subject.fresh()
        await deliver(subject, operation)
        await subject.lag_passes()
        last = await deliver(subject, operation, first=Unknown(detail="the sender died before it noted the outcome"))
        if subject.destination.capabilities.idempotency is not Idempotency.NONE:
            hold(isinstance(last, Written), f"must be Written, is {last!r}")
        await subject.holds_once(operation, "after a crash of the sender")
