"""The two systems of a replay, as people work in them, and their own books of what became of each record."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from sqlalchemy import Connection, text

from connectors.sandbox.hubspot_shapes import PeoplesEdit, StoredObject
from connectors.sandbox.people import HubSpotPeople
from connectors.tables.database import open_database
from evals.sync_log import CRM, DESK, FIELDS, IN_CRM, NUMBER, STATE, Edit, typed
from evals.sync_story import Change

KIND, TABLE, BOOK = "tickets", "incidents", "incidents_book"
EDITED = "edited"
"""Where a record carries the number of the last edit of a person."""
PATIENCE_S = 60.0
"""How long people wait for a lock."""


@dataclass
class Books:
    """What a system's own books say.

    Attributes:
        held: by the incident's number, what its record holds in the end.
        changes: by incident and field.
        twice: what was made twice: records of one number, writes of one operation.
    """

    held: dict[str, dict[str, str]] = field(default_factory=dict)
    changes: dict[tuple[str, str], list[Change]] = field(default_factory=lambda: defaultdict(list))
    twice: list[str] = field(default_factory=list)

    def note(
        self,
        system: str,
        number: str,
        at: int,
        edit: int | None,
        before: Mapping[str, str],
        after: Mapping[str, str],
        asked: int | None = None,
    ) -> None:
        """Take down what became another value; see `Change`."""
        for name, value in after.items():
            if (was := before.get(name, "")) != value:
                self.changes[number, name].append(Change(at, system, was, value, edit, asked))


class System(Protocol):
    """A system in which people edit incidents, while somebody else keeps it in step with another one."""

    async def edit(self, edit: Edit) -> bool:
        """Do an edit on the record as it shows; False while there is no record yet."""
        ...

    async def away(self, *, begins: bool) -> None:
        """Begin or end an outage: people go on, but nothing else reaches the system."""
        ...

    async def books(self) -> Books:
        """All that happened."""
        ...


class Crm:
    """The sandbox HubSpot."""

    def __init__(self, people: HubSpotPeople) -> None:
        self._people = people

    async def edit(self, edit: Edit) -> bool:
        """See `System`."""
        while True:
            records = [] if edit.begins else await self._people.look_up(edit.incident)
            if not records and not edit.begins:
                return False
            shown = _from_crm(records[0].properties) if records else {}
            made = typed(edit, shown)
            named = {NUMBER: edit.incident} if edit.begins else {}
            wanted = PeoplesEdit(
                shown=_to_crm({name: shown.get(name, "") for name in made}),
                properties=_to_crm(named | made) | {EDITED: str(edit.number)},
            )
            if await self._people.edit(records[0].id if records else "new", wanted):
                return True

    async def away(self, *, begins: bool) -> None:
        """See `System`."""
        await self._people.away(begins=begins)

    async def books(self) -> Books:
        """See `System`."""
        books, records = Books(), await self._people.books()
        stats = await self._people.stats()
        if stats["doubled"]:
            books.twice.append(f"{CRM} counts {stats['doubled']} as doubled")
        operations = Counter(one for record in records for one in record.operation_ids)
        books.twice += [f"{CRM}: operation {one}" for one, times in operations.items() if times > 1]
        for record in records:
            self._read(books, record)
        return books

    def _read(self, books: Books, record: StoredObject) -> None:
        number = record.properties.get(NUMBER, "")
        if number in books.held:
            books.twice.append(f"{CRM}: two records of {number}")
        books.held[number] = _from_crm(record.properties)
        before = dict[str, str]()
        for change in record.changes:
            made = _from_crm(change.properties)
            edit = int(change.properties[EDITED]) if EDITED in change.properties else None
            books.note(CRM, number, change.at_ms, edit, before, made)
            before |= made


class Desk:
    """A table, in a database of its own.

    Args:
        url: of SQLite or PostgreSQL.
    """

    def __init__(self, url: str) -> None:
        self._engine = open_database(url, PATIENCE_S)
        self._outage = ExitStack()
        self._held: Connection | None = None

    def make(self) -> None:
        """Make the table, and the book that the database itself keeps of it."""
        columns = ", ".join(f"{name} text" for name in (*FIELDS, EDITED, "operation_id"))
        names = ", ".join(("id", *FIELDS, EDITED, "operation_id"))
        new = ", ".join(f"new.{name}" for name in ("id", *FIELDS, EDITED, "operation_id"))
        sqlite = self._engine.dialect.name == "sqlite"
        number, now = (
            ("integer primary key autoincrement", "(julianday('now') - 2440587.5) * 86400000.0")
            if sqlite
            else ("bigserial primary key", "extract(epoch from clock_timestamp()) * 1000.0")
        )
        writes = f"insert into {BOOK} (at_ms, {names}) values ({now}, {new});"  # noqa: S608  ours
        body = f"$$ begin {writes} return new; end $$"
        made = [
            f"drop table if exists {BOOK}",
            f"drop table if exists {TABLE}",
            f"create table {TABLE} (id varchar(80) primary key, {columns}, updated_at timestamp)",
            f"create table {BOOK} (entry {number}, at_ms double precision, id text, {columns})",
        ]
        if sqlite:
            made += [
                f"create trigger {BOOK}_{verb} after {verb} on {TABLE} begin {writes} end"
                for verb in ("insert", "update")
            ]
        else:
            made += [
                f"create or replace function {BOOK}() returns trigger as {body} language plpgsql",
                f"create trigger {BOOK} after insert or update on {TABLE} for each row execute function {BOOK}()",
            ]
        with self._engine.begin() as connection:
            for statement in made:
                connection.exec_driver_sql(statement)

    async def edit(self, edit: Edit) -> bool:
        """See `System`."""
        return await asyncio.to_thread(self._edit, edit)

    async def away(self, *, begins: bool) -> None:
        """Somebody's long transaction holds the whole table, and the edits of that time are made in it."""
        await asyncio.to_thread(self._begin if begins else self._end)

    async def books(self) -> Books:
        """See `System`."""
        return await asyncio.to_thread(self._books)

    def close(self) -> None:
        """Close the connections."""
        self._end()
        self._engine.dispose()

    def _begin(self) -> None:
        self._held = self._outage.enter_context(self._engine.begin())
        if self._engine.dialect.name != "sqlite":  # which has one lock, and takes it when a transaction begins
            self._held.execute(text(f"lock table {TABLE} in access exclusive mode"))

    def _end(self) -> None:
        self._held = None
        self._outage.close()

    def _edit(self, edit: Edit) -> bool:
        if self._held is not None:
            return _edit_row(self._held, edit)
        with self._engine.begin() as connection:
            return _edit_row(connection, edit)

    def _books(self) -> Books:
        books = Books()
        with self._engine.begin() as connection:
            rows = [dict(row) for row in connection.execute(text(f"select * from {TABLE}")).mappings()]  # noqa: S608  ours
            book = [dict(row) for row in connection.execute(text(f"select * from {BOOK} order by entry")).mappings()]  # noqa: S608  ours
        for row in rows:
            number = str(row[NUMBER])
            if number in books.held:
                books.twice.append(f"{DESK}: two rows of {number}")
            books.held[number] = _shown(row)
        last, made_by = dict[str, dict[str, Any]](), Counter[tuple[str, str]]()
        for row in book:
            was = last.get(row["id"], {})
            by_person = row[EDITED] is not None and row[EDITED] != was.get(EDITED)
            if not by_person:
                made_by[row["id"], str(row["operation_id"])] += 1
            edit = int(row[EDITED]) if by_person else None
            books.note(DESK, str(row[NUMBER]), round(row["at_ms"]), edit, _shown(was), _shown(row))
            last[row["id"]] = row
        books.twice += [f"{DESK}: operation {one} on {key}" for (key, one), times in made_by.items() if times > 1]
        return books


