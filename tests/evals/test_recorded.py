"""A recorded run comes back as it was kept, or is refused."""

from pathlib import Path

import pytest
from builders import NOW, proposal

from domain.decision import RuleAction, RuleMatch
from domain.errors import InputInvalid
from domain.proposal import AskOutcome
from evals.items import Item
from evals.recorded import UNSCORED, Row, Run, load_run

PARTS = {"model": "small-model", "prompt": "p"}
RULE = RuleMatch(name="many_toys", action=RuleAction.ROUTE, route="sales", flags=("bulk",))


def row(number: int, text: str = "Do you sell kites?", outcome: AskOutcome = AskOutcome.ANSWERED) -> Row:
    said = proposal() if outcome is AskOutcome.ANSWERED else proposal(None, None, outcome=outcome)
    return Row(item=Item(id=str(number), text=text, label="sales"), proposal=said, rule=RULE if number else None)


def run(*rows: Row) -> Run:
    return Run(
        policy="tiny",
        reference="/somewhere/tiny.yaml",
        model=PARTS["model"],
        classifier="the classifier",
        parts=PARTS,
        data="the data",
        made_at=NOW,
        rows=rows,
    )


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param((), id="no rows"),
        pytest.param((row(0),), id="one row"),
        pytest.param(tuple(row(number) for number in range(20)), id="many rows"),
        pytest.param((row(0, "two\nlines, a \u2028 separator, \x85, \x0b, \x1c and \r\n"),), id="every line break"),
        pytest.param((row(0, '"quotes", \\ and {braces}, 你好 🙂'),), id="odd signs"),
    ],
)
def test_a_run_comes_back_as_it_was_kept(tmp_path: Path, rows: tuple[Row, ...]) -> None:
    path = tmp_path / "a new folder" / "run.jsonl"

    run(*rows).save(path)

    assert load_run(path) == run(*rows)
    assert len(path.read_text(encoding="utf-8").removesuffix("\n").split("\n")) == 1 + len(rows)


def test_an_outcome_of_the_endpoints_day_is_unscored_and_every_other_is_the_classifiers() -> None:
    rows = [row(number, outcome=outcome) for number, outcome in enumerate(AskOutcome)]

    assert {one.proposal.outcome for one in run(*rows).scored} == set(AskOutcome) - UNSCORED
    assert AskOutcome.NO_MODEL not in UNSCORED, "where no model is connected the examples are what is scored"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(lambda kept: "", id="empty"),
        pytest.param(lambda kept: kept[: len(kept) // 2], id="cut off in a row"),
        pytest.param(lambda kept: kept.split("\n", 1)[1], id="without its head"),
        pytest.param(lambda kept: kept.replace('"label":"sales"', '"label":7'), id="a row that is none"),
        pytest.param(lambda kept: kept.replace('"outcome":"answered"', '"outcome":"fine"'), id="an unknown outcome"),
    ],
)
def test_a_run_that_is_not_whole_is_refused_with_the_mend(tmp_path: Path, content) -> None:
    path = tmp_path / "run.jsonl"
    run(row(0), row(1)).save(path)
    path.write_text(content(path.read_text(encoding="utf-8")), encoding="utf-8")

    with pytest.raises(InputInvalid, match=r"run\.jsonl: not a whole run of 'evals run'\. Make it again\."):
        load_run(path)


def test_a_run_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    path.write_bytes(b"\xff\xfe")

    with pytest.raises(InputInvalid, match="not a whole run"):
        load_run(path)


def test_a_run_that_is_not_there_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(InputInvalid, match=r"no such run\. Make one with 'evals run POLICY --data FILE --out"):
        load_run(tmp_path / "run.jsonl")
