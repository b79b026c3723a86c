"""Which systems a policy may name, and how each is opened from environment variables."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import httpx

from connectors.crm.sandbox import SandboxCrm
from connectors.help_desk.sandbox import SandboxHelpDesk
from connectors.ports import Destination
from domain.errors import PolicyInvalid


@dataclass(frozen=True)
class Variable:
    """An environment variable; required unless it has a default."""

    name: str
    meaning: str
    default: str | None = None


@dataclass(frozen=True)
class SystemSpec:
    """How to open a system.

    Attributes:
        open: makes the connector of the variables' values; raises PolicyInvalid if one is unusable.
        variables: what it reads; `open` sees every one of them and nothing else.
    """

    open: Callable[[Mapping[str, str]], Destination]
    variables: tuple[Variable, ...]


CRM_URL = Variable("INTERLOCK_SANDBOX_CRM_URL", "address of the sandbox's CRM, such as http://127.0.0.1:8081")
HELP_DESK_URL = Variable(
    "INTERLOCK_SANDBOX_HELP_DESK_URL", "address of the sandbox's help desk, such as http://127.0.0.1:8082"
)
TIMEOUT_S = Variable("INTERLOCK_SANDBOX_TIMEOUT_S", "seconds to wait for the sandbox's answers", "1.0")


def _sandbox_crm(values: Mapping[str, str]) -> Destination:
    return SandboxCrm(_url(values, CRM_URL), _seconds(values, TIMEOUT_S))


def _sandbox_help_desk(values: Mapping[str, str]) -> Destination:
    return SandboxHelpDesk(_url(values, HELP_DESK_URL), _seconds(values, TIMEOUT_S))


SYSTEMS: dict[str, SystemSpec] = {
    "sandbox_crm": SystemSpec(_sandbox_crm, (CRM_URL, TIMEOUT_S)),
    "sandbox_help_desk": SystemSpec(_sandbox_help_desk, (HELP_DESK_URL, TIMEOUT_S)),
}


def open_destination(system: str, environ: Mapping[str, str]) -> Destination:
    """The connector of `system`, set up from `environ`; the caller closes it.

    An empty variable counts as not set.

    Raises:
        PolicyInvalid: unknown system, or a variable that is missing or unusable; says what to set.
    """
    if (spec := SYSTEMS.get(system)) is None:
        raise PolicyInvalid(f"system '{system}' is unknown. Use one of: {', '.join(SYSTEMS)}")
    values = {variable.name: environ.get(variable.name) or variable.default for variable in spec.variables}
    missing = [variable for variable in spec.variables if values[variable.name] is None]
    if missing:
        wanted = "; ".join(f"set {variable.name} to the {variable.meaning}" for variable in missing)
        raise PolicyInvalid(f"system '{system}' is not set up: {wanted}")
    return spec.open({name: value for name, value in values.items() if value is not None})


def _url(values: Mapping[str, str], variable: Variable) -> str:
    text = values[variable.name]
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL as exc:
        raise PolicyInvalid(f"{variable.name} is '{text}', no address. Set it to the {variable.meaning}") from exc
    if url.scheme not in {"http", "https"} or not url.host:
        raise PolicyInvalid(f"{variable.name} is '{text}', no address. Set it to the {variable.meaning}")
    return text


def _seconds(values: Mapping[str, str], variable: Variable) -> float:
    text = values[variable.name]
    try:
        seconds = float(text)
    except ValueError as exc:
        raise PolicyInvalid(f"{variable.name} is '{text}', no number. Set it to the {variable.meaning}") from exc
    if not (math.isfinite(seconds) and seconds > 0):
        raise PolicyInvalid(f"{variable.name} is '{text}'. Set it to a positive number: the {variable.meaning}")
    return seconds
