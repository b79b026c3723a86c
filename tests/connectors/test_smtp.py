"""What `Smtp` promises, against a real server on loopback that refuses, waits and cuts by script."""

import asyncio
from base64 import b64decode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage

import httpx
import pytest
from aiosmtpd import smtp as smtp_server
from aiosmtpd.smtp import AuthResult, Envelope
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.capabilities import Idempotency
from connectors.diagnosis import Aspect, Grade, Use
from connectors.mail.headers import Address
from connectors.mail.oauth import Grant, OAuthVariables
from connectors.mail.servers import Server, Tls
from connectors.mail.smtp import Smtp
from connectors.registry import open_destination
from domain.delivery import DeliveryOutcome, Hindrance, Invalid, Operation, RetryAfter, Unknown, Written
from domain.errors import PolicyInvalid

PATIENT_S = 10.0
SENDER = Address("Support", "support@example.com")
VALUES = {"to": "ann@example.com", "subject": "Your invoice", "body": "Hello Ann,\nit is mended."}
ENVIRON = {"INTERLOCK_SMTP_HOST": "smtp.example.com", "INTERLOCK_SMTP_FROM": "Support <support@example.com>"}


@dataclass
class Office:
    """A mail server: what it took, and what it says instead of OK at a step; CUT hangs up there."""

    says: dict[str, str] = field(default_factory=dict)
    took: list[Envelope] = field(default_factory=list)

    async def handle_MAIL(  # noqa: N802  aiosmtpd's name
        self, server: smtp_server.SMTP, _session: object, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        envelope.mail_from = address
        return self._at("MAIL", server)

    async def handle_RCPT(  # noqa: N802
        self, server: smtp_server.SMTP, _session: object, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        said = self._at(f"RCPT {address}", server)
        if said.startswith("250"):
            envelope.rcpt_tos.append(address)
        return said

    async def handle_DATA(self, server: smtp_server.SMTP, _session: object, envelope: Envelope) -> str:  # noqa: N802
        said = self._at("DATA", server)
        if said.startswith("250") or said == CUT:
            self.took.append(envelope)
        return said

    def _at(self, step: str, server: smtp_server.SMTP) -> str:
        said = self.says.get(step, "250 OK")
        if said == CUT:
            server.transport.abort()
        return said

    def mail(self) -> EmailMessage:
        """The last mail that it took."""
        content = self.took[-1].content
        assert isinstance(content, bytes)
        return message_from_bytes(content.replace(b"\r\n", b"\n"), policy=policy.default)


CUT = "cut"


@asynccontextmanager
async def delivering(office: Office) -> AsyncIterator[int]:
    """The port at which an office takes mail."""
    loop = asyncio.get_running_loop()

    def check(_server: object, _session: object, _envelope: object, _mechanism: object, data: object) -> AuthResult:
        return AuthResult(success=getattr(data, "password", b"") == b"open-sesame", handled=False)

    sessions: list[smtp_server.SMTP] = []

    def connection() -> smtp_server.SMTP:
        sessions.append(smtp_server.SMTP(office, loop=loop, authenticator=check, auth_require_tls=False))
        return sessions[-1]

    server = await loop.create_server(connection, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
        ended = [one._handler_coroutine for one in sessions if one._handler_coroutine]
        await asyncio.gather(*ended, return_exceptions=True)
        for session in sessions:
            if session.transport:
                session.transport.close()
        await asyncio.sleep(0)


@pytest.fixture
async def post() -> AsyncIterator[tuple[Office, int]]:
    office = Office()
    async with delivering(office) as port:
        yield office, port


@pytest.fixture
def office(post: tuple[Office, int]) -> Office:
    return post[0]


@pytest.fixture
def smtp(post: tuple[Office, int]) -> Smtp:
    return Smtp(Server("127.0.0.1", post[1], Tls.OFF), SENDER, PATIENT_S)


def operation(**values: str) -> Operation:
    return Operation(
        operation_id="op-0123456789abcdef01234567",
        item_id="i1",
        policy="tiny",
        destination="mail",
        system="smtp",
        record_key="i1",
        values=values or VALUES,
    )


async def test_a_diagnosis_greets_the_server_and_begins_no_mail(office, smtp):
    office.says["MAIL"] = CUT
    found = await smtp.diagnose([Use({}, frozenset({"to", "colour"}))])
    assert [(one.aspect, one.grade) for one in found.findings] == [
        (Aspect.ANSWERS, Grade.WELL),
        (Aspect.KEY, Grade.UNTOLD),
        (Aspect.FIELDS, Grade.WRONG),
    ]
    assert office.took == []


async def test_a_mail_goes_to_its_recipients_with_its_text(office, smtp):
    outcome = await smtp.send(
        operation(**VALUES, cc="Bob <bob@example.com>, eve@example.com", reply_to="desk@example.com")
    )
    assert outcome == Written(kind="created", external_id="<op-0123456789abcdef01234567@example.com>")
    assert office.took[-1].mail_from == "support@example.com"
    assert office.took[-1].rcpt_tos == ["ann@example.com", "bob@example.com", "eve@example.com"]
    mail = office.mail()
    assert mail["From"] == "Support <support@example.com>"
    assert (mail["To"], mail["Cc"]) == ("ann@example.com", "Bob <bob@example.com>, eve@example.com")
    assert (mail["Subject"], mail["Reply-To"]) == ("Your invoice", "desk@example.com")
    assert mail.get_content() == "Hello Ann,\nit is mended.\n"


async def test_nobodys_machine_is_asked_to_answer(office, smtp):
    await smtp.send(operation())
    assert office.mail()["Auto-Submitted"] == "auto-generated"


async def test_every_send_of_an_operation_has_the_same_message_id(office, smtp):
    await smtp.send(operation())
    await smtp.send(operation())
    assert {message_from_bytes(one.content)["Message-ID"] for one in office.took if isinstance(one.content, bytes)} == {
        "<op-0123456789abcdef01234567@example.com>"
    }


@pytest.mark.parametrize("message_id", ["42@example.com", "<42@example.com>"])
async def test_an_answer_names_the_mail_that_it_answers(office, smtp, message_id):
    await smtp.send(operation(**VALUES, in_reply_to=message_id))
    assert (office.mail()["In-Reply-To"], office.mail()["References"]) == ("<42@example.com>", "<42@example.com>")


@pytest.mark.parametrize("body", ["Grüße\n", "x" * 5000 + "\n", ".\n..\n", "見積もり\n", "From here\n"])
async def test_any_text_arrives_as_it_was(office, smtp, body):
    await smtp.send(operation(to="ann@example.com", subject="Grüße 見積もり " * 20, body=body))
    assert office.mail().get_content() == body
    assert office.mail()["Subject"] == ("Grüße 見積もり " * 20).strip()


async def test_a_domain_beyond_ascii_is_written_as_servers_know_it(office, smtp):
    await smtp.send(operation(to='Jörg "J" <joerg@bücher.example>', body="hi"))
    assert office.took[-1].rcpt_tos == ["joerg@xn--bcher-kva.example"]
    assert office.mail()["To"].addresses[0].display_name == "Jörg J"


@pytest.mark.parametrize(
    ("says", "outcome", "told"),
    [
        ({"MAIL": "550 5.7.1 not you"}, Invalid, "not you"),
        ({"MAIL": "421 4.3.2 closing"}, RetryAfter, "closing"),
        ({"RCPT ann@example.com": "550 5.1.1 no such user"}, Invalid, "ann@example.com: 5.1.1 no such user (550)"),
        ({"RCPT ann@example.com": "451 4.7.1 greylisted"}, RetryAfter, "4.7.1 greylisted (451)"),
        ({"RCPT bob@example.com": "550 5.1.1 no such user"}, Invalid, "bob@example.com"),
        ({"RCPT bob@example.com": "452 4.5.3 too many"}, RetryAfter, "too many"),
        ({"DATA": "554 5.7.1 spam"}, Invalid, "spam"),
        ({"DATA": "452 4.2.2 full"}, RetryAfter, "full"),
        ({"MAIL": CUT}, RetryAfter, "nothing was sent"),
        ({"RCPT ann@example.com": CUT}, RetryAfter, "nothing was sent"),
    ],
)
async def test_a_mail_that_is_refused_goes_to_nobody(office, smtp, says, outcome, told):
    office.says.update(says)
    found = await smtp.send(operation(**VALUES, cc="bob@example.com"))
    assert isinstance(found, outcome)
    assert told in found.detail
    assert office.took == []


async def test_when_the_answer_to_the_last_byte_is_lost_nobody_knows_what_became_of_the_mail(office, smtp):
    office.says["DATA"] = CUT
    found = await smtp.send(operation())
    assert isinstance(found, Unknown)
    assert len(office.took) == 1


async def test_an_answer_that_nobody_understands_leaves_it_unknown_too(office, smtp):
    office.says["DATA"] = "299 perhaps"
    assert isinstance(await smtp.send(operation()), Unknown)


async def test_nobody_can_be_asked_so_a_person_is_told_where_to_look(smtp):
    assert smtp.capabilities.idempotency is Idempotency.NONE
    found = await smtp.find(operation())
    assert isinstance(found, Unknown)
    assert "<op-0123456789abcdef01234567@example.com>" in found.detail
    assert "ann@example.com" in found.detail


async def test_a_server_that_is_not_there_got_nothing(unused_tcp_port):
    away = Smtp(Server("127.0.0.1", unused_tcp_port, Tls.OFF), SENDER, PATIENT_S)
    found = await away.send(operation())
    assert isinstance(found, RetryAfter)
    assert "not reached, nothing was sent" in found.detail


@asynccontextmanager
async def scripted(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[Server]:
    """A server whose connections go so and are then closed."""
    connections: list[asyncio.Task[None] | None] = []

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(asyncio.current_task())
        await serve(reader, writer)
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(connection, "127.0.0.1", 0)
    async with server:
        yield Server("127.0.0.1", server.sockets[0].getsockname()[1], Tls.OFF)
        await asyncio.gather(*filter(None, connections))


@pytest.mark.parametrize("greeting", [b"", b"554 go away\r\n", b"421 busy\r\n"])
async def test_a_server_that_does_not_greet_got_nothing(greeting):
    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)

    async with scripted(greet) as at:
        found = await Smtp(at, SENDER, PATIENT_S).send(operation())
    assert isinstance(found, Invalid if greeting.startswith(b"5") else RetryAfter)


async def test_a_server_that_is_silent_for_too_long_got_nothing():
    async def stay_silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with scripted(stay_silent) as at:
        found = await Smtp(at, SENDER, 0.1).send(operation())
    assert isinstance(found, RetryAfter)


async def test_a_login_lets_in_and_a_wrong_password_is_refused_and_not_shown(office, post):
    right = Smtp(Server("127.0.0.1", post[1], Tls.OFF, "desk", "open-sesame"), SENDER, PATIENT_S)
    wrong = Smtp(Server("127.0.0.1", post[1], Tls.OFF, "desk", "wrong-word"), SENDER, PATIENT_S)
    assert isinstance(await right.send(operation()), Written)
    found = await wrong.send(operation())
    assert isinstance(found, RetryAfter)
    assert "Check INTERLOCK_SMTP_USER and INTERLOCK_SMTP_PASSWORD" in found.detail
    assert "wrong-word" not in found.detail


async def test_without_the_encryption_that_is_asked_for_nothing_is_sent(office, post):
    found = await Smtp(Server("127.0.0.1", post[1], Tls.STARTTLS), SENDER, PATIENT_S).send(operation())
    assert isinstance(found, RetryAfter)
    assert "STARTTLS" in found.detail
    assert office.took == []


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"subject": "hi"}, "give 'to'"),
        ({"to": "  "}, "give 'to'"),
        ({"to": "ann"}, "no address"),
        ({"to": "ann@example.com\r\nBcc: eve@example.com"}, "line break"),
        ({"to": "jörg@example.com"}, "only ASCII"),
        ({"to": "ann@example.com", "cc": "bob@"}, "'cc' is 'bob@'"),
        ({"to": "ann@example.com", "cc": "bob@x y"}, "'cc' holds"),
        ({"to": "ann@example.com", "reply_to": "x\ny@example.com"}, "line break"),
        ({"to": "ann@example.com", "in_reply_to": "<a@b> <c@d>"}, "no Message-ID"),
        ({"to": "ann@example.com", "in_reply_to": "a@b\r\nBcc: eve@example.com"}, "no Message-ID"),
        ({"to": "ann@example.com", "priority": "high"}, "mails have no priority"),
    ],
)
async def test_values_that_make_no_mail_are_refused_before_anything_is_sent(office, smtp, values, told):
    found = await smtp.send(operation(**values))
    assert isinstance(found, Invalid)
    assert told in found.detail
    assert office.took == []


