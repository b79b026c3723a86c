"""Sends mail (SMTP, RFC 5321): to all of its recipients or to none.

A mail is out of our hands with the server's answer to its last byte; where that answer is
lost, nobody can be asked whether the mail went out, and sending again may double it (RFC 5321,
6.1). Every send of one operation has the same Message-ID, by which recipients' servers may
know a double, and people find it.
"""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.charset import QP, Charset
from email.header import Header
from email.message import Message
from email.policy import compat32
from email.utils import format_datetime, getaddresses

from aiosmtplib import (
    SMTP,
    SMTPAuthenticationError,
    SMTPException,
    SMTPRecipientRefused,
    SMTPResponseException,
)
from email_validator import EmailNotValidError, validate_email

from connectors.capabilities import Capabilities, Idempotency, Upsert
from connectors.diagnosis import Diagnosis, Use, failed, refused
from connectors.mail.headers import Address
from connectors.mail.oauth import AccessTokens, OAuthVariables
from connectors.mail.servers import Server, Tls, Variables, server
from connectors.mail.smtp_login import accepted, greet
from connectors.spec import TIMEOUT_S, SystemSpec, Variable, seconds
from domain.delivery import DeliveryOutcome, Hindrance, Invalid, Operation, RetryAfter, Unknown, Written
from domain.errors import Permanent, PolicyInvalid, Retryable
from domain.values import digest
from policies.intake import storable

OUTGOING = Variables(
    host=Variable("INTERLOCK_SMTP_HOST", "name of the SMTP server that mail is handed to"),
    port=Variable("INTERLOCK_SMTP_PORT", "SMTP server's port; 587, or 465 where encryption is on from the start", ""),
    user=Variable("INTERLOCK_SMTP_USER", "user's name at the SMTP server, where it asks for one", ""),
    password=Variable("INTERLOCK_SMTP_PASSWORD", "user's password at the SMTP server", "", secret=True),
    tls=Variable("INTERLOCK_SMTP_TLS", "encryption: starttls, on, or off for a server on this machine", "starttls"),
    ports={Tls.STARTTLS: 587, Tls.ON: 465, Tls.OFF: 25},
    oauth=OAuthVariables.of("INTERLOCK_SMTP"),
    login=False,
)
SENDER = Variable("INTERLOCK_SMTP_FROM", "address that mail is sent from, such as Support <support@example.com>")
VALUES = ("to", "cc", "subject", "body", "reply_to", "in_reply_to")

_UNPRINTED = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_MESSAGE_ID = re.compile(r"[!-;=?-~]{1,900}@[!-;=?-~]{1,900}")
_QUOTED_PRINTABLE = Charset("utf-8")
_QUOTED_PRINTABLE.body_encoding = QP  # keeps lines within what RFC 5321, 4.5.3.1.6 allows, and legible
# The policies that know headers' insides decode encoded words in what they are given, and write
# out a line break found in one (CVE-2024-6923); this one takes headers as they are.
_AS_GIVEN = compat32.clone(mangle_from_=False, linesep="\r\n")

_FIRST_PERMANENT = 500
_FIRST_PASSING = 400
LONGEST_MESSAGE = 300
"""Characters of a server's words that go into an outcome."""


@dataclass(frozen=True)
class _Mail:
    message_id: str
    recipients: list[str]
    content: bytes


