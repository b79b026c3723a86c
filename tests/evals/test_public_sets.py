"""Public sets become workflows: few examples of each intent, and items that none of them gives away."""

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from domain.errors import InputInvalid
from domain.proposal import NONE_OF_THESE
from evals.items import load_data
from evals.public_sets import HERE, PER_INTENT, SETS, prepare
from policies.load import load_policy, load_workflow

SPARE = 3
"""Rows of each intent beyond those that are drawn as examples."""


def routes(name: str) -> list[str]:
    return list(load_policy(HERE / f"{name}.yaml").routes)


def rows(name: str, part: str, each: int) -> list[dict[str, Any]]:
    """`each` rows of two intents for every route of a policy."""
    return [
        {"id": f"{part}-{route}-{half}-{number}", "text": f"{part} {route} {half} {number}"}
        | {"intent": f"{route}_{half}", "label": route}
        for route in routes(name)
        for half in ("early", "late")
        for number in range(each)
    ]


def outside(part: str, count: int) -> list[dict[str, Any]]:
    return [
        {"id": f"{part}-oos-{number}", "text": f"{part} oos {number}", "intent": "oos", "label": NONE_OF_THESE}
        for number in range(count)
    ]


def write(path: Path, lines: Iterable[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


@pytest.fixture
def public(tmp_path: Path) -> Path:
    """Made-up files in the public sets' layout."""
    folder = tmp_path / "public"
    write(folder / "banking77/train.jsonl", rows("banking_teams", "train", PER_INTENT + SPARE))
    write(folder / "banking77/test.jsonl", rows("banking_teams", "test", 2))
    write(folder / "clinc150/train.jsonl", rows("clinc_domains", "train", PER_INTENT + SPARE))
    write(folder / "clinc150/test.jsonl", rows("clinc_domains", "test", 2))
    write(folder / "clinc150/oos_train.jsonl", outside("train", PER_INTENT + SPARE))
    write(folder / "clinc150/oos_test.jsonl", outside("test", 5))
    return folder


@pytest.mark.parametrize("name", SETS)
def test_each_set_becomes_a_workflow_and_items_that_every_command_reads(
    public: Path, tmp_path: Path, name: str
) -> None:
    prepared = prepare(name, public, tmp_path / "out" / "deeper")

    workflow = load_workflow(str(prepared.policy))
    data = load_data(prepared.items, workflow)

    assert (workflow.policy.name, workflow.calibration) == (name, None)
    assert {item.label for item in data.items} == set(workflow.policy.routes) | (
        {NONE_OF_THESE} if name == "clinc_domains" else set()
    )
    assert data.warnings == ()


@pytest.mark.parametrize("name", SETS)
def test_ten_examples_of_each_intent_are_drawn_from_the_training_part(public: Path, tmp_path: Path, name: str) -> None:
    prepare(name, public, tmp_path / "out")

    examples = read(tmp_path / "out" / f"{name}.examples.jsonl")

    assert set(Counter(row["intent"] for row in examples).values()) == {PER_INTENT} == {10}
    assert len({row["intent"] for row in examples}) == 2 * len(routes(name)) + (name == "clinc_domains")
    assert all(row["id"].startswith("train-") for row in examples)


@pytest.mark.parametrize("name", SETS)
def test_the_same_examples_are_drawn_every_time(public: Path, tmp_path: Path, name: str) -> None:
    drawn = [read(prepare(name, public, tmp_path / out).policy.with_suffix(".examples.jsonl")) for out in ("a", "b")]

    assert drawn[0] == drawn[1]


def test_no_item_is_an_example_whatever_its_case_and_spaces(public: Path, tmp_path: Path) -> None:
    leaks = [
        {**row, "id": f"test-leak-{number}", "text": f"  {row['text'].upper().replace(' ', '  ')} "}
        for number, row in enumerate(rows("banking_teams", "train", PER_INTENT + SPARE))
    ]
    honest = rows("banking_teams", "test", 2)
    write(public / "banking77/test.jsonl", [*leaks, *honest])

    prepared = prepare("banking_teams", public, tmp_path / "out")

    kept = [item.id for item in load_data(prepared.items, load_workflow(str(prepared.policy))).items]
    undrawn = len(leaks) * SPARE // (PER_INTENT + SPARE)
    assert sum(one.startswith("test-leak-") for one in kept) == undrawn
    assert [one for one in kept if not one.startswith("test-leak-")] == [row["id"] for row in honest]


@pytest.mark.parametrize("part", ["train", "test"])
def test_a_text_that_stands_twice_is_taken_once_as_it_stood_first(public: Path, tmp_path: Path, part: str) -> None:
    honest = rows("banking_teams", part, PER_INTENT if part == "train" else 2)
    doubles = [{**row, "id": f"double-{row['id']}", "text": row["text"].title()} for row in honest]
    write(public / f"banking77/{part}.jsonl", [*honest, *doubles])

    prepare("banking_teams", public, tmp_path / "out")

    written = "examples" if part == "train" else "items"
    ids = {row["id"] for row in read(tmp_path / "out" / f"banking_teams.{written}.jsonl")}
    assert ids == {row["id"] for row in honest}


def test_items_say_whether_any_route_fits_so_that_results_can_be_sliced_by_it(public: Path, tmp_path: Path) -> None:
    prepared = prepare("clinc_domains", public, tmp_path / "out")

    items = load_data(prepared.items, load_workflow(str(prepared.policy))).items

    assert Counter((item.label == NONE_OF_THESE, item.fields["scope"]) for item in items) == {
        (False, "in_scope"): len(routes("clinc_domains")) * 4,
        (True, "out_of_scope"): 5,
    }


def test_texts_stay_as_they_are_written(public: Path, tmp_path: Path) -> None:
    text = 'Où est\u00a0ma "carte"?\u2028\nMerci'
    write(public / "banking77/test.jsonl", [{"id": "1", "text": text, "intent": "arrival", "label": "cards"}])

    prepared = prepare("banking_teams", public, tmp_path / "out")

    assert [row.text for row in load_data(prepared.items, load_workflow(str(prepared.policy))).items] == [text]


@pytest.mark.parametrize(
    ("name", "lacking"), [(one.name, file) for one in SETS.values() for file in (*one.train, *one.test)]
)
def test_a_file_that_is_not_there_is_told_with_the_variable_that_names_the_folder(
    public: Path, tmp_path: Path, name: str, lacking: str
) -> None:
    (public / lacking).unlink()

    with pytest.raises(InputInvalid, match=f"{lacking}: the public data are not here. Set INTERLOCK_PUBLIC_DATA"):
        prepare(name, public, tmp_path / "out")
