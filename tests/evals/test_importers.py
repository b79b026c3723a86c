"""A CSV as it comes out of a help desk becomes labelled items."""

from pathlib import Path

import pytest
from builders import workflow

from domain.errors import InputInvalid
from evals.importers import import_csv
from evals.items import Item, load_data

COLUMNS = ("Subject", "Team", "Ticket")


def imported(folder: Path, content: str | bytes, names: tuple[str, str, str] = COLUMNS) -> list[Item]:
    """The items that a CSV of this content becomes."""
    source, out = folder / "tickets.csv", folder / "items.jsonl"
    source.write_bytes(content.encode() if isinstance(content, str) else content)
    count = import_csv(source, out, *names)
    items = [Item.model_validate_json(line) for line in out.read_text(encoding="utf-8").split("\n") if line]
    assert len(items) == count
    return items


def test_named_columns_become_text_label_and_id_and_the_others_fields(tmp_path: Path) -> None:
    content = "Ticket,Subject,Team,Language\nT-1,How much is it?,sales,en\nT-2,Kaputt,repairs,de\n"

    assert imported(tmp_path, content) == [
        Item(id="T-1", text="How much is it?", label="sales", fields={"Language": "en"}),
        Item(id="T-2", text="Kaputt", label="repairs", fields={"Language": "de"}),
    ]


@pytest.mark.parametrize(
    ("content", "ids"),
    [
        pytest.param("Subject,Team\na,sales\nb,sales\n", ["tickets-1", "tickets-2"], id="no column of ids"),
        pytest.param("Subject,Team,Ticket\na,sales,\nb,sales,T-2\n", ["tickets-1", "T-2"], id="an empty id"),
        pytest.param("Subject,Team,Ticket\na,sales\n", ["tickets-1"], id="a row that ends early"),
    ],
)
def test_a_row_without_an_id_is_called_by_the_file_and_its_number(tmp_path: Path, content: str, ids: list[str]) -> None:
    assert [item.id for item in imported(tmp_path, content)] == ids


@pytest.mark.parametrize(
    ("content", "text"),
    [
        pytest.param('Subject,Team\n"a, b and ""c""",sales\n', 'a, b and "c"', id="quotes and commas"),
        pytest.param('Subject,Team\n"two\nlines",sales\n', "two\nlines", id="a line break"),
        pytest.param(b"\xef\xbb\xbfSubject,Team\r\nGr\xc3\xbc\xc3\x9fe,sales\r\n", "Grüße", id="as Excel saves it"),
        pytest.param("Subject,Team\n  kept as it is  , sales \n", "  kept as it is  ", id="spaces around"),
    ],
)
def test_the_text_is_what_the_cell_holds_and_the_label_is_trimmed(
    tmp_path: Path, content: str | bytes, text: str
) -> None:
    (item,) = imported(tmp_path, content)

    assert (item.text, item.label) == (text, "sales")


def test_what_was_imported_is_what_every_command_reads(tmp_path: Path) -> None:
    imported(tmp_path, 'Subject,Team,Ticket\n"zwei\u2028Zeilen, Grüße",sales,1\nThe doll broke,repairs,2\n')

    data = load_data(tmp_path / "items.jsonl", workflow())

    assert [item.label for item in data.items] == ["sales", "repairs"]
    assert data.warnings == ()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        pytest.param(
            "text,label\na,sales\n", r"tickets.csv:1: no column Subject, Team; there are: text, label", id="both"
        ),
        pytest.param("Subject,label\na,sales\n", r"tickets.csv:1: no column Team; there are: Subject, label", id="one"),
        pytest.param("", r"tickets.csv:1: no column Subject, Team", id="an empty file"),
        pytest.param("Subject,Team\na,sales\nb,c,sales\n", r"tickets.csv:3: more cells than columns", id="bare comma"),
        pytest.param("Subject,Team\n ,sales\n", r"tickets.csv:2: the text or the label is empty", id="no text"),
        pytest.param("Subject,Team\na,\n", r"tickets.csv:2: the text or the label is empty", id="no label"),
        pytest.param("Subject,Team\na\n", r"tickets.csv:2: the text or the label is empty", id="no cell for the label"),
        pytest.param(b"Subject,Team\nGr\xfc\xdfe,sales\n", r"tickets.csv: cannot be read .*UTF-8", id="Latin-1"),
    ],
)
def test_what_cannot_be_imported_is_told_by_line_and_nothing_is_written(
    tmp_path: Path, content: str | bytes, told: str
) -> None:
    with pytest.raises(InputInvalid, match=told):
        imported(tmp_path, content)

    assert not (tmp_path / "items.jsonl").exists()


def test_a_file_that_is_not_there_is_told_with_the_other_sources(tmp_path: Path) -> None:
    with pytest.raises(InputInvalid, match=r"nothing.csv: no such file.*banking_teams or clinc_domains"):
        import_csv(tmp_path / "nothing.csv", tmp_path / "out.jsonl", *COLUMNS)
