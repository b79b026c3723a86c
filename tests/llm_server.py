"""A language model's endpoint, for chat and embeddings, on loopback that answers what a test scripted.

    with llm_server(Status(429, {"Retry-After": "2"}), Label("billing", 0.8)) as server:
        OpenAICompatible(server.base_url, "scripted", "a key")

It listens on a real socket, so other processes can ask it too. As a program of its own,
`python tests/llm_server.py billing --probability 0.8` prints its base URL and answers until
its standard input ends.
"""

import json
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from math import log
from threading import Event, Lock, Thread
from typing import Any, assert_never

Body = dict[str, Any]
"""A request's body, as JSON gives it."""

PROMPT_TOKENS, COMPLETION_TOKENS, CACHED_TOKENS = 100, 8, 60
"""What every answer says that it cost."""

_LEAST = 1e-9
"""The smallest probability that is given a logarithm."""
_DRIP_S = 0.05


@dataclass(frozen=True)
class Label:
    """A usable answer; the labels that the request offers share what `probability` leaves."""

    label: str
    probability: float = 0.99
    logprobs: bool = True


@dataclass(frozen=True)
class Text:
    """An answer letter by letter.

    Attributes:
        tokens: each token with the log-probabilities of its alternatives, itself included;
            they need not spell `text`. None is an endpoint without log-probabilities.
    """

    text: str | None
    tokens: Sequence[tuple[str, Mapping[str, float]]] | None = None
    finish_reason: str = "stop"


@dataclass(frozen=True)
class Call:
    """An answer that wants a tool called."""

    tool: str
    arguments: str = "{}"


@dataclass(frozen=True)
class Vectors:
    """Embeddings, one a text, listed from the last to the first as an endpoint may."""

    rows: Sequence[Sequence[float]]


@dataclass(frozen=True)
class Status:
    """An answer without a completion."""

    code: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = '{"error": {"message": "as scripted"}}'
    content_type: str = "application/json"


@dataclass(frozen=True)
class Hang:
    """No answer until the server closes."""


@dataclass(frozen=True)
class Drip:
    """An answer whose white space never ends."""


@dataclass(frozen=True)
class Drop:
    """The connection closes without an answer, or in the middle of one."""

    midway: bool = False


Reply = Label | Text | Call | Vectors | Status | Hang | Drip | Drop
Script = Callable[[Body], Reply]


def cut_off(text: str = '{"label": "bil') -> Text:
    """An answer that ended at the token limit."""
    return Text(text, finish_reason="length")


def labels_offered(body: Body) -> list[str]:
    """The labels that a request's JSON schema allows."""
    label = body["response_format"]["json_schema"]["schema"]["properties"]["label"]
    return list(label["enum"]) if "enum" in label else [label["const"]]


def last_message(body: Body) -> str:
    """The text of a request's last message."""
    return str(body["messages"][-1]["content"])


def label_tokens(label: str, probability: float, labels: Sequence[str]) -> list[tuple[str, dict[str, float]]]:
    """Tokens of a JSON answer under which `label` has `probability` and the others share the rest.

    Args:
        labels: all of them; without another one the rest goes to a word that is no label.
    """
    others = [other for other in labels if other != label] or ["(no label)"]
    shares = {f'{other}"': (1 - probability) / len(others) for other in others} | {f'{label}"': probability}
    choice = {token: log(max(share, _LEAST)) for token, share in shares.items()}
    sure = [(token, {token: 0.0}) for token in ('{"', "label", '":', ' "')]
    return [*sure, (f'{label}"', choice), ("}", {"}": 0.0})]


class LlmServer:
    """What the server was asked, and where it is."""

    def __init__(self, script: Script) -> None:
        self.requests: list[Body] = []
        """Bodies, in the order of their arrival."""
        self.headers: list[dict[str, str]] = []
        """Headers, names in lower case."""
        self.closing = Event()
        self._script = script
        self._lock = Lock()
        self._http = _Http(("127.0.0.1", 0), _Handler)
        self._http.llm = self
        self.base_url = f"http://127.0.0.1:{self._http.server_port}/v1"

    def reply(self, body: Body, headers: dict[str, str]) -> Reply:
        """Note a request; one at a time asks the script."""
        with self._lock:
            self.requests.append(body)
            self.headers.append(headers)
            return self._script(body)

    def serve(self) -> None:
        """Answer until `close`."""
        self._http.serve_forever(poll_interval=0.02)

    def close(self) -> None:
        """Let go of everybody who waits, and free the port."""
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()


