"""A watched folder: every file is read whole, once, and never touched."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.files.drop import UNFINISHED_S, FolderDrop
from connectors.ports import Arrival, Fetched, Unreadable
from connectors.registry import open_source
from domain.errors import BadRequest, PolicyInvalid

MAIL = "Message-ID: <{}@example.com>\n\nhello\n"
ENVELOPE = "From ann@example.com Mon Mar  2 10:00:00 2026\n"


class Folder:
    """A folder, and a reader that remembers only its cursor."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.cursor = ""
        self.now = datetime.now(UTC)
        self._written = 0

    def write(self, name: str, content: str | bytes, *, append: bool = False) -> None:
        """Write to a file; each write is a little later than the one before."""
        path = self.path / name
        with path.open("ab" if append else "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
        self._written += 1
        self.touch(name, self.now.timestamp() + self._written / 1000)

    def touch(self, name: str, modified: float) -> None:
        os.utime(self.path / name, (modified, modified))

    async def look(self, count: int = 100) -> Fetched:
        """One look with a reader that knows nothing but the cursor."""
        fetched = await FolderDrop(self.path, clock=lambda: self.now).fetch(self.cursor, count)
        self.cursor = fetched.cursor
        return fetched

    async def read(self, count: int = 100) -> list[str]:
        """What came at the second of two looks; at the first every file may still be in the making."""
        first, second = await self.look(count), await self.look(count)
        return told(first) + told(second)


def told(fetched: Fetched) -> list[str]:
    return [
        f"unreadable: {one.why}"
        if isinstance(one, Unreadable)
        else str(one.fields.get("n") or one.external_id.partition("#")[0])
        for one in fetched.arrivals
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def lines(*numbers: int) -> str:
    return "".join(json.dumps({"n": f"row {number}"}) + "\n" for number in numbers)


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("a.eml", MAIL.format(1), ["1@example.com"]),
        ("a.mbox", f"{ENVELOPE}{MAIL.format(1)}\n{ENVELOPE}{MAIL.format(2)}", ["1@example.com", "2@example.com"]),
        ("a.csv", "n\nrow 1\nrow 2\n", ["row 1", "row 2"]),
        ("a.jsonl", lines(1, 2), ["row 1", "row 2"]),
        ("A.NDJSON", lines(1), ["row 1"]),
        ("a.txt", "n\nrow 1\n", []),
        (".a.csv", "n\nrow 1\n", []),
        ("a.csv.part", "n\nrow 1\n", []),
        ("a.eml", "", []),
    ],
)
async def test_a_file_of_a_known_kind_is_read_once(folder, name, content, found):
    folder.write(name, content)
    assert await folder.read() == found
    assert await folder.read() == []


async def test_a_file_that_is_still_written_to_is_left_until_nobody_writes(folder):
    folder.write("a.jsonl", lines(1))
    assert told(await folder.look()) == []
    folder.write("a.jsonl", lines(2), append=True)
    assert told(await folder.look()) == []
    assert told(await folder.look()) == ["row 1", "row 2"]


async def test_a_file_that_was_renamed_in_is_read_at_once(folder):
    folder.write("a.jsonl.part", lines(1))
    folder.touch("a.jsonl.part", folder.now.timestamp() - 5)
    (folder.path / "a.jsonl.part").rename(folder.path / "a.jsonl")
    assert told(await folder.look()) == ["row 1"]


async def test_files_come_by_their_last_write_the_oldest_first(folder):
    for number, name in enumerate(["c.jsonl", "a.jsonl", "b.jsonl"]):
        folder.write(name, lines(number))
    assert await folder.read() == ["row 0", "row 1", "row 2"]


@pytest.mark.parametrize(
    ("name", "first", "second", "found"),
    [
        ("a.jsonl", lines(1), lines(2, 3), ["row 2", "row 3"]),
        ("a.csv", "n\nrow 1\n", "row 2\n", ["row 2"]),
        ("a.csv", b"\xef\xbb\xbfn\nrow 1\n", '"row\n2"\n', ["row\n2"]),
        ("a.csv", b"n\nrow \xc3\xbc\n", "row 2\n", ["row 2"]),
        ("a.mbox", f"{ENVELOPE}{MAIL.format(1)}\n", f"{ENVELOPE}{MAIL.format(2)}\n", ["2@example.com"]),
    ],
)
async def test_a_file_that_grows_gives_what_is_new_and_only_once(folder, name, first, second, found):
    folder.write(name, first)
    await folder.read()
    folder.write(name, second, append=True)
    assert await folder.read() == found
    assert await folder.read() == []


async def test_places_are_counted_on_in_a_file_that_grows(folder):
    folder.write("a.csv", 'n\n"row\n1"\n')
    await folder.read()
    folder.write("a.csv", "row 2\n", append=True)
    await folder.look()
    (row,) = (await folder.look()).arrivals
    assert row.where == "a.csv:4"


@pytest.mark.parametrize(
    ("name", "half", "rest", "found"),
    [
        ("a.jsonl", lines(1) + '{"n": "ro', 'w 2"}\n', "row 2"),
        ("a.csv", "n\nrow 1\nro", "w 2\n", "row 2"),
        ("a.csv", 'n\nrow 1\n"row\n', '2"\n', "row\n2"),
    ],
)
async def test_the_last_line_waits_for_its_end(folder, name, half, rest, found):
    folder.write(name, half)
    assert await folder.read() == ["row 1"]
    folder.write(name, rest, append=True)
    assert await folder.read() == [found]
    assert await folder.read() == []


