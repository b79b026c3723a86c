"""What the model and the labelled examples say about a text, before anyone decides."""

from enum import StrEnum

from pydantic import Field

from domain.values import Frozen, digest

NONE_OF_THESE = "none_of_these"
"""The label that every classifier may give beside the policy's routes."""


class AskOutcome(StrEnum):
    """How asking the model ended."""

    ANSWERED = "answered"
    NO_MODEL = "no_model"
    UNAVAILABLE = "unavailable"
    TIMED_OUT = "timed_out"
    THROTTLED = "throttled"
    REFUSED = "refused"
    CUT_OFF = "cut_off"
    NONSENSE = "nonsense"
    UNKNOWN_LABEL = "unknown_label"

    @property
    def silent(self) -> bool:
        """Whether no model answered at all, so that the examples may serve alone."""
        return self in SILENCE


SILENCE = frozenset({AskOutcome.NO_MODEL, AskOutcome.UNAVAILABLE, AskOutcome.THROTTLED})
"""Outcomes that no message can bring about: a refused or endless request may be the message's own doing."""


class ScoresFrom(StrEnum):
    """Where the model's probabilities come from. What a model says of its own certainty is never one."""

    LOGPROBS = "logprobs"
    """Token log-probabilities, renormalised over the labels."""
    SAMPLES = "samples"
    """Votes over several samples, where the endpoint gives no log-probabilities."""
    NOWHERE = "nowhere"


class Tokens(Frozen):
    """Tokens that a call cost; `cached` of the prompt's were not evaluated again."""

    prompt: int = Field(default=0, ge=0)
    completion: int = Field(default=0, ge=0)
    cached: int = Field(default=0, ge=0)


class Opinion(Frozen):
    """The labelled examples' own vote on a text: it reads no instructions.

    Attributes:
        scores: probability of each label, summing to 1.
        similarity: of the nearest example to the text, 0 to 1.
        weakest: of the nearest example to the text's least familiar part, 0 to 1.
        dissent: the largest probability, 0 to 1, with which a part of the text votes for
            another route than the whole.
    """

    scores: dict[str, float] = Field(min_length=1)
    similarity: float = Field(ge=0, le=1)
    weakest: float = Field(default=1, ge=0, le=1)
    dissent: float = Field(default=0, ge=0, le=1)

    @property
    def label(self) -> str:
        """The label with the largest probability."""
        return max(self.scores, key=lambda label: self.scores[label])

    @property
    def probability(self) -> float:
        """The probability of `label`."""
        return self.scores[self.label]


class Proposal(Frozen):
    """A model's answer on one text, beside the examples' opinion; says nothing of any item.

    Attributes:
        key: digest of text, model, prompt and policy: equal keys, one call.
        outcome: how asking ended; the label stands only with `answered`.
        label: the model's.
        scores: the model's probability of each label, summing to 1, if known.
        tampering: signs that the text was written for a machine; see `domain.tampering`.
        classifier: fingerprint of model, prompt, labels and examples, which a calibration
            must match to be trusted.
        voter: fingerprint of labels and examples alone, for when they serve alone.
        calls: requests to the model, re-asks and samples included.
        latency_s: from asking to the answer.
        detail: what went wrong, in words.
    """

    key: str
    outcome: AskOutcome
    label: str | None = None
    scores: dict[str, float] = Field(default_factory=dict)
    scores_from: ScoresFrom = ScoresFrom.NOWHERE
    opinion: Opinion | None = None
    tampering: tuple[str, ...] = ()
    model: str
    classifier: str
    voter: str = ""
    tokens: Tokens = Tokens()
    calls: int = Field(default=0, ge=0)
    latency_s: float = Field(default=0, ge=0)
    detail: str = ""

    @property
    def hash(self) -> str:
        """Digest of the whole proposal; a review binds it."""
        return digest(self.model_dump(mode="json"))
