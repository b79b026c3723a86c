"""Logging in without a password: an access token, fetched with a refresh token (OAuth 2.0, RFC 6749, 6).

As Microsoft 365 and Google want it of IMAP and SMTP: the token goes into SASL's XOAUTH2
(developers.google.com/workspace/gmail/imap/xoauth2-protocol) or OAUTHBEARER (RFC 7628).
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx
from pydantic import BaseModel, Field, ValidationError

from connectors.error_bodies import LONGEST_MESSAGE
from connectors.http_outcomes import retry_after_s
from connectors.spec import Variable, client, is_local, secret, url
from domain.errors import BadRequest, PolicyInvalid, Throttled, TimedOut, Unauthorised, Unavailable

EARLY_S = 120.0
"""A token that ends sooner is not begun to be used: clocks differ, and a login takes its time."""
UNSAID_LIFE_S = 300.0
"""How long a token is kept that does not say how long it lives (RFC 6749, 5.1, recommends to say it)."""


@dataclass(frozen=True)
class OAuthVariables:
    """The variables of one server's grant; without `token_url` the password counts."""

    token_url: Variable
    client_id: Variable
    client_secret: Variable
    refresh_token: Variable
    scope: Variable

    @classmethod
    def of(cls, prefix: str) -> "OAuthVariables":
        """Those whose names begin with `prefix`."""
        return cls(
            Variable(f"{prefix}_OAUTH_TOKEN_URL", "address that gives access tokens, instead of a password", ""),
            Variable(f"{prefix}_OAUTH_CLIENT_ID", "id of the application that was registered for it", ""),
            Variable(f"{prefix}_OAUTH_CLIENT_SECRET", "that application's secret, if it has one", "", secret=True),
            Variable(
                f"{prefix}_OAUTH_REFRESH_TOKEN", "refresh token that the mailbox's owner granted", "", secret=True
            ),
            Variable(f"{prefix}_OAUTH_SCOPE", "scope to ask for, where the provider wants it said", ""),
        )

    def all(self) -> tuple[Variable, ...]:
        """Every one of them."""
        return (self.token_url, self.client_id, self.client_secret, self.refresh_token, self.scope)


@dataclass(frozen=True)
class Grant:
    """What stands for the mailbox's owner at the token endpoint."""

    token_url: str
    client_id: str
    client_secret: str = field(repr=False)
    refresh_token: str = field(repr=False)
    scope: str
    variables: OAuthVariables = field(repr=False)


class _Given(BaseModel):
    """An answer with a token."""

    access_token: str = Field(min_length=1)
    expires_in: float = UNSAID_LIFE_S
    refresh_token: str = ""


class _Refused(BaseModel):
    """An answer without one (RFC 6749, 5.2)."""

    error: str = ""
    error_description: str = ""


