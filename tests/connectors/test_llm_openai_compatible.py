"""What each thing that an endpoint can do becomes, over a real connection."""

import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from socket import create_server

import pytest
from llm_server import Drip, Drop, Hang, Label, LlmServer, Reply, Status, Text, cut_off, llm_server

from connectors.choice import open_model
from connectors.llm.openai_compatible import LONGEST_RETRY_AFTER_S, OpenAICompatible
from connectors.ports import LabelAnswer, Message
from connectors.settings import Settings
from domain.errors import (
    AnswerCutOff,
    AnswerNonsense,
    AnswerUnknownLabel,
    BadRequest,
    InterlockError,
    PolicyInvalid,
    Retryable,
    Throttled,
    TimedOut,
    Unauthorised,
    Unavailable,
)
from domain.proposal import ScoresFrom, Tokens

KEY = "sk-never-to-be-seen"
LABELS = ("billing", "bugs", "praise")
MESSAGES = (Message("system", "Pick a label."), Message("user", "The invoice is wrong."))
PATIENT_S = 20.0
"""Longer than any answer takes, however busy the machine."""
IMPATIENT_S = 0.3
NO_COMPLETION = "the model's endpoint answered with something else than a completion; check INTERLOCK_LLM_BASE_URL"


@asynccontextmanager
async def model_at(server: LlmServer) -> AsyncIterator[OpenAICompatible]:
    model = OpenAICompatible(server.base_url, "scripted", KEY)
    try:
        yield model
    finally:
        await model.aclose()


async def choose(server: LlmServer, *, reasks: int = 0, samples: int = 0, timeout_s: float = PATIENT_S) -> LabelAnswer:
    async with model_at(server) as model:
        return await model.choose(MESSAGES, LABELS, reasks=reasks, samples=samples, timeout_s=timeout_s)


async def failure(
    server: LlmServer, *, reasks: int = 0, samples: int = 0, timeout_s: float = PATIENT_S
) -> InterlockError:
    with pytest.raises(InterlockError) as raised:
        await choose(server, reasks=reasks, samples=samples, timeout_s=timeout_s)
    return raised.value


@contextmanager
def nobody() -> Iterator[str]:
    """A base URL that nobody listens at: the port was free a moment ago."""
    with create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    yield f"http://127.0.0.1:{port}/v1"


async def test_a_usable_answer_gives_the_label_its_scores_and_what_it_cost() -> None:
    with llm_server(Label("billing", 0.8)) as server:
        answer = await choose(server)

    assert answer.label == "billing"
    assert answer.scores == pytest.approx({"billing": 0.8, "bugs": 0.1, "praise": 0.1})
    assert answer.tokens == Tokens(prompt=100, completion=8, cached=60)
    assert answer.calls == 1
    assert answer.scores_from is ScoresFrom.LOGPROBS


async def test_an_endpoint_with_log_probabilities_is_never_sampled() -> None:
    with llm_server(Label("billing", 0.8)) as server:
        answer = await choose(server, samples=25)

    assert (answer.calls, len(server.requests)) == (1, 1)


async def test_without_log_probabilities_and_samples_there_is_the_label_and_no_scores() -> None:
    with llm_server(Label("billing", logprobs=False)) as server:
        answer = await choose(server, samples=0)

    assert (answer.label, answer.scores, answer.scores_from) == ("billing", {}, ScoresFrom.NOWHERE)
    assert answer.calls == 1


def mute(label: str) -> Label:
    return Label(label, logprobs=False)


@pytest.mark.parametrize(
    ("first", "sampled", "scores"),
    [
        pytest.param(
            "billing",
            ["billing"] * 5,
            {"billing": 6 / 8, "bugs": 1 / 8, "praise": 1 / 8},
            id="unanimous, yet not certain",
        ),
        pytest.param(
            "billing",
            ["billing", "bugs", "billing", "bugs", "bugs"],
            {"billing": 3 / 8, "bugs": 4 / 8, "praise": 1 / 8},
            id="the samples may outvote the first answer",
        ),
        pytest.param("billing", ["bugs"], {"billing": 1 / 4, "bugs": 2 / 4, "praise": 1 / 4}, id="a single sample"),
    ],
)
async def test_without_log_probabilities_samples_are_counted_as_votes_beside_one_for_each_label(
    first: str, sampled: list[str], scores: dict[str, float]
) -> None:
    with llm_server(mute(first), *map(mute, sampled)) as server:
        answer = await choose(server, samples=len(sampled))

    assert (answer.label, answer.scores_from) == (first, ScoresFrom.SAMPLES)
    assert answer.scores == pytest.approx(scores)
    assert answer.calls == len(server.requests) == 1 + len(sampled)
    assert answer.tokens == Tokens(prompt=100 * answer.calls, completion=8 * answer.calls, cached=60 * answer.calls)


