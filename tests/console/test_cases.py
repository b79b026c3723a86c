"""`interlock cases`: where cases stand, and how they came there."""

from pathlib import Path

import pytest
from builders import NOW
from typer.testing import CliRunner

from connectors.store.engine import Store
from console.main import app
from domain.case import Case, moved


@pytest.fixture
def cases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two cases of one policy, and one of another with the same key."""
    monkeypatch.setenv("INTERLOCK_DATABASE_URL", f"sqlite:///{tmp_path / 'interlock.db'}")
    store = Store(f"sqlite:///{tmp_path / 'interlock.db'}")
    with store.transaction() as tx:
        for policy, key, due_at in (("orders", "O-1", NOW), ("orders", "O-2", None), ("returns", "O-2", None)):
            before = Case(key=key, policy=policy, state="new")
            after = moved(before, "order_placed", {}, None, None).model_copy(
                update={"due_at": due_at, "values": {"note": "[bold]hi[/]"}}
            )
            assert tx.cases.move("it-1", before, after, "order_placed", None, "Ada", NOW)
    store.close()


def told(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["cases", *arguments])
    assert result.exit_code == code, result.output
    return result.output


def test_the_list_begins_with_the_next_deadline(cases: None) -> None:
    rows = [line.split() for line in told("list", "--policy", "orders").splitlines()]
    assert [row[:4] for row in rows[1:]] == [["O-1", "orders", "new", "1"], ["O-2", "orders", "new", "1"]]
    assert rows[1][4] == "2026-03-02"
    assert "No cases." in told("list", "--state", "gone")


def test_a_case_is_shown_with_what_was_said_and_what_happened(cases: None) -> None:
    shown = told("show", "O-1")
    assert "O-1 (orders) is new, version 1, due by 2026-03-02 09:30 UTC" in shown
    assert "note: [bold]hi[/]" in shown
    assert "Case O-1 stays new after order placed: nothing done, by Ada." in shown


def test_a_key_that_two_policies_have_asks_which(cases: None) -> None:
    assert "2 cases are called 'O-2'" in told("show", "O-2", code=2)
    assert "O-2 (returns)" in told("show", "O-2", "--policy", "returns")
    assert "No cases are called 'O-3'" in told("show", "O-3", code=2)
