"""From a decision to the writes that it asks for."""

from domain.decision import Decision
from domain.delivery import Operation, Search, operation_id
from domain.item import ClaimedItem
from policies.intake import Checked
from policies.load import Workflow
from policies.model import Destination
from policies.templates import render


def operations(claimed: ClaimedItem, checked: Checked, decision: Decision, workflow: Workflow) -> list[Operation]:
    """One operation for each destination; none where the decision writes nothing.

    Only values that passed the policy's checks can be written. Where the record's key is
    empty, the item is its own record: two strangers never share one.
    """
    if not decision.writes:
        return []
    policy = workflow.policy
    seen = {
        **checked.values,
        "route": decision.route,
        "flags": decision.flags,
        "missing": decision.missing,
        "faults": checked.faults,
        "text": claimed.item.text,
        "item_id": claimed.item_id,
        "by": decision.by,
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
            search=_search(destination, workflow),
        )
        for name, destination in policy.destinations.items()
    ]


def _search(destination: Destination, workflow: Workflow) -> Search | None:
    if destination.duplicates is None:
        return None
    policy = workflow.policy
    return destination.duplicates.of(policy.input.region, workflow.reference, policy.review.answer_within_minutes)
