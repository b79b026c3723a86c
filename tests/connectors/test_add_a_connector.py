"""The connector that docs/how-to/add-a-connector.md shows passes the kit, as it is printed there."""

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator, Sequence
from itertools import count
from pathlib import Path
from types import ModuleType
from urllib.parse import parse_qs, urlsplit

import h11
import pytest

from connectors.contract import Key, NetworkContract, NetworkSubject, Stored
from connectors.sandbox.proxy import Proxy
from connectors.sandbox.wire import Request, read_request
from connectors.spec import TIMEOUT_S
from domain.delivery import Operation

PAGE = Path(__file__).parents[2] / "docs/how-to/add-a-connector.md"
KEY = Key("INTERLOCK_TINY_TOKEN", "tiny-the-key-itself")


@pytest.fixture(scope="module")
def tiny() -> ModuleType:
    [connector, _, _] = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    module = ModuleType("tiny")
    sys.modules["tiny"] = module  # pydantic looks its annotations up there
    exec(connector, vars(module))  # noqa: S102 - our own page
    return module


class Desk:
    """Tiny Desk: tickets by reference."""

    def __init__(self) -> None:
        self.tickets: list[dict[str, str]] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while request := await read_request(reader, writer, b""):
                body = json.dumps(self.answer(request)).encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        except h11.RemoteProtocolError:
            pass  # a request that was cut
        finally:
            writer.close()

    def answer(self, request: Request) -> object:
        if request.method == "GET":
            [reference] = parse_qs(urlsplit(request.path).query)["reference"]
            return {"tickets": [ticket for ticket in self.tickets if ticket["reference"] == reference]}
        ticket = json.loads(b"".join(event.data for event in request.events if isinstance(event, h11.Data)))
        self.tickets.append({"id": str(len(self.tickets) + 1), **ticket})
        return self.tickets[-1]


class TestTinyDesk(NetworkContract):
    @pytest.fixture
    async def subject(self, tiny: ModuleType) -> AsyncIterator[NetworkSubject]:
        desk, numbers = Desk(), count(1)
        server = await asyncio.start_server(desk.serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]

        def fresh() -> Operation:
            number = next(numbers)
            return Operation(
                operation_id=f"op-{number}",
                item_id=f"item-{number}",
                policy="support",
                destination="desk",
                system="tiny_desk",
                record_key=f"record-{number}",
                values={"subject": "Refund", "body": "Please"},
            )

        async def stored(operation: Operation) -> Sequence[Stored]:
            return [Stored(ticket) for ticket in desk.tickets if ticket["reference"] == operation.operation_id]

        async with Proxy(f"http://127.0.0.1:{port}") as proxy:
            values = {"INTERLOCK_TINY_URL": proxy.url, KEY.variable: KEY.secret, TIMEOUT_S.name: "10"}
            destination = tiny.SPEC.open(values)
            yield NetworkSubject(
                destination=destination,
                proxy=proxy,
                fresh=fresh,
                stored=stored,
                text="body",
                refused=("colour", "red"),
                key=KEY,
            )
            await destination.aclose()
        server.close()
