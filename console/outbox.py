"""`interlock outbox`: send what waits, and put dead letters back."""

import asyncio
from collections.abc import Sequence
from typing import Annotated

import typer

from connectors.capabilities import Upsert
from connectors.store.dead_letters import DeadLetter
from connectors.store.engine import Transaction
from console.shared import OUT, explained, only
from domain.errors import InputInvalid, PolicyInvalid
from domain.escalation import Cause
from policies.intake import storable
from tasks.deliver import deliver_due
from tasks.resources import Resources, opened

app = typer.Typer(help="Writes that wait to be sent.", no_args_is_help=True)


@app.command()
def drain(wait_s: Annotated[float, typer.Option(help="How long to wait for writes that were put off.")] = 30) -> None:
    """Send every write that is due."""
    with explained():
        OUT.print(f"{asyncio.run(_drain(wait_s))} tries made.")


@app.command()
def retry(
    item: Annotated[str | None, typer.Argument(help="The item's or the notice's id, or the beginning of it.")] = None,
    system: Annotated[
        str | None, typer.Option(help="Only what was for this system, of all items unless one is given.")
    ] = None,
    by: Annotated[str, typer.Option(help="Your name, for the ledger.")] = "",
    supersede: Annotated[
        bool, typer.Option("--supersede", help="End what a later write of the same record has overtaken.")
    ] = False,
) -> None:
    """Put dead letters back in the outbox; each is looked up before it is sent, where it can be."""
    with explained():
        if supersede and not by.strip():
            raise InputInvalid("give your name with --by: --supersede ends writes for good")
        OUT.print(asyncio.run(_retry(item, system, storable(by.strip()), supersede=supersede)))


async def _drain(wait_s: float) -> int:
    async with opened():
        return await deliver_due.fn(wait_s)


async def _retry(item: str | None, system: str | None, by: str, *, supersede: bool) -> str:
    async with opened() as here:
        with here.store.transaction() as tx:
            letters = tx.dead_letters.of(item_id=_found(tx, item, system), system=system)
            overtaken = [letter for letter in letters if letter.newer and not letter.kept and not _adds(here, letter)]
            if overtaken and not supersede:
                raise InputInvalid(_told(overtaken))
            back = tx.dead_letters.put_back([one for one in letters if one not in overtaken], by, here.now())
            ended = tx.dead_letters.supersede(overtaken, by, here.now())
            _resolve(here, tx, letters, by)
        anew = sum(letter.kept for letter in letters)
        told = f" {anew} of them are of records kept in step: what they get is decided anew by the next run of that."
        also = f" {ended} were ended, for a later write has taken their place." if ended else ""
        return f"{back} writes put back; 'interlock outbox drain' sends them.{told if anew else ''}{also}"


def _found(tx: Transaction, item: str | None, system: str | None) -> str | None:
    if item is None and system is None:
        raise InputInvalid("name an item, or with --system the system whose dead letters are put back")
    if item is None:
        return None
    return only(tx.inbox.find(item) or tx.outbox.find(item), item, "item or notice")


def _adds(here: Resources, letter: DeadLetter) -> bool:
    """Whether the write makes another record, so that it overwrites nothing newer."""
    try:
        return here.capabilities(letter.operation).upsert is Upsert.NONE
    except PolicyInvalid:  # not set up here
        return False


def _told(overtaken: Sequence[DeadLetter]) -> str:
    first = overtaken[0]
    more = f", and {len(overtaken) - 1} more" if len(overtaken) > 1 else ""
    return (
        f"a later write, of item {first.newer}, has gone out to record '{first.operation.record_key}' of "
        f"{first.operation.system} since {first.operation.item_id}'s was given up{more}: the old values would "
        "overwrite newer ones. Nothing was put back. With --supersede --by NAME such writes are ended instead"
    )


def _resolve(here: Resources, tx: Transaction, letters: Sequence[DeadLetter], by: str) -> None:
    """End the escalation of each item that has no dead letter left."""
    for item_id in dict.fromkeys(letter.operation.item_id for letter in letters):
        if not tx.dead_letters.of(item_id=item_id):
            why = "what was given up was put back, or a later write took its place"
            tx.escalations.resolve(Cause.WRITE_DEAD_LETTERED, item_id, why, here.now(), by=by or None)
