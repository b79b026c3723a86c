"""Runs sandbox servers: `python -m connectors.sandbox.serve --system crm=8081 --system help_desk`.

Prints one line of JSON with their addresses once all answer, and ends on SIGTERM or Ctrl-C.
"""

import argparse
import asyncio
import json
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from connectors.sandbox import crm, help_desk, hubspot, llm, salesforce, slack, zendesk
from connectors.sandbox.faults import CUT, FaultPlan, FaultSettings
from connectors.sandbox.service import DEFAULT_BURST, DEFAULT_RATE_PER_S, TokenBucket

POLL_S = 0.01

SYSTEMS: dict[str, Callable[[FaultPlan, Path | None, TokenBucket], FastAPI]] = {
    "crm": crm.create_app,
    "help_desk": help_desk.create_app,
    "hubspot": hubspot.create_app,
    "llm": llm.create_app,
    "salesforce": salesforce.create_app,
    "slack": slack.create_app,
    "zendesk": zendesk.create_app,
}
"""What can be served, by name."""
DEFAULT = ("crm", "help_desk")


class CuttableProtocol(H11Protocol):
    """Uvicorn's HTTP/1.1, with an ASGI extension by which a response can cut its connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """Give every request of this connection the means to cut it."""
        super().connection_made(transport)
        self.app = _with_cut(self.app, transport)


class Server(uvicorn.Server):
    """A server that leaves signals alone: two in one process would steal them from each other."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def main() -> None:
    """Serve until a signal comes."""
    asyncio.run(serve(_arguments()))


async def serve(options: argparse.Namespace) -> None:
    """Serve the systems asked for; see `--help` for the options."""
    settings = FaultSettings(rate=options.fault_rate, seed=options.seed, slow_s=options.slow_s)
    wanted = dict(options.system or [(name, 0) for name in DEFAULT])
    servers, sockets = [], {}
    for name, port in wanted.items():
        app = SYSTEMS[name](FaultPlan(settings), _file(options.state, name), _limit(options))
        servers.append(_server(app))
        sockets[name] = _bound(port)

    def stop() -> None:
        for server in servers:
            server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    async with asyncio.TaskGroup() as running:
        for server, listener in zip(servers, sockets.values(), strict=True):
            running.create_task(server.serve(sockets=[listener]))
        await _started(servers)
        _announce({name: _address(listener) for name, listener in sockets.items()})


async def _started(servers: Sequence[Server]) -> None:
    while not all(server.started for server in servers):  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(POLL_S)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m connectors.sandbox.serve", description=__doc__)
    parser.add_argument(
        "--system",
        type=_named_port,
        action="append",
        metavar="NAME[=PORT]",
        help=f"one of {', '.join(SYSTEMS)}; may be given several times; default: {' and '.join(DEFAULT)}",
    )
    parser.add_argument("--fault-rate", type=float, default=0.0, help="share of requests that fail, 0 to 1")
    parser.add_argument("--seed", type=int, default=0, help="of the faults")
    parser.add_argument("--slow-s", type=float, default=3.0, help="seconds until a slow answer")
    parser.add_argument("--rate-per-s", type=float, default=DEFAULT_RATE_PER_S, help="rate limit of each server")
    parser.add_argument("--burst", type=int, default=DEFAULT_BURST, help="requests allowed at once")
    parser.add_argument("--state", type=Path, help="folder to keep the records in; default: memory")
    return parser.parse_args()


def _named_port(given: str) -> tuple[str, int]:
    name, _, port = given.partition("=")
    if name not in SYSTEMS:
        raise argparse.ArgumentTypeError(f"'{name}' is none of {', '.join(SYSTEMS)}")
    return name, int(port or 0)


def _with_cut(app: ASGIApp, transport: asyncio.Transport) -> ASGIApp:
    async def cuttable(scope: Scope, receive: Receive, send: Send) -> None:
        extensions = scope.get("extensions", {}) | {CUT: transport.abort}
        await app({**scope, "extensions": extensions}, receive, send)

    return cuttable


def _server(app: FastAPI) -> Server:
    return Server(uvicorn.Config(app, http=CuttableProtocol, ws="none", log_level="warning", access_log=False))


def _limit(options: argparse.Namespace) -> TokenBucket:
    return TokenBucket(options.rate_per_s, options.burst)


def _file(folder: Path | None, name: str) -> Path | None:
    if folder is None:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{name}.sqlite"


def _bound(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    return listener


def _address(listener: socket.socket) -> str:
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


def _announce(addresses: dict[str, str]) -> None:
    sys.stdout.write(json.dumps(addresses) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