@contextmanager
def llm_server(*replies: Reply | Script) -> Iterator[LlmServer]:
    """A server for the block that gives these replies in turn and the last one from then on.

    A function among them is asked with the request's body, each time it is its turn.
    """
    left = list(replies)

    def script(body: Body) -> Reply:
        reply = left.pop(0) if len(left) > 1 else left[0]
        return reply(body) if callable(reply) else reply

    server = LlmServer(script)
    thread = Thread(target=server.serve)
    thread.start()
    try:
        yield server
    finally:
        server.close()
        thread.join()


class _Http(ThreadingHTTPServer):
    daemon_threads = False  # closing waits for every answer, so that no socket outlives a test
    llm: LlmServer


class _Handler(BaseHTTPRequestHandler):
    server: _Http

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        headers = {name.lower(): value for name, value in self.headers.items()}
        if self.path not in ("/v1/chat/completions", "/v1/embeddings"):
            self._send(Status(404, body=f'{{"error": {{"message": "no {self.path} here"}}}}'))
            return
        with suppress(ConnectionError):  # whoever asked may have left
            self._give(self.server.llm.reply(body, headers), body)

    def _give(self, reply: Reply, body: Body) -> None:
        match reply:
            case Label():
                tokens = label_tokens(reply.label, reply.probability, labels_offered(body))
                text = Text(f'{{"label": "{reply.label}"}}', tokens if reply.logprobs else None)
                self._send(_completion(text, body))
            case Text():
                self._send(_completion(reply, body))
            case Call():
                self._send(_completion(Text(None, finish_reason="tool_calls"), body, reply))
            case Vectors():
                self._send(_embeddings(reply, body))
            case Status():
                self._send(reply)
            case Hang():
                self.server.llm.closing.wait()
            case Drip():
                self._drip()
            case Drop():
                if reply.midway:
                    self._send(Status(200, {"Content-Length": "1000"}, body='{"id": '))
            case _:
                assert_never(reply)

    def _send(self, status: Status) -> None:
        content = status.body.encode()
        self.send_response(status.code)
        told = {"Content-Type": status.content_type, "Content-Length": str(len(content)), **status.headers}
        for name, value in told.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def _drip(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        while not self.server.llm.closing.wait(_DRIP_S):
            self.wfile.write(b" ")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the standard library's name
        pass


def _completion(reply: Text, body: Body, call: Call | None = None) -> Status:
    asked_for_logprobs = bool(body.get("logprobs")) and reply.tokens is not None
    called = {"name": call.tool, "arguments": call.arguments} if call else {}
    calls = {"tool_calls": [{"id": "call-1", "type": "function", "function": called}]} if call else {}
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": reply.text} | calls,
        "finish_reason": reply.finish_reason,
        "logprobs": {"content": [_token(*token) for token in reply.tokens or ()]} if asked_for_logprobs else None,
    }
    usage = {
        "prompt_tokens": PROMPT_TOKENS,
        "completion_tokens": COMPLETION_TOKENS,
        "total_tokens": PROMPT_TOKENS + COMPLETION_TOKENS,
        "prompt_tokens_details": {"cached_tokens": CACHED_TOKENS},
    }
    completion = {
        "id": "chatcmpl-scripted",
        "object": "chat.completion",
        "created": 0,
        "model": body["model"],
        "choices": [choice],
        "usage": usage,
    }
    return Status(200, body=json.dumps(completion))


def _embeddings(reply: Vectors, body: Body) -> Status:
    data = [{"object": "embedding", "index": index, "embedding": list(row)} for index, row in enumerate(reply.rows)]
    usage = {"prompt_tokens": 8, "total_tokens": 8}
    return Status(200, body=json.dumps({"object": "list", "data": data[::-1], "model": body["model"], "usage": usage}))


def _token(text: str, alternatives: Mapping[str, float]) -> Body:
    top = [{"token": token, "logprob": logprob, "bytes": None} for token, logprob in alternatives.items()]
    return {"token": text, "logprob": alternatives[text], "bytes": None, "top_logprobs": top}


def main() -> None:
    """Answer every request with one label until the standard input ends."""
    parser = ArgumentParser(description=main.__doc__)
    parser.add_argument("label")
    parser.add_argument("--probability", type=float, default=0.99)
    arguments = parser.parse_args()
    with llm_server(Label(arguments.label, arguments.probability)) as server:
        sys.stdout.write(f"{server.base_url}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
