# ruff: noqa: S608  the names are the tests' own
"""Tables that are kept in step: real ones, in a database of their own, as the systems of a policy."""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from connectors.kept import Kept
from connectors.ports import Destination
from connectors.registry import open_destination, open_kept
from connectors.settings import Settings
from connectors.store.crosswalk_rows import Of
from connectors.store.engine import Store
from domain.account import Account
from domain.delivery import DeliveryOutcome, Operation
from domain.ledger import first_break
from domain.review import Answer
from tasks.deliver import deliver_due
from tasks.in_step import keep_in_step, note_written
from tasks.observe import note_changes, read_changed
from tasks.recognise import recognise
from tasks.resources import Resources, opened
from tasks.review import form_of, settle_answer

ROUNDS = 3
"""Of a run: what a write brings about is seen in the next."""

COLUMNS = ("name", "email", "town", "tags", "stage")


@dataclass
class Tables:
    """A database with one table a system.

    Attributes:
        before: is called before each send, with the operation; what it gives is the answer instead.
    """

    path: Path
    systems: tuple[str, ...] = ("crm", "desk")
    before: Callable[[Operation], DeliveryOutcome | None] = lambda _operation: None
    sent: list[Operation] = field(default_factory=list)

    def make(self) -> None:
        columns = ", ".join(f"{name} text" for name in COLUMNS)
        with self._open() as database:
            for system in self.systems:
                database.execute(
                    f"create table {system} (id text primary key, {columns}, operation_id text, updated_at timestamp)"
                )

    def put(self, system: str, key: str, **values: str | None) -> None:
        """Add a row, as somebody who works in that system."""
        names = ["id", "updated_at", *values]
        with self._open() as database:
            database.execute(
                f"insert into {system} ({', '.join(names)}) values ({', '.join('?' * len(names))})",
                [key, _now(), *values.values()],
            )

    def edit(self, system: str, key: str, clock: timedelta = timedelta(0), **values: str | None) -> None:
        """Change a row, as somebody who works in that system, whose clock may be wrong."""
        changed = ", ".join(f"{name} = ?" for name in (*values, "updated_at"))
        with self._open() as database:
            database.execute(f"update {system} set {changed} where id = ?", [*values.values(), _now(clock), key])

    def alter(self, system: str, how: str) -> None:
        with self._open() as database:
            database.execute(f"alter table {system} {how}")

    def note(self, system: str, key: str, store: Store) -> None:
        """Have a row read that no change tells of, such as one that is gone."""
        with store.transaction() as tx:
            tx.crosswalk.note(Of("tiny_sync", "person"), system, [key])

    def edit_unheard(self, system: str, key: str, **values: str | None) -> None:
        """Change a row past everything that tells of changes."""
        changed = ", ".join(f"{name} = ?" for name in values)
        with self._open() as database:
            database.execute(f"update {system} set {changed} where id = ?", [*values.values(), key])

    def delete(self, system: str, key: str) -> None:
        with self._open() as database:
            database.execute(f"delete from {system} where id = ?", [key])

    def rows(self, system: str) -> dict[str, dict[str, Any]]:
        with self._open() as database:
            database.row_factory = sqlite3.Row
            rows = database.execute(f"select * from {system} order by id").fetchall()
        return {row["id"]: {name: row[name] for name in COLUMNS if name in set(row.keys())} for row in rows}

    def row(self, system: str, key: str = "1") -> dict[str, Any]:
        return self.rows(system)[key]

    def trigger(self, system: str, column: str, expression: str) -> None:
        """Have the database itself change a column of whatever is written, as vendors do."""
        with self._open() as database:
            database.execute(
                f"create trigger spell_{system} after update of {column} on {system} begin "
                f"update {system} set {column} = {expression} where id = new.id; end"
            )

    @property
    def environ(self) -> dict[str, str]:
        return {"INTERLOCK_SQL_URL": f"sqlite:///{self.path}"}

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.path, timeout=30)) as database, database:
            yield database


def _now(clock: timedelta = timedelta(0)) -> str:
    return (datetime.now(UTC) + clock).strftime("%Y-%m-%d %H:%M:%S.%f")


