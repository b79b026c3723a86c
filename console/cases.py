"""`interlock cases`: where each case stands, and how it came there."""

from typing import Annotated

import typer
from rich.table import Table

from connectors.store.engine import Transaction
from console.shared import ERR, OUT, reading, shown
from domain.case import Case
from domain.story import tell

app = typer.Typer(help="Cases: onboardings, orders, and where each stands.", no_args_is_help=True)


@app.command("list")
def list_cases(
    policy: Annotated[str | None, typer.Option(help="Only this policy's.")] = None,
    state: Annotated[str | None, typer.Option(help="Only those in this state.")] = None,
) -> None:
    """List cases, those with the next deadline first."""
    table = Table("case", "policy", "state", "version", "due (UTC)", box=None, padding=(0, 2, 0, 0))
    with reading() as tx:
        cases = tx.cases.all(policy, state)
    for case in cases:
        due = f"{case.due_at:%Y-%m-%d %H:%M}" if case.due_at else "-"
        table.add_row(shown(case.key), case.policy, case.state, str(case.version), due)
    OUT.print(table if cases else "No cases.")


@app.command()
def show(
    case: Annotated[str, typer.Argument(help="The case's key, such as the number of an order.")],
    policy: Annotated[str | None, typer.Option(help="Where several policies have such a case.")] = None,
) -> None:
    """Tell where a case stands, and everything that happened to it."""
    with reading() as tx:
        found = [one for one in tx.cases.all(policy) if one.key == case]
        if len(found) != 1:
            ERR.print(f"{len(found) or 'No'} cases are called '{shown(case)}'. See 'interlock cases list'.")
            raise typer.Exit(2)
        _print(tx, found[0])


def _print(tx: Transaction, case: Case) -> None:
    due = f", due by {case.due_at:%Y-%m-%d %H:%M} UTC" if case.due_at else ""
    OUT.print(
        f"[bold]{shown(case.key)}[/] ({case.policy}) is {case.state}, version {case.version}{due}", highlight=False
    )
    for name, value in case.values.items():
        OUT.print(f"  {name}: {shown(value)}", highlight=False)
    for entry in tx.cases.history(case.policy, case.key, count=1000):
        told = shown(tell(entry.event, entry.facts))
        OUT.print(f"{entry.at:%Y-%m-%d %H:%M}  {told} ({entry.item_id})", highlight=False)
