"""A notice arrives: in a channel of the sandbox's Slack, and as a mail at a real SMTP server."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import httpx
import uvicorn
from aiosmtpd.smtp import SMTP, Envelope, Session
from fakes import FakeSystem, words_only
from prefect.settings import PREFECT_API_URL, temporary_settings
from tiny import write_people, write_tiny

from connectors.ports import Destination
from connectors.registry import open_destination
from connectors.sandbox import slack as sandbox_slack
from connectors.sandbox.faults import FaultPlan
from connectors.settings import Settings
from connectors.store.engine import Store
from domain.escalation import Cause
from domain.keys import Key, Purpose, unseal
from tasks.deliver import deliver_due
from tasks.escalate import climb, escalate
from tasks.resources import Resources, opened

SECRET = "s" * 32
PEOPLE = {
    "teams": {"desk": {"slack": "C0000000001"}},
    "people": {"the lead": {"mail": "lead@example.com"}},
}
LADDER = {"steps": [{"to": "desk", "by": "slack"}, {"to": "the lead", "by": "mail", "after_minutes": 30}]}


@dataclass
class Office:
    """A mail server that takes everything."""

    took: list[Envelope] = field(default_factory=list)

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.took.append(envelope)
        return "250 OK"


@asynccontextmanager
async def slack_sandbox() -> AsyncIterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(sandbox_slack.create_app(FaultPlan()), log_level="error"))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        await serving


@asynccontextmanager
async def mail_server(office: Office) -> AsyncIterator[int]:
    loop, sessions = asyncio.get_running_loop(), list[SMTP]()

    def connection() -> SMTP:
        sessions.append(SMTP(office, loop=loop))
        return sessions[-1]

    server = await loop.create_server(connection, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
        await asyncio.gather(*[one._handler_coroutine for one in sessions], return_exceptions=True)


async def test_a_notice_arrives_once_in_slack_and_later_as_a_mail(tmp_path: Path) -> None:
    write_people(tmp_path, PEOPLE)
    policy = write_tiny(tmp_path, people="people.yaml", escalation=LADDER)
    office, now = Office(), [datetime(2026, 3, 2, 9, 0, tzinfo=UTC)]
    async with slack_sandbox() as slack, mail_server(office) as port:
        environ = {
            "INTERLOCK_SLACK_URL": f"{slack}/api",
            "INTERLOCK_SLACK_TOKEN": "xoxb-sandbox",
            "INTERLOCK_SMTP_HOST": "127.0.0.1",
            "INTERLOCK_SMTP_PORT": str(port),
            "INTERLOCK_SMTP_TLS": "off",
            "INTERLOCK_SMTP_FROM": "Interlock <interlock@example.com>",
        }

        def system(name: str) -> Destination:
            return open_destination(name, environ) if name in ("slack", "smtp") else FakeSystem()

        with closing(Store(f"sqlite:///{tmp_path / 'store.db'}")) as store, temporary_settings({PREFECT_API_URL: None}):
            settings = Settings.model_validate({"link_secret": SECRET, "public_url": "https://reviews.example.com"})
            given = Resources(store, lambda: None, words_only, system, lambda: now[0], settings=settings)
            async with opened(given) as here:
                with store.transaction() as tx:
                    escalate(tx, Cause.REVIEW_LATE, "it-1", "tiny", "nobody answered <it-1> in time", now[0])
                for minutes in (0, 0, 30, 0):
                    now[0] += timedelta(minutes=minutes)
                    await climb.fn(policy)
                    await deliver_due.fn(0)
                await here.aclose()
        async with httpx.AsyncClient(base_url=slack, headers={"Authorization": "Bearer xoxb-x"}) as client:
            history = (await client.get("/api/conversations.history", params={"channel": "C0000000001"})).json()
    (message,) = history["messages"]
    assert message["text"].startswith("tiny: nobody answered &lt;it-1&gt; in time\n")
    assert message["text"].endswith("\nhttps://reviews.example.com/reviews")
    (mail,) = office.took
    assert mail.rcpt_tos == ["lead@example.com"]
    assert b"Subject: tiny: nobody answered <it-1> in time" in (mail.content or b"")
    lines = message_from_bytes(mail.content or b"", policy=default).get_content().splitlines()
    address, _, key = lines[-1].partition("?key=")
    assert address == "https://reviews.example.com/reviews/login"
    opens = unseal(key, Purpose.LOGIN, [SECRET.encode()], now[0])
    assert isinstance(opens, Key)
    assert opens.reviewer == "the lead"
