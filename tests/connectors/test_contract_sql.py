"""Tables keep the contract of what takes batches, on SQLite and over a wire to PostgreSQL that is cut."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from functools import partial
from itertools import count

import pytest
from databases import fresh_url, postgres_url
from sqlalchemy import Engine, create_engine, make_url, text
from wires import Cut, wire

from connectors.contract import BatchContract, DestinationContract, SearchableContract, Stored, Subject, UpsertContract
from connectors.registry import SYSTEMS
from connectors.tables.sql_table import SqlTable
from domain.delivery import Operation

__all__ = ["fresh_url", "postgres_url"]

TABLE = """CREATE TABLE orders (number VARCHAR(200) PRIMARY KEY, customer VARCHAR(40), note TEXT,
    state VARCHAR(10) CHECK (state IN ('new', 'paid')), operation_id VARCHAR(60))"""
TIMEOUT_S = 5
SHORT_S = 3
"""Longest wait for a lock that somebody else holds for good; enough for a full batch."""
Breaks = Mapping[str, Callable[[], AbstractAsyncContextManager[None]]]


@pytest.fixture
def raw(fresh_url: str) -> Iterator[Engine]:
    """The database itself, each statement committed at once."""
    url = make_url(fresh_url)
    driven = url if url.get_backend_name() == "sqlite" else url.set(drivername="postgresql+psycopg")
    engine = create_engine(driven, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(TABLE))
    yield engine
    engine.dispose()


def orders(table: SqlTable, raw: Engine, breaks: Breaks) -> Subject:
    numbers = count(1)

    def fresh() -> Operation:
        number = next(numbers)
        return Operation(
            operation_id=f"op-{number}",
            item_id=f"item-{number}",
            policy="orders",
            destination="orders",
            system="sql_table",
            record_key=f"order-{number}",
            values={"customer": "Ann", "state": "new", "note": "no hurry"},
            options=SYSTEMS["sql_table"].chosen({"table": "orders", "key": "number"}),
        )

    async def stored(operation: Operation) -> Sequence[Stored]:
        wanted = text("SELECT * FROM orders WHERE number = :key")
        with raw.connect() as connection:
            rows = [
                dict(row)
                for row in connection.execute(wanted, {"key": operation.external_id or operation.record_key}).mappings()
            ]
        return [Stored(row) for row in rows if operation.values.items() <= row.items()]

    return Subject(
        destination=table, fresh=fresh, stored=stored, text="note", refused=("state", "unheard of"), breaks=breaks
    )


@pytest.fixture
async def subject(fresh_url: str, raw: Engine) -> AsyncIterator[Subject]:
    if fresh_url.startswith("sqlite"):
        table = SqlTable(fresh_url, SHORT_S)
        yield orders(table, raw, {"somebody else writes": partial(somebody_writes, raw)})
        await table.aclose()
        return
    async with wire(fresh_url) as cable:

        @asynccontextmanager
        async def cutting(cut: Cut) -> AsyncIterator[None]:
            with cable.cutting(cut):
                yield

        table = SqlTable(cable.url, TIMEOUT_S)
        yield orders(table, raw, {f"the wire is cut {cut}": partial(cutting, cut) for cut in Cut})
        await table.aclose()


@asynccontextmanager
async def somebody_writes(raw: Engine) -> AsyncIterator[None]:
    """Somebody holds the database for good."""
    with raw.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            connection.exec_driver_sql("ROLLBACK")


class TestOrders(DestinationContract, UpsertContract, BatchContract, SearchableContract):
    """What the capabilities of tables call for."""


async def test_the_kit_tells_who_says_not_how_a_batch_breaks_off(subject: Subject) -> None:
    with pytest.raises(AssertionError, match="give `breaks`"):
        await TestOrders().test_a_batch_that_breaks_off_ends_with_one_effect_each(replace(subject, breaks={}))


async def test_the_kit_tells_a_break_that_breaks_nothing(subject: Subject) -> None:
    @asynccontextmanager
    async def nothing() -> AsyncIterator[None]:
        yield

    unbroken = replace(subject, breaks={"nothing": nothing})
    with pytest.raises(AssertionError, match="nothing was tried"):
        await TestOrders().test_a_batch_that_breaks_off_ends_with_one_effect_each(unbroken)
