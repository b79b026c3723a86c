"""What the model and the labelled examples say about a text, before anyone decides."""

from enum import StrEnum
from math import sqrt

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


class ConfidenceSource(StrEnum):
    """Where a confidence comes from; without a source nothing is routed automatically."""

    LOGPROB_AND_EXAMPLES = "logprob_and_examples"
    """See `fuse`."""
    NONE = "none"
    """The endpoint gave no log-probabilities."""


class Tokens(Frozen):
    """Tokens that a call cost; `cached` of the prompt's were not evaluated again."""

    prompt: int = Field(default=0, ge=0)
    completion: int = Field(default=0, ge=0)
    cached: int = Field(default=0, ge=0)


class Opinion(Frozen):
    """The labelled examples' own vote on a text, which no message can talk to.

    Attributes:
        scores: probability of each label, summing to 1.
        similarity: of the nearest example to the text, 0 to 1.
    """

    scores: dict[str, float] = Field(min_length=1)
    similarity: float = Field(ge=0, le=1)

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
        outcome: how asking ended; the label and its confidence stand only with `answered`.
        scores: probability of each label, renormalised over the labels, if known.
        confidence: of `label`, 0 to 1; None without log-probabilities.
        classifier: fingerprint of model, prompt, labels and examples, which a calibration
            must match to be trusted.
        calls: requests to the model, re-asks included.
        detail: what went wrong, in words.
    """

    key: str
    outcome: AskOutcome
    label: str | None = None
    scores: dict[str, float] = Field(default_factory=dict)
    confidence: float | None = Field(default=None, ge=0, le=1)
    confidence_source: ConfidenceSource = ConfidenceSource.NONE
    opinion: Opinion | None = None
    model: str
    classifier: str
    tokens: Tokens = Tokens()
    calls: int = Field(default=0, ge=0)
    detail: str = ""

    @property
    def hash(self) -> str:
        """Digest of the whole proposal; a review binds it."""
        return digest(self.model_dump(mode="json"))


def fuse(label: str, scores: dict[str, float], opinion: Opinion) -> float | None:
    """Confidence in a model's `label`, 0 to 1; None where the endpoint gave no log-probabilities.

    The geometric mean of two probabilities of the label that were come to independently: the
    model's, from its token log-probabilities renormalised over the labels, and the labelled
    examples'. A model that is sure of itself against the examples is not confident by it.

    Args:
        scores: the model's probability of each label.
    """
    if label not in scores:
        return None
    return sqrt(scores[label] * opinion.scores.get(label, 0.0))