class Smtp:
    """Sends mails of the values to, cc, subject, body, reply_to and in_reply_to.

    Each mail is a connection of its own.
    """

    capabilities = Capabilities(upsert=Upsert.NONE, idempotency=Idempotency.NONE)

    def __init__(self, at: Server, sender: Address, timeout_s: float) -> None:
        self._at, self._sender, self._timeout_s = at, sender, timeout_s
        self._tokens = AccessTokens(at.grant, timeout_s) if at.grant else None

    async def send(self, operation: Operation) -> DeliveryOutcome:
        """Hand the mail over; after `Unknown`, sending again may double it.

        A recipient who is refused, or a value that mails do not have, is `Invalid`, and
        nobody gets the mail.
        """
        try:
            mail = self._mail(operation)
        except _Unsendable as exc:
            return Invalid(detail=self._says(str(exc)))
        outcome = await self._sent(mail)
        if isinstance(outcome, _TokenRefused) and self._tokens is not None:
            self._tokens.drop()  # it may have been withdrawn before its time
            outcome = await self._sent(mail)
        return _key_refused(outcome.detail) if isinstance(outcome, _TokenRefused) else outcome

    async def find(self, operation: Operation) -> DeliveryOutcome | None:
        """Unknown: SMTP cannot be asked what became of a mail, so a person has to look."""
        message_id = self._message_id(operation)
        look = f"Look for Message-ID {message_id} in its log, or ask {operation.values.get('to', 'the recipient')}"
        return Unknown(detail=self._says(f"cannot be asked whether the mail went out. {look}"))

    async def diagnose(self, uses: Sequence[Use]) -> Diagnosis:
        """Greet the server, log in and leave; no mail is begun, and whom it lets us write to shows only then."""
        client = self._client()
        try:
            match await self._begun(client, None):
                case _TokenRefused(detail=detail) | Invalid(detail=detail):
                    return refused(failed(_key_refused(detail)), "the SMTP server")
                case RetryAfter() as failure:
                    return refused(failed(failure), "the SMTP server")
            await client.quit()
        except SMTPException:  # it had let us in
            pass
        finally:
            client.close()
        return accepted(str(self._at), bool(self._at.user), VALUES, uses)

    async def aclose(self) -> None:
        """Nothing stays open between two mails."""

    def _client(self) -> SMTP:
        at = self._at
        return SMTP(
            hostname=at.host,
            port=at.port,
            username=None if at.grant else at.user or None,
            password=None if at.grant or not at.user else at.password,
            timeout=self._timeout_s,
            use_tls=at.tls is Tls.ON,
            start_tls=at.tls is Tls.STARTTLS,
            tls_context=at.context(),
        )

    async def _sent(self, mail: _Mail) -> "DeliveryOutcome | _TokenRefused":
        client = self._client()
        try:
            refusal = await self._begun(client, mail)
            return await self._hand_over(client, mail) if refusal is None else refusal
        finally:
            client.close()

    async def _begun(self, client: SMTP, mail: _Mail | None) -> "Invalid | RetryAfter | _TokenRefused | None":
        """Greet, log in, and say from whom and to whom a mail goes; gives what went wrong, if anything did."""
        try:
            await greet(client, self._at, self._tokens, OUTGOING.password.name)
            if mail is not None:
                await self._address(client, mail)
        except SMTPException as exc:
            return self._not_sent(exc)
        except Retryable as exc:
            return RetryAfter(
                seconds=exc.retry_after_s, detail=self._says(f"no access token now, nothing was sent: {exc}")
            )
        except Permanent as exc:
            return _key_refused(self._says(str(exc)))
        return None

    async def _address(self, client: SMTP, mail: _Mail) -> None:
        """Tell the server from whom and to whom; it refuses a recipient here."""
        await client.mail(self._sender.email)
        for recipient in mail.recipients:
            await client.rcpt(recipient)

    async def _hand_over(self, client: SMTP, mail: _Mail) -> "DeliveryOutcome | _TokenRefused":
        try:
            await client.data(mail.content)
        except SMTPResponseException as exc:
            if exc.code >= _FIRST_PASSING:
                return self._not_sent(exc)
            return Unknown(detail=self._says(f"sent, but the answer cannot be read: {_words(exc.message)}"))
        except SMTPException as exc:
            return Unknown(detail=self._says(f"sent, but no answer came: {_words(exc.message)}"))
        with suppress(SMTPException):
            await client.quit()
        return Written(kind="created", external_id=mail.message_id)

    def _not_sent(self, exc: SMTPException) -> "Invalid | RetryAfter | _TokenRefused":
        """What a failure before the server took the mail means."""
        match exc:
            case SMTPAuthenticationError(code=code) if code >= _FIRST_PERMANENT and self._at.grant is not None:
                name = self._at.grant.variables.refresh_token.name
                advice = f"Check that {OUTGOING.user.name} is who granted {name}, with a scope for SMTP."
                return _TokenRefused(self._says(f"refuses the access token ({code}). {advice}"))
            case SMTPAuthenticationError(code=code) if code >= _FIRST_PERMANENT:
                advice = f"Check {OUTGOING.user.name} and {OUTGOING.password.name}."
                return _key_refused(self._says(f"refuses the login ({code}). {advice}"))
            case SMTPRecipientRefused(code=code, recipient=recipient):
                detail = self._says(f"{recipient}: {_words(exc.message)} ({code})")
            case SMTPResponseException(code=code):
                detail = self._says(f"{_words(exc.message)} ({code})")
            case _:
                return RetryAfter(detail=self._says(f"not reached, nothing was sent: {_words(exc.message)}"))
        return Invalid(detail=detail) if code >= _FIRST_PERMANENT else RetryAfter(detail=detail)

    def _mail(self, operation: Operation) -> _Mail:
        values = {name: storable(value) for name, value in operation.values.items()}
        if strange := sorted(values.keys() - set(VALUES)):
            raise _Unsendable(f"mails have no {', '.join(strange)}; use {', '.join(VALUES)}")
        addresses = {name: _addresses(name, values.get(name, "")) for name in ("to", "cc", "reply_to")}
        if not addresses["to"]:
            raise _Unsendable("give 'to', the recipient's address")
        message_id = self._message_id(operation)
        headers: dict[str, Header | str] = {
            "From": _written([self._sender]),
            "To": _written(addresses["to"]),
            "Cc": _written(addresses["cc"]),
            "Reply-To": _written(addresses["reply_to"]),
            "Subject": _subject(values.get("subject", "")),
            "Date": format_datetime(datetime.now(UTC)),
            "Message-ID": message_id,
            "In-Reply-To": _reference(values.get("in_reply_to", "")),
            "References": _reference(values.get("in_reply_to", "")),
            "Auto-Submitted": "auto-generated",  # RFC 3834, 5: nobody's machine answers it
        }
        mail: Message[str, Header | str] = Message()
        mail.set_payload(values.get("body", "").replace("\r\n", "\n").replace("\r", "\n"), _QUOTED_PRINTABLE)
        for header, value in headers.items():
            if value:
                mail[header] = value
        recipients = [address.email for name in ("to", "cc") for address in addresses[name]]
        return _Mail(message_id, recipients, mail.as_bytes(policy=_AS_GIVEN))

    def _message_id(self, operation: Operation) -> str:
        known = operation.operation_id
        name = known if re.fullmatch(r"[\w-]{1,100}", known, re.ASCII) else f"op-{digest(known)[:24]}"
        return f"<{name}@{self._sender.email.rpartition('@')[2]}>"

    def _says(self, message: str) -> str:
        return f"SMTP {self._at}: {message}"


