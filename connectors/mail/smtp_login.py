"""Greets an SMTP server and logs in, by password or by an access token."""

from base64 import b64encode
from collections.abc import Sequence

from aiosmtplib import SMTP, SMTPAuthenticationError, SMTPStatus

from connectors.diagnosis import Aspect, Diagnosis, Use, lacking, untold, well
from connectors.mail.oauth import AccessTokens, first_words, last_words, mechanism
from connectors.mail.servers import Server
from domain.errors import BadRequest


async def greet(client: SMTP, at: Server, tokens: AccessTokens | None, password: str) -> None:
    """Connect and log in, where the server asks for that; no mail is begun.

    Args:
        password: name of the variable to use where the server takes no tokens.

    Raises:
        SMTPException: not reached, or the login is refused.
        Retryable, Permanent: no token is to be had, or it is of no use here.
    """
    await client.connect()
    if tokens is not None:
        await _bear(client, at, await tokens.current(), password)


def accepted(server: str, logs_in: bool, known: Sequence[str], uses: Sequence[Use]) -> Diagnosis:
    """What is found of a server that has let us in: it tells neither its limits nor its time.

    Args:
        logs_in: whether we have a user there.
        known: the values that a mail may have.
    """
    written = {name for use in uses for name in use.fields}
    login = well(Aspect.KEY, "the login is accepted") if logs_in else untold(Aspect.KEY, "nobody logs in there")
    answers = well(Aspect.ANSWERS, f"the SMTP server {server} answers")
    return Diagnosis((answers, login, lacking("mails", written, known, f"Use {', '.join(known)}")))


async def _bear(client: SMTP, at: Server, token: str, password: str) -> None:
    """Log in by the token, in whichever way the server has."""
    await client.ehlo()
    if (name := mechanism([method.upper() for method in client.server_auth_methods])) is None:
        raise BadRequest(f"takes no access tokens; use {password}")
    first = b64encode(first_words(name, at.user, token, at.host, at.port))
    answer = await client.execute_command(b"AUTH", name.encode(), first)
    if answer.code == SMTPStatus.auth_continue:  # the refusal's reasons, to be acknowledged
        answer = await client.execute_command(b64encode(last_words(name)))
    if answer.code != SMTPStatus.auth_successful:
        raise SMTPAuthenticationError(answer.code, answer.message)