async def test_the_label_is_asked_for_coldly_and_the_samples_warmly_with_the_same_question() -> None:
    with llm_server(mute("billing")) as server:
        await choose(server, samples=3)

    assert [body["temperature"] for body in server.requests] == [0, 1, 1, 1]
    assert len({str(body["messages"]) for body in server.requests}) == 1


async def test_a_sample_that_is_unusable_is_asked_for_again_and_costs() -> None:
    with llm_server(mute("billing"), Text("Hm."), mute("bugs")) as server:
        answer = await choose(server, samples=1, reasks=1)

    assert answer.scores == pytest.approx({"billing": 1 / 4, "bugs": 2 / 4, "praise": 1 / 4})
    assert answer.calls == len(server.requests) == 3


async def test_a_sample_that_stays_unusable_is_a_failure_of_the_whole_question() -> None:
    with llm_server(mute("billing"), Text("Hm.")) as server:
        raised = await failure(server, samples=2, reasks=1)

    assert isinstance(raised, AnswerNonsense)
    assert len(server.requests) == 3


async def test_a_throttled_sample_is_told_as_it_is() -> None:
    with llm_server(mute("billing"), mute("billing"), Status(429, {"Retry-After": "9"})) as server:
        raised = await failure(server, samples=5)

    assert isinstance(raised, Throttled)
    assert raised.retry_after_s == 9


# what happens, the error, its message
FAILURES: dict[str, tuple[Reply, type[InterlockError], str]] = {
    "500": (Status(500), Unavailable, "the model's endpoint failed (500)"),
    "503": (Status(503), Unavailable, "the model's endpoint failed (503)"),
    "connection dropped": (
        Drop(),
        Unavailable,
        "the model's endpoint cannot be reached; check INTERLOCK_LLM_BASE_URL",
    ),
    "connection dropped in the middle": (
        Drop(midway=True),
        Unavailable,
        "the model's endpoint cannot be reached; check INTERLOCK_LLM_BASE_URL",
    ),
    "a proxy's page": (Status(200, body="<html>Log in</html>", content_type="text/html"), Unavailable, NO_COMPLETION),
    "half an answer": (Status(200, body='{"id": '), Unavailable, NO_COMPLETION),
    "an empty answer": (Status(204, body=""), Unavailable, NO_COMPLETION),
    "null": (Status(200, body="null"), Unavailable, NO_COMPLETION),
    "429": (Status(429), Throttled, "the model's endpoint limits the rate (429)"),
    "401": (Status(401), Unauthorised, "the model's endpoint refuses the key; check INTERLOCK_LLM_API_KEY"),
    "403": (Status(403), Unauthorised, "the model's endpoint refuses the key; check INTERLOCK_LLM_API_KEY"),
    "400": (Status(400), BadRequest, "the model's endpoint refuses the request (400)"),
    "404": (Status(404), BadRequest, "the model's endpoint refuses the request (404)"),
    "422": (Status(422), BadRequest, "the model's endpoint refuses the request (422)"),
    "cut off": (cut_off(), AnswerCutOff, "the answer was cut off at the token limit"),
    "prose": (Text("It is billing."), AnswerNonsense, "the answer is not the JSON that was asked for"),
    "other JSON": (Text('{"team": "billing"}'), AnswerNonsense, "the answer is not the JSON that was asked for"),
    "nothing said": (Text(None), AnswerNonsense, "the answer is not the JSON that was asked for"),
    "refused by a content filter": (
        Text(None, finish_reason="content_filter"),
        AnswerNonsense,
        "the answer is not the JSON that was asked for",
    ),
    "no choices": (
        Status(200, body='{"error": {"message": "overloaded"}}'),
        AnswerNonsense,
        "the answer is not the JSON that was asked for",
    ),
    "unknown label": (Label("refunds"), AnswerUnknownLabel, "'refunds' is not a label"),
    "no text as label": (Text('{"label": 3}'), AnswerUnknownLabel, "'3' is not a label"),
}


