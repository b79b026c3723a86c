"""From what the model and the examples say to one label and a confidence in it."""

from enum import StrEnum
from math import exp, log

from pydantic import Field

from domain.proposal import AskOutcome, Proposal, ScoresFrom
from domain.values import Frozen

LEAST = 1e-4
"""Smallest probability that counts: endpoints give no log-probabilities of unlikely labels."""
LOG_LEAST = log(LEAST)


class Source(StrEnum):
    """Where a confidence comes from; each has thresholds of its own, and `none` has none."""

    LOGPROBS_AND_EXAMPLES = "logprobs_and_examples"
    SAMPLES_AND_EXAMPLES = "samples_and_examples"
    EXAMPLES = "examples"
    """No model answered; the examples serve alone."""
    NONE = "none"


class Fusion(Frozen):
    """How much each side counts: the exponents of a logarithmic opinion pool.

    Genest and Zidek, "Combining probability distributions", Statistical Science 1 (1986).
    The weights are fitted by maximum likelihood on labelled items, and so are a temperature
    too: probabilities that were too sure come out milder.
    """

    examples: float = Field(ge=0)
    model: float = Field(ge=0)


UNFITTED: dict[Source, Fusion] = {
    Source.LOGPROBS_AND_EXAMPLES: Fusion(examples=0.75, model=0.25),
    Source.SAMPLES_AND_EXAMPLES: Fusion(examples=0.75, model=0.25),
    Source.EXAMPLES: Fusion(examples=1, model=0),
}
"""What a person is shown before anything was fitted; nothing acts on it."""


class Judgement(Frozen):
    """The label that the two sides come to together.

    Attributes:
        confidence: probability that `label` is right, 0 to 1; None where nothing tells it.
        source: where the confidence comes from.
    """

    label: str | None
    confidence: float | None
    source: Source


def source_of(proposal: Proposal) -> Source:
    """What a confidence in this proposal can be made of."""
    if proposal.opinion is None:
        return Source.NONE
    if proposal.outcome.silent:
        return Source.EXAMPLES
    if proposal.outcome is AskOutcome.ANSWERED and proposal.scores_from is ScoresFrom.LOGPROBS:
        return Source.LOGPROBS_AND_EXAMPLES
    if proposal.outcome is AskOutcome.ANSWERED and proposal.scores_from is ScoresFrom.SAMPLES:
        return Source.SAMPLES_AND_EXAMPLES
    return Source.NONE


def judge(proposal: Proposal, fusions: dict[Source, Fusion]) -> Judgement:
    """The label that model and examples come to together, and how sure they are.

    Args:
        fusions: fitted weights by source; `UNFITTED` stands in for those that are missing.
    """
    source = source_of(proposal)
    if source is Source.NONE:
        return Judgement(label=proposal.label, confidence=None, source=source)
    shares = pool(proposal, fusions.get(source, UNFITTED[source]))
    label = max(shares, key=lambda name: shares[name])
    return Judgement(label=label, confidence=shares[label], source=source)


def pool(proposal: Proposal, fusion: Fusion) -> dict[str, float]:
    """Probability of each label, summing to 1: both sides' probabilities to the power of their weights, multiplied."""
    sides = [(fusion.examples, proposal.opinion.scores)] if proposal.opinion else []
    sides.append((fusion.model, proposal.scores))
    weights = dict.fromkeys((label for _, scores in sides for label in scores), 0.0)
    for exponent, scores in sides:
        if exponent:
            for label in weights:
                weights[label] += exponent * log_share(scores, label)
    largest = max(weights.values())
    odds = {label: exp(weight - largest) for label, weight in weights.items()}
    total = sum(odds.values())
    return {label: share / total for label, share in odds.items()}


def log_share(scores: dict[str, float], label: str) -> float:
    """Logarithm of a label's probability, at least `LEAST`."""
    share = scores.get(label, 0.0)
    return log(share) if share > LEAST else LOG_LEAST