HOSTILE = st.text(alphabet="ab@.,<>\"' :;\r\n\0\x85\u2028é\ud800()=?\\") | st.sampled_from(
    ["ann@example.com", "=?utf-8?q?=0D=0ABcc=3A_eve=40example.com?=", "a\r\n.\r\nMAIL FROM:<x@example.com>"]
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.fixed_dictionaries(
        {"to": st.just("ann@example.com")}, optional=dict.fromkeys(["subject", "body", "cc"], HOSTILE)
    )
)
async def test_no_value_adds_a_header_or_a_recipient_that_it_does_not_name(office, smtp, values):
    office.took.clear()
    outcome: DeliveryOutcome = await smtp.send(operation(**values))
    assert isinstance(outcome, Written | Invalid)
    for envelope in office.took:
        assert "eve@example.com" not in envelope.rcpt_tos
        assert isinstance(envelope.content, bytes)
        assert {name.lower() for name in message_from_bytes(envelope.content)} <= {
            "from", "to", "cc", "subject", "date", "message-id", "auto-submitted", "mime-version", "content-type",
            "content-transfer-encoding", "x-peer", "x-mailfrom", "x-rcptto",
        }  # fmt: skip
    assert len(office.took) == isinstance(outcome, Written)


@pytest.mark.parametrize(("tls", "port"), [("", 587), ("starttls", 587), ("on", 465)])
async def test_it_is_set_up_from_the_environment(tls, port):
    found = open_destination("smtp", ENVIRON | {"INTERLOCK_SMTP_TLS": tls})
    assert isinstance(found, Smtp)
    assert (found._at.host, found._at.port, found._sender) == ("smtp.example.com", port, SENDER)
    await found.aclose()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"INTERLOCK_SMTP_FROM": "support"}, "not one address"),
        ({"INTERLOCK_SMTP_FROM": "a@example.com, b@example.com"}, "not one address"),
        ({"INTERLOCK_SMTP_TLS": "off"}, "unencrypted"),
        ({"INTERLOCK_SMTP_HOST": ""}, "set INTERLOCK_SMTP_HOST"),
    ],
)
def test_a_variable_that_is_unusable_is_named_with_what_to_set(change, told):
    with pytest.raises(PolicyInvalid, match=told):
        open_destination("smtp", ENVIRON | change)


