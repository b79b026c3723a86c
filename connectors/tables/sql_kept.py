"""A table whose rows are kept in step with other systems' records."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Connection, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.elements import ColumnElement

from connectors.kept import Changed, Page, Record, changed_of
from connectors.ports import Changes
from connectors.spec import TIMEOUT_S, KeptSpec, seconds
from connectors.tables import sql_changes, sql_table
from connectors.tables.database import open_database, reason
from connectors.tables.shape import Names, Shape, read_shape
from connectors.tables.sql_changes import aware
from connectors.tables.sql_table import SQL_URL
from domain.errors import BadRequest, InputInvalid, PolicyInvalid, Unavailable

GOES_ON = ">"
"""Begins the place after a key, for that may be an empty text."""
Answer = TypeVar("Answer")
BATCH = 500
"""Rows that are read in one statement: every database takes so many parameters."""


class SqlKept:
    """The rows of a table; an id is the text of its key.

    A row that has no time in `updated_at` is never told of by `changed`; pages have it.

    Args:
        changes: tells which rows changed, as a source.
        names: the table, and the columns of its key and of our last write's id.
        updated_at: the column that holds when a row was written.
        fields: the columns that are kept in step; one that the table does not have is left out.
    """

    def __init__(
        self, url: str, timeout_s: float, changes: Changes, names: Names, updated_at: str, fields: Sequence[str]
    ) -> None:
        self._engine = open_database(url, timeout_s)
        self._changes, self._names, self._updated_at, self._fields = changes, names, updated_at, tuple(fields)
        self._shape: Shape | None = None

    async def changed(self, cursor: str, count: int) -> Changed:
        """Rows written since `cursor`; see `SqlChanges`."""
        return changed_of(await self._changes.fetch(cursor, count))

    async def read(self, external_ids: Sequence[str]) -> dict[str, Record | None]:
        """The rows as they are committed.

        Raises:
            Unavailable: the database does not answer.
            BadRequest: the table or a column is not there, or holds what cannot be read.
        """
        return await asyncio.to_thread(self._read, external_ids)

    async def page(self, after: str, count: int) -> Page:
        """Rows in the order of their key; raises as `read`."""
        return await asyncio.to_thread(self._page, after, count)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._changes.aclose()
        self._engine.dispose()

    def _read(self, external_ids: Sequence[str]) -> dict[str, Record | None]:
        def ask(connection: Connection, shape: Shape) -> dict[str, Record | None]:
            keys = {one: key for one in external_ids if (key := _key(shape, one)) is not None}
            held = dict[str, Record]()
            wanted = list(keys.values())
            for begin in range(0, len(wanted), BATCH):
                some = shape.key.in_(wanted[begin : begin + BATCH])
                held |= {one.external_id: one for one in self._records(connection, shape, some)}
            for key in wanted:  # a database may spell a key in another way, such as in other letters' case
                if str(key) not in held and (row := self._records(connection, shape, shape.key == key)):
                    held[str(key)] = row[0]
            return {one: held.get(str(keys[one])) if one in keys else None for one in external_ids}

        return self._asked(ask)

    def _page(self, after: str, count: int) -> Page:
        def ask(connection: Connection, shape: Shape) -> Page:
            begin: ColumnElement[bool] = shape.key.is_not(None)
            if after:
                if (key := _key(shape, after.removeprefix(GOES_ON))) is None:
                    raise BadRequest(f"SQL: '{after}' is no place in table '{shape.table}'; an empty one begins again")
                begin = shape.key > key
            records = self._records(connection, shape, begin, most=count)
            return Page(tuple(records), GOES_ON + records[-1].external_id if len(records) == count else "")

        return self._asked(ask)

    def _asked(self, ask: Callable[[Connection, Shape], Answer]) -> Answer:
        try:
            with self._engine.connect() as connection:
                if self._shape is None:
                    self._shape = read_shape(connection, self._names)
                return ask(connection, self._shape)
        except PolicyInvalid as exc:
            raise BadRequest(str(exc)) from exc
        except DBAPIError as exc:
            raise Unavailable(f"SQL: {reason(exc)}") from exc
        except (
            ValueError,
            TypeError,
        ) as exc:  # of the driver: SQLite keeps what it is given, whatever the column's type
            raise BadRequest(f"SQL: table '{self._names.table}' holds what cannot be read: {exc}") from exc

    def _records(
        self, connection: Connection, shape: Shape, where: ColumnElement[bool], most: int | None = None
    ) -> list[Record]:
        rows = connection.execute(select(shape.table).where(where).order_by(shape.key).limit(most)).mappings()
        return [self._record(shape, dict(row)) for row in rows]

    def _record(self, shape: Shape, row: Mapping[str, Any]) -> Record:
        at = row.get(self._updated_at)
        return Record(
            external_id=str(row[shape.key.name]),
            values=shape.spell(row, self._fields),
            changed_at=aware(at) if isinstance(at, datetime) else None,
            operation_id=str(row[shape.operation.name] or ""),
        )


def _key(shape: Shape, external_id: str) -> object:
    """The key's value; None for what no row can have."""
    try:
        return shape.castings[shape.key.name].cast(external_id)
    except InputInvalid:
        return None


def _open(values: Mapping[str, str], options: Mapping[str, str], fields: Sequence[str]) -> SqlKept:
    names = Names(options["table"], options["key"], options["operation_column"])
    changes = sql_changes.SOURCE.open(values, options)
    return SqlKept(values[SQL_URL.name], seconds(values, TIMEOUT_S), changes, names, options["updated_at"], fields)


_WRITTEN = {option.name for option in sql_table.SPEC.options}
KEPT = KeptSpec(
    _open,
    (SQL_URL, TIMEOUT_S),
    (*sql_table.SPEC.options, *(option for option in sql_changes.SOURCE.options if option.name not in _WRITTEN)),
    sql_table.SPEC,
    creates_only=True,
)
