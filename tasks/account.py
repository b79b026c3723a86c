"""Checks the books at the end of a run."""

from prefect import task

from domain.account import Account
from domain.ledger import Event
from tasks.names import named
from tasks.resources import resources


@task(task_run_name=named("balance"))
async def balance(policy: str) -> Account:
    """Where every accepted item of a policy stands; recorded in the ledger."""
    here = resources()
    with here.store.transaction() as tx:
        account = tx.accounts.balance(here.workflow(policy).policy.name)
        facts = account.model_dump() | {"unaccounted": account.unaccounted, "policy": policy}
        tx.ledger.append(None, Event.BALANCED, here.now(), **facts)
    return account
