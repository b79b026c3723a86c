"""Measures the dashboard: `python -m console.web.measure_dashboard [--database URL] [--items N]`.

How long the application takes to answer for the figures over each stretch of time, for the lists behind
them and for one story, and how long a workflow's day takes to be counted for `interlock map`. The rows are
made up: seven entries of the ledger an item, over sixty days. The database must be empty, or filled
by this before; without one, a SQLite file for this alone.
"""

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Never

import httpx
import typer
from sqlalchemy import insert, text

from connectors.settings import Settings
from connectors.store.engine import Store
from connectors.store.journeys import ms
from connectors.store.states import State
from connectors.store.tables import EntryRow, ItemRow, OperationRow, ReviewRow
from connectors.store.watch_tables import ClockRow, JourneyRow
from console.shared import OUT, explained
from console.web.app import create_app
from console.web.look import Period
from console.web.lookers import Lookers
from domain.figures import Slice, Work
from evals.ranking import percentile
from tasks.resources import Resources

ADDRESS = "http://127.0.0.1"
OK = 200
EACH = 12
"""Requests for each page."""
DAYS = 60
AT_ONCE = 2_000
POLICIES = ("lead_routing", "support_triage", "order_intake")
ROUTES = ("sales", "support", "billing", "access", "none_of_these")
TOLD = ("accepted", "taken_over", "review_opened", "customer_asked", "sla_warned", "queued", "echoed")
"""An item's entries; what else there is, is no longer."""
CHANCE = random.Random(7)  # noqa: S311  no secret


def fill(store: Store, items: int) -> None:
    """Make up so many items, with what the pages read of them."""
    begun = datetime.now(UTC) - timedelta(days=DAYS)
    for start in range(0, items, AT_ONCE):
        rows = [_item(n, begun + timedelta(days=DAYS) * n / items) for n in range(start, min(start + AT_ONCE, items))]
        with store.transaction() as tx:
            for table in (ItemRow, JourneyRow, ClockRow, OperationRow, EntryRow, ReviewRow):
                if told := [row for one in rows for row in one.get(table, [])]:
                    tx.session.execute(insert(table), told)
    with store.transaction() as tx:
        tx.session.execute(text("ANALYZE"))
    store.compact()  # as PostgreSQL does by itself within minutes, and flows.retain every day


def _item(n: int, at: datetime) -> dict[type, list[dict[str, Any]]]:
    """The rows of one item, by table."""
    policy, route, person = POLICIES[n % 3], CHANCE.choice(ROUTES), n % 5 == 0
    name, waits = f"it-{n:08x}", person and CHANCE.random() < 0.02  # noqa: PLR2004  a fiftieth
    whose = {"item_id": name, "policy": policy}
    return {
        ItemRow: [
            whose
            | {"source": "mail", "external_id": str(n), "content_hash": str(n), "received_at": at, "accepted_at": at}
            | {"item": {"text": "The scanner shows error 17. " * 12}, "decided": True, "waits": waits, "writes_due": 1}
        ],
        JourneyRow: [
            whose
            | {"accepted_ms": ms(at), "kind": "human" if person else "auto", "reason": "confident", "route": route}
            | {"took_ms": None if waits else CHANCE.randint(900, 9_000_000), "verdict": None if waits else "approved"}
            | {"as_proposed": n % 7 != 0, "prompt_tokens": 400, "completion_tokens": 9}
        ],
        ClockRow: [
            whose | {"clock": clock, "state": "breached" if n % 50 == 0 else "met", "due_at": at, "settled_at": at}
            for clock in ("first_decision", "delivered")
        ],
        OperationRow: [_write(n, whose, at)],
        EntryRow: [
            {"seq": n * len(TOLD) + i + 1, "item_id": name, "at": at + timedelta(seconds=i), "event": event}
            | {"facts": _FACTS | {"policy": policy, "external_id": str(n)}}
            | {"previous": "0" * 64, "hash": f"{n:064x}"}
            for i, event in enumerate(TOLD)
        ],
        ReviewRow: [_review(name, policy, at, waits=waits)] if person else [],
    }


_FACTS = {
    "source": "mail",
    "due_at": "2026-03-01T12:00+00:00",
    "by": "Ann",
    "what": "the serial number",
    "clock": "first_decision",
    "destination": "crm",
    "record_key": "7",
    "where": "crm 7",
}


