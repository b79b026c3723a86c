"""What a system must do whose records are kept in step with other systems'."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from uuid import uuid4

from connectors.contract.subject import hold
from connectors.kept import Kept, Record
from connectors.ports import Destination
from domain.delivery import Conflict, DeliveryOutcome, Invalid, Operation, Written

LONGEST = 200
"""Pages and fetches after which something that does not end is taken to be endless."""


@dataclass(frozen=True, kw_only=True)
class KeptSubject:
    """A system that is kept in step, and the ways to see and disturb its records behind its back.

    Attributes:
        kept: reads it; a record has at least the values `text` and `filled`.
        destination: writes to it.
        fresh: makes an operation that creates a record, with an id and a record key that were never used.
        text: the name of a value that takes any short text, and may be blank.
        filled: the name of another one.
        absent: the name of a value that was asked for and that the records do not have; None where they have all.
        edit: somebody else changes a record, by its id.
        delete: somebody deletes a record, by its id.
        merge: somebody merges the second record into the first; None where the system merges none.
        settles: lets so much time pass that a change is told.
        after: where snapshots begin, in a target that holds others' records too.
    """

    kept: Kept
    destination: Destination
    fresh: Callable[[], Operation]
    text: str
    filled: str
    absent: str | None
    edit: Callable[[str, Mapping[str, str]], Awaitable[None]]
    delete: Callable[[str], Awaitable[None]]
    merge: Callable[[str, str], Awaitable[None]] | None
    settles: Callable[[], Awaitable[None]]
    after: str = ""

    async def made(self, **values: str) -> tuple[str, Operation]:
        """A new record's id, and the operation that made it."""
        operation = self.fresh()
        operation = operation.model_copy(update={"values": operation.values | values})
        outcome = await self.destination.send(operation)
        if not isinstance(outcome, Written):
            raise AssertionError(f"a new record must be Written, is {outcome!r}")  # noqa: TRY004
        return outcome.external_id, operation

    async def record(self, external_id: str) -> Record:
        """A record that must be there."""
        found = (await self.kept.read([external_id]))[external_id]
        if found is None:
            raise AssertionError(f"record {external_id} must be there, and is not")
        return found

    def patch(self, made: Operation, external_id: str, expected: Mapping[str, str], **values: str) -> Operation:
        """A write of these values, decided on what a record held."""
        told = {"operation_id": f"op-{uuid4().hex[:24]}", "external_id": external_id}
        return made.model_copy(update=told | {"values": values, "expected": dict(expected)})


