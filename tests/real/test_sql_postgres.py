"""PostgreSQL behind a wire that is cut at the worst moments: what is said of a write is so."""

from collections.abc import Iterator

import pytest
from databases import postgres_url
from sqlalchemy import Engine, create_engine, make_url, text
from wires import Cut, wire

from connectors.registry import SYSTEMS
from connectors.tables.sql_table import SqlTable
from domain.delivery import Operation, RetryAfter, Unknown, Written

__all__ = ["postgres_url"]

pytestmark = pytest.mark.real
TIMEOUT_S = 5


@pytest.fixture
def raw(postgres_url: str) -> Iterator[Engine]:
    engine = create_engine(make_url(postgres_url).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("DROP SCHEMA IF EXISTS shop CASCADE"))
        connection.execute(text("CREATE SCHEMA shop"))
        connection.execute(
            text(
                "CREATE TABLE shop.orders (number BIGINT PRIMARY KEY, customer VARCHAR(40), state VARCHAR(10) "
                "CHECK (state IN ('new', 'paid')), twin BIGINT UNIQUE DEFERRABLE INITIALLY DEFERRED, extra JSONB, "
                "at TIMESTAMPTZ, ref UUID, operation_id TEXT)"
            )
        )
    yield engine
    with engine.connect() as connection:
        connection.execute(text("DROP SCHEMA shop CASCADE"))
    engine.dispose()


def order(number: int = 1, key: str = "77", **values: str) -> Operation:
    return Operation(
        operation_id=f"op-{number}",
        item_id="item",
        policy="orders",
        destination="orders",
        system="sql_table",
        record_key=key,
        values=values or {"customer": "Ann", "state": "new"},
        options=SYSTEMS["sql_table"].chosen({"table": "shop.orders", "key": "number"}),
    )


def orders(raw: Engine) -> list[tuple[object, ...]]:
    with raw.connect() as connection:
        return [
            tuple(row) for row in connection.execute(text("SELECT number, customer, operation_id FROM shop.orders"))
        ]


@pytest.mark.parametrize(
    ("cut", "expected", "stored"),
    [
        (Cut.BEFORE_INSERT, RetryAfter, False),
        (Cut.BEFORE_COMMIT, Unknown, False),
        (Cut.AFTER_COMMIT, Unknown, True),
    ],
)
async def test_a_cut_wire_is_unknown_only_where_it_may_have_been_committed(
    postgres_url: str, raw: Engine, cut: Cut, expected: type[object], stored: bool
) -> None:
    async with wire(postgres_url) as cable:
        cable.cut = cut
        cut_off = SqlTable(cable.url, TIMEOUT_S)
        outcome = await cut_off.send(order())
        await cut_off.aclose()
    table = SqlTable(postgres_url, TIMEOUT_S)

    found = await table.find(order())
    again = await table.send(order())
    await table.aclose()

    assert isinstance(outcome, expected)
    assert isinstance(found, Written) == stored
    assert again == Written(kind="unchanged" if stored else "created", external_id="77", values=order().values)
    assert orders(raw) == [(77, "Ann", "op-1")]


async def test_a_batch_that_is_refused_at_the_commit_is_halved_until_the_bad_row_stands_alone(
    postgres_url: str, raw: Engine
) -> None:
    table = SqlTable(postgres_url, TIMEOUT_S)

    outcomes = await table.send_all([order(number, str(number), twin=str(min(number, 3))) for number in range(1, 5)])
    await table.aclose()

    assert [outcome.kind for outcome in outcomes] == ["created", "created", "created", "invalid"]
    assert len(orders(raw)) == 3


async def test_a_bad_row_of_a_batch_leaves_the_others(postgres_url: str, raw: Engine) -> None:
    table = SqlTable(postgres_url, TIMEOUT_S)

    outcomes = await table.send_all([order(1, "1"), order(2, "2", state="lost"), order(3, "3")])
    await table.aclose()

    assert [outcome.kind for outcome in outcomes] == ["created", "invalid", "created"]
    assert sorted(orders(raw)) == [(1, "Ann", "op-1"), (3, "Ann", "op-3")]


async def test_the_databases_own_types_are_read_and_compared(postgres_url: str, raw: Engine) -> None:
    values = {
        "extra": '{"size": 2}',
        "at": "2026-01-31T12:00:00+02:00",
        "ref": "6f9619ff-8b86-d011-b42d-00c04fc964ff",
        "state": "new",
    }
    table = SqlTable(postgres_url, TIMEOUT_S)

    created = await table.send(order(1, **values))
    same = await table.send(order(2, **values | {"at": "2026-01-31T10:00:00Z"}))
    unplaced = await table.send(order(3, at="2026-01-31T12:00:00"))
    await table.aclose()

    assert [outcome.kind for outcome in (created, same, unplaced)] == ["created", "unchanged", "invalid"]
    assert len(orders(raw)) == 1


async def test_a_table_that_one_may_not_touch_is_refused(postgres_url: str, raw: Engine) -> None:
    with raw.connect() as connection:
        connection.execute(text("DROP ROLE IF EXISTS interlock_test_guest"))
        connection.execute(text("CREATE ROLE interlock_test_guest LOGIN"))
        connection.execute(text("GRANT USAGE ON SCHEMA shop TO interlock_test_guest"))
    guest = make_url(postgres_url).set(username="interlock_test_guest").render_as_string(hide_password=False)
    table = SqlTable(guest, TIMEOUT_S)

    outcome = await table.send(order())
    await table.aclose()
    with raw.connect() as connection:
        connection.execute(text("DROP OWNED BY interlock_test_guest"))
        connection.execute(text("DROP ROLE interlock_test_guest"))

    assert "permission denied" in outcome.model_dump_json()
    assert outcome.kind == "invalid"
