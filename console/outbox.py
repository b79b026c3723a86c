"""`interlock outbox`: send what waits, and put dead letters back."""

import asyncio
from typing import Annotated

import typer

from console.shared import OUT, explained
from domain.errors import InputInvalid
from domain.escalation import Cause
from tasks.deliver import deliver_due
from tasks.resources import opened

app = typer.Typer(help="Writes that wait to be sent.", no_args_is_help=True)


@app.command()
def drain(wait_s: Annotated[float, typer.Option(help="How long to wait for writes that were put off.")] = 30) -> None:
    """Send every write that is due."""
    with explained():
        OUT.print(f"{asyncio.run(_drain(wait_s))} tries made.")


@app.command()
def retry(item: Annotated[str, typer.Argument(help="The item's or the notice's id, or the beginning of it.")]) -> None:
    """Put an item's dead letters back in the outbox; each is looked up before it is sent, where it can be."""
    with explained():
        OUT.print(asyncio.run(_retry(item)))


async def _drain(wait_s: float) -> int:
    async with opened():
        return await deliver_due.fn(wait_s)


async def _retry(item: str) -> str:
    async with opened() as here:
        with here.store.transaction() as tx:
            found = tx.inbox.find(item) or tx.outbox.find(item)
            if len(found) != 1:
                raise InputInvalid(f"'{item}' is not one item or notice")
            count = tx.outbox.retry(found[0], here.now())
            if count:
                tx.escalations.resolve(Cause.WRITE_DEAD_LETTERED, found[0], "the write was put back", here.now())
        return f"{count} writes put back; 'interlock outbox drain' sends them."
