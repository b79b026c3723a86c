"""Links in messages: made when a message is sent, for one person, and to be found nowhere but in that message."""

import logging
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from databases import sqlite_database
from fakes import FakeModel, FakeSystem, fake_resources, sure
from prefect.settings import PREFECT_API_URL, temporary_settings
from pydantic import SecretStr
from reviewing import PUBLIC, Browser, Reviewing, form_of
from tiny import write_people, write_tiny

from connectors.capabilities import Idempotency
from connectors.store.engine import Store
from domain.delivery import DeliveryOutcome, Invalid, Operation, RetryAfter, Unknown
from tasks.assign import assign_reviews
from tasks.deliver import deliver_due
from tasks.escalate import climb
from tasks.resources import opened
from tasks.review import escalate_late

MINUTE = timedelta(minutes=1)
PEOPLE: dict[str, Any] = {
    "teams": {"desk": {"slack": "C0000000001"}, "office": {"mail": "office@example.com"}, "reviewers": {}},
    "people": {
        "Ann": {"mail": "ann@example.com", "slack": "D0000000001", "teams": ["reviewers"]},
        "the lead": {"mail": "Office@example.com", "slack": "C0000000002"},
    },
}


@dataclass
class Quoting(FakeSystem):
    """Refuses everything, and quotes what it refuses."""

    answers: type[Invalid] | type[RetryAfter] | type[Unknown] = Invalid
    quoted: list[str] = field(default_factory=list)

    async def send(self, operation: Operation) -> DeliveryOutcome:
        self.quoted.append(operation.values.get("body") or operation.values["text"])
        return self.answers(detail=f"554 5.7.1 blocked: {self.quoted[-1]}")


class Room:
    """An installation that tells its people by fakes of Slack and mail, and lets them come by the page."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.folder, self.desk = folder, Reviewing(folder, store)
        self.slack, self.mail = FakeSystem(), FakeSystem()
        write_people(folder, PEOPLE)
        self.tells({"to": "Ann", "by": "mail"})

    def tells(self, *steps: dict[str, Any], assign: dict[str, Any] | None = None) -> None:
        """Write a policy with these steps of a ladder."""
        ladder = {"steps": list(steps) or [{"to": "Ann", "by": "mail"}], "fold_minutes": 0}
        given = {"review": {"assign": {"team": "reviewers", **assign}}} if assign else {}
        write_tiny(self.folder, audit={"share": 0}, people="people.yaml", escalation=ladder, **given)

    def sets(self, **changes: object) -> None:
        self.desk.settings = self.desk.settings.model_copy(update=changes)

    async def runs(self, *, sends: bool = True) -> None:
        """What the schedules do."""
        systems = {"slack": self.slack, "smtp": self.mail}
        model, now = FakeModel(lambda _text: sure("billing")), lambda: self.desk.now
        settings = self.desk.settings
        here = fake_resources(self.desk.store, model, FakeSystem(), clock=now, systems=systems, settings=settings)
        async with opened(here):
            await escalate_late.fn(self.desk.policy)
            await assign_reviews.fn(self.desk.policy)
            await climb.fn(self.desk.policy)
            if sends:
                await deliver_due.fn(0)

    def texts(self) -> list[str]:
        """What was sent, in order, by mail and then by Slack."""
        return [
            *[one.values["body"] for one in self.mail.stored],
            *[one.values["text"] for one in self.slack.stored],
        ]

    def late(self, external_id: str = "m-1", **options: Any) -> str:
        return self.desk.ask(external_id, f"hello there, {external_id}", due_in=-MINUTE, **options)


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    url = sqlite_database(tmp_path / "reviews.db")
    with closing(Store(url)) as store, temporary_settings({PREFECT_API_URL: None}):
        yield Room(tmp_path, store)


def link_in(text: str) -> str:
    """The address in a message's last line, without what stands before its path."""
    return text.splitlines()[-1].removeprefix(PUBLIC)


async def answer(room: Room, link: str, choice: str = "billing") -> Any:
    async with room.desk.client() as client:
        return await Browser(client).send(link, choice=choice)


