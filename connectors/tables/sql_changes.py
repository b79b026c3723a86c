"""Rows of a table that changed, by the column that tells when."""

import asyncio
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic_core import to_jsonable_python
from sqlalchemy import Column, RowMapping, Select, Table, and_, func, literal, or_, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.elements import ColumnElement

from connectors.ports import Arrival, Fetched
from connectors.spec import SINCE, TIMEOUT_S, Option, SourceSpec, moment, seconds
from connectors.tables.casting import Casting
from connectors.tables.database import open_database, reason
from connectors.tables.shape import read_table
from connectors.tables.sql_table import SQL_URL
from domain.errors import BadRequest, PolicyInvalid, Unavailable

SETTLING_S = 10.0
"""Rows this young are left for the next time: another transaction may yet commit one that is older."""


class SqlChanges:
    """A table as a source: each change of a row is an arrival of its own.

    Args:
        operation_column: the column that tells which write of ours a row carries, where there is one.
        since: where an empty cursor begins; with the oldest row by default.
        key: the column that tells rows apart.
        updated_at: the column that holds when a row was written, in UTC where it has no time
            zone; rows without it are never seen.
        settling_s: longest that a transaction of the table's writers takes, in seconds.
        clock: tells the time.
    """

    def __init__(
        self,
        url: str,
        table: str,
        key: str,
        updated_at: str,
        *,
        operation_column: str = "",
        since: datetime | None = None,
        timeout_s: float = 10,
        settling_s: float = SETTLING_S,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._engine = open_database(url, timeout_s)
        self._table_name, self._key_name, self._updated_at_name = table, key, updated_at
        self._operation, self._since = operation_column, since
        self._settling, self._clock = timedelta(seconds=settling_s), clock
        self._columns: tuple[Column[Any], Column[Any]] | None = None

    async def fetch(self, cursor: str, count: int) -> Fetched:
        """Up to `count` changed rows after `cursor`, the oldest change first.

        Raises:
            Unavailable: the database does not answer.
            BadRequest: the table or a column is not there, or the cursor is none of ours.
        """
        return await asyncio.to_thread(self._fetch, cursor, count)

    async def aclose(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def _fetch(self, cursor: str, count: int) -> Fetched:
        try:
            with self._engine.connect() as connection:
                if self._columns is None:
                    self._columns = self._found(read_table(connection, self._table_name))
                key, updated_at = self._columns
                sqlite = connection.dialect.name == "sqlite"
                query = self._query(key, updated_at, cursor, count + 1, sqlite=sqlite)
                rows = connection.execute(query).mappings().all()
        except PolicyInvalid as exc:
            raise BadRequest(str(exc)) from exc
        except DBAPIError as exc:
            raise Unavailable(f"SQL: {reason(exc)}") from exc
        taken = rows[:count]
        after = json.dumps(to_jsonable_python([taken[-1][updated_at.name], taken[-1][key.name]])) if taken else cursor
        return Fetched(tuple(map(self._arrival, taken)), after, more=len(rows) > count)

    def _found(self, table: Table) -> tuple[Column[Any], Column[Any]]:
        for name in (self._key_name, self._updated_at_name):
            if name not in table.columns:
                raise PolicyInvalid(f"table '{self._table_name}' has no column '{name}'")
        return table.columns[self._key_name], table.columns[self._updated_at_name]

    def _query(
        self, key: Column[Any], updated_at: Column[Any], cursor: str, count: int, *, sqlite: bool
    ) -> Select[Any]:
        spelt = _spelt_alike if sqlite else _as_it_is
        zoned = bool(getattr(updated_at.type, "timezone", False))
        now = self._clock().astimezone(UTC) - self._settling
        until = literal(now if zoned else now.replace(tzinfo=None), updated_at.type)
        changed = spelt(updated_at)
        query = select(key.table).where(changed <= spelt(until))
        if cursor:
            at, last = self._read(key, updated_at, cursor)
            told = spelt(literal(at, updated_at.type))
            query = query.where(or_(changed > told, and_(changed == told, key > last)))
        elif self._since is not None:
            begin = self._since.astimezone(UTC)
            query = query.where(
                changed >= spelt(literal(begin if zoned else begin.replace(tzinfo=None), updated_at.type))
            )
        return query.order_by(changed, key).limit(count)

    def _read(self, key: Column[Any], updated_at: Column[Any], cursor: str) -> tuple[object, object]:
        try:
            at, last = json.loads(cursor)
        except (ValueError, TypeError) as exc:
            raise PolicyInvalid(f"'{cursor}' is no cursor of this table; begin again with an empty one") from exc
        return (
            Casting(updated_at, whole_numbers_are_big=True).cast(str(at)),
            Casting(key, whole_numbers_are_big=True).cast(str(last)),
        )

    def _arrival(self, row: RowMapping) -> Arrival:
        at: datetime = row[self._updated_at_name]
        aware = at if at.tzinfo else at.replace(tzinfo=UTC)
        key = str(row[self._key_name])
        return Arrival(
            where=f"table {self._table_name}, {self._key_name} {key}",
            source=f"sql:{self._table_name}",
            external_id=f"{key}@{aware.astimezone(UTC).isoformat()}",
            received_at=aware,
            fields=to_jsonable_python({name: value for name, value in row.items() if name != self._operation}),
            operation_id=str(row.get(self._operation) or ""),
        )


def _spelt_alike(at: ColumnElement[Any]) -> ColumnElement[Any]:
    """SQLite keeps moments as text, with or without fractions: 11:00:00 would come before 11:00:00.000."""
    return func.strftime("%Y-%m-%d %H:%M:%f", at)


def _as_it_is(at: ColumnElement[Any]) -> ColumnElement[Any]:
    return at


def _open(values: Mapping[str, str], options: Mapping[str, str]) -> SqlChanges:
    return SqlChanges(
        values[SQL_URL.name],
        options["table"],
        options["key"],
        options["updated_at"],
        operation_column=options["operation_column"],
        since=moment(options[SINCE.name]),
        timeout_s=seconds(values, TIMEOUT_S),
    )


SOURCE = SourceSpec(
    _open,
    (SQL_URL, TIMEOUT_S),
    (
        Option("table", "the table, with its schema and a dot before it where it needs one"),
        Option("key", "the column that tells its rows apart"),
        Option("updated_at", "the column that holds when a row was written; its writers must set it at each write"),
        Option("operation_column", "the column that holds the id of our last write, if there is one", "operation_id"),
        SINCE,
    ),
)
