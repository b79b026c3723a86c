"""A language model's endpoint that answers at once, with log-probabilities, and fails on demand.

It knows nothing: its label and how sure it is come from a digest of the question, the same for
the same question. For drills and benchmarks, where the model's say must cost nothing.
"""

import hashlib
import json
from math import log
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, HTTPException
from fastapi.responses import Response
from pydantic import BaseModel

from connectors.sandbox.faults import FaultPlan, Kind, answer
from connectors.sandbox.records import Record, Records
from connectors.sandbox.service import Stats, TokenBucket, assemble, control_routes

PROMPT_TOKENS, COMPLETION_TOKENS = 100, 8
"""What every answer says that it cost."""


class Question(BaseModel):
    """Body of `POST /v1/chat/completions`, as far as it counts here."""

    model: str
    messages: list[dict[str, Any]]
    response_format: dict[str, Any]


class Completion(BaseModel):
    """An answer in OpenAI's shape."""

    id: str
    object: str = "chat.completion"
    created: int = 0
    model: str
    choices: list[dict[str, Any]]
    usage: dict[str, int]


def create_app(plan: FaultPlan, state: Path | None = None, limit: TokenBucket | None = None) -> FastAPI:
    """The endpoint's server; it keeps no records, and has no rate limit of its own."""
    del limit
    records = Records(Record, lambda _: (), state)
    router = APIRouter()

    @router.post("/v1/chat/completions")
    async def complete(question: Question) -> Response:
        print_of = hashlib.sha256(json.dumps(question.messages).encode()).hexdigest()
        fault = plan.draw(Kind.CREATE, (print_of,))
        return answer(plan, fault, 200, lambda: _completion(question, print_of))

    control = control_routes(records, plan, lambda: Stats(records=0, writes=0, doubled=0, faults=dict(plan.counts)))
    return assemble("Sandbox language model", router, control, records.close)


def _completion(question: Question, print_of: str) -> Completion:
    labels = _labels(question)
    label = labels[int(print_of[:8], 16) % len(labels)]
    sure = 0.5 + int(print_of[8:12], 16) / 0xFFFF / 2.1
    others = {other: (1 - sure) / (len(labels) - 1) for other in labels if other != label}
    choice = [_top(f'{name}"', share) for name, share in ({label: sure} | others).items()]
    tokens = [*[_top(token, 1.0) | {"top_logprobs": [_top(token, 1.0)]} for token in ('{"', "label", '":', ' "')]]
    tokens += [choice[0] | {"top_logprobs": choice}, _top("}", 1.0) | {"top_logprobs": [_top("}", 1.0)]}]
    said = {"role": "assistant", "content": json.dumps({"label": label})}
    return Completion(
        id=f"chatcmpl-{print_of[:12]}",
        model=question.model,
        choices=[{"index": 0, "finish_reason": "stop", "message": said, "logprobs": {"content": tokens}}],
        usage={
            "prompt_tokens": PROMPT_TOKENS,
            "completion_tokens": COMPLETION_TOKENS,
            "total_tokens": PROMPT_TOKENS + COMPLETION_TOKENS,
        },
    )


def _labels(question: Question) -> list[str]:
    try:
        offered = question.response_format["json_schema"]["schema"]["properties"]["label"]["enum"]
    except (KeyError, TypeError) as exc:
        raise HTTPException(400, "ask for a JSON object with a label out of an enum") from exc
    return [str(label) for label in offered]


def _top(token: str, share: float) -> dict[str, Any]:
    return {"token": token, "logprob": log(share), "bytes": list(token.encode())}
