"""How `ImapMailbox` tells what went wrong, against servers that fail by script; tests/real has a real one."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from connectors.mail.imap import ImapMailbox
from connectors.mail.servers import Server, Tls
from connectors.ports import Arrival, Unreadable
from connectors.registry import open_source
from domain.errors import BadRequest, PolicyInvalid, TimedOut, Unauthorised, Unavailable

SHORT_S = 0.2
LONG_AGO = date(1980, 1, 1)
MAIL = b"Message-ID: <%d@example.com>\r\n\r\nhello"
ENVIRON = {
    "INTERLOCK_IMAP_HOST": "imap.example.com",
    "INTERLOCK_IMAP_USER": "reader",
    "INTERLOCK_IMAP_PASSWORD": "open-sesame",
}
GRANTED = {
    "INTERLOCK_IMAP_OAUTH_TOKEN_URL": "https://login.example.com/token",
    "INTERLOCK_IMAP_OAUTH_CLIENT_ID": "our-app",
    "INTERLOCK_IMAP_OAUTH_CLIENT_SECRET": "app-word",
    "INTERLOCK_IMAP_OAUTH_REFRESH_TOKEN": "refresh-word",
    "INTERLOCK_IMAP_OAUTH_SCOPE": "imap",
}
PATIENT_S = 10.0

Answer = Callable[[str, str], bytes | None]
"""What a server says to a command (without its tag) before its own OK; None to hang up, b"..." to stay silent."""
SILENCE = b"..."


def usual(command: str, tag: str) -> bytes | None:
    """A server with two mails."""
    match command.upper().split():
        case ["CAPABILITY"]:
            return b"* CAPABILITY IMAP4rev1\r\n"
        case ["EXAMINE", *_]:
            return b"* 2 EXISTS\r\n* OK [UIDVALIDITY 7] valid\r\n"
        case ["UID", "SEARCH", *_]:
            return b"* SEARCH 12 11\r\n"
        case ["UID", "FETCH", _, "(UID", *_]:
            return b"* 1 FETCH (UID 11 RFC822.SIZE 30)\r\n* 2 FETCH (RFC822.SIZE 31 UID 12)\r\n"
        case ["UID", "FETCH", uid, *_]:
            mail = MAIL % int(uid)
            return b"* 1 FETCH (UID %d BODY[] {%d}\r\n%b)\r\n" % (int(uid), len(mail), mail)
        case ["LOGOUT"]:
            return b"* BYE\r\n"
        case _:
            return b""


def but(start: str, answer: bytes | None) -> Answer:
    """The usual server, with another answer to commands that begin so; one that begins with the tag is final."""
    return lambda command, tag: answer if command.upper().startswith(start) else usual(command, tag)


@asynccontextmanager
async def serving(
    answer: Answer, greeting: bytes = b"* OK hello\r\n", since: date | None = LONG_AGO
) -> AsyncIterator[ImapMailbox]:
    """A connector to a server that behaves so."""

    connections: list[asyncio.Task[None] | None] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(asyncio.current_task())
        writer.write(greeting)
        while line := await reader.readline():
            tag, _, command = line.decode().strip().partition(" ")
            said = answer(command, tag)
            if said is None:
                break
            if said == SILENCE:
                continue
            final = said.startswith((b"NO", b"BAD"))
            writer.write(tag.encode() + b" " + said + b"\r\n" if final else said + tag.encode() + b" OK done\r\n")
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    at = Server("127.0.0.1", server.sockets[0].getsockname()[1], Tls.OFF, "reader", "open-sesame")
    async with server:
        yield ImapMailbox(at, "INBOX", SHORT_S, since=since)
        await asyncio.gather(*filter(None, connections))


async def test_mails_are_read_by_ascending_number():
    async with serving(usual) as mailbox:
        fetched = await mailbox.fetch("", 10)
    assert [one.fields["message_id"] for one in fetched.arrivals if isinstance(one, Arrival)] == [
        "11@example.com",
        "12@example.com",
    ]
    assert (fetched.cursor, fetched.more) == ("7:12", False)


@pytest.mark.parametrize(
    ("answer", "end"),
    [
        (but("EXAMINE", b"* OK [UIDVALIDITY 7] valid\r\n* OK [UIDNEXT 40] next\r\n"), 39),
        (usual, 12),
        (but("UID SEARCH", b"* SEARCH\r\n"), 0),
    ],
    ids=["the server says which is next", "the server does not", "an empty folder"],
)
async def test_a_mailbox_is_read_from_its_end_on_and_says_so_once(answer, end):
    async with serving(answer, since=None) as mailbox:
        first = await mailbox.fetch("", 10)
        cursor = f"7:{end}@{datetime.now(UTC).date()}"
        assert (first.arrivals, first.cursor, first.more) == ((), cursor, False)
        assert "set the option 'since' to a date" in first.note
        assert (await mailbox.fetch(first.cursor, 10)).note == ""


async def test_from_a_day_on_a_mailbox_is_read_from_the_first_mail_that_came_then():
    said = []

    def listening(command: str, tag: str) -> bytes | None:
        said.append(command)
        return b"* SEARCH 12\r\n" if "SINCE" in command else usual(command, tag)

    async with serving(listening, since=date(2026, 3, 1)) as mailbox:
        fetched = await mailbox.fetch("", 10)
    assert [one.where for one in fetched.arrivals] == ["127.0.0.1/INBOX:12"]
    assert (fetched.cursor, fetched.note) == ("7:12", "")
    assert "UID SEARCH (SINCE 1-Mar-2026)" in said


@pytest.mark.parametrize(
    ("cursor", "searched"),
    [("6:90@2026-03-02", "(SINCE 2-Mar-2026)"), ("6:90", "UID 1:*")],
    ids=["that began at its end", "that began at its beginning"],
)
async def test_a_folder_that_is_numbered_anew_is_read_again_from_where_reading_began(cursor, searched):
    said = []

    def listening(command: str, tag: str) -> bytes | None:
        said.append(command)
        return usual(command, tag)

    async with serving(listening, since=None) as mailbox:
        fetched = await mailbox.fetch(cursor, 10)
    assert said[3] == f"UID SEARCH {searched}"
    assert len(fetched.arrivals) == 2
    assert fetched.cursor == cursor.replace("6:90", "7:12")


async def test_a_folder_that_is_numbered_anew_and_has_nothing_since_then_goes_on_at_its_end():
    async with serving(but("UID SEARCH (SINCE", b"* SEARCH\r\n"), since=None) as mailbox:
        fetched = await mailbox.fetch("6:90@2026-03-02", 10)
    assert (fetched.arrivals, fetched.cursor) == ((), "7:12@2026-03-02")


async def test_a_server_gives_its_last_mail_again_and_it_is_not_read_again():
    async with serving(but("UID SEARCH", b"* SEARCH 12\r\n")) as mailbox:
        fetched = await mailbox.fetch("7:12", 10)
    assert (fetched.arrivals, fetched.cursor) == ((), "7:12")


async def test_nothing_is_said_to_the_server_that_could_change_anything():
    said = []

    def listening(command: str, tag: str) -> bytes | None:
        said.append(command if command.startswith("UID") else command.partition(" ")[0])
        return usual(command, tag)

    async with serving(listening) as mailbox:
        await mailbox.fetch("", 10)
    assert said == [
        "CAPABILITY",
        "LOGIN",
        "EXAMINE",
        "UID SEARCH (SINCE 1-Jan-1980)",
        "UID SEARCH UID 11:*",
        "UID FETCH 11,12 (UID RFC822.SIZE)",
        "UID FETCH 11 (BODY.PEEK[])",
        "UID FETCH 12 (BODY.PEEK[])",
        "LOGOUT",
    ]


@pytest.mark.parametrize(
    ("answer", "error", "why"),
    [
        (but("LOGIN", b"NO [AUTHENTICATIONFAILED] no"), Unauthorised, "Check INTERLOCK_IMAP_USER"),
        (but("LOGIN", b"NO no"), Unauthorised, "refuses the login"),
        (but("LOGIN", b"BAD what"), Unauthorised, "refuses the login"),
        (but("LOGIN", b"NO [UNAVAILABLE] later"), Unavailable, "no login now"),
        (but("LOGIN", None), Unavailable, "abort"),
        (but("LOGIN", SILENCE), TimedOut, "no answer in 0.2 s"),
        (but("EXAMINE", b"NO [NONEXISTENT] no"), BadRequest, "Set INTERLOCK_IMAP_FOLDER"),
        (but("EXAMINE", b"NO [INUSE] later"), Unavailable, "cannot be opened now"),
        (but("UID SEARCH", b"NO no"), Unavailable, "MailboxUidsError"),
        (but("UID FETCH 11,12", b"NO no"), Unavailable, "UnexpectedCommandStatusError"),
        (but("UID FETCH 12", None), Unavailable, "abort"),
        (but("UID FETCH 12", SILENCE), TimedOut, "no answer"),
        (but("UID FETCH 12", b"NO [SERVERBUG] no"), Unavailable, "SERVERBUG"),
    ],
)
async def test_each_failure_says_whether_to_come_again(answer, error, why):
    async with serving(answer) as mailbox:
        with pytest.raises(error, match=why) as failed:
            await mailbox.fetch("", 10)
    assert "open-sesame" not in f"{failed.value!r} {failed.value.__cause__!r}"


@pytest.mark.parametrize("greeting", [b"* BYE too many connections\r\n", b"nonsense\r\n", b""])
async def test_a_server_that_does_not_greet_is_unavailable(greeting):
    async with serving(usual, greeting) as mailbox:
        with pytest.raises((Unavailable, TimedOut)):
            await mailbox.fetch("", 10)


async def test_a_server_that_is_not_there_is_unavailable(unused_tcp_port: int):
    at = Server("127.0.0.1", unused_tcp_port, Tls.OFF, "reader", "open-sesame")
    with pytest.raises(Unavailable, match="ConnectionRefusedError"):
        await ImapMailbox(at, "INBOX", SHORT_S).fetch("", 1)


@pytest.mark.parametrize(
    "answer",
    [b"NO [CORRUPTION] broken", b"NO [EXPUNGEISSUED] half gone", b"* 1 FETCH (UID 11 BODY[] NIL)\r\n"],
)
async def test_a_mail_that_the_server_cannot_give_is_told_apart_and_the_next_goes_on(answer):
    async with serving(but("UID FETCH 11 ", answer)) as mailbox:
        spoilt, whole = (await mailbox.fetch("", 10)).arrivals
    assert isinstance(spoilt, Unreadable)
    assert spoilt.where == "127.0.0.1/INBOX:11"
    assert "the server cannot give it" in spoilt.why
    assert isinstance(whole, Arrival)


async def test_a_mail_that_is_gone_by_now_is_none():
    async with serving(but("UID FETCH 11 ", b"")) as mailbox:
        fetched = await mailbox.fetch("", 10)
    assert [one.where for one in fetched.arrivals] == ["127.0.0.1/INBOX:12"]


async def test_a_mail_whose_size_the_server_does_not_tell_is_read_all_the_same():
    async with serving(but("UID FETCH 11,12", b"* 1 FETCH (UID 11)\r\n")) as mailbox:
        assert len((await mailbox.fetch("", 10)).arrivals) == 2


@pytest.mark.parametrize("cursor", ["7", "7:", "x:1", "7:12:3", "7:12@", "7:12@2026-02-30", '{"a.eml":{}}'])
async def test_a_cursor_of_something_else_is_refused(cursor):
    async with serving(usual) as mailbox:
        with pytest.raises(BadRequest, match="not one of a mailbox"):
            await mailbox.fetch(cursor, 10)


class TestEnvironment:
    async def test_a_mailbox_that_is_set_up_opens_encrypted(self):
        mailbox = open_source("imap", {}, ENVIRON)
        assert isinstance(mailbox, ImapMailbox)
        assert (mailbox._at, mailbox._folder) == (
            Server("imap.example.com", 993, Tls.ON, "reader", "open-sesame"),
            "INBOX",
        )
        assert "open-sesame" not in repr(mailbox._at)
        await mailbox.aclose()

    @pytest.mark.parametrize(
        ("change", "told"),
        [
            ({"INTERLOCK_IMAP_HOST": ""}, "set INTERLOCK_IMAP_HOST to the name of the mailbox's IMAP server"),
            ({"INTERLOCK_IMAP_TLS": "off"}, "would go unencrypted"),
            ({"INTERLOCK_IMAP_TLS": "maybe"}, "Set it to one of: on, starttls, off"),
            ({"INTERLOCK_IMAP_PORT": "imap"}, "INTERLOCK_IMAP_PORT is 'imap'"),
            ({"INTERLOCK_IMAP_PORT": "99999"}, "INTERLOCK_IMAP_PORT is '99999'"),
            ({"INTERLOCK_IMAP_PASSWORD": "open\r\nsesame"}, "INTERLOCK_IMAP_PASSWORD holds signs"),
            ({"INTERLOCK_CONNECTOR_TIMEOUT_S": "soon"}, "INTERLOCK_CONNECTOR_TIMEOUT_S is 'soon'"),
        ],
    )
    def test_a_variable_that_is_unusable_is_named_with_what_to_set(self, change, told):
        with pytest.raises(PolicyInvalid, match=told) as refused:
            open_source("imap", {}, ENVIRON | change)
        assert "sesame" not in str(refused.value)

    @pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1"])
    def test_on_this_machine_it_may_go_without_encryption(self, host):
        here = ENVIRON | {"INTERLOCK_IMAP_HOST": host, "INTERLOCK_IMAP_TLS": "off"}
        assert open_source("imap", {}, here)._at == Server(host, 143, Tls.OFF, "reader", "open-sesame")

    def test_an_access_token_stands_in_for_the_password(self):
        granted = {name: value for name, value in ENVIRON.items() if "PASSWORD" not in name} | GRANTED
        at = open_source("imap", {}, granted)._at
        assert at.grant is not None
        assert (at.password, at.grant.token_url, at.grant.scope) == ("", "https://login.example.com/token", "imap")
        assert "-word" not in f"{at!r}"

    @pytest.mark.parametrize(
        ("change", "told"),
        [
            ({}, "INTERLOCK_IMAP_PASSWORD and INTERLOCK_IMAP_OAUTH_TOKEN_URL are both set: remove one"),
            ({"INTERLOCK_IMAP_PASSWORD": "", "INTERLOCK_IMAP_USER": ""}, "set INTERLOCK_IMAP_USER to the"),
            (
                {"INTERLOCK_IMAP_PASSWORD": "", "INTERLOCK_IMAP_OAUTH_TOKEN_URL": ""},
                "set INTERLOCK_IMAP_PASSWORD to the .*, or INTERLOCK_IMAP_OAUTH_TOKEN_URL to the",
            ),
            (
                {"INTERLOCK_IMAP_PASSWORD": "", "INTERLOCK_IMAP_OAUTH_REFRESH_TOKEN": ""},
                "INTERLOCK_IMAP_OAUTH_TOKEN_URL is set: set INTERLOCK_IMAP_OAUTH_REFRESH_TOKEN to the refresh token",
            ),
            (
                {"INTERLOCK_IMAP_PASSWORD": "", "INTERLOCK_IMAP_OAUTH_TOKEN_URL": "http://login.example.com/token"},
                "would go unencrypted",
            ),
            ({"INTERLOCK_IMAP_PASSWORD": "", "INTERLOCK_IMAP_OAUTH_REFRESH_TOKEN": "a word"}, "holds spaces or signs"),
        ],
    )
    def test_a_login_that_cannot_be_is_told_with_what_to_set(self, change, told):
        with pytest.raises(PolicyInvalid, match=told):
            open_source("imap", {}, ENVIRON | GRANTED | change)

    async def test_a_server_that_takes_no_tokens_is_told_as_that(self, respx_mock):
        respx_mock.post("https://login.example.com/token").respond(200, json={"access_token": "good"})
        async with serving(usual) as mailbox:
            granted = open_source("imap", {}, ENVIRON | {"INTERLOCK_IMAP_PASSWORD": ""} | GRANTED)._at.grant
            at = replace(mailbox._at, password="", grant=granted)
            with pytest.raises(BadRequest, match="takes no access tokens; use INTERLOCK_IMAP_PASSWORD"):
                await ImapMailbox(at, "INBOX", PATIENT_S).fetch("", 1)

    def test_an_unknown_source_names_those_that_there_are(self):
        with pytest.raises(PolicyInvalid, match=r"source 'pop3' is unknown\. Use one of: imap, folder"):
            open_source("pop3", {}, ENVIRON)
