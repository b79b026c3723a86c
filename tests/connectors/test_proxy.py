"""The fault proxy: what reaches the server, what reaches the client, and when the server has acted."""

import asyncio
import contextlib
import gc
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx
import pytest

from connectors.sandbox.proxy import (
    Answer,
    CutAnswer,
    CutRequest,
    Delay,
    Hang,
    Meanwhile,
    Proxy,
)

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"
UNTIL_CLOSED = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello"


@dataclass
class Upstream:
    """Keeps the bytes of each connection, and answers what is whole: a GET's head, a body that ends in "end"."""

    port: int = 0
    answer: bytes = OK
    received: list[bytes] = field(default_factory=list)
    connections_closed: int = 0
    acted: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = len(self.received)
        self.received.append(b"")
        while some := await reader.read(65_536):
            self.received[number] += some
            whole = (b"end", b"\r\n\r\n" if self.received[number].startswith(b"GET ") else b"\r\n0\r\n\r\n")
            if self.received[number].endswith(whole):
                self.acted += 1
                writer.write(self.answer)
                if self.answer is UNTIL_CLOSED:
                    break
        writer.close()
        self.connections_closed += 1


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    kept = Upstream()
    server = await asyncio.start_server(kept.serve, "127.0.0.1", 0)
    kept.port = server.sockets[0].getsockname()[1]
    yield kept
    server.close()


@pytest.fixture
async def proxy(upstream: Upstream) -> AsyncIterator[Proxy]:
    async with Proxy(f"http://127.0.0.1:{upstream.port}") as proxy:
        yield proxy


@pytest.fixture
async def client(proxy: Proxy) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=proxy.url, trust_env=False, timeout=10) as client:
        yield client


async def noticed(upstream: Upstream, *, closed: int = 0, acted: int = 0) -> None:
    """Wait until the server has seen so many connections end and acted so many times."""
    async with asyncio.timeout(10):
        while upstream.connections_closed < closed or upstream.acted < acted:  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0.001)


async def post(client: httpx.AsyncClient) -> httpx.Response:
    return await client.post("/leads?x=1", content=b"the end")


async def request_bytes(client: httpx.AsyncClient, proxy: Proxy) -> int:
    await post(client)
    return len(proxy.seen[-1].request)


async def test_without_rules_everything_passes_as_it_is(
    client: httpx.AsyncClient, proxy: Proxy, upstream: Upstream
) -> None:
    response = await post(client)

    assert (response.status_code, response.text) == (200, "hello")
    assert upstream.received[0].startswith(b"POST /leads?x=1 HTTP/1.1\r\n")
    [seen] = proxy.seen
    assert (seen.method, seen.path, seen.fault) == ("POST", "/leads?x=1", None)
    assert (seen.request, seen.answer) == (upstream.received[0], OK)


@pytest.mark.parametrize("answer", [OK, CHUNKED, UNTIL_CLOSED], ids=["length", "chunked", "until closed"])
async def test_answers_end_where_they_say_and_more_requests_follow(
    client: httpx.AsyncClient, proxy: Proxy, upstream: Upstream, answer: bytes
) -> None:
    upstream.answer = answer

    assert [(await post(client)).text for _ in range(3)] == ["hello"] * 3
    assert [seen.answer for seen in proxy.seen] == [answer] * 3


async def test_requests_in_chunks_pass_as_they_are(client: httpx.AsyncClient, upstream: Upstream) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"the"
        yield b" end"

    assert (await client.post("/", content=body())).text == "hello"
    assert upstream.received[0].endswith(b"3\r\nthe\r\n4\r\n end\r\n0\r\n\r\n")


async def test_several_requests_sent_at_once_on_one_connection_are_told_apart(proxy: Proxy) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(proxy.url.rpartition(":")[2]))
    writer.write(b"GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

    assert await reader.read() == OK + OK
    assert [seen.path for seen in proxy.seen] == ["/1", "/2"]
    writer.close()


async def test_a_client_that_asks_first_is_told_to_go_on(proxy: Proxy) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(proxy.url.rpartition(":")[2]))
    writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")

    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
    writer.close()


async def test_a_request_cut_at_any_byte_reaches_the_server_up_to_there(
    client: httpx.AsyncClient, proxy: Proxy, upstream: Upstream
) -> None:
    whole = await request_bytes(client, proxy)

    for after in range(whole):
        proxy.next(CutRequest(after))
        with pytest.raises(httpx.RemoteProtocolError):
            await post(client)
        await noticed(upstream, closed=after + 2)

    assert [len(received) for received in upstream.received[1:]] == list(range(whole))
    assert upstream.received[1:] == [upstream.received[0][:after] for after in range(whole)]
    assert upstream.acted == 1


async def test_a_request_cut_after_its_end_has_been_acted_on(
    client: httpx.AsyncClient, proxy: Proxy, upstream: Upstream
) -> None:
    whole = await request_bytes(client, proxy)
    proxy.next(CutRequest(whole))

    with pytest.raises(httpx.RemoteProtocolError):
        await post(client)

    assert upstream.acted == 2


async def test_an_answer_cut_at_any_byte_reaches_the_client_up_to_there(proxy: Proxy, upstream: Upstream) -> None:
    port = int(proxy.url.rpartition(":")[2])

    for after in range(len(OK) + 1):
        proxy.next(CutAnswer(after))
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert await reader.read() == OK[:after]
        assert upstream.acted == after + 1
        writer.close()


