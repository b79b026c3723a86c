"""What `interlock serve` logs of requests that fail."""

import asyncio
import logging
import socket
from collections.abc import Iterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route

from console.serve import server_of

SECRET = "xoxb-1234-" + "very-secret"
"""Not as a whole in the source, whose lines a trace shows."""


async def fails(_request: Request) -> None:
    raise RuntimeError(f"ann@example.com with {SECRET}")


@pytest.fixture
def uvicorns_handlers_end() -> Iterator[None]:
    yield
    for name in ("uvicorn", "uvicorn.access"):
        logging.getLogger(name).handlers.clear()


@pytest.mark.usefixtures("uvicorns_handlers_end")
async def test_the_trace_of_a_request_that_failed_has_no_secrets_and_no_addresses(
    capsys: pytest.CaptureFixture[str],
) -> None:
    server = server_of(Starlette(routes=[Route("/", fails)]), {"SLACK_BOT_TOKEN": SECRET})
    listener = socket.create_server(("127.0.0.1", 0))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"http://127.0.0.1:{listener.getsockname()[1]}/")
    server.should_exit = True
    await serving

    said = capsys.readouterr().err
    assert answer.status_code == 500
    assert "RuntimeError: [email 1] with [secret]" in said
    assert "ann@example.com" not in said
    assert SECRET not in said
