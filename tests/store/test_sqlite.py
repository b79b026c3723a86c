"""Writers on SQLite wait for each other, and for nothing that waiting does not mend."""

from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import pytest
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import OperationalError

from connectors.store.sqlite import BUSY_TIMEOUT_S, begin_to_write, set_up


def opened(url: str) -> Engine:
    engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_S})
    event.listen(engine, "connect", set_up)
    return engine


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = opened(f"sqlite:///{tmp_path / 'store.db'}")
    with made.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE written (who TEXT)")
    yield made
    made.dispose()


def test_a_writer_waits_until_the_other_has_ended(engine: Engine) -> None:
    waiting = Event()

    def write() -> None:
        with engine.connect() as connection:
            waiting.set()
            begin_to_write(connection)
            connection.exec_driver_sql("INSERT INTO written SELECT 'second, of ' || count(*) FROM written")
            connection.commit()

    second = Thread(target=write)
    with engine.connect() as connection:
        begin_to_write(connection)
        second.start()
        waiting.wait()
        connection.exec_driver_sql("INSERT INTO written VALUES ('first')")
        connection.commit()
    second.join()
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT who FROM written").scalars().all() == ["first", "second, of 1"]


def test_whoever_has_begun_waits_for_the_file_as_long_as_ever(engine: Engine) -> None:
    with engine.connect() as connection:
        begin_to_write(connection)
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == BUSY_TIMEOUT_S * 1000


def test_a_file_that_may_not_be_written_is_not_waited_for(engine: Engine) -> None:
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA query_only=ON")
        with pytest.raises(OperationalError, match="readonly"):
            begin_to_write(connection)
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == BUSY_TIMEOUT_S * 1000
