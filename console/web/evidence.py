"""Where in a message the evidence stands that fields were read from."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from domain.extraction import Found


@dataclass(frozen=True)
class Part:
    """A piece of a text, and the fields that it supports."""

    text: str
    fields: tuple[str, ...] = ()


def parts(text: str, found: Mapping[str, Found]) -> list[Part]:
    """The text cut where evidence begins and ends; the pieces joined are the text.

    Spans are positions in the raw text, so it is cut before anything is escaped. Evidence may
    overlap: such a piece supports several fields. What stands outside of the text is left out.
    """
    spans = {
        name: (one.start, min(one.end, len(text)))
        for name, one in found.items()
        if one.start is not None and one.end is not None and one.start < min(one.end, len(text))
    }
    cuts = sorted({0, len(text), *[at for span in spans.values() for at in span]})
    return [
        Part(text[begin:end], tuple(name for name, (first, last) in spans.items() if first <= begin and end <= last))
        for begin, end in pairwise(cuts)
    ]
