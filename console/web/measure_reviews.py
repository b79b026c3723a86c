"""Measures the queue page: `python -m console.web.measure_reviews [--database URL] [--reviews N]`.

How long the application takes to answer for the queue's first page, its last one, a filtered one and
one review, while so many wait. The database must be empty; without one, a SQLite file for this alone.
"""

import asyncio
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Never

import httpx
import typer

from connectors.settings import Settings
from connectors.store.engine import Store
from connectors.store.waiting import Narrow
from console.shared import OUT, explained
from console.web.access import Access
from console.web.app import create_app
from console.web.wish import mark
from domain.decide import decide
from domain.item import InboundItem
from domain.proposal import AskOutcome, Proposal
from domain.review import Review, ReviewKind
from evals.ranking import percentile
from tasks.resources import Resources

POLICY = "support_triage"
ADDRESS = "http://127.0.0.1"
OK = 200
EACH = 40
"""Requests for each page."""


def fill(here: Resources, reviews: int) -> None:
    """Leave so many messages to people."""
    workflow, now = here.workflow(POLICY), datetime.now(UTC)
    proposed = Proposal(key="measured", outcome=AskOutcome.NO_MODEL, model="none", classifier="")
    held = decide(proposed, None, workflow.terms, now)
    for start in range(0, reviews, 500):
        with here.store.transaction() as tx:
            items = [_item(number, now) for number in range(start, min(start + 500, reviews))]
            tx.inbox.accept_all(POLICY, items, timedelta(0), now)
            for claimed in tx.inbox.claim(POLICY, "measure", len(items), timedelta(hours=1), now):
                tx.inbox.keep_decision(claimed.item_id, proposed, held, 0, now)
                due_at = now + timedelta(seconds=int(claimed.item.external_id))
                review = Review(
                    kind=ReviewKind.ROUTE,
                    item_id=claimed.item_id,
                    policy=claimed.policy,
                    workflow=workflow.reference,
                    binding=proposed.hash,
                    why=held.reason.value,
                    due_at=due_at,
                )
                tx.reviews.open(review, now)


def _item(number: int, now: datetime) -> InboundItem:
    text = f"The scanner {number % 9_000} shows error 17 since this morning, and our packers wait. " * 4
    fields = {"message": text, "email": f"customer{number}@example.com"}
    return InboundItem(source="measured", external_id=str(number), received_at=now, text=text, fields=fields)


async def measure(here: Resources) -> dict[str, str]:
    """How long each page took: by the clock, and of the processor, which other programs do not change."""
    access = Access.configured(Settings(), on_loopback=True, public_url="")
    with here.store.reading() as tx:
        all_of_them = tx.waiting.page(Narrow(), None, 1_000_000)
    last = all_of_them[-min(20, len(all_of_them))][0]
    pages = {
        "first page": "/reviews",
        "last page": f"/reviews?after={mark((last.due_at, last.review_id)).replace('+', '%2B')}",
        "filtered": f"/reviews?policy={POLICY}&age=soon",
        "filtered, nothing fits": "/reviews?policy=another",
        "one review": f"/reviews/{last.review_id}",
    }
    transport = httpx.ASGITransport(create_app(here, {}, access))
    async with httpx.AsyncClient(transport=transport, base_url=ADDRESS) as client:
        await client.post("/reviews/login", data={"name": "Measured"})
        return {name: await _timed(client, path) for name, path in pages.items()}


async def _timed(client: httpx.AsyncClient, path: str) -> str:
    took_ms, began_s = [], time.process_time()
    for _ in range(EACH):
        started = time.perf_counter()
        answer = await client.get(path)
        took_ms.append((time.perf_counter() - started) * 1000)
        if answer.status_code != OK:
            raise RuntimeError(f"{path} answered {answer.status_code}")
    processor_ms = (time.process_time() - began_s) * 1000 / EACH
    return f"95 of 100 within {percentile(took_ms, 95) or 0:.0f} ms, {processor_ms:.0f} ms of the processor each"


def main(
    database: Annotated[str | None, typer.Option(help="An empty database; otherwise a SQLite file for this.")] = None,
    reviews: Annotated[int, typer.Option(help="How many wait.")] = 10_000,
) -> None:
    """Measure how long the queue's pages take to be made."""
    with explained(), TemporaryDirectory(prefix="interlock-reviews-") as scratch:
        store = Store(database or f"sqlite:///{Path(scratch) / 'reviews.db'}")
        with closing(store):
            here = Resources(store, lambda: None, _nothing, _nothing)
            fill(here, reviews)
            for name, took in asyncio.run(measure(here)).items():
                OUT.print(f"{name}: {took}", highlight=False)


def _nothing(_asked: object) -> Never:
    raise RuntimeError("nothing outside is needed to look at reviews")


if __name__ == "__main__":
    typer.run(main)
