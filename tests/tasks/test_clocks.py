"""The watch warns before a promise is broken, tells when it is, and is missed when it does not run."""

import json
import logging
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from builders import proposal
from click.testing import Result
from databases import sqlite_database
from fakes import FakeSystem, Hiccup, fake_resources
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect_events import events_about
from sqlalchemy import create_engine
from tiny import message, write_tiny
from typer.testing import CliRunner

from connectors.store.engine import Store
from connectors.store.migrations.versions import v0022_clocks_that_ended
from console.main import app
from domain.delivery import Invalid, NextStep, Step
from domain.errors import InputInvalid, Unavailable
from domain.moments import moments
from domain.review import Answer
from flows.watch import watch
from tasks.clocks import watch_clocks
from tasks.customer import ask_customer, customer_answered
from tasks.decide import decide_items
from tasks.deliver import deliver_due
from tasks.escalate import acknowledge, climb
from tasks.heartbeat import beat, silence
from tasks.propose import Proposed
from tasks.resources import opened
from tasks.review import settle_review

FRIDAY = datetime(2026, 3, 6, 16, 0, tzinfo=UTC)
PROMISED = {
    "calendars": {"office": {"zone": "UTC", "hours": {"mon-fri": ["09:00-17:00"]}}},
    "sla": {
        "first_decision": {"minutes": 15},
        "delivered": {"minutes": 120, "warn_at": None, "calendar": "office"},
        "review_answered": {"minutes": 60, "warn_at": None},
    },
    "review": {"answer_within_minutes": 120, "calendar": "office"},
}
UNSURE = Proposed(proposal=proposal(label="access", opinion="access", confidence=0.4), cached=False)
SLA_EVENTS = ("customer_asked", "customer_answered", "customer_silent", "sla_warned", "sla_breached")