class AccessTokens:
    """The access token of one grant, kept until shortly before it ends.

    Args:
        timeout_s: for the endpoint's answer.
        clock: tells seconds that pass.
    """

    def __init__(self, grant: Grant, timeout_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._grant, self._timeout_s, self._clock = grant, timeout_s, clock
        self._refresh_token = grant.refresh_token
        self._token, self._good_until = "", 0.0

    async def current(self) -> str:
        """A token that is good for some time.

        Raises:
            Unauthorised: the grant or the application is not accepted; says what to set.
            BadRequest: the endpoint refuses the request.
            Throttled, TimedOut, Unavailable: the endpoint gives none now.
        """
        if self._token and self._clock() < self._good_until:
            return self._token
        given = await self._asked()
        # Providers that replace refresh tokens go on taking the old one for some time, so that
        # the next process may begin with the environment's.
        self._refresh_token = given.refresh_token or self._refresh_token
        self._token, self._good_until = given.access_token, self._clock() + given.expires_in - EARLY_S
        return self._token

    def drop(self) -> None:
        """Forget the token: the mail server does not take it."""
        self._token = ""

    async def _asked(self) -> _Given:
        grant = self._grant
        form = {"grant_type": "refresh_token", "refresh_token": self._refresh_token, "client_id": grant.client_id}
        form |= {name: text for name, text in (("client_secret", grant.client_secret), ("scope", grant.scope)) if text}
        try:
            async with client(grant.token_url, self._timeout_s) as http:
                response = await http.post(grant.token_url, data=form)
        except httpx.TimeoutException as exc:
            raise TimedOut(self._says(f"no answer in {self._timeout_s:g} s")) from exc
        except httpx.RequestError as exc:
            raise Unavailable(self._says(f"not reached: {type(exc).__name__}")) from exc
        if response.is_success:
            try:
                return _Given.model_validate_json(response.content)
            except ValidationError:  # its text would show what came
                raise Unavailable(self._says("its answer holds no token")) from None
        raise self._failure(response)

    def _failure(self, response: httpx.Response) -> Exception:
        refused, variables, status = _refused(response), self._grant.variables, response.status_code
        said = self._says(f"{self._struck(refused)} (HTTP {status})")
        match refused.error, status:
            case "invalid_grant", _:
                mend = (
                    f"It has ended or was withdrawn: let the owner grant anew, and set {variables.refresh_token.name}"
                )
                return Unauthorised(f"{said}. {mend}.")
            case (("invalid_client" | "unauthorized_client"), _):
                return Unauthorised(f"{said}. Check {variables.client_id.name} and {variables.client_secret.name}.")
            case _, httpx.codes.TOO_MANY_REQUESTS:
                wait_s = retry_after_s(response.headers.get("Retry-After"), datetime.now(UTC))
                return Throttled(said, retry_after_s=wait_s)
            case _ if response.is_server_error:
                return Unavailable(said)
            case _:
                return BadRequest(f"{said}. Check {variables.token_url.name} and {variables.scope.name}.")

    def _struck(self, refused: _Refused) -> str:
        """What it says, without what it must not say again."""
        said = " ".join(f"{refused.error} {refused.error_description}".split()) or "no token"
        for hidden in (self._grant.client_secret, self._grant.refresh_token, self._refresh_token):
            said = said.replace(hidden, "***") if hidden else said
        return said[:LONGEST_MESSAGE]

    def _says(self, message: str) -> str:
        return f"OAuth {httpx.URL(self._grant.token_url).host}: {message}"


def grant(values: Mapping[str, str], variables: OAuthVariables) -> Grant | None:
    """The grant that the variables name; None where they name none.

    Raises:
        PolicyInvalid: one is missing or unusable; says what to set.
    """
    if not values.get(variables.token_url.name):
        return None
    address = url(values, variables.token_url)
    if not (address.startswith("https://") or is_local(address)):
        raise PolicyInvalid(f"{variables.token_url.name} is '{address}': secrets would go unencrypted. Use https")
    if missing := [one for one in (variables.client_id, variables.refresh_token) if not values.get(one.name)]:
        raise PolicyInvalid(
            f"{variables.token_url.name} is set: "
            + "; ".join(f"set {one.name} to the {one.meaning}" for one in missing)
        )
    return Grant(
        token_url=address,
        client_id=values[variables.client_id.name],
        client_secret=secret(values, variables.client_secret) if values.get(variables.client_secret.name) else "",
        refresh_token=secret(values, variables.refresh_token),
        scope=values.get(variables.scope.name, ""),
        variables=variables,
    )


MECHANISMS = ("XOAUTH2", "OAUTHBEARER")
"""SASL mechanisms that carry a token, the more common one first."""


def mechanism(offered: Sequence[str]) -> str | None:
    """The one to use of those that a server offers, in capitals."""
    return next((name for name in MECHANISMS if name in offered), None)


def first_words(name: str, user: str, token: str, host: str, port: int) -> bytes:
    """What a client says first in a mechanism."""
    if name == "XOAUTH2":
        return f"user={user}\x01auth=Bearer {token}\x01\x01".encode()
    known = user.replace("=", "=3D").replace(",", "=2C")  # RFC 5801, 4
    return f"n,a={known},\x01host={host}\x01port={port}\x01auth=Bearer {token}\x01\x01".encode()


def last_words(name: str) -> bytes:
    """What a client answers to a refusal, so that the server ends the exchange."""
    return b"" if name == "XOAUTH2" else b"\x01"


def _refused(response: httpx.Response) -> _Refused:
    try:
        return _Refused.model_validate_json(response.content)
    except ValidationError:
        return _Refused()
