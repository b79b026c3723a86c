"""A lead mailed as a rambling forwarded message reaches Request Tracker and the CRM once, its fields right.

The mail is real Dovecot's, the queue real Request Tracker's; the CRM limits, and the network breaks.
`INTERLOCK_TEST_EVERY_BYTE=1` cuts after every byte instead of a few, which takes hours; 50 cuts after every fiftieth,
50+1 after the one behind each of these: runs with 4, 4+1, 4+2 and 4+3 are together as good as one with 1.
"""

import json
import os
import shutil
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import yaml
from cutter import Cutter, Way, cutter
from fakes import words_only
from imap_tools import MailBoxUnencrypted
from llm_server import Label, llm_server
from services import PASSWORD, PATIENT_S, Dovecot

from connectors.contract.rehearsal import cuts
from connectors.llm.openai_compatible import OpenAICompatible
from connectors.mail.imap import ImapMailbox
from connectors.mail.message import read_mail
from connectors.mail.servers import Server, Tls
from connectors.ports import Arrival
from connectors.registry import open_destination
from connectors.sandbox.proxy import CutAnswer, CutRequest, Late, Proxy, WireFault
from connectors.settings import Settings
from connectors.store.engine import Store
from console.sandboxes import Sandboxes, sandboxes
from domain.errors import Retryable
from domain.ledger import first_break
from domain.proposal import AskOutcome, Proposal
from domain.settling import SETTLES_S
from flows.collect import collect
from flows.route import route
from policies.load import HERE, PEOPLE
from tasks.accept import Admitted, admit
from tasks.account import balance
from tasks.claim import claim
from tasks.decide import decide_items
from tasks.deliver import deliver_due
from tasks.extract import extract_items
from tasks.propose import Proposed, Question, Unfinished, ask_chunk
from tasks.resources import Resources, opened

EVERY, FIRST = (int(part) for part in (os.environ.get("INTERLOCK_TEST_EVERY_BYTE", "0") + "+0").split("+")[:2])
pytestmark = [pytest.mark.real, pytest.mark.timeout(100_000 if EVERY else 600)]

ROOT = Path(__file__).parents[2]
SINCE = date(2026, 1, 1)
MAILBOX = {"source": "imap", "options": {"since": SINCE.isoformat()}}
MAIL = (ROOT / "console/demo_messages/forwarded_lead.eml").read_bytes()
PATIENCE = {"attempts": 30, "first_delay_s": 0.02, "longest_delay_s": 0.2}
HELP_DESK = {
    "system": "request_tracker",
    "record_key": "{{ email }}",
    "values": {
        "queue": "Support",
        "subject": "{{ company }} ({{ route }})",
        "content": "{{ text }}\n\nCall {{ name }}: {{ phone }}",
        "requestor": "{{ email }}",
    },
    "patience": PATIENCE,
}
FIELDS = {
    "name": "Katrin Osterloh",
    "phone": "+494066969452",
    "company": "Osterloh Kühllogistik GmbH & Co. KG",
    "country": "DE",
    "unconfirmed": "employees: 640",
    "queue": "enterprise_sales",
}
"""What is right, beside the address, which each test's lead has of its own."""


