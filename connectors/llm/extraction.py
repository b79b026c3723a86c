"""The answer that names fields with their quotes: its model, its limits, its probabilities.

    {"company": {"quote": "I work at Nordwind GmbH", "value": "Nordwind GmbH"}, "phone": null}

The quote comes before the value, so that a model has read the place before it names the value.
"""

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import exp

from pydantic import BaseModel, ConfigDict, create_model

from connectors.llm.logprobs import Token
from domain.errors import InterlockError
from domain.extraction import Quoted

_BRACES, _EACH = 40, 100
"""Tokens of an answer: for the JSON around the fields, and for a field with its quote of a line or two."""


class Said(BaseModel):
    """A field as a model gives it."""

    model_config = ConfigDict(extra="ignore")

    quote: str
    value: str


@lru_cache(maxsize=256)
def answer_model(fields: tuple[str, ...]) -> type[BaseModel]:
    """A model with each field, which is null where the text does not tell it."""
    return create_model("Fields", **dict.fromkeys(fields, (Said | None, None)))  # type: ignore[call-overload,no-any-return]  # fields made at run time


def tokens_for(fields: Sequence[str]) -> int:
    """Most tokens of an answer on so many fields."""
    return _BRACES + _EACH * len(fields)


def reminder(failure: InterlockError) -> dict[str, str]:
    """What follows an answer that cannot be read."""
    content = f'{failure}. Answer with JSON only: each field null or {{"quote": "...", "value": "..."}}, quotes short.'
    return {"role": "user", "content": content}


def objection(said: str, faults: Mapping[str, str]) -> list[dict[str, str]]:
    """What follows an answer that the text does not support: the answer, and what is wrong with it."""
    told = "\n".join(f"- {name}: {fault}" for name, fault in faults.items())
    content = f"These fields are wrong:\n{told}\nAnswer again with all fields; null where the message does not tell."
    return [{"role": "assistant", "content": said}, {"role": "user", "content": content}]


def quoted(answer: BaseModel, tokens: Sequence[Token]) -> dict[str, Quoted]:
    """The fields that the model has a word for, each with the probability of its value's tokens."""
    said = {name: one for name in type(answer).model_fields if (one := getattr(answer, name)) is not None}
    return {
        name: Quoted(value=one.value.strip(), quote=one.quote, confidence=probability(name, tokens))
        for name, one in said.items()
        if one.value.strip()
    }


def probability(field: str, tokens: Sequence[Token]) -> float | None:
    """Probability, 0 to 1, of the tokens that a field's value is written with; None where nothing tells it.

    The product over the tokens that hold any of the value's letters, its closing quote included:
    a value that could as well go on is less sure.
    """
    joined = "".join(token.text for token in tokens)
    name = re.escape(json.dumps(field, ensure_ascii=False))
    found = re.search(
        rf'{name}\s*:\s*\{{\s*"quote"\s*:\s*"(?:[^"\\]|\\.)*"\s*,\s*"value"\s*:\s*"((?:[^"\\]|\\.)*")', joined
    )
    if found is None:
        return None
    begin, end, at, total = *found.span(1), 0, 0.0
    for token in tokens:
        if at < end and at + len(token.text) > begin:
            if token.text not in token.alternatives:
                return None
            total += token.alternatives[token.text]
        at += len(token.text)
    return min(1.0, exp(total))