class Watched:
    """A destination that remembers what it was sent, and can be told to answer otherwise."""

    def __init__(self, tables: Tables) -> None:
        self._tables, self._real = tables, open_destination("sql_table", tables.environ)
        self.capabilities = self._real.capabilities

    async def send(self, operation: Operation) -> DeliveryOutcome:
        self._tables.sent.append(operation)
        return self._tables.before(operation) or await self._real.send(operation)

    async def find(self, operation: Operation) -> DeliveryOutcome | None:
        return await self._real.find(operation)

    async def aclose(self) -> None:
        await self._real.aclose()


def sync_resources(
    store: Store,
    tables: Tables,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    around: Callable[[str, Kept], Kept] = lambda _table, kept: kept,
) -> Resources:
    """Resources over real tables, and nobody to ask about texts.

    Args:
        around: gives what is read instead of a table, by its name.
    """

    def destination(_name: str) -> Destination:
        return Watched(tables)

    def kept(system: str, options: Mapping[str, str], fields: Sequence[str]) -> Kept:
        return around(options["table"], open_kept(system, options, fields, tables.environ))

    return Resources(
        store,
        lambda: None,
        lambda _workflow: (_ for _ in ()).throw(AssertionError("nothing is classified")),
        destination,
        clock,
        open_kept=kept,
        settings=Settings.model_validate({"settles_s": 0}),
    )


def side(table: str, **more: Any) -> dict[str, Any]:
    options = {"table": table, "key": "id", "updated_at": "updated_at", "settling_s": "0.001"}
    return {"system": "sql_table", "options": options, **more}


def write_sync(folder: Path, systems: Mapping[str, Any] | None = None, **changes: Any) -> str:
    """Write a policy about people in two tables, or those that are given, into `folder`; returns its path."""
    kept = dict(systems or {"crm": side("crm"), "desk": side("desk")})
    at = {name: dict.fromkeys(kept, name) for name in COLUMNS}
    fields: dict[str, Any] = {name: {"at": at[name]} for name in COLUMNS}
    fields["email"] |= {"type": "email", "owner": "crm"}
    fields["tags"] |= {"rule": "union"}
    fields["stage"] |= {"rule": "forward", "stages": ["lead", "offer", "won"]}
    person = {"systems": kept, "fields": fields, "same_by": ["email"]}
    policy = {
        "name": "tiny_sync",
        "version": 1,
        "description": "people of the test",
        "mode": "auto",
        "objects": {"person": person | changes.pop("person", {})},
        "escalation": {"steps": [{"to": "operations"}]},
        "patience": {"attempts": 2, "first_delay_s": 0.01},
    }
    (folder / "tiny_sync.yaml").write_text(yaml.safe_dump(policy | changes, sort_keys=False))
    return str(folder / "tiny_sync.yaml")


class Pair:
    """Tables, two if no others are named, that a policy keeps in step, and a store."""

    def __init__(
        self,
        folder: Path,
        store: Store,
        systems: tuple[str, ...] = ("crm", "desk"),
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.folder, self.store, self.clock = folder, store, clock
        self.tables = Tables(folder / "systems.db", systems)
        self.tables.make()
        self.policy = write_sync(folder, {name: side(name) for name in systems})

    async def run(self) -> Account:
        """What a flow run does, without one: it takes a tenth of the time."""
        async with opened(sync_resources(self.store, self.tables, self.clock)):
            for _ in range(ROUNDS):
                for step in (note_changes, read_changed, recognise, keep_in_step):
                    await step.fn(self.policy)
                await deliver_due.fn(1)
                await note_written.fn(self.policy)
        return self.books()

    def books(self) -> Account:
        with self.store.reading() as tx:
            assert first_break(tx.ledger.entries()) is None
            account = tx.accounts.balance("tiny_sync")
        assert account.unaccounted == 0
        return account

    def reviews(self) -> list[Any]:
        with self.store.reading() as tx:
            return tx.reviews.waiting("tiny_sync")

    def answer(self, choice: str, *, of: Any = None, **inputs: str) -> Any:
        """Answer a review; the only one that waits, if none is named."""
        (review,) = [of] if of else self.reviews()
        here = sync_resources(self.store, self.tables, self.clock)
        with self.store.reading() as tx:
            form = form_of(here, tx, tx.reviews.get(review.review_id))
        assert form is not None
        answer = Answer(choice=choice, inputs=inputs, reviewer="a person", binding=form.binding)
        return form, settle_answer(here, review.review_id, answer)

    def history(self, field: str) -> list[tuple[str, str, str]]:
        with self.store.reading() as tx:
            (entity,) = tx.entities.find("en-")
            return [(move.before, move.after, move.why) for move in tx.entities.history(entity, field)]