TOKENS = "https://login.example.com/token"
GRANT = Grant(TOKENS, "our-app", "app-word", "refresh-word", "", OAuthVariables.of("INTERLOCK_SMTP"))


class Bearers(Office):
    """An office that lets in who bears its token, by the mechanisms that it is told."""

    def __init__(self, good: str, *mechanisms: str) -> None:
        super().__init__()
        self.good, self.borne = good, []
        for name in mechanisms:
            setattr(self, f"auth_{name}", self._let_in)

    async def _let_in(self, server: smtp_server.SMTP, args: list[str]) -> AuthResult:
        said = b64decode(args[1]).decode().split("\x01")
        self.borne.append(said)
        if f"auth=Bearer {self.good}" in said:
            return AuthResult(success=True, auth_data=b"ann")
        reason = await server.challenge_auth('{"status":"401"}')
        return AuthResult(success=False, handled=False, message="535 5.7.8 no" if reason is not None else None)


@asynccontextmanager
async def bearing(office: Bearers) -> AsyncIterator[Smtp]:
    async with delivering(office) as port:
        at = Server("127.0.0.1", port, Tls.OFF, "ann@example.com", grant=GRANT)
        yield Smtp(at, SENDER, PATIENT_S)


def given(*tokens: str) -> list[httpx.Response]:
    return [httpx.Response(200, json={"access_token": token, "expires_in": 3600}) for token in tokens]


