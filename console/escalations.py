"""`interlock escalations`: what somebody must act on, and who takes it over."""

import asyncio
from typing import Annotated

import typer

from connectors.store.engine import Transaction
from connectors.store.watch_tables import EscalationRow
from console.shared import OUT, explained, only, reading, shown
from domain.errors import InputInvalid
from tasks.escalate import acknowledge as take_over
from tasks.resources import opened

app = typer.Typer(help="What people were told of and nobody has acknowledged.", no_args_is_help=True)


@app.command("list")
def list_waiting(policy: Annotated[str | None, typer.Option(help="Only this policy's.")] = None) -> None:
    """List what nobody has acknowledged, the oldest first."""
    with reading() as tx:
        waiting = tx.escalations.waiting(policy)
        for row in waiting:
            seen = "once" if row.occurrences == 1 else f"{row.occurrences} times"
            since = f"{row.began_at:%Y-%m-%d %H:%M} UTC"
            OUT.print(f"[bold]{row.escalation_id}[/]  {shown(row.policy)}: {shown(row.message)}", highlight=False)
            OUT.print(f"    seen {seen} since {since}; told: {shown(_told(tx, row))}", highlight=False)
    if not waiting:
        OUT.print("Nothing waits to be acknowledged.")


@app.command()
def acknowledge(
    escalation: Annotated[str, typer.Argument(help="Its id, or the beginning of it.")],
    by: Annotated[str, typer.Option(help="Your name, for the ledger and for the others.")],
) -> None:
    """Take one over: nobody else is told of it."""
    with explained():
        OUT.print(asyncio.run(_acknowledge(escalation, by)), highlight=False)


async def _acknowledge(escalation: str, by: str) -> str:
    async with opened() as here:
        with here.store.transaction() as tx:
            listed = "escalation; see 'interlock escalations list'"
            named = only(tx.escalations.find(escalation), escalation, listed)
            taken = take_over(tx, named, by, here.now())
            row = tx.escalations.get(named)
    if not taken and row is not None:
        raise InputInvalid(f"{named}: {shown(row.outcome)}")
    return f"{named} is yours; nobody else is told."


def _told(tx: Transaction, row: EscalationRow) -> str:
    """Who was told so far, in order."""
    return ", ".join(one.told for one in tx.escalations.notices(row.escalation_id)) or "nobody yet"
