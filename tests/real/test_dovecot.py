"""A mailbox on a real Dovecot: read in order, once, to the end, and without a trace."""

import hmac
import json
import ssl
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from time import time
from uuid import uuid4

import httpx
import pytest
from imap_tools import BaseMailBox, MailBoxUnencrypted
from services import PASSWORD, PATIENT_S, Dovecot, own_dovecot

from connectors.mail.imap import ImapMailbox
from connectors.mail.oauth import Grant, OAuthVariables, first_words
from connectors.mail.servers import Server, Tls
from connectors.ports import Arrival, Fetched, Unreadable
from domain.errors import BadRequest, Unauthorised, Unavailable

LONG_AGO = date(1980, 1, 1)


class Mailbox:
    """A folder as its owner's mail program sees it, and the connector that reads it."""

    def __init__(self, dovecot: Dovecot, user: str, folder: str) -> None:
        self.dovecot, self.user, self.folder = dovecot, user, folder
        self.owner: BaseMailBox = MailBoxUnencrypted("127.0.0.1", dovecot.port, timeout=PATIENT_S)
        self.owner.login(user, PASSWORD)

    def connector(self, **how: object) -> ImapMailbox:
        at = Server("127.0.0.1", self.dovecot.port, Tls.OFF, self.user, PASSWORD)
        return ImapMailbox(at, self.folder, PATIENT_S, **{"since": LONG_AGO, **how})  # type: ignore[arg-type]

    async def fetch(self, cursor: str = "", count: int = 50, **how: object) -> Fetched:
        return await self.connector(**how).fetch(cursor, count)

    def put(self, *names: str, flags: str = "", padding: int = 0, day: date | None = None) -> None:
        at = datetime(day.year, day.month, day.day, 12, tzinfo=UTC) if day else None
        for name in names:
            body = f"Message-ID: <{name}@example.com>\r\nSubject: {name}\r\n\r\nhello {name} {'x' * padding}\r\n"
            self.owner.append(body.encode(), self.folder, dt=at, flag_set=[flags] if flags else None)

    def flags(self) -> list[tuple[str, ...]]:
        self.owner.folder.set(self.folder, readonly=True)
        return [mail.flags for mail in self.owner.fetch(mark_seen=False)]


@pytest.fixture
def mailbox(dovecot: Dovecot) -> Iterator[Mailbox]:
    """An empty folder of a new user."""
    box = Mailbox(dovecot, f"reader-{uuid4().hex[:8]}", "Leads")
    box.owner.folder.create("Leads")
    yield box
    box.owner.logout()


def ids(fetched: Fetched) -> list[str]:
    return [one.external_id.partition("@example.com")[0] for one in fetched.arrivals if isinstance(one, Arrival)]


async def test_mails_come_in_the_order_in_which_they_came_to_the_folder(mailbox):
    mailbox.put("c", "a", "b")
    fetched = await mailbox.fetch()
    assert ids(fetched) == ["c", "a", "b"]
    assert not fetched.more
    assert [one.where for one in fetched.arrivals] == [f"127.0.0.1/Leads:{uid}" for uid in (1, 2, 3)]


async def test_reading_goes_on_after_the_cursor_and_each_mail_comes_once(mailbox):
    mailbox.put("a", "b", "c")
    first = await mailbox.fetch(count=2)
    second = await mailbox.fetch(first.cursor)
    assert (ids(first), first.more) == (["a", "b"], True)
    assert (ids(second), second.more) == (["c"], False)
    nothing = await mailbox.fetch(second.cursor)
    assert (ids(nothing), nothing.cursor) == ([], second.cursor)
    mailbox.put("d")
    assert ids(await mailbox.fetch(nothing.cursor)) == ["d"]


async def test_a_mailbox_that_has_a_past_is_read_from_its_end_on(mailbox):
    mailbox.put("a", "b")
    begun = await mailbox.fetch(since=None)
    mailbox.put("c")
    assert (ids(begun), bool(begun.note)) == ([], True)
    assert ids(await mailbox.fetch(begun.cursor, since=None)) == ["c"]


async def test_from_a_day_on_what_came_then_and_later_is_read(mailbox):
    today = datetime.now(UTC).date()
    for name, day in [("a", today - timedelta(days=9)), ("b", today - timedelta(days=3)), ("c", today)]:
        mailbox.put(name, day=day)
    assert ids(await mailbox.fetch(since=today - timedelta(days=5))) == ["b", "c"]
    assert ids(await mailbox.fetch(since=today + timedelta(days=2))) == []


