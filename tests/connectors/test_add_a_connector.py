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
from connectors.kept import Changed, Page, Record
from connectors.reading import unread
from connectors.sandbox.proxy import Proxy
from connectors.sandbox.wire import Request, read_request
from connectors.spec import TIMEOUT_S, KeptSpec
from domain.delivery import Operation
from domain.errors import Unavailable

PAGE = Path(__file__).parents[2] / "docs/how-to/add-a-connector.md"
KEY = Key("INTERLOCK_TINY_TOKEN", "tiny-the-key-itself")


@pytest.fixture(scope="module")
def tiny() -> ModuleType:
    [connector, _, _, kept] = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    module = ModuleType("tiny")
    sys.modules["tiny"] = module  # pydantic looks its annotations up there
    vars(module).update(Sequence=Sequence, Changed=Changed, Page=Page, Record=Record, unread=unread, KeptSpec=KeptSpec)
    exec(connector, vars(module))  # noqa: S102 - our own page
    exec(kept, vars(module))  # noqa: S102
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
            asked = parse_qs(urlsplit(request.path).query)
            return {"tickets": [ticket for ticket in self.tickets if _is_asked_for(ticket, asked)][: _most(asked)]}
        ticket = json.loads(b"".join(event.data for event in request.events if isinstance(event, h11.Data)))
        self.tickets.append({"id": str(len(self.tickets) + 1), **ticket})
        return self.tickets[-1]


def _is_asked_for(ticket: dict[str, str], asked: dict[str, list[str]]) -> bool:
    if "reference" in asked:
        return ticket["reference"] in asked["reference"]
    if "ids" in asked:
        return ticket["id"] in asked["ids"][0].split(",")
    return int(ticket["id"]) > int(asked.get("after", ["0"])[0])


def _most(asked: dict[str, list[str]]) -> int | None:
    return int(asked["limit"][0]) if "limit" in asked else None


async def test_the_tiny_desk_can_be_kept_in_step(tiny: ModuleType) -> None:
    desk = Desk()
    server = await asyncio.start_server(desk.serve, "127.0.0.1", 0)
    values = {
        "INTERLOCK_TINY_URL": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}",
        KEY.variable: KEY.secret,
        TIMEOUT_S.name: "10",
    }
    desk.tickets = [{"id": str(number), "reference": f"op-{number}", "subject": "Refund"} for number in (1, 2, 3)]
    kept = tiny.KEPT.open(values, {}, ["subject", "fax"])

    first = await kept.page("", 2)
    last = await kept.page(first.after, 2)
    read = await kept.read(["3", "9"])
    changed = await kept.changed("", 2)
    server.close()
    with pytest.raises(Unavailable):
        async with Proxy(values["INTERLOCK_TINY_URL"]) as proxy, proxy.refusing():
            await tiny.KEPT.open(values | {"INTERLOCK_TINY_URL": proxy.url}, {}, []).read(["3"])
    await kept.aclose()

    assert [record.external_id for record in (*first.records, *last.records)] == ["1", "2", "3"]
    assert (first.after, last.after) == ("2", "")
    assert read == {"3": Record("3", {"subject": "Refund"}, operation_id="op-3"), "9": None}
    assert changed == Changed(("1", "2"), "2", more=True)


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
