"""The whole way from the records of two systems to a verdict on each left one."""

from collections.abc import Sequence
from dataclasses import dataclass

from domain.linkage.blocking import LARGEST_BLOCK, Blocked, Way, candidates
from domain.linkage.comparison import Fields, Prepared
from domain.linkage.fitting import fit, observe
from domain.linkage.model import LinkageModel, Weigher
from domain.linkage.pairing import MARGIN, Paired, Sides, Weighed, pair
from domain.linkage.proof import LinkageProof
from domain.linkage.verdicts import Judgement, judge
from domain.values import Frozen, digest


class Terms(Frozen):
    """All that pairing goes by, but for what a model says.

    Attributes:
        largest_block: records of either side that may share a key.
        margin: bits by which a pair must be ahead of every other that it excludes.
    """

    fields: Fields
    ways: tuple[Way, ...]
    largest_block: int = LARGEST_BLOCK
    sides: Sides = Sides.ONE_TO_ONE
    margin: float = MARGIN

    def proven_for(self, model: LinkageModel) -> str:
        """What a proof holds for: it is void as soon as any of it changes."""
        return digest(self.model_dump(mode="json"), model.fingerprint)


@dataclass(frozen=True)
class Linked:
    """What each left record is on the right, by the model; nothing is decided yet.

    Attributes:
        paired: by left id, the best first; without those that were compared with nothing.
        blocked: the pairs that were compared, and what was left out.
    """

    model: LinkageModel
    paired: dict[str, Paired]
    blocked: Blocked

    def judge(self, left: str, proof: LinkageProof | None) -> Judgement:
        """The verdict on a left record."""
        return judge(left, self.paired.get(left), proof, unreached=left in self.blocked.unreached)


def link(
    terms: Terms, left: Sequence[Prepared], right: Sequence[Prepared], model: LinkageModel | None = None
) -> Linked:
    """Pair the records of two systems; for a new record, the left side is that one alone.

    Args:
        model: without one, it is fitted to these very records, without labels.

    Raises:
        ValueError: without a model, when no pair of records shares a key.
    """
    blocked = candidates(terms.fields, terms.ways, left, right, terms.largest_block)
    return weigh(terms, left, right, blocked, model)


def weigh(
    terms: Terms,
    left: Sequence[Prepared],
    right: Sequence[Prepared],
    blocked: Blocked,
    model: LinkageModel | None = None,
) -> Linked:
    """`link` where the pairs to compare are known."""
    known = model or fit(observe(terms.fields, terms.ways, left, right, blocked))
    weigher = Weigher(known)
    weighed = (Weighed(left[one].id, right[other].id, weigher.bits(left[one], right[other])) for one, other in blocked)
    paired = pair(weighed, terms.sides, terms.margin)
    return Linked(known, {one.left: one for one in paired}, blocked)
