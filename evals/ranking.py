"""How well confidences tell right from wrong: pure figures over scores that were right or wrong."""

from collections.abc import Iterable, Sequence

from domain.calibration import Scored

BINS = 10
"""Equal steps of confidence for calibration errors."""
KEPT_PERCENT = 95
"""Share of in-scope items that must stay accepted when out-of-scope recall is told."""


def ranked(items: Iterable[Scored]) -> list[Scored]:
    """The surest first; equals stay in their order."""
    return sorted(items, key=lambda item: -item.score)


def coverage_at(items: Sequence[Scored], accuracy: float) -> float:
    """The largest share, the surest first, of which at least `accuracy` is right; 0 if there is none."""
    best = right = 0
    for taken, item in enumerate(ranked(items), start=1):
        right += item.correct
        best = taken if right / taken >= accuracy else best
    return best / len(items) if items else 0.0


def risks(items: Iterable[Scored]) -> list[float]:
    """The share of errors among the surest 1, 2, … n: the risk-coverage curve.

    Geifman and El-Yaniv, "Selective classification for deep neural networks", NeurIPS 2017,
    arXiv:1705.08500.
    """
    wrong, found = 0, []
    for taken, item in enumerate(ranked(items), start=1):
        wrong += not item.correct
        found.append(wrong / taken)
    return found


def aurc(items: Sequence[Scored]) -> float | None:
    """The mean of `risks` (Geifman, Uziel and El-Yaniv, ICLR 2019, arXiv:1805.08206); None without items."""
    return sum(risks(items)) / len(items) if items else None


def auroc(items: Sequence[Scored]) -> float | None:
    """The chance that a right answer is surer than a wrong one, ties counting half; None without both."""
    from sklearn.metrics import roc_auc_score  # noqa: PLC0415  takes two seconds

    right = [item.correct for item in items]
    return float(roc_auc_score(right, [item.score for item in items])) if len(set(right)) > 1 else None


def bins(items: Iterable[Scored]) -> list[list[Scored]]:
    """The items by ten equal steps of their score, 0 first; a score of 1 belongs to the last."""
    found: list[list[Scored]] = [[] for _ in range(BINS)]
    for item in items:
        found[min(BINS - 1, int(BINS * item.score))].append(item)
    return found


def ece(items: Sequence[Scored]) -> float | None:
    """The mean distance of accuracy from confidence over `bins`, each by its size; None without items.

    Expected calibration error after Naeini, Cooper and Hauskrecht, AAAI 2015.
    """
    gaps = [abs(sum(item.correct - item.score for item in inside)) for inside in bins(items)]
    return sum(gaps) / len(items) if items else None


def percentile(values: Iterable[float], percent: int) -> float | None:
    """The smallest value that at least `percent` of the values do not exceed (nearest rank); None without any."""
    ordered = sorted(values)
    return ordered[max(0, -(-percent * len(ordered) // 100) - 1)] if ordered else None


def share(answers: Iterable[bool]) -> float | None:
    """How many of the answers are yes, 0 to 1; None without any."""
    given = list(answers)
    return sum(given) / len(given) if given else None


def recall_beyond(inside: Iterable[float], outside: Iterable[float]) -> float | None:
    """The share of out-of-scope scores above what 95 % of in-scope scores do not exceed; None without both."""
    limit = percentile(inside, KEPT_PERCENT)
    return None if limit is None else share(score > limit for score in outside)
