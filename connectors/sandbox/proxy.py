"""A proxy on loopback, in front of any HTTP/1.1 server, that makes the network fail at any byte.

It takes each request whole, passes its very bytes on, takes the answer whole and passes its
bytes back; a rule can spoil any part of that. So a test knows, without waiting for anything,
on which side of the failure the server has acted: what it was sent whole, it has answered
before the client learns of the failure, but for a `Late` request.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Self, assert_never
from urllib.parse import urlsplit

import h11

from connectors.sandbox.wire import NOTHING, Reply, Request, read_reply, read_request


@dataclass(frozen=True)
class CutRequest:
    """The connection breaks after `after` bytes of the request; the server never sees the rest.

    A request of no more than `after` bytes arrives whole, is acted on, and its answer is lost.
    """

    after: int


@dataclass(frozen=True)
class CutAnswer:
    """The server acts, and the connection breaks after `after` bytes of its answer."""

    after: int


@dataclass(frozen=True)
class Late:
    """The connection breaks, and the server gets the whole request only once it `may` go on.

    `acted` is set when the server has answered, to nobody.
    """

    may: asyncio.Event = field(default_factory=asyncio.Event)
    acted: asyncio.Event = field(default_factory=asyncio.Event)

    async def happens(self) -> None:
        """Let the server act now."""
        self.may.set()
        await self.acted.wait()


@dataclass(frozen=True)
class Hang:
    """No answer ever comes; with `acted`, though the server has acted. `began` is set once that is so."""

    acted: bool = False
    began: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True)
class Answer:
    """The proxy answers in the server's place, which never sees the request."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    def raw(self) -> bytes:
        """As it is sent."""
        headers = {"Content-Length": str(len(self.body)), **self.headers}
        lines = [f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}", *map(": ".join, headers.items())]
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + self.body


@dataclass(frozen=True)
class Delay:
    """The request waits for `seconds`, then passes."""

    seconds: float


@dataclass(frozen=True)
class Meanwhile:
    """Something happens elsewhere just before the server gets the request, which then passes."""

    happens: Callable[[], Awaitable[None]]


WireFault = CutRequest | CutAnswer | Late | Hang | Answer | Delay | Meanwhile
"""What can happen to a request on its way; closed."""


@dataclass
class Rule:
    """A fault for the next requests that match.

    Attributes:
        times: how many requests it strikes; None for all to come.
        skip: how many it lets pass first.
        where: whether a request matches, by its method and its path with the query.
        struck: how many it has struck.
    """

    fault: WireFault
    times: int | None = 1
    skip: int = 0
    where: Callable[[str, str], bool] = lambda _method, _path: True
    struck: int = 0

    def takes(self, method: str, path: str) -> bool:
        """Whether it strikes this request; counts it."""
        if (self.times is not None and self.struck >= self.times) or not self.where(method, path):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.struck += 1
        return True


@dataclass(frozen=True)
class Seen:
    """A request that came whole, and the whole answer to it, whatever of that was passed back.

    Attributes:
        request: its bytes.
        answer: its bytes; none if there was no answer.
    """

    method: str
    path: str
    request: bytes
    answer: bytes
    fault: WireFault | None


