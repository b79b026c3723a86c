"""A real Request Tracker, PostgreSQL and the sandbox CRM hold the same cases, and are kept in step.

People edit in all of them at once, the CRM fails one request in seven, and the process that keeps them in
step is killed and started again. What became of each edit is judged by the systems' own books.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
import yaml
from databases import postgres_url
from sqlalchemy import create_engine, make_url
from three_systems import EDITABLE, FIELDS, SYSTEMS, World

from connectors.store.engine import Store
from domain.ledger import first_break
from evals.sync_account import stories_of
from evals.sync_oracle import judged

__all__ = ["postgres_url"]

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
PATIENT_S = 60
SETTLES_S = 300
CASES = 6
MINE = f"N-{uuid4().hex[:6]}-"
"""Begins the numbers of these cases: other tests make tickets in the same queue at the same time."""
FAULT_RATE = 0.15
KILLS = 3
EDITS = 12
"""Before each kill."""


@pytest.fixture
def world(tmp_path: Path, address: httpx.URL, postgres_url: str) -> Iterator[World]:
    token, desk_url = address.username, str(address.copy_with(username="")).rstrip("/")
    command = [sys.executable, "-m", "connectors.sandbox.serve", "--system=hubspot", f"--fault-rate={FAULT_RATE}"]
    command += ["--slow-s=1", "--rate-per-s=1000", "--burst=1000"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as sandbox:
        assert sandbox.stdout is not None
        crm_url = json.loads(sandbox.stdout.readline())["hubspot"]
        base = create_engine(make_url(postgres_url).set(drivername="postgresql+psycopg"))
        store_url = f"sqlite:///{tmp_path / 'store.db'}"
        environ = {
            "INTERLOCK_DATABASE_URL": store_url,
            "INTERLOCK_HUBSPOT_URL": crm_url,
            "INTERLOCK_HUBSPOT_TOKEN": "pat-eu1-not-a-real-key",
            "INTERLOCK_RT_URL": desk_url,
            "INTERLOCK_RT_TOKEN": token,
            "INTERLOCK_SQL_URL": postgres_url,
            "INTERLOCK_SETTLES_S": "2",
            "INTERLOCK_CONNECTOR_TIMEOUT_S": "10",
            "INTERLOCK_LLM": "off",
        }
        headers = {"Authorization": "Bearer pat-eu1-not-a-real-key"}
        desk_headers = {"Authorization": f"token {token}"}
        rest = f"{desk_url}/REST/2.0"
        with (
            httpx.Client(base_url=crm_url, headers=headers, trust_env=False, timeout=PATIENT_S) as crm,
            httpx.Client(base_url=rest, headers=desk_headers, trust_env=False, timeout=PATIENT_S) as desk,
        ):
            since = desk.get("/rt").headers["date"]
            world = World(crm, desk, base, Store(store_url), _policy(tmp_path, since), environ)
            world.make_tables()
            world.leave_out_older_tickets()
            yield world
        base.dispose()
        sandbox.send_signal(signal.SIGTERM)


def _policy(folder: Path, since: str) -> str:
    begun = parsedate_to_datetime(since).isoformat()
    tables = {"table": "cases", "key": "id", "updated_at": "updated_at", "settling_s": "0.5"}
    systems = {
        "crm": {"system": "hubspot", "options": {"object": "tickets", "settling_s": "0.5"}, "creates": True},
        "desk": {
            "system": "request_tracker",
            "options": {"queue": "Support", "since": begun},
            "only": f'number =~ "{MINE}.*"',
        },
        "base": {"system": "sql_table", "options": tables},
    }
    policy = {
        "name": "cases",
        "version": 1,
        "description": "cases of the test",
        "mode": "auto",
        "objects": {"case": {"systems": systems, "fields": FIELDS, "same_by": ["number"]}},
        "escalation": {"steps": [{"to": "operations"}]},
        "patience": {"attempts": 60, "first_delay_s": 0.1, "longest_delay_s": 1},
    }
    (folder / "cases.yaml").write_text(yaml.safe_dump(policy, sort_keys=False))
    return str(folder / "cases.yaml")


@contextmanager
def keeper(world: World) -> Iterator[subprocess.Popen[str]]:
    """The process that keeps the systems in step; killed at the end."""
    environ = {**os.environ, **world.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    command = [sys.executable, str(ROOT / "tests/real/sync_steps.py"), world.policy]
    with subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def until(what: str, holds: Callable[[], bool], world: World) -> None:
    deadline = time.monotonic() + SETTLES_S
    while not holds():
        assert time.monotonic() < deadline, f"not within {SETTLES_S} s: {what}; {world.told()}"
        time.sleep(0.5)


def differing(world: World) -> dict[tuple[str, str], dict[str, str]]:
    """The fields in which the systems differ, without those that people are asked about."""
    held = {system: world.shown(system) for system in SYSTEMS}
    found = {}
    for number in world.ids:
        for name in EDITABLE:
            values = {system: held[system].get(number, {}).get(name, "(no record)") for system in SYSTEMS}
            if name == "topics":
                values = {system: ", ".join(sorted(filter(None, one.split(", ")))) for system, one in values.items()}
            if len(set(values.values())) > 1:
                found[number, name] = values
    contested = world.contested()
    return {place: values for place, values in found.items() if place not in contested}


def test_three_systems_that_are_edited_at_once_say_the_same_in_the_end(world: World) -> None:
    numbers = [f"{MINE}{number}" for number in range(CASES)]
    for number in numbers:
        world.make(number)
    with keeper(world):
        until("every case is in the CRM", lambda: set(world.shown("crm")) == set(numbers), world)
    dice = random.Random(7)  # noqa: S311  a draw to be repeated, not a secret
    edits: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for kill in range(KILLS):
        with keeper(world) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "round\n", "it is at work before anybody edits"
            for _ in range(EDITS):
                number, system = dice.choice(numbers), dice.choice(SYSTEMS)
                name, value = dice.choice(
                    [
                        ("subject", f"Refund {dice.randrange(1000)}"),
                        ("stage", dice.choice(["open", "resolved"])),
                        ("priority", str(dice.randrange(1, 90))),
                        ("topics", dice.choice(["urgent", "urgent, vip", "vip"])),
                    ]
                )
                world.edit(system, number, name, value)
                edits.setdefault((number, name), []).append((system, value))
                time.sleep(dice.random() * 0.5)
            time.sleep(dice.random() * (kill + 1))
            process.kill()
    with keeper(world):
        until("the systems agree, or people are asked", lambda: not differing(world) and _idle(world), world)
    held = world.shown("base")
    contested = world.contested()
    for (number, name), made in edits.items():
        if (number, name) not in contested and name in ("subject", "priority"):
            assert held[number][name] in {value for _, value in made}, "a value that nobody typed"
        if len(made) == 1 and name in ("subject", "priority"):
            assert (number, name) not in contested, "one edit contradicts nothing"
            assert held[number][name] == made[0][1], "the only edit of a field is what it is"
    with world.store.reading() as tx:
        told = list(stories_of(tx, numbers, {name: FIELDS[name] for name in EDITABLE}, world.books()))
        assert {(one.thing, one.field) for one in told if one.contested} == contested
        assert [fault for one in told for fault in judged(one)] == [], told
        assert first_break(tx.ledger.entries()) is None
        assert tx.accounts.balance("cases").unaccounted == 0


def _idle(world: World) -> bool:
    with world.store.reading() as tx:
        counts = tx.entities.counts("cases")
    return not any(counts[name] for name in ("to_merge", "to_read", "writes_under_way"))
