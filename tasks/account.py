"""Checks the books at the end of a run."""

from prefect import task

from domain.account import Account
from domain.errors import BooksDoNotBalanceError
from domain.ledger import Event
from tasks.artifact import leave, table
from tasks.names import ACT, named
from tasks.resources import resources


@task(task_run_name=named("balance"), **ACT)
async def balance(policy: str) -> Account:
    """Where every accepted item of a policy stands; recorded in the ledger.

    Raises:
        BooksDoNotBalanceError: an item stands nowhere; a fault of ours, which no run hides.
    """
    here = resources()
    with here.store.transaction() as tx:
        name = here.workflow(policy).policy.name
        account = tx.accounts.balance(name)
        tx.figures.balanced(name, account, here.now())
        facts = account.model_dump() | {"unaccounted": account.unaccounted, "policy": policy}
        tx.ledger.append(None, Event.BALANCED, here.now(), **facts)
    await leave(f"books-{name}", _table(name, account))
    if account.unaccounted:
        raise BooksDoNotBalanceError(f"{policy}: {account.unaccounted} items are unaccounted for: {account}")
    return account


def _table(name: str, account: Account) -> str:
    counts = account.model_dump() | {"unaccounted": account.unaccounted}
    rows = [(what.replace("_", " "), count) for what, count in counts.items()]
    return f"**{name.replace('_', ' ')}**: where every accepted item stands\n\n{table(('', 'items'), rows)}\n"
