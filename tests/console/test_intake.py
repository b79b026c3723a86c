"""What `/intake/{policy}` promises its senders."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any
from uuid import uuid4

import pytest
from fakes import FakeSystem, fake_resources
from sqlalchemy import Engine, create_engine, make_url, text
from standardwebhooks import Webhook as Signer
from tiny import write_tiny

from connectors.ports import Arrival, Unreadable
from connectors.store.engine import Store
from console.web.app import open_doors
from console.web.group_commit import MOST_WAITING, GroupCommit
from console.web.payload import MOST_EVENTS
from domain.errors import PolicyInvalid, Throttled, Unavailable
from domain.item import Admission
from tasks.accept import Admitted, Refused

INVOICE = {"message": "my invoice is wrong", "email": "ann@example.com"}
SECRET = "whsec_" + base64.b64encode(b"0123456789" * 3).decode()
KIB = 1024


class TestStored:
    async def test_what_is_sent_is_an_item_when_its_sender_hears_of_it(self, serving, store):
        async with serving(store) as site:
            (told,) = await site.accept(INVOICE)
            with store.transaction() as tx:
                (claimed,) = tx.inbox.claim("tiny", "run", 5, timedelta(minutes=1), datetime.now(UTC))
        assert told == {"item": claimed.item_id, "repeated": False}
        assert claimed.item.fields == INVOICE
        assert claimed.item.source == "webhook"

    async def test_a_list_becomes_an_item_each(self, site):
        first, second = await site.accept([INVOICE, {"message": "password reset please"}])
        assert first["item"] != second["item"]
        assert site.events() == ["accepted", "accepted"]

    async def test_fields_are_found_where_the_policy_says(self, serving, store):
        async with serving(store, fields={"message": "data.text"}, source="crm") as site:
            await site.accept({"data": {"text": "my invoice is wrong"}, "message": "event"})
            (entry,) = site.entries()
            with store.transaction() as tx:
                (claimed,) = tx.inbox.claim("tiny", "run", 5, timedelta(minutes=1), datetime.now(UTC))
        assert entry.facts["source"] == "crm"
        assert claimed.item.text == "my invoice is wrong"

    async def test_a_form_is_taken_as_well(self, site):
        await site.accept(None, data=INVOICE)
        assert site.events() == ["accepted"]

    async def test_files_of_a_form_are_listed_not_stored(self, serving, store):
        files = {"cv": ("cv.pdf", b"\x00\xff" * 700, "application/pdf")}
        async with serving(store) as site:
            await site.accept(None, data=INVOICE, files=files)
            with store.transaction() as tx:
                (claimed,) = tx.inbox.claim("tiny", "run", 5, timedelta(minutes=1), datetime.now(UTC))
        assert claimed.item.other == {"cv": "cv.pdf (application/pdf, 1400 bytes)"}

    async def test_ticked_boxes_of_one_name_are_parted_by_commas(self, serving, store):
        async with serving(store) as site:
            await site.accept(None, data={"message": "hello", "topics": ["prices", "demo"]})
            with store.transaction() as tx:
                (claimed,) = tx.inbox.claim("tiny", "run", 5, timedelta(minutes=1), datetime.now(UTC))
        assert claimed.item.other == {"topics": "prices, demo"}

    async def test_what_cannot_be_an_item_is_in_the_ledger_and_its_sender_knows(self, site):
        answer = await site.post({"message": "  "})
        assert answer.status_code == 422
        assert answer.json()["items"] == [{"refused": "nothing to classify: company, email, message are all empty"}]
        assert site.events() == ["refused"]

    async def test_of_a_list_the_usable_ones_are_taken(self, site):
        refused, taken = await site.accept([{"message": ""}, INVOICE])
        assert "nothing to classify" in refused["refused"]
        assert taken["repeated"] is False

    async def test_what_cannot_be_read_is_in_the_ledger_as_it_stands(self, site):
        answer = await site.post(None, content=b'{"message": ', headers={"content-type": "application/json"})
        assert answer.status_code == 400
        assert "not JSON" in answer.json()["error"]
        (entry,) = site.entries()
        assert (entry.event.value, entry.facts["raw"]) == ("refused", '{"message": ')


class TestRepeated:
    @pytest.mark.parametrize("name", ["Idempotency-Key", "webhook-id"])
    async def test_the_same_id_twice_gives_the_same_answer(self, serving, store, name):
        async with serving(store) as site:
            (first,) = await site.accept(INVOICE, headers={name: "d-1"})
            (again,) = await site.accept({"message": "other words"}, headers={name: "d-1"})
        assert again == {"item": first["item"], "repeated": True}

    async def test_without_an_id_the_same_content_is_the_same_delivery(self, site):
        (first,) = await site.accept(INVOICE)
        (again,) = await site.accept(INVOICE)
        assert again == {"item": first["item"], "repeated": True}
        assert site.events() == ["accepted", "duplicate"]

    async def test_the_same_content_under_another_id_is_linked_within_the_policys_window(self, site):
        (first,) = await site.accept(INVOICE, headers={"Idempotency-Key": "d-1"})
        (again,) = await site.accept(INVOICE, headers={"Idempotency-Key": "d-2"})
        assert again == {"item": first["item"], "repeated": True}

    async def test_also_when_they_come_at_the_same_moment(self, serving, store):
        async with serving(store) as site:
            sent = [site.accept(INVOICE, headers={"Idempotency-Key": f"d-{number % 3}"}) for number in range(30)]
            answers = [items[0] for items in await asyncio.gather(*sent)]
        assert len({answer["item"] for answer in answers}) == 1
        assert [answer["repeated"] for answer in answers].count(False) == 1

    async def test_also_after_a_restart(self, serving, store):
        async with serving(store) as site:
            (first,) = await site.accept(INVOICE, headers={"Idempotency-Key": "d-1"})
        async with serving(store) as site:
            (again,) = await site.accept(INVOICE, headers={"Idempotency-Key": "d-1"})
        assert again == {"item": first["item"], "repeated": True}

    async def test_the_events_of_a_list_are_told_apart(self, site):
        events = [{"message": "first"}, {"message": "second"}]
        once = await site.accept(events, headers={"Idempotency-Key": "d-1"})
        twice = await site.accept(events, headers={"Idempotency-Key": "d-1"})
        assert [item["item"] for item in once] == [item["item"] for item in twice]
        assert [item["repeated"] for item in (*once, *twice)] == [False, False, True, True]


class TestSigned:
    @pytest.fixture
    async def signed(self, serving, store) -> AsyncIterator[Any]:
        webhook = {"signature": "standard_webhooks", "secrets": ["A_SECRET"]}
        async with serving(store, {"A_SECRET": SECRET}, **webhook) as site:
            yield site

    def headers(self, body: bytes, message: str = "msg_1", age: timedelta = timedelta(0)) -> dict[str, str]:
        at = datetime.now(UTC) - age
        return {
            "content-type": "application/json",
            "webhook-id": message,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": Signer(SECRET).sign(message, at, body.decode()),
        }

    async def test_a_signed_request_is_taken_once(self, signed):
        body = json.dumps(INVOICE).encode()
        (first,) = await signed.accept(None, content=body, headers=self.headers(body))
        (again,) = await signed.accept(None, content=body, headers=self.headers(body))
        assert again == {"item": first["item"], "repeated": True}

    async def test_an_unsigned_one_is_not_and_leaves_no_trace(self, signed):
        answer = await signed.post(INVOICE)
        assert answer.status_code == 401
        assert "webhook-signature" in answer.json()["error"]
        assert signed.events() == []

    async def test_a_replay_is_not(self, signed):
        body = json.dumps(INVOICE).encode()
        answer = await signed.post(None, content=body, headers=self.headers(body, age=timedelta(minutes=6)))
        assert answer.status_code == 401
        assert "too old" in answer.json()["error"]

    async def test_hubspot_sends_lists_of_events_to_the_public_address(self, serving, store):
        stamp = str(int(time.time() * 1000))
        events = [{"eventId": 1, "objectId": n, "attemptNumber": 0, "message": f"lead {n}"} for n in (1, 2)]

        def request(events: list[dict[str, Any]]) -> dict[str, Any]:
            body = json.dumps(events).encode()
            source = b"POST" + b"https://hooks.example.com/intake/tiny?portal=7" + body + stamp.encode()
            signature = base64.b64encode(hmac.digest(b"client", source, hashlib.sha256)).decode()
            headers = {"X-HubSpot-Signature-v3": signature, "X-HubSpot-Request-Timestamp": stamp}
            return {"content": body, "headers": {"content-type": "application/json", **headers}}

        async with serving(store, {"A_SECRET": "client"}, signature="hubspot_v3", secrets=["A_SECRET"]) as site:
            first = await site.accept(None, **request(events), params={"portal": "7"})
            later = [event | {"attemptNumber": 1} for event in reversed(events)]
            again = await site.accept(None, **request(later), params={"portal": "7"})
            wrong = await site.post(None, **request(events), params={"portal": "8"})
        assert [item["item"] for item in first] == [item["item"] for item in reversed(again)]
        assert all(item["repeated"] for item in again)
        assert wrong.status_code == 401

    async def test_a_secret_is_in_no_answer(self, signed):
        answers = [await signed.post(INVOICE), await signed.post(INVOICE, headers={"webhook-signature": "v1,AAAA"})]
        assert all(SECRET.removeprefix("whsec_") not in answer.text for answer in answers)


class TestRefused:
    @pytest.mark.parametrize(
        "policy", ["other", "lead_routing", "TINY", "tiny.yaml", "..%2Ftiny.yaml", "%00", "tiny%2F"]
    )
    async def test_only_policies_that_are_served_are_found(self, site, policy):
        answer = await site.post(INVOICE, policy=policy)
        assert answer.status_code == 404
        assert answer.json()["error"]

    async def test_another_method_is_refused(self, site):
        assert (await site.client.get("/intake/tiny")).status_code == 405

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"content-type": "text/plain"},
            {"content-type": "application/xml"},
            {"content-type": "application/json; charset=latin-1"},
            {"content-type": "application/json", "content-encoding": "gzip"},
        ],
    )
    async def test_another_type_is_refused(self, site, headers):
        answer = await site.post(None, content=b"{}", headers=headers)
        assert answer.status_code == 415
        assert "application/json" in answer.json()["error"]

    async def test_a_body_at_the_limit_is_taken_and_a_longer_one_refused(self, serving, store):
        padding = len(json.dumps({"message": "hello", "pad": ""}))
        async with serving(store, largest_body_kb=2) as site:
            fits = {"message": "hello", "pad": "x" * (2 * KIB - padding)}
            content, headers = json.dumps(fits).encode(), {"content-type": "application/json"}
            assert (await site.post(None, content=content, headers=headers)).status_code == 202
            answer = await site.post(None, content=content + b" ", headers=headers)
            assert answer.status_code == 413
            assert "2 KB" in answer.json()["error"]

    async def test_the_limit_holds_for_a_body_that_does_not_say_how_long_it_is(self, serving, store):
        sent = 0

        async def endless() -> AsyncIterator[bytes]:
            nonlocal sent
            while True:
                sent += KIB
                yield b"x" * KIB

        async with serving(store, largest_body_kb=8) as site:
            answer = await site.post(None, content=endless(), headers={"content-type": "application/json"})
        assert answer.status_code == 413
        assert sent <= 10 * KIB, "no more is read than is needed to know"

    async def test_more_events_than_are_taken_at_once_are_refused(self, site):
        answer = await site.post([{"message": str(number)} for number in range(MOST_EVENTS + 1)])
        assert answer.status_code == 400
        assert str(MOST_EVENTS) in answer.json()["error"]


class TestDatabaseAway:
    async def test_nothing_is_acknowledged_and_it_goes_on_when_the_database_is_back(self, serving, store, raw: Engine):
        async with serving(store) as site:
            with raw.connect() as past_the_store:
                past_the_store.execute(text("ALTER TABLE ledger_head RENAME TO gone"))
                away = await site.post(INVOICE, headers={"Idempotency-Key": "d-1"})
                health = await site.client.get("/healthz")
                past_the_store.execute(text("ALTER TABLE gone RENAME TO ledger_head"))
            (told,) = await site.accept(INVOICE, headers={"Idempotency-Key": "d-1"})
            assert (await site.client.get("/healthz")).json() == {"status": "ok", "database": "reachable"}
        assert (away.status_code, health.status_code) == (503, 503)
        assert int(away.headers["Retry-After"]) >= 1
        assert "send it again" in away.json()["error"]
        assert told["repeated"] is False

    async def test_lost_connections_are_made_anew(self, serving, postgres_url):
        others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        engine = create_engine(make_url(postgres_url).set(drivername="postgresql+psycopg"))
        with closing(Store(postgres_url)) as store:
            async with serving(store) as site:
                await site.accept(INVOICE, headers={"Idempotency-Key": uuid4().hex})
                with engine.connect() as past_the_store:
                    past_the_store.execute(text(f"SELECT pg_terminate_backend(pid) {others}"))
                await site.accept({"message": "password reset please"}, headers={"Idempotency-Key": uuid4().hex})
        engine.dispose()


def arrival(number: int) -> Arrival:
    return Arrival("/intake/tiny", "webhook", str(number), datetime.now(UTC), {"message": str(number)})


class Shelf:
    """A store for the group commit that fails by script, and remembers the sizes of its transactions."""

    def __init__(self, poisoned: Sequence[str] = (), error: Exception | None = None) -> None:
        self.sizes: list[int] = []
        self.open = Event()
        self.open.set()
        self._poisoned, self._error = poisoned, error

    def __call__(self, records: Sequence[Arrival | Unreadable]) -> list[Admitted | Refused]:
        self.open.wait(10)
        self.sizes.append(len(records))
        if self._error:
            raise self._error
        if any(isinstance(record, Arrival) and record.external_id in self._poisoned for record in records):
            raise ValueError("no database takes this")
        return [
            Refused(record.where, record.why)
            if isinstance(record, Unreadable)
            else Admitted(f"it-{record.external_id}", Admission.ACCEPTED)
            for record in records
        ]


class TestGroups:
    async def test_what_comes_while_another_is_committed_is_stored_together(self):
        shelf = Shelf()
        shelf.open.clear()
        group = GroupCommit(shelf)
        async with group.running():
            puts = [asyncio.create_task(group.put([arrival(number)])) for number in range(50)]
            await asyncio.sleep(0.05)
            shelf.open.set()
            verdicts = await asyncio.gather(*puts)
        assert [verdict.item_id for (verdict,) in verdicts] == [f"it-{number}" for number in range(50)]
        assert len(shelf.sizes) <= 3
        assert sum(shelf.sizes) == 50

    async def test_a_record_that_no_database_takes_harms_no_other_and_is_set_aside(self):
        shelf = Shelf(poisoned=["3"])
        group = GroupCommit(shelf)
        async with group.running():
            puts = [group.put([arrival(number)]) for number in range(6)]
            verdicts = [verdict for (verdict,) in await asyncio.gather(*puts)]
        assert [isinstance(verdict, Admitted) for verdict in verdicts] == [True, True, True, False, True, True]
        assert verdicts[3] == Refused("/intake/tiny", "cannot be stored: ValueError")

    async def test_when_the_database_is_away_nobody_is_acknowledged(self):
        shelf = Shelf(error=Unavailable("no answer"))
        group = GroupCommit(shelf)
        async with group.running():
            answers = await asyncio.gather(*[group.put([arrival(n)]) for n in range(4)], return_exceptions=True)
        assert all(isinstance(answer, Unavailable) and answer.retry_after_s for answer in answers)
        assert len(shelf.sizes) <= 2, "not asked again for each of them"

    async def test_when_nothing_can_be_stored_each_sender_hears_of_it(self):
        group = GroupCommit(Shelf(error=ValueError("broken")))
        async with group.running():
            answers = await asyncio.gather(*[group.put([arrival(n)]) for n in range(3)], return_exceptions=True)
        assert [type(answer) for answer in answers] == [Unavailable] * 3

    async def test_no_more_wait_than_can_be_answered_and_there_is_room_again_afterwards(self):
        shelf = Shelf()
        shelf.open.clear()
        group = GroupCommit(shelf)
        async with group.running():
            full = asyncio.create_task(group.put([arrival(number) for number in range(MOST_WAITING)]))
            await asyncio.sleep(0)
            with pytest.raises(Throttled):
                await group.put([arrival(-1)])
            shelf.open.set()
            assert len(await full) == MOST_WAITING
            assert len(await group.put([arrival(-1)])) == 1

    async def test_at_the_end_what_waits_is_stored_first(self):
        shelf = Shelf()
        shelf.open.clear()
        group = GroupCommit(shelf)
        async with group.running():
            puts = [asyncio.create_task(group.put([arrival(number)])) for number in range(5)]
            await asyncio.sleep(0.05)
            shelf.open.set()
        assert [len(await put) for put in puts] == [1] * 5

    async def test_a_sender_that_has_gone_is_no_fault(self):
        shelf = Shelf()
        shelf.open.clear()
        group = GroupCommit(shelf)
        async with group.running():
            gone = asyncio.create_task(group.put([arrival(1)]))
            await asyncio.sleep(0.05)
            gone.cancel()
            shelf.open.set()
            assert len(await group.put([arrival(2)])) == 1


class TestOpening:
    def test_two_policies_of_one_name_are_refused(self, tmp_path, store):
        (tmp_path / "other").mkdir()
        policies = [write_tiny(tmp_path), write_tiny(tmp_path / "other")]
        here = fake_resources(store, None, FakeSystem())
        with pytest.raises(PolicyInvalid, match="another policy is called 'tiny'"):
            open_doors(here, policies, {}, on_loopback=True, public_url="")

    def test_a_policy_whose_senders_cannot_be_trusted_is_named(self, tmp_path, store):
        here = fake_resources(store, None, FakeSystem())
        with pytest.raises(PolicyInvalid, match=r"tiny\.yaml: intake\.webhook\.signature is 'loopback'"):
            open_doors(here, [write_tiny(tmp_path)], {}, on_loopback=False, public_url="")
