"""The blind audit: the misroute rate of a running workflow, and when it must step back.

Of what would be routed automatically a random sample goes to people who do not see the
proposal (`Reason.AUDIT`). How often they decide otherwise is the *misroute rate*; no other
figure is called so.

The sample is looked at after every answer, so an ordinary test would sooner or later raise
a false alarm. `evidence` is an e-process instead: a bet against "at most `target` are wrong"
that a fair gambler expects to lose. By Ville's inequality (Ville, "Etude critique de la
notion de collectif", 1939) it ever reaches 1 / delta with a chance of at most delta while
the target holds, however often one looks. Ramdas, Gruenwald, Vovk and Shafer,
"Game-theoretic statistics and safe anytime-valid inference", Statistical Science 38 (2023).
"""

from collections.abc import Iterable, Mapping
from math import exp, lgamma, log, log1p
from typing import Self, assert_never

from pydantic import AwareDatetime, Field, model_validator

from domain.calibration import Rate, rate
from domain.decision import Mode, Reason
from domain.values import Frozen

ROLLOUT = tuple(Mode)
"""The modes in the order in which a rollout moves: the first acts least."""


class Answered(Frozen):
    """A review that a person answered, as cases and the audit read it.

    Attributes:
        why: reason of the decision that waited; `audit` means that the person decided blindly.
        proposed: what model and examples had come to together; None if to nothing.
        answer: a route, or `none_of_these`.
        reviewer: the name given; claimed, not proven.
        at: when the answer came.
    """

    item_id: str
    text: str
    why: Reason
    proposed: str | None
    answer: str
    reviewer: str
    at: AwareDatetime


class AuditTally(Frozen):
    """Blind answers on what one classifier would have done alone, `wrong` of `n` unlike its proposals."""

    n: int = Field(default=0, ge=0)
    wrong: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _wrong_are_among_them(self) -> Self:
        if self.wrong > self.n:
            raise ValueError("more are wrong than there are")
        return self

    @property
    def misroute(self) -> Rate:
        """The misroute rate with its exact 95 % interval; 0 to 1 while nothing was audited."""
        return rate(self.wrong, self.n)


class Standing(Frozen):
    """How far a policy may go for now.

    Attributes:
        cap: the highest mode that may be in force; None for whatever the policy says.
        since: audit answers after this moment count for the next test; None for all.
        why: what set the cap, or lifted it, in words.
        classifier: fingerprint of the classifier that was refuted; None when a person lifted the cap.
    """

    cap: Mode | None = None
    since: AwareDatetime | None = None
    why: str = ""
    classifier: str | None = None


class StepBack(Frozen):
    """A mode that the audit does not bear out, and the one below it, with the evidence."""

    before: Mode
    after: Mode
    classifier: str
    tally: AuditTally


def tally_answers(answers: Iterable[tuple[str | None, str]]) -> AuditTally:
    """The tally of blind answers, each given as what was proposed and what was answered."""
    wrong = [proposed != answer for proposed, answer in answers]
    return AuditTally(n=len(wrong), wrong=sum(wrong))


def lower(mode: Mode) -> Mode:
    """The mode to step back to: auto to canary to assist; what acts alone in neither stays."""
    match mode:
        case Mode.AUTO:
            return Mode.CANARY
        case Mode.CANARY | Mode.ASSIST:
            return Mode.ASSIST
        case Mode.SHADOW:
            return Mode.SHADOW
        case _:
            assert_never(mode)


def effective(mode: Mode, cap: Mode | None) -> Mode:
    """The mode in force: the lower of the policy's and the cap."""
    return mode if cap is None else min(mode, cap, key=ROLLOUT.index)


def step_back(mode: Mode, tallies: Mapping[str, AuditTally], target: float, delta: float) -> StepBack | None:
    """The step that the audit asks for; None while it bears the mode out, or nothing acts alone.

    Args:
        mode: the one in force.
        tallies: by classifier; each is tested at `delta` divided by their number (Bonferroni), so
            that together they raise a false alarm with a chance of at most `delta`.
        target: the largest share of misroutes that was promised, 0 to 1, both excluded.
    """
    after = lower(mode)
    if after is mode:
        return None
    for classifier, tally in tallies.items():
        if refuted(tally, target, delta / len(tallies)):
            return StepBack(before=mode, after=after, classifier=classifier, tally=tally)
    return None


def refuted(tally: AuditTally, target: float, delta: float) -> bool:
    """Whether the answers so far refute `target`; true by chance at most once in 1 / delta, however often one looks."""
    return evidence(tally, target) >= -log(delta)


def evidence(tally: AuditTally, target: float) -> float:
    """Natural logarithm of the e-process against "at most `target` are wrong"; 0 before the first answer.

    It is the likelihood of the answers under all higher rates alike over that under `target`,

        integral over p from target to 1 of p^wrong (1 - p)^right dp
        / ((1 - target) * target^wrong (1 - target)^right),

    whose integral is Beta(wrong + 1, right + 1) * P(Bin(n + 1, target) <= wrong).
    """
    wrong, right = tally.wrong, tally.n - tally.wrong
    beta = lgamma(wrong + 1) + lgamma(right + 1) - lgamma(tally.n + 2)
    return beta + _log_tail(wrong, tally.n + 1, target) - wrong * log(target) - (right + 1) * log1p(-target)


def _log_tail(errors: int, n: int, rate: float) -> float:
    """Logarithm of P(Bin(n, rate) <= errors), also where that is too small for a float."""
    logs = [
        lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1) + k * log(rate) + (n - k) * log1p(-rate)
        for k in range(errors + 1)
    ]
    largest = max(logs)
    return min(0.0, largest + log(sum(exp(value - largest) for value in logs)))
