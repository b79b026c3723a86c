"""Who is told what, when something needs a person: by the ladder, once, until somebody acknowledges."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fakes import FakeModel, FakeSystem, fake_resources, sure
from prefect.settings import PREFECT_API_URL, temporary_settings
from tiny import write_people, write_tiny

from connectors.store.engine import Store
from domain.delivery import Invalid, Invitation, Operation, Patience, RetryAfter, operation_id
from domain.errors import InputInvalid
from domain.escalation import Cause
from tasks.deliver import deliver_due
from tasks.escalate import acknowledge, climb, escalate
from tasks.resources import Resources, opened

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
PEOPLE = {
    "teams": {"desk": {"slack": "C0000000001"}},
    "people": {
        "the lead": {"mail": "lead@example.com"},
        "the head": {"mail": "head@example.com", "absences": [{"from": "2026-03-03", "to": "2026-03-03"}]},
    },
}
LADDER = {
    "steps": [
        {"to": "desk", "by": "slack"},
        {"to": "the lead", "by": "mail", "after_minutes": 30},
        {"to": "the head", "by": "mail", "after_minutes": 60},
    ],
    "repeats": 1,
    "repeat_minutes": 240,
}


class Tower:
    """A workflow whose people are told by fakes of Slack and mail; its clock is moved by hand."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.store, self.now = store, START
        self.slack, self.mail, self.crm = FakeSystem(), FakeSystem(), FakeSystem()
        write_people(folder, PEOPLE)
        self.policy = write_tiny(folder, people="people.yaml", escalation=LADDER)
        systems = {"slack": self.slack, "smtp": self.mail}
        model = FakeModel(lambda _text: sure("billing"))
        self.here: Resources = fake_resources(store, model, self.crm, clock=lambda: self.now, systems=systems)

    def happens(self, subject: str = "it-1", cause: Cause = Cause.REVIEW_LATE, **facts: str) -> str:
        with self.store.transaction() as tx:
            return escalate(tx, cause, subject, "tiny", f"something is wrong with {subject}", self.now, **facts)

    async def climbs(self) -> int:
        async with opened(self.here):
            return await climb.fn(self.policy)

    async def delivers(self) -> None:
        async with opened(self.here):
            await deliver_due.fn(0)

    async def told(self) -> list[str]:
        """Climb and deliver; who had been told by then, in order of being sent."""
        await self.climbs()
        await self.delivers()
        sent = [*self.slack.stored, *self.mail.stored]
        return [one.destination.removeprefix("notice to ") for one in sent]

    def acknowledges(self, escalation: str, by: str = "Ada") -> bool:
        with self.store.transaction() as tx:
            return acknowledge(tx, escalation, by, self.now)

    def later(self, **delta: float) -> None:
        self.now += timedelta(**delta)

    def waiting(self) -> list[str]:
        with self.store.reading() as tx:
            return [row.escalation_id for row in tx.escalations.waiting("tiny")]

    def events(self, item_id: str | None = None) -> list[str]:
        with self.store.reading() as tx:
            return [entry.event.value for entry in tx.ledger.entries(item_id)]


@pytest.fixture
def tower(tmp_path: Path) -> Iterator[Tower]:
    with closing(Store(f"sqlite:///{tmp_path / 'store.db'}")) as store, temporary_settings({PREFECT_API_URL: None}):
        yield Tower(tmp_path, store)


async def test_the_first_step_is_told_at_once_and_once_however_often_it_is_climbed(tower):
    here = tower.happens()
    assert [await tower.climbs() for _ in range(3)] == [1, 0, 0]
    assert await tower.told() == ["desk"]
    (message,) = tower.slack.stored
    assert (message.options["channel"], message.item_id) == ("C0000000001", here)
    assert message.values["text"].splitlines() == [
        "tiny: something is wrong with it-1",
        f"Who takes it over: interlock escalations acknowledge {here} --by NAME",
    ]


