"""What `evals extract` measures, and what the shipped texts hold."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from domain.errors import InputInvalid
from domain.extraction import By, Extraction, Found, Ground
from evals.extraction import Labelled, load_labelled, measure
from evals.main import app
from policies.load import load_policy

DATA = Path(__file__).parents[2] / "evals" / "data"
POLICY = load_policy(DATA / "extraction.yaml")


def found(value: str, confidence: float = 0.97, by: By = By.PATTERN) -> Found:
    return Found(value=value, start=0, end=1, by=by, ground=Ground.PLACED, confidence=confidence)


def test_written_right_unsure_and_wrong_are_counted_by_field() -> None:
    items = [
        Labelled(id="right", text="x", truth={"name": ("Ann Lee", "Ann M. Lee")}),
        Labelled(id="wrong", text="x", truth={"name": "Bo Chu"}),
        Labelled(id="invented", text="x"),
        Labelled(id="unsure", text="x", truth={"name": "Di Fox"}),
        Labelled(id="by form", text="x", fields={"name": "Eve Gray"}),
    ]
    names = [
        found("ann lee"),
        found("Bob Chu"),
        found("Cy Day", by=By.MODEL),
        found("Di Fox", 0.5),
        found("Z", 1, By.FORM),
    ]
    runs = [Extraction(key=item.id, found={"name": one}) for item, one in zip(items, names, strict=True)]
    measures = measure(POLICY, "none", items, runs)
    one = measures.per_field["name"]
    assert (one.told, one.written, one.by_model, one.right, one.unsure) == (3, 3, 1, 1, 1)
    assert (one.precision.value, one.recall.value) == (pytest.approx(1 / 3), pytest.approx(1 / 3))
    assert one.precision.low < 1 / 3 < one.precision.high
    assert [(wrong.id, wrong.value, wrong.right) for wrong in measures.mistakes] == [
        ("wrong", "Bob Chu", ("Bo Chu",)),
        ("invented", "Cy Day", ()),
    ]


def test_on_the_shipped_texts_what_patterns_write_is_right_field_by_field(tmp_path: Path) -> None:
    done = CliRunner().invoke(
        app,
        [
            "extract",
            str(DATA / "extraction.yaml"),
            "--data",
            str(DATA / "extraction.jsonl"),
            "--without-model",
            "--json",
        ],
        env={"INTERLOCK_HOME": str(tmp_path)},
    )
    assert done.exit_code == 0, done.output
    measures = json.loads(done.stdout)
    assert measures["n"] >= 150
    for name, one in measures["per_field"].items():
        assert one["precision"]["value"] >= 0.97, name
    assert measures["coverage"]["value"] >= 0.7


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        pytest.param("no JSON", ":1: Invalid JSON", id="no JSON"),
        pytest.param(
            '{"id": "1", "text": "x", "truth": {"colour": "red"}}', "'colour' is not extracted", id="no field"
        ),
        pytest.param(
            '{"id": "1", "text": "x"}\n{"id": "1", "text": "y"}', ":2: id '1' stands there already", id="twice"
        ),
        pytest.param("", "no items", id="nothing"),
    ],
)
def test_a_file_that_cannot_be_used_names_its_lines(tmp_path: Path, line: str, fault: str) -> None:
    path = tmp_path / "mails.jsonl"
    path.write_text(line, encoding="utf-8")
    with pytest.raises(InputInvalid, match=fault):
        load_labelled(path, POLICY)
