"""What each agreement is worth: the model, as data that can be kept in a file."""

from collections.abc import Mapping
from math import log2

from pydantic import Field, model_validator

from domain.likeness import Level
from domain.linkage.blocking import Way
from domain.linkage.comparison import Compared, Comparison, Fields, Pattern, Prepared
from domain.values import Frozen, digest

NO_EVIDENCE = 0.5
"""Bits; what is worth less than that, either way, speaks neither for nor against it."""
STRONG = 6.0
"""Bits from which evidence is called strong: the odds change 64-fold."""


class Odds(Frozen):
    """How often a level is seen.

    Attributes:
        m: share of the pairs that are the same.
        u: share of the pairs that are not.
    """

    m: float = Field(gt=0, le=1)
    u: float = Field(gt=0, le=1)

    @property
    def bits(self) -> float:
        """What the level is worth, as log2 of m/u: one bit doubles the odds."""
        return log2(self.m / self.u)


class FieldOdds(Frozen):
    """What a field's levels are worth.

    Attributes:
        levels: those that occur for its kind.
        common: shares of all records that have a value, of the values that are commonest: to agree in
            a common name, or a switchboard, proves less than in a rare one.
        usual: the same share of any other value; 0 where every value counts alike.
    """

    levels: dict[Level, Odds]
    common: dict[str, float] = Field(default_factory=dict)
    usual: float = Field(default=0, ge=0, le=1)

    def bits(self, level: Level, value: str) -> float:
        """What it is worth that both sides agree so far; `value` is what they agree in, where it is the same."""
        odds = self.levels[level]
        if level is not Level.SAME or not self.usual:
            return odds.bits
        return log2(odds.m / self.common.get(value, self.usual))


class LinkageModel(Frozen):
    """What agreements are worth between the records of two systems.

    Attributes:
        fields: what it was made for; with other fields it means nothing.
        ways: by which pairs were found.
        prior: how many of all pairs are the same.
        pairs: how many were looked at for it.
        labelled: of those, known to be the same by people; 0 where that was estimated without labels.
    """

    fields: Fields
    ways: tuple[Way, ...]
    odds: dict[str, FieldOdds]
    prior: float = Field(gt=0, lt=1)
    pairs: int = Field(ge=0)
    labelled: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _knows_every_field(self) -> "LinkageModel":
        if missing := sorted(set(self.fields.names) - self.odds.keys()):
            raise ValueError(f"it says nothing of: {', '.join(missing)}. Fit it again.")
        return self

    @property
    def fingerprint(self) -> str:
        """Digest of all that weights depend on."""
        return digest(self.model_dump(mode="json"))

    @property
    def prior_bits(self) -> float:
        """What a pair has against it before it is looked at, in bits."""
        return log2(self.prior / (1 - self.prior))


class Evidence(Frozen):
    """What one field says of a pair.

    Attributes:
        values: what either side says, in its spelling.
        bits: what it is worth for (above 0) or against (below 0) the two being the same.
    """

    field: str
    level: Level
    values: tuple[str, str]
    bits: float

    def told(self) -> str:
        """In words that a reviewer understands."""
        one, other = self.values
        match self.level:
            case Level.SAME:
                said = f"the same ({one})" if one == other else f"the same but for its spelling ({one}, {other})"
            case Level.CLOSE:
                said = f"the same but for a slip ({one}, {other})"
            case Level.ELSEWHERE:
                said = f"stands in another field on the other side ({one or 'nothing'}, {other or 'nothing'})"
            case Level.LIKE:
                said = f"alike ({one}, {other})"
            case Level.DIFFERENT:
                said = f"different ({one}, {other})"
            case _:
                said = "not known on both sides"
        return f"{self.field}: {said}; {self._worth()}"

    def _worth(self) -> str:
        if abs(self.bits) < NO_EVIDENCE:
            return "says little"
        way = "for" if self.bits > 0 else "against"
        return f"speaks {'strongly ' if abs(self.bits) >= STRONG else ''}{way} it ({self.bits:+.1f})"


class Weigher:
    """Weighs pairs by a model; made once for many pairs."""

    def __init__(self, model: LinkageModel) -> None:
        self._compare = Comparison(model.fields)
        self._fields: tuple[Compared, ...] = model.fields.compared
        self._odds = tuple(model.odds[field.name] for field in self._fields)
        self._bits: tuple[Mapping[Level, float], ...] = tuple(
            {level: odds.bits for level, odds in one.levels.items()} for one in self._odds
        )

    def bits(self, one: Prepared, other: Prepared) -> float:
        """What speaks for two records being the same, less what speaks against it; the order does not matter."""
        return sum(self._worth(self._compare.pattern(one, other), one, other))

    def evidence(self, one: Prepared, other: Prepared) -> tuple[Evidence, ...]:
        """What each field says, the weightiest first; the bits add up to those of the pair."""
        pattern = self._compare.pattern(one, other)
        said = [
            Evidence(field=field.name, level=level, values=(mine, theirs), bits=bits)
            for field, level, mine, theirs, bits in zip(
                self._fields, pattern, one.values, other.values, self._worth(pattern, one, other), strict=True
            )
        ]
        return tuple(sorted(said, key=lambda each: -abs(each.bits)))

    def _worth(self, pattern: Pattern, one: Prepared, other: Prepared) -> list[float]:
        return [
            odds.bits(level, min(mine, theirs)) if level is Level.SAME else bits[level]
            for odds, bits, level, mine, theirs in zip(
                self._odds, self._bits, pattern, one.values, other.values, strict=True
            )
        ]
