"""Which systems a policy may name."""

from collections.abc import Mapping

from connectors.crm import sandbox as sandbox_crm
from connectors.help_desk import sandbox as sandbox_help_desk
from connectors.ports import Destination
from connectors.spec import SystemSpec
from domain.errors import PolicyInvalid

SYSTEMS: dict[str, SystemSpec] = {
    "sandbox_crm": sandbox_crm.SPEC,
    "sandbox_help_desk": sandbox_help_desk.SPEC,
}


def system_spec(system: str) -> SystemSpec:
    """How to open `system`.

    Raises:
        PolicyInvalid: there is none of that name.
    """
    if (spec := SYSTEMS.get(system)) is None:
        raise PolicyInvalid(f"system '{system}' is unknown. Use one of: {', '.join(SYSTEMS)}")
    return spec


def open_destination(system: str, environ: Mapping[str, str]) -> Destination:
    """The connector of `system`, set up from `environ`; the caller closes it.

    An empty variable counts as not set.

    Raises:
        PolicyInvalid: unknown system, or a variable that is missing or unusable; says what to set.
    """
    spec = system_spec(system)
    values = {variable.name: environ.get(variable.name) or variable.default for variable in spec.variables}
    missing = [variable for variable in spec.variables if values[variable.name] is None]
    if missing:
        wanted = "; ".join(f"set {variable.name} to the {variable.meaning}" for variable in missing)
        raise PolicyInvalid(f"system '{system}' is not set up: {wanted}")
    return spec.open({name: value for name, value in values.items() if value is not None})
