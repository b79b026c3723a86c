"""A table in any SQL database, written to by key: one transaction a batch, a savepoint a row.

The key's unique index is what decides: a row is looked for and locked; where there is none it
is inserted, and if somebody else was quicker, the index says so and their row is updated. So
one path serves every database, with no statement of its own for any of them.
"""

import asyncio
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from sqlalchemy import Connection, Row, cast, func, insert, null, or_, select, update
from sqlalchemy import String as Text
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, NotSupportedError, ProgrammingError
from sqlalchemy.sql.elements import ColumnElement

from connectors.capabilities import Capabilities, Idempotency, Upsert
from connectors.diagnosis import Diagnosis, Use
from connectors.ports import Candidate
from connectors.spec import TIMEOUT_S, Option, SystemSpec, Variable, seconds
from connectors.tables.database import open_database, reason
from connectors.tables.shape import Names, Shape, read_shape
from connectors.tables.sql_diagnosis import diagnosed
from domain.delivery import Conflict, DeliveryOutcome, Invalid, Operation, RetryAfter, Unknown, Written
from domain.errors import InputInvalid, PolicyInvalid
from domain.expected import refused
from domain.sameness import NAMES

SQL_URL = Variable(
    "INTERLOCK_SQL_URL", "URL of the database whose tables are written, such as postgresql://…", secret=True
)
OPTIONS = (
    Option("table", "the table, with its schema and a dot before it where it needs one"),
    Option("key", "the column that holds the record's key; the database must keep it unique"),
    Option("operation_column", "the text column that holds the id of the last write", "operation_id"),
)
BATCH = 100
"""Rows in one transaction: few enough that their locks are held for moments."""
REFUSALS = (IntegrityError, DataError, ProgrammingError, NotSupportedError)
"""What PEP 249 has for a statement that fails the same each time; the others are of the moment."""
CANDIDATES = 50
"""Most rows that one search gives; more share no useful key."""
PHONE_DIGITS = 8
"""Last digits that two spellings of one phone number share, whatever their country codes."""


