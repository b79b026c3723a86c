"""The policy's section on what may be filled in from an item's text."""

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field

from domain.values import Frozen


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as exc:
        raise ValueError(f"not a regular expression: {exc}; mend it or quote it") from exc
    return pattern


class About(StrEnum):
    """Whose value a field holds."""

    SENDER = "sender"
    """The sender's own: what other people who are quoted say of themselves is never taken."""
    MESSAGE = "message"
    """The matter's: an order number, an amount, a date; it may stand in a quoted part too."""


class Wanted(Frozen):
    r"""A field that may be filled from the text.

    Attributes:
        description: what the model reads.
        about: whose it is.
        pattern: regular expression that the whole value fits, such as `SO-\d{6}`; every match
            is a candidate.
        labels: what stands before a colon in front of the value, as in forms: `Company`, `Firma`.
        cues: words beside the value that tell it from others of its type: `budget`, `order`. With a
            pattern they make it sure; else a value with one is offered, and one without much less.
    """

    description: str = Field(min_length=5)
    about: About = About.SENDER
    pattern: Annotated[str, AfterValidator(_compiles)] | None = None
    labels: tuple[Annotated[str, Field(min_length=2)], ...] = ()
    cues: tuple[Annotated[str, Field(min_length=2)], ...] = ()


class Extract(Frozen):
    """What may be filled in from the text, and how far a value is trusted.

    Attributes:
        fields: by name; each is one of `input.fields`.
        threshold: smallest confidence that is written; below it a field counts as missing, and what was
            found is shown to people. The default is what is claimed of a value that is written.
        ours: domains of our own house: who writes from there is never the sender.
        ask: whether the model is asked for what the deterministic extractors leave open.
        prompt: name of a folder in `prompts/`.
        reasks: further calls when an answer is unusable or not supported by the text.
    """

    fields: dict[str, Wanted] = Field(min_length=1)
    threshold: float = Field(default=0.97, gt=0.5, le=1)
    ours: tuple[Annotated[str, Field(pattern=r"^[^@\s]+\.[^@\s]+$")], ...] = ()
    ask: bool = True
    prompt: str = Field(default="extract", pattern=r"^[a-z][a-z0-9_]{0,62}$")
    reasks: int = Field(default=1, ge=0, le=5)


def at_home(address: str, ours: Sequence[str]) -> bool:
    """Whether an address is one of our own house's."""
    domain = address.rpartition("@")[2].lower()
    return any(domain == own.lower() or domain.endswith(f".{own.lower()}") for own in ours)
