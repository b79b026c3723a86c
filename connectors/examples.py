"""A policy's labelled examples as an index: TF-IDF on character and word n-grams, in memory.

The vote is a logistic regression on the same features. Both see the examples only, so
nothing that a message says of itself can turn them.
"""

from collections.abc import Sequence

import numpy as np
from scipy.sparse import spmatrix
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import linear_kernel
from sklearn.pipeline import FeatureUnion, make_union

from connectors.ports import Neighbour
from domain.proposal import Opinion


class TfidfExamples:
    """An index over texts and their labels; building it takes milliseconds for hundreds of examples."""

    name = "tfidf-2"
    """Changes whenever neighbours or votes would."""

    def __init__(self, texts: Sequence[str], labels: Sequence[str]) -> None:
        self._texts, self._labels = list(texts), list(labels)
        self._features: FeatureUnion = make_union(
            TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), strip_accents="unicode"),
            TfidfVectorizer(sublinear_tf=True, analyzer="char_wb", ngram_range=(2, 5), strip_accents="unicode"),
        )
        self._matrix: spmatrix = self._features.fit_transform(self._texts)
        self._vote = LogisticRegression(C=20, max_iter=1000, class_weight="balanced").fit(self._matrix, self._labels)

    def nearest(self, text: str, count: int) -> list[Neighbour]:
        """The `count` examples nearest to `text`, the nearest last."""
        similarities = self._similarities(text)
        best = similarities.argsort(kind="stable")[max(0, len(self._texts) - count) :]
        return [Neighbour(self._texts[i], self._labels[i], float(similarities[i])) for i in best]

    def opinion(self, text: str) -> Opinion:
        """The label that the examples vote for, with its probability."""
        shares = self._vote.predict_proba(self._features.transform([text]))[0]
        scores = {str(label): float(share) for label, share in zip(self._vote.classes_, shares, strict=True)}
        similarity = min(1.0, max(0.0, float(self._similarities(text).max())))
        return Opinion(scores=scores, similarity=similarity)

    def _similarities(self, text: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        both = linear_kernel(self._features.transform([text]), self._matrix)[0]
        mean = np.asarray(both / len(self._features.transformer_list), dtype=np.float64)
        return np.clip(mean, 0.0, 1.0)  # rounding can leave the range
