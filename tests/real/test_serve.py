"""`interlock serve` as a process: what it acknowledged survives its death, and it ends in order."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import yaml
from databases import database_url, postgres_url
from tiny import write_tiny
from typer.testing import CliRunner

from connectors.store.engine import Store
from console.main import app
from console.web.measure import measure
from domain.ledger import Event, first_break

__all__ = ["database_url", "postgres_url"]

PATIENT_S = 60
HEAD = b"POST /intake/tiny HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n%s\r\n\r\n"
DEPLOY = Path(__file__).parents[2] / "deploy"
COMMAND = [sys.executable, "-c", "from console.main import app; app()", "serve"]


@dataclass(frozen=True)
class Served:
    """A running server."""

    process: subprocess.Popen[str]
    address: str
    """Of the policy's intake, or of the reviews where no webhooks are taken."""
    client: httpx.Client

    def send(self, number: int) -> str:
        """Send a message of its own; gives its item."""
        headers = {"Idempotency-Key": str(number)}
        answer = self.client.post(self.address, json={"message": f"my invoice {number} is wrong"}, headers=headers)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["items"][0]["item"])


@contextmanager
def serve(home: Path, url: str, *arguments: str, **settings: str) -> Iterator[Served]:
    """A server on a free port; without arguments, of the tiny policy."""
    environ = {**os.environ, "INTERLOCK_DATABASE_URL": url, "INTERLOCK_HOME": str(home), **settings}
    command = [*COMMAND, *(arguments or [str(home / "tiny.yaml")]), "--port", "0"]
    with (home / "serve.log").open("ab") as log:
        process = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=log, text=True)
    client = httpx.Client(timeout=PATIENT_S, trust_env=False)
    with client, closing(process.stdout) as lines:  # type: ignore[type-var]  # a pipe, as asked for
        try:
            told = lines.readline()
            assert told, (home / "serve.log").read_text(encoding="utf-8")
            yield Served(process, told.split()[0], client)
        finally:
            process.kill()
            process.wait()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    write_tiny(tmp_path)
    return tmp_path


def stored(url: str) -> set[str]:
    with closing(Store(url)) as store, store.reading() as tx:
        entries = list(tx.ledger.entries())
    assert first_break(entries) is None
    return {str(entry.item_id) for entry in entries if entry.event is Event.ACCEPTED}


def test_what_was_acknowledged_before_a_kill_is_there_and_is_known_again(home, database_url):
    acknowledged = {}
    with serve(home, database_url) as server, ThreadPoolExecutor(8) as senders:

        def send(number: int) -> None:
            acknowledged[number] = server.send(number)
            if len(acknowledged) == 30:
                server.process.kill()

        sent = [senders.submit(send, number) for number in range(200)]
        assert any(isinstance(one.exception(), httpx.TransportError) for one in sent), "killed too late"
    assert set(acknowledged.values()) <= stored(database_url)
    with serve(home, database_url) as server:
        assert {number: server.send(number) for number in acknowledged} == acknowledged


def test_asked_to_end_it_stores_and_answers_what_is_in_flight_first(home, database_url):
    with serve(home, database_url) as server:
        parts = urlsplit(server.address)
        body = json.dumps({"message": "my invoice is wrong"}).encode()
        head = HEAD % f"Content-Length: {len(body)}".encode()
        with socket.create_connection((parts.hostname, parts.port), timeout=PATIENT_S) as sender:
            sender.sendall(head + body[:5])
            server.send(1)  # so that the half request was seen
            server.process.send_signal(signal.SIGTERM)
            sender.sendall(body[5:])
            assert sender.recv(12) == b"HTTP/1.1 202"
        assert server.process.wait(PATIENT_S) == 0
    assert len(stored(database_url)) == 2


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01", b"400"),
        (b"GET\r\n\r\n", b"400"),
        (b"POST /intake/tiny HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n", b"400"),
        (b"POST /intake/tiny HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", b"400"),
        (b"POST /intake/tiny HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 200_000, b"400"),
        (HEAD % b"Content-Length: 999999999" + b"{", b"413"),
        (HEAD % b"Transfer-Encoding: chunked" + b"nothing\r\n", b"400"),
    ],
)
def test_what_is_no_request_is_refused_and_the_next_one_served(listening, sent, status):
    parts = urlsplit(listening.address)
    with socket.create_connection((parts.hostname, parts.port), timeout=PATIENT_S) as sender:
        sender.sendall(sent)
        assert sender.recv(64).split()[1] == status
    assert listening.send(1).startswith("it-")


@pytest.fixture(scope="module")
def listening(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("listening")
    write_tiny(home)
    with serve(home, f"sqlite:///{home / 'interlock.db'}") as server:
        yield server


def test_a_request_cut_at_any_byte_stores_nothing_and_the_next_one_is_served(listening):
    parts = urlsplit(listening.address)
    body = b'{"message": "cut off"}'
    whole = HEAD % f"Content-Length: {len(body)}".encode() + body
    for length in range(0, len(whole), 3):
        with socket.create_connection((parts.hostname, parts.port), timeout=PATIENT_S) as sender:
            sender.sendall(whole[:length])
    answer = listening.client.post(listening.address, content=body, headers={"content-type": "application/json"})
    assert answer.json()["items"][0]["repeated"] is False


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--host", "0.0.0.0"], "standard_webhooks"),  # noqa: S104  refused
        (["--host", "192.0.2.1"], "Give another --host"),
    ],
)
def test_it_does_not_start_where_strangers_could_send_or_nobody_could_reach_it(home, options, told):
    command = ["serve", str(home / "tiny.yaml"), "--port", "0", *options]
    done = CliRunner().invoke(app, command, env={"INTERLOCK_HOME": str(home)})
    assert done.exit_code == 2
    assert told in " ".join(done.stderr.split())


COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
MANIFESTS = list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text(encoding="utf-8")))
PODS = {one["metadata"]["name"]: one["spec"]["template"]["spec"] for one in MANIFESTS if one["kind"] == "Deployment"}
DEPLOYED = [COMPOSE["services"]["serve"], PODS["serve"]["containers"][0]]


@pytest.mark.parametrize("command", [one["command"] for one in DEPLOYED], ids=["compose", "kubernetes"])
def test_as_it_is_deployed_it_serves_reviews_and_dashboard_and_says_whose_webhooks_it_does_not_take(home, command):
    url, (program, subcommand, *arguments) = f"sqlite:///{home / 'interlock.db'}", command
    assert (program, subcommand) == ("interlock", "serve")
    with serve(home, url, *arguments, INTERLOCK_REVIEWERS_TOKEN="t" * 32) as server:
        port = urlsplit(server.address).port
        for path, status in (("healthz", 200), ("reviews", 401), ("dashboard", 401), ("intake/support_triage", 404)):
            method = "POST" if path.startswith("intake") else "GET"
            assert server.client.request(method, f"http://127.0.0.1:{port}/{path}").status_code == status, path
    assert "webhooks are not taken for" in (home / "serve.log").read_text(encoding="utf-8")


def test_its_measurement_finds_each_webhook_that_was_acknowledged(database_url):
    measured = measure(database_url, requests=20, connections=4, rate=200)

    assert (measured.not_accepted, measured.lost, measured.ledger_holds) == (0, 0, True)
