"""From labelled records to the thresholds by which records are linked, or told apart, without a person.

The guarantee is the router's (`domain.calibration`, Learn then Test): the share that is wrong among
what is linked automatically is at most the target, and so is the share that is wrong among what is
told apart automatically, both together with the stated confidence. A left record is the unit: it is
linked wrongly when what it is linked to is not the one, and told apart wrongly when it is on the other
side at all, also when blocking never found it. So the labelled records must be drawn at random from
those that are to be linked (`sample`), and a person must have looked for each on the whole other side.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import exp, inf

from pydantic import Field

from domain.calibration import Promise, Scored, learn_then_test, more_needed, start
from domain.linkage.pairing import Paired
from domain.values import Frozen, share

FITTED_ON = 1 / 3
"""Share of the labelled records that confidences are fitted on; the others prove."""
STEEPEST = 3.0
"""Of the curve from bits to confidence, in powers of e a bit; bits that were all right come out at log 2 or more."""
PULL = 0.1
"""How firmly the curve is held by what bits mean by themselves."""
EVEN = 0.5
"""Confidence below which nothing is linked and above which nothing is told apart, whatever was proven: where
no labelled record lies, a threshold may be walked past it."""
NATURAL = 0.6931
"""Powers of e in a bit: the slope that bits would have, were the fields independent."""
ROUNDS = 50


class Curve(Frozen):
    """From bits to the probability that a pair is the one: logistic (Platt 1999)."""

    slope: float = Field(gt=0)
    middle: float

    def confidence(self, bits: float) -> float:
        """0 to 1; 0 where there is no pair."""
        if bits == -inf:
            return 0.0
        return 1 / (1 + exp(-max(-700.0, min(700.0, self.slope * (bits - self.middle)))))


class LinkageProof(Frozen):
    """What linking by a model may be trusted by.

    Attributes:
        made_for: fingerprint of the model and of the terms that it holds for.
        linked: of what is linked automatically; `apart` of what is told apart. Each without a threshold
            where nothing is proven, and then a person is asked.
        fitted_on: labelled records that the curve was fitted on; the thresholds were proven on `n` others.
        more_linked: about how many more labelled records would prove something of `linked`; None where no
            number would, as far as can be told, or none is needed. `more_apart` likewise.
    """

    made_for: str
    target: float = Field(gt=0, lt=1)
    delta: float = Field(gt=0, lt=1)
    curve: Curve
    linked: Promise
    apart: Promise
    fitted_on: int = Field(ge=0)
    n: int = Field(ge=0)
    more_linked: int | None = None
    more_apart: int | None = None

    @property
    def told(self) -> str:
        """What is proven and what is not, for whoever labels."""
        return " ".join(
            (
                self._told("Linking", self.linked, self.more_linked),
                self._told("Telling apart", self.apart, self.more_apart),
            )
        )

    def _told(self, what: str, promise: Promise, more: int | None) -> str:
        if promise.threshold is not None:
            return (
                f"{what} is proven from confidence {promise.threshold:.4g} on: "
                f"at most {promise.bound:.2%} wrong ({promise.errors} of {promise.accepted})."
            )
        needs = f"label about {more} more records" if more is not None else "no number of records like these would"
        return f"{what} is not proven, so people are asked: {needs} to prove at most {self.target:.2%} wrong."


@dataclass(frozen=True, slots=True)
class Labelled:
    """A left record of which it is known where it belongs.

    Attributes:
        paired: what it is by the model; None where it was weighed with nothing.
        truth: the ids of the right records that it is; none where it is on the other side nowhere.
        unreached: whether blocking left out all that it shares a key with.
    """

    left: str
    paired: Paired | None
    truth: frozenset[str]
    unreached: bool = False

    @property
    def bits(self) -> float:
        """What speaks for its pair."""
        return -inf if self.paired is None else self.paired.bits

    @property
    def right(self) -> bool:
        """Whether the model pairs it with what it is."""
        return self.paired is not None and self.paired.right in self.truth

    @property
    def doubtful(self) -> bool:
        """Whether a person must look, whatever the confidence."""
        return self.paired is not None and self.paired.doubtful


def sample(left: Iterable[str], n: int, seed: str) -> list[str]:
    """The ids of `n` records to label, drawn blindly: of these records and this seed always the same."""
    return sorted(sorted(left, key=lambda one: (share(f"{seed} {one}"), one))[:n])


def prove(labelled: Sequence[Labelled], made_for: str, target: float, delta: float) -> LinkageProof:
    """What the labelled records prove; nothing, and how many more are needed, where they are too few.

    Args:
        made_for: fingerprint of the model and of the terms of pairing (`Terms.proven_for`).
        target: the largest share that may be wrong, among what is linked, and among what is told apart.
        delta: the chance that either is exceeded; each is tested at half of it.
    """
    fitted = [one for one in labelled if share(f"fit {one.left}") < FITTED_ON]
    rest = [one for one in labelled if share(f"fit {one.left}") >= FITTED_ON]
    curve = fit_curve([(one.bits, one.right) for one in fitted if one.bits > -inf])
    promises = []
    for score in (_linked, _apart):
        first = start([score(curve, one) for one in fitted], target)
        scored = [score(curve, one) for one in rest]
        promise = _above_even(learn_then_test(scored, target, delta / 2, first))
        more = None if promise.threshold is not None else more_needed(scored, target, delta / 2)
        promises.append((promise, _of_all(more)))
    (linked, more_linked), (apart, more_apart) = promises
    return LinkageProof(
        made_for=made_for,
        target=target,
        delta=delta,
        curve=curve,
        linked=linked,
        apart=apart,
        fitted_on=len(fitted),
        n=len(rest),
        more_linked=more_linked,
        more_apart=more_apart,
    )


def _above_even(promise: Promise) -> Promise:
    threshold = None if promise.threshold is None else max(EVEN, promise.threshold)
    return promise.model_copy(update={"threshold": threshold})


def _of_all(more: int | None) -> int | None:
    """Of the records that are labelled, only a part proves."""
    return None if more is None else round(more / (1 - FITTED_ON))


def _linked(curve: Curve, one: Labelled) -> Scored:
    able = one.paired is not None and one.paired.right is not None and not one.doubtful
    return Scored(score=_beyond_even(curve.confidence(one.bits)) if able else 0.0, correct=one.right)


def _apart(curve: Curve, one: Labelled) -> Scored:
    able = not one.doubtful and not one.unreached
    return Scored(score=_beyond_even(1 - curve.confidence(one.bits)) if able else 0.0, correct=not one.truth)


def _beyond_even(score: float) -> float:
    return score if score >= EVEN else 0.0


def fit_curve(pairs: Sequence[tuple[float, bool]]) -> Curve:
    """The likeliest logistic curve, held a little to bits' own meaning, so that it exists with any pairs.

    By Newton's method on slope and height; the middle of the curve is where its height is half.
    """
    if not pairs:
        return Curve(slope=NATURAL, middle=0.0)
    slope, height = NATURAL, 0.0
    for _ in range(ROUNDS):
        gs, gh = PULL * (slope - NATURAL), PULL * height
        ss, sh, hh = PULL, 0.0, PULL
        for bits, right in pairs:
            p = 1 / (1 + exp(-max(-700.0, min(700.0, slope * bits + height))))
            off, spread = p - right, p * (1 - p)
            gs, gh = gs + off * bits, gh + off
            ss, sh, hh = ss + spread * bits * bits, sh + spread * bits, hh + spread
        bend = ss * hh - sh * sh
        ds, dh = (hh * gs - sh * gh) / bend, (ss * gh - sh * gs) / bend
        shrink = min(1.0, 1.0 / max(abs(ds), abs(dh) / 10, 1e-12))
        slope, height = min(STEEPEST, max(0.01, slope - shrink * ds)), height - shrink * dh
        if abs(ds) < 1e-6 and abs(dh) < 1e-6:  # noqa: PLR2004  nothing moves
            break
    return Curve(slope=slope, middle=-height / slope)
