"""How far a value is trusted, by its type and by what says that it is the one that is meant."""

from collections.abc import Mapping

from domain.extraction import CONFIDENCE, Ground
from policies.fields import FieldType

OBSERVED: dict[tuple[FieldType, Ground], float] = {
    (FieldType.NUMBER, Ground.CUED): 0.62,
    (FieldType.MONEY, Ground.CUED): 0.92,
    (FieldType.DATE, Ground.CUED): 0.91,
    (FieldType.COMPANY, Ground.SPOKEN): 0.68,
    (FieldType.TEXT, Ground.ALONE): 0.89,
    (FieldType.TEXT, Ground.CUED): 0.97,
}
"""Shares that were right where texts were seen for the first time; what is not borne out is not written.

Source: the texts `fresh-` and `later-` of `evals/data/extraction.unseen.jsonl`, each by the rules that stood
when it was first run. Right of what would have been written: counts beside a cue 20 of 32, amounts beside a
cue 22 of 24, days beside a cue 21 of 23, companies that no line of a signature sets apart 17 of 25, numbers of orders
without a word for it beside them 17 of 19, with one 15 of 15.
"""


def confidence(kind: FieldType) -> Mapping[Ground, float]:
    """What values of a type are worth by their ground, 0 to 1."""
    return CONFIDENCE | {ground: share for (of, ground), share in OBSERVED.items() if of is kind}
