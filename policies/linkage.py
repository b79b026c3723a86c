"""The part of a policy that says how the records of two systems are paired, and the model file beside it.

linkage:
  fields:
    given_name: {kind: given_name, also_in: [surname]}
    surname: {kind: family_name, also_in: [given_name]}
    email: email
  blocks:
    - email
    - {surname: sound, given_name: beginnings}
  target: {wrong: 0.01, confidence: 0.95}
"""

from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from domain.errors import PolicyInvalid
from domain.linkage.blocking import LARGEST_BLOCK, By, Part, Way
from domain.linkage.comparison import Compared, Fields
from domain.linkage.grades import Kind
from domain.linkage.linking import Terms
from domain.linkage.model import LinkageModel
from domain.linkage.pairing import MARGIN, Sides
from domain.linkage.proof import LinkageProof
from domain.values import Frozen
from policies.destination import Name
from policies.strict_yaml import read_text

USUAL_KEYS: dict[Kind, By] = {
    Kind.NAME: By.BEGINNINGS,
    Kind.FAMILY_NAME: By.SOUND,
    Kind.EMAIL: By.WHOLE,
    Kind.PHONE: By.DIGITS,
    Kind.DATE: By.WHOLE,
    Kind.STREET: By.ANY_WORD,
    Kind.POSTCODE: By.WHOLE,
    Kind.COMPANY: By.ANY_WORD,
}
"""By what records are found where the policy says nothing; other kinds tell too little by themselves."""


class LinkageField(Frozen):
    """How a field is compared.

    Attributes:
        of: names of the records' values that it is put together from, where it is not called like one.
        also_in: other compared fields in which its value may stand by mistake.
    """

    kind: Kind
    of: tuple[str, ...] = ()
    also_in: tuple[Name, ...] = ()


class LinkageTarget(Frozen):
    """The promise: at most `wrong` of what is linked automatically, and of what is told apart, with `confidence`.

    Attributes:
        wrong: a share, 0 to 1.
        confidence: of both together, 0 to 1.
    """

    wrong: float = Field(default=0.01, gt=0, lt=1)
    confidence: float = Field(default=0.95, gt=0, lt=1)

    @property
    def delta(self) -> float:
        """The chance that the promise is broken."""
        return round(1 - self.confidence, 9)


def _kind_alone(value: object) -> object:
    return {"kind": value} if isinstance(value, str) else value


def _field_alone(value: object) -> object:
    return {value: By.WHOLE.value} if isinstance(value, str) else value


ComparedBy = Annotated[LinkageField, BeforeValidator(_kind_alone)]
"""A field's kind alone, or with what else is to be said of it."""
Block = Annotated[dict[Name, By], Field(min_length=1), BeforeValidator(_field_alone)]
"""A field whose whole value is the key, or what of each field makes it."""


class Linkage(Frozen):
    """How the records of two systems are paired.

    Attributes:
        fields: what is compared, by name.
        blocks: what two records must share to be compared at all, any of these; empty: by each field's kind.
        largest_block: records of either side that may share a key; larger blocks are left out, and told.
        sides: whether a side may have the same twice.
        margin: bits by which a pair must be ahead of every other that it excludes.
        model: name of the model's file beside the policy; empty: `<policy>.linkage.json`,
            or `<policy>.<object>.linkage.json` where the policy is about several kinds of things.
    """

    fields: dict[Name, ComparedBy] = Field(min_length=1)
    blocks: tuple[Block, ...] = ()
    largest_block: int = Field(default=LARGEST_BLOCK, ge=1, le=10_000)
    sides: Sides = Sides.ONE_TO_ONE
    margin: float = Field(default=MARGIN, ge=0)
    target: LinkageTarget = LinkageTarget()
    model: str = Field(default="", pattern=r"^(?:[A-Za-z0-9_-]+\.linkage\.json)?$")

    @model_validator(mode="after")
    def _names_what_is_compared(self) -> "Linkage":
        for number, block in enumerate(self.blocks):
            if unknown := sorted(block.keys() - self.fields.keys()):
                raise ValueError(_unknown(f"blocks.{number}", unknown, list(self.fields)))
        for name, field in self.fields.items():
            if unknown := sorted(set(field.also_in) - self.fields.keys() | {name} & set(field.also_in)):
                raise ValueError(
                    _unknown(f"fields.{name}.also_in", unknown, [one for one in self.fields if one != name])
                )
        if not self.ways:
            kinds = ", ".join(sorted(USUAL_KEYS))
            raise ValueError(f"nothing to find records by: add 'blocks', or a field of one of these kinds: {kinds}")
        return self

    @property
    def compared(self) -> Fields:
        """What is compared, as the comparison takes it."""
        return Fields(
            compared=tuple(
                Compared(name=name, kind=field.kind, of=field.of, also_in=field.also_in)
                for name, field in self.fields.items()
            )
        )

    @property
    def ways(self) -> tuple[Way, ...]:
        """By what records are found."""
        if self.blocks:
            return tuple(Way(parts=tuple(Part(field=name, by=by) for name, by in one.items())) for one in self.blocks)
        usual = ((name, USUAL_KEYS.get(field.kind)) for name, field in self.fields.items())
        return tuple(Way(parts=(Part(field=name, by=by),)) for name, by in usual if by is not None)

    @property
    def terms(self) -> Terms:
        """All that pairing goes by, but for what a model says."""
        return Terms(
            fields=self.compared,
            ways=self.ways,
            largest_block=self.largest_block,
            sides=self.sides,
            margin=self.margin,
        )


def _unknown(where: str, unknown: list[str], known: list[str]) -> str:
    return f"{where}: not compared: {', '.join(unknown)}. Use one of: {', '.join(known)}, or add it to 'fields'"


class LinkageRecord(Frozen):
    """What was learned for a policy, in the file beside it: the model, and what is proven of it."""

    model: LinkageModel
    proof: LinkageProof | None = None

    def proof_for(self, linkage: Linkage) -> LinkageProof | None:
        """The proof, where it is of this very model and these terms, and promises no less than the policy wants."""
        proof, target = self.proof, linkage.target
        if proof is None or proof.made_for != linkage.terms.proven_for(self.model):
            return None
        return proof if proof.target <= target.wrong and proof.delta <= target.delta else None


def linkage_path(policy: Path, linkage: Linkage, of: str = "") -> Path:
    """Where the model of a policy's linkage is, or would be.

    Args:
        of: the kind of thing that is paired, where the policy has several.
    """
    return policy.with_name(linkage.model or f"{policy.stem}{'.' if of else ''}{of}.linkage.json")


def load_linkage(policy: Path, linkage: Linkage, of: str = "") -> LinkageRecord:
    """What was learned for this policy, or of things of one kind under it.

    Raises:
        PolicyInvalid: there is no such file, it is none, or it was made for other fields or blocks.
    """
    path = linkage_path(policy, linkage, of)
    if not path.is_file():
        raise PolicyInvalid(f"{path}: no such file. Fit the linkage on the records of both systems first.")
    try:
        record = LinkageRecord.model_validate_json(read_text(path))
    except ValidationError as exc:
        raise PolicyInvalid(f"{path}: not a linkage model. Remove the file and fit the linkage again.") from exc
    model = record.model
    if (model.fields.fingerprint, model.ways) != (linkage.compared.fingerprint, linkage.ways):
        fault = f"{path}: made for other fields or blocks than {policy} has"
        raise PolicyInvalid(f"{fault}. Fit the linkage again, or take the change back.")
    return record