class TestWhoGetsOne:
    async def test_whoever_is_told_of_one_late_review_decides_it_by_a_link_of_their_own(self, room):
        review = room.late()
        await room.runs()
        (text,) = room.texts()
        assert text.splitlines()[-2] == "Look and decide, by a link that is yours alone and decides once:"
        assert link_in(text).startswith(f"/reviews/{review}?key=")
        assert (await answer(room, link_in(text))).status_code == 303
        assert (room.desk.row(review).reviewer, room.desk.row(review).proven) == ("Ann", "link")

    async def test_of_several_late_reviews_they_come_into_the_queue_once(self, room):
        room.late("m-1"), room.late("m-2")
        await room.runs()
        (text,) = room.texts()
        link = link_in(text)
        assert link.startswith("/reviews/login?key=")
        key = link.partition("?key=")[2]
        async with room.desk.client() as client, room.desk.client() as other:
            assert "Go on as Ann" in (await client.get(link)).text
            assert (await client.post("/reviews/login", data={"key": key})).status_code == 303
            assert "2 wait, " in (await client.get("/reviews")).text
            assert (await other.post("/reviews/login", data={"key": key})).status_code == 403

    @pytest.mark.parametrize(
        "step",
        [
            pytest.param({"to": "desk", "by": "slack"}, id="a team's channel"),
            pytest.param({"to": "office", "by": "mail"}, id="a team's mailbox"),
            pytest.param({"to": "the lead", "by": "slack"}, id="a channel that is written down as a person's"),
            pytest.param({"to": "the lead", "by": "mail"}, id="a mailbox that a team has too"),
        ],
    )
    @pytest.mark.parametrize("reviews", [1, 2])
    async def test_where_others_can_read_too_there_is_no_key(self, room, step, reviews):
        ids = [room.late(f"m-{number}") for number in range(reviews)]
        room.tells(step)
        await room.runs()
        (text,) = room.texts()
        assert "key=" not in text
        assert text.splitlines()[-2] == "Look and decide; you are asked to sign in:"
        assert link_in(text) == (f"/reviews/{ids[0]}" if reviews == 1 else "/reviews")
        async with room.desk.client() as client:
            assert (await client.get(link_in(text))).status_code == 401

    async def test_without_a_secret_the_address_stands_there_without_a_key(self, room):
        review = room.late()
        room.sets(link_secret=SecretStr(""))
        await room.runs()
        assert room.texts()[0].splitlines()[-1] == f"{PUBLIC}/reviews/{review}"

    async def test_without_a_public_address_there_is_none(self, room):
        room.late()
        room.sets(public_url="")
        await room.runs()
        assert "http" not in room.texts()[0]

    async def test_a_secret_that_cannot_be_used_keeps_nobody_from_being_told(self, room, caplog):
        review = room.late()
        room.sets(link_secret=SecretStr("short"))
        await room.runs()
        assert room.texts()[0].splitlines()[-1] == f"{PUBLIC}/reviews/{review}"
        assert "messages are sent without links: INTERLOCK_LINK_SECRET has a secret" in caplog.text

    async def test_other_causes_invite_to_no_review_and_name_the_page_where_they_are_taken_over(self, room):
        room.tells({"to": "Ann", "by": "mail"}, assign={"limit": 1})
        room.desk.ask("m-1"), room.desk.ask("m-2")
        await room.runs()
        (text,) = room.texts()
        assert "everybody at work is at their limit" in text
        assert text.splitlines()[-1] == f"or at {PUBLIC}/escalations"
        assert "key=" not in text


