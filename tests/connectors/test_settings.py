"""What the environment variables mean."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from connectors.settings import Settings


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"INTERLOCK_{name.upper()}", raising=False)


def test_without_any_variable_the_database_is_a_file_under_home() -> None:
    settings = Settings()

    assert settings.home == Path.home() / ".interlock"
    assert settings.store_url == f"sqlite:///{Path.home()}/.interlock/interlock.db"
    assert (settings.llm, settings.llm_base_url, settings.llm_model) == ("on", "", "")
    assert settings.llm_api_key.get_secret_value() == ""
    assert (settings.embeddings, settings.embeddings_base_url, settings.embeddings_model) == ("on", "", "")
    assert settings.embeddings_api_key.get_secret_value() == ""


def test_variables_are_read_when_the_settings_are_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = Settings()
    monkeypatch.setenv("INTERLOCK_HOME", str(tmp_path))
    monkeypatch.setenv("INTERLOCK_LLM_MODEL", "some")
    monkeypatch.setenv("INTERLOCK_LLM_THREADS", "3")

    after = Settings()

    assert before.home != after.home == tmp_path
    assert after.store_url == f"sqlite:///{tmp_path}/interlock.db"
    assert (after.llm_model, after.llm_threads) == ("some", 3)


def test_a_named_database_goes_before_the_file_under_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERLOCK_DATABASE_URL", "postgresql://db.example/interlock")

    assert Settings().store_url == "postgresql://db.example/interlock"


@pytest.mark.parametrize(
    ("name", "value"),
    [("LLM", "maybe"), ("LLM", "OFF "), ("LLM_THREADS", "0"), ("LLM_THREADS", "many"), ("EMBEDDINGS", "minilm")],
)
def test_what_makes_no_sense_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"INTERLOCK_{name}", value)

    with pytest.raises(ValidationError):
        Settings()


def test_other_variables_of_ours_do_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERLOCK_TEST_POSTGRES", "postgresql://db.example/test")

    assert Settings().database_url == ""


def test_secrets_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERLOCK_LLM_API_KEY", "sk-never-to-be-seen")
    monkeypatch.setenv("INTERLOCK_EMBEDDINGS_API_KEY", "sk-never-to-be-seen")
    monkeypatch.setenv("INTERLOCK_DATABASE_URL", "postgresql://me:never-to-be-seen@db.example/interlock")

    assert "never-to-be-seen" not in f"{Settings()} {Settings()!r}"
