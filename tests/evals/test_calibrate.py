"""`evals calibrate`: from labelled items to a record beside the policy, or a refusal."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from llm_server import Label, LlmServer, last_message, llm_server
from tiny import write_tiny
from typer.testing import CliRunner

from evals.main import TOO_LITTLE_DATA, app
from policies.load import load_workflow

RUN = CliRunner()


def knows_invoices(body: dict) -> Label:
    """A model that tells billing by the word, and is right but for one kind of message."""
    return Label("billing" if "invoice" in last_message(body) else "access", 0.97)


@pytest.fixture
def server() -> Iterator[LlmServer]:
    with llm_server(knows_invoices) as running:
        yield running


@pytest.fixture
def policy(tmp_path: Path, server: LlmServer, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("INTERLOCK_DATABASE_URL", f"sqlite:///{tmp_path / 'evals.db'}")
    monkeypatch.setenv("INTERLOCK_LLM_BASE_URL", server.base_url)
    monkeypatch.setenv("INTERLOCK_LLM_MODEL", "test-model")
    return write_tiny(tmp_path, target={"misroute": 0.1, "confidence": 0.9})


def items(tmp_path: Path, count: int, wrong: int = 0) -> Path:
    """`count` labelled messages about invoices and logins, the last `wrong` of them labelled otherwise."""
    texts = [
        (f"my invoice {number} is wrong", "billing") if number % 2 else (f"cannot log in, password {number}", "access")
        for number in range(count)
    ]
    flipped = [(text, "access" if label == "billing" else "billing") for text, label in texts[count - wrong :]]
    lines = [
        json.dumps({"id": f"item-{number}", "text": text, "label": label})
        for number, (text, label) in enumerate([*texts[: count - wrong], *flipped])
    ]
    path = tmp_path / "items.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_enough_right_answers_prove_a_threshold_that_the_next_run_trusts(policy, tmp_path):
    done = RUN.invoke(app, ["calibrate", policy, "--data", str(items(tmp_path, 60)), "--json"])
    assert done.exit_code == 0, done.output
    record = json.loads(done.stdout)
    assert (record["n"], record["errors"], record["model"]) == (60, 0, "test-model")
    threshold = load_workflow(policy).terms.threshold
    assert threshold is not None
    assert (threshold.value, threshold.classifier) == (record["threshold"], record["classifier"])


def test_the_evidence_is_told_in_words(policy, tmp_path):
    done = RUN.invoke(app, ["calibrate", policy, "--data", str(items(tmp_path, 60))])
    assert "At most 10% of that goes wrong, with 90% confidence." in done.output
    assert "60 acted alone" in done.output


def test_items_that_were_asked_before_cost_no_call(policy, tmp_path, server):
    data = items(tmp_path, 30)
    for _ in range(2):
        RUN.invoke(app, ["calibrate", policy, "--data", str(data)])
    assert len(server.requests) == 30


@pytest.mark.parametrize(
    ("count", "wrong", "told"),
    [
        pytest.param(12, 0, "let 12 items act alone, 0 of them wrong; without an error 22 would do", id="too few"),
        pytest.param(60, 30, "No threshold is proven", id="too many wrong"),
    ],
)
def test_too_little_evidence_is_refused_and_the_old_record_stays(policy, tmp_path, count, wrong, told):
    before = load_workflow(policy).calibration
    done = RUN.invoke(app, ["calibrate", policy, "--data", str(items(tmp_path, count, wrong))])
    assert done.exit_code == TOO_LITTLE_DATA
    assert told in " ".join(done.output.split())
    assert load_workflow(policy).calibration == before


@pytest.mark.parametrize(
    ("line", "told"),
    [
        pytest.param('{"id": "a", "text": "hello", "label": "nowhere"}', "label 'nowhere' is unknown", id="label"),
        pytest.param('{"id": "a", "text": "my invoice is wrong", "label": "billing"}', "among the policy's", id="leak"),
        pytest.param("{", "items.jsonl:1", id="broken line"),
    ],
)
def test_data_that_prove_nothing_are_refused_by_name(policy, tmp_path, line, told):
    path = tmp_path / "items.jsonl"
    path.write_text(line, encoding="utf-8")
    done = RUN.invoke(app, ["calibrate", policy, "--data", str(path)])
    assert done.exit_code == 2
    assert told in done.output


def test_without_a_model_there_is_nothing_to_calibrate(policy, tmp_path, monkeypatch):
    monkeypatch.setenv("INTERLOCK_LLM", "off")
    done = RUN.invoke(app, ["calibrate", policy, "--data", str(items(tmp_path, 5))])
    assert (done.exit_code, "there is no model to calibrate" in done.output) == (2, True)


def test_an_endpoint_that_refuses_proves_nothing(tmp_path, policy, monkeypatch):
    monkeypatch.setenv("INTERLOCK_LLM_BASE_URL", "http://127.0.0.1:9/v1")
    done = RUN.invoke(app, ["calibrate", policy, "--data", str(items(tmp_path, 30))])
    assert done.exit_code == TOO_LITTLE_DATA
