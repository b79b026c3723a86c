"""People edit a table as they see it, and the table's own book tells who made what of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.tables.database import open_database
from evals.sync_log import FLAGS, JOURNAL, Edit
from evals.sync_systems import Books, Desk


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'desk.db'}"


@pytest.fixture
def desk(url: str) -> Iterator[Desk]:
    desk = Desk(url)
    desk.make()
    yield desk
    desk.close()


def edit(number: int, *, begins: bool = False, on: str = "", note: str = "n", **values: str) -> Edit:
    return Edit(number, "desk", "I-1", begins, values, f"[{number}] {note}", frozenset({on} - {""}))


def run(url: str, *statements: str) -> None:
    engine = open_database(url, 5)
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()


def edits_in(books: Books, field: str) -> list[tuple[int | None, str, str]]:
    return [(change.edit, change.before, change.after) for change in books.changes["I-1", field]]


async def test_nobody_edits_what_is_not_there_yet(desk):
    assert not await desk.edit(edit(1, rfc="C"))
    assert await desk.edit(edit(2, begins=True, rfc="C"))
    assert await desk.edit(edit(3, rfc="D"))
    assert (await desk.books()).held["I-1"]["rfc"] == "D"


async def test_the_book_tells_peoples_edits_from_the_writes_of_the_sync(desk, url):
    await desk.edit(edit(1, begins=True, rfc="C", on="active"))
    run(url, "update incidents set rfc = 'D', operation_id = 'op-1'")
    await desk.edit(edit(2, rfc="E", note="m"))
    books = await desk.books()
    assert edits_in(books, "rfc") == [(1, "", "C"), (None, "C", "D"), (2, "D", "E")]
    assert edits_in(books, FLAGS) == [(1, "", "active")]
    assert edits_in(books, JOURNAL) == [(1, "", "[1] n"), (2, "[1] n", "[1] n\n[2] m")]
    assert books.twice == []


async def test_a_write_that_was_made_twice_and_a_second_record_are_told(desk, url):
    await desk.edit(edit(1, begins=True, rfc="C"))
    run(
        url,
        "update incidents set rfc = 'D', operation_id = 'op-1'",
        "update incidents set rfc = 'E', operation_id = 'op-1'",
        "insert into incidents (id, number, operation_id) values ('x', 'I-1', 'op-2')",
    )
    assert (await desk.books()).twice == ["desk: two rows of I-1", "desk: operation op-1 on D-1"]


async def test_people_go_on_in_an_outage_while_nobody_else_gets_in(desk, url):
    await desk.edit(edit(1, begins=True, rfc="C"))
    await desk.away(begins=True)
    await desk.edit(edit(2, rfc="D"))
    await desk.away(begins=False)
    assert edits_in(await desk.books(), "rfc") == [(1, "", "C"), (2, "C", "D")]
