"""What one question to an endpoint is made of, and what it cost."""

from collections.abc import Callable
from dataclasses import dataclass

from pydantic import BaseModel

from connectors.llm.completion import Completion
from domain.errors import InterlockError
from domain.proposal import Tokens


@dataclass(frozen=True)
class Form:
    """The answer that is asked for.

    Attributes:
        model: what the answer's JSON must be.
        tokens: most tokens of an answer.
        remind: the message that follows an unusable answer.
    """

    model: type[BaseModel]
    tokens: int
    remind: Callable[[InterlockError], dict[str, str]]


@dataclass
class Spent:
    """What one question cost, re-asks included."""

    calls: int = 0
    prompt: int = 0
    completion: int = 0
    cached: int = 0

    def add(self, completion: Completion) -> None:
        """Count an answer in."""
        self.calls += 1
        if (usage := completion.usage) is not None:
            self.prompt += usage.prompt_tokens
            self.completion += usage.completion_tokens
            self.cached += usage.cached_tokens

    @property
    def tokens(self) -> Tokens:
        """The same, as a proposal keeps it."""
        return Tokens(prompt=self.prompt, completion=self.completion, cached=self.cached)
