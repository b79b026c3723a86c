"""What becomes of a record: it is the same as another, it is on the other side nowhere, or a person is asked."""

from enum import StrEnum

from pydantic import Field

from domain.linkage.model import Evidence
from domain.linkage.pairing import Paired
from domain.linkage.proof import LinkageProof
from domain.sameness import Verdict
from domain.values import Frozen

MOST_EVIDENCE = 5
"""Fields that a sentence names."""


class Because(StrEnum):
    """Why a record got its verdict."""

    PROVEN = "proven"
    """Its confidence is beyond a threshold that is proven."""
    UNPROVEN = "unproven"
    """No threshold is proven: nothing is decided without a person."""
    UNSURE = "unsure"
    """Its confidence is between the thresholds."""
    RIVALS = "rivals"
    """Another record is about as likely."""
    UNREACHED = "unreached"
    """It was compared with nothing, as too many records share each of its keys."""


class Judgement(Frozen):
    """The verdict on a left record.

    Attributes:
        choices: the right records that it is, or may be, the likeliest first; none where it is different.
        confidence: that it is the likeliest of the right records, 0 to 1; None where nothing tells it.
    """

    left: str
    verdict: Verdict
    because: Because
    choices: tuple[str, ...] = Field(default=())
    confidence: float | None = None

    def told(self, evidence: tuple[Evidence, ...] = ()) -> str:
        """One sentence for a reviewer, and a line for each field that says something, the weightiest first."""
        lines = [one.told() for one in evidence[:MOST_EVIDENCE]]
        return "\n".join((f"{self._verdict()} {_REASONS[self.because]}", *lines))

    def _verdict(self) -> str:
        sure = "" if self.confidence is None else f" ({self.confidence:.1%} sure)"
        match self.verdict:
            case Verdict.SAME:
                return f"{self.left} is {self.choices[0]}{sure}."
            case Verdict.DIFFERENT:
                return f"{self.left} is not on the other side ({1 - (self.confidence or 0.0):.1%} sure)."
            case _:
                return f"{self.left} may be {', '.join(self.choices) or 'on the other side'}{sure}."


_REASONS = {
    Because.PROVEN: "That is beyond what was proven.",
    Because.UNPROVEN: "Nothing is proven yet, so a person decides.",
    Because.UNSURE: "That is not sure enough, so a person decides.",
    Because.RIVALS: "Several are about equally likely, so a person decides.",
    Because.UNREACHED: "Too many records share what it could be found by, so a person decides.",
}


def judge(left: str, paired: Paired | None, proof: LinkageProof | None, *, unreached: bool = False) -> Judgement:
    """The verdict on a left record.

    Args:
        paired: what it is by the model; None where it shares a key with nothing on the right.
        proof: of this model; None where there is none.
        unreached: whether blocking left out all that it shares a key with.
    """
    choices = paired.choices if paired else ()
    confidence = proof.curve.confidence(paired.bits) if proof and paired else None

    def said(verdict: Verdict, because: Because) -> Judgement:
        return Judgement(left=left, verdict=verdict, because=because, choices=choices, confidence=confidence)

    if paired and paired.doubtful:
        return said(Verdict.ASK_PERSON, Because.RIVALS)
    if proof is None:
        return said(Verdict.ASK_PERSON, Because.UNPROVEN)
    linked, apart = proof.linked.threshold, proof.apart.threshold
    sure = confidence or 0.0
    if choices and linked is not None and sure >= linked:
        return said(Verdict.SAME, Because.PROVEN)
    if unreached:
        return said(Verdict.ASK_PERSON, Because.UNREACHED)
    if apart is not None and 1 - sure >= apart:
        return Judgement(left=left, verdict=Verdict.DIFFERENT, because=Because.PROVEN, confidence=sure)
    unproven = linked is None or apart is None
    return said(Verdict.ASK_PERSON, Because.UNPROVEN if unproven else Because.UNSURE)


def acted_on(judgement: Judgement, paired: Paired | None, proof: LinkageProof | None, *, unreached: bool) -> Verdict:
    """What is done about a record, where not everything that is unproven can be asked about.

    Before telling apart is proven a person is asked only about what more speaks for than against; the rest is
    taken to be different, as all that shares a key with nothing is. That is no promise. Nothing is ever taken to
    be the same beyond the verdict.
    """
    proven_apart = proof is not None and proof.apart.threshold is not None
    if judgement.verdict is not Verdict.ASK_PERSON or proven_apart:
        return judgement.verdict
    likely = bool(judgement.choices) and paired is not None and paired.bits > 0
    return Verdict.ASK_PERSON if likely or (unreached and not judgement.choices) else Verdict.DIFFERENT
