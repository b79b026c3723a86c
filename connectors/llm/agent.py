"""An agent that chooses an action with its parameters, and looks things up before: pydantic-ai on any endpoint.

It is made anew for each event. What the endpoint or the bounds do to it becomes an error of ours:

    connection refused, 5xx       Unavailable
    no end within the time        TimedOut
    429                           Throttled
    other 4xx                     BadRequest
    more requests or look-ups     AnswerCutOff   than the policy allows
    no usable answer              AnswerNonsense, after one re-ask
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import openai
from pydantic import BaseModel, Field, create_model
from pydantic_ai import Agent, NativeOutput, Tool
from pydantic_ai.exceptions import AgentRunError, ModelAPIError, ModelHTTPError, UsageLimitExceeded
from pydantic_ai.messages import ModelMessage, ModelResponse, ToolReturnPart
from pydantic_ai.models import Model
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIChatModelSettings
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.usage import RunUsage, UsageLimits

from connectors.llm.logprobs import Token, label_scores
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
from domain.proposal import Tokens

NAME = "interlock-agent"
_THROTTLED, _SERVER = 429, 500
_SETTINGS = OpenAIChatModelSettings(temperature=0, openai_logprobs=True, openai_top_logprobs=20, max_tokens=800)


@dataclass(frozen=True)
class Look:
    """Something that the agent may look up, without arguments of its own: the case says what is looked for."""

    name: str
    description: str
    answer: Callable[[], Awaitable[dict[str, str]]]


@dataclass(frozen=True)
class Bounds:
    """How far one run may go."""

    requests: int
    look_ups: int
    timeout_s: float


@dataclass(frozen=True)
class Chosen:
    """What the agent chose.

    Attributes:
        parameters: as it said them; nothing speaks for them yet.
        found: what was looked up, by `<look-up>.<field>`.
        scores: probability of each label, summing to 1; empty where the endpoint tells none.
    """

    label: str
    parameters: dict[str, str]
    found: dict[str, str]
    scores: dict[str, float]
    tokens: Tokens
    calls: int


@dataclass(frozen=True)
class AgentModel:
    """The model that agents ask, and its connections."""

    name: str
    model: Model
    client: openai.AsyncOpenAI

    async def aclose(self) -> None:
        """Close the connections."""
        await self.client.close()


class _Given(BaseModel):
    name: str
    value: str


def open_agent(settings: Settings) -> AgentModel | None:
    """The model behind the endpoint that the environment names; None without one: the embedded model calls no tools.

    Raises:
        PolicyInvalid: an endpoint is named without a model.
    """
    if settings.llm == "off" or not settings.llm_base_url:
        return None
    if not settings.llm_model:
        raise PolicyInvalid("INTERLOCK_LLM_BASE_URL is set: set INTERLOCK_LLM_MODEL too")
    key = settings.llm_api_key.get_secret_value() or "none"
    client = openai.AsyncOpenAI(base_url=settings.llm_base_url, api_key=key, max_retries=0)
    model = OpenAIChatModel(settings.llm_model, provider=OpenAIProvider(openai_client=client))
    return AgentModel(settings.llm_model, model, client)


async def choose(
    model: Model,
    instructions: str,
    request: str,
    labels: Sequence[str],
    looks: Sequence[Look],
    bounds: Bounds,
    capabilities: Sequence[Any] = (),
) -> Chosen:
    """The label that the agent chooses, with parameters, after what it looked up.

    Args:
        capabilities: of pydantic-ai, such as one that makes each request and look-up a task.

    Raises:
        InterlockError: see the head of this file.
    """
    kind: Any = Literal[tuple(labels)]
    said = create_model("Said", label=(kind, ...), parameters=(list[_Given], Field(default_factory=list)))
    agent: Agent[None, Any] = Agent(
        model,
        name=NAME,
        instructions=instructions,
        output_type=NativeOutput(said),
        tools=[Tool(look.answer, name=f"look_up_{look.name}", description=look.description) for look in looks],
        retries=1,
        capabilities=list(capabilities),
    )
    limits = UsageLimits(request_limit=bounds.requests, tool_calls_limit=bounds.look_ups)
    try:
        async with asyncio.timeout(bounds.timeout_s):
            ran = await agent.run(request, usage_limits=limits, model_settings=_SETTINGS)
    except TimeoutError as exc:
        raise TimedOut(f"the agent did not come to an end within {bounds.timeout_s:g} s") from exc
    except AgentRunError as exc:
        raise _translated(exc) from exc
    messages = ran.all_messages()
    return Chosen(
        label=ran.output.label,
        parameters={given.name: given.value for given in ran.output.parameters},
        found=_found(messages),
        scores=label_scores(_last_tokens(messages), labels),
        tokens=_tokens(ran.usage),
        calls=ran.usage.requests,
    )


def _translated(exc: AgentRunError) -> InterlockError:
    match exc:
        case UsageLimitExceeded():
            return AnswerCutOff(f"the agent went beyond its bounds: {exc}")
        case ModelHTTPError(status_code=code) if code == _THROTTLED:
            return Throttled("the model's endpoint limits our rate")
        case ModelHTTPError(status_code=code) if code < _SERVER:
            return BadRequest(f"the model's endpoint refuses the request ({code})")
        case ModelAPIError():
            return Unavailable("the model's endpoint cannot be reached, or fails")
        case _:
            return AnswerNonsense(f"the agent gave no usable answer: {exc}")


def _found(messages: Sequence[ModelMessage]) -> dict[str, str]:
    """What the look-ups answered, out of the messages: a run that is replayed does not look up again."""
    found: dict[str, str] = {}
    for message in messages:
        for part in message.parts:
            if isinstance(part, ToolReturnPart) and isinstance(part.content, dict):
                found |= {str(name): str(value) for name, value in part.content.items()}
    return found


def _last_tokens(messages: Sequence[ModelMessage]) -> list[Token]:
    answers = [message for message in messages if isinstance(message, ModelResponse)]
    told: Sequence[Mapping[str, Any]] = ((answers[-1].provider_details or {}) if answers else {}).get("logprobs") or ()
    return [
        Token(
            one["token"], {top["token"]: top["logprob"] for top in one["top_logprobs"]} | {one["token"]: one["logprob"]}
        )
        for one in told
    ]


def _tokens(usage: RunUsage) -> Tokens:
    return Tokens(prompt=usage.input_tokens, completion=usage.output_tokens, cached=usage.cache_read_tokens)
