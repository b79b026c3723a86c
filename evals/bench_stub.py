"""What a benchmark asks and writes to: `python -m evals.bench_stub LATENCY_MS`.

A model's endpoint that answers at once, or after so many milliseconds, with log-probabilities; and a system
that takes records under idempotency keys. A process of its own, that prints its address and ends with its
standard input. It takes as little of the machine as it can, since the machine is what is measured.

    POST /v1/chat/completions   an answer to the ticket that the last message names; see `evals.bench_work`
    POST /records               needs Idempotency-Key and external_id: 201 with the id, the same key again 200
    GET  /records               what was written: each record's external id, and how many posts there were
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from math import log
from typing import Any

from evals.bench_work import LABEL, confidence, number_of

_OTHERS = ("access", "none_of_these")
_LONGEST = 1_000_000
"""Bytes of a request's head."""

Answer = tuple[int, object]


class Stub:
    """Both systems, in memory."""

    def __init__(self, latency_s: float) -> None:
        self._latency_s = latency_s
        self._records: dict[str, str] = {}
        self._posts = 0

    async def answer(self, method: str, path: str, headers: dict[bytes, bytes], body: bytes) -> Answer:
        """Status and JSON of an answer."""
        match method, path:
            case "POST", "/v1/chat/completions":
                time = asyncio.get_running_loop().time
                due_at = time() + self._latency_s
                said = completion(json.loads(body))
                if self._latency_s:
                    await asyncio.sleep(due_at - time())
                return 200, said
            case "POST", "/records":
                return self._written(headers.get(b"idempotency-key", b"").decode(), json.loads(body))
            case "GET", "/records":
                return 200, {"records": list(self._records.values()), "posts": self._posts}
            case _:
                return 404, {"error": {"message": f"no {method} {path} here"}}

    def _written(self, key: str, body: dict[str, Any]) -> Answer:
        if not key or "external_id" not in body:
            return 400, {"error": {"message": "Idempotency-Key or external_id is missing"}}
        self._posts += 1
        status = 200 if key in self._records else 201
        self._records.setdefault(key, str(body["external_id"]))
        return status, {"id": key}


def completion(asked: dict[str, Any]) -> dict[str, Any]:
    """The chat completion about the ticket that the last message names."""
    sure = confidence(number_of(asked["messages"][-1]["content"]))
    shares = {LABEL: sure} | dict.fromkeys(_OTHERS, (1 - sure) / len(_OTHERS))
    choice = [_token(f'{label}"', share) for label, share in shares.items()]
    certain = [_token(text, 1.0) for text in ('{"', "label", '":', ' "')]
    tokens = [*certain, choice[0] | {"top_logprobs": choice}, _token("}", 1.0)]
    said = {"role": "assistant", "content": json.dumps({"label": LABEL})}
    return {
        "id": "chatcmpl-bench",
        "object": "chat.completion",
        "created": 0,
        "model": asked["model"],
        "choices": [{"index": 0, "finish_reason": "stop", "message": said, "logprobs": {"content": tokens}}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 6, "total_tokens": 106},
    }


def _token(text: str, share: float) -> dict[str, Any]:
    shown = {"token": text, "logprob": log(share), "bytes": None}
    return shown | {"top_logprobs": [shown]}


async def _serve(
    answer: Callable[[str, str, dict[bytes, bytes], bytes], Awaitable[Answer]],
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    """HTTP/1.1 on one connection, until whoever asks goes."""
    try:
        while True:
            first, *lines = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
            body = await reader.readexactly(int(headers.get(b"content-length", b"0")))
            method, path, _ = first.decode("latin1").split(" ")
            status, said = await answer(method, path, headers, body)
            content = json.dumps(said).encode()
            head = f"HTTP/1.1 {status} -\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
            writer.write(head.encode() + content)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main(latency_ms: float) -> None:
    """Serve until the standard input ends."""
    stub = Stub(latency_ms / 1000)
    server = await asyncio.start_server(lambda *pair: _serve(stub.answer, *pair), "127.0.0.1", limit=_LONGEST)
    async with server:
        sys.stdout.write(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1])))