class TestWhatOneIsGoodFor:
    async def test_scanners_and_previews_press_it_and_nothing_happens(self, room):
        room.late()
        await room.runs()
        link, before = link_in(room.texts()[0]), room.desk.entries()
        async with room.desk.client() as client:
            for method in ("GET", "HEAD", "GET"):
                assert (await client.request(method, link)).status_code == 200
        assert room.desk.entries() == before
        assert (await answer(room, link)).status_code == 303

    async def test_it_decides_once_and_whoever_it_was_forwarded_to_is_told_who_did(self, room):
        review = room.late()
        await room.runs()
        link = link_in(room.texts()[0])
        async with room.desk.client() as ann, room.desk.client() as friend:
            (target, hidden), theirs = form_of((await ann.get(link)).text), form_of((await friend.get(link)).text)
            assert (await ann.post(target, data={**hidden, "choice": "billing"})).status_code == 303
            late = await friend.post(theirs[0], data={**theirs[1], "choice": "access"})
            assert late.status_code == 409
            assert "It was Ann, who chose billing." in late.text
            assert "<form" not in (await friend.get(link)).text.partition("<main")[2]
        assert room.desk.row(review).answer == "billing"

    async def test_whoever_sent_the_message_decides_nothing_by_the_link_that_the_ladder_gives_them(self, room):
        review = room.late(email="ann@example.com")
        await room.runs()
        refused = await answer(room, link_in(room.texts()[0]))
        assert refused.status_code == 422
        assert room.desk.row(review).answered_at is None

    async def test_what_has_changed_before_it_was_sent_is_shown_and_not_decided(self, room):
        review = room.late()
        await room.runs(sends=False)
        with room.desk.store.transaction() as tx:
            tx.reviews.get(review).binding = "another question"
        await room.runs()
        assert (await answer(room, link_in(room.texts()[0]))).status_code == 409
        assert room.desk.row(review).answered_at is None

    async def test_it_ends_some_days_after_it_was_sent_however_long_it_lay_in_the_outbox(self, room):
        room.late()
        await room.runs(sends=False)
        room.desk.later(hours=room.desk.settings.link_hours)
        await room.runs()
        link = link_in(room.texts()[0])
        async with room.desk.client() as client:
            assert (await client.get(link)).status_code == 200
            room.desk.later(hours=room.desk.settings.link_hours)
            assert (await client.get(link)).status_code == 410

    async def test_each_sending_has_a_key_of_its_own(self, room):
        room.late()
        room.mail = Quoting(answers=RetryAfter)
        for _ in range(2):
            await room.runs()
            room.desk.later(minutes=1)
        first, second = map(link_in, room.mail.quoted)
        assert first != second


class TestNowhereElse:
    @pytest.mark.parametrize("answers", [Invalid, RetryAfter, Unknown])
    @pytest.mark.parametrize("reviews", [1, 2])
    async def test_no_key_lies_in_the_database_or_in_a_log_whatever_the_server_quotes(
        self, room, caplog, capsys, answers, reviews
    ):
        caplog.set_level(logging.DEBUG)
        room.mail, room.slack = Quoting(answers=answers), Quoting(answers=answers)
        room.mail.capabilities = replace(room.mail.capabilities, idempotency=Idempotency.NONE)
        room.tells({"to": "Ann", "by": "mail"}, {"to": "Ann", "by": "slack", "after_minutes": 1})
        for number in range(reviews):
            room.late(f"m-{number}")
        for _ in range(4):
            await room.runs()
            room.desk.later(minutes=5)
        keys = [link_in(text).partition("?key=")[2] for text in (*room.mail.quoted, *room.slack.quoted)]
        assert len(keys) >= 2
        assert all(keys)
        kept = b"".join(path.read_bytes() for path in room.folder.glob("reviews.db*"))
        told = caplog.text + "".join(capsys.readouterr()) + "".join(str(record.args) for record in caplog.records)
        assert b"554 5.7.1 blocked" in kept
        for key in keys:
            seal = key.partition(".")[2]
            for part in (key, seal, seal[:12], seal[-12:], seal[16:28]):
                assert part.encode() not in kept
                assert part not in told

    async def test_nor_after_it_was_used(self, room):
        review = room.late()
        await room.runs()
        key = link_in(room.texts()[0]).partition("?key=")[2]
        await answer(room, f"/reviews/{review}?key={key}")
        kept = b"".join(path.read_bytes() for path in room.folder.glob("reviews.db*"))
        assert key.partition(".")[2].encode() not in kept

    async def test_a_message_that_was_given_up_shows_whom_it_invited_and_no_key(self, room):
        review = room.late()
        room.mail = Quoting()
        await room.runs()
        (why,) = [entry.facts["why"] for entry in room.desk.entries() if entry.event == "dead_lettered"]
        assert re.search(rf"/reviews/{review}\?key=\S+\.…+\S{{0,7}}$", why)


