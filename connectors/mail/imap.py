"""A mailbox folder as a source (IMAP, RFC 9051), read without a trace.

The folder is opened read-only and mails are fetched by BODY.PEEK: nothing is marked, moved or
deleted. Reading begins at the folder's end, or with the mails of a day. The cursor is
"UIDVALIDITY:UID", and "@" the day on which reading began at the end: where the server numbers a
folder anew, it is read again from that day on, and the inbox knows each mail by its Message-ID and
its content.
"""

import asyncio
import re
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from imaplib import IMAP4

from imap_tools import AND, BaseMailBox, MailBox, MailBoxStartTls, MailBoxUnencrypted
from imap_tools.errors import ImapToolsError, MailboxFolderSelectError, UnexpectedCommandStatusError

from connectors.mail.message import LARGEST_MAIL, read_mail
from connectors.mail.oauth import AccessTokens, OAuthVariables, first_words, last_words, mechanism
from connectors.mail.servers import Server, Tls, Variables, server
from connectors.ports import Arrival, Fetched, Unreadable
from connectors.raw import shown
from connectors.spec import TIMEOUT_S, Option, SourceSpec, Variable, is_moment, moment, seconds
from domain.errors import BadRequest, Permanent, Retryable, TimedOut, Unauthorised, Unavailable

IMAP = Variables(
    host=Variable("INTERLOCK_IMAP_HOST", "name of the mailbox's IMAP server"),
    port=Variable("INTERLOCK_IMAP_PORT", "IMAP server's port; 993, or 143 where encryption begins later", ""),
    user=Variable("INTERLOCK_IMAP_USER", "user's name at the IMAP server"),
    password=Variable("INTERLOCK_IMAP_PASSWORD", "user's password at the IMAP server", "", secret=True),
    tls=Variable("INTERLOCK_IMAP_TLS", "encryption: on, starttls, or off for a server on this machine", "on"),
    ports={Tls.ON: 993, Tls.STARTTLS: 143, Tls.OFF: 143},
    oauth=OAuthVariables.of("INTERLOCK_IMAP"),
    login=True,
)
FOLDER = Variable("INTERLOCK_IMAP_FOLDER", "folder that is read", "INBOX")

LONGEST_HEADERS = 20_000
"""Characters that are kept of the headers of a mail that is too large."""

SINCE = Option(
    "since",
    "date from which on mails are taken, such as 2026-03-01; those that come from now on without it",
    "",
    is_moment,
)
AT_THE_END = "reading begins with the next mail; to take in what is there already, set the option 'since' to a date"

_CURSOR = re.compile(r"(\d{1,10}):(\d{1,10})(?:@(\d{4}-\d{2}-\d{2}))?")
_SIZE = re.compile(rb"\bUID (\d+)\b.*\bRFC822\.SIZE (\d+)|\bRFC822\.SIZE (\d+)\b.*\bUID (\d+)")
_PASSING = ("UNAVAILABLE", "INUSE", "LIMIT", "SERVERBUG")
_SPOILT = ("CORRUPTION", "EXPUNGEISSUED")
"""Response codes of RFC 5530: what may pass, and what will not for this one mail."""