@pytest.mark.parametrize("case", FAILURES)
async def test_each_failure_becomes_the_error_that_says_what_to_do(case: str) -> None:
    reply, error, message = FAILURES[case]
    with llm_server(reply) as server:
        raised = await failure(server)

    assert (type(raised), str(raised)) == (error, message)
    assert raised.__cause__ is not None
    assert len(server.requests) == 1


@pytest.mark.parametrize("reply", [Hang(), Drip()], ids=["no answer", "an answer that never ends"])
async def test_no_answer_in_time_is_timed_out(reply: Reply) -> None:
    with llm_server(reply) as server:
        raised = await failure(server, timeout_s=IMPATIENT_S)

    assert (type(raised), str(raised)) == (TimedOut, "the model did not answer in time")
    assert len(server.requests) == 1


async def test_nobody_there_is_unavailable() -> None:
    with nobody() as base_url:
        model = OpenAICompatible(base_url, "scripted", KEY)
        with pytest.raises(Unavailable, match="cannot be reached; check INTERLOCK_LLM_BASE_URL"):
            await model.choose(MESSAGES, LABELS, reasks=3, samples=0, timeout_s=PATIENT_S)
        await model.aclose()


def ahead(seconds: float) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


# the header, the seconds that become of it, the slack for the time that a test takes
RETRY_AFTER: dict[str, tuple[Callable[[], dict[str, str]], float | None, float]] = {
    "a number": (lambda: {"Retry-After": "7"}, 7, 0),
    "zero": (lambda: {"Retry-After": "0"}, 0, 0),
    "a fraction": (lambda: {"Retry-After": "1.5"}, 1.5, 0),
    "a date": (lambda: {"Retry-After": ahead(200)}, 200, 60),
    "a date gone by": (lambda: {"Retry-After": ahead(-200)}, 0, 0),
    "absent": (dict, None, 0),
    "a day": (lambda: {"Retry-After": "86400"}, LONGEST_RETRY_AFTER_S, 0),
    "a date next year": (lambda: {"Retry-After": ahead(3e7)}, LONGEST_RETRY_AFTER_S, 0),
    "words": (lambda: {"Retry-After": "soon"}, None, 0),
    "not a number": (lambda: {"Retry-After": "nan"}, None, 0),
    "endless": (lambda: {"Retry-After": "inf"}, None, 0),
    "negative": (lambda: {"Retry-After": "-4"}, None, 0),
}


@pytest.mark.parametrize("code", [429, 503])
@pytest.mark.parametrize("case", RETRY_AFTER)
async def test_a_retry_after_is_handed_on_within_reason(case: str, code: int) -> None:
    headers, seconds, slack_s = RETRY_AFTER[case]
    with llm_server(Status(code, headers())) as server:
        raised = await failure(server)

    assert isinstance(raised, Retryable)
    assert raised.retry_after_s == (None if seconds is None else pytest.approx(seconds, abs=slack_s))


async def test_a_throttled_request_is_sent_once_and_not_waited_for() -> None:
    with llm_server(Status(429, {"Retry-After": "30"})) as server:
        started = datetime.now(UTC)
        await failure(server, reasks=5)

    assert len(server.requests) == 1
    assert datetime.now(UTC) - started < timedelta(seconds=PATIENT_S)


async def test_a_model_that_comes_to_its_senses_is_asked_until_it_does() -> None:
    with llm_server(Text("Hm."), cut_off(), Label("refunds"), Label("bugs", 0.7)) as server:
        answer = await choose(server, reasks=3)

    assert answer.label == "bugs"
    assert answer.scores["bugs"] == pytest.approx(0.7)
    assert answer.calls == len(server.requests) == 4
    assert answer.tokens == Tokens(prompt=400, completion=32, cached=240)


async def test_a_re_ask_repeats_the_question_and_says_what_was_wrong() -> None:
    with llm_server(Label("refunds"), Label("bugs")) as server:
        await choose(server, reasks=1)

    first, second = (body["messages"] for body in server.requests)
    assert second[: len(first)] == first
    assert second[len(first) :] == [
        {
            "role": "user",
            "content": "'refunds' is not a label. Answer with JSON only, "
            '{"label": "..."}, one of: billing, bugs, praise',
        }
    ]


