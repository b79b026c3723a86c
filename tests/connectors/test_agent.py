"""The agent that chooses an action: what it is asked, what it may look up, and how each failure is told."""

from collections.abc import Sequence
from typing import Any

import pytest
from llm_server import Call, Drop, Hang, Reply, Status, Text, label_tokens, llm_server

from connectors.llm.agent import Bounds, Chosen, Look, choose, open_agent
from connectors.settings import Settings
from domain.errors import (
    AnswerCutOff,
    AnswerNonsense,
    BadRequest,
    InterlockError,
    PolicyInvalid,
    Throttled,
    TimedOut,
    Unavailable,
)

ANSWER = Text(
    '{"label": "refund", "parameters": [{"name": "amount", "value": "40.00 EUR"}]}',
    label_tokens("refund", 0.8, ["refund", "wait"]),
)


async def order() -> dict[str, str]:
    return {"order.total": "40.00 EUR"}


async def asked(*replies: Reply, timeout_s: float = 20) -> tuple[Chosen, list[dict[str, Any]]]:
    bounds = Bounds(requests=3, look_ups=2, timeout_s=timeout_s)
    with llm_server(*replies) as server:
        agent = open_agent(Settings(llm_base_url=server.base_url, llm_model="scripted", llm_api_key="k"))
        assert agent is not None
        labels: Sequence[str] = ["refund", "wait"]
        look = Look("order", "the order as it stands", order)
        try:
            return await choose(agent.model, "decide", "an event", labels, [look], bounds), server.requests
        finally:
            await agent.aclose()


async def test_it_looks_up_and_answers_with_a_label_parameters_and_what_it_found() -> None:
    chosen, requests = await asked(Call("look_up_order"), ANSWER)
    assert (chosen.label, chosen.parameters, chosen.found) == (
        "refund",
        {"amount": "40.00 EUR"},
        {"order.total": "40.00 EUR"},
    )
    assert {label: round(share, 2) for label, share in chosen.scores.items()} == {"refund": 0.8, "wait": 0.2}
    assert (chosen.calls, chosen.tokens.prompt) == (2, 200)
    assert requests[0]["tools"][0]["function"]["parameters"]["properties"] == {}


async def test_an_endpoint_without_log_probabilities_tells_no_scores() -> None:
    chosen, _ = await asked(Text('{"label": "wait", "parameters": []}'))
    assert (chosen.label, chosen.scores) == ("wait", {})


async def test_a_bad_answer_is_asked_again_once() -> None:
    chosen, requests = await asked(Text("hm"), ANSWER)
    assert (chosen.label, len(requests)) == ("refund", 2)


@pytest.mark.parametrize(
    ("reply", "failure"),
    [
        pytest.param(Status(429), Throttled, id="429"),
        pytest.param(Status(500), Unavailable, id="500"),
        pytest.param(Status(401), BadRequest, id="a key that is refused"),
        pytest.param(Drop(), Unavailable, id="a connection that drops"),
        pytest.param(Text("no idea"), AnswerNonsense, id="no JSON, twice"),
        pytest.param(Text('{"label": "fly"}'), AnswerNonsense, id="a label that was not offered, twice"),
        pytest.param(Call("look_up_order"), AnswerCutOff, id="looking up without end"),
    ],
)
async def test_each_failure_is_an_error_of_ours(reply: Reply, failure: type[InterlockError]) -> None:
    with pytest.raises(failure):
        await asked(reply)


async def test_it_ends_within_its_time() -> None:
    with pytest.raises(TimedOut):
        await asked(Hang(), timeout_s=0.2)


def test_without_an_endpoint_there_is_no_agent() -> None:
    assert open_agent(Settings(llm_base_url="")) is None
    assert open_agent(Settings(llm_base_url="http://x", llm="off", llm_model="m")) is None
    with pytest.raises(PolicyInvalid, match="INTERLOCK_LLM_MODEL"):
        open_agent(Settings(llm_base_url="http://x"))
