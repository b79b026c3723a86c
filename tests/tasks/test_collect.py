"""What waits in a source is stored once, whatever stops half-way."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from databases import sqlite_database
from fakes import FakeSource, FakeSystem, fake_resources
from tiny import write_tiny

from connectors.ports import Arrival, Unreadable
from connectors.store.engine import Store
from domain.breaker import FAILURES, LONGEST_PAUSE_S
from domain.decision import RuleAction, RuleMatch
from domain.delivery import Operation, Patience
from domain.errors import PolicyInvalid, Throttled, Unauthorised, Unavailable
from domain.item import InboundItem
from flows.collect import collect
from policies.intake import check, match_rule
from policies.load import load_workflow
from tasks.collect import AT_ONCE
from tasks.resources import opened


def mail(number: int) -> Arrival:
    fields = {"message": f"my invoice {number} is wrong"}
    return Arrival(f"INBOX:{number}", "mail", f"m-{number}", datetime(2026, 3, 2, 9, 0, tzinfo=UTC), fields)


NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
CONTACTS = {"source": "hubspot", "options": {"object": "contacts", "properties": "message"}}


class Office:
    """The tiny workflow with two sources; `now` is moved by hand."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.mailbox, self.folder = FakeSource(), FakeSource()
        self.store, self._home, self.now = store, folder, NOW
        self.reads("imap", "folder")

    def reads(self, *sources: object) -> None:
        self.policy = write_tiny(self._home, intake={"sources": [*sources]})

    async def collect(self, **sources: FakeSource) -> int:
        known = {"imap": self.mailbox, "folder": self.folder, **sources}
        here = fake_resources(self.store, None, FakeSystem(), sources=known, clock=lambda: self.now)
        async with opened(here):
            return await collect(self.policy)

    def accepted(self) -> int:
        with self.store.reading() as tx:
            return tx.accounts.balance("tiny").accepted

    def items(self) -> list[InboundItem]:
        with self.store.transaction() as tx:
            return [one.item for one in tx.inbox.claim("tiny", "run", 10, timedelta(minutes=1), self.now)]

    def rule_of(self, item: InboundItem) -> RuleMatch | None:
        policy = load_workflow(self.policy).policy
        return match_rule(item, check(item, policy), policy)

    def events(self) -> list[str]:
        with self.store.reading() as tx:
            return [entry.event.value for entry in tx.ledger.entries()]


@pytest.fixture
def office(tmp_path: Path, prefect: str) -> Iterator[Office]:
    with closing(Store(sqlite_database(tmp_path / "store.db"))) as store:
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
    assert office.events() == ["escalated", "refused", "accepted"]


async def test_of_what_a_source_has_and_cannot_become_an_item_somebody_is_told_once_a_kind(office: Office) -> None:
    empty = replace(mail(3), where="INBOX:3", fields={"message": ""})
    office.mailbox.arrivals = [Unreadable("INBOX:1", "too large", ""), Unreadable("INBOX:2", "torn", ""), empty]
    await office.collect()
    office.mailbox.arrivals.append(Unreadable("INBOX:4", "torn", ""))
    await office.collect()

    with office.store.reading() as tx:
        unreadable, unusable = tx.escalations.waiting("tiny")
        story = [entry.facts["where"] for entry in tx.ledger.entries(unreadable.escalation_id) if "raw" in entry.facts]
    assert (unreadable.message, unreadable.occurrences) == (
        "INBOX:4 is unreadable and no item (source imap): torn",
        2,
    )
    assert unusable.message.startswith("INBOX:3 is unusable and no item (source imap): nothing to classify")
    assert story == ["INBOX:1", "INBOX:2", "INBOX:4"]


async def test_a_mail_that_is_too_long_is_cut_where_one_sees_it_and_goes_to_a_person(office: Office) -> None:
    office.mailbox.arrivals = [replace(mail(1), fields={"message": "password " * 3_000})]

    assert await office.collect() == 1
    (item,) = office.items()
    assert item.text.endswith("[cut here: 26999 characters came]")
    assert len(item.fields["message"]) == 26_999
    assert office.rule_of(item) == RuleMatch(name="not_read_whole", action=RuleAction.PERSON, flags=("not_read_whole",))


async def test_a_mail_without_a_text_names_its_attachments_and_goes_to_a_person(office: Office) -> None:
    told = {"message": "", "attachments": "order.pdf (application/pdf, 5 bytes)\nplan.png (image/png, 9 bytes)"}
    office.mailbox.arrivals = [replace(mail(number), fields=told) for number in (1, 2)]

    assert await office.collect() == 2, "what is attached to them may differ"
    item, _ = office.items()
    assert item.text == "[no text; attached: order.pdf (application/pdf, 5 bytes); plan.png (image/png, 9 bytes)]"
    assert office.rule_of(item).action is RuleAction.PERSON


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
    office.now += timedelta(seconds=LONGEST_PAUSE_S)

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
    office.now += timedelta(seconds=LONGEST_PAUSE_S)
    await office.collect()

    assert told() == []