async def test_the_ladder_climbs_step_by_step_and_repeats_the_last_one(tower):
    tower.happens()
    told = []
    for minutes in (0, 29, 1, 60, 240, 9999):
        tower.later(minutes=minutes)
        told.append(len(await tower.told()))
    assert told == [1, 1, 2, 3, 4, 4]
    assert [mail.values["to"] for mail in tower.mail.stored] == ["lead@example.com"] + ["head@example.com"] * 2
    assert "Nobody has acknowledged this so far." in tower.mail.stored[0].values["body"]
    assert len(tower.waiting()) == 1


async def test_an_acknowledgement_stops_the_ladder(tower):
    here = tower.happens()
    await tower.told()
    assert tower.acknowledges(here)
    assert not tower.acknowledges(here, "Ben")
    tower.later(minutes=59)
    assert await tower.told() == ["desk"]
    assert tower.waiting() == []
    assert tower.events(here)[-1] == "acknowledged"


async def test_an_acknowledgement_needs_a_name(tower):
    with pytest.raises(InputInvalid, match="give a name"):
        tower.acknowledges(tower.happens(), "  ")


async def test_what_comes_again_is_counted_and_not_told_again(tower):
    here = tower.happens()
    await tower.told()
    for _ in range(20):
        tower.later(minutes=1)
        assert tower.happens() == here
        assert await tower.told() == ["desk"]
    tower.later(minutes=10)
    await tower.told()
    assert "It was seen 21 times since 2026-03-02 09:00 UTC." in tower.mail.stored[0].values["body"]


async def test_what_goes_on_long_after_an_acknowledgement_begins_anew(tower):
    here = tower.happens()
    await tower.told()
    tower.acknowledges(here)
    tower.later(minutes=59)
    tower.happens()
    assert await tower.told() == ["desk"]
    tower.later(minutes=1)
    await tower.told()
    assert await tower.told() == ["desk", "desk"]
    assert tower.waiting() != [here]


async def test_what_did_not_come_back_is_over_some_time_after_the_acknowledgement(tower):
    here = tower.happens(cause=Cause.DRIFTED)
    tower.acknowledges(here)
    tower.later(minutes=60)
    await tower.climbs()
    assert tower.happens(cause=Cause.DRIFTED) != here


async def test_a_step_whose_people_are_away_is_followed_by_the_next_at_once(tower, tmp_path):
    ladder = {"steps": [{"to": "the head", "by": "mail"}, {"to": "desk", "by": "slack", "after_minutes": 30}]}
    tower.policy = write_tiny(tmp_path, people="people.yaml", escalation=ladder)
    tower.later(days=1)
    tower.happens()
    assert await tower.climbs() == 2
    assert await tower.told() == ["desk"]


async def test_many_of_one_cause_are_one_message_that_counts_them(tower):
    for number in range(50):
        tower.happens(f"it-{number:02}")
    await tower.told()
    (message,) = tower.slack.stored
    assert message.values["text"].splitlines()[0] == "tiny: something is wrong with it-00 (and 49 more)"
    assert tower.events().count("notified") == 50


async def test_those_that_follow_within_minutes_wait_and_go_together(tower):
    tower.happens("it-1")
    await tower.told()
    for number in (2, 3):
        tower.later(minutes=4)
        tower.happens(f"it-{number}")
        assert await tower.told() == ["desk"]
    tower.later(minutes=2)
    assert await tower.told() == ["desk", "desk"]
    assert "it-2 (and 1 more)" in tower.slack.stored[1].values["text"]


async def test_a_notice_that_is_given_up_makes_the_next_step_due_at_once(tower):
    here = tower.happens()
    tower.slack.outcomes = [Invalid(detail="channel_not_found")]
    assert await tower.told() == []
    assert await tower.told() == ["the lead"]
    assert "dead_lettered" in tower.events(here)
    assert tower.waiting() == [here]


async def test_where_every_channel_fails_the_ladder_still_ends_and_escalates_nothing_but_itself(tower):
    here = tower.happens()
    refused: list[object] = [Invalid(detail="no")] * 20
    tower.slack.outcomes, tower.mail.outcomes = list(refused), list(refused)
    for _ in range(30):
        assert await tower.told() == []
        tower.later(minutes=120)
    assert tower.events().count("queued") == 4  # three steps and one repetition
    assert tower.waiting() == [here]
    assert tower.events().count("escalated") == 1


