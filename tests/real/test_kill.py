"""A worker is killed with SIGKILL in the middle of its work; the next one loses and doubles nothing.

The systems fail one request in ten meanwhile, and the killed process had no chance to tidy up.
"""

import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import pytest
from databases import sqlite_database
from llm_server import Body, Hang, Label, LlmServer, Reply, llm_server
from tiny import message, write_tiny

from connectors.store.engine import Store
from connectors.store.inbox import item_id
from console.sandboxes import Sandboxes, sandboxes
from domain.ledger import Entry, first_break
from flows.chunks import LANES

ITEMS = 30
MESSAGES = [message(f"m-{number}", f"invoice {number} is wrong, refund the charge") for number in range(ITEMS)]
CHUNK = 4
LEASE_MINUTES = 0.02
FAULT_RATE = 0.1
PATIENCE_S = 180
LOOK_S = 0.01
pytestmark = pytest.mark.timeout(600)
CLASSIFIER = {"neighbours": 2, "reasks": 0, "retries": 2, "concurrency": LANES * CHUNK}
"""All chunks under way are asked about at once: one that waits for its answers takes no other's place."""
DESK = {
    "system": "sandbox_help_desk",
    "record_key": "{{ item_id }}",
    "values": {"queue": "{{ route }}", "subject": "{{ text }}", "body": "{{ text }}"},
    "patience": {"attempts": 20, "first_delay_s": 0.05, "longest_delay_s": 0.5},
}


@dataclass(frozen=True)
class Plant:
    """All that outlives the killed process: store, systems, model, Prefect's server."""

    policy: str
    database: Path
    store: Store
    systems: Sandboxes
    environ: dict[str, str]
    desk: httpx.Client
    """The help desk itself, past the connector."""

    def start(self) -> subprocess.Popen[bytes]:
        """A process that runs the flow once."""
        script = Path(__file__).with_name("route_once.py")
        with (self.database.parent / "route.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, str(script), self.policy], env=self.environ, stdout=log, stderr=log
            )

    def kill_when(self, ready: Callable[[], bool]) -> None:
        """Start one, and kill it as soon as `ready`."""
        process = self.start()
        try:
            deadline = time.monotonic() + PATIENCE_S
            while not ready():
                assert process.poll() is None, f"ended before it could be killed:\n{self.log()}"
                assert time.monotonic() < deadline, f"waited too long:\n{self.log()}"
                time.sleep(LOOK_S)
        finally:
            process.kill()
            process.wait()

    def finish(self) -> None:
        """Run another to its end."""
        process = self.start()
        try:
            assert process.wait(PATIENCE_S) == 0, self.log()
        finally:
            process.kill()
            process.wait()

    def log(self) -> str:
        return (self.database.parent / "route.log").read_text(encoding="utf-8")[-4000:]

    def count(self, table: str, condition: str) -> int:
        """Rows as they are committed now."""
        with closing(sqlite3.connect(self.database)) as connection:
            (count,) = connection.execute(f"SELECT count(*) FROM {table} WHERE {condition}").fetchone()  # noqa: S608  the test's own words
        return int(count)

    def decided(self) -> set[int]:
        """The numbers of the messages that are decided."""
        done = {entry.item_id for entry in self.entries() if entry.event == "decided"}
        return {number for number, item in enumerate(MESSAGES) if item_id("tiny", item) in done}

    def tickets(self) -> list[str]:
        """The operation of each ticket that the help desk holds."""
        books = self.desk.get("/_records").raise_for_status()
        return [record["operation_id"] for record in books.json()["records"]]

    def hold_answers(self, writes: int) -> None:
        """Let the next writes be stored, and answered only when nobody waits any more."""
        change = {"next": ["slow"] * writes}
        self.desk.post("/_faults", json=change).raise_for_status()

    def entries(self) -> list[Entry]:
        with self.store.reading() as tx:
            return list(tx.ledger.entries())


