"""What a destination must do that can be searched for duplicates, and written to by the target's own id."""

from uuid import uuid4

from connectors.contract.outbox import check_send, deliver
from connectors.contract.subject import Subject, hold
from connectors.ports import Searchable
from domain.delivery import Invalid, Operation, Unknown, Written


class SearchableContract:
    """Promises of `connectors.ports.Searchable`."""

    async def test_a_record_under_our_own_key_is_ours(self, subject: Subject) -> None:
        """No other record can be meant, so nothing else is given to compare with."""
        operation, others = subject.fresh(), subject.fresh()
        await subject.destination.send(operation)
        await subject.lag_passes()
        destination = subject.destination
        if not isinstance(destination, Searchable):
            raise AssertionError("it cannot be searched, and was given a SearchableContract")  # noqa: TRY004
        ours, theirs = await destination.candidates(subject.after(operation)), await destination.candidates(others)
        hold(
            isinstance(ours, list) and [one.ours for one in ours] == [True],
            f"must be the record under our own key and no other, is {ours!r}",
        )
        hold(
            isinstance(theirs, list) and not any(one.ours for one in theirs),
            f"must be a list without a record of ours where none has our key, is {theirs!r}",
        )

    async def test_a_write_goes_to_the_record_that_it_names(self, subject: Subject) -> None:
        """The target's own id decides, whatever our key; and the record keeps the key that it had."""
        first = subject.fresh()
        made = await subject.destination.send(first)
        second = _to(subject, first, made)
        outcome = await subject.destination.send(second)
        await check_send(subject, second, outcome)
        hold(_is_at(outcome, made), f"must be Written to the record of {made!r}, is {outcome!r}")
        await subject.holds_once(second, "after a write to a record by its id")
        await subject.lag_passes()
        later = await subject.destination.send(subject.after(second))
        hold(_is_at(later, made), f"a later write to it must be Written there, is {later!r}")
        by_key = await subject.destination.send(subject.after(first, **{subject.text: "by key"}))
        hold(_is_at(by_key, made), f"our first key must still lead to it, and led to {by_key!r}")

    async def test_a_write_to_a_named_record_is_found_and_acts_once(self, subject: Subject) -> None:
        """After a sender's death, as for every other write."""
        first = subject.fresh()
        second = _to(subject, first, await subject.destination.send(first))
        await deliver(subject, second)
        await subject.lag_passes()
        last = await deliver(subject, second, first=Unknown(detail="the sender died before it noted the outcome"))
        hold(isinstance(last, Written), f"must be Written, is {last!r}")
        await subject.holds_once(second, "after a crash of the sender")

    async def test_a_record_that_is_not_there_any_more_is_gone(self, subject: Subject) -> None:
        """It is not made again: the target is searched anew."""
        operation = subject.fresh().model_copy(update={"external_id": "999999999"})
        outcome = await subject.destination.send(operation)
        hold(isinstance(outcome, Invalid) and outcome.gone, f"must be Invalid and gone, is {outcome!r}")
        await subject.holds_nothing(operation, "after a write to a record that is not there")


def _to(subject: Subject, first: Operation, made: object) -> Operation:
    """A later operation under another key that is meant for the record of the first."""
    if not isinstance(made, Written):
        raise AssertionError(f"a first send must be Written, is {made!r}")  # noqa: TRY004
    changed = subject.after(first, **{subject.text: "to the record by its id"})
    return changed.model_copy(update={"external_id": made.external_id, "record_key": f"key-{uuid4().hex[:12]}"})


def _is_at(outcome: object, made: object) -> bool:
    return isinstance(outcome, Written) and isinstance(made, Written) and outcome.external_id == made.external_id
