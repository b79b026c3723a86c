"""The command line `interlock`."""

import typer

from console.commands import Commands


class Interlock(Commands):
    """Its commands."""

    places = {  # noqa: RUF012  the base class says so
        "demo": "console.jobs:demo_command",
        "run": "console.jobs:run",
        "init": "console.init:init",
        "serve": "console.serve:serve",
        "reviews": "console.reviews:app",
        "cases": "console.cases:app",
        "customer": "console.customer:app",
        "escalations": "console.escalations:app",
        "sla": "console.sla:sla",
        "outbox": "console.outbox:app",
        "ledger": "console.ledger:app",
        "policy": "console.policies:app",
        "sync": "console.sync:app",
        "doctor": "console.doctor:doctor",
        "map": "console.map:draw",
        "erase": "console.erase:erase_command",
        "drill": "console.drill:drill_command",
    }


app = typer.Typer(
    cls=Interlock,
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,  # locals can hold secrets
)


@app.callback()
def interlock() -> None:
    """AI-driven business workflows that never fail silently."""