class SqlTable:
    """Writes rows; an operation's record key is the value of the key column."""

    capabilities = Capabilities(upsert=Upsert.KEY, idempotency=Idempotency.CONTENT, batch=BATCH, deltas=True)

    def __init__(self, url: str, timeout_s: float) -> None:
        self._engine = open_database(url, timeout_s)
        self._timeout_s = timeout_s
        self._shapes: dict[Names, Shape] = {}

    async def send(self, operation: Operation) -> DeliveryOutcome:
        """Make the key's row hold the operation's values; a row that holds them is left alone.

        What an operation expects of the row of its `external_id` is compared while that is locked.
        """
        [outcome] = await self.send_all([operation])
        return outcome

    async def send_all(self, operations: Sequence[Operation]) -> list[DeliveryOutcome]:
        """All in one transaction; a row that the database refuses takes no other one with it.

        A transaction whose sender was cancelled, or which takes longer than the connector's
        timeout, is rolled back, for somebody may look it up by then.
        """
        given_up = threading.Event()
        try:
            return await asyncio.to_thread(self._write, operations, given_up)
        except asyncio.CancelledError:
            given_up.set()
            raise

    async def find(self, operation: Operation) -> DeliveryOutcome | None:
        """The row that carries the operation's id; it may have been created or updated by it.

        A look-up that is refused is `RetryAfter`, for it tells nothing of the write.
        """
        return await asyncio.to_thread(self._find, operation)

    async def candidates(self, operation: Operation) -> list[Candidate] | RetryAfter | Invalid:
        """Rows with the same e-mail address, the same last digits of the phone, or a word of the name.

        The columns are those that the operation's `search` names. A row that is the same keeps its own key.
        """
        return await asyncio.to_thread(self._candidates, operation)

    async def diagnose(self, uses: Sequence[Use]) -> Diagnosis:
        """How the database stands to the tables that are written."""
        return await asyncio.to_thread(diagnosed, self._engine, uses)

    async def aclose(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def _write(self, operations: Sequence[Operation], given_up: threading.Event) -> list[DeliveryOutcome]:
        deadline = time.monotonic() + self._timeout_s
        try:
            with self._engine.connect() as connection:
                outcomes = [self._row(connection, operation) for operation in operations]
                if given_up.is_set() or time.monotonic() > deadline:
                    late = RetryAfter(detail=f"SQL: not done within {self._timeout_s:g} s, and rolled back")
                    return _unless_refused(outcomes, late)
                return _commit(connection, outcomes)
        except IntegrityError as exc:  # a rule that is checked at the end, so that nothing was committed
            return self._halved(operations, given_up, exc)
        except DBAPIError as exc:
            return [RetryAfter(detail=f"SQL: nothing was committed: {reason(exc)}")] * len(operations)

    def _halved(
        self, operations: Sequence[Operation], given_up: threading.Event, refusal: IntegrityError
    ) -> list[DeliveryOutcome]:
        if len(operations) == 1:
            return [Invalid(detail=f"SQL: refused at the commit: {reason(refusal)}")]
        half = len(operations) // 2
        return self._write(operations[:half], given_up) + self._write(operations[half:], given_up)

    def _row(self, connection: Connection, operation: Operation) -> DeliveryOutcome:
        try:
            with connection.begin_nested():
                shape = self._shape(connection, operation)
                if operation.external_id:
                    return _update_known(connection, shape, operation)
                return _upsert(connection, shape, operation)
        except (InputInvalid, PolicyInvalid) as exc:
            return Invalid(detail=f"SQL: {exc}")
        except REFUSALS as exc:
            return Invalid(detail=f"SQL: table '{operation.options['table']}': {reason(exc)}")

    def _find(self, operation: Operation) -> DeliveryOutcome | None:
        try:
            with self._engine.connect() as connection:
                shape = self._shape(connection, operation)
                wanted = select(shape.key).where(shape.operation == operation.operation_id)
                key = connection.execute(wanted).scalar()
        except (DBAPIError, PolicyInvalid) as exc:
            return RetryAfter(detail=f"SQL: {reason(exc)}")
        return None if key is None else Written(kind="updated", external_id=str(key), found=True)

    def _candidates(self, operation: Operation) -> list[Candidate] | RetryAfter | Invalid:
        try:
            with self._engine.connect() as connection:
                shape = self._shape(connection, operation)
                key = shape.cast(operation.record_key, {})[shape.key.name]
                if (ours := connection.execute(select(shape.table).where(shape.key == key)).first()) is not None:
                    return [_candidate(shape, ours, ours=True)]
                if not (alike := _alike(shape, operation)):
                    return []
                rows = connection.execute(select(shape.table).where(or_(*alike)).limit(CANDIDATES)).all()
        except (InputInvalid, PolicyInvalid) as exc:
            return Invalid(detail=f"SQL: {exc}")
        except DBAPIError as exc:
            return RetryAfter(detail=f"SQL: {reason(exc)}")
        return [_candidate(shape, row) for row in rows]

    def _shape(self, connection: Connection, operation: Operation) -> Shape:
        options = operation.options
        names = Names(options["table"], options["key"], options["operation_column"])
        if names not in self._shapes:
            self._shapes[names] = read_shape(connection, names)
        return self._shapes[names]


def _upsert(connection: Connection, shape: Shape, operation: Operation) -> Written | Invalid:
    """Insert or update a row, within the caller's savepoint; where one is expected to be new, another's is left."""
    row = shape.cast(operation.record_key, operation.values)
    key = row[shape.key.name]
    stored = _locked(connection, shape, key)
    if stored is None:
        try:
            with connection.begin_nested():
                connection.execute(insert(shape.table).values(_traced(shape, row, operation)))
                held = shape.spell(_locked(connection, shape, key) or {}, operation.values)
                return Written(kind="created", external_id=str(key), values=held)
        except IntegrityError:
            stored = _locked(connection, shape, key)
            if stored is None:  # another rule of the table was broken than the key's
                raise
    theirs = operation.expected is not None and stored[shape.operation.name] != operation.operation_id
    if theirs and shape.differing(stored, row):
        return Invalid(detail=f"SQL: table '{shape.table}' has a row '{key}' already, which is not ours to overwrite")
    return _update(connection, shape, operation, stored, row)


def _update_known(connection: Connection, shape: Shape, operation: Operation) -> Written | Conflict | Invalid:
    """Update the row of another key, which it keeps, unless it holds something else than was expected."""
    others = {name: text for name, text in operation.values.items() if name != shape.key.name}
    row = shape.cast(operation.external_id, others)
    if strange := sorted((operation.expected or {}).keys() - shape.castings.keys()):
        return Invalid(
            detail=f"SQL: table '{shape.table}' has no column '{strange[0]}', of which something is expected"
        )
    stored = _locked(connection, shape, row[shape.key.name])
    if stored is None:
        return Invalid(detail=f"SQL: table '{shape.table}' has no row '{operation.external_id}' any more", gone=True)
    if conflict := refused("SQL", operation, shape.spell(stored, operation.expected or ()), shape.alike):
        return conflict
    written = _update(connection, shape, operation, stored, row)
    return written.model_copy(update={"external_id": operation.external_id})


def _update(
    connection: Connection, shape: Shape, operation: Operation, stored: dict[str, object], row: dict[str, object]
) -> Written:
    """Set what differs in a locked row, and read what it holds then."""
    key = row[shape.key.name]
    if changed := shape.differing(stored, row):
        to_key = update(shape.table).where(shape.key == key)
        connection.execute(to_key.values(_traced(shape, changed, operation)))
        stored = _locked(connection, shape, key) or {}
    kind: Literal["updated", "unchanged"] = "updated" if changed else "unchanged"
    return Written(kind=kind, external_id=str(key), values=shape.spell(stored, operation.values))


def _traced(shape: Shape, row: Mapping[str, object], operation: Operation) -> dict[str, object]:
    """What a statement sets; NULL by that name, or a column of JSON would hold a null of its own."""
    set_to = {name: null() if value is None else value for name, value in row.items()}
    return {**set_to, shape.operation.name: operation.operation_id}


def _locked(connection: Connection, shape: Shape, key: object) -> dict[str, object] | None:
    """The key's row, which nobody else changes until the transaction ends."""
    found = connection.execute(select(shape.table).where(shape.key == key).with_for_update())
    row = found.mappings().first()
    return None if row is None else dict(row)


def _commit(connection: Connection, outcomes: list[DeliveryOutcome]) -> list[DeliveryOutcome]:
    try:
        connection.commit()
    except IntegrityError:
        raise
    except DBAPIError as exc:
        lost = Unknown(detail=f"SQL: no answer to the commit: {reason(exc)}")
        return _unless_refused(outcomes, lost)
    return outcomes


def _unless_refused(outcomes: list[DeliveryOutcome], other: DeliveryOutcome) -> list[DeliveryOutcome]:
    return [outcome if isinstance(outcome, Invalid) else other for outcome in outcomes]


def _alike(shape: Shape, operation: Operation) -> list[ColumnElement[bool]]:
    """A condition for each of the operation's values that people are told apart by."""
    names = operation.search.names if operation.search else NAMES
    columns = [("email", names.email), ("phone", names.phone), *(("name", name) for name in names.name)]
    return [
        _same(kind, cast(shape.table.columns[name], Text), text)
        for kind, name in columns
        if name in shape.table.columns and (text := operation.values.get(name, "").strip())
    ]


def _same(kind: str, column: ColumnElement[str], text: str) -> ColumnElement[bool]:
    match kind:
        case "email":
            return func.lower(column) == text.lower()
        case "phone":
            digits = "".join(filter(str.isdigit, text))[-PHONE_DIGITS:]
            return _digits(column).endswith(digits, autoescape=True)
        case _:
            word = max(text.lower().split(), key=len)
            return func.lower(column).contains(word, autoescape=True)


def _digits(column: ColumnElement[str]) -> ColumnElement[str]:
    """The column without what people write between digits; in functions that every database has."""
    bare = column
    for sign in " -./()":
        bare = func.replace(bare, sign, "")
    return bare


def _candidate(shape: Shape, row: Row[Any], *, ours: bool = False) -> Candidate:
    values = {name: str(value) for name, value in row._mapping.items() if value is not None}  # noqa: SLF001  public
    return Candidate(external_id=values[shape.key.name], values=values, ours=ours)


def _open(values: Mapping[str, str]) -> SqlTable:
    return SqlTable(values[SQL_URL.name], seconds(values, TIMEOUT_S))


SPEC = SystemSpec(_open, (SQL_URL, TIMEOUT_S), OPTIONS, searchable=True)