@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
async def test_an_access_token_lets_in_and_is_fetched_once(respx_mock, mechanism):
    office = Bearers("good", mechanism)
    endpoint = respx_mock.post(TOKENS).mock(side_effect=given("good"))
    async with bearing(office) as smtp:
        outcomes = [await smtp.send(operation(**VALUES)) for _ in range(2)]

    assert [type(outcome) for outcome in outcomes] == [Written, Written]
    assert (len(office.took), endpoint.call_count) == (2, 1)
    begin = "user=ann@example.com" if mechanism == "XOAUTH2" else "n,a=ann@example.com,"
    assert office.borne[0][0] == begin


async def test_a_token_that_is_not_taken_is_fetched_anew_once(respx_mock):
    office = Bearers("good", "XOAUTH2")
    endpoint = respx_mock.post(TOKENS).mock(side_effect=given("withdrawn", "good"))
    async with bearing(office) as smtp:
        assert isinstance(await smtp.send(operation(**VALUES)), Written)

    assert (len(office.took), endpoint.call_count) == (1, 2)


@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
async def test_tokens_that_are_never_taken_are_told_with_what_to_check_and_not_shown(respx_mock, mechanism):
    office = Bearers("good", mechanism)
    respx_mock.post(TOKENS).mock(side_effect=given("bad-word", "bad-word"))
    async with bearing(office) as smtp:
        outcome = await smtp.send(operation(**VALUES))

    assert isinstance(outcome, RetryAfter)
    assert outcome.hindrance is Hindrance.KEY
    assert "Check that INTERLOCK_SMTP_USER is who granted INTERLOCK_SMTP_OAUTH_REFRESH_TOKEN" in outcome.detail
    assert "bad-word" not in outcome.detail
    assert office.took == []


