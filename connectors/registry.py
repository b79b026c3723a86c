"""Which systems a policy may name, which sources bring items in, and which systems can be kept in step."""

from collections.abc import Mapping, Sequence

from connectors.chat import slack
from connectors.crm import hubspot, hubspot_changes, hubspot_kept, salesforce
from connectors.crm import sandbox as sandbox_crm
from connectors.documents import object_store, paperless
from connectors.files import drop
from connectors.help_desk import request_tracker, request_tracker_changes, request_tracker_kept, zendesk
from connectors.help_desk import sandbox as sandbox_help_desk
from connectors.kept import Kept
from connectors.mail import imap, smtp
from connectors.ports import Changes, Destination
from connectors.spec import KeptSpec, SourceSpec, SystemSpec, Variable
from connectors.tables import sql_changes, sql_kept, sql_table
from connectors.web_api import described
from domain.delivery import Operation
from domain.errors import PolicyInvalid
from domain.values import digest

SYSTEMS: dict[str, SystemSpec] = {
    "sandbox_crm": sandbox_crm.SPEC,
    "sandbox_help_desk": sandbox_help_desk.SPEC,
    "hubspot": hubspot.SPEC,
    "salesforce": salesforce.SPEC,
    "sql_table": sql_table.SPEC,
    "described": described.SPEC,
    "object_store": object_store.SPEC,
    "paperless": paperless.SPEC,
    "zendesk": zendesk.SPEC,
    "request_tracker": request_tracker.SPEC,
    "slack": slack.SPEC,
    "smtp": smtp.SPEC,
}


SOURCES: dict[str, SourceSpec] = {
    "imap": imap.SOURCE,
    "folder": drop.SOURCE,
    "hubspot": hubspot_changes.SOURCE,
    "request_tracker": request_tracker_changes.SOURCE,
    "sql_table": sql_changes.SOURCE,
}


KEPT: dict[str, KeptSpec] = {
    "hubspot": hubspot_kept.KEPT,
    "request_tracker": request_tracker_kept.KEPT,
    "sql_table": sql_kept.KEPT,
}


def system_spec(system: str) -> SystemSpec:
    """How to open `system`.

    Raises:
        PolicyInvalid: there is none of that name.
    """
    if (spec := SYSTEMS.get(system)) is None:
        raise PolicyInvalid(f"system '{system}' is unknown. Use one of: {', '.join(SYSTEMS)}")
    return spec


def completed(operation: Operation) -> Operation:
    """The operation with every option of its system filled in.

    Raises:
        PolicyInvalid: an option is unknown or missing.
    """
    if (spec := SYSTEMS.get(operation.system)) is None:
        return operation
    return operation.model_copy(update={"options": spec.chosen(operation.options)})


def place_of(operation: Operation) -> str | None:
    """The place in its system that an operation goes to; None where the system is one."""
    spec = SYSTEMS.get(operation.system)
    if spec is None or spec.place is None:
        return None
    return operation.options.get(spec.place.name) or spec.place.default


def scope_of(operation: Operation) -> str:
    """What a breaker and a limiter hold for: the operation's system, or its place there."""
    place = place_of(operation)
    return f"{operation.system}/{place}" if place else operation.system


def open_destination(system: str, environ: Mapping[str, str]) -> Destination:
    """The connector of `system`, set up from `environ`; the caller closes it.

    An empty variable counts as not set.

    Raises:
        PolicyInvalid: unknown system, or a variable that is missing or unusable; says what to set.
    """
    spec = system_spec(system)
    values = _set(f"system '{system}'", spec.variables, environ)
    own = spec.prefix if isinstance(spec, described.PrefixedSpec) else None
    named = {name: value for name, value in environ.items() if own is not None and name.startswith(own)}
    return spec.open(named | values)


def source_spec(source: str) -> SourceSpec:
    """How to open `source`.

    Raises:
        PolicyInvalid: there is none of that name.
    """
    if (spec := SOURCES.get(source)) is None:
        raise PolicyInvalid(f"source '{source}' is unknown. Use one of: {', '.join(SOURCES)}")
    return spec


def reading_of(source: str, options: Mapping[str, str]) -> str:
    """The name of a source as it is read with these options: other options, another name, and a cursor of its own.

    An option at its default does not count, so that one that is added later changes no name.

    Raises:
        PolicyInvalid: the source is unknown, or an option is unknown, missing or unusable.
    """
    spec = source_spec(source)
    defaults = {option.name: option.default for option in spec.options}
    told = {name: value for name, value in spec.chosen(options).items() if value != defaults[name]}
    return f"{source}-{digest(told)[:12]}" if told else source


def open_source(source: str, options: Mapping[str, str], environ: Mapping[str, str]) -> Changes:
    """The connector of `source`, set up from `environ` and a policy's options; the caller closes it.

    Raises:
        PolicyInvalid: unknown source, or an option or variable that is missing or unusable; says what to set.
    """
    spec = source_spec(source)
    return spec.open(_set(f"source '{source}'", spec.variables, environ), spec.chosen(options))


def kept_spec(system: str) -> KeptSpec:
    """How to open `system` as one that is kept in step.

    Raises:
        PolicyInvalid: it cannot be kept in step, or there is none of that name.
    """
    if (spec := KEPT.get(system)) is None:
        raise PolicyInvalid(f"system '{system}' cannot be kept in step. Use one of: {', '.join(KEPT)}")
    return spec


def open_kept(system: str, options: Mapping[str, str], fields: Sequence[str], environ: Mapping[str, str]) -> Kept:
    """One kind of record of `system`, set up from `environ` and a policy's options; the caller closes it.

    Args:
        fields: the names, by the system, of what is kept in step.

    Raises:
        PolicyInvalid: it cannot be kept in step, or an option or variable is missing or unusable; says what to set.
    """
    spec = kept_spec(system)
    return spec.open(_set(f"system '{system}'", spec.variables, environ), spec.chosen(options), fields)


def _set(who: str, variables: Sequence[Variable], environ: Mapping[str, str]) -> dict[str, str]:
    values = {variable.name: environ.get(variable.name) or variable.default for variable in variables}
    if missing := [variable for variable in variables if values[variable.name] is None]:
        wanted = "; ".join(f"set {variable.name} to the {variable.meaning}" for variable in missing)
        raise PolicyInvalid(f"{who} is not set up: {wanted}")
    return {name: value for name, value in values.items() if value is not None}
