"""What a database tells of a table: that it is there, its key unique, its columns, and what this user may do."""

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from connectors.diagnosis import Aspect, Diagnosis, Finding, Use, lacking, untold, well, wrong
from connectors.tables.database import reason
from connectors.tables.shape import Names, Shape, read_shape
from domain.errors import PolicyInvalid

VERBS = ("SELECT", "INSERT", "UPDATE")


def diagnosed(engine: Engine, uses: Sequence[Use]) -> Diagnosis:
    """How the database stands to the tables that policies write; nothing is written, and all is rolled back."""
    try:
        with engine.connect() as connection:
            findings = [well(Aspect.ANSWERS, "the database answers"), well(Aspect.KEY, "the login is accepted")]
            for use in uses:
                findings += _table(connection, use)
            return Diagnosis(tuple(dict.fromkeys(findings)), _ahead_s(connection))
    except DBAPIError as exc:
        mend = "See whether the database is up, and whether INTERLOCK_SQL_URL names it with a user and password"
        return Diagnosis((wrong(Aspect.ANSWERS, f"SQL: {reason(exc)}", mend),))


def _table(connection: Connection, use: Use) -> list[Finding]:
    names = Names(use.options["table"], use.options["key"], use.options["operation_column"])
    try:
        shape = read_shape(connection, names)
    except PolicyInvalid as exc:
        return [wrong(Aspect.FIELDS, f"SQL: {exc}", "Mend the table, or the destination's options")]
    mend = "Add the columns to the table, or change the policy"
    return [lacking(f"table '{names.table}'", use.fields, shape.castings, mend), _rights(connection, shape, use)]


def _rights(connection: Connection, shape: Shape, use: Use) -> Finding:
    if connection.dialect.name != "postgresql":
        return untold(Aspect.RIGHTS, "this database does not tell a user's rights in one way")
    asked = ", ".join(f"has_table_privilege(:name, '{verb}')" for verb in VERBS)
    name = connection.dialect.identifier_preparer.format_table(shape.table)
    may = connection.execute(text(f"SELECT {asked}"), {"name": name}).one()
    wanted = VERBS if use.writes else VERBS[:1]
    if missing := [verb for verb, given in zip(VERBS, may, strict=True) if verb in wanted and not given]:
        says = f"the user may not {', '.join(missing)} on table '{shape.table}'"
        return wrong(Aspect.RIGHTS, says, f"GRANT {', '.join(missing)} ON {name} to the user")
    return well(Aspect.RIGHTS, f"the user may {', '.join(wanted)} on table '{shape.table}'")


def _ahead_s(connection: Connection) -> float | None:
    """By the server's own clock, where there is a server."""
    if connection.dialect.name != "postgresql":
        return None
    at: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    return (at - datetime.now(UTC)).total_seconds()