def write(tower: Tower, item: str = "it-9", attempts: int = 5, invites: Invitation | None = None) -> Operation:
    operation = Operation(
        operation_id=operation_id(item, "crm"),
        item_id=item,
        policy="tiny",
        destination="crm",
        system="crm",
        record_key=item,
        values={"name": item},
        invites=invites,
    )
    with tower.store.transaction() as tx:
        tx.outbox.put(operation, Patience(attempts=attempts, first_delay_s=400, longest_delay_s=400), tower.now)
    return operation


async def test_a_write_that_is_given_up_is_told_of_in_its_items_story(tower):
    tower.crm.outcomes = [Invalid(detail="no such queue")]
    write(tower)
    await tower.delivers()
    assert tower.events("it-9")[-2:] == ["dead_lettered", "escalated"]
    assert await tower.told() == ["desk"]
    assert "the write of it-9 to crm was given up: no such queue" in tower.slack.stored[0].values["text"]


async def test_a_write_that_stays_given_up_is_told_anew_some_time_after_its_acknowledgement(tower):
    tower.crm.outcomes = [Invalid(detail="no such queue")]
    write(tower)
    await tower.delivers()
    (here,) = tower.waiting()
    await tower.told()
    tower.acknowledges(here)
    tower.later(minutes=59)
    assert await tower.told() == ["desk"]
    tower.later(minutes=1)
    await tower.told()
    assert await tower.told() == ["desk", "desk"]
    assert tower.waiting() not in ([], [here])
    assert tower.events("it-9").count("escalated") == 2


async def test_a_write_that_was_put_back_ends_its_escalation_whoever_did_it(tower):
    tower.crm.outcomes = [Invalid(detail="no such queue")]
    write(tower)
    await tower.delivers()
    with tower.store.transaction() as tx:
        tx.dead_letters.put_back(tx.dead_letters.of(item_id="it-9"), "Ada", tower.now)
    assert await tower.told() == []
    assert tower.waiting() == []
    assert tower.events("it-9").count("resolved") == 1


async def test_a_write_that_is_given_up_again_is_told_again(tower):
    tower.crm.outcomes = [Invalid(detail="no such queue")] * 2
    write(tower)
    await tower.delivers()
    await tower.told()
    with tower.store.transaction() as tx:
        tx.dead_letters.put_back(tx.dead_letters.of(item_id="it-9"), "Ada", tower.now)
    await tower.climbs()
    tower.later(minutes=10)
    await tower.delivers()
    await tower.told()
    assert await tower.told() == ["desk", "desk"]


async def test_a_message_to_an_assignee_that_is_given_up_is_told_once(tower):
    invites = Invitation(review_id="it-1", binding="b")
    tower.crm.outcomes = [Invalid(detail="no such channel")]
    write(tower, "as-1", invites=invites)
    await tower.delivers()
    (here,) = tower.waiting()
    assert await tower.told() == ["desk"]
    tower.acknowledges(here)
    tower.later(minutes=60)
    await tower.told()
    tower.later(minutes=60)
    assert await tower.told() == ["desk"]
    assert tower.waiting() == []


async def test_a_system_that_is_paused_for_long_is_told_of_until_it_answers_again(tower):
    tower.crm.outcomes = [RetryAfter(seconds=3600, limit="daily", detail="1,000 a day")]
    write(tower)
    await tower.delivers()
    (here,) = tower.waiting()
    assert await tower.told() == ["desk"]
    assert "nothing is sent to crm until 2026-03-02 10:00 UTC" in tower.slack.stored[0].values["text"]
    tower.later(hours=2)
    await tower.delivers()
    assert tower.waiting() == []
    assert tower.events(here)[-1] == "resolved"


async def test_a_short_pause_is_nobodys_business(tower):
    tower.crm.outcomes = [RetryAfter(seconds=10, limit="burst", detail="10 a second")]
    write(tower)
    await tower.delivers()
    tower.later(hours=1)
    await tower.delivers()
    assert tower.waiting() == []
    assert len(tower.crm.stored) == 1