class TestAssignees:
    async def test_nobody_is_told_unless_the_policy_says_so(self, room):
        room.tells(assign={"limit": 9})
        room.desk.ask()
        await room.runs()
        assert room.texts() == []

    @pytest.mark.parametrize("tell", ["mail", "slack"])
    async def test_who_is_given_a_review_is_told_once_and_decides_it_by_the_link(self, room, tell):
        room.tells(assign={"tell": tell})
        review = room.desk.ask(text="my secret story", due_in=timedelta(hours=1))
        for _ in range(3):
            await room.runs()
        (text,) = room.texts()
        row = room.desk.row(review)
        assert text.splitlines()[:-1] == [
            "tiny: a review is yours to answer",
            "What is asked: route",
            f"Why a person is asked: {(row.why or '').replace('_', ' ')}",
            f"Due by {row.due_at:%Y-%m-%d %H:%M} UTC",
            "Look and decide, by a link that is yours alone and decides once:",
        ]
        assert (await answer(room, link_in(text))).status_code == 303
        assert room.desk.row(review).reviewer == "Ann"

    async def test_many_at_once_are_one_message_that_counts_them(self, room):
        room.tells(assign={"tell": "mail"})
        for number in range(3):
            room.desk.ask(f"m-{number}", due_in=(number + 1) * timedelta(hours=1))
        await room.runs()
        (mail,) = room.mail.stored
        assert mail.values["subject"] == "tiny: 3 reviews are yours to answer"
        assert "What is asked: route (3)" in mail.values["body"]
        assert link_in(mail.values["body"]).startswith("/reviews/login?key=")

    async def test_it_is_told_in_the_reviews_story_and_in_one_of_its_own(self, room):
        room.tells(assign={"tell": "mail"})
        review = room.desk.ask()
        await room.runs()
        (assigned,) = [entry for entry in room.desk.entries(review) if entry.event == "assigned"]
        notice = assigned.facts["notice"]
        assert notice.startswith("as-")
        assert room.desk.events(notice) == ["queued", "attempted"]
        with room.desk.store.reading() as tx:
            assert tx.outbox.find("as-") == [notice]

    async def test_it_is_no_write_of_the_item(self, room):
        room.tells(assign={"tell": "mail"})
        room.desk.ask()
        room.mail.outcomes = [Invalid(detail="no such user")]
        await room.runs()
        with room.desk.store.reading() as tx:
            books = tx.accounts.balance("tiny")
        assert (books.accepted, books.waiting, books.dead_lettered, books.unaccounted) == (1, 1, 0, 0)

    async def test_one_that_was_given_up_is_told_to_the_ladders_people_and_can_be_put_back(self, room):
        room.tells({"to": "Ann", "by": "slack"}, assign={"tell": "mail"})
        room.desk.ask()
        room.mail.outcomes = [Invalid(detail="no such user")]
        for _ in range(2):
            await room.runs()
        (text,) = [one.values["text"] for one in room.slack.stored]
        (notice,) = re.findall(r"tiny: the notice to Ann \((as-\w+)\) was given up: no such user", text)
        with room.desk.store.transaction() as tx:
            assert tx.dead_letters.put_back(tx.dead_letters.of(item_id=notice), "", room.desk.now) == 1
        await room.runs()
        assert len(room.mail.stored) == 1

    async def test_where_others_can_read_too_there_is_no_key(self, room):
        people = {**PEOPLE, "people": {"Ann": {"slack": "C0000000009", "teams": ["reviewers"]}}}
        write_people(room.folder, people)
        room.tells({"to": "Ann", "by": "slack"}, assign={"tell": "slack"})
        review = room.desk.ask()
        await room.runs()
        assert room.texts()[0].splitlines()[-1] == f"{PUBLIC}/reviews/{review}"
