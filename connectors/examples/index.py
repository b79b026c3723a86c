"""A policy's labelled examples as an index in memory: the nearest ones, and the vote of all.

Texts are compared by what they mean (embeddings, where there are any) and by the words they
use; either alone is worse on short business messages.
"""

import asyncio
import os
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from connectors.examples.lexical import Lexical, Vectors, unit
from connectors.examples.parts import clauses, parts
from connectors.examples.vote import Vote
from connectors.ports import Consulted, Labelled, Neighbour
from domain.proposal import NONE_OF_THESE, Opinion
from domain.values import digest

LEXICAL_WEIGHT = 0.75
"""Of the words beside the meaning; chosen on the public sets."""
SOFT_HYPHEN = "\u00ad"
"""Shown to nobody, and enough to make another word of one: taken out before anything is compared."""
FEWEST_OF_INTENT = 8
"""Examples from which on an intent is voted for by itself; fewer are counted as their route's."""


class Embedder(Protocol):
    """Turns texts into vectors of length 1."""

    @property
    def name(self) -> str:
        """What computes them; another name, other vectors."""
        ...

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """One row a text.

        Raises:
            Retryable: the same later may do.
            Permanent: the endpoint refuses.
        """
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...


@dataclass(frozen=True)
class _Fitted:
    lexical: Lexical
    vectors: Vectors
    vote: Vote


class LabelledExamples:
    """An index over labelled texts, fitted on first use.

    Args:
        examples: what the policy's file of examples holds.
        embedder: what they mean; None compares words only.
        cache: folder in which the examples' embeddings are kept between runs.
    """

    def __init__(self, examples: Sequence[Labelled], embedder: Embedder | None, cache: Path) -> None:
        self._examples, self._embedder, self._cache = list(examples), embedder, cache
        self._fitted: _Fitted | None = None
        self._fitting = asyncio.Lock()

    @property
    def name(self) -> str:
        """How texts are compared and votes counted; changes whenever an opinion would."""
        means = f"{self._embedder.name}+" if self._embedder else ""
        return f"{means}{Lexical.name}/vote-1"

    async def consult(self, texts: Sequence[str], count: int) -> list[Consulted]:
        """The examples' vote on each text and its `count` nearest examples, the nearest last."""
        if not texts:
            return []
        async with self._fitting:
            fitted = self._fitted = self._fitted or await self._fit()
        texts = [text.replace(SOFT_HYPHEN, "") for text in texts]
        pieces = [(parts(text), clauses(text)) for text in texts]
        flat = [piece for own, finer in pieces for piece in (*own, *finer)]
        similarities, shares = await self._compared(fitted, [*texts, *flat])
        consulted, at = [], len(texts)
        for row, (own, finer) in enumerate(pieces):
            near = similarities[at : at + len(own)]
            votes = shares[at : at + len(own) + len(finer)]
            at += len(own) + len(finer)
            opinion = _opinion(fitted.vote.routes, shares[row], votes, similarities[row], near)
            consulted.append(Consulted(opinion, self._nearest(similarities[row], count)))
        return consulted

    async def aclose(self) -> None:
        """Close what computes the embeddings."""
        if self._embedder:
            await self._embedder.aclose()

    async def _fit(self) -> _Fitted:
        lexical = Lexical([example.text for example in self._examples])
        vectors = lexical.vectors
        if self._embedder:
            vectors = _joined(await self._remembered(self._embedder), vectors)
        fine = _finest(self._examples)
        return _Fitted(lexical, vectors, Vote(vectors, fine, [example.label for example in self._examples]))

    async def _compared(self, fitted: _Fitted, texts: Sequence[str]) -> tuple[Vectors, Vectors]:
        """Similarity to each example, and probability of each route; one row a text, equal texts computed once."""
        once = {text: row for row, text in enumerate(dict.fromkeys(texts))}
        if self._embedder:
            vectors = _joined(await self._embedder.embed(list(once)), fitted.lexical.embed(list(once)))
            familiar = np.ones(len(once))
        else:  # strange words have no vector of their own: what is left must not look familiar
            vectors, familiar = fitted.lexical.embed_known(list(once))
        similarities = np.clip(vectors @ fitted.vectors.T, 0.0, 1.0) * familiar[:, None]
        rows = [once[text] for text in texts]
        return similarities[rows], fitted.vote.probabilities(vectors)[rows]

    async def _remembered(self, embedder: Embedder) -> Vectors:
        """The examples' embeddings, computed once for a set of examples."""
        texts = [example.text for example in self._examples]
        kept = self._cache / f"{digest(embedder.name, texts)}.npy"
        if kept.is_file():
            return np.asarray(np.load(kept))
        vectors = await embedder.embed(texts)
        self._cache.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self._cache, suffix=".part", delete=False) as part:
            np.save(part, vectors)
        os.replace(part.name, kept)  # noqa: PTH105  at once or not at all, whoever else writes it
        return vectors

    def _nearest(self, similarities: Vectors, count: int) -> list[Neighbour]:
        best = similarities.argsort(kind="stable")[max(0, len(self._examples) - count) :]
        return [
            Neighbour(self._examples[index].text, self._examples[index].label, float(similarities[index]))
            for index in best
        ]


def _finest(examples: Sequence[Labelled]) -> list[str]:
    """The finest label of each example that has enough of its kind to be learnt from."""
    sizes = Counter((example.label, example.intent) for example in examples)
    enough = {kind for kind, size in sizes.items() if size >= FEWEST_OF_INTENT}
    return [
        example.intent if example.intent and (example.label, example.intent) in enough else example.label
        for example in examples
    ]


def _opinion(
    routes: Sequence[str], whole: Vectors, pieces: Vectors, similar: Vectors, similar_parts: Vectors
) -> Opinion:
    """The vote on a whole text, beside those on its parts and clauses; only parts must look familiar."""
    others = [column for column, route in enumerate(routes) if route != NONE_OF_THESE and column != whole.argmax()]
    dissents = [row[others].max() for row in pieces if others and row.argmax() in others]
    return Opinion(
        scores=dict(zip(routes, map(float, whole), strict=True)),
        similarity=float(similar.max()),
        weakest=float(min([similar.max(), *similar_parts.max(axis=1)])),
        dissent=min(1.0, float(max(dissents, default=0.0))),
    )


def _joined(means: Vectors, words: Vectors) -> Vectors:
    return unit(np.concatenate([means, LEXICAL_WEIGHT * words], axis=1))
