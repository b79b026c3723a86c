"""What each thing that an embeddings endpoint can do becomes, over a real connection."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from socket import create_server

import numpy as np
import pytest
from llm_server import Drop, Hang, LlmServer, Reply, Status, Vectors, llm_server

from connectors.examples.endpoint import BATCH, EmbeddingsEndpoint
from domain.errors import BadRequest, InterlockError, Throttled, TimedOut, Unauthorised, Unavailable

KEY = "sk-never-to-be-seen"
TEXTS = ["The invoice is wrong.", "The app crashes."]
PATIENT_S = 20.0
IMPATIENT_S = 0.3
ELSE = "the embeddings endpoint answered with something else; check its address"


@asynccontextmanager
async def endpoint(server: LlmServer, timeout_s: float = PATIENT_S) -> AsyncIterator[EmbeddingsEndpoint]:
    embedder = EmbeddingsEndpoint(server.base_url, "scripted", KEY, timeout_s)
    try:
        yield embedder
    finally:
        await embedder.aclose()


def one_each(body: dict) -> Vectors:
    """A vector that tells a text's number."""
    return Vectors([[3.0 * int(text), 4.0 * int(text)] for text in body["input"]])


def answer(**item: object) -> Status:
    return Status(
        200, body=json.dumps({"object": "list", "model": "m", "data": [{"index": 0, "object": "embedding"} | item]})
    )


async def test_each_text_has_its_vector_of_length_1_whatever_order_they_come_in() -> None:
    with llm_server(Vectors([[3, 4], [0, 2]])) as server:
        async with endpoint(server) as embedder:
            vectors = await embedder.embed(TEXTS)

    assert vectors.tolist() == [pytest.approx([0.6, 0.8]), pytest.approx([0, 1])]
    (body,) = server.requests
    assert (body["model"], body["input"], body["encoding_format"]) == ("scripted", TEXTS, "float")
    assert server.headers[0]["authorization"] == f"Bearer {KEY}"


async def test_many_texts_are_sent_in_batches_and_keep_their_order() -> None:
    texts = [str(number) for number in range(1, 2 * BATCH + 3)]
    with llm_server(lambda body: Vectors([[int(text), 1] for text in body["input"]])) as server:
        async with endpoint(server) as embedder:
            vectors = await embedder.embed(texts)

    assert [len(body["input"]) for body in server.requests] == [BATCH, BATCH, 2]
    assert np.allclose(vectors[:, 0] / vectors[:, 1], range(1, 2 * BATCH + 3))


def test_its_name_says_which_model_where() -> None:
    assert EmbeddingsEndpoint("http://127.0.0.1:9/v1/", "small", KEY).name == "small@http://127.0.0.1:9/v1"


# what happens, the error, its message
FAILURES: dict[str, tuple[Reply, type[InterlockError], str]] = {
    "500": (Status(500), Unavailable, "the model's endpoint failed (500)"),
    "503": (Status(503), Unavailable, "the model's endpoint failed (503)"),
    "connection dropped": (
        Drop(),
        Unavailable,
        "the model's endpoint cannot be reached; check INTERLOCK_EMBEDDINGS_BASE_URL",
    ),
    "429": (Status(429), Throttled, "the model's endpoint limits the rate (429)"),
    "401": (Status(401), Unauthorised, "the model's endpoint refuses the key; check INTERLOCK_EMBEDDINGS_API_KEY"),
    "403": (Status(403), Unauthorised, "the model's endpoint refuses the key; check INTERLOCK_EMBEDDINGS_API_KEY"),
    "400": (Status(400), BadRequest, "the model's endpoint refuses the request (400)"),
    "404": (Status(404), BadRequest, "the model's endpoint refuses the request (404)"),
    "a proxy's page": (Status(200, body="<html>Log in</html>", content_type="text/html"), BadRequest, ELSE),
    "half an answer": (Status(200, body='{"id": '), BadRequest, ELSE),
    "null": (Status(200, body="null"), BadRequest, ELSE),
    "other JSON": (Status(200, body='{"error": "overloaded"}'), BadRequest, ELSE),
    "no vectors": (Vectors([]), BadRequest, "the embeddings endpoint gave 0 vectors for 2 texts"),
    "too few vectors": (Vectors([[1, 2]]), BadRequest, "the embeddings endpoint gave 1 vectors for 2 texts"),
    "too many vectors": (Vectors([[1, 2]] * 3), BadRequest, "the embeddings endpoint gave 3 vectors for 2 texts"),
    "vectors of two lengths": (
        Vectors([[1, 2], [1]]),
        BadRequest,
        "the embeddings endpoint gave 2 vectors for 2 texts",
    ),
}


@pytest.mark.parametrize("case", FAILURES)
async def test_each_failure_becomes_the_error_that_says_what_to_do(case: str) -> None:
    reply, error, message = FAILURES[case]
    with llm_server(reply) as server:
        async with endpoint(server) as embedder:
            with pytest.raises(InterlockError) as raised:
                await embedder.embed(TEXTS)

    assert (type(raised.value), str(raised.value)) == (error, message)
    assert KEY not in repr(raised.value)
    assert len(server.requests) == 1, "the client's own retries are off"


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(answer(embedding="AACAPwAAAEA="), id="base64 though floats were asked for"),
        pytest.param(answer(embedding=[None, 1]), id="a number missing"),
        pytest.param(answer(embedding=["1", "x"]), id="words"),
        pytest.param(answer(embedding=None), id="no vector"),
        pytest.param(answer(), id="no vector at all"),
    ],
)
async def test_what_are_no_numbers_are_refused(reply: Status) -> None:
    with llm_server(reply) as server:
        async with endpoint(server) as embedder:
            with pytest.raises(BadRequest, match="answered with something else"):
                await embedder.embed(TEXTS[:1])


async def test_no_answer_in_time_is_timed_out() -> None:
    with llm_server(Hang()) as server:
        async with endpoint(server, IMPATIENT_S) as embedder:
            with pytest.raises(TimedOut):
                await embedder.embed(TEXTS)


async def test_a_retry_after_is_handed_on() -> None:
    with llm_server(Status(429, {"Retry-After": "7"})) as server:
        async with endpoint(server) as embedder:
            with pytest.raises(Throttled) as raised:
                await embedder.embed(TEXTS)

    assert raised.value.retry_after_s == 7


async def test_nobody_there_is_unavailable() -> None:
    with create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    embedder = EmbeddingsEndpoint(f"http://127.0.0.1:{port}/v1", "scripted", KEY)
    with pytest.raises(Unavailable, match="cannot be reached; check INTERLOCK_EMBEDDINGS_BASE_URL"):
        await embedder.embed(TEXTS)
    await embedder.aclose()
