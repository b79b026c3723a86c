"""Says that the watch has run to its end, and for how long it has not."""

from datetime import datetime, timedelta

from prefect import task

from connectors.store.engine import Transaction
from tasks.names import ACT, named
from tasks.resources import resources

STALE_AFTER = timedelta(minutes=15)
"""Three turns of the shipped schedule: one can be missed while a worker is replaced."""


@task(task_run_name=named("beat"), **ACT)
async def beat(policy: str) -> None:
    """Record that the watch over a policy has done all that it had to; an act, safe to repeat."""
    here = resources()
    with here.store.transaction() as tx:
        tx.heartbeats.beat(_name(here.workflow(policy).policy.name), here.now())


def silence(tx: Transaction, policy: str, now: datetime) -> timedelta | None:
    """For how long nobody has watched over the policy of that name; None if nobody ever did."""
    last = tx.heartbeats.last(_name(policy))
    return now - last if last else None


def unwatched(tx: Transaction, now: datetime) -> dict[str, timedelta]:
    """For how long nobody has watched over the policies that were watched once, where that is too long."""
    return {policy: now - at for policy, at in beats(tx).items() if now - at > STALE_AFTER}


def beats(tx: Transaction) -> dict[str, datetime]:
    """When each policy that was ever watched over was so last, by its name."""
    return {name.removeprefix(_name("")): at for name, at in tx.heartbeats.all(_name(""))}


def _name(policy: str) -> str:
    return f"watch:{policy}"
