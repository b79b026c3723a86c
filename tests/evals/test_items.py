"""Labelled items are read whole and clean, or refused with the rows that are wrong."""

import json
from pathlib import Path

import pytest
from builders import workflow

from domain.errors import InputInvalid
from evals.items import MOST_NAMED, Data, Item, load_data

TINY = workflow()
GOOD = {"id": "1", "text": "Do you sell kites?", "label": "sales"}
ALL = [GOOD, {"id": "2", "text": "My kite is torn.", "label": "repairs"}]


def jsonl(*rows: object) -> str:
    return "".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows)


def load(folder: Path, content: str | bytes, name: str = "items.jsonl") -> Data:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return load_data(path, TINY)


def complaint(folder: Path, content: str | bytes, name: str = "items.jsonl") -> str:
    with pytest.raises(InputInvalid) as caught:
        load(folder, content, name)
    return str(caught.value).replace(f"{folder / name}", name)


def test_json_lines_become_items_in_their_order(tmp_path: Path) -> None:
    rich = {"id": "3", "text": "Spam", "label": "none_of_these", "intent": "ads", "fields": {"source": "mail"}}

    data = load(tmp_path, jsonl(*ALL, "", rich))

    assert data.items == (
        Item(id="1", text="Do you sell kites?", label="sales"),
        Item(id="2", text="My kite is torn.", label="repairs"),
        Item(id="3", text="Spam", label="none_of_these", intent="ads", fields={"source": "mail"}),
    )
    assert data.warnings == ()


@pytest.mark.parametrize("begin", ["", "\ufeff"], ids=["plain", "with a byte order mark"])
def test_a_csv_becomes_items_and_its_other_columns_fields(tmp_path: Path, begin: str) -> None:
    content = f'{begin}id,text,label,intent,source\n1,"Kites, and\nballs?",sales,price,mail\n2,Torn.,repairs,,\n'

    assert load(tmp_path, content, "items.csv").items == (
        Item(id="1", text="Kites, and\nballs?", label="sales", intent="price", fields={"source": "mail"}),
        Item(id="2", text="Torn.", label="repairs", fields={"source": ""}),
    )


@pytest.mark.parametrize(
    ("more", "told"),
    [
        pytest.param("{", "3: Invalid JSON: EOF while parsing an object at line 1 column 1. An item has id, text and "
                     "label.", id="a line that is no JSON"),
        pytest.param({"id": "3", "text": "x"}, "3: label: Field required. An item has id, text and label.",
                     id="a missing label"),
        pytest.param({"id": "3", "text": "x", "label": "sales", "team": "a"},
                     "3: team: Extra inputs are not permitted. An item has id, text and label.", id="a stray key"),
        pytest.param({"id": "3", "text": "x", "label": "sales", "fields": {"toys": 3}},
                     "3: fields.toys: Input should be a valid string. An item has id, text and label.",
                     id="a field that is no text"),
        pytest.param({"id": "", "text": "x", "label": "sales"},
                     "3: id: String should have at least 1 character. An item has id, text and label.",
                     id="an empty id"),
        pytest.param({"id": "3", "text": "x", "label": "seals"},
                     "3: label 'seals' is unknown. Use one of: sales, repairs, none_of_these", id="an unknown label"),
        pytest.param({"id": "3", "text": " \n", "label": "sales"},
                     "3: the text is empty. Remove the row or fill it in.", id="an empty text"),
        pytest.param({"id": "2", "text": "x", "label": "sales"},
                     "3: id '2' stands on line 2 already. Give it its own.", id="a doubled id"),
        pytest.param({"id": "3", "text": "do  you sell KITES?", "label": "repairs"},
                     "3: the text of line 1, there as 'sales', here as 'repairs'. Keep one.",
                     id="a text with two labels, spelt otherwise"),
        pytest.param({"id": "3", "text": "the wheel\ncame off.", "label": "repairs"},
                     "3: the text is the policy's example '2'. Take it out of one of them.",
                     id="a text that the examples teach"),
        pytest.param("\n" + jsonl({"id": "3", "text": "a\u2028b", "label": "sales"}) + "{",
                     "5: Invalid JSON: EOF while parsing an object at line 1 column 1. An item has id, text and label.",
                     id="lines count as the editor counts them"),
    ],
)  # fmt: skip
def test_a_row_that_proves_nothing_is_named(tmp_path: Path, more: object, told: str) -> None:
    assert complaint(tmp_path, jsonl(*ALL, more)) == f"items.jsonl:{told}"


