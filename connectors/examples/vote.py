"""The vote of labelled vectors on new ones: a probability of each route, and of none.

Four parts, each fitted on the examples alone and each by predictions on examples that were
left out of the fit:

1.  Multinomial logistic regression on the *finest* labels (intents, where the examples have
    them), summed to routes: what belongs to a route need not look alike.
2.  A temperature, so that its probabilities mean what they say (Guo et al., "On Calibration
    of Modern Neural Networks", ICML 2017).
3.  The nearest examples' own vote, each weighing by its similarity: it is right where a plane
    through few points is not.
4.  Whether the text is in scope at all: a logistic regression on how near the text is to the
    examples of the routes, against those of `none_of_these`, where there are enough of them.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_softmax, softmax
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from connectors.examples.lexical import Vectors
from domain.proposal import NONE_OF_THESE

FOLDS = 3
FEWEST_OUTSIDE = 5
"""Examples of `none_of_these` from which on "in scope" is a question of its own."""
STRENGTH = 30.0
"""Inverse regularisation on vectors of length 1; chosen on the public sets."""
NEIGHBOURS_SHARE, NEIGHBOURS_SHARPNESS = 0.3, 15.0
"""Weight of the nearest examples' vote in the (geometric) mean, and how fast it forgets farther ones."""
CAUTION = 15.0
"""Inverse regularisation of "in scope", times the examples inside: a dozen examples outside teach little."""
SCOPE_SHARPNESS = 1.5
"""Such caution makes "in scope" too mild; its log-odds are stretched again. Both chosen on the public sets."""

Labels = NDArray[np.str_]


class Vote:
    """Fitted on labelled vectors.

    Args:
        vectors: one row an example.
        fine: the finest label of each example.
        routes: the route of each example, `none_of_these` included.
    """

    def __init__(self, vectors: Vectors, fine: Sequence[str], routes: Sequence[str]) -> None:
        names, owners = np.array([f"{r}\0{f}" for r, f in zip(routes, fine, strict=True)]), np.array(routes)
        self._inside = _Inside(vectors, names, owners) if _both(names, owners) else None
        self.routes = sorted(set(routes))
        self._vectors, self._owned = vectors, np.stack([owners == route for route in self.routes], axis=1)
        self._labels = _Fine(vectors, names)
        margins, seen = _left_out(vectors, names)
        self._labels.temperature = _temperature(margins[seen], names[seen], self._labels.classes)

    def probabilities(self, vectors: Vectors) -> NDArray[np.float64]:
        """Probability of each of `routes`, one row a text, each summing to 1."""
        fine = self._labels.probabilities(vectors)
        summed = np.stack([fine[:, self._labels.owned_by(route)].sum(axis=1) for route in self.routes], axis=1)
        near = softmax(NEIGHBOURS_SHARPNESS * vectors @ self._vectors.T, axis=1) @ self._owned
        mixed = _floor(summed) ** (1 - NEIGHBOURS_SHARE) * _floor(near) ** NEIGHBOURS_SHARE
        if self._inside is None:
            return np.asarray(mixed / mixed.sum(axis=1, keepdims=True))
        none = self.routes.index(NONE_OF_THESE)
        inside = self._inside.probability(vectors)
        mixed[:, none] = 0.0
        mixed *= (inside / mixed.sum(axis=1))[:, None]
        mixed[:, none] = 1.0 - inside
        return np.asarray(mixed)


class _Fine:
    """Logistic regression on the finest labels."""

    def __init__(self, vectors: Vectors, names: Labels) -> None:
        self.temperature = 1.0
        self.classes = np.unique(names)
        self._model = LogisticRegression(C=STRENGTH, max_iter=1000, class_weight="balanced")
        if len(self.classes) > 1:
            self._model.fit(vectors, names)

    def margins(self, vectors: Vectors) -> NDArray[np.float64]:
        """Log-odds of each class before they are normalised."""
        if len(self.classes) == 1:
            return np.zeros((len(vectors), 1))
        margins = self._model.decision_function(vectors)
        return np.asarray(margins if margins.ndim == 2 else np.stack([-margins / 2, margins / 2], axis=1))  # noqa: PLR2004

    def probabilities(self, vectors: Vectors) -> NDArray[np.float64]:
        return np.asarray(softmax(self.margins(vectors) / self.temperature, axis=1))

    def owned_by(self, route: str) -> NDArray[np.bool_]:
        return np.array([name.partition("\0")[0] == route for name in self.classes.tolist()])


