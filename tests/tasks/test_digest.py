"""The day's figures reach people by mail or Slack, once a day."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from databases import sqlite_database
from fakes import FakeSystem, fake_resources
from tiny import write_people, write_tiny
from waiting import ask

from connectors.store.engine import Store
from domain.people import Channel
from tasks.deliver import deliver_due
from tasks.digest import send_digest
from tasks.resources import opened

PEOPLE = {
    "teams": {"desk": {"slack": "C0000000001"}},
    "people": {"the lead": {"mail": "lead@example.com"}, "the head": {"mail": "head@example.com"}},
}
BY_MAIL = {"steps": [{"to": "anybody"}, {"to": "the lead", "by": "mail"}]}


class Office:
    """A workflow with one item that waits; its clock is moved by hand."""

    def __init__(self, folder: Path, store: Store, ladder: dict[str, object]) -> None:
        self.now = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
        self.slack, self.mail = FakeSystem(), FakeSystem()
        write_people(folder, PEOPLE)
        self.policy = write_tiny(folder, people="people.yaml", escalation=ladder)
        systems = {"slack": self.slack, "smtp": self.mail}
        self.here = fake_resources(store, None, FakeSystem(), clock=lambda: self.now, systems=systems)
        ask(store, self.policy, "m-1", now=self.now - timedelta(hours=1))

    async def sends(self, to: str = "", by: Channel = Channel.MAIL) -> int:
        async with opened(self.here):
            sent = await send_digest.fn(self.policy, to, by)
            await deliver_due.fn(0)
        return sent


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store(sqlite_database(tmp_path / "office.db"))) as opened_store:
        yield opened_store


async def test_it_goes_to_whom_the_ladder_tells_first(store, tmp_path):
    office = Office(tmp_path, store, BY_MAIL)
    assert await office.sends() == 1
    (mail,) = office.mail.stored
    assert mail.values["to"] == "lead@example.com"
    assert mail.values["subject"] == "tiny: 1 came in, 0 % done"
    assert "Now 1 reviews wait" in mail.values["body"]


async def test_it_comes_once_a_day(store, tmp_path):
    office = Office(tmp_path, store, BY_MAIL)
    assert [await office.sends(), await office.sends()] == [1, 0]
    office.now += timedelta(days=1)
    assert await office.sends() == 1
    assert [mail.values["subject"] for mail in office.mail.stored][1] == "tiny: 0 came in, – done"


async def test_it_goes_to_whom_it_is_asked_to(store, tmp_path):
    office = Office(tmp_path, store, BY_MAIL)
    assert await office.sends("desk", Channel.SLACK) == 1
    assert len(office.slack.stored) == 1
    assert office.mail.stored == []


async def test_where_prefect_alone_tells_people_nobody_gets_a_message(store, tmp_path):
    assert await Office(tmp_path, store, {"to": "anybody"}).sends() == 0


async def test_prefects_event_brings_no_digest(store, tmp_path):
    assert await Office(tmp_path, store, BY_MAIL).sends("the lead", Channel.PREFECT) == 0
