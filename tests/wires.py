"""A wire to a PostgreSQL server that is cut at the worst moments."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import make_url


class Cut(StrEnum):
    """When the wire is cut."""

    BEFORE_INSERT = "before the insert arrives"
    BEFORE_COMMIT = "before the commit arrives"
    AFTER_COMMIT = "after the commit arrived, before its answer"


@dataclass
class Wire:
    """The server's URL by way of the wire, and when its connections are cut; None for never."""

    url: str = ""
    cut: Cut | None = None

    @contextmanager
    def cutting(self, cut: Cut) -> Iterator[None]:
        """Cut connections within the block."""
        self.cut = cut
        try:
            yield
        finally:
            self.cut = None


@asynccontextmanager
async def wire(url: str) -> AsyncIterator[Wire]:
    """A relay to the server at `url`."""
    there, cable = make_url(url), Wire()
    relays = []

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        relays.append(asyncio.current_task())
        their_reader, their_writer = await asyncio.open_connection(there.host, there.port)
        answers = asyncio.create_task(_pass_on(their_reader, writer))
        while request := await reader.read(65536):
            if b"INSERT" in request and cable.cut is Cut.BEFORE_INSERT:
                break
            if b"COMMIT" in request and cable.cut in (Cut.BEFORE_COMMIT, Cut.AFTER_COMMIT):
                if cable.cut is Cut.AFTER_COMMIT:
                    await _end(answers)
                    their_writer.write(request)
                    await their_reader.read(65536)
                break
            their_writer.write(request)
        await _end(answers)
        for side in (writer, their_writer):
            side.transport.abort()
            with suppress(ConnectionError):
                await side.wait_closed()

    server = await asyncio.start_server(relay, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        cable.url = there.set(host="127.0.0.1", port=port).render_as_string(hide_password=False)
        yield cable
    await asyncio.gather(*relays)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while answer := await reader.read(65536):
        writer.write(answer)