@contextmanager
def plant(home: Path, prefect: str, model: LlmServer) -> Iterator[Plant]:
    database = home / "interlock.db"
    store = Store(sqlite_database(database))
    with closing(store), sandboxes(home, FAULT_RATE) as systems:
        batch = {"chunk": CHUNK, "lease_minutes": LEASE_MINUTES}
        policy = write_tiny(home, batch=batch, classifier=CLASSIFIER, destinations={"desk": DESK})
        environ = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(home),
            "PREFECT_API_URL": f"{prefect}/api",
            "PREFECT_HOME": str(home / "prefect"),
            "PREFECT_LOGGING_LEVEL": "WARNING",
            "INTERLOCK_DATABASE_URL": f"sqlite:///{database}",
            "INTERLOCK_LLM_BASE_URL": model.base_url,
            "INTERLOCK_LLM_MODEL": "fake-model",
            "INTERLOCK_EMBEDDINGS": "off",
            **systems.environ,
        }
        with store.transaction() as tx:
            for item in MESSAGES:
                tx.inbox.accept("tiny", item, timedelta(hours=1), datetime.now(UTC))
        address = systems.addresses["help_desk"]
        with httpx.Client(base_url=address, timeout=PATIENCE_S, trust_env=False) as desk:
            yield Plant(policy, database, store, systems, environ, desk)


def assert_whole(plant: Plant) -> None:
    """Every item is done, each write is there exactly once, and the books and the chain hold."""
    with plant.store.reading() as tx:
        account, confirmed, head = tx.accounts.balance("tiny"), tx.outbox.confirmed(), tx.ledger.head()
    assert (account.accepted, account.done, account.unaccounted) == (ITEMS, ITEMS, 0)
    assert sorted(plant.tickets()) == sorted(confirmed), "each confirmed write is one ticket, and no other is there"
    assert len(confirmed) == ITEMS
    assert plant.systems.operation_ids() == confirmed
    assert plant.systems.doubled() == 0
    entries = plant.entries()
    assert first_break(entries) is None
    assert (entries[-1].seq, entries[-1].hash) == head
    decided = [entry.item_id for entry in entries if entry.event == "decided"]
    assert len(decided) == len(set(decided)) == ITEMS


def asked_about(body: Body) -> int:
    """The number of the message that a request to the model is about."""
    (number,) = re.findall(r"invoice (\d+) is wrong", str(body["messages"][-1]["content"]))
    return int(number)


def facts(entries: Sequence[Entry], event: str) -> list[dict[str, Any]]:
    return [entry.facts for entry in entries if entry.event == event]


def test_killed_while_the_model_is_asked_its_items_are_taken_over(prefect, tmp_path):
    gone = Event()

    def silent_after_the_first_chunk(body: Body) -> Reply:
        return Hang() if asked_about(body) >= CHUNK and not gone.is_set() else Label("billing")

    with llm_server(silent_after_the_first_chunk) as server, plant(tmp_path, prefect, server) as works:
        works.kill_when(lambda: works.count("inbox", "decided") == CHUNK and len(server.requests) > CHUNK)
        gone.set()
        leased = works.count("inbox", "lease_owner IS NOT NULL")
        assert leased in range(CHUNK, LANES * CHUNK + 1, CHUNK), "whole chunks, as many as go on at a time"
        works.finish()
        assert_whole(works)
        assert len(facts(works.entries(), "taken_over")) == leased


def test_killed_between_writes_it_sends_the_rest_and_nothing_twice(prefect, tmp_path):
    with llm_server(Label("billing")) as server, plant(tmp_path, prefect, server) as works:
        done, to_do = "state = 'done'", "state <> 'done'"
        works.kill_when(lambda: works.count("outbox", done) > 0 and works.count("outbox", to_do) > 0)
        assert works.count("outbox", to_do) > 0, "killed too late to show anything"
        asked, decided = len(server.requests), works.decided()
        works.finish()
        assert_whole(works)
        assert decided, "killed too early to show anything"
        again = {asked_about(body) for body in server.requests[asked:]}
        assert not again & decided, "a decided item is not asked about again"


def test_killed_before_an_answer_came_it_looks_the_write_up_instead_of_sending_it_again(prefect, tmp_path):
    with llm_server(Label("billing")) as server, plant(tmp_path, prefect, server) as works:
        works.hold_answers(8)
        works.kill_when(lambda: works.count("outbox", "state = 'sending'") > 0 and len(works.tickets()) > 0)
        arrived, unanswered = set(works.tickets()), works.count("outbox", "state = 'sending'")
        assert works.count("outbox", "state = 'done'") == 0
        assert unanswered > 0
        works.finish()
        assert_whole(works)
        attempts = facts(works.entries(), "attempted")
        found = {attempt["operation"] for attempt in attempts if attempt["look_up"] and attempt.get("found")}
        assert arrived <= found
        assert len([attempt for attempt in attempts if attempt["look_up"]]) >= unanswered
