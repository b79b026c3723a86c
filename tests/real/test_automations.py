"""The automation that is shipped, on a real Prefect server: a ladder's steps without a channel reach people."""

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from databases import sqlite_database
from fakes import FakeSystem, fake_resources
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from tiny import write_people, write_tiny

from connectors.store.engine import Store
from domain.escalation import Cause
from tasks.escalate import climb, escalate
from tasks.resources import opened

pytestmark = pytest.mark.real

SHIPPED = Path(__file__).parents[2] / "automations.yaml"
NOBODY = "00000000-0000-0000-0000-000000000000"
PATIENCE_S = 60


@contextmanager
def somebodys_chat() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A webhook on loopback; gives its address and the messages that came."""
    came: list[dict[str, Any]] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            came.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Hook) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", came
        server.shutdown()
        thread.join()


async def create_automation(folder: Path, block_id: str, ui: str) -> None:
    file = folder / "automations.yaml"
    file.write_text(SHIPPED.read_text(encoding="utf-8").replace(NOBODY, block_id), encoding="utf-8")
    command = [str(Path(sys.executable).with_name("prefect")), "automation", "create", "--from-file", str(file)]
    environ = {"PREFECT_API_URL": f"{ui}/api", "PREFECT_HOME": str(folder), "PATH": "/usr/bin:/bin"}
    done = await asyncio.to_thread(subprocess.run, command, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


async def until(came: list[dict[str, Any]], count: int) -> None:
    for _ in range(PATIENCE_S * 4):
        if len(came) >= count:
            return
        await asyncio.sleep(0.25)
    raise AssertionError(f"only {len(came)} of {count} messages came")


@pytest.mark.timeout(180)
async def test_a_step_without_a_channel_reaches_people_and_one_with_a_channel_is_not_told_twice(
    prefect: str, tmp_path: Path
) -> None:
    write_people(tmp_path, {"people": {"the lead": {"mail": "lead@example.com"}, "the head": {}}})
    steps = [{"to": "the lead", "by": "mail"}, {"to": "the head"}]
    policy = write_tiny(tmp_path, people="people.yaml", escalation={"steps": steps, "fold_minutes": 0})
    with closing(Store(sqlite_database(tmp_path / "store.db"))) as store, somebodys_chat() as (url, came):
        block = CustomWebhookNotificationBlock(
            name="chat", url=url, json_data={"subject": "{{subject}}", "text": "{{body}}"}
        )
        await create_automation(tmp_path, str(await block.asave("interlock-people")), prefect)
        async with opened(fake_resources(store, None, FakeSystem())):
            for subject in ("crm", "desk"):
                with store.transaction() as tx:
                    now = datetime.now(UTC)
                    known = escalate(tx, Cause.SYSTEM_PAUSED, subject, "tiny", f"nothing is sent to {subject}", now)
                assert await climb.fn(policy) == 1
                assert await climb.fn(policy) == 1
                await until(came, 1 if subject == "crm" else 2)
    assert [one["subject"] for one in came] == ["Interlock, for the head"] * 2
    assert came[1]["text"].splitlines() == [
        "for the head: tiny: nothing is sent to desk",
        f"Who takes it over: interlock escalations acknowledge {known} --by NAME",
    ]
