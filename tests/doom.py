"""Ends its own process by SIGKILL at a named step: nothing is tidied up, as when somebody kills it from outside.

A step is what a library tells whoever listens: SQLAlchemy of statements and commits, httpx of requests.
"""

import logging
import os
import re
import signal
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Connection, Engine, event, inspect
from sqlalchemy.orm import Mapper, ORMExecuteState
from sqlmodel import Session

from connectors.store.drift_tables import PassRow
from connectors.store.tables import EntryRow

Reached = Callable[[str], None]

TOO = ", and its worker"
"""Behind a step: the process that started the dying one dies with it."""


def kill(process: int | None = None) -> None:
    """End a process, by default this one, as `kill -9` does."""
    os.kill(process or os.getpid(), signal.SIGKILL)


def listen(reached: Reached) -> None:
    """Call `reached` with the name of each step of this process, before it goes on.

    Steps are `reading reviews`, `before` and `after review_answered` (the commit that brings that ledger
    entry), `before` and `after pass_read` (the commit of a part of a
    system's snapshot), and `answered set_state 2` (the second request whose path ends so got its answer).
    """
    _listen_to_store(reached)
    _listen_to_requests(reached)


def _listen_to_store(reached: Reached) -> None:
    written: list[str] = []

    @event.listens_for(EntryRow, "after_insert")
    def _(_mapper: Mapper[EntryRow], _connection: Connection, row: EntryRow) -> None:
        written.append(row.event)

    @event.listens_for(Session, "do_orm_execute")
    def _(state: ORMExecuteState) -> None:
        if state.is_insert and state.bind_mapper is inspect(EntryRow):
            written.extend(str(row["event"]) for row in state.parameters or ())

    @event.listens_for(PassRow, "after_update")
    def _(_mapper: Mapper[PassRow], _connection: Connection, _row: PassRow) -> None:
        written.append("pass_read")

    @event.listens_for(Engine, "commit")
    def _(_connection: Connection) -> None:
        for name in written:
            reached(f"before {name}")

    @event.listens_for(Session, "after_commit")
    def _(_session: Session) -> None:
        names = list(written)
        written.clear()
        for name in names:
            reached(f"after {name}")

    @event.listens_for(Engine, "before_cursor_execute")
    def _(_connection: Connection, _cursor: Any, statement: str, *_: Any) -> None:
        if "FROM reviews" in statement:
            reached("reading reviews")


def _listen_to_requests(reached: Reached) -> None:
    counts: Counter[str] = Counter()

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            url = re.search(r"https?://\S+", record.getMessage())
            if url is None:
                return
            end = urlsplit(url[0]).path.rpartition("/")[2]
            counts[end] += 1
            reached(f"answered {end} {counts[end]}")

    requests = logging.getLogger("httpx")
    requests.setLevel(logging.INFO)
    requests.propagate = False
    requests.addHandler(Listener())
