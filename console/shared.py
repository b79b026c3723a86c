"""What every command shares: the two consoles, the store, and how errors reach a person."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape

from connectors.settings import Settings
from connectors.store.engine import Store, Transaction
from domain.errors import InputInvalid, InterlockError
from tasks.prefect_secrets import resolved_now

OUT = Console(soft_wrap=True)
"""Results: what a script may read."""

ERR = Console(stderr=True, soft_wrap=True)
"""Everything else: progress, warnings, faults."""


_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def shown(text: str, *, lines: bool = False) -> str:
    """A stranger's text for the terminal: no markup, no control or bidirectional signs; on one line, or in `lines`."""
    return "\n".join(escape(_CONTROL.sub(" ", line)) for line in (text.split("\n") if lines else [text]))


@contextmanager
def reading() -> Iterator[Transaction]:
    """The store that the environment names, to read from."""
    with explained():
        store = Store(Settings.of(resolved_now(os.environ)).store_url)
    try:
        with store.reading() as tx:
            yield tx
    finally:
        store.close()


def only(found: Sequence[str], fragment: str, what: str) -> str:
    """The one id that was found for what a person named, by it or by its beginning.

    Raises:
        InputInvalid: there is none, or there are several.
    """
    if len(found) != 1:
        raise InputInvalid(f"'{fragment}' is not one {what}")
    return found[0]


@contextmanager
def explained() -> Iterator[None]:
    """Errors that we raise on purpose say what to do; they reach the person as that, without a trace.

    The exit code is 2, as for any wrong use of a command.
    """
    try:
        yield
    except ValidationError as exc:
        if exc.title != "Settings":
            raise
        faults = [f"INTERLOCK_{str(fault['loc'][0]).upper()}: {fault['msg']}" for fault in exc.errors()]
        ERR.print(f"[bold red]environment[/] {escape('; '.join(faults))}", highlight=False)
        raise typer.Exit(2) from exc
    except InterlockError as exc:
        ERR.print(f"[bold red]{type(exc).__name__}[/] {escape(str(exc))}", highlight=False)
        raise typer.Exit(2) from exc