async def test_a_last_line_of_json_that_is_whole_needs_no_line_end(folder):
    folder.write("a.jsonl", lines(1, 2).rstrip())
    assert await folder.read() == ["row 1", "row 2"]


async def test_a_last_line_that_never_gets_its_end_is_taken_as_it_stands_and_only_once(folder):
    folder.write("a.csv", "n\nrow 1\nrow 2")
    assert await folder.read() == ["row 1"]
    folder.now += timedelta(seconds=UNFINISHED_S + 1)
    assert await folder.read() == ["row 2"]
    assert await folder.read() == []


async def test_a_last_line_that_was_taken_and_then_goes_on_is_read_again_whole(folder):
    folder.write("a.csv", "n\nrow 1\nro")
    folder.now += timedelta(seconds=UNFINISHED_S + 1)
    assert await folder.read() == ["row 1", "ro"]
    folder.write("a.csv", "w 2\nrow 3\n", append=True)
    assert await folder.read() == ["row 2", "row 3"]


@pytest.mark.parametrize("content", [lines(7, 8, 9), lines(7)])
async def test_a_file_that_is_replaced_is_read_from_its_beginning(folder, content):
    folder.write("a.jsonl", lines(1, 2))
    await folder.read()
    folder.write("a.jsonl", content)
    assert (await folder.read())[0] == "row 7"


async def test_a_row_of_todays_export_is_the_same_delivery_as_in_yesterdays(folder):
    folder.write("2026-03-01.csv", "n\nrow 1\n")
    folder.write("2026-03-02.csv", "n\nrow 1\n")
    await folder.look()
    one, other = (await folder.look()).arrivals
    assert isinstance(one, Arrival)
    assert isinstance(other, Arrival)
    assert (one.source, one.external_id) == (other.source, other.external_id)


async def test_large_files_are_read_in_turns(folder):
    folder.write("a.jsonl", lines(1, 2, 3))
    folder.write("b.csv", "n\nrow 4\nrow 5\n")
    await folder.look()
    turns = [await folder.look(2) for _ in range(4)]
    assert [told(turn) for turn in turns] == [["row 1", "row 2"], ["row 3", "row 4"], ["row 5"], []]
    assert [turn.more for turn in turns] == [True, True, False, False]


async def test_a_file_that_cannot_be_read_is_told_once_and_the_others_go_on(folder):
    folder.write("a.csv", "n,n\n1,2\n")
    folder.write("b.mbox", "no mailbox\n")
    folder.write("c.jsonl", "{\n" + lines(1))
    found = await folder.read()
    assert [one.split(":")[0] for one in found] == ["unreadable", "unreadable", "unreadable", "row 1"]
    assert "columns of the same name" in found[0]
    assert "not a mailbox" in found[1]
    assert await folder.read() == []


async def test_files_are_not_touched_and_those_that_leave_are_forgotten(folder):
    folder.write("a.jsonl", lines(1))
    before = (folder.path / "a.jsonl").stat()
    await folder.read()
    after = (folder.path / "a.jsonl").stat()
    assert (before.st_mtime_ns, before.st_ctime_ns, before.st_ino) == (
        after.st_mtime_ns,
        after.st_ctime_ns,
        after.st_ino,
    )
    assert list(json.loads(folder.cursor)) == ["a.jsonl"]
    (folder.path / "a.jsonl").unlink()
    await folder.look()
    assert json.loads(folder.cursor) == {}


async def test_folders_in_it_are_left_alone(folder):
    (folder.path / "old.csv").mkdir()
    assert await folder.read() == []


async def test_a_folder_that_is_not_there_is_refused_with_the_mend(tmp_path):
    with pytest.raises(BadRequest, match=r"no such folder\. Make it, or set INTERLOCK_DROP_FOLDER"):
        await FolderDrop(tmp_path / "nowhere").fetch("", 1)


@pytest.mark.parametrize("cursor", ["7:12", "[]", '{"a.csv": 1}'])
async def test_a_cursor_of_something_else_is_refused(folder, cursor):
    with pytest.raises(BadRequest, match="not one of a watched folder"):
        await FolderDrop(folder.path).fetch(cursor, 1)


async def test_it_is_set_up_from_the_environment(tmp_path):
    drop = open_source("folder", {}, {"INTERLOCK_DROP_FOLDER": str(tmp_path)})
    assert isinstance(drop, FolderDrop)
    assert (await drop.fetch("", 1)).arrivals == ()
    await drop.aclose()


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "a.csv").touch()
    with pytest.raises(PolicyInvalid, match="a file"):
        open_source("folder", {}, {"INTERLOCK_DROP_FOLDER": str(tmp_path / "a.csv")})


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["csv", "jsonl"]), st.lists(st.integers(1, 9), min_size=1, max_size=6), st.data())
async def test_however_it_is_written_each_row_comes_once_and_in_order(tmp_path_factory, suffix, sizes, data):
    folder = Folder(tmp_path_factory.mktemp("drop"))
    rows = [f"row {number}" for number in range(sum(sizes))]
    content = "n\n" + "".join(f'"{row}"\n' for row in rows) if suffix == "csv" else lines(*range(sum(sizes)))
    found: list[str] = []
    while content:
        cut = data.draw(st.integers(1, len(content)))
        folder.write(f"a.{suffix}", content[:cut], append=True)
        content = content[cut:]
        for _ in range(data.draw(st.integers(0, 3))):
            found += told(await folder.look(data.draw(st.integers(1, 4))))
    for _ in range(2 + len(rows)):
        found += told(await folder.look(3))
    assert found == rows
