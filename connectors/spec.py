"""What each connector's file says of itself, for the registry: its variables, its options, how it is opened."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx

from connectors.kept import Kept
from connectors.ports import Changes, Destination
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
    """What a policy may say under the `options` of a destination or a source; required unless it has a default.

    Attributes:
        fits: whether a text can be meant.
    """

    name: str
    meaning: str
    default: str | None = None
    fits: Callable[[str], bool] = lambda _text: True


@dataclass(frozen=True)
class SystemSpec:
    """How to open a system.

    Attributes:
        open: makes the connector of the variables' values; raises PolicyInvalid if one is unusable.
        variables: what it reads; `open` sees every one of them and nothing else.
        options: what operations tell it beside their values.
        searchable: whether its connector is `Searchable` for duplicates.
        place: the option that names where in the system a write goes, if one place can fail or limit without
            the others; each is then paused and limited by itself.
    """

    open: Callable[[Mapping[str, str]], Destination]
    variables: tuple[Variable, ...]
    options: tuple[Option, ...] = ()
    searchable: bool = False
    place: Option | None = None

    def chosen(self, given: Mapping[str, str]) -> dict[str, str]:
        """A destination's options with the defaults filled in.

        Raises:
            PolicyInvalid: one is unknown or missing; says which there are.
        """
        return chosen(self.options, given)


@dataclass(frozen=True)
class SourceSpec:
    """How to open a source.

    Attributes:
        open: makes it of the variables' values and the options; raises PolicyInvalid if one is unusable.
        variables: what it reads; `open` sees every one of them and nothing else.
        options: what a policy tells it: what is read.
    """

    open: Callable[[Mapping[str, str], Mapping[str, str]], Changes]
    variables: tuple[Variable, ...]
    options: tuple[Option, ...] = ()

    def chosen(self, given: Mapping[str, str]) -> dict[str, str]:
        """As `SystemSpec.chosen`."""
        return chosen(self.options, given)


@dataclass(frozen=True)
class KeptSpec:
    """How to open a system whose records are kept in step with other systems'.

    Attributes:
        open: makes it of the variables' values, the options, and the names of the fields that are kept in step,
            by the system; raises PolicyInvalid if one is unusable.
        variables: what it reads; `open` sees every one of them and nothing else.
        options: all that a policy tells of the kind of record: what its destination and its source know.
        system: the destination by which it is written to.
        creates_only: whether a record that is to be made under a key which another's has already leaves that alone;
            else a policy may not choose the keys.
    """

    open: Callable[[Mapping[str, str], Mapping[str, str], Sequence[str]], Kept]
    variables: tuple[Variable, ...]
    options: tuple[Option, ...]
    system: SystemSpec
    creates_only: bool = False

    def chosen(self, given: Mapping[str, str]) -> dict[str, str]:
        """As `SystemSpec.chosen`."""
        return chosen(self.options, given)

    def destination_options(self, options: Mapping[str, str]) -> dict[str, str]:
        """Those of the kind's options that go with an operation."""
        known = {option.name for option in self.system.options}
        return {name: text for name, text in options.items() if name in known}


def chosen(options: Sequence[Option], given: Mapping[str, str]) -> dict[str, str]:
    """What is given, with the defaults filled in.

    Raises:
        PolicyInvalid: an option is unknown, missing or unusable; says which there are.
    """
    known = {option.name: option for option in options}
    if strange := sorted(given.keys() - known):
        raise PolicyInvalid(f"options: no '{strange[0]}'; use {', '.join(known) or 'none'}")
    filled = {name: given.get(name) or option.default for name, option in known.items()}
    if missing := [option for option in options if filled[option.name] is None]:
        raise PolicyInvalid("options: " + "; ".join(f"give '{option.name}', {option.meaning}" for option in missing))
    values = {name: value for name, value in filled.items() if value is not None}
    if unfit := [option for option in options if not option.fits(values[option.name])]:
        name, meaning = unfit[0].name, unfit[0].meaning
        raise PolicyInvalid(f"options: {name} is '{values[name]}'; give the {meaning}")
    return values


def listed(text: str) -> tuple[str, ...]:
    """The names in an option, parted by commas."""
    return tuple(filter(None, map(str.strip, text.split(","))))


def moment(text: str) -> datetime | None:
    """The moment that an option names, in UTC unless it says otherwise; None for none."""
    if not text:
        return None
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def is_moment(text: str) -> bool:
    """Whether `moment` can read it."""
    try:
        moment(text)
    except ValueError:
        return False
    return True


MOST_TIME = 100_000
"""Longest time that an option may name, in its unit."""


def is_time(text: str) -> bool:
    """Whether an option can be a time in some unit, more than none."""
    try:
        return 0 < float(text) < MOST_TIME
    except ValueError:
        return False


SINCE = Option(
    "since", "date from which on changes are taken, such as 2026-03-01; all there ever were without it", "", is_moment
)


def url(values: Mapping[str, str], variable: Variable) -> str:
    """The address in a variable, without the slash that ends many.

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
    return text.rstrip("/")


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


def client(
    address: str, timeout_s: float, headers: Mapping[str, str] | None = None, auth: httpx.Auth | None = None
) -> httpx.AsyncClient:
    """Connections to the system at `address`, through the environment's proxies unless it is this machine."""
    trust_env = not is_local(address)
    return httpx.AsyncClient(base_url=address, timeout=timeout_s, headers=headers, auth=auth, trust_env=trust_env)


def is_local(address: str) -> bool:
    """Whether an address is one of this machine, by its name alone."""
    return httpx.URL(address).host in {"localhost", "127.0.0.1", "::1"}


TIMEOUT_S = Variable("INTERLOCK_CONNECTOR_TIMEOUT_S", "seconds to wait for a system's answer", "10")
"""Shared by every system but the sandbox; a try must end before its lease does."""