@pytest.mark.parametrize(
    ("answer", "outcome", "told"),
    [
        (httpx.Response(503), RetryAfter, "no access token now"),
        (httpx.Response(429, headers={"Retry-After": "7"}), RetryAfter, "no access token now"),
        (httpx.ConnectError("refused"), RetryAfter, "not reached"),
        (httpx.Response(400, json={"error": "invalid_grant"}), RetryAfter, "set INTERLOCK_SMTP_OAUTH_REFRESH_TOKEN"),
    ],
    ids=["down", "throttled", "away", "withdrawn"],
)
async def test_where_no_token_is_to_be_had_nothing_is_sent(respx_mock, answer, outcome, told):
    office = Bearers("good", "XOAUTH2")
    respx_mock.post(TOKENS).mock(side_effect=[answer])
    async with bearing(office) as smtp:
        came = await smtp.send(operation(**VALUES))

    assert isinstance(came, outcome)
    assert told in came.detail
    assert getattr(came, "seconds", None) == (7 if "Retry-After" in getattr(answer, "headers", {}) else None)
    assert office.took == []


async def test_a_server_that_takes_no_tokens_is_told_as_that(respx_mock):
    respx_mock.post(TOKENS).mock(side_effect=given("good"))
    async with bearing(Bearers("good")) as smtp:
        outcome = await smtp.send(operation(**VALUES))

    assert isinstance(outcome, RetryAfter)
    assert "takes no access tokens; use INTERLOCK_SMTP_PASSWORD" in outcome.detail
