"""Commands cost what they need: those that only look start without what asks models."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from console.main import Interlock, app

ASKING = ("openai", "instructor", "pydantic_ai")


@pytest.mark.parametrize("name", Interlock.places)
def test_every_command_is_there_and_says_what_it_does(name: str) -> None:
    told = CliRunner().invoke(app, [name, "--help"], env={"COLUMNS": "200"})
    assert told.exit_code == 0
    assert f"interlock {name}" in told.stdout or f"{name} [OPTIONS]" in told.stdout


def test_the_help_names_every_command() -> None:
    told = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"})
    assert all(name in told.stdout for name in Interlock.places)


def test_a_command_that_is_not_there_is_refused_by_name() -> None:
    told = CliRunner().invoke(app, ["nonsense"])
    assert told.exit_code == 2
    assert "No such command 'nonsense'" in told.output


def test_what_asks_models_is_not_imported_by_commands_that_ask_none() -> None:
    looked = "import sys, console.ledger, console.reviews, console.outbox, console.sync, console.serve; "
    told = f"print(*[name for name in {ASKING} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", looked + told], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == ""
