"""What waits in a source is stored once, whatever stops half-way."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fakes import FakeSource, FakeSystem, fake_resources
from tiny import write_tiny

from connectors.ports import Arrival, Unreadable
from connectors.store.engine import Store
from domain.errors import Unauthorised, Unavailable
from flows.collect import collect
from tasks.collect import AT_ONCE
from tasks.resources import opened


def mail(number: int) -> Arrival:
    fields = {"message": f"my invoice {number} is wrong"}
    return Arrival(f"INBOX:{number}", "mail", f"m-{number}", datetime(2026, 3, 2, 9, 0, tzinfo=UTC), fields)


class Office:
    """The tiny workflow with two sources."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.mailbox, self.folder = FakeSource(), FakeSource()
        self.store = store
        self.policy = write_tiny(folder, intake={"sources": ["imap", "folder"]})

    async def collect(self) -> int:
        sources = {"imap": self.mailbox, "folder": self.folder}
        async with opened(fake_resources(self.store, None, FakeSystem(), sources=sources)):
            return await collect(self.policy)

    def accepted(self) -> int:
        with self.store.reading() as tx:
            return tx.accounts.balance("tiny").accepted

    def events(self) -> list[str]:
        with self.store.reading() as tx:
            return [entry.event.value for entry in tx.ledger.entries()]


@pytest.fixture
def office(tmp_path: Path, prefect: str) -> Iterator[Office]:
    with closing(Store(f"sqlite:///{tmp_path / 'store.db'}")) as store:
        yield Office(tmp_path, store)


async def test_what_came_since_the_last_run_is_stored_and_nothing_is_read_twice(office: Office) -> None:
    office.mailbox.arrivals = [mail(1), mail(2)]
    assert await office.collect() == 2

    office.mailbox.arrivals.append(mail(3))

    assert await office.collect() == 1
    assert office.events() == ["accepted"] * 3


async def test_a_source_that_has_more_than_one_fetch_takes_is_read_to_its_end(office: Office) -> None:
    office.mailbox.arrivals = [mail(number) for number in range(AT_ONCE + 5)]

    await office.collect()

    assert office.accepted() == AT_ONCE + 5


async def test_what_cannot_be_read_is_in_the_ledger_and_the_rest_goes_on(office: Office) -> None:
    office.mailbox.arrivals = [Unreadable("INBOX:1", "too large", "Subject: x"), mail(2)]

    assert await office.collect() == 1
    assert office.events() == ["refused", "accepted"]


async def test_the_same_mail_in_two_sources_is_one_item(office: Office) -> None:
    office.mailbox.arrivals, office.folder.arrivals = [mail(1)], [mail(1)]

    await office.collect()

    assert office.accepted() == 1


@pytest.mark.parametrize("failure", [Unavailable("no answer"), Unauthorised("wrong password")], ids=["away", "refused"])
async def test_a_source_that_fails_keeps_no_other_waiting_and_goes_on_where_it_was(
    office: Office, failure: Exception
) -> None:
    office.mailbox.arrivals = [mail(1)]
    await office.collect()
    office.mailbox.failure, office.folder.arrivals = failure, [mail(2)]
    assert await office.collect() == 1

    office.mailbox.failure = None
    office.mailbox.arrivals.append(mail(3))

    assert await office.collect() == 1
    assert office.accepted() == 3


async def test_of_a_source_that_refuses_us_somebody_is_told_until_it_can_be_read_again(office: Office) -> None:
    def told() -> list[str]:
        with office.store.reading() as tx:
            return [row.message for row in tx.escalations.waiting("tiny")]

    office.mailbox.failure = Unauthorised("wrong password")
    for _ in range(2):
        await office.collect()
    assert told() == ["the source imap cannot be read: wrong password"]

    office.mailbox.failure = None
    await office.collect()

    assert told() == []
    assert office.events() == ["escalated", "recurred", "resolved"]


async def test_whoever_dies_between_fetch_and_store_has_moved_no_cursor(office: Office) -> None:
    office.mailbox.arrivals = [mail(1)]
    office.mailbox.failure = RuntimeError("killed")
    with pytest.raises(RuntimeError):
        await office.collect()

    office.mailbox.failure = None

    assert await office.collect() == 1
