"""Fields that were found in a text: each with the words that support it, who found it and how far it is trusted."""

import re
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

from pydantic import Field

from domain.proposal import AskOutcome, Tokens
from domain.values import Frozen


class By(StrEnum):
    """Who gave a field's value."""

    FORM = "form"
    """It came in as a field of its own; nothing found in the text ever replaces it."""
    PATTERN = "pattern"
    """A deterministic extractor."""
    MODEL = "model"


class Ground(StrEnum):
    """Where the confidence in a value comes from."""

    FORM = "form"
    LABELLED = "labelled"
    """The text names the field itself: `Company: Nordwind GmbH`."""
    PLACED = "placed"
    """The only match where the sender signs, or where they say that it is their own."""
    CUED = "cued"
    """The only match beside one of the field's cues."""
    SPOKEN = "spoken"
    """The only match that the sender speaks of, but nothing marks where its words begin and end."""
    ALONE = "alone"
    """The only match in the message, of a field that has a form of its own and needs no cue."""
    LOGPROBS = "logprobs"
    """The model's log-probabilities of the value's tokens, multiplied."""
    UNPLACED = "unplaced"
    """The only match, but nothing says that it is the one that is meant."""
    UNSTATED = "unstated"
    """A model's, at an endpoint that gives no log-probabilities. What it says of itself is no confidence."""
    SEVERAL = "several"
    """One of several that fit equally."""


CONFIDENCE: dict[Ground, float] = {
    Ground.FORM: 1.0,
    Ground.LABELLED: 0.98,
    Ground.PLACED: 0.97,
    Ground.CUED: 0.9,
    Ground.SPOKEN: 0.85,
    Ground.ALONE: 0.9,
    Ground.UNPLACED: 0.7,
    Ground.UNSTATED: 0.5,
    Ground.SEVERAL: 0.4,
}
"""Confidence by its ground, where neither log-probabilities nor labelled texts tell it of a field's type
(`connectors.extractors.trust`). The default threshold (0.97) parts what may be written from what may not.

Source: `later-`, `third-` and `fourth-` of `evals/data/extraction.unseen.jsonl` at first sight, by which labelled
values were right in 74 of 75, and in `third-` and `fourth-` placed ones in 699 of 708; the rest is a ranking."""

_MEANT = (Ground.PLACED, Ground.CUED, Ground.SPOKEN, Ground.ALONE)
_RANK = ((Ground.LABELLED,), _MEANT, (Ground.UNPLACED,))
"""Grounds by weight; those of one weight must agree, and the first of them is told."""


class Candidate(Frozen):
    """A value, normalised, that stands at `start` to `end` (excluded) of the text."""

    value: str = Field(min_length=1)
    start: int = Field(ge=0)
    end: int = Field(ge=0)
    ground: Ground


class Found(Frozen):
    """A field's value and what supports it.

    Attributes:
        start, end: where the supporting words stand in the text, the end excluded; None for a form's.
        confidence: 0 to 1, by `ground`.
    """

    value: str = Field(min_length=1)
    start: int | None = None
    end: int | None = None
    by: By
    ground: Ground
    confidence: float = Field(ge=0, le=1)


class Extraction(Frozen):
    """What one text gave.

    Attributes:
        key: digest of the text, of what was given and wanted, of prompt and model: equal keys, one call.
        found: by field; what is too unsure to be written stands here too.
        dropped: what the model said that is not in the text, by field, and why it was dropped.
        outcome: how asking the model ended; `no_model` too where there was nothing left to ask.
        calls: requests to the model, re-asks included.
        latency_s: from asking to the answer.
    """

    key: str
    found: dict[str, Found] = Field(default_factory=dict)
    dropped: dict[str, str] = Field(default_factory=dict)
    outcome: AskOutcome = AskOutcome.NO_MODEL
    model: str = ""
    tokens: Tokens = Tokens()
    calls: int = Field(default=0, ge=0)
    latency_s: float = Field(default=0, ge=0)
    detail: str = ""

    def sure(self, threshold: float) -> dict[str, Found]:
        """What may be written: found with a confidence of at least `threshold`."""
        return {name: found for name, found in self.found.items() if found.confidence >= threshold}


class Quoted(Frozen):
    """A model's word for a field: the value, and the words of the text that it says support it.

    `confidence` is the probability of the value's tokens, 0 to 1, or None where nothing tells it.
    """

    value: str
    quote: str
    confidence: float | None = Field(default=None, ge=0, le=1)


def settle(candidates: Iterable[Candidate], confidence: Mapping[Ground, float] = CONFIDENCE) -> Found | None:
    """What deterministic matches come to: the best grounded value if it is the only one so grounded.

    Several values on the best ground leave the field open: the first is kept for people to
    see, with a confidence that no threshold takes.

    Args:
        confidence: what a value is worth by its ground, 0 to 1.
    """
    known = list(candidates)
    for grounds in _RANK:
        here = [candidate for candidate in known if candidate.ground in grounds]
        if here:
            alone = len({candidate.value.casefold() for candidate in here}) == 1
            first = min(here, key=lambda candidate: grounds.index(candidate.ground)) if alone else here[0]
            held = first.ground if alone else Ground.SEVERAL
            return Found(
                value=first.value,
                start=first.start,
                end=first.end,
                by=By.PATTERN,
                ground=held,
                confidence=confidence[held],
            )
    return None


_GAP = r"[\s>]+"


def locate(quote: str, text: str) -> tuple[int, int] | None:
    """Where `quote` stands in `text`, letter case, white space and marks of quoting (`>`) aside."""
    words = quote.split()
    if not words:
        return None
    found = re.search(_GAP.join(map(re.escape, words)), text, re.IGNORECASE)
    return found.span() if found else None


def locate_value(value: str, span: tuple[int, int], text: str) -> tuple[int, int] | None:
    """Where `value` stands as whole words within `span` of `text`: `12` is not in `120`."""
    words = value.split()
    if not words:
        return None
    whole = rf"(?<!\w){_GAP.join(map(re.escape, words))}(?!\w)"
    found = re.compile(whole, re.IGNORECASE).search(text, *span)
    return found.span() if found else None


def supported(quoted: Quoted, text: str, readings: Sequence[str]) -> tuple[int, int] | None:
    """Where the words that support a model's value stand in the text; None if there are none.

    Args:
        readings: what the quote can be read as, normalised, beside its own words: a model that
            says `DE` of `Deutschland` is right.
    """
    span = locate(quoted.quote, text)
    if span is None:
        return None
    return locate_value(quoted.value, span, text) or (span if quoted.value in readings else None)
