"""From token log-probabilities to a probability of each label.

Endpoints give, for each token of the answer, the likeliest alternatives. A label's
probability is followed along the tokens of the answer that was given: where an alternative
leads to another label, that label gets its share, and at the end the shares are
renormalised over the labels. Tokens that no label begins with count for nothing; they
come before the endpoint's grammar mask and can take most of the mass.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import exp

_BEFORE_LABEL = re.compile(r'"label"\s*:\s*"')


@dataclass(frozen=True)
class Token:
    """One token of the answer and the log-probabilities of its likeliest alternatives, itself included."""

    text: str
    alternatives: dict[str, float]


def label_scores(tokens: Sequence[Token], labels: Sequence[str]) -> dict[str, float]:
    """Probability of each label, summing to 1; empty if the tokens, or their alternatives, do not tell.

    Args:
        tokens: of the whole answer, a code fence or white space before the JSON included.
        labels: as offered to the model.
    """
    start = _label_start(tokens)
    if start is None:
        return {}
    index, offset = start
    rest = {label: f'{label}"' for label in labels}
    shares = dict.fromkeys(labels, 0.0)
    path, compared = 1.0, False
    for token in tokens[index:]:
        lead, text = token.text[:offset], token.text[offset:]
        going_on = {label: tail for label, tail in rest.items() if _begins(tail, text)}
        for label, share in _diverging(token, lead, text, rest):
            shares[label] += path * share
        compared = compared or len(token.alternatives) > 1
        path *= exp(token.alternatives.get(token.text, float("-inf")))
        rest = {label: tail[len(text) :] for label, tail in going_on.items()}
        offset = 0
        if len(rest) <= 1 or not all(rest.values()):
            break
    for label in rest:
        shares[label] += path / len(rest)
    total = sum(shares.values())
    if not compared or total <= 0:  # one candidate alone says nothing of the others
        return {}
    return {label: share / total for label, share in shares.items()}


def _label_start(tokens: Sequence[Token]) -> tuple[int, int] | None:
    """Index of the token in which the label begins, and where in it."""
    found = _BEFORE_LABEL.search("".join(token.text for token in tokens))
    if found is None:
        return None
    position = found.end()
    for index, token in enumerate(tokens):
        if position < len(token.text):
            return index, position
        position -= len(token.text)
    return None


def _diverging(token: Token, lead: str, taken: str, rest: dict[str, str]) -> Iterator[tuple[str, float]]:
    """Labels that other tokens than the one taken would have led to, each with its share.

    A token that several labels begin with is shared among them evenly.
    """
    for alternative, logprob in token.alternatives.items():
        text = alternative.removeprefix(lead)
        if text == taken or not alternative.startswith(lead):
            continue
        led_to = [label for label, tail in rest.items() if _begins(tail, text)]
        for label in led_to:
            yield label, exp(logprob) / len(led_to)


def _begins(tail: str, text: str) -> bool:
    return bool(text) and (tail.startswith(text) or text.startswith(tail))