def places(message: bytes, thorough: bool) -> Sequence[int]:
    """Where a message is cut: at every place that differs in kind, or only half-way."""
    if EVERY:
        return sorted({*range(FIRST, len(message), EVERY), len(message)})
    return cuts(message, 0) if thorough else [len(message) // 2]


def _labelled() -> Iterator[tuple[str, str]]:
    for line in (HERE / "lead_routing.examples.jsonl").read_text(encoding="utf-8").splitlines():
        yield json.loads(line)["label"], line


class Office:
    """An installation whose every connection goes through something that can break it."""

    def __init__(self, folder: Path, systems: Sandboxes, *destinations: str) -> None:
        self.systems, self.destinations = systems, destinations
        self.tags: list[str] = []
        self.ahead = timedelta(0)
        """Of the real time."""
        policy = yaml.safe_load((HERE / "lead_routing.yaml").read_text(encoding="utf-8"))
        crm = policy["destinations"]["crm"] | {"patience": PATIENCE}
        crm.pop("duplicates")  # the leads here are all one person's, and nobody is there to be asked
        known = {"crm": crm, "help_desk": HELP_DESK}
        policy |= {"destinations": {name: known[name] for name in destinations}, "intake": {"sources": [MAILBOX]}}
        shutil.copy(HERE / PEOPLE, folder / PEOPLE)
        self.policy = str(folder / "lead_routing.yaml")
        Path(self.policy).write_text(yaml.safe_dump(policy, allow_unicode=True), encoding="utf-8")
        few = dict(_labelled())  # all of them take a quarter of a minute to index
        (folder / "lead_routing.examples.jsonl").write_text("\n".join(few.values()), encoding="utf-8")
        self.store = Store(f"sqlite:///{folder / 'interlock.db'}")
        self.stack = AsyncExitStack()

    async def connect(self, rt: httpx.URL, dovecot: Dovecot) -> None:
        """Put the proxies in place and open the connections over them."""
        enter = self.stack.enter_async_context
        self.model = self.stack.enter_context(llm_server(Label("enterprise_sales", 0.9)))
        self.llm = await enter(Proxy(self.model.base_url.removesuffix("/v1")))
        self.crm = await enter(Proxy(self.systems.addresses["crm"]))
        self.rt = await enter(Proxy(str(rt.copy_with(username=""))))
        self.imap: Cutter = await enter(cutter(dovecot.port))
        self.user = f"sales-{uuid4().hex[:8]}"
        environ = {
            "INTERLOCK_SANDBOX_CRM_URL": self.crm.url,
            "INTERLOCK_RT_URL": self.rt.url,
            "INTERLOCK_RT_TOKEN": rt.username,
        }
        at = Server("127.0.0.1", self.imap.port, Tls.OFF, self.user, PASSWORD)
        self.mailbox = ImapMailbox(at, "INBOX", PATIENT_S, since=SINCE)
        self.here = Resources(
            self.store,
            lambda: OpenAICompatible(f"{self.llm.url}/v1", "scripted", "a key"),
            words_only,
            lambda system: open_destination(system, environ),
            lambda: datetime.now(UTC) + self.ahead,
            open_source=lambda _name, _options: self.mailbox,
            settings=Settings.of({"INTERLOCK_SETTLES_S": "0"}),  # what the proxies pass on is answered before they cut
        )
        self.stack.push_async_callback(self.here.aclose)
        await enter(opened(self.here))
        self.token, self.desk = rt.username, str(rt.copy_with(username="")).rstrip("/")
        self.dovecot = dovecot

    def mail(self) -> bytes:
        """The mail of another lead, who writes the same."""
        self.tags.append(uuid4().hex[:10])
        return MAIL.replace(b"k.osterloh@", f"k.osterloh.{self.tags[-1]}@".encode()).replace(
            b"f0b7c1d2-lead", self.tags[-1].encode()
        )

    def put(self, mail: bytes) -> None:
        """Leave a mail in the mailbox, as a mail server does."""
        with MailBoxUnencrypted("127.0.0.1", self.dovecot.port, timeout=PATIENT_S).login(self.user, PASSWORD) as box:
            box.append(mail, "INBOX")

    async def take_in(self) -> None:
        """Another lead, read out of its mail, decided by rule, and in the outbox."""
        read = read_mail(self.mail(), "the mailbox", datetime.now(UTC))
        (admitted,) = admit(self.here, self.policy, [read])
        assert isinstance(admitted, Admitted)
        items = claim(self.policy, "run", 1)
        await extract_items.fn(self.policy, items)
        silent = Proposal(key=admitted.item_id, outcome=AskOutcome.NO_MODEL, model="none", classifier="")
        await decide_items.fn(self.policy, items, {admitted.item_id: Proposed(proposal=silent, cached=False)})

    async def deliver_one(self) -> None:
        """Take a lead in and deliver it, whatever breaks."""
        await self.take_in()
        await deliver_due.fn(10.0)

    async def check(self) -> None:
        """Each lead is written once where it belongs, with its fields right, and the books say so."""
        account = await balance.fn(self.policy)
        assert (account.done, account.unaccounted, account.dead_lettered) == (len(self.tags), 0, 0)
        with self.store.reading() as tx:
            assert first_break(tx.ledger.entries()) is None
        addresses = {f"k.osterloh.{tag}@osterloh-kuehllogistik.example" for tag in self.tags}
        if "crm" in self.destinations:
            self._check_crm(addresses)
        if "help_desk" in self.destinations:
            await self._check_tickets(addresses)

    def _check_crm(self, addresses: set[str]) -> None:
        records = httpx.get(f"{self.systems.addresses['crm']}/_records", trust_env=False, timeout=60).json()["records"]
        mine = [record for record in records if record["fields"].get("email") in addresses]
        assert {record["fields"]["email"] for record in mine} == addresses
        assert len(mine) == len(addresses)
        for record in mine:
            assert {name: record["fields"].get(name) for name in FIELDS} == FIELDS
        assert self.systems.doubled() == 0

    async def _check_tickets(self, addresses: set[str]) -> None:
        headers = {"Authorization": f"token {self.token}"}
        async with httpx.AsyncClient(
            base_url=f"{self.desk}/REST/2.0", headers=headers, timeout=60, trust_env=False
        ) as rt:
            for address in addresses:
                found = await rt.get("/tickets", params={"query": f"'CF.{{RecordKey}}' = '{address}'"})
                (only,) = found.json()["items"]
                ticket: dict[str, Any] = (await rt.get(f"/ticket/{only['id']}")).json()
                assert ticket["Subject"] == f"{FIELDS['company']} (enterprise_sales)"
                assert [who["id"] for who in ticket["Requestor"]] == [address]
                said = await rt.get(f"/ticket/{only['id']}/attachments", params={"fields": "Content"})
                texts = [one["Content"] for one in said.json()["items"] if one.get("Content")]
                assert len(texts) == 1
                assert texts[0].rstrip().endswith("Call Katrin Osterloh: +494066969452")


@pytest.fixture(scope="module")
def systems(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandboxes]:
    with sandboxes(tmp_path_factory.mktemp("crm"), fault_rate=0, systems=("crm",), rate_per_s=100_000) as running:
        yield running


@pytest.fixture
async def office(
    request: pytest.FixtureRequest, tmp_path: Path, systems: Sandboxes, address: httpx.URL, dovecot: Dovecot
) -> AsyncIterator[Office]:
    one = Office(tmp_path, systems, *getattr(request, "param", ("crm", "help_desk")))
    with closing(one.store):
        try:
            await one.connect(address, dovecot)
            yield one
        finally:
            await one.stack.aclose()


async def test_it_is_collected_extracted_decided_and_written_once_though_the_crm_limits_and_everything_breaks_once(
    office: Office, prefect: str
) -> None:
    office.put(office.mail())
    office.systems.fail_next(f"k.osterloh.{office.tags[0]}@osterloh-kuehllogistik.example", ["throttled"] * 2)
    office.imap.cuts = [("received", 3000)]
    office.llm.next(CutAnswer(200))
    office.rt.next(CutAnswer(0), where=lambda method, _path: method == "POST")
    came = [await collect(office.policy) for _ in range(2)]
    await route(office.policy, wait_s=10)
    assert (came, await collect(office.policy)) == ([0, 1], 0)
    account = await route(office.policy, wait_s=10)
    assert (account.accepted, account.done) == (1, 1)
    await office.check()
    assert office.systems.faults()["throttled"] >= 2


async def test_a_ticket_that_is_made_after_the_connection_broke_and_was_looked_for_is_made_once(office: Office) -> None:
    await office.deliver_one()  # what a connector asks once in its life
    late = Late()
    office.rt.next(late, where=lambda method, _path: method == "POST")
    office.here.settings = Settings.of({})
    await office.deliver_one()
    await late.happens()
    office.ahead = timedelta(seconds=SETTLES_S)
    await deliver_due.fn(10.0)
    await office.check()


@pytest.mark.parametrize(
    ("office", "system", "thorough"),
    [
        pytest.param(("crm",), "crm", True, id="the CRM"),
        pytest.param(("help_desk",), "rt", False, id="Request Tracker"),
    ],
    indirect=["office"],
)
async def test_a_write_cut_after_any_byte_of_any_request_or_answer_is_made_once(
    office: Office, system: str, thorough: bool
) -> None:
    """By default only what stores is cut: the contract kit cuts the rest."""
    await office.deliver_one()  # what a connector asks once in its life
    proxy: Proxy = getattr(office, system)
    begun = len(proxy.seen)
    await office.deliver_one()
    for number, exchange in enumerate(proxy.seen[begun:]):
        if exchange.method == "GET" and not EVERY:
            continue
        faults: list[WireFault] = [CutRequest(after) for after in places(exchange.request, thorough)]
        for fault in [*faults, *[CutAnswer(after) for after in places(exchange.answer, thorough)]]:
            rule = proxy.next(fault, skip=number)
            await office.deliver_one()
            assert rule.struck == 1
            proxy.clear()
    await office.check()


@pytest.mark.parametrize("office", [("crm",)], indirect=True)
async def test_a_question_cut_after_any_byte_gets_the_same_answer_when_asked_again(office: Office) -> None:
    async def ask(number: int) -> Proposal:
        question = Question(key=str(number), text="Bitte ein Angebot", item_ids=(str(number),))
        (proposal,) = await ask_chunk.fn(office.policy, [question])
        return proposal

    sound = await ask(10_000)
    (exchange,) = office.llm.seen
    faults: list[WireFault] = [CutRequest(after) for after in places(exchange.request, thorough=True)]
    for number, fault in enumerate([*faults, *[CutAnswer(after) for after in places(exchange.answer, thorough=True)]]):
        rule = office.llm.next(fault)
        try:
            proposal = await ask(number)
        except Unfinished:
            proposal = await ask(number)
        assert rule.struck == 1
        told = {"outcome", "label", "scores", "opinion"}
        assert proposal.model_dump(include=told) == sound.model_dump(include=told)
        office.llm.clear()


@pytest.mark.parametrize("office", [("crm",)], indirect=True)
async def test_a_mailbox_cut_after_any_byte_gives_each_mail_once(office: Office) -> None:
    office.put(office.mail())
    source = office.mailbox
    sound = await source.fetch("", 10)
    ways: list[Way] = ["sent", "received"]
    for way in ways:
        length = office.imap.passed[0][way]
        for after in range(FIRST, length + 1, EVERY or length // 6):
            office.imap.cuts = [(way, after)]
            try:
                fetched = await source.fetch("", 10)
            except Retryable:
                fetched = await source.fetch("", 10)
            assert office.imap.cuts == []
            assert fetched.cursor == sound.cursor
            assert ids(fetched.arrivals) == ids(sound.arrivals)
            admit(office.here, office.policy, fetched.arrivals)
    with office.store.reading() as tx:
        assert tx.accounts.balance().accepted == 1


def ids(arrivals: Sequence[object]) -> list[str]:
    return [one.external_id for one in arrivals if isinstance(one, Arrival)]
