"""At whatever step of its review's life the process is killed, an item ends as if it had not been.

What the flows do about a review, in processes that end themselves with SIGKILL; the next one does what is left,
once the leases of the dead are over. Prefect's own part is in `test_review_killed.py`.
"""

import json
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cases import event, write_cases
from databases import sqlite_database
from tiny import message, write_orders, write_tiny

from connectors.store.engine import Store
from domain.item import InboundItem
from domain.ledger import first_break
from domain.review import ReviewKind

LATER_MINUTES = 30
"""The leases of whoever was killed are over."""

ONE_PERSON = (
    "before review_opened",
    "after review_opened",
    "before review_answered",
    "after review_answered",
    "before the send",
    "after the send",
    "before attempted",
    "after attempted",
)
TWO_PEOPLE = ("before review_agreed", "after review_agreed", *ONE_PERSON)
STEPS = {ReviewKind.ROUTE: TWO_PEOPLE, ReviewKind.ACTION: TWO_PEOPLE, ReviewKind.FIELDS: ONE_PERSON}


@dataclass
class Lives:
    """The process that starts the others; for each kind a policy, and a folder with an item to be decided."""

    folder: Path
    process: subprocess.Popen[str]
    policies: dict[ReviewKind, str]
    ends: dict[ReviewKind, Any] = field(default_factory=dict)

    def live(self, home: Path, kind: ReviewKind, step: str = "", minutes: float = 0) -> int:
        """Let a process do what is left; gives its exit code."""
        order = {"home": str(home), "policy": self.policies[kind], "kind": kind, "step": step, "minutes": minutes}
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def copy(self, kind: ReviewKind, name: str) -> Path:
        return Path(shutil.copytree(self.folder / kind, self.folder / f"{kind}-{name}"))

    def unharmed(self, kind: ReviewKind) -> Any:
        """How it ends that nobody is killed."""
        if kind not in self.ends:
            home = self.copy(kind, "unharmed")
            assert self.live(home, kind) == 0
            self.ends[kind] = end(home)
        return self.ends[kind]


@pytest.fixture(scope="module")
def lives(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lives]:
    folder = tmp_path_factory.mktemp("lives")
    for kind in STEPS:
        (folder / kind).mkdir()
        sqlite_database(folder / kind / "interlock.db")
    policies = {
        ReviewKind.ROUTE: write_tiny(folder, review={"people": 2}),
        ReviewKind.ACTION: write_cases(folder),
        ReviewKind.FIELDS: write_orders(folder),
    }
    with started() as process:
        ready = Lives(folder, process, policies)
        comes(ready, ReviewKind.ROUTE, message("m", "hello there"))
        comes(ready, ReviewKind.FIELDS, message("o", "please send three of them"))
        comes(ready, ReviewKind.ACTION, event("asked", "a", price="120 EUR", note="send it please"))
        assert ready.live(folder / ReviewKind.ACTION, ReviewKind.ACTION) == 0, "a rule sends the parcel"
        comes(ready, ReviewKind.ACTION, event("complained", "c", note="my money back"))
        yield ready


@contextmanager
def started() -> Iterator[subprocess.Popen[str]]:
    script = Path(__file__).with_name("review_lives.py")
    environ = {"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{script.parents[1]}:{script.parents[2]}"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    process = subprocess.Popen([sys.executable, str(script)], env=environ, text=True, **pipes)
    try:
        yield process
    finally:
        process.communicate()


def comes(lives: Lives, kind: ReviewKind, item: InboundItem) -> None:
    policy = "parcels" if kind is ReviewKind.ACTION else "tiny"
    with closing(Store(f"sqlite:///{lives.folder / kind}/interlock.db")) as store, store.transaction() as tx:
        tx.inbox.accept(policy, item, timedelta(hours=1), datetime.now(UTC))


def end(home: Path) -> dict[str, Any]:
    """All that must be the same, of an item that is over; the books and the chain hold."""
    with closing(Store(f"sqlite:///{home}/interlock.db")) as store, store.reading() as tx:
        entries, account = list(tx.ledger.entries()), tx.accounts.balance()
        item_id = entries[-1].item_id or ""
        decided, case = tx.inbox.decided(item_id), tx.cases.get("parcels", "p-1")
        (row,) = tx.reviews.of([item_id], item_id)
    assert first_break(entries) is None
    assert (account.done, account.unaccounted) == (account.accepted, 0)
    assert decided is not None
    decision = decided[2].model_dump(exclude={"decided_at"})
    sent = [json.loads(line) for line in (home / "sent.jsonl").read_text(encoding="utf-8").splitlines()]
    counts = Counter(entry.event.value for entry in entries)
    changing = {"attempted", "taken_over"}
    return {
        "decision": decision,
        "sent": sent,
        "review": (row.answer, row.reviewer, row.answered_at is not None),
        "case": case and (case.state, case.version, case.done),
        "ledger": {name: count for name, count in counts.items() if name not in changing},
    }


@pytest.mark.parametrize(("kind", "step"), [(kind, step) for kind, steps in STEPS.items() for step in steps])
def test_a_review_ends_the_same_wherever_its_process_is_killed(lives, kind, step):
    home = lives.copy(kind, step.replace(" ", "-"))
    assert lives.live(home, kind, step) == -signal.SIGKILL
    assert lives.live(home, kind, minutes=LATER_MINUTES) == 0
    assert end(home) == lives.unharmed(kind)


@pytest.mark.parametrize("kind", STEPS)
def test_what_nobody_kills_is_decided_by_those_who_must_and_written_once(lives, kind):
    found = lives.unharmed(kind)
    people = "Ada" if kind is ReviewKind.FIELDS else "Ada and Bo"
    writes = 2 if kind is ReviewKind.ACTION else 1  # the parcel was sent before it was asked back
    assert (found["review"][1], found["decision"]["by"]) == (people, people)
    assert len(found["sent"]) == writes
    assert found["ledger"]["review_answered"] == 1