@pytest.mark.parametrize("reasks", [0, 1, 2])
async def test_re_asks_end_at_their_number_with_the_last_failure(reasks: int) -> None:
    with llm_server(Text("Hm."), Text("Hm."), Label("refunds")) as server:
        raised = await failure(server, reasks=reasks)

    assert type(raised) is (AnswerUnknownLabel if reasks == 2 else AnswerNonsense)
    assert len(server.requests) == reasks + 1


async def test_a_failure_in_a_re_ask_is_told_as_it_is() -> None:
    with llm_server(Text("Hm."), Status(429, {"Retry-After": "9"})) as server:
        raised = await failure(server, reasks=3)

    assert isinstance(raised, Throttled)
    assert raised.retry_after_s == 9
    assert len(server.requests) == 2


async def test_a_long_nonsense_label_is_shortened_in_the_message() -> None:
    with llm_server(Label("x" * 1000)) as server:
        raised = await failure(server)

    assert str(raised) == f"'{'x' * 80}' is not a label"


async def test_a_request_asks_for_one_of_the_labels_coldly_with_log_probabilities() -> None:
    with llm_server(Label("billing")) as server:
        await choose(server)

    (body,) = server.requests
    schema = body["response_format"]["json_schema"]["schema"]
    assert body["response_format"]["type"] == "json_schema"
    assert schema["properties"]["label"]["enum"] == list(LABELS)
    assert schema["required"] == ["label"]
    assert (body["model"], body["temperature"]) == ("scripted", 0)
    assert (body["logprobs"], body["top_logprobs"]) == (True, 20)
    assert body["max_tokens"] <= 100
    assert not body.get("stream")


async def test_messages_arrive_in_their_order_the_constant_part_first() -> None:
    with llm_server(Label("billing")) as server:
        await choose(server)

    (body,) = server.requests
    assert body["messages"][0]["content"].startswith("Pick a label.")
    assert body["messages"][-1] == {"role": "user", "content": "The invoice is wrong."}
    assert server.headers[0]["authorization"] == f"Bearer {KEY}"


async def test_the_key_stands_in_no_errors_text(caplog: pytest.LogCaptureFixture) -> None:
    for reply, _, _ in FAILURES.values():
        with llm_server(reply) as server:
            raised = await failure(server)
        assert KEY not in str(raised) + repr(raised)
        assert KEY not in "".join(traceback.format_exception(raised))
    assert KEY not in caplog.text


async def test_one_model_answers_several_questions_at_once_and_one_after_another() -> None:
    with llm_server(Label("billing")) as server:
        async with model_at(server) as model:
            for labels in (LABELS, ("billing", "refunds")):
                answer = await model.choose(MESSAGES, labels, reasks=0, samples=0, timeout_s=PATIENT_S)
                assert set(answer.scores) == set(labels)


def settings(**values: object) -> Settings:
    return Settings(_env_file=None, **values)


def test_without_an_endpoint_and_with_the_model_off_nobody_answers() -> None:
    assert open_model(settings(llm="off")) is None


def test_off_is_off_even_with_an_endpoint() -> None:
    assert open_model(settings(llm="off", llm_base_url="http://127.0.0.1:9/v1", llm_model="some")) is None


def test_an_endpoint_without_a_model_is_refused_with_the_mend() -> None:
    with pytest.raises(PolicyInvalid, match="set INTERLOCK_LLM_MODEL too"):
        open_model(settings(llm_base_url="http://127.0.0.1:9/v1"))


@pytest.mark.parametrize(("key", "sent"), [(KEY, f"Bearer {KEY}"), ("", "Bearer none")])
async def test_an_endpoint_with_a_model_is_asked_with_the_key(key: str, sent: str) -> None:
    with llm_server(Label("billing")) as server:
        model = open_model(settings(llm_base_url=server.base_url, llm_model="some", llm_api_key=key))
        assert isinstance(model, OpenAICompatible)
        answer = await model.choose(MESSAGES, LABELS, reasks=0, samples=0, timeout_s=PATIENT_S)
        await model.aclose()

    assert (model.model, answer.label) == ("some", "billing")
    assert server.headers[0]["authorization"] == sent
