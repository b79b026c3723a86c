"""People's answers become labelled items, each once."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from builders import workflow

from domain.audit import Answered
from domain.decision import Reason
from domain.errors import InputInvalid
from domain.proposal import NONE_OF_THESE
from evals.harvest import harvest, write_cases
from evals.items import Item, load_data

NIGHT = datetime(2026, 3, 1, 23, 59, tzinfo=UTC)


def answered(
    item_id: str, answer: str = "sales", why: Reason = Reason.BELOW_THRESHOLD, minutes: float = 0, **changes: object
) -> Answered:
    values = {"text": f"words of {item_id}", "proposed": "sales", "reviewer": "Ada"}
    given = {"item_id": item_id, "answer": answer, "why": why, "at": NIGHT + timedelta(minutes=minutes)}
    return Answered.model_validate(values | given | changes)


@pytest.mark.parametrize(
    ("row", "how"),
    [
        (answered("1", "sales", Reason.AUDIT), "audit"),
        (answered("1", "repairs", Reason.AUDIT), "audit"),
        (answered("1", NONE_OF_THESE, Reason.AUDIT), "audit"),
        (answered("1", "sales"), "approval"),
        (answered("1", "repairs"), "override"),
        (answered("1", NONE_OF_THESE), "dismissal"),
        (answered("1", NONE_OF_THESE, proposed=NONE_OF_THESE), "dismissal"),
        (answered("1", "sales", proposed=None), "override"),
    ],
)
def test_each_answer_says_how_it_came_about(row: Answered, how: str) -> None:
    (item,) = harvest([row])

    assert (item.label, item.fields["how"]) == (row.answer, how)


def test_cases_carry_text_answer_proposal_and_date_the_oldest_first() -> None:
    later = answered("b", "repairs", minutes=2, proposed=None)

    assert harvest([later, answered("a")]) == [
        Item(
            id="a",
            text="words of a",
            label="sales",
            fields={"how": "approval", "proposed": "sales", "at": "2026-03-01"},
        ),
        Item(
            id="b",
            text="words of b",
            label="repairs",
            fields={"how": "override", "proposed": "", "at": "2026-03-02"},
        ),
    ]


def test_only_what_is_not_in_the_file_yet_is_appended(tmp_path: Path) -> None:
    path = tmp_path / "cases" / "tiny.jsonl"
    first, second = harvest([answered("a"), answered("b")]), harvest([answered("a", "repairs"), answered("c")])

    assert [write_cases(first, path), write_cases(second, path), write_cases(second, path)] == [(2, 0), (1, 1), (0, 2)]
    assert [Item.model_validate_json(line).id for line in path.read_text(encoding="utf-8").splitlines()] == [
        "a",
        "b",
        "c",
    ]


def test_the_same_item_twice_in_one_harvest_is_written_once(tmp_path: Path) -> None:
    assert write_cases(harvest([answered("a"), answered("a", minutes=1)]), tmp_path / "c.jsonl") == (1, 1)


def test_nothing_harvested_makes_no_file(tmp_path: Path) -> None:
    assert write_cases([], tmp_path / "c.jsonl") == (0, 0)
    assert not (tmp_path / "c.jsonl").exists()


def test_a_file_that_does_not_end_its_last_line_is_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    path.write_text('{"id": "old", "text": "x", "label": "sales"}', encoding="utf-8")

    assert write_cases(harvest([answered("a")]), path) == (1, 0)
    assert [item.id for item in load_data(path, workflow()).items] == ["old", "a"]


def test_what_is_written_can_be_calibrated_on_whatever_the_text_holds(tmp_path: Path) -> None:
    text = 'Grüße,\n"zwei"\u2028Zeilen'
    write_cases(harvest([answered("a", text=text)]), tmp_path / "c.jsonl")

    assert load_data(tmp_path / "c.jsonl", workflow()).items[0].text == text


@pytest.mark.parametrize(
    ("content", "told"), [(b'{"id": "a"}\n', "c.jsonl:1: not an item"), (b"\xff\xfe", "cannot be read")]
)
def test_a_file_that_holds_something_else_is_left_alone(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "c.jsonl"
    path.write_bytes(content)

    with pytest.raises(InputInvalid, match=told):
        write_cases(harvest([answered("b")]), path)

    assert path.read_bytes() == content
