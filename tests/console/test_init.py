"""`interlock init`: a CSV of past decisions, or answers to questions, become a workflow that holds as it stands."""

import json
import re
from pathlib import Path

import pytest
import yaml
from databases import sqlite_database
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from console.doctor_prefect import check_plan, planned
from console.init_decisions import Decision, different, route_name, routes_of, split
from console.main import app
from domain.errors import InputInvalid
from evals.items import load_data
from evals.main import app as evals
from policies.load import load_workflow
from tasks.prepare import check_systems

ROWS = [
    *((f"my invoice number {number} is wrong", "Billing") for number in range(10)),
    *((f"I cannot log in since Monday, case {number}", "Log-in & access") for number in range(6)),
    *((f"win prize {number} now", "none_of_these") for number in range(3)),
]


def write_csv(folder: Path, rows: list[tuple[str, ...]], header: str = "message;decided;email") -> Path:
    path = folder / "past decisions.csv"
    lines = [header, *(";".join((*row, "ann@example.com")[: header.count(";") + 1]) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8-sig")
    return path


def made(folder: Path, *arguments: str, code: int = 0, answers: str | None = None) -> str:
    result = CliRunner().invoke(app, ["init", *arguments, "--into", str(folder)], input=answers)
    assert result.exit_code == code, result.output
    return re.sub(r"\s+", " ", result.output)


def from_csv(folder: Path, path: Path, *more: str, code: int = 0) -> str:
    given = ["--from", str(path), "--text", "message", "--label", "decided", "--yes", *more]
    return made(folder, "helpdesk", *given, code=code)


def test_a_csv_becomes_a_workflow_that_holds_and_is_evaluated_as_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = from_csv(tmp_path / "new", write_csv(tmp_path, ROWS))
    workflow = load_workflow(str(tmp_path / "new/helpdesk.yaml"))
    check_systems(workflow)
    assert list(workflow.policy.routes) == ["billing", "log_in_access"]
    assert workflow.policy.mode.value == "shadow"
    assert set(workflow.policy.input.fields) == {"message", "email"}
    checked = CliRunner().invoke(app, ["policy", "check", str(workflow.path)])
    assert checked.exit_code == 0, checked.output
    for name, value in {
        "INTERLOCK_HOME": str(tmp_path),
        "INTERLOCK_DATABASE_URL": sqlite_database(tmp_path / "store.db"),
        "INTERLOCK_LLM": "off",
        "INTERLOCK_EMBEDDINGS": "off",
    }.items():
        monkeypatch.setenv(name, value)
    data = tmp_path / "new/helpdesk.eval.jsonl"
    run = CliRunner().invoke(evals, ["run", str(workflow.path), "--data", str(data), "--without-model", "--json"])
    assert run.exit_code == 0, run.output
    assert len(re.findall("evals run|evals calibrate|prefect deploy", output)) == 3


def test_no_text_is_in_two_files_and_none_is_lost(tmp_path: Path) -> None:
    from_csv(tmp_path, write_csv(tmp_path, ROWS))
    files = [tmp_path / f"helpdesk.{part}.jsonl" for part in ("examples", "labelled", "eval")]
    texts = [{json.loads(line)["text"] for line in path.read_text().splitlines()} for path in files]
    assert sum(map(len, texts)) == len(set.union(*texts)) == len(ROWS)
    workflow = load_workflow(str(tmp_path / "helpdesk.yaml"))
    assert {item.label for item in load_data(files[2], workflow).items} == {"billing", "log_in_access", "none_of_these"}


def test_its_deployments_are_those_that_the_doctor_looks_for(tmp_path: Path) -> None:
    from_csv(tmp_path, write_csv(tmp_path, ROWS))
    entries = yaml.safe_load((tmp_path / "helpdesk.prefect.yaml").read_text())["deployments"]
    assert [entry["entrypoint"] for entry in entries] == [
        "flows.route.route",
        "flows.watch.watch",
        "flows.report.report",
        "flows.retain.retain",
        "flows.deliver.deliver",
        "flows.review.review",
    ]
    assert entries[0]["parameters"]["policy"] == str(tmp_path / "helpdesk.yaml")
    shipped = yaml.safe_load((Path(__file__).parents[2] / "prefect.yaml").read_text())["definitions"]
    assert [entry["work_pool"] for entry in entries] == [shipped["pool"]] * 6
    assert [entry.get("tags") for entry in entries] == [*[shipped["watched"]] * 5, None]
    keeping = tmp_path / "helpdesk.yaml"
    keeping.write_text(f"{keeping.read_text()}retention: {{ days: 90 }}\n")
    plan = tmp_path / "helpdesk.prefect.yaml"
    assert check_plan([load_workflow(str(keeping))], planned(plan), plan) == []


@pytest.mark.parametrize("end", ["yaml", "examples.jsonl", "labelled.jsonl", "eval.jsonl", "prefect.yaml"])
def test_what_is_there_is_not_overwritten_and_nothing_else_is_written(end: str, tmp_path: Path) -> None:
    folder = tmp_path / "new"
    folder.mkdir()
    (folder / f"helpdesk.{end}").write_text("mine")
    assert "is not overwritten" in from_csv(folder, write_csv(tmp_path, ROWS), code=2)
    assert [path.read_text() for path in folder.iterdir()] == ["mine"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        pytest.param("", "empty. The first line names the columns", id="empty"),
        pytest.param("mesage,decided\na,b\n", "Did you mean 'mesage'?", id="a column misspelt"),
        pytest.param("message,decided,decided\n", "two columns are called 'decided'", id="a column twice"),
        pytest.param("message,decided\na,b,c\n", "line 2: more cells than columns", id="a separator in a text"),
        pytest.param("message,decided\n,b\n", "line 2: the text is empty", id="an empty text"),
        pytest.param("message,decided\na,\n", "line 2: the label is empty", id="an empty label"),
        pytest.param('message,decided\n"a,b\n', "no CSV", id="a quote without end"),
        pytest.param("message,decided\na,x\nb,x\nc,x\n", "nothing to choose among", id="one label"),
        pytest.param("message,decided\na,x\nb,y\n", "too few: 'x' (1), 'y' (1)", id="too few of a label"),
        pytest.param("message,decided\na,x\na,y\n", "decided both as 'x' and as 'y'", id="a text with two labels"),
        pytest.param("message,decided\na,A B\nb,a-b\n", "would be one route 'a_b'", id="two labels of one name"),
        pytest.param("message,decided\na,日本\n", "no letter or digit", id="a label without a name"),
        pytest.param(f"message,decided\n{'x' * 20_001},b\n", "at most 20000", id="a text that is too long"),
    ],
)
def test_a_bad_csv_is_refused_with_its_fault_and_nothing_is_written(content: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(content, encoding="utf-8")
    assert told in from_csv(tmp_path / "new", path, code=2)
    assert not (tmp_path / "new").exists()


def test_a_file_that_is_not_there_or_not_utf_8_is_refused(tmp_path: Path) -> None:
    assert "no such file" in from_csv(tmp_path, tmp_path / "none.csv", code=2)
    (tmp_path / "latin.csv").write_bytes("message,decided\nGrüße,x\n".encode("latin-1"))
    assert "not UTF-8" in from_csv(tmp_path, tmp_path / "latin.csv", code=2)


def test_with_yes_and_no_csv_nobody_can_be_asked(tmp_path: Path) -> None:
    assert "give --from" in made(tmp_path, "x", "--yes", code=2)


def test_a_system_that_it_does_not_know_is_refused(tmp_path: Path) -> None:
    assert "begin with one of" in from_csv(tmp_path, write_csv(tmp_path, ROWS), "--system", "abacus", code=2)


@pytest.mark.parametrize("system", ["sandbox_help_desk", "sandbox_crm", "request_tracker", "zendesk"])
def test_every_system_that_it_offers_gives_a_workflow_that_holds(system: str, tmp_path: Path) -> None:
    from_csv(tmp_path, write_csv(tmp_path, ROWS), "--system", system)
    check_systems(load_workflow(str(tmp_path / "helpdesk.yaml")))


def test_without_a_csv_it_asks_for_routes_and_messages(tmp_path: Path) -> None:
    billing, access = ("invoices", "a1", "a2", "a3", ""), ("logins and passwords", "b1", "b2", "b3", "")
    answers = ["mails to the office", "billing, access", *billing, *access, "", ""]
    made(tmp_path, "office", answers="\n".join([*answers, ""]))
    routes = load_workflow(str(tmp_path / "office.yaml")).policy.routes
    assert {name: route.description for name, route in routes.items()} == {
        "billing": "messages about invoices",
        "access": "logins and passwords",
    }


DECISIONS = st.lists(st.tuples(st.text(min_size=1, max_size=4), st.sampled_from("abc")), min_size=9, max_size=60)


@given(DECISIONS)
def test_every_label_is_in_each_part_and_each_text_in_one(rows: list[tuple[str, str]]) -> None:
    decisions = list({text: Decision(text, label) for text, label in rows}.values())
    try:
        routes_of(decisions)
    except InputInvalid:
        return
    parts = split(decisions)
    each = [parts.examples, parts.labelled, parts.evaluated]
    assert all({one.label for one in part} == {one.label for one in decisions} for part in each)
    assert sorted(one.text for part in each for one in part) == sorted(one.text for one in decisions)
    assert split(decisions[::-1]) == parts


def test_a_text_that_comes_twice_counts_once() -> None:
    twice = [Decision("a", "x"), Decision("a", "x"), Decision("b", "x")]
    assert [one.text for one in different(twice)] == ["a", "b"]


@pytest.mark.parametrize(
    ("label", "name"), [("Sales (EU)", "sales_eu"), ("2nd line", "route_2nd_line"), ("none_of_these", "none_of_these")]
)
def test_a_label_becomes_a_name_that_policies_take(label: str, name: str) -> None:
    assert route_name(label) == name
