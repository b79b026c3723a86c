"""A table as a destination and as a source, on SQLite and PostgreSQL: outcome here, rows there."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from databases import fresh_url, postgres_url
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, create_engine, make_url, text

from connectors.ports import Arrival, BatchDestination, Candidate, Changes, Fetched, Searchable, Unreadable
from connectors.registry import SYSTEMS, open_destination, open_source
from connectors.tables.sql_changes import SqlChanges
from connectors.tables.sql_table import SqlTable
from domain.delivery import Invalid, Operation, RetryAfter, Search, Written
from domain.errors import BadRequest, PolicyInvalid, Unavailable
from domain.sameness import IdentityNames

__all__ = ["fresh_url", "postgres_url"]

TABLES = (
    """CREATE TABLE customers (
        email VARCHAR(60) PRIMARY KEY, name VARCHAR(20) NOT NULL, phone VARCHAR(30), company VARCHAR(40),
        seats INTEGER, credit NUMERIC(8, 2), active BOOLEAN, since DATE, seen_at TIMESTAMP, weight FLOAT,
        updated_at TIMESTAMP, operation_id VARCHAR(40))""",
    "CREATE TABLE visits (id INTEGER PRIMARY KEY, page VARCHAR(20), operation_id VARCHAR(40))",
    "CREATE TABLE loose (id INTEGER, page VARCHAR(20), operation_id VARCHAR(40))",
    "CREATE TABLE untraced (id INTEGER PRIMARY KEY)",
    "CREATE TABLE partly (id INTEGER, live INTEGER, operation_id VARCHAR(40))",
    "CREATE UNIQUE INDEX partly_id ON partly (id) WHERE live = 1",
    "CREATE TABLE indexed (id INTEGER, operation_id VARCHAR(40))",
    "CREATE UNIQUE INDEX indexed_id ON indexed (id)",
)
PATIENT_S = 10
ANN = {"name": "Ann", "company": "Acme"}


@pytest.fixture
def raw(fresh_url: str) -> Iterator[Engine]:
    """The database itself, each statement committed at once."""
    url = make_url(fresh_url)
    driven = url if url.get_backend_name() == "sqlite" else url.set(drivername="postgresql+psycopg")
    engine = create_engine(driven, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in TABLES:
            connection.execute(text(statement))
    yield engine
    engine.dispose()


@pytest.fixture
async def table(raw: Engine, fresh_url: str) -> AsyncIterator[SqlTable]:
    connector = SqlTable(fresh_url, PATIENT_S)
    yield connector
    await connector.aclose()


def operation(
    number: int = 1, key: str = "ann@example.com", options: Mapping[str, str] | None = None, **values: str
) -> Operation:
    chosen = SYSTEMS["sql_table"].chosen({"table": "customers", "key": "email", **(options or {})})
    return Operation(
        operation_id=f"op-{number}",
        item_id=f"item-{number}",
        policy="leads",
        destination="table",
        system="sql_table",
        record_key=key,
        values=values or ANN,
        options=chosen,
    )


def rows(raw: Engine, table: str = "customers") -> list[dict[str, Any]]:
    with raw.connect() as connection:
        return [dict(row) for row in connection.execute(text(f"SELECT * FROM {table}")).mappings()]  # noqa: S608


def execute(raw: Engine, statement: str) -> None:
    with raw.connect() as connection:
        connection.execute(text(statement))


async def test_a_new_key_becomes_a_row_with_the_operations_id(table: SqlTable, raw: Engine) -> None:
    outcome = await table.send(operation())

    [row] = rows(raw)
    assert outcome == Written(kind="created", external_id="ann@example.com", values=ANN)
    assert (row["email"], row["name"], row["operation_id"]) == ("ann@example.com", "Ann", "op-1")


async def test_a_known_key_is_updated_by_what_differs(table: SqlTable, raw: Engine) -> None:
    await table.send(operation(1, name="Ann", company="Acme", phone="1"))

    outcome = await table.send(operation(2, name="Ann", company="Acme Ltd"))

    [row] = rows(raw)
    assert outcome == Written(
        kind="updated", external_id="ann@example.com", values={"name": "Ann", "company": "Acme Ltd"}
    )
    assert (row["company"], row["phone"], row["operation_id"]) == ("Acme Ltd", "1", "op-2")


async def test_a_row_that_holds_the_values_already_is_left_alone(table: SqlTable, raw: Engine) -> None:
    values = {"name": "Ann", "seats": "3", "credit": "1.50", "active": "yes", "since": "2026-01-31", "weight": "0.1"}
    await table.send(operation(1, **values))

    outcome = await table.send(operation(2, **values | {"credit": "1.5", "active": "true"}))

    assert (outcome.kind, outcome.external_id) == ("unchanged", "ann@example.com")
    assert rows(raw)[0]["operation_id"] == "op-1"


async def test_a_write_is_found_by_its_operations_id(table: SqlTable) -> None:
    await table.send(operation(1))

    assert await table.find(operation(1)) == Written(kind="updated", external_id="ann@example.com", found=True)
    assert await table.find(operation(2)) is None


async def test_a_moment_with_a_time_zone_is_kept_as_utc_where_the_column_has_none(table: SqlTable, raw: Engine) -> None:
    await table.send(operation(name="Ann", seen_at="2026-01-31T12:00:00+02:00"))

    assert str(rows(raw)[0]["seen_at"]).startswith("2026-01-31 10:00:00")


async def test_a_binary_fraction_is_kept_however_large_it_is(table: SqlTable, raw: Engine) -> None:
    await table.send(operation(name="Ann", weight="1e+53"))

    assert rows(raw)[0]["weight"] == 1e53


MISFITS = [
    ("name", "A name that is longer than twenty", r"column 'name' \(VARCHAR\(20\)\): .* at most 20 characters"),
    ("seats", "three", r"column 'seats' \(INTEGER\): .* valid integer"),
    ("seats", str(2**70), "column 'seats'"),
    ("credit", "1.234", r"column 'credit' \(NUMERIC\(8, 2\)\): .* no more than 2 decimal places"),
    ("credit", "1234567.00", "column 'credit'"),
    ("credit", "NaN", "column 'credit'"),
    ("weight", "inf", "column 'weight'"),
    ("active", "perhaps", "column 'active'"),
    ("since", "31.01.2026", r"column 'since' \(DATE\)"),
    ("since", "20260131", "a bare number; write it out"),
    ("seen_at", "1769860800", "a bare number; write it out"),
    ("company", "Ac\x00me", "column 'company': a NUL character"),
    ("operation_id", "op-7", "column 'operation_id' is for the operation's id"),
    ("email", "bob@example.com", "column 'email' is the record's key"),
    ("colour", "red", "table 'customers' has no column 'colour'; it has name, phone, company, seats"),
]


@pytest.mark.parametrize(("column", "value", "complaint"), MISFITS)
async def test_a_value_that_does_not_fit_its_column_is_refused_by_name(
    table: SqlTable, raw: Engine, column: str, value: str, complaint: str
) -> None:
    outcome = await table.send(operation(**ANN | {column: value}))

    assert isinstance(outcome, Invalid)
    with pytest.raises(AssertionError, match=complaint):
        raise AssertionError(outcome.detail)
    assert rows(raw) == []


async def test_a_row_that_a_rule_of_the_table_forbids_is_refused_in_the_databases_words(
    table: SqlTable, raw: Engine
) -> None:
    outcome = await table.send(operation(company="Acme"))

    assert isinstance(outcome, Invalid)
    assert "name" in outcome.detail
    assert rows(raw) == []


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"table": "nowhere"}, "the database has no table 'nowhere'"),
        ({"key": "nothing"}, "options: key: table 'customers' has no column 'nothing'; it has email"),
        ({"table": "untraced", "key": "id"}, "options: operation_column: table 'untraced' has no column"),
        ({"key": "name"}, "column 'name' of table 'customers' is not unique"),
        ({"table": "loose", "key": "id"}, "column 'id' of table 'loose' is not unique"),
        ({"table": "partly", "key": "id"}, "column 'id' of table 'partly' is not unique"),
    ],
)
async def test_a_table_that_cannot_be_written_to_by_key_is_refused(
    table: SqlTable, options: dict[str, str], complaint: str
) -> None:
    outcome = await table.send(operation(key="1", options=options))
    found = await table.find(operation(key="1", options=options))

    assert isinstance(outcome, Invalid)
    assert complaint in outcome.detail
    assert isinstance(found, RetryAfter)


async def test_a_unique_index_makes_a_key(table: SqlTable, raw: Engine) -> None:
    outcome = await table.send(operation(key="7", options={"table": "indexed", "key": "id"}, id="7"))

    assert outcome == Written(kind="created", external_id="7", values={"id": "7"})
    assert rows(raw, "indexed") == [{"id": 7, "operation_id": "op-1"}]


async def test_a_batch_is_one_transaction_in_which_a_refused_row_stands_alone(table: SqlTable, raw: Engine) -> None:
    await table.send(operation(1, key="old@example.com"))
    batch = [
        operation(2, key="new@example.com"),
        operation(3, key="bad@example.com", company="no name"),
        operation(4, key="odd@example.com", name="Odd", seats="many"),
        operation(5, key="old@example.com", name="Older"),
        operation(6, key="9", options={"table": "visits", "key": "id"}, page="home"),
    ]

    outcomes = await table.send_all(batch)

    assert [outcome.kind for outcome in outcomes] == ["created", "invalid", "invalid", "updated", "created"]
    assert {row["email"]: row["operation_id"] for row in rows(raw)} == {
        "old@example.com": "op-5",
        "new@example.com": "op-2",
    }
    assert rows(raw, "visits") == [{"id": 9, "page": "home", "operation_id": "op-6"}]


async def test_many_writers_of_one_new_key_make_one_row(table: SqlTable, raw: Engine) -> None:
    outcomes = await asyncio.gather(*[table.send(operation(number, name=f"Ann {number}")) for number in range(6)])

    assert sorted(outcome.kind for outcome in outcomes) == ["created"] + ["updated"] * 5
    assert len(rows(raw)) == 1


async def test_candidates_share_an_address_the_end_of_a_phone_number_or_a_word_of_the_name(
    table: SqlTable, raw: Engine
) -> None:
    people = {"a@example.com": ("Ann Hall", "+49 (30) 1234-5678"), "b@example.com": ("Bo", "030 99999999")}
    for number, (email, (name, phone)) in enumerate(people.items()):
        await table.send(operation(number, key=email, name=name, phone=phone))

    async def found(**values: str) -> list[str]:
        alike = await table.candidates(operation(9, key="new@example.com", **values))
        assert isinstance(alike, list)
        return [candidate.external_id for candidate in alike]

    assert await found(email="A@Example.COM") == ["a@example.com"]
    assert await found(phone="0049 30 12345678") == ["a@example.com"]
    assert await found(name="hall") == ["a@example.com"]
    assert await found(name="100%") == []
    assert await found(company="Acme") == []
    assert sorted(await found(email="a@example.com", phone="030 99999999")) == sorted(people)


async def test_a_candidate_has_its_values_as_text(table: SqlTable) -> None:
    await table.send(operation(1, name="Ann", seats="3"))

    [candidate] = await table.candidates(operation(2, key="bo@example.com", name="Ann"))

    assert candidate == Candidate("ann@example.com", {**candidate.values, "name": "Ann", "seats": "3"})


async def test_a_row_under_our_key_is_ours(table: SqlTable) -> None:
    await table.send(operation(1))

    [ours] = await table.candidates(operation(2, name="Ann"))

    assert (ours.external_id, ours.ours) == ("ann@example.com", True)


async def test_columns_are_searched_by_the_names_that_the_policy_gives_them(table: SqlTable) -> None:
    await table.send(operation(1, key="a@example.com", name="Ann", company="Acme"))
    search = Search(names=IdentityNames(name=("company",)), workflow="leads")
    wanted = operation(2, key="b@example.com", company="Acme").model_copy(update={"search": search})

    [candidate] = await table.candidates(wanted)

    assert candidate.external_id == "a@example.com"


async def test_a_write_by_id_changes_the_row_of_that_key_which_it_keeps(table: SqlTable, raw: Engine) -> None:
    await table.send(operation(1, key="a@example.com", name="Ann", seats="3"))
    known = operation(2, key="b@example.com", name="Ann", seats="4").model_copy(update={"external_id": "a@example.com"})

    outcomes = [await table.send(known), await table.send(known)]

    held = {"name": "Ann", "seats": "4"}
    assert outcomes == [
        Written(kind=kind, external_id="a@example.com", values=held) for kind in ("updated", "unchanged")
    ]
    assert [(row["email"], row["operation_id"]) for row in rows(raw)] == [("a@example.com", "op-2")]
    assert await table.find(known) == Written(kind="updated", external_id="a@example.com", found=True)


async def test_a_write_to_a_row_that_is_not_there_any_more_is_refused(table: SqlTable, raw: Engine) -> None:
    gone = operation(2).model_copy(update={"external_id": "gone@example.com"})

    said = "SQL: table 'customers' has no row 'gone@example.com' any more"
    assert await table.send(gone) == Invalid(detail=said, gone=True)
    assert rows(raw) == []


async def test_candidates_of_a_table_that_is_not_there_are_refused(table: SqlTable) -> None:
    assert isinstance(await table.candidates(operation(options={"table": "nowhere"})), Invalid)


async def test_a_database_that_is_down_is_asked_again_later() -> None:
    nobody = SqlTable("postgresql://nobody:s3cret@127.0.0.1:9/nowhere", 1)

    outcomes = [await nobody.send(operation()), await nobody.find(operation()), await nobody.candidates(operation())]
    await nobody.aclose()

    assert [type(outcome) for outcome in outcomes] == [RetryAfter, RetryAfter, RetryAfter]
    assert "s3cret" not in str(outcomes)


async def test_what_takes_longer_than_the_timeout_is_rolled_back(raw: Engine, fresh_url: str) -> None:
    hasty = SqlTable(fresh_url, 1e-9 if fresh_url.startswith("sqlite") else 0.001)

    outcome = await hasty.send(operation())
    await hasty.aclose()

    assert isinstance(outcome, RetryAfter)
    assert rows(raw) == []


async def test_a_write_whose_sender_has_gone_is_rolled_back(tmp_path: Path) -> None:
    """Else it could be committed after a look-up said that it is not there."""
    path = tmp_path / "other.db"
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("CREATE TABLE visits (id INTEGER PRIMARY KEY, page TEXT, operation_id TEXT)")
    other.execute("BEGIN IMMEDIATE")
    connector = SqlTable(f"sqlite:///{path}", PATIENT_S)
    visit = operation(key="1", options={"table": "visits", "key": "id"}, page="home")

    sending = asyncio.create_task(connector.send(visit))
    await asyncio.sleep(0.05)
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    other.execute("ROLLBACK")
    await asyncio.get_running_loop().shutdown_default_executor()

    assert other.execute("SELECT count(*) FROM visits").fetchone() == (0,)
    other.close()
    await connector.aclose()


async def test_a_locked_database_is_asked_again_later(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("CREATE TABLE visits (id INTEGER PRIMARY KEY, page TEXT, operation_id TEXT)")
    other.execute("BEGIN IMMEDIATE")
    connector = SqlTable(f"sqlite:///{path}", 0.05)

    outcome = await connector.send(operation(key="1", options={"table": "visits", "key": "id"}, page="home"))
    await connector.aclose()
    other.close()

    assert outcome == RetryAfter(detail="SQL: nothing was committed: database is locked")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(value=st.text(max_size=30))
async def test_any_text_is_stored_as_it_is_or_refused(tmp_path: Path, value: str) -> None:
    path = tmp_path / "texts.db"
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("CREATE TABLE IF NOT EXISTS visits (id TEXT UNIQUE, page VARCHAR(20), operation_id TEXT)")
    other.execute("DELETE FROM visits")
    connector = SqlTable(f"sqlite:///{path}", PATIENT_S)

    outcome = await connector.send(operation(key="1", options={"table": "visits", "key": "id"}, page=value))

    stored = other.execute("SELECT page FROM visits").fetchall()
    assert stored == ([(value,)] if isinstance(outcome, Written) else [])
    assert isinstance(outcome, Written) == (len(value) <= 20 and "\x00" not in value)
    await connector.aclose()
    other.close()


@pytest.mark.parametrize("url", ["nonsense", "oracle+none://x", "http://example.com", ""])
def test_an_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(PolicyInvalid, match="INTERLOCK_SQL_URL"):
        open_destination("sql_table", {"INTERLOCK_SQL_URL": url})


def test_a_driver_that_is_not_installed_is_named() -> None:
    with pytest.raises(PolicyInvalid, match="driver is not installed: pip install pymysql"):
        open_destination("sql_table", {"INTERLOCK_SQL_URL": "mysql+pymysql://127.0.0.1/shop"})


async def test_it_is_opened_by_name_and_takes_batches_and_searches() -> None:
    opened = open_destination("sql_table", {"INTERLOCK_SQL_URL": "sqlite://"})
    await opened.aclose()

    assert isinstance(opened, BatchDestination)
    assert isinstance(opened, Searchable)


NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def changed(raw: Engine, email: str, at: str) -> None:
    execute(raw, f"INSERT INTO customers (email, name, updated_at) VALUES ('{email}', 'N', '{at}')")  # noqa: S608


@pytest.fixture
async def source(raw: Engine, fresh_url: str) -> AsyncIterator[Changes]:
    changes = SqlChanges(fresh_url, "customers", "email", "updated_at", settling_s=10, clock=lambda: NOON)
    yield changes
    await changes.aclose()


async def test_changed_rows_arrive_once_the_oldest_first_however_small_the_steps(source: Changes, raw: Engine) -> None:
    for email, at in [("c", "11:00:00"), ("a", "10:00:00"), ("d", "11:00:00"), ("b", "11:00:00.5")]:
        changed(raw, email, f"2026-03-01 {at}")
    cursor, seen, more = "", [], True

    while more:
        fetched = await source.fetch(cursor, 1)
        cursor, more = fetched.cursor, fetched.more
        seen += [arrival.external_id for arrival in fetched.arrivals]

    assert [external_id.partition("@")[0] for external_id in seen] == ["a", "c", "d", "b"]
    assert await source.fetch(cursor, 5) == await source.fetch(cursor, 1)
    changed(raw, "e", "2026-03-01 11:30:00")
    [arrival] = (await source.fetch(cursor, 5)).arrivals
    assert (arrival.external_id, arrival.received_at) == (
        "e@2026-03-01T11:30:00+00:00",
        datetime(2026, 3, 1, 11, 30, tzinfo=UTC),
    )
    assert (arrival.source, arrival.fields["name"]) == ("sql:customers", "N")


async def test_reading_goes_on_after_a_restart_and_a_lost_cursor_tells_everything_again(
    source: Changes, raw: Engine, fresh_url: str
) -> None:
    for email in ("a", "b"):
        changed(raw, email, "2026-03-01 11:00:00")
    first = await source.fetch("", 1)
    restarted = SqlChanges(fresh_url, "customers", "email", "updated_at", clock=lambda: NOON)

    goes_on, again = await restarted.fetch(first.cursor, 5), await restarted.fetch("", 5)
    await restarted.aclose()

    assert [len(one.arrivals) for one in (first, goes_on, again)] == [1, 1, 2]
    assert again.arrivals == first.arrivals + goes_on.arrivals


async def test_a_row_that_changes_while_pages_are_read_is_told_as_it_is_then_and_no_other_is_lost(
    source: Changes, raw: Engine
) -> None:
    for email, at in [("a", "10:00:00"), ("b", "10:30:00"), ("c", "11:00:00")]:
        changed(raw, email, f"2026-03-01 {at}")
    page = await source.fetch("", 1)
    execute(raw, "UPDATE customers SET name = 'new', updated_at = '2026-03-01 11:30:00' WHERE email IN ('a', 'b')")

    rest = await source.fetch(page.cursor, 5)

    assert [(one.fields["email"], one.fields["name"]) for one in (*page.arrivals, *rest.arrivals)] == [
        ("a", "N"),
        ("c", "N"),
        ("a", "new"),
        ("b", "new"),
    ]


async def test_what_was_changed_before_the_day_that_reading_begins_with_is_left_out(
    raw: Engine, fresh_url: str
) -> None:
    for email, at in [("old", "10:59:59"), ("new", "11:00:00")]:
        changed(raw, email, f"2026-03-01 {at}")
    since = datetime(2026, 3, 1, 12, tzinfo=ZoneInfo("Europe/Berlin"))
    source = SqlChanges(fresh_url, "customers", "email", "updated_at", since=since, clock=lambda: NOON)

    fetched = await source.fetch("", 5)
    await source.aclose()

    assert [one.fields["email"] for one in fetched.arrivals] == ["new"]


async def test_a_change_tells_which_write_of_ours_its_row_carries(table: SqlTable, raw: Engine, fresh_url: str) -> None:
    await table.send(operation(7, name="Ann", updated_at="2026-03-01T11:00:00"))
    changed(raw, "by hand", "2026-03-01 11:00:01")
    options = {"table": "customers", "key": "email", "updated_at": "updated_at"}
    source = open_source("sql_table", options, {"INTERLOCK_SQL_URL": fresh_url})

    fetched = await source.fetch("", 5)
    await source.aclose()

    assert [one.operation_id for one in fetched.arrivals] == ["op-7", ""]
    assert not any("operation_id" in one.fields for one in fetched.arrivals)


async def test_a_row_that_is_still_young_waits_for_those_that_may_be_committed_after_it(
    source: Changes, raw: Engine
) -> None:
    changed(raw, "young", "2026-03-01 11:59:55")

    assert (await source.fetch("", 5)).arrivals == ()


async def test_a_source_that_cannot_be_read_says_why(raw: Engine, fresh_url: str, source: Changes) -> None:
    for columns, complaint in [
        (("nowhere", "email", "updated_at"), "no table 'nowhere'"),
        (("customers", "mail", "updated_at"), "no column 'mail'"),
    ]:
        wrong = SqlChanges(fresh_url, *columns)
        with pytest.raises(BadRequest, match=complaint):
            await wrong.fetch("", 1)
        await wrong.aclose()
    with pytest.raises(BadRequest, match="'junk' is no cursor"):
        await source.fetch("junk", 1)
    nobody = SqlChanges("postgresql://127.0.0.1:9/nowhere", "customers", "email", "updated_at", timeout_s=1)
    with pytest.raises(Unavailable):
        await nobody.fetch("", 1)
    await nobody.aclose()


async def test_a_row_that_is_committed_late_is_told_though_younger_ones_were_and_none_is_told_twice(
    source: Changes, raw: Engine
) -> None:
    for email in ("a", "c"):
        changed(raw, email, "2026-03-01 11:59:00")
    read = await source.fetch("", 5)
    changed(raw, "late", "2026-03-01 11:50:00")
    changed(raw, "b", "2026-03-01 11:59:00")

    late = await source.fetch(read.cursor, 1)
    between = await source.fetch(late.cursor, 1)
    nothing = await source.fetch(between.cursor, 1)

    told = [one.fields["email"] for fetched in (late, between) for one in fetched.arrivals]
    assert (told, late.more, between.more) == (["late", "b"], True, False)
    assert (nothing.arrivals, nothing.cursor) == ((), between.cursor)


async def test_what_is_older_than_the_longest_transaction_is_not_looked_at_again(raw: Engine, fresh_url: str) -> None:
    now = NOON
    source = SqlChanges(fresh_url, "customers", "email", "updated_at", overlap_min=5, clock=lambda: now)
    changed(raw, "a", "2026-03-01 11:59:00")
    cursor = (await source.fetch("", 5)).cursor
    assert '"told":[["' in cursor
    now += timedelta(minutes=5)
    cursor = (await source.fetch(cursor, 5)).cursor
    assert '"told"' not in cursor

    changed(raw, "b", "2026-03-01 11:58:00")

    assert await source.fetch(cursor, 5) == Fetched((), cursor)
    await source.aclose()


async def test_of_very_many_rows_written_at_once_each_is_told_once(raw: Engine, fresh_url: str) -> None:
    source = SqlChanges(fresh_url, "customers", "email", "updated_at", most_told=3, clock=lambda: NOON)
    for number in range(10):
        changed(raw, f"c-{number}", "2026-03-01 11:59:00")
    cursor, told, more = "", [], True

    while more:
        fetched = await source.fetch(cursor, 2)
        cursor, more = fetched.cursor, fetched.more
        told += [one.fields["email"] for one in fetched.arrivals if isinstance(one, Arrival)]
    await source.aclose()

    assert told == [f"c-{number}" for number in range(10)]
    assert cursor.count("11:59") == 4


async def test_of_rows_without_a_time_there_is_one_complaint_until_they_are_gone(source: Changes, raw: Engine) -> None:
    execute(raw, "INSERT INTO customers (email, name) VALUES ('undated', 'N')")
    first = await source.fetch("", 5)
    [complaint] = first.arrivals
    assert complaint == Unreadable(
        "table customers, email undated",
        "rows without a time in updated_at are never read; have their writers set it",
        "",
    )

    second = await source.fetch(first.cursor, 5)
    assert (second.arrivals, second.cursor) == ((), first.cursor)
    execute(raw, "UPDATE customers SET updated_at = '2026-03-01 11:00:00'")

    [mended] = (await source.fetch(second.cursor, 5)).arrivals
    assert isinstance(mended, Arrival)


@pytest.mark.parametrize("wrong", ["soon", "0", "-1", "nan", "inf"])
def test_a_time_that_cannot_be_meant_is_refused(wrong: str) -> None:
    options = {"table": "customers", "key": "email", "updated_at": "updated_at", "overlap_min": wrong}
    with pytest.raises(PolicyInvalid, match="give the minutes that a transaction may take"):
        open_source("sql_table", options, {"INTERLOCK_SQL_URL": "sqlite://"})