def _edit_row(connection: Connection, edit: Edit) -> bool:
    now = datetime.now(UTC).replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")
    set_to = {EDITED: str(edit.number), "updated_at": now}
    if edit.begins:
        values = {"id": f"D-{edit.number}", NUMBER: edit.incident, **typed(edit, {}), **set_to}
        names = ", ".join(values)
        marks = ", ".join(f":{name}" for name in values)
        connection.execute(text(f"insert into {TABLE} ({names}) values ({marks})"), values)  # noqa: S608  ours
        return True
    wanted = text(f"select * from {TABLE} where {NUMBER} = :number")  # noqa: S608  ours
    found = connection.execute(wanted, {"number": edit.incident}).mappings().first()
    if found is None:
        return False
    row = dict(found)
    values = {**typed(edit, _shown(row)), **set_to}
    marks = ", ".join(f"{name} = :{name}" for name in values)
    connection.execute(text(f"update {TABLE} set {marks} where id = :id"), {**values, "id": row["id"]})  # noqa: S608  ours
    return True


def _shown(row: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(row[name] or "") for name in FIELDS if name in row}


def _from_crm(properties: Mapping[str, str]) -> dict[str, str]:
    stages = {own: stage for stage, own in IN_CRM.items()}
    return {
        name: stages.get(value, value) if name == STATE else value
        for name, value in properties.items()
        if name in FIELDS
    }


def _to_crm(values: Mapping[str, str]) -> dict[str, str]:
    return {name: IN_CRM.get(value, value) if name == STATE else value for name, value in values.items()}