@dataclass(frozen=True)
class _TokenRefused:
    """The server does not take an access token that the endpoint has given; nothing was sent."""

    detail: str


class _Unsendable(Exception):
    """An operation's values make no mail."""


def _key_refused(detail: str) -> RetryAfter:
    return RetryAfter(hindrance=Hindrance.KEY, detail=detail)


def _addresses(name: str, text: str) -> list[Address]:
    """The addresses in a value, parted by commas."""
    if not text.strip():
        return []
    if _UNPRINTED.search(text):
        raise _Unsendable(f"'{name}' holds a line break or a control sign")
    found = [(shown, address) for shown, address in getaddresses([text]) if shown or address]
    if not found:
        raise _Unsendable(f"'{name}' is '{text[:100]}', no address")
    return [Address(shown, _valid(name, address)) for shown, address in found]


def _valid(name: str, address: str) -> str:
    try:
        checked = validate_email(address, check_deliverability=False, test_environment=True)
    except EmailNotValidError as exc:
        raise _Unsendable(f"'{name}' holds '{address[:100]}', no address: {exc}") from exc
    if checked.ascii_email is None:
        raise _Unsendable(f"'{name}' holds '{address[:100]}': before the @ there may be only ASCII")
    return checked.ascii_email


def _written(addresses: list[Address]) -> str:
    return ", ".join(
        f"{_quoted(address.name)} <{address.email}>" if address.name else address.email for address in addresses
    )


def _quoted(name: str) -> str:
    escaped = re.sub(r'(["\\])', r"\\\1", name)
    return Header(name, "utf-8").encode(maxlinelen=0) if _is_special(name) else f'"{escaped}"'


def _subject(text: str) -> Header | str:
    line = " ".join(_UNPRINTED.sub(" ", text).split())
    return Header(line, "utf-8", header_name="Subject") if _is_special(line) else line


def _is_special(text: str) -> bool:
    """Whether a text needs encoded words (RFC 2047): it is beyond ASCII, or would be taken for one."""
    return not text.isascii() or "=?" in text


def _reference(text: str) -> str:
    message_id = text.strip().removeprefix("<").removesuffix(">")
    if message_id and not _MESSAGE_ID.fullmatch(message_id):
        raise _Unsendable("'in_reply_to' is no Message-ID")
    return f"<{message_id}>" if message_id else ""


def _words(message: str) -> str:
    return " ".join(message.split())[:LONGEST_MESSAGE]


def _open(values: Mapping[str, str]) -> Smtp:
    text = values[SENDER.name]
    try:
        (sender,) = _addresses(SENDER.name, text)
    except (_Unsendable, ValueError) as exc:
        raise PolicyInvalid(f"{SENDER.name} is '{text}', not one address. Set it to the {SENDER.meaning}") from exc
    return Smtp(server(values, OUTGOING), sender, seconds(values, TIMEOUT_S))


_VARIABLES = (*OUTGOING.all(), SENDER, TIMEOUT_S)
SPEC = SystemSpec(_open, _VARIABLES)
