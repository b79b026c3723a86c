"""What a policy no longer keeps is erased, and what is not done is kept until it is."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from builders import proposal
from databases import sqlite_database
from fakes import FakeSystem, fake_resources
from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL, temporary_settings
from tiny import message, write_tiny

from connectors.store.engine import Store
from domain.errors import Unavailable
from domain.ledger import Event, first_break
from flows.review import review
from tasks.decide import decide_items
from tasks.deliver import deliver_due
from tasks.erase import erase_aged
from tasks.propose import Proposed
from tasks.resources import opened

NOON = datetime(2026, 3, 6, 12, 0, tzinfo=UTC)
UNSURE = Proposed(proposal=proposal(label="access", opinion="access", confidence=0.4), cached=False)


@pytest.mark.parametrize(("days", "gone"), [(29, 0), (31, 1)])
async def test_a_policy_keeps_what_is_done_for_so_many_days_and_what_waits_for_longer(
    tmp_path: Path, days: int, gone: int
) -> None:
    now = NOON
    policy = write_tiny(tmp_path, retention={"days": 30})
    with (
        closing(Store(sqlite_database(tmp_path / "interlock.db"))) as store,
        temporary_settings({PREFECT_API_URL: None}),
    ):
        async with opened(fake_resources(store, None, FakeSystem(), clock=lambda: now)):
            with store.transaction() as tx:
                written, _ = tx.inbox.accept("tiny", message("1", "my invoice is wrong"), timedelta(0), now)
                waiting, _ = tx.inbox.accept("tiny", message("2", "hello there"), timedelta(0), now)
                items = tx.inbox.claim("tiny", "run", 9, timedelta(minutes=5), now)
            await decide_items.fn(policy, items, {item.item_id: UNSURE for item in items})
            await deliver_due.fn(0)

            now += timedelta(days=days)
            assert (await erase_aged.fn(policy)).items == gone
            assert (await erase_aged.fn(policy)).items == 0

        with store.reading() as tx:
            assert (tx.inbox.get(written).item.text == "") is bool(gone)
            assert tx.inbox.get(waiting).item.text == "hello there"
            assert tx.accounts.balance("tiny").unaccounted == 0
            entries = list(tx.ledger.entries())
        told = [(entry.facts["by"], entry.facts["why"]) for entry in entries if entry.event is Event.ERASED]
        assert told == [("retention", "kept for 30 days by tiny")] * gone
        assert first_break(entries) is None


async def test_what_prefect_still_has_the_form_of_is_kept_until_the_form_is_gone(tmp_path: Path, prefect: str) -> None:
    now = NOON
    policy = write_tiny(tmp_path, retention={"days": 30})
    with closing(Store(sqlite_database(tmp_path / "interlock.db"))) as store:
        async with opened(fake_resources(store, None, FakeSystem(), clock=lambda: now)):
            with store.transaction() as tx:
                item_id, _ = tx.inbox.accept("tiny", message("1", "my invoice is wrong"), timedelta(0), now)
                items = tx.inbox.claim("tiny", "run", 9, timedelta(minutes=5), now)
            await decide_items.fn(policy, items, {item_id: UNSURE})
            await deliver_due.fn(0)
            with temporary_settings({PREFECT_API_URL: f"{prefect}/api"}):
                async with get_client() as client:
                    form = await client.create_flow_run(review)
                    with store.transaction() as tx:
                        tx.ledger.append(item_id, Event.REVIEW_SHOWN, now, review=item_id, flow_run=str(form.id))
                    now += timedelta(days=31)
                    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}), pytest.raises(Unavailable):
                        await erase_aged.fn(policy)
                    assert (await client.read_flow_run(form.id)).id == form.id
                    assert (await erase_aged.fn(policy)).items == 1
                    with pytest.raises(ObjectNotFound):
                        await client.read_flow_run(form.id)


async def test_a_policy_without_retention_keeps_everything(tmp_path: Path) -> None:
    with closing(Store(sqlite_database(tmp_path / "interlock.db"))) as store:
        async with opened(fake_resources(store, None, FakeSystem())):
            assert (await erase_aged.fn(write_tiny(tmp_path))).items == 0
