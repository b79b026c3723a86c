"""Opens a database that is not ours: patient for so long and no longer, and quiet about its password."""

from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from domain.errors import PolicyInvalid

_NO_URL = "INTERLOCK_SQL_URL is no database URL; write postgresql://…, mysql+pymysql://… or sqlite:///PATH"


def open_database(url: str, timeout_s: float) -> Engine:
    """An engine; nothing is connected to before it is used.

    Args:
        timeout_s: for connecting, for each statement, and for each wait for a lock.

    Raises:
        PolicyInvalid: no URL, or its driver is not installed.
    """
    try:
        parsed = make_url(url)
        if parsed.drivername in ("postgresql", "postgres"):
            parsed = parsed.set(drivername="postgresql+psycopg")
        engine = create_engine(
            parsed, pool_pre_ping=True, hide_parameters=True, connect_args=_patience(parsed, timeout_s)
        )
    except (ArgumentError, NoSuchModuleError, ValueError) as exc:
        raise PolicyInvalid(_NO_URL) from exc
    except ModuleNotFoundError as exc:
        hint = "pip install 'interlock[postgres]'" if "psycopg" in str(exc) else f"pip install {exc.name}"
        raise PolicyInvalid(f"INTERLOCK_SQL_URL: the database's driver is not installed: {hint}") from exc
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _leave_transactions_to_us)
        event.listen(engine, "begin", _begin_as_the_writer)
    return engine


def reason(exc: Exception) -> str:
    """What the database itself said, on one line, without the statement and its values."""
    said = exc.orig if isinstance(exc, DBAPIError) else exc
    return " ".join(str(said).split())


def _patience(parsed: URL, timeout_s: float) -> dict[str, Any]:
    match parsed.get_backend_name():
        case "sqlite":
            return {"timeout": timeout_s}
        case "postgresql" if parsed.get_driver_name() == "psycopg":
            milliseconds = int(timeout_s * 1000)
            waits = f"-c statement_timeout={milliseconds} -c lock_timeout={milliseconds}"
            return {"connect_timeout": max(1, int(timeout_s)), "options": waits}
        case _:
            return {}


def _leave_transactions_to_us(connection: Any, _record: object) -> None:
    connection.isolation_level = None


def _begin_as_the_writer(connection: Connection) -> None:
    """Take SQLite's one writer's place at once: two readers that both want to write would lock each other out."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")
