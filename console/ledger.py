"""`interlock ledger`: verify the chain, tell an item's story, export everything."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from connectors.store.ledger import Ledger
from console.shared import ERR, OUT, reading, shown
from domain.decision import Reason
from domain.ledger import Entry, Event, first_break
from domain.story import tell

WITHHELD = "What was proposed is told once the blind check is answered."

app = typer.Typer(help="The append-only record of everything that happened.", no_args_is_help=True)


@app.command()
def verify() -> None:
    """Check that nothing in the ledger was changed, removed or put in between, its end included."""
    with reading() as tx:
        count, last = tx.ledger.head()
        fault = _fault(tx.ledger, count, last)
        told = tx.erasing.erased_entries()[0] if not fault else 0
        erased = sum(entry.is_erased for entry in tx.ledger.entries()) if not fault else 0
        if erased != told:
            fault = f"{erased} entries are erased[/], and the ledger tells of {told}: somebody erased without a word."
    if fault:
        ERR.print(f"[bold red]{fault}", highlight=False)
        raise typer.Exit(1)
    gone = f", {erased} of them erased" if erased else ""
    OUT.print(f"The ledger holds: {count} entries{gone}, the last is {last[:16]}…", highlight=False)


@app.command()
def show(
    item: Annotated[
        str,
        typer.Argument(help="Its id, the beginning of it, or its external id; or the id of an escalation or a notice."),
    ],
) -> None:
    """Tell one item's whole story in plain words."""
    with reading() as tx:
        found = tx.inbox.find(item) or tx.escalations.find(item) or tx.outbox.find(item)
        if len(found) != 1:
            several = f": {', '.join(found)}" if found else ""
            ERR.print(f"{len(found) or 'No'} items fit '{shown(item)}'{several}. Give an item's id or its external id.")
            raise typer.Exit(2)
        print_story(OUT, list(tx.ledger.entries(found[0])))


@app.command()
def export(
    file: Annotated[Path | None, typer.Argument(help="Where to write; the terminal without it.")] = None,
) -> None:
    """Write every entry as a line of JSON, the hashes included."""
    with reading() as tx:
        lines = (entry.model_dump_json() for entry in tx.ledger.entries())
        if file is None:
            for line in lines:
                typer.echo(line)
            return
        with file.open("w", encoding="utf-8") as target:
            count = sum(bool(target.write(line + "\n")) for line in lines)
    ERR.print(f"{count} entries written to {file}", highlight=False)


def _fault(ledger: Ledger, count: int, last: str) -> str:
    """What is wrong with a ledger whose head says that entry `count` is the last and has hash `last`."""
    try:
        broken = first_break(ledger.entries())
        end = [(entry.seq, entry.hash) for entry in ledger.entries(after=max(count - 1, 0))]
    except ValueError:
        return "The chain is broken[/]: an entry was changed into something unreadable."
    if broken is not None:
        return f"The chain is broken at entry {broken}[/]: it was changed, or one before it removed."
    if end != ([(count, last)] if count else []):
        return f"The chain is broken at its end[/]: entry {count} should be the last; later ones came or some are gone."
    return ""


def story(entries: Sequence[Entry]) -> list[tuple[Entry, str]]:
    """An item's entries with what is told of each: of a proposal nothing while somebody is to decide blindly."""
    blind = _blind(entries)
    withheld = [blind and entry.event is Event.PROPOSED for entry in entries]
    return [
        (entry, WITHHELD if hidden else tell(entry.event, entry.facts))
        for entry, hidden in zip(entries, withheld, strict=True)
    ]


def print_story(out: Console, entries: Sequence[Entry]) -> None:
    """One line an entry, with its time of day; the date stands where it changes."""
    day = None
    for entry, told in story(entries):
        if entry.at.date() != day:
            day = entry.at.date()
            out.print(f"[bold]{entry.item_id}[/], {day} (UTC)", highlight=False)
        out.print(f"  [dim]{entry.at:%H:%M:%S}[/]  {shown(told)}", highlight=False)


def _blind(entries: Sequence[Entry]) -> bool:
    """Whether the item waits for a blind answer: then its story must not tell what was proposed."""
    decided = [entry.facts for entry in entries if entry.event is Event.DECIDED]
    return bool(decided) and bool(decided[-1]["waits"]) and decided[-1]["reason"] == Reason.AUDIT
