"""A chat completion as endpoints give it: what counts of it, whatever else they send or leave out."""

from pydantic import BaseModel

from connectors.llm.logprobs import Token


class _Top(BaseModel):
    token: str
    logprob: float


class _Token(_Top):
    top_logprobs: list[_Top] | None = None


class _Logprobs(BaseModel):
    content: list[_Token] | None = None


class _Message(BaseModel):
    content: str | None = None


class _Choice(BaseModel):
    finish_reason: str | None = None
    message: _Message = _Message()
    logprobs: _Logprobs | None = None


class _Details(BaseModel):
    cached_tokens: int | None = None


class Usage(BaseModel):
    """Tokens that an answer cost."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    prompt_tokens_details: _Details | None = None

    @property
    def cached_tokens(self) -> int:
        """Tokens of the prompt that the endpoint knew already."""
        return (self.prompt_tokens_details.cached_tokens or 0) if self.prompt_tokens_details else 0


class Completion(BaseModel, from_attributes=True):
    """An answer; read from JSON, or from the openai client's own object."""

    choices: list[_Choice] | None = None
    usage: Usage | None = None

    @property
    def text(self) -> str | None:
        """What the first choice says; None where there is none."""
        return self.choices[0].message.content if self.choices else None

    @property
    def cut_off(self) -> bool:
        """Whether it ended at the token limit."""
        return bool(self.choices and self.choices[0].finish_reason == "length")

    @property
    def tokens(self) -> list[Token]:
        """Its tokens with the log-probabilities of their alternatives; empty where the endpoint gives none."""
        logprobs = self.choices[0].logprobs if self.choices else None
        return [
            Token(one.token, {one.token: one.logprob} | {top.token: top.logprob for top in one.top_logprobs or ()})
            for one in (logprobs.content if logprobs else None) or ()
        ]