class Proxy:
    """Stands at `url` in front of the server at `upstream`; an asynchronous context manager.

    Attributes:
        seen: the requests so far, in the order in which they were done with.
    """

    def __init__(self, upstream: str) -> None:
        address = urlsplit(upstream)
        self._upstream = (address.hostname or "127.0.0.1", address.port or 80)
        # Bound and not listening: keeps the port ours while connections to it are refused.
        self._reserved = _bound(0)
        self._port: int = self._reserved.getsockname()[1]
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._late: list[asyncio.Task[None]] = []
        self._rules: list[Rule] = []
        self.seen: list[Seen] = []

    @property
    def url(self) -> str:
        """Where clients reach it."""
        return f"http://127.0.0.1:{self._port}"

    def next(
        self,
        fault: WireFault,
        *,
        times: int | None = 1,
        skip: int = 0,
        where: Callable[[str, str], bool] = lambda _method, _path: True,
    ) -> Rule:
        """Let `fault` strike the next requests that match (see `Rule`); of several rules the first that takes it."""
        rule = Rule(fault, times, skip, where)
        self._rules.append(rule)
        return rule

    def clear(self) -> None:
        """Let everything pass again."""
        self._rules.clear()

    @contextlib.asynccontextmanager
    async def refusing(self) -> AsyncIterator[None]:
        """Break the open connections and refuse new ones for so long."""
        await self._stop()
        try:
            yield
        finally:
            await self._listen()

    async def __aenter__(self) -> Self:
        """Listen."""
        await self._listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Break every connection; raises what a rule's `Meanwhile` raised."""
        try:
            await self._stop()
        finally:
            self._reserved.close()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, sock=_bound(self._port))

    async def _stop(self) -> None:
        if self._server is not None:
            self._server.close()
        connections = [*self._connections, *self._late]
        for connection in connections:
            connection.cancel()
        for ended in await asyncio.gather(*connections, return_exceptions=True):
            if isinstance(ended, Exception):
                raise ended

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._server is None or not self._server.is_serving():  # it was coming in when `_stop` closed the server
            writer.transport.abort()
            return
        connection = asyncio.create_task(self._serve(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._forget)
        connection.add_done_callback(lambda _: writer.transport.abort())  # also of one cancelled before it began

    def _forget(self, connection: asyncio.Task[None]) -> None:
        if connection.cancelled() or connection.exception() is None:  # a failed one is kept for `_stop` to raise
            self._connections.discard(connection)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection until either side ends it."""
        writer.transport.set_write_buffer_limits(high=0)  # so that `drain` returns when all is sent
        rest = b""
        try:
            while (request := await read_request(reader, writer, rest)) is not None:
                answer = await self._exchange(request, reader)
                writer.write(answer.raw)
                await writer.drain()
                if answer.last:
                    break
                rest = request.rest
        except (h11.RemoteProtocolError, OSError):
            pass  # the client went away in the middle, or speaks no HTTP

    async def _exchange(self, request: Request, reader: asyncio.StreamReader) -> Reply:
        """What the client gets for a request."""
        fault = next((rule.fault for rule in self._rules if rule.takes(request.method, request.path)), None)
        match fault:
            case None:
                answer = passed = await self._forwarded(request)
            case Delay(seconds=seconds):
                await asyncio.sleep(seconds)
                answer = passed = await self._forwarded(request)
            case Meanwhile(happens=happens):
                await happens()
                answer = passed = await self._forwarded(request)
            case Answer():
                answer = passed = Reply(fault.raw(), last=request.last)
            case CutAnswer(after=after):
                answer = await self._forwarded(request)
                passed = Reply(answer.raw[:after], last=True)
            case CutRequest(after=after) if after < len(request.raw):
                answer = passed = await self._cut_short(request, after)
            case CutRequest():
                answer = await self._forwarded(request)
                passed = NOTHING
            case Late():
                self._late.append(asyncio.create_task(self._later(request, fault)))
                answer = passed = NOTHING
            case Hang(acted=acted, began=began):
                answer = await self._forwarded(request) if acted else NOTHING
                began.set()
                await reader.read()  # until the client gives up
                passed = NOTHING
            case other:
                assert_never(other)
        self.seen.append(Seen(request.method, request.path, request.raw, answer.raw, fault))
        return passed

    async def _later(self, request: Request, late: Late) -> None:
        await late.may.wait()
        await self._forwarded(request)
        late.acted.set()

    async def _forwarded(self, request: Request) -> Reply:
        """The server's whole answer; what came of it if the server breaks off or cannot be reached."""
        raw = bytearray()
        try:
            reader, writer = await asyncio.open_connection(*self._upstream)
            try:
                writer.write(request.raw)
                last = await read_reply(reader, request.events, raw)
            finally:
                writer.transport.abort()
        except (h11.RemoteProtocolError, OSError):
            last = True
        return Reply(bytes(raw), last=last or request.last)

    async def _cut_short(self, request: Request, after: int) -> Reply:
        """Send the server the beginning of a request, and break off."""
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection(*self._upstream)
            try:
                writer.transport.set_write_buffer_limits(high=0)
                writer.write(request.raw[:after])
                await writer.drain()
            finally:
                writer.transport.abort()
        return NOTHING


def _bound(port: int) -> socket.socket:
    """A socket on loopback; several may share a port, of which only those that listen get connections."""
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.bind(("127.0.0.1", port))
    return bound