class Office:
    """A running workflow with promises on time, whose clock is moved by hand."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.store, self.now, self.log = store, FRIDAY, list[str]()
        self.folder = folder
        self.change_policy()

    def change_policy(self, **changes: object) -> None:
        self.policy = write_tiny(self.folder, **{**PROMISED, **changes})
        self.here = fake_resources(self.store, None, FakeSystem(), clock=lambda: self.now)

    def accept(self, text: str = "my invoice is wrong", email: str = "a@example.com") -> str:
        with self.store.transaction() as tx:
            number = tx.ledger.head()[0]
            item = message(f"m-{number}", f"{text} {number}", email)
            return tx.inbox.accept("tiny", item, timedelta(0), self.now)[0]

    async def decide(self) -> None:
        """A rule routes invoices; the rest goes to a person."""
        with self.store.transaction() as tx:
            items = tx.inbox.claim("tiny", "run", 100, timedelta(minutes=5), self.now)
        async with opened(self.here):
            await decide_items.fn(self.policy, items, {item.item_id: UNSURE for item in items})

    async def deliver(self) -> None:
        async with opened(self.here):
            await deliver_due.fn(0)

    async def gives_up(self) -> str:
        """An item whose write is given up."""
        item = self.accept()
        await self.decide()
        with self.store.transaction() as tx:
            (due,) = tx.outbox.claim(1, timedelta(minutes=5), self.now)
            ends = NextStep(step=Step.DEAD_LETTER, at=self.now, reason="refused")
            assert tx.outbox.settle(due, Invalid(detail="no such queue"), ends, self.now)
        return item

    async def watch(self, **later: float) -> list[str]:
        """Let time pass, and watch; gives what somebody was told of."""
        self.now += timedelta(**later)
        self.log.clear()
        async with opened(self.here):
            assert await watch_clocks.fn(self.policy) == len(self.log)
        return list(self.log)

    async def climb(self) -> int:
        async with opened(self.here):
            return await climb.fn(self.policy)

    def escalated(self) -> list[str]:
        """The escalations that wait for somebody."""
        with self.store.reading() as tx:
            return [row.escalation_id for row in tx.escalations.waiting("tiny")]

    def acknowledge(self, escalation: str) -> None:
        with self.store.transaction() as tx:
            assert acknowledge(tx, escalation, "Ada", self.now)

    def events(self, item: str) -> list[str]:
        with self.store.reading() as tx:
            return [entry.event.value for entry in tx.ledger.entries(item) if entry.event.value in SLA_EVENTS]

    def pauses(self, item: str) -> list[tuple[datetime, datetime | None]]:
        with self.store.reading() as tx:
            happened = moments(tx.ledger.entries(item))
        assert happened is not None
        return [(pause.begins, pause.ends) for pause in happened.pauses]

    def review_due_at(self, item: str) -> datetime:
        with self.store.reading() as tx:
            review = tx.reviews.get(item)
        assert review is not None
        return review.due_at


class _Into(logging.Handler):
    def __init__(self, told: list[str]) -> None:
        super().__init__()
        self._told = told

    def emit(self, record: logging.LogRecord) -> None:
        self._told.append(record.getMessage())


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    monkeypatch.setenv("INTERLOCK_DATABASE_URL", f"sqlite:///{tmp_path / 'interlock.db'}")
    monkeypatch.setenv("INTERLOCK_LLM", "off")
    with closing(Store(f"sqlite:///{tmp_path / 'interlock.db'}")) as store, temporary_settings({PREFECT_API_URL: None}):
        here = Office(tmp_path, store)
        handler, logger = _Into(here.log), logging.getLogger("prefect.interlock")
        logger.addHandler(handler)
        yield here
        logger.removeHandler(handler)


async def test_an_item_that_nobody_decides_is_warned_of_then_escalated_each_once(office):
    item = office.accept()
    assert await office.watch(minutes=11) == []
    assert await office.watch(minutes=1) == [f"{item}: first decision is due by 2026-03-06 16:15 UTC"]
    assert await office.watch(minutes=1) == []
    late = f"{item}: first decision is late, it was due by 2026-03-06 16:15 UTC"
    assert await office.watch(minutes=3) == [late]
    assert await office.watch(minutes=3) == []
    with office.store.reading() as tx:
        assert [row.message for row in tx.escalations.waiting("tiny")] == [late]
    assert office.events(item) == ["sla_warned", "sla_breached"]


async def test_what_stays_late_is_told_anew_some_time_after_somebody_took_it_over(office):
    item = office.accept()
    await office.watch(minutes=16)
    (first,) = office.escalated()
    office.acknowledge(first)
    office.now += timedelta(minutes=59)
    assert await office.climb() == 0
    office.now += timedelta(minutes=1)
    await office.climb()
    assert await office.climb() == 1
    (second,) = office.escalated()
    assert second != first
    with office.store.reading() as tx:
        assert [entry.event.value for entry in tx.ledger.entries(item)].count("escalated") == 2


async def test_what_is_done_at_last_ends_its_escalation(office):
    item = office.accept()
    await office.watch(minutes=16)
    await office.climb()
    await office.decide()
    await office.watch(minutes=1)
    assert await office.climb() == 0
    assert office.escalated() == []
    with office.store.reading() as tx:
        assert "what was late is done, or promised no longer" in [
            entry.facts.get("why") for entry in tx.ledger.entries(item)
        ]


async def test_what_is_promised_no_longer_is_told_no_longer(office):
    office.accept()
    await office.watch(minutes=16)
    office.change_policy(sla={"delivered": {"minutes": 9999}})
    assert await office.climb() == 0
    assert office.escalated() == []


async def test_nobody_is_called_for_what_was_late_and_is_done(office):
    item = office.accept()
    office.now += timedelta(minutes=20)
    await office.decide()
    assert await office.watch(hours=1) == [f"{item}: first decision was late, it was due by 2026-03-06 16:15 UTC"]


async def test_working_time_ends_with_the_week(office):
    office.accept()
    await office.decide()
    assert await office.watch(days=2) == [], "an hour is left on Monday"
    assert await office.watch(hours=18) == []
    assert len(await office.watch(minutes=1)) == 1


async def test_a_review_is_due_in_working_time(office):
    item = office.accept("hello")
    await office.decide()
    assert office.review_due_at(item) == datetime(2026, 3, 9, 10, 0, tzinfo=UTC)


async def test_a_late_answer_is_told_and_escalated_by_the_review_itself(office):
    item = office.accept("hello")
    await office.decide()
    assert await office.watch(hours=1, minutes=1) == [
        f"{item}: review answered was late, it was due by 2026-03-06 17:00 UTC"
    ]


async def test_what_was_delivered_in_time_is_met(office):
    item = office.accept()
    await office.decide()
    await office.deliver()
    assert await office.watch(days=30) == []
    assert office.events(item) == []


async def test_a_write_that_no_destination_was_meant_by_is_not_waited_for(office):
    desk = {"system": "sandbox_help_desk", "record_key": "{{ item_id }}", "values": {"queue": "{{ route }}"}}
    office.change_policy(destinations={"desk": desk | {"when": 'route == "access"'}})
    item = office.accept()
    await office.decide()
    assert await office.watch(days=30) == []
    assert office.events(item) == []


async def test_a_write_that_a_later_one_took_the_place_of_is_waited_for_no_longer(office):
    item = await office.gives_up()
    assert len(await office.watch(days=3)) == 1
    await office.climb()
    assert len(office.escalated()) == 1
    with office.store.transaction() as tx:
        tx.dead_letters.supersede(tx.dead_letters.of(item_id=item), "Ada", office.now)
    await office.watch(minutes=1)
    await office.climb()
    assert office.escalated() == []


async def test_what_a_database_from_before_has_as_late_is_read_once_more(office):
    item = await office.gives_up()
    await office.watch(days=3)
    with office.store.transaction() as tx:
        tx.dead_letters.supersede(tx.dead_letters.of(item_id=item), "Ada", office.now)
        while tx.clocks.follow("tiny", (), 100, office.now):
            pass
    database = create_engine(f"sqlite:///{office.folder / 'interlock.db'}")
    with database.begin() as connection, Operations.context(MigrationContext.configure(connection)):
        v0022_clocks_that_ended.downgrade()
        v0022_clocks_that_ended.upgrade()
    database.dispose()
    assert await office.watch(minutes=1) == []
    await office.climb()
    assert office.escalated() == []


async def test_an_answer_that_ends_an_item_unwritten_ends_its_clocks(office):
    item = office.accept("hello")
    await office.decide()
    with office.store.reading() as tx:
        decided = tx.inbox.decided(item)
    assert decided is not None
    answer = Answer(choice="none_of_these", reviewer="Ada", binding=decided[2].proposal_hash)
    async with opened(office.here):
        assert (await settle_review.fn(item, answer)).refusal is None
    assert await office.watch(days=30) == []


async def test_clocks_stand_still_while_the_customer_owes_an_answer(office):
    item = office.accept()
    assert ask_customer(office.here, item, " the order\x00 number ", "Ada")
    assert not ask_customer(office.here, item, "the order number", "Ada")
    assert await office.watch(days=13) == []
    assert customer_answered(office.here, item, "Ada")
    assert not customer_answered(office.here, item, "Ada")
    assert len(await office.watch(minutes=12)) == 1


async def test_a_silent_customer_is_told_of_once_and_the_clocks_run_on_from_that_moment(office):
    item = office.accept()
    ask_customer(office.here, item, "the order number", "Ada")
    silent = f"{item}: the customer has not answered by 2026-03-20 16:00 UTC; the clocks run on"
    assert await office.watch(days=14, minutes=5) == [silent]
    assert await office.watch(minutes=5) == []
    assert await office.watch(minutes=2) == [f"{item}: first decision is due by 2026-03-20 16:15 UTC"]
    assert not customer_answered(office.here, item, "Ada")
    assert office.events(item) == ["customer_asked", "customer_silent", "sla_warned"]


async def test_a_watch_that_comes_late_counts_no_more_than_the_longest_pause(office):
    item = office.accept()
    ask_customer(office.here, item, "the order number", "Ada")
    told = await office.watch(days=60)
    assert told[0] == f"{item}: the customer has not answered by 2026-03-20 16:00 UTC; the clocks run on"
    assert f"{item}: first decision is late, it was due by 2026-03-20 16:15 UTC" in told


async def test_a_customer_can_be_asked_again_after_a_silence(office):
    item = office.accept()
    ask_customer(office.here, item, "the order number", "Ada")
    await office.watch(days=14)
    assert ask_customer(office.here, item, "the order number, please", "Ada")
    assert await office.watch(days=13) == []


async def test_a_later_message_of_the_same_sender_is_the_answer_from_when_it_came(office):
    office.change_policy(customer={"known_by": "email"})
    item = office.accept()
    await office.decide()
    office.now += timedelta(minutes=1)
    ask_customer(office.here, item, "the order number", "Ada")
    office.now += timedelta(minutes=30)
    answer = office.accept("it is 4711", email="A@Example.com")
    office.accept("who else", email="b@example.com")
    office.now += timedelta(minutes=9)
    await office.decide()
    assert office.pauses(item) == [(FRIDAY + timedelta(minutes=1), FRIDAY + timedelta(minutes=31))]
    assert office.events(item) == ["customer_asked", "customer_answered"]
    assert office.events(answer) == []


async def test_where_the_policy_does_not_say_how_senders_are_known_somebody_records_the_answer(office):
    item = office.accept()
    ask_customer(office.here, item, "the order number", "Ada")
    office.now += timedelta(minutes=1)
    office.accept("it is 4711")
    await office.decide()
    assert office.events(item) == ["customer_asked"]


async def test_what_came_before_the_question_is_no_answer(office):
    office.change_policy(customer={"known_by": "email"})
    item, _before = office.accept(), office.accept()
    office.now += timedelta(minutes=1)
    ask_customer(office.here, item, "the order number", "Ada")
    await office.decide()
    assert office.events(item) == ["customer_asked"]


@pytest.mark.parametrize(("what", "by"), [(" ", "Ada"), ("the order number", " ")])
def test_the_ledger_wants_to_know_what_was_asked_and_by_whom(office, what, by):
    with pytest.raises(InputInvalid, match="say what the customer was asked for"):
        ask_customer(office.here, office.accept(), what, by)


def test_the_ledger_wants_to_know_who_recorded_an_answer(office):
    with pytest.raises(InputInvalid, match="who recorded the answer"):
        customer_answered(office.here, office.accept(), "")


async def test_a_watch_that_does_not_run_is_noticed(office):
    def silent() -> timedelta | None:
        with office.store.reading() as tx:
            return silence(tx, "tiny", office.now)

    assert silent() is None
    async with opened(office.here):
        await beat.fn(office.policy)
    office.now += timedelta(minutes=7)
    assert silent() == timedelta(minutes=7)


async def test_the_flow_tells_prefect_and_leaves_its_heartbeat(office, prefect):
    begun = datetime.now(UTC)
    item, other = office.accept(), office.accept()
    office.now += timedelta(minutes=13)
    async with opened(office.here):
        await watch_clocks.fn(office.policy)
    office.now += timedelta(minutes=3)
    with temporary_settings({PREFECT_API_URL: f"{prefect}/api"}):
        async with opened(office.here):
            await watch(office.policy)
    for one in (item, other):
        assert await events_about(prefect, f"interlock.item.{one}", begun, 1) == {"interlock.sla.breached": "the lead"}
    with office.store.reading() as tx:
        assert silence(tx, "tiny", office.now) == timedelta(0)


async def test_a_step_that_fails_keeps_no_other_and_the_watch_fails_at_the_end(office, prefect, tmp_path):
    item = office.accept()
    office.now += timedelta(minutes=16)
    with closing(Hiccup(sqlite_database(tmp_path / "interlock.db"))) as store:
        here = fake_resources(store, None, FakeSystem(), clock=lambda: office.now)
        with temporary_settings({PREFECT_API_URL: f"{prefect}/api"}):
            async with opened(here):
                with pytest.raises(Unavailable):
                    await watch(office.policy)
    assert office.events(item) == ["sla_breached"]
    with office.store.reading() as tx:
        assert silence(tx, "tiny", office.now) is None


def command(*arguments: str, code: int = 0) -> Result:
    done = CliRunner().invoke(app, list(arguments))
    assert done.exit_code == code, done.output
    return done


async def test_the_command_shows_the_figures_and_that_nobody_watches(office):
    office.now = datetime.now(UTC) - timedelta(minutes=20)
    office.accept()
    await office.decide()
    office.accept()
    await office.watch(minutes=20)

    shown = " ".join(command("sla", office.policy, code=1).output.split())
    assert "tiny is never watched: is flows.watch scheduled?" in shown
    assert "first_decision 50.0% 1 1 1 0 0 0" in shown
    assert "review_answered" not in shown


async def test_the_command_is_content_while_somebody_watches(office):
    office.now = datetime.now(UTC)
    assert "No clock of tiny has run in that time." in command("sla", office.policy, code=1).output
    async with opened(office.here):
        await beat.fn(office.policy)
    assert "tiny: last watched 0 min ago." in command("sla", office.policy).output

    office.now -= timedelta(hours=3)
    async with opened(office.here):
        await beat.fn(office.policy)
    assert "tiny is last watched 3 h ago" in " ".join(command("sla", office.policy, code=1).output.split())
    assert "tiny: last watched 3 h ago." in command("sla", office.policy, "--stale-after", "500").output


async def test_the_command_gives_the_figures_as_json(office):
    office.now = datetime.now(UTC)
    office.accept()
    await office.watch()
    figure = dict.fromkeys(("met", "breached", "late", "paused", "unscored"), 0) | {"running": 1, "share": None}
    assert json.loads(command("sla", office.policy, "--json", code=1).stdout) == {
        "clocks": {"first_decision": figure, "delivered": figure},
        "watched_s_ago": None,
        "stale": True,
    }


def test_a_customers_debt_is_recorded_at_the_command_line(office):
    item = office.accept()
    ask = ("customer", "asked", item[:9], "--for", "the order number", "--by", "Ada")
    assert command(*ask).output == "The clocks stand still.\n"
    assert command(*ask).output == "An answer was owed already; nothing changed.\n"
    answered = ("customer", "answered", item, "--by", "Ada")
    assert command(*answered).output == "The clocks run on.\n"
    assert command(*answered).output == "No answer was owed; nothing changed.\n"
    assert "Ada asked the customer for the order number" in command("ledger", "show", item).output
    assert "'nobody' is not one item" in command("customer", "answered", "nobody", "--by", "Ada", code=2).output