class _Inside:
    """Whether a text is of any route's kind, by how near it is to the routes' examples."""

    def __init__(self, vectors: Vectors, names: Labels, owners: Labels) -> None:
        inside = owners != NONE_OF_THESE
        features = np.zeros((len(owners), 4))
        for fold in range(FOLDS):
            left_out = _folds(names) == fold
            features[left_out] = _Near(vectors[~left_out], names[~left_out], owners[~left_out]).features(
                vectors[left_out]
            )
        self._near = _Near(vectors, names, owners)
        strength = CAUTION / int(inside.sum())
        self._model: Pipeline = make_pipeline(StandardScaler(), LogisticRegression(C=strength, class_weight="balanced"))
        self._model.fit(features, inside)

    def probability(self, vectors: Vectors) -> NDArray[np.float64]:
        return np.asarray(expit(SCOPE_SHARPNESS * self._model.decision_function(self._near.features(vectors))))


class _Near:
    """How near texts are to the examples of routes: what says that a text is in scope."""

    def __init__(self, vectors: Vectors, names: Labels, owners: Labels) -> None:
        inside = owners != NONE_OF_THESE
        self._vectors = vectors[inside]
        self._all = _Fine(vectors, names)
        self._fine = _Fine(vectors[inside], names[inside])
        centres = np.stack([vectors[names == name].mean(axis=0) for name in np.unique(names[inside])])
        self._centres = centres / np.maximum(np.linalg.norm(centres, axis=1, keepdims=True), 1e-12)

    def features(self, vectors: Vectors) -> NDArray[np.float64]:
        """Mean similarity to the three nearest, to the nearest label's centre, the largest margin, odds of none."""
        nearest = np.sort(vectors @ self._vectors.T, axis=1)[:, -3:].mean(axis=1)
        centre = (vectors @ self._centres.T).max(axis=1)
        margin = self._fine.margins(vectors).max(axis=1)
        none = self._all.probabilities(vectors)[:, self._all.owned_by(NONE_OF_THESE)].sum(axis=1).clip(1e-6, 1 - 1e-6)
        return np.stack([nearest, centre, margin, np.log(none / (1 - none))], axis=1)


def _floor(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """`shares` without zeros, which no mean survives."""
    return np.maximum(shares, 1e-9)


def _both(names: Labels, owners: Labels) -> bool:
    """Whether there are enough examples outside, and inside after any fold of them is left out."""
    inside = names[owners != NONE_OF_THESE]
    return len(names) - len(inside) >= FEWEST_OUTSIDE and len(np.unique(inside)) < len(inside)


def _folds(names: Labels) -> NDArray[np.int_]:
    """The fold of each example; those of one label are dealt out in turn."""
    dealt = dict.fromkeys(names.tolist(), 0)
    folds = np.zeros(len(names), dtype=np.int_)
    for index, name in enumerate(names.tolist()):
        folds[index] = dealt[name] % FOLDS
        dealt[name] += 1
    return folds


def _left_out(vectors: Vectors, names: Labels) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Margins of each example from a fit without it, and which examples had a fit that knew their label."""
    classes = np.unique(names)
    margins, seen = np.full((len(names), len(classes)), -np.inf), np.zeros(len(names), dtype=np.bool_)
    for fold in range(FOLDS):
        out = _folds(names) == fold
        if not out.any() or out.all():
            continue
        fine = _Fine(vectors[~out], names[~out])
        margins[np.ix_(out, np.isin(classes, fine.classes))] = fine.margins(vectors[out])
        seen[out] = np.isin(names[out], fine.classes)
    return margins, seen


def _temperature(margins: NDArray[np.float64], names: Labels, classes: Labels) -> float:
    """The temperature at which the labels that were left out are likeliest; 1 with nothing to fit on."""
    if not len(names):
        return 1.0
    rows, columns = np.arange(len(names)), np.searchsorted(classes, names)

    def loss(log_temperature: float) -> float:
        return float(-log_softmax(margins / np.exp(log_temperature), axis=1)[rows, columns].mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-3.0, 3.0), method="bounded").x))
