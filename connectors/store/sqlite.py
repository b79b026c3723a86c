"""What SQLite needs to be set to, and to be waited for."""

import sqlite3
import time
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

BUSY_TIMEOUT_S = 60
"""How long a writer waits for another."""

LOOK_AGAIN_S = 0.002
"""Between two looks whether the other one has ended: a transaction takes some tens of milliseconds."""


def set_up(connection: Any, _record: object) -> None:
    """Set a new connection up."""
    connection.isolation_level = None  # transactions are begun by us, as IMMEDIATE where they write
    _use_wal(connection)
    connection.execute("PRAGMA synchronous=FULL")  # a commit survives a power cut, not only a kill
    connection.execute("PRAGMA foreign_keys=ON")


def begin_to_write(connection: Connection) -> None:
    """Begin once nobody else writes; SQLite's own waiting sleeps longer and longer, up to a tenth of a second."""
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    connection.exec_driver_sql("PRAGMA busy_timeout=0")
    try:
        while not _begun(connection, deadline):
            time.sleep(LOOK_AGAIN_S)
    finally:
        connection.exec_driver_sql(f"PRAGMA busy_timeout={BUSY_TIMEOUT_S * 1000}")


def _begun(connection: Connection, deadline: float) -> bool:
    try:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    except OperationalError as exc:
        code: int = getattr(exc.orig, "sqlite_errorcode", 0)
        busy = code & 0xFF == sqlite3.SQLITE_BUSY  # the rest of an extended code says with what
        if not busy or time.monotonic() > deadline:
            raise
        return False
    return True


def _use_wal(connection: Any) -> None:
    """Switch to WAL mode; SQLite does not wait for others who switch at the same moment, so we do."""
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return
