"""How mail servers are reached: host, port, encryption; what the environment says of them."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_address

from connectors.mail.oauth import Grant, OAuthVariables, grant
from connectors.spec import Variable
from domain.errors import PolicyInvalid

LAST_PORT = 65_535


class Tls(StrEnum):
    """How a connection is encrypted."""

    ON = "on"
    """From its first byte."""
    STARTTLS = "starttls"
    """After a command; without it nothing else is said."""
    OFF = "off"
    """Not at all: for servers on this machine alone."""


@dataclass(frozen=True)
class Server:
    """A mail server and who we are there; without a user nobody logs in, with a grant no password is used."""

    host: str
    port: int
    tls: Tls
    user: str = ""
    password: str = field(default="", repr=False)
    grant: Grant | None = None

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    def context(self) -> ssl.SSLContext | None:
        """What certificates are believed: the system's, or those in SSL_CERT_FILE."""
        return None if self.tls is Tls.OFF else ssl.create_default_context()


@dataclass(frozen=True)
class Variables:
    """The variables of one server, and the port for each encryption where none is set.

    Attributes:
        login: whether the server is of no use without one.
    """

    host: Variable
    port: Variable
    user: Variable
    password: Variable
    tls: Variable
    ports: Mapping[Tls, int]
    oauth: OAuthVariables
    login: bool

    def all(self) -> tuple[Variable, ...]:
        """Every one of them."""
        return (self.host, self.port, self.user, self.password, self.tls, *self.oauth.all())


def server(values: Mapping[str, str], variables: Variables) -> Server:
    """The server that the variables name.

    Raises:
        PolicyInvalid: one is unusable; says how to mend it, and never shows the password.
    """
    tls = _tls(values, variables)
    host, password = values[variables.host.name].strip(), values.get(variables.password.name, "")
    if tls is Tls.OFF and not is_loopback(host):
        raise PolicyInvalid(
            f"{variables.tls.name} is 'off', and {host} is another machine: the password and the mail would go "
            "unencrypted. Set it to 'on' or 'starttls'"
        )
    if not password.isprintable():
        raise PolicyInvalid(f"{variables.password.name} holds signs that no password has. Copy it again")
    user, granted = values.get(variables.user.name, ""), grant(values, variables.oauth)
    if granted is not None and password:
        raise PolicyInvalid(f"{variables.password.name} and {variables.oauth.token_url.name} are both set: remove one")
    if (granted is not None or variables.login) and not user:
        raise PolicyInvalid(f"set {variables.user.name} to the {variables.user.meaning}")
    if variables.login and granted is None and not password:
        raise PolicyInvalid(
            f"set {variables.password.name} to the {variables.password.meaning}, "
            f"or {variables.oauth.token_url.name} to the {variables.oauth.token_url.meaning}"
        )
    return Server(host, _port(values, variables, tls), tls, user, password, granted)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, by its name alone."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _tls(values: Mapping[str, str], variables: Variables) -> Tls:
    text = values[variables.tls.name]
    try:
        return Tls(text.lower())
    except ValueError as exc:
        raise PolicyInvalid(f"{variables.tls.name} is '{text}'. Set it to one of: {', '.join(Tls)}") from exc


def _port(values: Mapping[str, str], variables: Variables, tls: Tls) -> int:
    text = values.get(variables.port.name) or str(variables.ports[tls])
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= LAST_PORT):
        raise PolicyInvalid(f"{variables.port.name} is '{text}'. Set it to the {variables.port.meaning}")
    return int(text)