class ImapMailbox:
    """One folder of a mailbox; each fetch is a connection of its own.

    Args:
        timeout_s: longest silence of the server, in seconds.
        since: the day of whose mails an empty cursor begins with the first; without it, at the folder's end.
        largest: bytes of a mail that is read; of a larger one the headers are kept.
    """

    def __init__(
        self,
        at: Server,
        folder: str,
        timeout_s: float,
        *,
        since: date | None = None,
        largest: int = LARGEST_MAIL,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._at, self._folder, self._timeout_s = at, folder, timeout_s
        self._since, self._largest, self._clock = since, largest, clock
        self._tokens = AccessTokens(at.grant, timeout_s) if at.grant else None

    async def fetch(self, cursor: str, count: int) -> Fetched:
        """Up to `count` mails after `cursor`, in the order in which they came to the folder.

        Raises:
            Unavailable, TimedOut: the server does not answer, or not now.
            Unauthorised: it refuses the user, or no token is to be had for them.
            BadRequest: there is no such folder, its certificate is not to be believed, or the
                cursor is none of ours.
        """
        after = _Cursor.read(cursor)
        if self._tokens is None:
            return await asyncio.to_thread(self._fetch, after, count, "")
        try:
            return await asyncio.to_thread(self._fetch, after, count, await self._tokens.current())
        except _TokenRefused:  # it may have been withdrawn before its time
            self._tokens.drop()
            return await asyncio.to_thread(self._fetch, after, count, await self._tokens.current())

    async def aclose(self) -> None:
        """Nothing stays open between two fetches."""

    def _fetch(self, after: "_Cursor | None", count: int, token: str) -> Fetched:
        with self._translated(), self._opened(token) as mailbox:
            validity = _number(mailbox, "UIDVALIDITY")
            if after is None and self._since is None:
                end = _Cursor(validity, _end(mailbox), self._clock().astimezone(UTC).date())
                return Fetched((), str(end), note=AT_THE_END)
            begun = after.begun if after else None
            last = after.uid if after and after.validity == validity else _before(mailbox, self._since or begun)
            uids = _uids_after(mailbox, last)
            arrivals: list[Arrival | Unreadable] = []
            wanted = uids[:count]
            sizes = _sizes(mailbox, wanted)
            for number in wanted:
                if (read := self._read(mailbox, number, sizes.get(number, 0))) is not None:
                    arrivals.append(read)
                last = number
        return Fetched(tuple(arrivals), str(_Cursor(validity, last, begun)), more=len(uids) > count)

    def _read(self, mailbox: BaseMailBox, uid: int, size: int) -> Arrival | Unreadable | None:
        """One mail; None if somebody deleted it meanwhile."""
        where = f"{self._at.host}/{self._folder}:{uid}"
        try:
            if size > self._largest:
                headers = _section(mailbox, uid, f"HEADER]<0.{LONGEST_HEADERS}>") or b""
                why = f"{size} bytes; mails of at most {self._largest} are read"
                return Unreadable(where, why, shown(headers, LONGEST_HEADERS))
            raw = _section(mailbox, uid, "]")
        except _Spoilt as exc:
            return Unreadable(where, f"the server cannot give it: {exc}", "")
        return None if raw is None else read_mail(raw, where, self._clock())

    @contextmanager
    def _opened(self, token: str) -> Iterator[BaseMailBox]:
        at = self._at
        mailbox: BaseMailBox
        match at.tls:
            case Tls.ON:
                mailbox = MailBox(at.host, at.port, self._timeout_s, ssl_context=at.context())
            case Tls.STARTTLS:
                mailbox = MailBoxStartTls(at.host, at.port, self._timeout_s, ssl_context=at.context())
            case Tls.OFF:
                mailbox = MailBoxUnencrypted(at.host, at.port, self._timeout_s)
        try:
            self._log_in(mailbox, token)
            mailbox.folder.set(self._folder, readonly=True)
            yield mailbox
        finally:
            with suppress(ImapToolsError, IMAP4.error, OSError):  # what was fetched is here
                mailbox.logout()
            with suppress(OSError):  # a logout without an answer leaves it open
                mailbox.client.shutdown()

    def _log_in(self, mailbox: BaseMailBox, token: str) -> None:
        at = self._at
        try:
            if at.grant is not None:
                self._bear(mailbox.client, token)
            else:
                in_ascii = at.user.isascii() and at.password.isascii()
                (mailbox.login if in_ascii else mailbox.login_utf8)(at.user, at.password, initial_folder=None)
        except IMAP4.abort:
            raise
        except (ImapToolsError, IMAP4.error) as exc:
            if code := _code(exc, _PASSING):
                raise Unavailable(f"IMAP {at}: no login now ({code})") from exc
            if at.grant is not None:
                name = at.grant.variables.refresh_token.name
                advice = f"Check that {IMAP.user.name} is who granted {name}, with a scope for IMAP."
                raise _TokenRefused(f"IMAP {at}: refuses the access token. {advice}") from exc
            advice = f"Check {IMAP.user.name} and {IMAP.password.name}."
            raise Unauthorised(f"IMAP {at}: refuses the login. {advice}") from exc

    def _bear(self, client: IMAP4, token: str) -> None:
        """Log in by the token, in whichever way the server has."""
        at = self._at
        offered = [name.removeprefix("AUTH=") for name in client.capabilities if name.startswith("AUTH=")]
        if (name := mechanism(offered)) is None:
            raise BadRequest(f"IMAP {at}: takes no access tokens; use {IMAP.password.name}")
        words = iter([first_words(name, at.user, token, at.host, at.port), last_words(name)])
        client.authenticate(name, lambda _challenge: next(words, b""))

    @contextmanager
    def _translated(self) -> Iterator[None]:
        at = self._at
        try:
            yield
        except (Permanent, Retryable):
            raise
        except MailboxFolderSelectError as exc:
            if code := _code(exc, _PASSING):
                raise Unavailable(f"IMAP {at}: folder {self._folder} cannot be opened now ({code})") from exc
            raise BadRequest(f"IMAP {at}: no folder {self._folder}. Set {FOLDER.name} to another.") from exc
        except ssl.SSLCertVerificationError as exc:
            raise BadRequest(
                f"IMAP {at}: its certificate is not to be believed: {exc.verify_message}. "
                f"Check {IMAP.host.name}, or name the authority's file in SSL_CERT_FILE."
            ) from exc
        except TimeoutError as exc:
            raise TimedOut(f"IMAP {at}: no answer in {self._timeout_s:g} s") from exc
        except (OSError, ImapToolsError, IMAP4.error) as exc:
            raise Unavailable(f"IMAP {at}: {type(exc).__name__} {exc}") from exc


class _TokenRefused(Unauthorised):
    """The server does not take an access token that the endpoint has given."""


class _Spoilt(Exception):
    """The server says that it cannot give this one mail, now or later."""


def _open(values: Mapping[str, str], options: Mapping[str, str]) -> ImapMailbox:
    """The mailbox that the variables name.

    Raises:
        PolicyInvalid: one is unusable.
    """
    at = moment(options[SINCE.name])
    since = at.date() if at else None
    return ImapMailbox(server(values, IMAP), values[FOLDER.name], seconds(values, TIMEOUT_S), since=since)


SOURCE = SourceSpec(_open, (*IMAP.all(), FOLDER, TIMEOUT_S), (SINCE,))


@dataclass(frozen=True)
class _Cursor:
    """The last mail that was read, by the folder's numbering; `begun`: the day on which reading began at its end."""

    validity: int
    uid: int
    begun: date | None

    @classmethod
    def read(cls, text: str) -> "_Cursor | None":
        """The cursor of a text; None for an empty one.

        Raises:
            BadRequest: it is none of ours.
        """
        if not text:
            return None
        found = _CURSOR.fullmatch(text)
        try:
            if found:
                return cls(int(found[1]), int(found[2]), date.fromisoformat(found[3]) if found[3] else None)
        except ValueError:  # a day that no month has
            pass
        raise BadRequest("the cursor is not one of a mailbox; an empty one begins again")

    def __str__(self) -> str:
        return f"{self.validity}:{self.uid}" + (f"@{self.begun}" if self.begun else "")


def _number(mailbox: BaseMailBox, name: str) -> int:
    """A number that the server told when it opened the folder (RFC 9051, 2.3.1.1); 0 if it did not."""
    _, data = mailbox.client.response(name)
    return int(data[0]) if data and data[0] else 0


def _end(mailbox: BaseMailBox) -> int:
    """The number of the folder's last mail, or one after it that no mail has any more."""
    uid_next = _number(mailbox, "UIDNEXT")
    return uid_next - 1 if uid_next else max(map(int, mailbox.uids("UID *", charset=None)), default=0)


def _before(mailbox: BaseMailBox, since: date | None) -> int:
    """The number before that of the first mail that came on a day or after it; before all of them without a day."""
    if since is None:
        return 0
    came = list(map(int, mailbox.uids(AND(date_gte=since), charset=None)))
    return min(came) - 1 if came else _end(mailbox)


def _uids_after(mailbox: BaseMailBox, last: int) -> list[int]:
    """Ascending; the server gives its last one even where that is not after `last` (RFC 9051, 6.4.8)."""
    return sorted(uid for uid in map(int, mailbox.uids(f"UID {last + 1}:*", charset=None)) if uid > last)


def _sizes(mailbox: BaseMailBox, uids: Sequence[int]) -> dict[int, int]:
    """Bytes of each of these mails that is still there."""
    if not uids:
        return {}
    status, data = mailbox.client.uid("FETCH", ",".join(map(str, uids)), "(UID RFC822.SIZE)")
    if status != "OK":
        raise UnexpectedCommandStatusError((status, data), "OK")
    found = [_SIZE.search(line) for line in data if isinstance(line, bytes)]
    return {int(one[1] or one[4]): int(one[2] or one[3]) for one in found if one}


def _section(mailbox: BaseMailBox, uid: int, section: str) -> bytes | None:
    """Part of a mail, without marking it as seen; None if it is gone.

    Raises:
        _Spoilt: the server has it and cannot give it.
    """
    status, data = mailbox.client.uid("FETCH", str(uid), f"(BODY.PEEK[{section})")
    if status != "OK":
        failure = UnexpectedCommandStatusError((status, data), "OK")
        if code := _code(failure, _SPOILT):
            raise _Spoilt(code)
        raise failure
    if not any(data):
        return None
    for part in data:
        if isinstance(part, tuple):
            return bytes(part[1])
    raise _Spoilt("it gives nothing")


def _code(exc: Exception, codes: Sequence[str]) -> str:
    """Which of these response codes a refusal bears; empty if none."""
    said = str(exc).upper()
    return next((code for code in codes if f"[{code}" in said), "")
