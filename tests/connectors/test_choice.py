"""Which model answers and how examples are compared, by what the environment names and what is installed."""

from pathlib import Path

import pytest
from llm_server import Vectors, llm_server

from connectors.choice import open_examples
from connectors.examples import minilm
from connectors.examples.index import LabelledExamples
from connectors.ports import Labelled
from connectors.settings import Settings
from domain.errors import PolicyInvalid

THREE = [Labelled("my invoice", "billing"), Labelled("my login", "access"), Labelled("my password", "access")]
WORDS = LabelledExamples([], None, Path("nothing is kept")).name
NOBODY_THERE = "http://127.0.0.1:9/v1"


def settings(home: Path, **values: object) -> Settings:
    return Settings(_env_file=None, home=home, **values)


def test_with_embeddings_off_words_alone_are_compared(tmp_path: Path) -> None:
    assert open_examples(settings(tmp_path, embeddings="off"), THREE).name == WORDS


def test_without_an_endpoint_minilm_is_used_where_it_is_installed_and_else_words_alone(tmp_path: Path) -> None:
    name = open_examples(settings(tmp_path, embeddings_base_url="", embeddings="on"), THREE).name

    assert name.endswith(WORDS)
    assert name.startswith("minilm-int8/") == minilm.is_installed()


async def test_an_endpoint_that_is_named_goes_before_what_is_installed(tmp_path: Path) -> None:
    named = {"embeddings_base_url": NOBODY_THERE, "embeddings_model": "small"}
    examples = open_examples(settings(tmp_path, **named), THREE)

    assert examples.name == f"small@{NOBODY_THERE}+{WORDS}"
    await examples.aclose()


def test_an_endpoint_without_a_model_is_refused_with_the_mend(tmp_path: Path) -> None:
    with pytest.raises(PolicyInvalid, match="set INTERLOCK_EMBEDDINGS_MODEL too"):
        open_examples(settings(tmp_path, embeddings_base_url=NOBODY_THERE), THREE)


@pytest.mark.parametrize(("key", "sent"), [("sk-1", "Bearer sk-1"), ("", "Bearer none")])
async def test_an_endpoint_is_asked_with_the_key_and_its_vectors_are_kept_under_home(
    tmp_path: Path, key: str, sent: str
) -> None:
    with llm_server(lambda body: Vectors([[1.0, float(len(text))] for text in body["input"]])) as server:
        named = {"embeddings_base_url": server.base_url, "embeddings_model": "small", "embeddings_api_key": key}
        examples = open_examples(settings(tmp_path, **named), THREE)
        (consulted,) = await examples.consult(["my invoice"], 1)
        await examples.aclose()

    assert consulted.nearest[0].label == "billing"
    assert {headers["authorization"] for headers in server.headers} == {sent}
    assert len(list((tmp_path / "embeddings").glob("*.npy"))) == 1
