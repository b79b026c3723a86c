"""`interlock customer`: that a customer owes an answer, or has given it."""

import asyncio
from collections.abc import Callable
from typing import Annotated

import typer

from console.shared import OUT, explained, only
from tasks.customer import ask_customer, customer_answered
from tasks.resources import Resources, opened

app = typer.Typer(help="What customers were asked for: clocks stand still until they answer.", no_args_is_help=True)

Item = Annotated[str, typer.Argument(help="The item's id, or the beginning of it.")]
By = Annotated[str, typer.Option(help="Your name, for the ledger.")]


@app.command()
def asked(
    item: Item, what: Annotated[str, typer.Option("--for", help="What the customer was asked for.")], by: By
) -> None:
    """Record that the customer was asked: the item's clocks stand still."""
    with explained():
        done = asyncio.run(_act(item, lambda here, item_id: ask_customer(here, item_id, what, by)))
    OUT.print("The clocks stand still." if done else "An answer was owed already; nothing changed.")


@app.command()
def answered(item: Item, by: By) -> None:
    """Record that the customer has answered: the item's clocks run on."""
    with explained():
        done = asyncio.run(_act(item, lambda here, item_id: customer_answered(here, item_id, by)))
    OUT.print("The clocks run on." if done else "No answer was owed; nothing changed.")


async def _act(item: str, act: Callable[[Resources, str], bool]) -> bool:
    async with opened() as here:
        with here.store.reading() as tx:
            item_id = only(tx.inbox.find(item), item, "item")
        return act(here, item_id)
