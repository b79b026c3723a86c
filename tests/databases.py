"""Databases for tests: every test that takes `store` or `database_url` runs on SQLite and on PostgreSQL.

PostgreSQL is the server at INTERLOCK_TEST_POSTGRES; without one its half is skipped and
says so. A conftest gets the fixtures with `from databases import …`.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import pytest
from sqlalchemy import Engine, create_engine, inspect, make_url, text
from sqlalchemy.exc import OperationalError

from connectors.store.engine import Store
from domain.ledger import GENESIS

POSTGRES = "postgresql://postgres@127.0.0.1:5432/postgres"
"""The server that is tried when INTERLOCK_TEST_POSTGRES names none."""


def postgres_server() -> str:
    """URL of the server to test on; the database that it names is only connected to."""
    return os.environ.get("INTERLOCK_TEST_POSTGRES", POSTGRES)


def why_no_postgres() -> str | None:
    """Why PostgreSQL is left out; None if it answers."""
    try:
        with _administering() as engine, engine.connect():
            return None
    except ModuleNotFoundError:
        return "PostgreSQL left out: psycopg is not installed"
    except OperationalError as exc:
        return f"PostgreSQL left out: INTERLOCK_TEST_POSTGRES does not answer ({str(exc.orig).splitlines()[0]})"


def sqlite_database(path: Path) -> str:
    """URL of a SQLite file with empty tables, copied to `path`: quicker than to migrate a new one."""
    path.write_bytes(_migrated())
    return f"sqlite:///{path}"


@cache
def _migrated() -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "empty.db"
        Store(f"sqlite:///{path}").close()
        return path.read_bytes()


@contextmanager
def postgres_database() -> Iterator[str]:
    """URL of an empty database of one's own, dropped at the end.

    Raises:
        OperationalError: the server does not answer.
    """
    name = f"interlock_test_{uuid4().hex[:12]}"
    with _administering() as engine, engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
        try:
            yield make_url(postgres_server()).set(database=name).render_as_string(hide_password=False)
        finally:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


def drop_tables(url: str) -> None:
    """Drop every table of a PostgreSQL database."""
    engine = _engine(url)
    with engine.connect() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    engine.dispose()


def drop_rows(url: str) -> None:
    """Drop what a PostgreSQL database holds; a store's tables stay, which is quicker than making them anew."""
    engine = _engine(url)
    tables = set(inspect(engine).get_table_names()) - {"alembic_version"}
    with engine.connect() as connection:
        if "ledger_head" in tables:
            for table in sorted(tables - {"ledger_head"}):
                connection.execute(text(f"DELETE FROM {table}"))  # noqa: S608  names from the database itself
            connection.execute(text("UPDATE ledger_head SET seq = 0, hash = :hash"), {"hash": GENESIS})
    engine.dispose()


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """URL of this session's own PostgreSQL database; skips where there is no server."""
    if why := why_no_postgres():
        pytest.skip(why)
    with postgres_database() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def fresh_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of a database without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'interlock.db'}"
    url = str(request.getfixturevalue("postgres_url"))
    drop_tables(url)
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of a database with nothing in it; its tables may be there."""
    if request.param == "sqlite":
        return sqlite_database(tmp_path / "interlock.db")
    url = str(request.getfixturevalue("postgres_url"))
    drop_rows(url)
    return url


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """A store with nothing in it."""
    store = Store(database_url)
    yield store
    store.close()


@pytest.fixture
def raw(database_url: str) -> Iterator[Engine]:
    """The same database past the store, each statement committed at once."""
    engine = _engine(database_url)
    yield engine
    engine.dispose()


@contextmanager
def _administering() -> Iterator[Engine]:
    engine = _engine(postgres_server())
    try:
        yield engine
    finally:
        engine.dispose()


def _engine(url: str) -> Engine:
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return create_engine(parsed, isolation_level="AUTOCOMMIT")
    driven = parsed.set(drivername="postgresql+psycopg")
    patience = {"connect_timeout": 3, "options": "-c lock_timeout=20s"}  # a test that left a lock fails the next one
    return create_engine(driven, isolation_level="AUTOCOMMIT", connect_args=patience)