@pytest.mark.parametrize("acted", [False, True])
async def test_a_hang_gives_no_answer_and_says_when_it_has_begun(
    client: httpx.AsyncClient, proxy: Proxy, upstream: Upstream, acted: bool
) -> None:
    hang = Hang(acted)
    proxy.next(hang)
    asking = asyncio.create_task(post(client))

    await hang.began.wait()

    assert (asking.done(), upstream.acted) == (False, int(acted))
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert (await post(client)).text == "hello"


async def test_refused_connections_break_open_ones_too_and_come_back(client: httpx.AsyncClient, proxy: Proxy) -> None:
    await post(client)

    async with proxy.refusing():
        with pytest.raises(httpx.ConnectError):
            await post(client)

    assert (await post(client)).text == "hello"


async def test_an_answer_of_its_own_never_reaches_the_server_and_keeps_the_connection(
    client: httpx.AsyncClient, proxy: Proxy, upstream: Upstream
) -> None:
    proxy.next(Answer(429, b"slow down", {"Retry-After": "7"}))

    throttled = await post(client)

    assert (throttled.status_code, throttled.text, throttled.headers["Retry-After"]) == (429, "slow down", "7")
    assert upstream.acted == 0
    assert (await post(client)).text == "hello"


async def test_a_delayed_request_passes(client: httpx.AsyncClient, proxy: Proxy) -> None:
    proxy.next(Delay(0.001))

    assert (await post(client)).text == "hello"


async def test_something_happens_elsewhere_before_the_server_gets_the_request(
    client: httpx.AsyncClient, proxy: Proxy, upstream: Upstream
) -> None:
    acted: list[int] = []

    async def happens() -> None:
        acted.append(upstream.acted)

    proxy.next(Meanwhile(happens), times=2)
    for _ in range(3):
        await post(client)

    assert acted == [0, 1]


async def test_what_fails_meanwhile_is_not_lost() -> None:
    async def happens() -> None:
        raise LookupError("no such record")

    proxy = await Proxy("http://127.0.0.1:9").__aenter__()
    proxy.next(Meanwhile(happens))
    async with httpx.AsyncClient(trust_env=False) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(proxy.url)

    with pytest.raises(LookupError, match="no such record"):
        await proxy.__aexit__()


async def test_rules_strike_so_many_requests_that_match_after_so_many_and_are_counted(
    client: httpx.AsyncClient, proxy: Proxy
) -> None:
    searches = proxy.next(Answer(503), times=2, skip=1, where=lambda method, path: (method, path) == ("GET", "/find"))
    for_ever = proxy.next(Answer(500), times=None, where=lambda method, _path: method == "PUT")

    found = [(await client.get("/find")).status_code for _ in range(5)]
    put = [(await client.put("/")).status_code for _ in range(3)]

    assert found == [200, 503, 503, 200, 200]
    assert put == [500, 500, 500]
    assert (await post(client)).status_code == 200
    assert (searches.struck, for_ever.struck) == (2, 3)


async def test_rules_take_turns_in_the_order_in_which_they_were_given(client: httpx.AsyncClient, proxy: Proxy) -> None:
    for status in (503, 500):
        proxy.next(Answer(status))

    assert [(await post(client)).status_code for _ in range(3)] == [503, 500, 200]


async def test_cleared_rules_strike_no_more(client: httpx.AsyncClient, proxy: Proxy) -> None:
    proxy.next(Answer(500), times=None)
    proxy.clear()

    assert (await post(client)).status_code == 200


async def test_a_server_that_breaks_off_or_is_not_there_looks_so_to_the_client(
    client: httpx.AsyncClient, proxy: Proxy, upstream: Upstream
) -> None:
    upstream.answer = OK[:-1]
    asking = asyncio.create_task(post(client))
    await noticed(upstream, acted=1)
    assert not asking.done()
    asking.cancel()

    async with Proxy("http://127.0.0.1:9") as nowhere, httpx.AsyncClient(trust_env=False) as lost:
        with pytest.raises(httpx.RemoteProtocolError):
            await lost.get(nowhere.url)


async def test_what_is_no_http_is_hung_up_on(proxy: Proxy) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(proxy.url.rpartition(":")[2]))
    writer.write(b"what is this\r\n\r\n")

    assert await reader.read() == b""
    assert proxy.seen == []
    writer.close()


@pytest.mark.parametrize("turns", range(8))
async def test_whoever_has_only_just_come_in_when_it_ends_is_hung_up_on_too(upstream: Upstream, turns: int) -> None:
    async with Proxy(f"http://127.0.0.1:{upstream.port}") as proxy:
        client = socket.create_connection(
            ("127.0.0.1", int(proxy.url.rpartition(":")[2]))
        )  # without a turn of the loop
        for _ in range(turns):
            await asyncio.sleep(0)
    for _ in range(8):
        await asyncio.sleep(0)
    gc.collect()  # asyncio leaves to it what it has accepted and not begun when its server closes
    with client, contextlib.suppress(ConnectionResetError):
        client.setblocking(False)
        async with asyncio.timeout(5):
            assert await asyncio.get_running_loop().sock_recv(client, 1) == b""