def _write(n: int, whose: dict[str, Any], at: datetime) -> dict[str, Any]:
    state = State.DEAD if n % 400 == 0 else State.PENDING if n % 300 == 0 else State.DONE
    named = {"operation_id": f"op-{n}", "system": f"system_{n % 4}", "record_key": str(n)}
    return whose | named | {"operation": {}, "patience": {}, "state": state, "due_at": at}


def _review(name: str, policy: str, at: datetime, *, waits: bool) -> dict[str, Any]:
    who, answered = f"Reviewer {CHANCE.randint(1, 12)}", at + timedelta(hours=CHANCE.random() * 5)
    asked = {"review_id": name, "item_id": name, "kind": "route", "about": "", "policy": policy, "workflow": policy}
    when = {"question": {}, "binding": "", "opened_at": at, "due_at": at, "assignee": who}
    given = {"answered_at": answered, "answer": "sales", "reviewer": who}
    return asked | when | (dict.fromkeys(given) if waits else given)


async def measure(here: Resources, items: int) -> dict[str, str]:
    """How long each page took: by the clock, and of the processor, which other programs do not change."""
    pages = {f"figures, {period}": f"/dashboard?period={period}" for period in Period}
    pages["figures of a route"] = "/dashboard?policy=lead_routing&route=sales&period=30d"
    pages |= {f"list of {of}": f"/dashboard/items?of={of}&period=30d" for of in Slice}
    pages |= {f"list of {of}": f"/dashboard/items?of={of}&period=30d" for of in Work}
    pages["list of one reviewer"] = f"/dashboard/items?of={Work.ANSWERED_BY}&whose=Reviewer+7&period=all"
    pages["list of one reviewer's route"] = pages["list of one reviewer"] + "&policy=lead_routing&route=sales"
    pages["list of one system"] = f"/dashboard/items?of={Work.UNWRITTEN}&whose=system_0"
    pages["story"] = f"/dashboard/items/it-{items // 2:08x}"
    lookers = Lookers.configured(Settings(), None, on_loopback=True, public_url="")
    transport = httpx.ASGITransport(create_app(here, {}, None, lookers))
    async with httpx.AsyncClient(transport=transport, base_url=ADDRESS) as client:
        took = {name: await _timed(client, path) for name, path in pages.items()}
    return took | {"map's day": _repeated(lambda: _day(here.store))}


async def _timed(client: httpx.AsyncClient, path: str) -> str:
    took_s, began_s = [], time.process_time()
    for _ in range(EACH):
        started = time.perf_counter()
        answer = await client.get(path)
        took_s.append(time.perf_counter() - started)
        if answer.status_code != OK:
            raise RuntimeError(f"{path} answered {answer.status_code}")
    return _told(took_s, time.process_time() - began_s)


def _repeated(do: Callable[[], None]) -> str:
    took_s, began_s = [], time.process_time()
    for _ in range(EACH):
        started = time.perf_counter()
        do()
        took_s.append(time.perf_counter() - started)
    return _told(took_s, time.process_time() - began_s)


def _day(store: Store) -> None:
    """Read what `interlock map` counts."""
    since = datetime.now(UTC) - timedelta(days=1)
    with store.reading() as tx:
        for _ in tx.traffic.entries(POLICIES[0], since):
            pass
        tx.traffic.sources(POLICIES[0], since)


def _told(took_s: list[float], processor_s: float) -> str:
    half, most = (1000 * (percentile(took_s, percent) or 0) for percent in (50, 95))
    return f"half within {half:.0f} ms, 95 of 100 within {most:.0f} ms, {1000 * processor_s / EACH:.0f} ms of ours each"


def main(
    database: Annotated[
        str | None, typer.Option(help="An empty one, or filled by this; otherwise a SQLite file.")
    ] = None,
    items: Annotated[int, typer.Option(help="How many came in.", min=1)] = 28_600,
) -> None:
    """Measure how long the dashboard's pages take to be made."""
    with explained(), TemporaryDirectory(prefix="interlock-dashboard-") as scratch:
        store = Store(database or f"sqlite:///{Path(scratch) / 'dashboard.db'}")
        with closing(store):
            with store.reading() as tx:
                empty = tx.figures.first() is None
            if empty:
                fill(store, items)
            here = Resources(store, lambda: None, _nothing, _nothing)
            for name, took in asyncio.run(measure(here, items)).items():
                OUT.print(f"{name}: {took}", highlight=False)


def _nothing(_asked: object) -> Never:
    raise RuntimeError("nothing outside is needed to look at figures")


if __name__ == "__main__":
    typer.run(main)
