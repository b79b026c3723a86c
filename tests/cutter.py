"""A TCP proxy on loopback that breaks connections after any byte, whatever they speak."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

Way = Literal["sent", "received"]
"""From the client to the server, or back."""


@dataclass
class Cutter:
    """Stands at `port` in front of a server.

    Attributes:
        cuts: for the next connections, in order: which way, and after how many bytes it breaks.
        passed: of each connection, in order, the bytes that went each way so far.
    """

    port: int = 0
    cuts: list[tuple[Way, int]] = field(default_factory=list)
    passed: list[dict[Way, int]] = field(default_factory=list)


@asynccontextmanager
async def cutter(upstream: int) -> AsyncIterator[Cutter]:
    """A proxy for the block, in front of the server at port `upstream` of this machine."""
    mine = Cutter()
    under_way: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        way, after = mine.cuts.pop(0) if mine.cuts else ("sent", -1)
        there, back = await asyncio.open_connection("127.0.0.1", upstream)
        for side in (writer, back):
            side.transport.set_write_buffer_limits(high=0)  # so that `drain` returns when all is sent
        passed: dict[Way, int] = {"sent": 0, "received": 0}
        mine.passed.append(passed)

        async def pump(this: Way, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
            while chunk := await source.read(65_536):
                room = after - passed[this] if way == this and after >= 0 else len(chunk)
                passed[this] += min(room, len(chunk))
                target.write(chunk[:room])
                await target.drain()
                if room < len(chunk):
                    return

        pumps = {
            asyncio.create_task(pump("sent", reader, back)),
            asyncio.create_task(pump("received", there, writer)),
        }
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in pumps:
                one.cancel()
            back.transport.abort()
            writer.transport.abort()
            await asyncio.gather(*pumps, return_exceptions=True)

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not server.is_serving():  # it was coming in when the server closed
            writer.transport.abort()
            return
        task = asyncio.create_task(serve(reader, writer))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
        task.add_done_callback(lambda _: writer.transport.abort())  # also where it was cancelled before it began

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    mine.port = server.sockets[0].getsockname()[1]
    try:
        yield mine
    finally:
        server.close()
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
