"""What a destination must do that holds one record under our key."""

import asyncio

from connectors.capabilities import Upsert
from connectors.contract.outbox import check_send
from connectors.contract.subject import Subject, hold
from domain.delivery import Invalid, Written

ENDINGS = (
    "",
    "/b",
    "%2Fb",
    " b",
    "+b",
    "%20b",
    "?b=c",
    "#b",
    "&b=c",
    ";b",
    ":b",
    ",b",
    "'b",
    '"b',
    "\\b",
    "*b",
    "%b",
    "_b",
    "/../b",
    "{b}",
    "(b)",
    " or 1=1",
    "-zoë",
    "👩‍👩‍👧",
    "+tag@example.com",
)
"""Endings of record keys that break careless addresses and queries: cut off or quoted wrongly, several are the same."""


class UpsertContract:
    """Promises of those whose capabilities claim an upsert."""

    async def test_a_known_record_is_updated(self, subject: Subject) -> None:
        """A second operation changes the record, and makes no other."""
        first = subject.fresh()
        created = await subject.destination.send(first)
        second = subject.after(first, **{subject.text: "another text"})
        outcome = await subject.destination.send(second)
        hold(isinstance(outcome, Written) and outcome.kind == "updated", f"must be updated, is {outcome!r}")
        hold(_id(created) == _id(outcome), f"must be the record {_id(created)}, is {_id(outcome)}")
        await subject.holds_once(second, "after an update")

    async def test_the_values_that_are_there_already_change_nothing(self, subject: Subject) -> None:
        """Said to be unchanged where the record is read first, else perhaps updated."""
        first = subject.fresh()
        created = await subject.destination.send(first)
        second = subject.after(first)
        outcome = await subject.destination.send(second)
        blind = subject.destination.capabilities.upsert is Upsert.KEY
        kinds = {"unchanged", "updated"} if blind else {"unchanged"}
        hold(isinstance(outcome, Written) and outcome.kind in kinds, f"must be {' or '.join(kinds)}, is {outcome!r}")
        hold(_id(created) == _id(outcome), f"must be the record {_id(created)}, is {_id(outcome)}")
        await check_send(subject, second, outcome)

    async def test_hostile_record_keys_address_their_own_records(self, subject: Subject) -> None:
        """Each key makes a record of its own and finds it again, or is refused."""
        kept = []
        stem = subject.fresh().record_key
        for number, ending in enumerate(ENDINGS):
            key = stem + ending
            operation = subject.saying(subject.fresh().model_copy(update={"record_key": key}), f"first text {number}")
            outcome = await subject.destination.send(operation)
            hold(isinstance(outcome, Written | Invalid), f"key {key}: must be Written or Invalid, is {outcome!r}")
            if isinstance(outcome, Written):
                hold(outcome.kind == "created", f"key {key}: must be created, is {outcome!r}: another key's record?")
                kept.append((operation, outcome.external_id))
        hold(len(kept) > 0, "no key at all was taken")
        for number, (operation, external_id) in enumerate(kept):
            key = operation.record_key
            await subject.holds_once(operation, f"key {key}")
            later = subject.after(operation, **{subject.text: f"second text {number}"})
            outcome = await subject.destination.send(later)
            hold(_id(outcome) == external_id, f"key {key}: must be the record {external_id}, is {outcome!r}")
            await subject.holds_once(later, f"key {key}, updated")

    async def test_two_senders_at_once_make_one_record_or_say_what_they_made(self, subject: Subject) -> None:
        """One record where the target decides; where we look first, at least nobody claims what is not so."""
        first = subject.fresh()
        second = subject.after(first, **{subject.text: "the other sender's text"})
        outcomes = await asyncio.gather(*[subject.destination.send(one) for one in (first, second)])
        written = [outcome for outcome in outcomes if isinstance(outcome, Written)]
        hold(len(written) >= 1, f"one of two senders at least must be served, but: {outcomes}")
        if subject.destination.capabilities.upsert is Upsert.KEY:
            ids = {outcome.external_id for outcome in written}
            hold(len(ids) == 1, f"two senders at once made the records {', '.join(sorted(ids))}")


def _id(outcome: object) -> str | None:
    return outcome.external_id if isinstance(outcome, Written) else None
