"""Texts as vectors of the words and character n-grams that a set of examples uses."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import FeatureUnion, make_union

Vectors = NDArray[np.float64]
"""One row a text, each of length 1 (or 0 for a text with nothing known in it)."""

ANY_WORD = r"(?u)\b\w+\b"
"""Words of one letter too: "a" of "plan a" counts."""

DIMENSIONS = 256
"""Of the latent space; more cost time and gained nothing on the public sets."""


class Lexical:
    """TF-IDF of words and character n-grams, reduced by latent semantic analysis.

    Deerwester et al., "Indexing by latent semantic analysis", JASIS 41 (1990).
    """

    name = "lexical-1"
    """Changes whenever a vector would."""

    def __init__(self, texts: Sequence[str]) -> None:
        words = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), strip_accents="unicode", token_pattern=ANY_WORD)
        characters = TfidfVectorizer(sublinear_tf=True, analyzer="char_wb", ngram_range=(2, 5), strip_accents="unicode")
        features: FeatureUnion = make_union(words, characters)
        dimensions = min(DIMENSIONS, len(texts) - 1)
        self._texts, self._features = texts, features
        self._reduced = TruncatedSVD(dimensions, n_iter=3, random_state=0)
        self.vectors = unit(self._reduced.fit_transform(features.fit_transform(texts)))

    def embed(self, texts: Sequence[str]) -> Vectors:
        """One vector a text."""
        return unit(self._reduced.transform(self._features.transform(texts)))

    def embed_known(self, texts: Sequence[str]) -> tuple[Vectors, Vectors]:
        """As `embed`; and how much of each text the examples' words make up, 0 to 1: of an example itself, 1."""
        reduced, left = self._left(texts)
        return unit(reduced), np.clip(left / max(self._own, 1e-12), 0.0, 1.0)

    @cached_property
    def _own(self) -> float:
        """What is left of the example that the reduction takes most from; asked only where words are all there is."""
        return float(self._left(self._texts)[1].min())

    def _left(self, texts: Sequence[str]) -> tuple[Vectors, Vectors]:
        """The reduced vectors, and the share of each text's length that the reduction leaves."""
        whole = self._features.transform(texts)
        reduced = self._reduced.transform(whole)
        lengths = np.sqrt(np.asarray(whole.multiply(whole).sum(axis=1))).ravel()
        return reduced, np.asarray(np.linalg.norm(reduced, axis=1) / np.maximum(lengths, 1e-12))


def unit(vectors: Vectors) -> Vectors:
    """`vectors` with each row scaled to length 1; rows of zeros stay."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12), dtype=np.float64)
