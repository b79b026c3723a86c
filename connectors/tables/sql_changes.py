"""Rows of a table that changed, by the column that tells when."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python
from sqlalchemy import Column, Connection, RowMapping, Select, Table, and_, func, literal, or_, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.elements import ColumnElement

from connectors.overlap import look
from connectors.ports import Arrival, Fetched, Unreadable
from connectors.spec import SINCE, TIMEOUT_S, Option, SourceSpec, is_time, moment, seconds
from connectors.tables.casting import Casting
from connectors.tables.database import open_database, reason
from connectors.tables.shape import read_table
from connectors.tables.sql_table import SQL_URL
from domain.errors import BadRequest, PolicyInvalid, Unavailable

SETTLING_S = 10.0
"""Rows this young are left for the next time: another transaction may yet commit one that is older."""


OVERLAP_MIN = 15.0
"""Minutes in which rows are looked at again: `now()` is when a transaction began, and it may have committed late."""

MOST_TOLD = 1_000
"""Rows that are looked at again at most: their keys are in the cursor."""

_Place = tuple[str, str]
"""When a row was written, and its key."""


@dataclass(frozen=True)
class _Cursor:
    """How far a table was read.

    Attributes:
        floor: the last row before which none is looked at again; None at the beginning.
        told: the rows after it that were told, in order.
        undated: whether it was told that rows have no time.
    """

    floor: _Place | None = None
    told: tuple[_Place, ...] = ()
    undated: bool = False

    @classmethod
    def read(cls, text: str) -> "_Cursor":
        """The cursor of a text.

        Raises:
            PolicyInvalid: it is none of ours.
        """
        try:
            return _CURSOR.validate_json(text) if text else cls()
        except ValidationError as exc:
            raise PolicyInvalid(f"'{text}' is no cursor of this table; begin again with an empty one") from exc

    @property
    def text(self) -> str:
        """The cursor as text."""
        return _CURSOR.dump_json(self, exclude_defaults=True).decode()


_CURSOR = TypeAdapter(_Cursor)


class SqlChanges:
    """A table as a source: each change of a row is an arrival of its own.

    Args:
        operation_column: the column that tells which write of ours a row carries, where there is one.
        since: where an empty cursor begins; with the oldest row by default.
        key: the column that tells rows apart.
        updated_at: the column that holds when a row was written, in UTC where it has no time
            zone; of rows without it there is one complaint.
        settling_s: rows this young are left for the next time.
        overlap_min: longest that a transaction of the table's writers takes, in minutes.
        most_told: rows that are looked at again at most; where more were written in that time, the last of them.
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
        overlap_min: float = OVERLAP_MIN,
        most_told: int = MOST_TOLD,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._engine = open_database(url, timeout_s)
        self._table_name, self._key_name, self._updated_at_name = table, key, updated_at
        self._operation, self._since = operation_column, since
        self._settling, self._overlap = timedelta(seconds=settling_s), timedelta(minutes=overlap_min)
        self._most_told, self._clock = most_told, clock
        self._columns: tuple[Column[Any], Column[Any]] | None = None

    async def fetch(self, cursor: str, count: int) -> Fetched:
        """Up to `count` changed rows after `cursor`, the oldest change first.

        The last minutes are looked at again each time, and what is new there is told: a row is seen when
        its transaction commits, with the time at which that began.

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
                before, most = _Cursor.read(cursor), count + 1
                most += len(before.told)
                rows = connection.execute(self._query(key, updated_at, before, most, sqlite=sqlite)).mappings().all()
                undated = self._undated(connection, key, updated_at)
        except PolicyInvalid as exc:
            raise BadRequest(str(exc)) from exc
        except DBAPIError as exc:
            raise Unavailable(f"SQL: {reason(exc)}") from exc
        found = {self._place(row): row for row in rows}
        seen = look(
            {place: aware(row[self._updated_at_name]) for place, row in found.items()},
            before.floor,
            before.told,
            count=count,
            begin=self._clock() - self._overlap,
            most_told=self._most_told,
            whole=len(rows) < most,
        )
        after = _Cursor(floor=seen.floor, told=seen.told, undated=undated is not None)
        arrivals: list[Arrival | Unreadable] = [self._arrival(found[place]) for place in seen.taken]
        if undated is not None and not before.undated:
            arrivals.append(self._complaint(undated))
        unchanged = not arrivals and after == before
        return Fetched(tuple(arrivals), cursor if unchanged else after.text, more=seen.left)

    def _place(self, row: RowMapping) -> "_Place":
        at, key = to_jsonable_python([row[self._updated_at_name], row[self._key_name]])
        return str(at), str(key)

    def _undated(self, connection: Connection, key: Column[Any], updated_at: Column[Any]) -> str | None:
        """The key of a row that has no time, if there is one."""
        if not updated_at.nullable:
            return None
        found = connection.execute(select(key).where(updated_at.is_(None)).limit(1)).first()
        return None if found is None else str(found[0])

    def _complaint(self, key: str) -> Unreadable:
        why = f"rows without a time in {self._updated_at_name} are never read; have their writers set it"
        return Unreadable(f"table {self._table_name}, {self._key_name} {key}", why, "")

    def _found(self, table: Table) -> tuple[Column[Any], Column[Any]]:
        for name in (self._key_name, self._updated_at_name):
            if name not in table.columns:
                raise PolicyInvalid(f"table '{self._table_name}' has no column '{name}'")
        return table.columns[self._key_name], table.columns[self._updated_at_name]

    def _query(
        self, key: Column[Any], updated_at: Column[Any], cursor: "_Cursor", count: int, *, sqlite: bool
    ) -> Select[Any]:
        spelt = _spelt_alike if sqlite else _as_it_is
        zoned = bool(getattr(updated_at.type, "timezone", False))
        now = self._clock().astimezone(UTC) - self._settling
        until = literal(now if zoned else now.replace(tzinfo=None), updated_at.type)
        changed = spelt(updated_at)
        query = select(key.table).where(changed <= spelt(until))
        if cursor.floor is not None:
            at, last = (
                Casting(column, whole_numbers_are_big=True).cast(text)
                for column, text in zip((updated_at, key), cursor.floor, strict=True)
            )
            told = spelt(literal(at, updated_at.type))
            query = query.where(or_(changed > told, and_(changed == told, key > last)))
        elif self._since is not None:
            begin = self._since.astimezone(UTC)
            query = query.where(
                changed >= spelt(literal(begin if zoned else begin.replace(tzinfo=None), updated_at.type))
            )
        return query.order_by(changed, key).limit(count)

    def _arrival(self, row: RowMapping) -> Arrival:
        at = aware(row[self._updated_at_name])
        key = str(row[self._key_name])
        return Arrival(
            where=f"table {self._table_name}, {self._key_name} {key}",
            source=f"sql:{self._table_name}",
            external_id=f"{key}@{at.astimezone(UTC).isoformat()}",
            received_at=at,
            fields=to_jsonable_python({name: value for name, value in row.items() if name != self._operation}),
            operation_id=str(row.get(self._operation) or ""),
        )


def aware(at: datetime) -> datetime:
    """A moment of a column, which without a time zone is in UTC."""
    return at if at.tzinfo else at.replace(tzinfo=UTC)


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
        settling_s=float(options["settling_s"]),
        overlap_min=float(options["overlap_min"]),
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
        Option("settling_s", "seconds after which a row is read, at the earliest", f"{SETTLING_S:g}", is_time),
        Option("overlap_min", "minutes that a transaction may take until it commits", f"{OVERLAP_MIN:g}", is_time),
    ),
)
