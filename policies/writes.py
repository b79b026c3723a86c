"""From a decision to the writes that it asks for."""

from collections.abc import Iterable

from domain.decision import Decision
from domain.delivery import Operation, Patience, Search, operation_id
from domain.item import ClaimedItem
from policies.destination import Destination, Moment
from policies.intake import Checked, seen
from policies.load import Workflow
from policies.rules import matches
from policies.templates import render


def operations(claimed: ClaimedItem, checked: Checked, decision: Decision, workflow: Workflow) -> list[Operation]:
    """One operation for each destination of the moment that a decision is; none where it writes nothing.

    Only values that passed the policy's checks can be written. Where the record's key is
    empty, the item is its own record: two strangers never share one.
    """
    policy = workflow.policy
    moment = Moment.DECIDED if decision.writes else Moment.INCOMPLETE if decision.incomplete else None
    told = {
        "text": claimed.item.text,
        "route": decision.route,
        "flags": list(decision.flags),
        "missing": list(decision.missing),
        "faults": checked.faults,
        "unsure": list(checked.unsure),
    }
    known = seen(claimed.item, checked) | told
    shown = {**checked.values, **told, "item_id": claimed.item_id, "by": decision.by, **planned(decision)}
    return [
        Operation(
            operation_id=operation_id(claimed.item_id, name),
            item_id=claimed.item_id,
            policy=policy.name,
            destination=name,
            system=destination.system,
            record_key=render(destination.record_key, shown) or claimed.item_id,
            values={field: text for field, source in destination.values.items() if (text := render(source, shown))},
            options=destination.options,
            search=_search(destination, workflow),
        )
        for name, destination in policy.written(decision.route).items()
        if destination.at is moment
        and (destination.when is None or matches(destination.when, policy.input.numeric, known))
    ]


def patient(writes: Iterable[Operation], workflow: Workflow) -> list[tuple[Operation, Patience]]:
    """Each of a decision's writes with how long its destination is waited for, as the outbox takes them."""
    destinations = workflow.policy.destinations
    return [(write, destinations[write.destination].patience) for write in writes]


def planned(decision: Decision) -> dict[str, str]:
    """What templates see of a case's action: its parameters, the case's key and the state that it comes to."""
    if (plan := decision.plan) is None:
        return {}
    parameters = {name: one.value for name, one in plan.parameters.items()}
    return {**parameters, "case": plan.case, "action": plan.action, "to": plan.to}


def _search(destination: Destination, workflow: Workflow) -> Search | None:
    if destination.duplicates is None:
        return None
    return destination.duplicates.of(workflow.policy.input.region, workflow.reference)
