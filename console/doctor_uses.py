"""What policies do with each system: by which options, with which fields, and which values are always the same."""

from collections.abc import Iterator, Mapping, Sequence

from connectors.diagnosis import Use
from connectors.registry import kept_spec, system_spec
from domain.decision import Mode
from policies.destination import Destination
from policies.load import Workflow
from policies.notices import SYSTEMS as TOLD_BY
from policies.templates import names_in, render


def uses_of(workflows: Sequence[Workflow]) -> dict[str, list[Use]]:
    """The uses of each system, doubles left out; a system by which people are told may have none.

    Raises:
        PolicyInvalid: a system or an option is unknown; `interlock policy check` says where.
    """
    found: dict[str, list[Use]] = {}
    for workflow in workflows:
        for system, use in _uses(workflow):
            known = found.setdefault(system, [])
            if use not in known:
                known.append(use)
        for step in workflow.policy.escalation.all_steps:
            if step.by in TOLD_BY:
                found.setdefault(TOLD_BY[step.by], [])
    return found


def _uses(workflow: Workflow) -> Iterator[tuple[str, Use]]:
    policy = workflow.policy
    for destination in policy.destinations.values():
        options = system_spec(destination.system).chosen(destination.options)
        for fixed in _fixed(destination, list(policy.routes) if not workflow.cases else []):
            yield destination.system, Use(options, frozenset(destination.values), fixed)
    for look in workflow.cases.look_ups.values() if workflow.cases else ():
        yield look.system, Use(system_spec(look.system).chosen(look.options), writes=False)
    for kept in workflow.sync.objects.values() if workflow.sync else ():
        for name, side in kept.systems.items():
            fields = frozenset(place.name for place in kept.places(name).values())
            options = kept_spec(side.system).chosen(side.options)
            yield side.system, Use(options, fields, side.constants, writes=policy.mode is Mode.AUTO)


def _fixed(destination: Destination, routes: Sequence[str]) -> list[Mapping[str, str]]:
    """The values that no message changes: one mapping, or one for each route where they depend on that alone."""
    asked = {name: names_in(source) for name, source in destination.values.items()}
    told = [name for name, names in asked.items() if names <= {"route"}]
    if routes and any(asked[name] for name in told):
        return [{name: render(destination.values[name], {"route": route}) for name in told} for route in routes]
    return [{name: render(destination.values[name], {}) for name in told if not asked[name]}]
