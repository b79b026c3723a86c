"""A table that is kept in step, on SQLite and PostgreSQL: what rows are said to hold, and what is written to them."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from datetime import UTC, datetime

import pytest
from databases import fresh_url, postgres_url
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, create_engine, make_url, text

from connectors.kept import Kept, Page, Record
from connectors.registry import KEPT, open_kept
from connectors.tables.sql_table import SqlTable
from domain.delivery import Conflict, Invalid, Operation, Written
from domain.errors import BadRequest, Unavailable

__all__ = ["fresh_url", "postgres_url"]

TABLE = """CREATE TABLE accounts (
    email VARCHAR(60) PRIMARY KEY, name VARCHAR(20), seats INTEGER, credit NUMERIC(8, 2), active BOOLEAN, since DATE,
    seen_at TIMESTAMP, weight FLOAT, plan CHAR(8), extra JSON, updated_at TIMESTAMP, operation_id VARCHAR(40))"""
NUMBERED = "CREATE TABLE orders (id INTEGER PRIMARY KEY, note TEXT, updated_at TIMESTAMP, operation_id VARCHAR(40))"
FIELDS = ("name", "seats", "credit", "active", "since", "seen_at", "weight", "plan", "extra", "fax")
OPTIONS = {"table": "accounts", "key": "email", "updated_at": "updated_at"}
ANN = {
    "name": "Ann",
    "seats": "3",
    "credit": "1.5",
    "active": "true",
    "since": "2026-01-31",
    "seen_at": "2026-01-31T10:00:00",
    "weight": "0.1",
    "plan": "basic",
    "extra": '{"a": [1, "ä"]}',
}
BLANK = dict.fromkeys(ANN, "")
PATIENT_S = 10


@pytest.fixture
def raw(fresh_url: str) -> Iterator[Engine]:
    """The database itself, each statement committed at once."""
    url = make_url(fresh_url)
    driven = url if url.get_backend_name() == "sqlite" else url.set(drivername="postgresql+psycopg")
    engine = create_engine(driven, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(TABLE))
        connection.execute(text(NUMBERED))
    yield engine
    engine.dispose()


@pytest.fixture
async def kept(raw: Engine, fresh_url: str) -> AsyncIterator[Kept]:
    connector = opened(fresh_url)
    yield connector
    await connector.aclose()


@pytest.fixture
async def table(raw: Engine, fresh_url: str) -> AsyncIterator[SqlTable]:
    connector = SqlTable(fresh_url, PATIENT_S)
    yield connector
    await connector.aclose()


def opened(url: str, **options: str) -> Kept:
    return open_kept("sql_table", OPTIONS | options, FIELDS, {"INTERLOCK_SQL_URL": url})


def operation(number: int, values: dict[str, str], expected: dict[str, str] | None = None) -> Operation:
    spec = KEPT["sql_table"]
    return Operation(
        operation_id=f"op-{number}",
        item_id=f"item-{number}",
        policy="accounts",
        destination="table",
        system="sql_table",
        record_key="ann@example.com",
        values=values,
        options=spec.destination_options(spec.chosen(OPTIONS)),
        external_id="" if expected is None else "ann@example.com",
        expected=expected,
    )


def execute(raw: Engine, statement: str) -> None:
    with raw.connect() as connection:
        connection.execute(text(statement))


def held(raw: Engine, columns: str) -> tuple[object, ...]:
    with raw.connect() as connection:
        return tuple(connection.execute(text(f"SELECT {columns} FROM accounts")).one())  # noqa: S608


async def values_of(kept: Kept, external_id: str = "ann@example.com") -> dict[str, str]:
    record = (await kept.read([external_id]))[external_id]
    assert record is not None
    return record.values


async def test_a_row_is_read_as_text_and_what_the_table_lacks_is_left_out(table: SqlTable, kept: Kept) -> None:
    written = await table.send(operation(1, ANN))

    values = await values_of(kept)
    assert isinstance(written, Written)
    assert written.values == values
    assert {name: text for name, text in values.items() if name != "credit"} == {
        name: text for name, text in ANN.items() if name != "credit"
    }
    assert float(values["credit"]) == 1.5


async def test_a_row_tells_when_and_by_which_write_it_was_changed(kept: Kept, raw: Engine) -> None:
    execute(raw, "INSERT INTO accounts (email, updated_at, operation_id) VALUES ('a', '2026-03-01 12:00:00', 'op-7')")
    execute(raw, "INSERT INTO accounts (email) VALUES ('b')")

    records = await kept.read(["a", "b", "c", "a"])

    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert records == {"a": Record("a", BLANK, at, "", "op-7"), "b": Record("b", BLANK), "c": None}


async def test_a_key_that_no_row_can_have_is_not_there_and_another_spelling_of_one_is(
    fresh_url: str, raw: Engine
) -> None:
    orders = opened(fresh_url, table="orders", key="id")
    execute(raw, "INSERT INTO orders (id, note) VALUES (7, 'x')")

    records = await orders.read(["7", "007", "seven", ""])
    await orders.aclose()

    assert {one: record and record.external_id for one, record in records.items()} == {
        "7": "7",
        "007": "7",
        "seven": None,
        "": None,
    }


async def test_a_patch_clears_what_it_gives_as_empty(table: SqlTable, kept: Kept, raw: Engine) -> None:
    await table.send(operation(1, ANN))

    outcome = await table.send(operation(2, BLANK, await values_of(kept)))

    assert outcome == Written(kind="updated", external_id="ann@example.com", values=BLANK)
    assert held(raw, "name, seats, credit, active, since, seen_at, weight, extra") == ("", *[None] * 7)
    assert await table.send(operation(3, BLANK, BLANK)) == outcome.model_copy(update={"kind": "unchanged"})


async def test_null_and_the_empty_text_are_both_blank(table: SqlTable, raw: Engine) -> None:
    execute(raw, "INSERT INTO accounts (email) VALUES ('ann@example.com')")

    outcome = await table.send(operation(1, {"name": "Ann", "seats": "2"}, {"name": "", "seats": ""}))

    assert (outcome.kind, held(raw, "name, seats")) == ("updated", ("Ann", 2))


async def test_a_row_that_holds_something_else_is_left_as_it_is(table: SqlTable, raw: Engine) -> None:
    await table.send(operation(1, {"name": "Ann", "seats": "3"}))

    outcome = await table.send(operation(2, {"name": "Anne", "seats": "4"}, {"name": "Ann", "seats": "2"}))

    assert outcome == Conflict(detail="SQL: record ann@example.com: seats is not what it was", moved=True)
    assert held(raw, "name, seats, operation_id") == ("Ann", 3, "op-1")


async def test_what_a_column_holds_is_compared_as_its_value_not_as_its_text(table: SqlTable, raw: Engine) -> None:
    await table.send(operation(1, ANN))
    expected = {
        "credit": "1.50",
        "active": "yes",
        "seen_at": "2026-01-31T12:00:00+02:00",
        "extra": '{"a":[1,"\\u00e4"]}',
    }

    outcome = await table.send(operation(2, {"name": "Anne"}, expected))

    assert outcome.kind == "updated"


@pytest.mark.parametrize(
    ("expected", "outcome"),
    [({"seats": "many"}, Conflict), ({"fax": "1"}, Invalid)],
    ids=["what the column cannot hold", "a column that there is not"],
)
async def test_an_expectation_that_no_row_can_meet_writes_nothing(
    table: SqlTable, raw: Engine, expected: dict[str, str], outcome: type[Conflict | Invalid]
) -> None:
    await table.send(operation(1, ANN))

    told = await table.send(operation(2, {"name": "Anne"}, expected))

    assert isinstance(told, outcome)
    assert held(raw, "name") == ("Ann",)


async def test_of_many_writers_with_the_same_expectation_one_wins(table: SqlTable, raw: Engine) -> None:
    await table.send(operation(1, {"name": "Ann"}))

    outcomes = await asyncio.gather(
        *[table.send(operation(number, {"name": f"Ann {number}"}, {"name": "Ann"})) for number in range(2, 8)]
    )

    assert sorted(outcome.kind for outcome in outcomes) == ["conflict"] * 5 + ["updated"]


async def test_pages_hold_every_row_once_in_the_order_of_their_keys_and_end(kept: Kept, raw: Engine) -> None:
    for key in ("", "b", "a", "d", "c"):
        execute(raw, f"INSERT INTO accounts (email, name) VALUES ('{key}', 'x')")  # noqa: S608

    pages = [await kept.page("", 1)]
    while pages[-1].after:
        pages.append(await kept.page(pages[-1].after, 2))

    assert [one.external_id for page in pages for one in page.records] == ["", "a", "b", "c", "d"]


async def test_a_page_that_begins_nowhere_is_refused(fresh_url: str, raw: Engine) -> None:
    orders = opened(fresh_url, table="orders", key="id")

    assert await orders.page("", 5) == Page((), "")
    with pytest.raises(BadRequest, match="an empty one begins again"):
        await orders.page(">seven", 5)
    await orders.aclose()


async def test_changes_tell_of_a_row_once_and_of_rows_without_a_time_only_to_the_log(
    kept: Kept, raw: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    execute(raw, "INSERT INTO accounts (email, updated_at) VALUES ('a@b', '2026-03-01 12:00:00'), ('b', NULL)")

    changed = await kept.changed("", 5)

    assert changed.external_ids == ("a@b",)
    assert "rows without a time in updated_at are never read" in caplog.text
    assert (await kept.changed(changed.cursor, 5)).external_ids == ()


async def test_a_database_that_is_down_or_a_table_that_is_not_there_is_told(fresh_url: str, raw: Engine) -> None:
    nobody, nothing = opened("postgresql://nobody@127.0.0.1:9/nowhere"), opened(fresh_url, table="nowhere")

    for failing, error in ((nobody, Unavailable), (nothing, BadRequest)):
        with pytest.raises(error):
            await failing.read(["1"])
        with pytest.raises(error):
            await failing.page("", 1)
        with pytest.raises(error):
            await failing.changed("", 1)
        await failing.aclose()


@pytest.mark.parametrize("fresh_url", ["sqlite"], indirect=True)
async def test_what_a_column_holds_against_its_type_is_refused_and_not_guessed(kept: Kept, raw: Engine) -> None:
    execute(raw, "INSERT INTO accounts (email, since) VALUES ('a', 'some day')")

    with pytest.raises(BadRequest, match="table 'accounts' holds what cannot be read"):
        await kept.read(["a"])


VALUES = st.fixed_dictionaries(
    {
        "name": st.text("aä' ", max_size=20),
        "seats": st.integers(-(2**31), 2**31 - 1).map(str) | st.just(""),
        "credit": st.decimals(-99999, 99999, places=2).map(str) | st.just(""),
        "active": st.sampled_from(["true", "no", "1", ""]),
        "since": st.dates().map(str) | st.just(""),
        "seen_at": st.datetimes().map(str) | st.just(""),
        "weight": st.floats(allow_nan=False, allow_infinity=False).map(str) | st.just(""),
        "extra": st.sampled_from(['{"b": 1, "a": null}', "[]", "3", '"x"', ""]),
    }
)


@given(first=VALUES, second=VALUES)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_what_is_read_is_what_can_be_expected_and_written(
    fresh_url: str, raw: Engine, first: dict[str, str], second: dict[str, str]
) -> None:
    async with aclosing(opened(fresh_url)) as kept, aclosing(SqlTable(fresh_url, PATIENT_S)) as table:
        execute(raw, "DELETE FROM accounts")
        await table.send(operation(1, first))
        before = await values_of(kept)

        again = await table.send(operation(2, before, before))
        written = await table.send(operation(3, second, before))
        after = await values_of(kept)

    assert again.kind == "unchanged"
    assert isinstance(written, Written)
    assert written.values == {name: after[name] for name in second}
