"""Any OpenAI-compatible endpoint, asked as instructor asks in JSON-schema mode.

instructor makes the request of the answer's model, once a model. Its loop of retries, which costs more than the
request, is left out: what is unusable is asked again by rules of ours.

What the endpoint can do to us, and what becomes of it:

    connection refused, 5xx      Unavailable      (APIConnectionError, InternalServerError)
    no answer in time            TimedOut         (APITimeoutError)
    200 without a completion     Unavailable      (a proxy's page, a wrong path)
    429                          Throttled, with its Retry-After
    401, 403                     Unauthorised
    other 4xx                    BadRequest
    ended at the token limit     AnswerCutOff     after the re-asks
    not the JSON asked for       AnswerNonsense   after the re-asks
    a label that does not exist  AnswerUnknownLabel, after the re-asks

The openai client's own retries are off: they sleep where nobody sees it.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Literal

import openai
from instructor.v2 import Mode, Provider, mode_registry
from pydantic import BaseModel, ValidationError, create_model

from connectors.http_outcomes import retry_after_s
from connectors.llm.asking import Form, Spent
from connectors.llm.completion import Completion
from connectors.llm.extraction import answer_model, objection, quoted, reminder, tokens_for
from connectors.llm.logprobs import label_scores
from connectors.ports import FieldsAnswer, LabelAnswer, Message
from domain.errors import (
    AnswerCutOff,
    AnswerNonsense,
    AnswerUnknownLabel,
    BadRequest,
    InterlockError,
    ModelOutputInvalid,
    Throttled,
    TimedOut,
    Unauthorised,
    Unavailable,
)
from domain.extraction import Quoted
from domain.proposal import ScoresFrom

LONGEST_RETRY_AFTER_S = 300.0
"""A longer Retry-After is not waited for inside a run."""

_ANSWER_TOKENS = 60
_NO_COMPLETION = "the model's endpoint answered with something else than a completion; check INTERLOCK_LLM_BASE_URL"


class OpenAICompatible:
    """A model at an OpenAI-compatible endpoint."""

    def __init__(self, base_url: str, model: str, api_key: str) -> None:
        self.model = model
        self._client = openai.AsyncOpenAI(base_url=base_url, api_key=api_key, max_retries=0)

    async def choose(
        self, messages: Sequence[Message], labels: Sequence[str], *, reasks: int, samples: int, timeout_s: float
    ) -> LabelAnswer:
        """The label that the model picks; see `connectors.ports.LanguageModel`."""
        asked: list[dict[str, str]] = [{"role": message.role, "content": message.content} for message in messages]
        spent = Spent()
        form = _choice(tuple(labels))
        answer, completion = await self._usable(asked, form, spent, reasks, timeout_s)
        label = _label(answer)
        if scores := label_scores(completion.tokens, labels):
            return LabelAnswer(label, scores, ScoresFrom.LOGPROBS, spent.tokens, spent.calls)
        votes = Counter(dict.fromkeys(labels, 0))
        for _ in range(samples):
            sampled, _ = await self._usable(asked, form, spent, reasks, timeout_s, temperature=1.0)
            votes[_label(sampled)] += 1
        if not samples:
            return LabelAnswer(label, {}, ScoresFrom.NOWHERE, spent.tokens, spent.calls)
        return LabelAnswer(label, _shares(votes), ScoresFrom.SAMPLES, spent.tokens, spent.calls)

    async def extract(
        self,
        messages: Sequence[Message],
        fields: Sequence[str],
        faults: Callable[[Mapping[str, Quoted]], Mapping[str, str]],
        *,
        reasks: int,
        timeout_s: float,
    ) -> FieldsAnswer:
        """What the model finds of `fields`; see `connectors.ports.LanguageModel`."""
        asked: list[dict[str, str]] = [{"role": message.role, "content": message.content} for message in messages]
        spent = Spent()
        form = Form(answer_model(tuple(fields)), tokens_for(fields), reminder)
        found: dict[str, Quoted] | None = None
        while True:
            try:
                answer, completion = await self._usable(asked, form, spent, reasks - spent.calls, timeout_s)
            except ModelOutputInvalid:
                if found is None:
                    raise
                break  # what was said before the objection still stands
            found = quoted(answer, completion.tokens)
            wrong = faults(found)
            if not wrong or spent.calls > reasks:
                break
            asked = [*asked, *objection(completion.text or "", wrong)]
        return FieldsAnswer(found, spent.tokens, spent.calls)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _usable(
        self,
        asked: list[dict[str, str]],
        form: Form,
        spent: Spent,
        reasks: int,
        timeout_s: float,
        temperature: float = 0.0,
    ) -> tuple[BaseModel, Completion]:
        """A usable answer, after up to `reasks` more calls; adds what it cost to `spent`."""
        unusable_so_far = 0
        while True:
            try:
                async with asyncio.timeout(timeout_s):  # the client's own ends only when nothing at all comes
                    completion = await self._ask(asked, form, timeout_s, temperature)
            except TimeoutError as exc:
                raise _timed_out() from exc
            spent.add(completion)
            try:
                return _read(completion, form.model), completion
            except ModelOutputInvalid as failure:
                unusable_so_far += 1
                if unusable_so_far > reasks:
                    raise
                asked = [*asked, form.remind(failure)]

    async def _ask(
        self, messages: list[dict[str, str]], form: Form, timeout_s: float, temperature: float
    ) -> Completion:
        body = {
            "model": self.model,
            "messages": messages,
            **_shape(form.model),
            "temperature": temperature,
            "max_tokens": form.tokens,
            "logprobs": True,
            "top_logprobs": 20,
        }
        try:
            said = await self._client.post("/chat/completions", body=body, cast_to=str, options={"timeout": timeout_s})
            return Completion.model_validate_json(said)
        except openai.OpenAIError as exc:
            raise from_openai(exc, "INTERLOCK_LLM") from exc
        except ValidationError as exc:
            raise Unavailable(_NO_COMPLETION) from exc


@lru_cache(maxsize=256)
def _shape(model: type[BaseModel]) -> dict[str, Any]:
    """What instructor adds to a request for the answer to be JSON of this model."""
    handlers = mode_registry.get_handlers(Provider.OPENAI, Mode.JSON_SCHEMA)
    _, prepared = handlers.request_handler(response_model=model, kwargs={"messages": []})
    return {name: value for name, value in prepared.items() if name != "messages"}


def _read(completion: Completion, model: type[BaseModel]) -> BaseModel:
    """The answer as the model that was asked for.

    Raises:
        ModelOutputInvalid: it was cut off, is other JSON or none, or names an unknown label.
    """
    if completion.cut_off:
        raise AnswerCutOff("the answer was cut off at the token limit") from ValueError("finish_reason is length")
    try:
        return model.model_validate_json(completion.text or "", strict=True)
    except ValidationError as exc:
        faults = exc.errors(include_url=False)
        unknown = [fault["input"] for fault in faults if fault["type"] == "literal_error"]
        if unknown:
            raise AnswerUnknownLabel(f"'{str(unknown[0])[:80]}' is not a label") from exc
        raise AnswerNonsense("the answer is not the JSON that was asked for") from exc


def _shares(votes: Mapping[str, int]) -> dict[str, float]:
    """Shares of the votes, each label with one vote more than it got: few samples never make certain (Laplace)."""
    total = sum(votes.values()) + len(votes)
    return {label: (count + 1) / total for label, count in votes.items()}


@lru_cache(maxsize=256)
def _answer_model(labels: tuple[str, ...]) -> type[BaseModel]:
    return create_model("Answer", label=(Literal[labels], ...))  # type: ignore[arg-type]  # a Literal made at run time


def _choice(labels: tuple[str, ...]) -> Form:
    def remind(failure: InterlockError) -> dict[str, str]:
        content = f'{failure}. Answer with JSON only, {{"label": "..."}}, one of: {", ".join(labels)}'
        return {"role": "user", "content": content}

    return Form(_answer_model(labels), _ANSWER_TOKENS, remind)


def _label(answer: BaseModel) -> str:
    return str(answer.model_dump()["label"])


def from_openai(cause: openai.OpenAIError, variables: str) -> InterlockError:
    """Our error for one of the openai client's; `variables` is how the endpoint's settings begin."""
    match cause:
        case openai.APITimeoutError():
            return _timed_out()
        case openai.RateLimitError():
            return Throttled("the model's endpoint limits the rate (429)", retry_after_s=_retry_after_s(cause))
        case openai.AuthenticationError() | openai.PermissionDeniedError():
            return Unauthorised(f"the model's endpoint refuses the key; check {variables}_API_KEY")
        case openai.InternalServerError():
            message = f"the model's endpoint failed ({cause.status_code})"
            return Unavailable(message, retry_after_s=_retry_after_s(cause))
        case openai.APIStatusError():
            return BadRequest(f"the model's endpoint refuses the request ({cause.status_code})")
        case openai.APIConnectionError():
            return Unavailable(f"the model's endpoint cannot be reached; check {variables}_BASE_URL")
        case _:
            return Unavailable(f"the model's client failed: {type(cause).__name__}")


def _timed_out() -> TimedOut:
    return TimedOut("the model did not answer in time")


def _retry_after_s(error: openai.APIStatusError) -> float | None:
    asked = retry_after_s(error.response.headers.get("retry-after"), datetime.now(UTC))
    return None if asked is None else min(asked, LONGEST_RETRY_AFTER_S)
