"""Takes items to work on."""

from collections.abc import Collection
from datetime import timedelta

from domain.item import ClaimedItem
from tasks.resources import resources


def claim(policy: str, run: str, count: int, held: Collection[str] = ()) -> list[ClaimedItem]:
    """Lease up to `count` undecided items to this run, the oldest first; safe to repeat.

    When a run dies, its leases end and another run takes the items over.

    Args:
        held: items that the run is at work on: whether or not their leases ended, it takes none over from itself.
    """
    here = resources()
    workflow = here.workflow(policy)
    lease = timedelta(minutes=workflow.policy.batch.lease_minutes)
    with here.store.transaction() as tx:
        return tx.inbox.claim(workflow.policy.name, run, count, lease, here.now(), held)
