"""Signs that a message was written for a machine rather than for the people who read it.

They are looked for in the text itself, by code: nothing that the text says can talk them
away. A message that shows one goes to a person, whatever else is known of it. They are few,
and each is something that people hardly ever write by accident; what they miss, the second
opinion and the guards must catch.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache

_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u180e\u200b\u202d\u202e\u2060-\u2064\u2066-\u2069\u3164\U000e0100-\U000e01ef]"
    "|(?<!^)\ufeff|(?<![\U0001f3f4\U000e0020-\U000e007f])[\U000e0020-\U000e007f]"
    "|[\u0335-\u0338]"
)
"""Characters without a shape, such as turn the direction of writing or strike a letter out.

Not soft hyphens, the joiners of Persian and of emoji, the marks around numbers out of address books, a byte
order mark in front, or the tags that make up a flag.
"""
_CHAT = re.compile(
    r"<\|[^|>]{1,40}\|>|\[/?INST\]|<</?SYS>>|</?(start|end)_of_turn>|<\s*/?\s*(message|system|assistant|instructions?)\s*>"
    r"|^\s*(assistant|developer)\s*:|^\s*#+\s*(system|instructions?)\b|\bsystem\s+(prompt|message)\s*:",
    re.IGNORECASE | re.MULTILINE,
)
_MARKUP = re.compile(
    r"<!--|<\s*(script|style|template|meta)\b|display\s*:\s*none|font-size\s*:\s*0|<!\[CDATA\["
    r"|<[a-z]\w*\s[^<>]*\b(title|alt|content|placeholder|value|aria-\w+|data-\w+)\s*=\s*[\"'\w]",
    re.IGNORECASE,
)
"""Markup whose text no reader sees: comments, hidden elements, attributes that hold words."""
_LINK = re.compile(r"\b(https?://|www\.)\S+", re.IGNORECASE)
_ENCODED = re.compile(r"\b(?=\w*[a-z])(?=\w*[A-Z])(?=\w*[0-9])[A-Za-z0-9+]{32,}={0,2}")
_ANSWER = re.compile(
    r"[\"'](label|route|category|class)[\"']\s*:\s*[\"'`]?\w|\b(label|route|category|class)\s*[:=]+\s*[\"'`]?(?P<value>\w+)",
    re.IGNORECASE,
)
_WORD = re.compile(r"\w+")

QUOTED_WORDS = 5
"""So many words of a route's description in a row are no coincidence: customers never see it."""
REPEATED_FROM_WORDS, REPEATED_FROM_LETTERS = 12, 3
REPEATED_SHARE = 0.2
"""A text of which one word makes up so large a share is stuffed with it."""


def signs(text: str, routes: Mapping[str, str]) -> tuple[str, ...]:
    """The signs that `text` shows, by name; empty for nearly every honest message.

    Args:
        routes: each route's description by its name, as the model is told.
    """
    words = [word.lower() for word in _WORD.findall(text)]
    said = " ".join(words)
    found = {
        "invisible_characters": _INVISIBLE.search(text) is not None,
        "chat_markup": _CHAT.search(text) is not None,
        "hidden_markup": _MARKUP.search(text) is not None,
        "encoded_text": _ENCODED.search(_LINK.sub(" ", text)) is not None,
        "written_answer": any(_answers(match["value"], routes) for match in _ANSWER.finditer(text)),
        "names_a_route": any("_" in name and name in text.lower() for name in routes) or said in map(_plain, routes),
        "quotes_the_policy": any(run in said for description in routes.values() for run in _runs(description)),
        "repeats_itself": len(words) >= REPEATED_FROM_WORDS and _most_frequent(words) >= REPEATED_SHARE * len(words),
    }
    return tuple(name for name, shown in found.items() if shown)


def _answers(value: str | None, routes: Mapping[str, str]) -> bool:
    """Whether a written answer is one: in quotes, as a machine writes it, or naming a route."""
    return value is None or value.lower() in routes


def _most_frequent(words: Sequence[str]) -> int:
    counts = Counter(word for word in words if len(word) >= REPEATED_FROM_LETTERS)
    return max(counts.values(), default=0)


def _plain(name: str) -> str:
    return name.replace("_", " ")


@cache
def _runs(description: str) -> list[str]:
    words = [word.lower() for word in _WORD.findall(description)]
    return [" ".join(words[start : start + QUOTED_WORDS]) for start in range(len(words) - QUOTED_WORDS + 1)]
