"""Secrets that are kept in Prefect's blocks: resolved where they are used, and shown nowhere."""

import io
import logging

import pytest
from prefect.blocks.system import Secret
from prefect.settings import PREFECT_API_URL, temporary_settings

from connectors.settings import Settings
from console.local_prefect import free_port
from domain.errors import PolicyInvalid, Unavailable
from tasks.prefect_secrets import resolved, resolved_now
from tasks.resources import Resources, opened

KEY = "pat-eu1-" + "never-to-be-seen"
KEPT = {"INTERLOCK_HUBSPOT_TOKEN": "prefect-secret:hubspot", "PATH": "/bin"}


@pytest.fixture
async def kept(prefect: str) -> None:
    await Secret(value=KEY).asave("hubspot", overwrite=True)


async def test_a_value_that_names_a_block_becomes_the_secret_and_every_other_stays(kept: None) -> None:
    assert await resolved(KEPT) == {"INTERLOCK_HUBSPOT_TOKEN": KEY, "PATH": "/bin"}


@pytest.mark.parametrize("text", ["0123456789", "12345", "true", '{"not": "read"}'])
async def test_a_secret_that_looks_like_something_else_is_the_text_that_it_is(prefect: str, text: str) -> None:
    await Secret(value=text).asave("odd", overwrite=True)

    assert await resolved({"INTERLOCK_X": "prefect-secret:odd"}) == {"INTERLOCK_X": text}


def test_where_nothing_names_a_block_nobody_is_asked() -> None:
    with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{free_port()}/api"}):
        assert resolved_now({"PATH": "/bin"}) == {"PATH": "/bin"}


async def test_connectors_and_settings_get_the_secret_and_nothing_shows_it(
    kept: None, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    monkeypatch.setenv("INTERLOCK_DATABASE_URL", f"sqlite:///{tmp_path / 'store.db'}")
    monkeypatch.setenv("INTERLOCK_HUBSPOT_TOKEN", "prefect-secret:hubspot")
    monkeypatch.setenv("INTERLOCK_LLM_API_KEY", "prefect-secret:hubspot")
    with caplog.at_level(logging.DEBUG):
        settings = Settings.of(await resolved({"INTERLOCK_LLM_API_KEY": "prefect-secret:hubspot"}))
        async with opened() as here:
            hubspot = here.destination("hubspot")

    assert settings.llm_api_key.get_secret_value() == KEY
    assert hubspot._api._secret == KEY
    assert KEY not in f"{caplog.text} {settings!r} {hubspot!r} {here!r}"


async def test_logs_of_a_flow_do_not_tell_a_secret_that_came_out_of_a_block(
    kept: None, monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    monkeypatch.setenv("INTERLOCK_DATABASE_URL", f"sqlite:///{tmp_path / 'store.db'}")
    monkeypatch.setenv("INTERLOCK_HUBSPOT_TOKEN", "prefect-secret:hubspot")
    stream, logger = io.StringIO(), logging.getLogger("of-a-flow")
    logger.addHandler(handler := logging.StreamHandler(stream))
    async with opened():
        logger.error("refused: Bearer %s", KEY)
    logger.removeHandler(handler)

    assert stream.getvalue() == "refused: Bearer [secret]\n"


async def test_a_block_that_is_not_there_is_named_with_its_variable(prefect: str) -> None:
    with pytest.raises(PolicyInvalid, match=r"INTERLOCK_X names the Prefect block 'nowhere'.*Make a block of type Sec"):
        await resolved({"INTERLOCK_X": "prefect-secret:nowhere"})


@pytest.mark.parametrize("name", ["", "Hub Spot", "secret/hubspot", "a_b"])
async def test_what_is_no_name_of_a_block_is_refused(name: str) -> None:
    with pytest.raises(PolicyInvalid, match=r"INTERLOCK_X names .* no block's name"):
        await resolved({"INTERLOCK_X": f"prefect-secret:{name}"})


async def test_a_block_that_holds_no_text_is_refused_without_what_it_holds(prefect: str) -> None:
    await Secret(value={"key": KEY}).asave("no-text", overwrite=True)

    with pytest.raises(PolicyInvalid, match="'no-text', which holds no text") as refused:
        await resolved({"INTERLOCK_X": "prefect-secret:no-text"})

    assert KEY not in f"{refused.value!r} {refused.value.__cause__!r} {refused.value.__context__!r}"


def test_without_a_prefect_to_ask_the_variable_to_set_is_named() -> None:
    with temporary_settings({PREFECT_API_URL: None}), pytest.raises(PolicyInvalid, match="set PREFECT_API_URL"):
        resolved_now(KEPT)


async def test_a_prefect_that_does_not_answer_is_unavailable() -> None:
    away = {PREFECT_API_URL: f"http://127.0.0.1:{free_port()}/api"}
    with temporary_settings(away), pytest.raises(Unavailable, match=r"INTERLOCK_HUBSPOT_TOKEN .* does not answer"):
        await resolved(KEPT)


async def test_resources_are_made_of_the_environment_that_they_are_given(tmp_path) -> None:
    url = f"sqlite:///{tmp_path / 'given.db'}"

    await Resources.from_environment({"INTERLOCK_DATABASE_URL": url}).aclose()

    assert (tmp_path / "given.db").is_file()
