"""Where one HTTP/1.1 message ends and the next begins, on a connection whose bytes are to be kept as they are."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus

import h11

LONGEST_HEAD = 1_048_576
"""Bytes of a request's line and headers: searches carry long texts in their addresses."""
CHUNK = 65_536


@dataclass(frozen=True)
class Request:
    """A whole request.

    Attributes:
        events: what it consists of.
        path: with the query.
        last: whether the client wants the connection closed after it.
        rest: what came after it on the connection.
    """

    raw: bytes
    events: list[h11.Event]
    method: str
    path: str
    last: bool
    rest: bytes


@dataclass(frozen=True)
class Reply:
    """An answer, or what came of it, and whether the connection ends with it."""

    raw: bytes
    last: bool


NOTHING = Reply(b"", last=True)


async def read_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, raw: bytes) -> Request | None:
    """The next request on a connection of which `raw` was read already; None when there is none.

    Raises:
        h11.RemoteProtocolError: it broke off, or is no HTTP.
    """
    parser = h11.Connection(h11.SERVER, max_incomplete_event_size=LONGEST_HEAD)
    if raw:
        parser.receive_data(raw)
    events: list[h11.Event] = []
    while True:
        match parser.next_event():
            case h11.NEED_DATA:
                if parser.they_are_waiting_for_100_continue:
                    go_on = parser.send(h11.InformationalResponse(status_code=HTTPStatus.CONTINUE, headers=[]))
                    writer.write(go_on or b"")
                received = await reader.read(CHUNK)
                parser.receive_data(received)
                raw += received
            case h11.EndOfMessage() as end:
                events.append(end)
                break
            case h11.Request() | h11.Data() as event:
                events.append(event)
            case _:
                return None
    head = events[0]
    if not isinstance(head, h11.Request):
        return None
    rest, _ = parser.trailing_data
    last = parser.their_state is h11.MUST_CLOSE
    method, path = head.method.decode("latin-1"), head.target.decode("latin-1")
    return Request(raw[: len(raw) - len(rest)], events, method, path, last, bytes(rest))


async def read_reply(reader: asyncio.StreamReader, request: Iterable[h11.Event], raw: bytearray) -> bool:
    """Read an answer whole into `raw`; returns whether the server closes the connection after it.

    Raises:
        h11.RemoteProtocolError: it broke off, or is no HTTP.
    """
    parser = h11.Connection(h11.CLIENT, max_incomplete_event_size=LONGEST_HEAD)
    for event in request:  # the parser must know what was asked: an answer to HEAD has no body
        parser.send(event)
    while True:
        match parser.next_event():
            case h11.NEED_DATA:
                received = await reader.read(CHUNK)
                parser.receive_data(received)
                raw += received
            case h11.EndOfMessage():
                return parser.their_state is not h11.DONE
            case h11.InformationalResponse() | h11.Response() | h11.Data():
                continue
            case _:
                return True
