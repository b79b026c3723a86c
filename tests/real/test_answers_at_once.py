"""Several channels answer one review at the same moment: one wins, the others are told who did, it is done once."""

from contextlib import closing
from pathlib import Path

import pytest
from channels import CHANNELS, answer_at_once
from databases import database_url, postgres_url
from fakes import FakeSystem, fake_resources
from reviewing import SECRET, TOKEN, Reviewing, served

from connectors.settings import Settings
from connectors.store.engine import Store
from console.web.access import Access
from tasks.deliver import deliver_due
from tasks.resources import opened

__all__ = ["database_url", "postgres_url"]

pytestmark = pytest.mark.real

REVIEWS = 6
CHOICES = {"Ann": "billing", "Bob": "access", "Cid": "billing", "Dee": "access"}


@pytest.mark.timeout(240)
async def test_page_api_command_line_and_prefects_form_answer_at_the_same_moment(
    database_url: str, tmp_path: Path
) -> None:
    environ = {"INTERLOCK_DATABASE_URL": database_url, "INTERLOCK_LLM": "off", "INTERLOCK_EMBEDDINGS": "off"}
    with closing(Store(database_url)) as store:
        desk = Reviewing(tmp_path, store)
        reviews = [desk.ask(f"m-{number}", f"hello {number}") for number in range(REVIEWS)]
        settings = Settings.model_validate({"link_secret": SECRET, "reviewers_token": TOKEN})
        with served(desk, Access.configured(settings, on_loopback=True, public_url="")) as address:
            told = answer_at_once(address, environ, reviews, CHOICES)
        system = FakeSystem()
        async with opened(fake_resources(store, None, system)):
            await deliver_due.fn(0)
            await deliver_due.fn(0)
        rows = {review: desk.row(review) for review in reviews}
        events = {review: desk.events(review) for review in reviews}

    for review, words in zip(reviews, told, strict=True):
        winner = rows[review].reviewer
        assert rows[review].answer == CHOICES[winner]
        losers = CHANNELS.keys() - {winner}
        for name in losers:
            assert f"It was {winner}, who chose {CHOICES[winner]}." in words[name], (name, words[name])
        assert "It was" not in words[winner]
        counts = [events[review].count(name) for name in ("review_answered", "answer_refused", "queued", "attempted")]
        assert counts == [1, len(losers), 1, 1]
    assert sorted(write.item_id for write in system.stored) == sorted(rows[review].item_id for review in reviews)
    assert {write.item_id: write.values["queue"] for write in system.stored} == {
        rows[review].item_id: rows[review].answer for review in reviews
    }