async def test_a_source_that_the_policy_names_no_more_is_in_no_trouble_and_nobody_is_told_of_it(office: Office) -> None:
    office.mailbox.failure = Unauthorised("wrong password")
    await office.collect()
    office.reads("folder")
    await office.collect()
    with office.store.reading() as tx:
        assert tx.sources.troubled() == []
        assert tx.escalations.waiting("tiny") == []
    assert office.events() == ["source_refused", "escalated", "resolved"]


async def test_whoever_dies_between_fetch_and_store_has_moved_no_cursor(office: Office) -> None:
    office.mailbox.arrivals = [mail(1)]
    office.mailbox.failure = RuntimeError("killed")
    with pytest.raises(RuntimeError):
        await office.collect()

    office.mailbox.failure = None

    assert await office.collect() == 1


async def test_a_source_that_is_away_is_left_in_peace_and_told_once_and_again_when_it_is_back(office: Office) -> None:
    office.mailbox.failure = Unavailable("no answer")
    for _ in range(FAILURES + 3):
        await office.collect()
        office.now += timedelta(minutes=10)
    assert office.events() == ["source_paused", "escalated"]

    office.mailbox.failure, office.mailbox.arrivals = None, [mail(1)]

    assert await office.collect() == 1
    assert office.events() == ["source_paused", "escalated", "accepted", "source_resumed", "resolved"]


async def test_a_source_that_refuses_us_is_told_once_and_asked_again_after_a_while(office: Office) -> None:
    office.mailbox.failure, office.mailbox.arrivals = Unauthorised("wrong password"), [mail(1)]
    await office.collect()
    office.mailbox.failure = None

    assert await office.collect() == 0, "a password that is tried too often locks an account"
    office.now += timedelta(seconds=LONGEST_PAUSE_S)
    assert await office.collect() == 1
    assert office.events() == ["source_refused", "escalated", "accepted", "source_resumed", "resolved"]


async def test_a_source_that_asks_to_be_left_alone_is_left_alone_for_so_long(office: Office) -> None:
    office.mailbox.failure, office.mailbox.arrivals = Throttled("429", retry_after_s=90), [mail(1)]
    await office.collect()
    office.mailbox.failure = None

    office.now += timedelta(seconds=89)
    assert await office.collect() == 0
    office.now += timedelta(seconds=1)
    assert await office.collect() == 1
    assert office.events() == ["accepted"]


async def test_other_options_are_another_reading_with_a_cursor_of_its_own(office: Office) -> None:
    companies = {**CONTACTS, "options": {"object": "companies", "properties": "message"}}
    crm = FakeSource([mail(1), mail(2)])
    office.reads(CONTACTS)
    await office.collect(hubspot=crm)
    assert crm.cursors[-1] == ""

    office.reads(CONTACTS, companies)
    await office.collect(hubspot=crm)
    assert crm.cursors[-2:] == ["2", ""], "a cursor is of no use under other options"

    office.reads(companies)
    await office.collect(hubspot=crm)
    assert crm.cursors[-1] == "2"


async def test_an_option_that_is_left_out_is_the_same_as_its_default(office: Office) -> None:
    crm = FakeSource([mail(1)])
    office.reads(CONTACTS)
    await office.collect(hubspot=crm)

    office.reads({**CONTACTS, "options": {**CONTACTS["options"], "operation_property": "interlock_operation"}})
    await office.collect(hubspot=crm)

    assert crm.cursors[-1] == "1"


async def test_fields_that_a_source_calls_otherwise_are_taken_by_the_policys_names(office: Office) -> None:
    arrival = replace(mail(1), fields={"hs_content": "my invoice is wrong", "owner": "Ann"})
    office.reads({**CONTACTS, "fields": {"message": "hs_content"}})

    assert await office.collect(hubspot=FakeSource([arrival])) == 1
    assert office.events() == ["accepted"]


async def test_a_write_of_ours_that_comes_back_is_no_item_and_what_is_changed_after_it_is_one(office: Office) -> None:
    office.reads(CONTACTS)
    queued = Operation(
        operation_id="op-1",
        item_id="it-1",
        policy="tiny",
        destination="crm",
        system="hubspot",
        record_key="r-1",
        values={"message": "my invoice 1 is wrong"},
    )
    with office.store.transaction() as tx:
        tx.outbox.put(queued, Patience(), office.now)
    ours, theirs = replace(mail(1), operation_id="op-1"), replace(mail(2), operation_id="op-1")

    assert await office.collect(hubspot=FakeSource([ours, theirs])) == 1
    assert office.events() == ["queued", "echoed", "accepted"]


async def test_a_source_that_does_not_understand_its_options_stops_the_run_with_the_mend(office: Office) -> None:
    office.reads({"source": "hubspot", "options": {"object": "contacts"}})

    with pytest.raises(PolicyInvalid, match="give 'properties', names of the properties"):
        await office.collect(hubspot=FakeSource())
