"""From a decision to the writes that it asks for."""

from domain.decision import Decision
from domain.delivery import Operation, operation_id
from domain.item import ClaimedItem
from policies.intake import Checked
from policies.model import Policy
from policies.templates import render


def operations(claimed: ClaimedItem, checked: Checked, decision: Decision, policy: Policy) -> list[Operation]:
    """One operation for each destination of the route; none where the decision writes nothing.

    Only values that passed the policy's checks can be written. Where the record's key is
    empty, the item is its own record: two strangers never share one.
    """
    if not decision.writes:
        return []
    seen = {
        **checked.values,
        "route": decision.route,
        "flags": decision.flags,
        "missing": decision.missing,
        "faults": checked.faults,
        "text": claimed.item.text,
        "item_id": claimed.item_id,
        "by": decision.by,
        **planned(decision),
    }
    return [
        Operation(
            operation_id=operation_id(claimed.item_id, name),
            item_id=claimed.item_id,
            policy=policy.name,
            destination=name,
            system=destination.system,
            record_key=render(destination.record_key, seen) or claimed.item_id,
            values={field: text for field, source in destination.values.items() if (text := render(source, seen))},
            options=destination.options,
        )
        for name, destination in policy.written(decision.route).items()
    ]


def planned(decision: Decision) -> dict[str, str]:
    """What templates see of a case's action: its parameters, the case's key and the state that it comes to."""
    if (plan := decision.plan) is None:
        return {}
    parameters = {name: one.value for name, one in plan.parameters.items()}
    return {**parameters, "case": plan.case, "action": plan.action, "to": plan.to}
