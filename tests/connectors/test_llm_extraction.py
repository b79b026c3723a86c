"""What a model's endpoint answers about fields, and what becomes of it."""

import json
from collections.abc import Mapping
from math import log

import pytest
from llm_server import Status, Text, cut_off, last_message, llm_server

from connectors.llm.openai_compatible import OpenAICompatible
from connectors.ports import FieldsAnswer, Message
from domain.errors import AnswerCutOff, AnswerNonsense, Throttled
from domain.extraction import Quoted

MESSAGES = [Message("system", "copy the fields"), Message("user", "I work at Nordwind.")]
FIELDS = ("company", "phone")
GOOD = {"company": {"quote": "work at Nordwind", "value": "Nordwind"}, "phone": None}


def nothing_wrong(_said: Mapping[str, Quoted]) -> dict[str, str]:
    return {}


def no_hackers(said: Mapping[str, Quoted]) -> dict[str, str]:
    return {name: "not in the message" for name, one in said.items() if one.value == "Hacked"}


async def ask(server, faults=nothing_wrong, reasks: int = 0) -> FieldsAnswer:
    model = OpenAICompatible(server.base_url, "scripted", "a key")
    try:
        return await model.extract(MESSAGES, FIELDS, faults, reasks=reasks, timeout_s=20)
    finally:
        await model.aclose()


def answer(**company: str) -> Text:
    return Text(json.dumps({"company": {"quote": "work at Nordwind", **company}, "phone": None}))


async def test_a_field_comes_with_its_quote_and_null_is_no_field() -> None:
    with llm_server(Text(json.dumps(GOOD))) as server:
        found = await ask(server)
    assert found.fields == {"company": Quoted(value="Nordwind", quote="work at Nordwind")}
    assert (found.calls, found.tokens.prompt) == (1, 100)


async def test_a_values_probability_is_the_product_of_its_tokens() -> None:
    pieces = ['{"company": {"quote": "work at Nordwind", "value": "', "Nord", 'wind"', "}}"]
    probabilities = [1.0, 0.9, 0.5, 1.0]
    tokens = [(piece, {piece: log(share)}) for piece, share in zip(pieces, probabilities, strict=True)]
    with llm_server(Text("".join(pieces), tokens)) as server:
        found = await ask(server)
    assert found.fields["company"].confidence == pytest.approx(0.45)


async def test_a_faulty_answer_is_objected_to_once_and_the_next_is_taken() -> None:
    with llm_server(answer(value="Hacked"), Text(json.dumps(GOOD))) as server:
        found = await ask(server, no_hackers, reasks=1)
    assert found.fields["company"].value == "Nordwind"
    assert "company: not in the message" in last_message(server.requests[1])
    assert (found.calls, len(server.requests)) == (2, 2)


@pytest.mark.parametrize("reasks", [0, 1, 2])
async def test_asking_again_is_bounded_and_the_last_answer_is_given_faults_and_all(reasks: int) -> None:
    with llm_server(answer(value="Hacked")) as server:
        found = await ask(server, no_hackers, reasks=reasks)
    assert (found.fields["company"].value, len(server.requests)) == ("Hacked", reasks + 1)


async def test_an_answer_that_follows_an_objection_unreadably_leaves_the_one_before() -> None:
    with llm_server(answer(value="Hacked"), Text("I would rather not say")) as server:
        found = await ask(server, no_hackers, reasks=1)
    assert found.fields["company"].value == "Hacked"


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        pytest.param(Text("no JSON"), AnswerNonsense, id="no JSON"),
        pytest.param(Text('{"company": "Nordwind"}'), AnswerNonsense, id="no quote"),
        pytest.param(cut_off('{"company": {"quo'), AnswerCutOff, id="cut off"),
        pytest.param(Status(429, {"Retry-After": "2"}), Throttled, id="throttled"),
    ],
)
async def test_an_answer_that_cannot_be_used_is_an_error_by_name(reply: Text | Status, error: type[Exception]) -> None:
    with llm_server(reply) as server, pytest.raises(error):
        await ask(server)