def test_all_that_is_wrong_with_a_row_is_told(tmp_path: Path) -> None:
    told = complaint(tmp_path, jsonl(*ALL, {"id": "1", "text": "", "label": "seals"})).splitlines()

    assert [line.split(":")[1] for line in told] == ["3", "3", "3"]


def test_only_the_first_faults_are_named_one_by_one(tmp_path: Path) -> None:
    told = complaint(tmp_path, jsonl(*["{"] * (MOST_NAMED + 3))).splitlines()

    assert len(told) == MOST_NAMED + 1
    assert told[-1] == "... and 3 more"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        pytest.param("id,text\n1,x\n", "items.csv:1: no column label. A CSV needs id, text and label.", id="a column"),
        pytest.param("", "items.csv:1: no column id, label, text. A CSV needs id, text and label.", id="empty"),
        pytest.param("id;text;label\n1;x;sales\n",
                     "items.csv:1: no column id, label, text. A CSV needs id, text and label.", id="semicolons"),
        pytest.param("id,text,label\n1,hello, there,sales\n",
                     "items.csv:2: more cells than columns. Put quotes around a text with commas.", id="a comma"),
        pytest.param("id,text,label\n1,hello\n",
                     "items.csv:2: label '' is unknown. Use one of: sales, repairs, none_of_these", id="a short row"),
        pytest.param("id,text,label\n,hello,sales\n",
                     "items.csv:2: id: String should have at least 1 character. An item has id, text and label.",
                     id="no id"),
        pytest.param("id,text,label\n", "items.csv: no items. Write one JSON object a line: id, text, label.",
                     id="no rows"),
    ],
)  # fmt: skip
def test_a_csv_that_is_none_says_how_to_mend_it(tmp_path: Path, content: str, told: str) -> None:
    assert complaint(tmp_path, content, "items.csv") == told


@pytest.mark.parametrize(
    ("content", "told"),
    [
        pytest.param("", "items.jsonl: no items. Write one JSON object a line: id, text, label.", id="empty"),
        pytest.param("\n \n", "items.jsonl: no items. Write one JSON object a line: id, text, label.", id="blank"),
        pytest.param(b"sch\xf6n", "items.jsonl: cannot be read (", id="not UTF-8"),
    ],
)
def test_a_file_without_items_is_refused(tmp_path: Path, content: str | bytes, told: str) -> None:
    assert complaint(tmp_path, content).startswith(told)


def test_a_file_that_is_not_there_or_is_a_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputInvalid, match=r"items\.jsonl: no such file\. Write one JSON object a line"):
        load_data(tmp_path / "items.jsonl", TINY)
    with pytest.raises(InputInvalid, match="cannot be read"):
        load_data(tmp_path, TINY)


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        pytest.param([GOOD], ["items.jsonl: no item of repairs: nothing is said of these routes"], id="a silent route"),
        pytest.param(
            [*ALL, GOOD | {"id": "3"}, GOOD | {"id": "4", "text": "do you  sell kites?"}],
            [
                "items.jsonl: 2 texts stand there more than once, on lines 3 (as 1), 4 (as 1): they count each time",
            ],
            id="a text that stands there again with the same label",
        ),
    ],
)
def test_what_is_odd_and_yet_usable_is_a_warning(tmp_path: Path, rows: list[object], told: list[str]) -> None:
    data = load(tmp_path, jsonl(*rows))

    assert len(data.items) == len(rows)
    assert [warning.replace(str(tmp_path / "items.jsonl"), "items.jsonl") for warning in data.warnings] == told


def test_the_fingerprint_is_of_texts_and_labels_whatever_their_order(tmp_path: Path) -> None:
    one, turned = load(tmp_path, jsonl(*ALL)), load(tmp_path, jsonl(*ALL[::-1]))
    renamed = load(tmp_path, jsonl(*[row | {"id": f"x{row['id']}", "intent": "i"} for row in ALL]))
    other = load(tmp_path, jsonl(GOOD | {"label": "repairs"}, ALL[1]))

    assert one.fingerprint == turned.fingerprint == renamed.fingerprint != other.fingerprint
