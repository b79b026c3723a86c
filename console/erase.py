"""`interlock erase`: what is kept of a person, or of an item, and taking it away."""

import asyncio
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.table import Table

from connectors.store.engine import Transaction
from console.shared import ERR, OUT, explained, only, shown
from domain.erasure import Erasure, Person, Subjects
from domain.errors import InputInvalid
from policies.intake import storable
from tasks.erase import erase
from tasks.resources import Resources, opened

HINDERED = 1
"""Exit code when something must end first, or something is left."""

Texts = list[str]


def erase_command(
    items: Annotated[Texts | None, typer.Argument(help="Items, by id or its beginning, or by external id.")] = None,
    email: Annotated[Texts | None, typer.Option(help="An address of the person; may be repeated.")] = None,
    phone: Annotated[Texts | None, typer.Option(help="A phone number of the person; may be repeated.")] = None,
    named: Annotated[Texts | None, typer.Option("--id", help="Their id in another system; may be repeated.")] = None,
    by: Annotated[str, typer.Option(help="Your name, for the ledger.")] = "",
    reason: Annotated[str, typer.Option(help="Why, for the ledger; do not name the person.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Erase; without it, only what would go is shown.")] = False,
) -> None:
    """Erase all that is kept of a person, or of items; first shows what would go.

    What is not done is not erased: end it first. The ledger's chain goes on to hold, and its entry tells who erased
    how much and why, not of whom. Exit code 1 when something hinders, or is left.
    """
    with explained():
        person = _person(email or [], phone or [], named or [])
        if yes and not (by.strip() and reason.strip()):
            raise InputInvalid(
                "give your name with --by and why with --reason: the ledger tells who erased what, and why"
            )
        if person and person.mentioned_in([by, reason]):
            raise InputInvalid("--by and --reason stay in the ledger: do not name the person there")
        code = asyncio.run(_erase(items or [], person, storable(by.strip()), storable(reason.strip()), yes=yes))
    raise typer.Exit(code)


def _person(emails: Texts, phones: Texts, ids: Texts) -> Person | None:
    if not (emails or phones or ids):
        return None
    try:
        return Person(emails=tuple(emails), phones=tuple(phones), ids=tuple(ids))
    except ValidationError as exc:
        raise InputInvalid(str(exc.errors()[0]["msg"])) from exc


async def _erase(items: Texts, person: Person | None, by: str, why: str, *, yes: bool) -> int:
    async with opened() as here:
        with here.store.reading() as tx:
            subjects = _subjects(tx, items, person)
            hindrances = tx.erasing.search.hindrances(subjects)
            _show(tx, subjects, hindrances)
        if not subjects and yes and person:
            return _left(here, person)
        if hindrances or not subjects:
            return HINDERED if hindrances else 0
        if not yes:
            ERR.print("Nothing was erased. With --yes, --by NAME and --reason WHY it is.", highlight=False)
            return 0
        erased, forms = await erase(here, subjects, by, why)
        tidy = here.store.compact()
        _told(erased, forms, tidy=tidy)
        return max(HINDERED if forms else 0, _left(here, person) if person else 0)


def _subjects(tx: Transaction, items: Texts, person: Person | None) -> Subjects:
    if not items and person is None:
        raise InputInvalid("name items, or a person by --email, --phone or --id")
    every = [tx.erasing.search.item(only(tx.inbox.find(one), one, "item")) for one in items]
    every += [tx.erasing.search.of(person)] if person else []
    names = Subjects.model_fields
    return Subjects(**{name: frozenset().union(*(getattr(one, name) for one in every)) for name in names})


def _show(tx: Transaction, subjects: Subjects, hindrances: list[str]) -> None:
    """What would go, and what hinders."""
    if not subjects:
        OUT.print("Nothing is kept that names them.")
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("what", "which"):
        table.add_column(heading)
    for item_id in sorted(subjects.items):
        claimed = tx.inbox.get(item_id)
        source = f"{claimed.policy}, from {claimed.item.source} at {claimed.item.received_at:%F %R}"
        table.add_row("item", shown(f"{item_id}  {source}: {claimed.item.text[:60]}"))
    for policy, key in sorted(subjects.cases):
        table.add_row("case", shown(f"{key} of {policy}"))
    for name, ids in (
        ("entity", subjects.entities),
        ("record", subjects.records),
        ("escalation", subjects.escalations),
        ("message", subjects.operations),
    ):
        for one in sorted(map(str, ids)):
            table.add_row(name, one)
    OUT.print(table, highlight=False)
    if subjects.entries:
        OUT.print(f"and {len(subjects.entries)} entries of the ledger that are about none of these", highlight=False)
    for one in hindrances:
        ERR.print(f"[bold red]must end first[/] {shown(one)}", highlight=False)


def _told(erased: Erasure, forms: int, *, tidy: bool) -> None:
    counts = ", ".join(f"{count} {name}" for name, count in erased.model_dump().items() if count)
    OUT.print(f"Erased: {counts or 'nothing that was not erased before'}.", highlight=False)
    if forms:
        ERR.print(
            f"{forms} runs of review forms are left in Prefect: set PREFECT_API_URL to one that answers, and erase "
            "the items again.",
            highlight=False,
        )
    if not tidy:
        ERR.print("The database is busy: freed pages may hold old bytes until it is vacuumed.", highlight=False)
    ERR.print(
        "Not reached: other systems, backups, Prefect's logs and stored results, calibration and example files, "
        "*.linkage.json. See docs/how-to/erase-a-person.md.",
        highlight=False,
    )


def _left(here: Resources, person: Person) -> int:
    """Say where the person is named all the same; the exit code."""
    with here.store.reading() as tx:
        left = tx.erasing.search.left(person)
    for place in left:
        ERR.print(f"[bold red]left[/] the person is still named in {place}", highlight=False)
    return HINDERED if left else 0
