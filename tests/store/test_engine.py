"""Opening and migrating the database, and what is said when that fails."""

import re
import subprocess
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from socket import create_server
from threading import Barrier

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, make_url
from sqlmodel import SQLModel

from connectors.store import engine
from connectors.store.engine import Store
from domain.errors import InterlockError, PolicyInvalid, Unavailable
from domain.item import Admission

ROOT = Path(__file__).parents[2]
PASSWORD = "never-" + "to-be-seen"
"""Not as a whole in the source, whose lines a traceback shows."""
OPEN = "import sys; from connectors.store.engine import Store; Store(sys.argv[1]).close()"


def open_and_accept(url: str) -> None:
    """That a store at `url` works."""
    store = Store(url)
    with store.reading() as tx:
        assert tx.ledger.head()[0] == 0
    store.close()


def diffs(opened: Engine) -> list[object]:
    with opened.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        return compare_metadata(context, SQLModel.metadata)


def test_models_and_migrations_agree(store: Store, raw: Engine) -> None:
    with store.reading():
        assert diffs(raw) == []


def test_the_newest_migration_is_the_one_that_the_engine_asks_for() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(engine.__file__).parent / "migrations"))

    assert ScriptDirectory.from_config(config).get_heads() == [engine.HEAD]


def test_a_fresh_database_is_migrated_and_opening_it_again_is_harmless(fresh_url: str, desk_at) -> None:
    first = desk_at(fresh_url)
    accepted, _ = first.accept()

    again = desk_at(fresh_url)

    assert again.accept() == (accepted, Admission.REPEATED)
    assert first.events() == again.events() == ["accepted", "duplicate"]
    assert again.broken_at() is None


def test_threads_that_open_a_fresh_database_at_once_all_succeed(fresh_url: str) -> None:
    at_once = Barrier(4)

    def open_it(_number: int) -> None:
        at_once.wait()
        open_and_accept(fresh_url)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(open_it, range(4)))


def test_processes_that_open_a_fresh_database_at_once_all_succeed(fresh_url: str) -> None:
    command = [sys.executable, "-W", "error", "-c", OPEN, fresh_url]
    processes = [subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    complaints = [process.communicate(timeout=60)[1] for process in processes]

    assert complaints == ["", ""]
    assert [process.returncode for process in processes] == [0, 0]
    open_and_accept(fresh_url)


def test_a_sqlite_file_is_made_with_its_folders(tmp_path: Path) -> None:
    open_and_accept(f"sqlite:///{tmp_path}/not/yet/there/interlock.db")

    assert (tmp_path / "not/yet/there/interlock.db").exists()


def test_sqlite_lets_readers_read_while_one_writes(tmp_path: Path, desk_at) -> None:
    desk = desk_at(f"sqlite:///{tmp_path}/interlock.db")

    with desk.store.transaction() as tx:
        tx.inbox.accept("lead_routing", desk.item(), desk.later() - desk.now, desk.now)
        assert desk.events() == []

    assert desk.events() == ["accepted"]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "interlock.db",
        "mongodb://db.example/interlock",
        "mysql://db.example/interlock",
        "oracle://db.example/interlock",
        "postgresql://db.example:port/interlock",
        "postgresql+nonsense://db.example/interlock",
    ],
)
def test_a_url_that_is_none_is_refused_with_the_mend(url: str) -> None:
    with pytest.raises(PolicyInvalid) as raised:
        Store(url)

    assert str(raised.value) == ("INTERLOCK_DATABASE_URL is no database URL; write sqlite:///PATH or postgresql://…")


def test_a_missing_driver_is_named_with_the_mend() -> None:
    with pytest.raises(PolicyInvalid, match=re.escape("pip install 'interlock[postgres]'")):
        Store("postgresql+psycopg2://db.example/interlock")


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_a_postgresql_that_nobody_answers_for_is_unavailable_and_its_password_unsaid(scheme: str) -> None:
    pytest.importorskip("psycopg", reason="PostgreSQL left out: psycopg is not installed")
    with create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    with pytest.raises(Unavailable) as raised:
        Store(f"{scheme}://me:{PASSWORD}@127.0.0.1:{port}/interlock?application_name=us")

    assert re.match(r"the database at .*127\.0\.0\.1.*/interlock.* does not answer: .*refused", str(raised.value))
    assert PASSWORD not in "".join(traceback.format_exception(raised.value))


def test_a_password_in_the_urls_query_is_unsaid_too() -> None:
    pytest.importorskip("psycopg", reason="PostgreSQL left out: psycopg is not installed")
    with create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    with pytest.raises(Unavailable) as raised:
        Store(f"postgresql://me@127.0.0.1:{port}/interlock?password={PASSWORD}")

    assert PASSWORD not in str(raised.value)


def test_a_postgresql_database_that_does_not_exist_is_unavailable_and_named(postgres_url: str) -> None:
    nowhere = make_url(postgres_url).set(database="interlock_not_there").render_as_string(hide_password=False)

    with pytest.raises(Unavailable, match="interlock_not_there"):
        Store(nowhere)


def test_a_folder_in_place_of_a_sqlite_file_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="does not answer: unable to open database file"):
        Store(f"sqlite:///{tmp_path}")


def test_a_sqlite_path_that_cannot_be_made_is_refused_with_the_mend(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(PolicyInvalid, match="INTERLOCK_DATABASE_URL"):
        Store(f"sqlite:///{tmp_path}/file/interlock.db")


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "interlock.db").write_text("This is a letter, not a database. " * 100)

    with pytest.raises(InterlockError, match="not a database"):
        Store(f"sqlite:///{tmp_path}/interlock.db")


def test_a_database_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/interlock.db"
    open_and_accept(url)
    newer = create_engine(url, isolation_level="AUTOCOMMIT")
    with newer.connect() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    newer.dispose()

    with pytest.raises(PolicyInvalid, match="newer version"):
        Store(url)


def test_sqlite_keeps_what_was_committed_when_the_machine_stops(tmp_path: Path, desk_at) -> None:
    desk = desk_at(f"sqlite:///{tmp_path}/interlock.db")

    with desk.store.transaction() as tx:
        connection = tx.session.connection()
        settings = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }

    assert settings == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


def test_what_waits_in_an_older_outbox_gets_its_scope(desk, raw: Engine) -> None:
    write = desk.operation()
    desk.put(write, write.model_copy(update={"operation_id": "op-2", "system": "slack", "options": {"channel": "C1"}}))
    with raw.connect() as connection, connection.begin():
        context = MigrationContext.configure(connection)
        migration = ScriptDirectory(str(Path(engine.__file__).parent / "migrations")).get_revision("0014").module
        with Operations.context(context):
            migration.downgrade()
            migration.upgrade()

    with desk.store.transaction() as tx:
        assert [due.scope for due in tx.outbox.claim(9, timedelta(minutes=1), desk.now)] == ["sandbox_crm", "slack/C1"]