class KeptContract:
    """Promises of `connectors.kept.Kept`, and of the destination beside it about what is expected of a record."""

    async def test_what_was_written_is_told_read_and_on_one_page(self, subject: KeptSubject) -> None:
        """A change is told once, the record is read as written, and a snapshot has it exactly once."""
        before = await self._drained(subject, "")
        external_id, operation = await subject.made()
        await subject.settles()
        told, cursor = await self._told(subject, before)
        hold(told.count(external_id) == 1, f"the record {external_id} must be told of once, and was {told}")
        again, _ = await self._told(subject, cursor)
        hold(external_id not in again, f"{external_id} must not be told of again: nobody has changed it")
        record = await subject.record(external_id)
        hold(record.external_id == external_id, f"must be the record {external_id}, is {record!r}")
        said = f"must carry the operation {operation.operation_id}, is {record!r}"
        hold(record.operation_id == operation.operation_id, said)
        hold(record.changed_at is not None and record.changed_at.tzinfo is not None, f"must say when, is {record!r}")
        pages = await self._snapshot(subject)
        hold(pages.count(record) == 1, f"a snapshot must have {record!r} once, and has it {pages.count(record)} times")

    async def test_a_record_is_read_as_it_is_a_moment_after_it_was_changed(self, subject: KeptSubject) -> None:
        """By us or by somebody else: no search that lags stands between."""
        external_id, operation = await subject.made()
        for number in range(3):
            await subject.edit(external_id, {subject.text: f"theirs {number}"})
            theirs = await subject.record(external_id)
            hold(theirs.values[subject.text] == f"theirs {number}", f"their change must be read, is {theirs!r}")
            ours = subject.patch(operation, external_id, {}, **{subject.text: f"ours {number}"})
            await subject.destination.send(ours)
            record = await subject.record(external_id)
            hold(record.values[subject.text] == f"ours {number}", f"our change must be read, is {record!r}")

    async def test_a_snapshot_has_every_record_once_whatever_the_size_of_its_pages(self, subject: KeptSubject) -> None:
        """Also those that share everything but their ids; and it ends."""
        made = [(await subject.made())[0] for _ in range(5)]
        for count in (1, 2, 5, 100):
            ids = [record.external_id for record in await self._snapshot(subject, count)]
            hold(len(ids) == len(set(ids)), f"pages of {count}: no record may be there twice, in {ids}")
            hold(set(made) <= set(ids), f"pages of {count}: {made} must be there, in {ids}")

    async def test_a_deleted_record_is_not_there(self, subject: KeptSubject) -> None:
        """For readers, for snapshots, and for writers, who are told that it is gone."""
        external_id, operation = await subject.made()
        other, _ = await subject.made()
        await subject.delete(external_id)
        records = await subject.kept.read([external_id, other])
        hold(records[external_id] is None, f"a deleted record must be None, is {records[external_id]!r}")
        hold(records[other] is not None, "its neighbour must be there all the same")
        ids = [record.external_id for record in await self._snapshot(subject)]
        hold(external_id not in ids, "a snapshot must not have a deleted record")
        outcome = await subject.destination.send(
            subject.patch(operation, external_id, {}, **{subject.text: "too late"})
        )
        hold(isinstance(outcome, Invalid) and outcome.gone, f"a write to it must be Invalid and gone, is {outcome!r}")

    async def test_what_never_was_is_not_there(self, subject: KeptSubject) -> None:
        """Ids of other systems among them."""
        strange = ["999999999", "no such id", "a/b?c=d", "0'; --"]
        records = await subject.kept.read(strange)
        hold(records == dict.fromkeys(strange), f"must all be None, are {records!r}")
        hold(await subject.kept.read([]) == {}, "of no ids there are no records")

    async def test_a_merged_record_is_its_survivor(self, subject: KeptSubject) -> None:
        """For readers under both ids, and once in a snapshot."""
        if subject.merge is None:
            return
        (survivor, _), (other, _) = await subject.made(), await subject.made()
        await subject.merge(survivor, other)
        records = await subject.kept.read([other, survivor])
        ids = {one: record and record.external_id for one, record in records.items()}
        hold(ids == {other: survivor, survivor: survivor}, f"both must be the survivor {survivor}, are {ids}")
        paged = [record.external_id for record in await self._snapshot(subject)]
        hold((paged.count(survivor), paged.count(other)) == (1, 0), "a snapshot must have the survivor alone, once")

    async def test_blank_is_there_and_what_the_system_lacks_is_left_out(self, subject: KeptSubject) -> None:
        """Blank is an edit like any other, and a field that is not there has no say."""
        external_id, operation = await subject.made()
        before = await subject.record(external_id)
        clear = subject.patch(operation, external_id, before.values, **{subject.filled: ""})
        outcome = await subject.destination.send(clear)
        hold(isinstance(outcome, Written), f"a value may be cleared, but: {outcome!r}")
        record = await subject.record(external_id)
        hold(record.values.get(subject.filled) == "", f"a cleared value must be blank, is {record!r}")
        hold(subject.absent not in record.values, f"'{subject.absent}' must be left out of {record!r}")

    async def test_what_is_written_is_told_as_it_is_read(self, subject: KeptSubject) -> None:
        """So that what the system makes of a write is no edit of somebody's."""
        external_id, operation = await subject.made()
        before = await subject.record(external_id)
        patch = subject.patch(operation, external_id, before.values, **{subject.text: "a text"})
        outcome = await subject.destination.send(patch)
        record = await subject.record(external_id)
        told = outcome.values if isinstance(outcome, Written) else {}
        hold(set(told) <= set(patch.values), f"must tell of what was written alone, is {outcome!r}")
        held = {name: record.values[name] for name in told}
        hold(told == held, f"what was written must be told as it is read, {held}, and is {told}")
        hold(isinstance(outcome, Written) and outcome.kind == "updated", f"must be updated, is {outcome!r}")
        again = await subject.destination.send(patch)
        hold(isinstance(again, Written) and again.kind == "unchanged", f"again must be unchanged, is {again!r}")
        others = {name: text for name, text in record.values.items() if name not in patch.values}
        kept = {name: text for name, text in before.values.items() if name not in patch.values}
        hold(others == kept, f"a patch must leave the rest as it was, {kept}, and it is {others}")

    async def test_a_record_that_holds_something_else_is_not_written(self, subject: KeptSubject) -> None:
        """Whoever decided on the write is told to decide again; of the values that are not expected nobody asks."""
        external_id, operation = await subject.made()
        before = await subject.record(external_id)
        await subject.edit(external_id, {subject.text: "theirs"})
        ours = subject.patch(operation, external_id, before.values, **{subject.text: "ours"})
        outcome = await subject.destination.send(ours)
        hold(isinstance(outcome, Conflict) and outcome.moved, f"must be a Conflict that moved, is {outcome!r}")
        record = await subject.record(external_id)
        hold(record.values[subject.text] == "theirs", f"nothing may be overwritten, is {record!r}")
        hold(await subject.destination.find(ours) is None, "what was not written must not be found")
        unasked = {name: text for name, text in before.values.items() if name == subject.filled}
        outcome = await subject.destination.send(ours.model_copy(update={"expected": unasked}))
        hold(isinstance(outcome, Written), f"of another value's change nobody asks, but: {outcome!r}")

    async def test_a_record_that_holds_the_values_already_is_unchanged(self, subject: KeptSubject) -> None:
        """Though something else was expected: what is wanted is there."""
        external_id, operation = await subject.made()
        await subject.edit(external_id, {subject.text: "the same"})
        stale = subject.patch(operation, external_id, {subject.text: "what it was"}, **{subject.text: "the same"})
        outcome = await subject.destination.send(stale)
        hold(isinstance(outcome, Written) and outcome.kind == "unchanged", f"must be unchanged, is {outcome!r}")

    async def test_a_write_whose_sender_died_is_not_taken_for_somebody_elses(self, subject: KeptSubject) -> None:
        """It is found by its id; and sent again, it finds its own values and changes nothing."""
        external_id, operation = await subject.made()
        before = await subject.record(external_id)
        patch = subject.patch(operation, external_id, before.values, **{subject.text: "once"})
        await subject.destination.send(patch)
        found = await subject.destination.find(patch)
        hold(isinstance(found, Written), f"a write whose sender died must be found, is {found!r}")
        again = await subject.destination.send(patch)
        hold(isinstance(again, Written), f"sent again, it must be Written, is {again!r}")

    async def _drained(self, subject: KeptSubject, cursor: str) -> str:
        return (await self._told(subject, cursor))[1]

    async def _told(self, subject: KeptSubject, cursor: str) -> tuple[list[str], str]:
        """What changed, to the end, and the cursor there."""
        told: list[str] = []
        for _ in range(LONGEST):
            changed = await subject.kept.changed(cursor, 100)
            told += changed.external_ids
            cursor = changed.cursor
            if not changed.more:
                return told, cursor
        raise AssertionError(f"changes must end; after {LONGEST} fetches they did not")

    async def _snapshot(self, subject: KeptSubject, count: int = 100) -> list[Record]:
        records: list[Record] = []
        after = subject.after
        for _ in range(LONGEST):
            page = await subject.kept.page(after, count)
            hold(len(page.records) <= count, f"a page of {count} has {len(page.records)} records")
            records += page.records
            after = page.after
            if not after:
                return records
        raise AssertionError(f"a snapshot must end; after {LONGEST} pages it did not")


class ComparedContract(KeptContract):
    """Also of those that compare and write under one lock."""

    async def test_of_two_writers_with_the_same_expectation_one_wins(self, subject: KeptSubject) -> None:
        """Whatever the order: the other is told that the record has moved."""
        for _ in range(3):
            external_id, operation = await subject.made()
            before = await subject.record(external_id)
            patches = [
                subject.patch(operation, external_id, before.values, **{subject.text: f"writer {number}"})
                for number in range(2)
            ]
            outcomes = await asyncio.gather(*[subject.destination.send(patch) for patch in patches])
            record = await subject.record(external_id)
            won = [patch for patch, outcome in zip(patches, outcomes, strict=True) if isinstance(outcome, Written)]
            hold(len(won) == 1, f"exactly one of two must be Written, but: {outcomes}")
            hold(sum(map(_moved, outcomes)) == 1, f"the other must be a Conflict that moved, but: {outcomes}")
            text = won[0].values[subject.text]
            hold(record.values[subject.text] == text, f"must hold the winner's text '{text}', is {record!r}")


def _moved(outcome: DeliveryOutcome) -> bool:
    return isinstance(outcome, Conflict) and outcome.moved
