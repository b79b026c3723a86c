"""The shape of somebody else's table, as the database tells it: its columns, and that its key is unique."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Connection, Inspector, MetaData, Numeric, Table, event, inspect
from sqlalchemy.exc import NoSuchTableError

from connectors.tables.casting import Casting
from domain.errors import InputInvalid, PolicyInvalid


@dataclass(frozen=True)
class Names:
    """What a policy calls the table and two of its columns."""

    table: str
    key: str
    operation_column: str


@dataclass(frozen=True)
class Shape:
    """A table that can be written to by key."""

    table: Table
    key: Column[Any]
    operation: Column[Any]
    castings: Mapping[str, Casting]

    def cast(self, record_key: str, values: Mapping[str, str]) -> dict[str, object]:
        """The row that an operation asks for, its key included and its operation's id not.

        Raises:
            InputInvalid: a column that there is not, a value that does not fit, or another key
                among the values; names the column.
        """
        own = {self.key.name, self.operation.name}
        if strange := sorted(values.keys() - self.castings.keys()):
            known = ", ".join(name for name in self.castings if name not in own)
            raise InputInvalid(f"table '{self.table}' has no column '{strange[0]}'; it has {known}")
        if self.operation.name in values:
            raise InputInvalid(f"column '{self.operation.name}' is for the operation's id; leave it out of the values")
        if values.get(self.key.name, record_key) != record_key:
            raise InputInvalid(f"column '{self.key.name}' is the record's key, and the values give another one")
        return {name: self.castings[name].cast(text) for name, text in {**values, self.key.name: record_key}.items()}

    def spell(self, stored: Mapping[str, object], names: Iterable[str]) -> dict[str, str]:
        """What a row holds in the columns of these names, as text; a name that is no column is left out."""
        return {name: self.castings[name].spell(stored[name]) for name in names if name in stored}

    def alike(self, name: str, one: str, other: str) -> bool:
        """Whether two texts are the same value of a column."""
        return self.castings[name].alike(one, other)

    def differing(self, stored: Mapping[str, object], wanted: Mapping[str, object]) -> dict[str, object]:
        """The wanted values that the stored row does not hold yet."""
        return {name: value for name, value in wanted.items() if not self.castings[name].holds(stored[name], value)}


def read_shape(connection: Connection, names: Names) -> Shape:
    """Ask the database for the table.

    Raises:
        PolicyInvalid: no such table or column, or the key is not unique; says what to mend.
    """
    table = read_table(connection, names.table)
    key, operation = _column(table, names.key, "key"), _column(table, names.operation_column, "operation_column")
    if not _unique(inspect(connection), table, names.key):
        raise PolicyInvalid(
            f"options: column '{names.key}' of table '{names.table}' is not unique, so that one record could "
            f"become two rows; give it a unique index, or use another column as key"
        )
    return Shape(table, key, operation, castings(table, connection.dialect.name))


def read_table(connection: Connection, name: str) -> Table:
    """A table by its name, or by schema and name with a dot between.

    Raises:
        PolicyInvalid: there is none.
    """
    schema, _, bare = name.rpartition(".")
    metadata = MetaData(schema=schema or None)
    if connection.dialect.name == "sqlite":
        event.listen(metadata, "column_reflect", _without_decimals)
    try:
        return Table(bare, metadata, autoload_with=connection, resolve_fks=False)
    except NoSuchTableError as exc:
        raise PolicyInvalid(f"options: the database has no table '{name}'; give the name of one that it has") from exc


def castings(table: Table, dialect: str) -> dict[str, Casting]:
    """How each column's values are read."""
    return {column.name: Casting(column, whole_numbers_are_big=dialect == "sqlite") for column in table.columns}


def _column(table: Table, name: str, option: str) -> Column[Any]:
    if name not in table.columns:
        known = ", ".join(column.name for column in table.columns)
        raise PolicyInvalid(f"options: {option}: table '{table}' has no column '{name}'; it has {known}")
    return table.columns[name]


def _unique(inspector: Inspector, table: Table, key: str) -> bool:
    """Whether the database itself keeps two rows from having one key; a partial index does not."""
    primary = inspector.get_pk_constraint(table.name, table.schema)["constrained_columns"]
    constraints = inspector.get_unique_constraints(table.name, table.schema)
    indexes = inspector.get_indexes(table.name, table.schema)
    whole = [
        index["column_names"]
        for index in indexes
        if index["unique"] and not any(option.endswith("_where") for option in index.get("dialect_options", {}))
    ]
    return [key] in [primary, *(constraint["column_names"] for constraint in constraints), *whole]


def _without_decimals(_inspector: object, _table: object, column: Any) -> None:
    """SQLite keeps decimals as binary fractions; SQLAlchemy warns at each one that is read as a Decimal."""
    if isinstance(column["type"], Numeric):
        column["type"].asdecimal = False
