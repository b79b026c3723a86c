"""What each connector's file says of itself, for the registry: its variables, its options, how it is opened."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import httpx

from connectors.ports import Destination
from domain.errors import PolicyInvalid


@dataclass(frozen=True)
class Variable:
    """An environment variable; required unless it has a default."""

    name: str
    meaning: str
    default: str | None = None
    secret: bool = False


@dataclass(frozen=True)
class Option:
    """What a policy may say under a destination's `options`; required unless it has a default."""

    name: str
    meaning: str
    default: str | None = None


@dataclass(frozen=True)
class SystemSpec:
    """How to open a system.

    Attributes:
        open: makes the connector of the variables' values; raises PolicyInvalid if one is unusable.
        variables: what it reads; `open` sees every one of them and nothing else.
        options: what operations tell it beside their values.
        searchable: whether its connector is `Searchable` for duplicates.
    """

    open: Callable[[Mapping[str, str]], Destination]
    variables: tuple[Variable, ...]
    options: tuple[Option, ...] = ()
    searchable: bool = False

    def chosen(self, given: Mapping[str, str]) -> dict[str, str]:
        """A destination's options with the defaults filled in.

        Raises:
            PolicyInvalid: one is unknown or missing; says which there are.
        """
        known = {option.name: option for option in self.options}
        if strange := sorted(given.keys() - known):
            raise PolicyInvalid(f"options: no '{strange[0]}'; use {', '.join(known) or 'none'}")
        filled = {name: given.get(name) or option.default for name, option in known.items()}
        if missing := [option for option in self.options if filled[option.name] is None]:
            raise PolicyInvalid(
                "options: " + "; ".join(f"give '{option.name}', {option.meaning}" for option in missing)
            )
        return {name: value for name, value in filled.items() if value is not None}


def url(values: Mapping[str, str], variable: Variable) -> str:
    """The address in a variable.

    Raises:
        PolicyInvalid: it is none.
    """
    text = values[variable.name]
    try:
        parsed = httpx.URL(text)
    except httpx.InvalidURL as exc:
        raise PolicyInvalid(f"{variable.name} is '{text}', no address. Set it to the {variable.meaning}") from exc
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise PolicyInvalid(f"{variable.name} is '{text}', no address. Set it to the {variable.meaning}")
    return text


def seconds(values: Mapping[str, str], variable: Variable) -> float:
    """The positive number of seconds in a variable.

    Raises:
        PolicyInvalid: it is none.
    """
    text = values[variable.name]
    try:
        number = float(text)
    except ValueError as exc:
        raise PolicyInvalid(f"{variable.name} is '{text}', no number. Set it to the {variable.meaning}") from exc
    if not (math.isfinite(number) and number > 0):
        raise PolicyInvalid(f"{variable.name} is '{text}'. Set it to a positive number: the {variable.meaning}")
    return number


def secret(values: Mapping[str, str], variable: Variable) -> str:
    """The key in a variable, fit for a header.

    Raises:
        PolicyInvalid: no header may carry it; the message does not show it.
    """
    text = values[variable.name]
    if not (text.isascii() and text.isprintable()) or " " in text:
        raise PolicyInvalid(f"{variable.name} holds spaces or signs that no {variable.meaning} has. Copy it again")
    return text


def client(address: str, timeout_s: float, headers: Mapping[str, str] | None = None) -> httpx.AsyncClient:
    """Connections to the system at `address`, through the environment's proxies unless it is this machine."""
    local = httpx.URL(address).host in {"localhost", "127.0.0.1", "::1"}
    return httpx.AsyncClient(base_url=address, timeout=timeout_s, headers=headers, trust_env=not local)


TIMEOUT_S = Variable("INTERLOCK_CONNECTOR_TIMEOUT_S", "seconds to wait for a system's answer", "10")
"""Shared by every system but the sandbox; a try must end before its lease does."""
