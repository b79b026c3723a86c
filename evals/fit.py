"""Fits what calibration needs beside thresholds: how both sides are put together, and the guards."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax

from domain.calibration import Guards
from domain.confidence import UNFITTED, Fusion, Source, log_share
from domain.proposal import NONE_OF_THESE, Opinion
from evals.recorded import Row

PRIOR_ITEMS = 5.0
"""So many items' worth of evidence speak for the weights that nothing was fitted for."""
LARGEST_WEIGHT = 3.0
WORTH_A_WEIGHT = 1.92
"""Gain in log-likelihood from which one more weight is no chance: half of chi-squared's 95 % point, one degree."""
LEAST_DISSENT = 0.5
"""A part that is less sure than this of another route says nothing; short messages would set the limit to 0."""

Sides = NDArray[np.float64]
"""Log-probabilities: items by labels by sides, the examples first."""
Weights = NDArray[np.float64]


def fit_fusion(rows: Sequence[Row], source: Source) -> Fusion:
    """The pool's weights under which the right labels are likeliest, drawn a little toward `UNFITTED`.

    The model counts only where that makes the right labels likelier than chance would, by the
    likelihood-ratio test (Wilks 1938); else it has weight 0, and only its disagreement counts.
    Items whose label neither side knows tell nothing and are left out.
    """
    start = UNFITTED[source]
    labels = sorted({label for row in rows for label in _opinion(row).scores})
    known = [row for row in rows if row.item.label in labels]
    if not known:
        return start
    sides = np.array(
        [
            [[log_share(_opinion(row).scores, label), log_share(row.proposal.scores, label)] for label in labels]
            for row in known
        ]
    )
    right = np.array([labels.index(row.item.label) for row in known])
    alone = _likeliest(sides[:, :, :1], right, np.array([1.0]))
    vote_only = Fusion(examples=round(float(alone[0]), 4), model=0)
    if source is Source.EXAMPLES:
        return vote_only
    both = _likeliest(sides, right, np.array([start.examples, start.model]))
    gain = _log_likelihood(both, sides, right) - _log_likelihood(alone, sides[:, :, :1], right)
    if gain < WORTH_A_WEIGHT:
        return vote_only
    return Fusion(examples=round(float(both[0]), 4), model=round(float(both[1]), 4))


def _likeliest(sides: Sides, right: NDArray[np.int_], prior: Weights) -> Weights:
    """The weights under which the right labels are likeliest, one for each of the last axis of `sides`."""

    def loss(weights: Weights) -> float:
        return -_log_likelihood(weights, sides, right) + PRIOR_ITEMS * float(((weights - prior) ** 2).sum())

    bounds = [(0.05, LARGEST_WEIGHT), (0.0, LARGEST_WEIGHT)][: len(prior)]
    return np.asarray(minimize(loss, prior, bounds=bounds, method="L-BFGS-B").x)


def _log_likelihood(weights: Weights, sides: Sides, right: NDArray[np.int_]) -> float:
    odds = sides @ weights
    return float(log_softmax(odds, axis=1)[np.arange(len(right)), right].sum())


def fit_guards(rows: Sequence[Row], share: float) -> Guards:
    """Limits that each send about `share` of honest traffic to people.

    They are quantiles over the items that belong to a route and whose route the examples name:
    an item that would not act anyway says nothing of a guard's price.
    """
    honest = [
        _opinion(row)
        for row in rows
        if row.item.label != NONE_OF_THESE and _opinion(row).label == row.item.label and not _held(row)
    ]
    if not honest or share == 0:
        return Guards()
    return Guards(
        similarity=_quantile([opinion.similarity for opinion in honest], share),
        weakest=_quantile([opinion.weakest for opinion in honest], share),
        dissent=max(LEAST_DISSENT, _quantile([opinion.dissent for opinion in honest], 1 - share)),
    )


def _held(row: Row) -> bool:
    return bool(row.proposal.tampering) or (row.rule is not None and row.rule.takes_over)


def _quantile(values: list[float], share: float) -> float:
    return round(float(np.quantile(values, share, method="inverted_cdf")), 4)


def _opinion(row: Row) -> Opinion:
    if row.proposal.opinion is None:
        raise ValueError("only rows with an opinion are fitted on")
    return row.proposal.opinion