async def test_an_empty_folder_has_a_cursor_from_which_the_first_mail_is_found(mailbox):
    nothing = await mailbox.fetch()
    mailbox.put("a")
    assert ids(await mailbox.fetch(nothing.cursor)) == ["a"]


async def test_a_folder_that_is_numbered_anew_is_read_again_from_its_beginning(mailbox):
    mailbox.put("a", "b")
    before = await mailbox.fetch()
    mailbox.owner.folder.set("INBOX")
    mailbox.owner.folder.delete("Leads")
    mailbox.owner.folder.create("Leads")
    mailbox.put("b", "c")
    after = await mailbox.fetch(before.cursor)
    assert before.cursor.partition(":")[0] != after.cursor.partition(":")[0]
    assert ids(after) == ["b", "c"]


async def test_a_mail_that_its_owner_deleted_is_no_gap_in_the_reading(mailbox):
    mailbox.put("a", "b", "c")
    first = await mailbox.fetch(count=1)
    mailbox.owner.folder.set("Leads")
    mailbox.owner.delete("2")
    assert ids(await mailbox.fetch(first.cursor)) == ["c"]


async def test_reading_leaves_no_trace(mailbox):
    mailbox.put("a")
    mailbox.put("b", flags="\\Flagged")
    before = mailbox.flags()
    await mailbox.fetch()
    assert mailbox.flags() == before
    assert not any("\\Seen" in flags for flags in before)


async def test_of_a_mail_that_is_too_large_the_headers_are_kept_and_the_next_goes_on(mailbox):
    mailbox.put("large", padding=5000)
    mailbox.put("small")
    large, small = (await mailbox.fetch(largest=4000)).arrivals
    assert isinstance(large, Unreadable)
    assert "at most 4000 are read" in large.why
    assert "Subject: large" in large.raw
    assert "hello" not in large.raw
    assert isinstance(small, Arrival)


@pytest.mark.parametrize("user", ["Jörg", 'a "b" \\c'])
async def test_a_users_name_may_hold_any_sign(dovecot, user):
    at = Server("127.0.0.1", dovecot.port, Tls.OFF, user, "wrong € one")
    with pytest.raises(Unauthorised):
        await ImapMailbox(at, "INBOX", PATIENT_S).fetch("", 1)


async def test_a_wrong_password_is_refused_for_good_and_not_shown(dovecot):
    at = Server("127.0.0.1", dovecot.port, Tls.OFF, "reader", "wrong-word")
    with pytest.raises(Unauthorised, match="Check INTERLOCK_IMAP_USER and INTERLOCK_IMAP_PASSWORD") as refused:
        await ImapMailbox(at, "INBOX", PATIENT_S).fetch("", 1)
    assert "wrong-word" not in f"{refused.value!r} {refused.value.__cause__!r} {at!r}"


async def test_a_folder_that_is_not_there_is_refused_with_the_variable_to_mend(mailbox):
    mailbox.folder = "Nowhere"
    with pytest.raises(BadRequest, match=r"no folder Nowhere\. Set INTERLOCK_IMAP_FOLDER"):
        await mailbox.fetch()


def _by(tls: Tls) -> Callable[[Dovecot], int]:
    return lambda dovecot: dovecot.tls_port if tls is Tls.ON else dovecot.port


@pytest.mark.parametrize("tls", [Tls.ON, Tls.STARTTLS])
async def test_encrypted_a_server_whose_certificate_is_believed_is_read(dovecot, monkeypatch, tls):
    monkeypatch.setenv("SSL_CERT_FILE", str(dovecot.certificate))
    at = Server("localhost", _by(tls)(dovecot), tls, "reader", PASSWORD)
    fetched = await ImapMailbox(at, "INBOX", PATIENT_S, since=LONG_AGO).fetch("", 1)
    assert fetched.arrivals == ()


@pytest.mark.parametrize("tls", [Tls.ON, Tls.STARTTLS])
async def test_a_certificate_that_nobody_vouches_for_is_refused_before_the_password_is_sent(dovecot, monkeypatch, tls):
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    at = Server("localhost", _by(tls)(dovecot), tls, "reader", PASSWORD)
    with pytest.raises(BadRequest, match="certificate is not to be believed") as refused:
        await ImapMailbox(at, "INBOX", PATIENT_S).fetch("", 1)
    assert isinstance(refused.value.__cause__, ssl.SSLCertVerificationError)


async def test_a_port_that_speaks_without_encryption_is_unavailable_with_it(dovecot):
    at = Server("localhost", dovecot.port, Tls.ON, "reader", PASSWORD)
    with pytest.raises(Unavailable, match="SSLError"):
        await ImapMailbox(at, "INBOX", PATIENT_S).fetch("", 1)


TOKENS = "https://login.example.com/token"
GRANT = Grant(TOKENS, "our-app", "app-word", "refresh-word", "", OAuthVariables.of("INTERLOCK_IMAP"))


@pytest.fixture(scope="module")
def bearer(dovecot: Dovecot) -> Iterator[tuple[Dovecot, bytes]]:
    """A server that takes access tokens, and the key that signs them: the same one if it knows them."""
    key = dovecot.certificate.parent / "token.key"
    if key.exists():
        yield dovecot, key.read_bytes()
        return
    with own_dovecot() as ours:
        yield ours, (ours.certificate.parent / "token.key").read_bytes()


def access_token(key: bytes, user: str, **claims: object) -> str:
    """A token as a provider signs it (RFC 7519)."""

    def part(content: bytes) -> bytes:
        return urlsafe_b64encode(content).rstrip(b"=")

    now = int(time())
    body = {"email": user, "sub": user, "iat": now - 60, "exp": now + 600, **claims}
    signed = part(json.dumps({"alg": "HS256", "typ": "JWT"}).encode()) + b"." + part(json.dumps(body).encode())
    return (signed + b"." + part(hmac.digest(key, signed, "sha256"))).decode()


def given(*tokens: str) -> list[httpx.Response]:
    return [httpx.Response(200, json={"access_token": token, "expires_in": 3600}) for token in tokens]


def borne(dovecot: Dovecot, user: str) -> ImapMailbox:
    at = Server("127.0.0.1", dovecot.port, Tls.OFF, user, grant=GRANT)
    return ImapMailbox(at, "INBOX", PATIENT_S, since=LONG_AGO)


async def test_a_mailbox_is_read_with_an_access_token_that_is_fetched_once(bearer, respx_mock):
    dovecot, key = bearer
    endpoint = respx_mock.post(TOKENS).mock(side_effect=given(access_token(key, "ann")))
    mailbox = borne(dovecot, "ann")

    first = await mailbox.fetch("", 1)
    second = await mailbox.fetch(first.cursor, 1)

    assert (first.arrivals, second.cursor) == ((), first.cursor)
    assert endpoint.call_count == 1


@pytest.mark.parametrize("wrong", [{"exp": 1}, {"email": "somebody-else"}, None], ids=["ended", "another's", "forged"])
async def test_a_token_that_is_not_taken_is_fetched_anew_once(bearer, respx_mock, wrong):
    dovecot, key = bearer
    bad = access_token(b"another key", "ann") if wrong is None else access_token(key, "ann", **wrong)
    endpoint = respx_mock.post(TOKENS).mock(side_effect=given(bad, access_token(key, "ann")))

    await borne(dovecot, "ann").fetch("", 1)

    assert endpoint.call_count == 2


async def test_tokens_that_are_never_taken_are_told_with_what_to_check_and_not_shown(bearer, respx_mock):
    bad = access_token(b"another key", "ann")
    endpoint = respx_mock.post(TOKENS).mock(side_effect=given(bad, bad))

    with pytest.raises(
        Unauthorised, match="Check that INTERLOCK_IMAP_USER is who granted INTERLOCK_IMAP_OAUTH_RE"
    ) as no:
        await borne(bearer[0], "ann").fetch("", 1)

    assert endpoint.call_count == 2
    assert bad not in f"{no.value!r} {no.value.__cause__!r} {no.value.__context__!r}"


async def test_a_grant_that_was_withdrawn_is_told_as_that(bearer, respx_mock):
    respx_mock.post(TOKENS).respond(400, json={"error": "invalid_grant"})

    with pytest.raises(Unauthorised, match="set INTERLOCK_IMAP_OAUTH_REFRESH_TOKEN"):
        await borne(bearer[0], "ann").fetch("", 1)


async def test_the_standard_way_to_bear_a_token_is_taken_too(bearer):
    dovecot, key = bearer
    with MailBoxUnencrypted("127.0.0.1", dovecot.port, timeout=PATIENT_S) as mailbox:
        words = first_words("OAUTHBEARER", "ann", access_token(key, "ann"), "127.0.0.1", dovecot.port)
        mailbox.client.authenticate("OAUTHBEARER", lambda _challenge: words)
        assert mailbox.folder.list()
