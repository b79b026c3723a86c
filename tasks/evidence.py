"""Weighs what speaks for records being of the same things, by the policy's `match` and what was learned for it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from connectors.store.crosswalk_rows import Of
from connectors.store.engine import Transaction
from domain.entity import FieldTerms
from domain.errors import PolicyInvalid
from domain.linkage.blocking import keys
from domain.linkage.comparison import Fields, Prepared, prepare
from domain.linkage.fitting import presumed
from domain.linkage.linking import Terms
from domain.linkage.model import LinkageModel, Weigher
from domain.linkage.pairing import Paired, Weighed, pair, with_things
from domain.linkage.proof import LinkageProof
from domain.linkage.verdicts import Judgement, acted_on, judge
from domain.linking import spelt
from domain.sameness import Verdict
from policies.linkage import Linkage, linkage_path, load_linkage
from policies.load import Workflow

KEPT_APART = "match "
"""Begins the keys that are looked up by evidence, so that they are no others."""


@dataclass(frozen=True)
class Looks:
    """How records of one kind look to those that weigh them: in one spelling, found by keys."""

    linkage: Linkage
    spelled: Mapping[str, FieldTerms]

    @cached_property
    def terms(self) -> Terms:
        """All that pairing goes by, but for what a model says."""
        return self.linkage.terms

    @property
    def fields(self) -> Fields:
        """What is compared."""
        return self.terms.fields

    @cached_property
    def fingerprint(self) -> str:
        """Of all that keys depend on."""
        return self.terms.model_copy(update={"margin": 0.0}).model_dump_json()

    def prepared(self, seq: int | None, now: Mapping[str, str]) -> Prepared:
        """A record, ready to be compared; its id is its number."""
        return prepare(self.fields, str(seq or 0), spelt(self.spelled, now))

    def keys(self, record: Prepared) -> frozenset[str]:
        """What it is found by."""
        return frozenset(f"{KEPT_APART}{key}" for key in keys(self.fields, self.terms.ways, record))


@dataclass(frozen=True)
class Learned:
    """What was learned for things of one kind; before that, what is presumed.

    Attributes:
        fault: why what is in the file does not hold; empty where it does, and where there is none.
        fitted: whether there is a model of these very fields.
    """

    model: LinkageModel
    proof: LinkageProof | None
    fitted: bool
    fault: str = ""

    @classmethod
    def of(cls, workflow: Workflow, name: str, linkage: Linkage) -> "Learned":
        """From the model's file beside the policy. One that is for other fields is as good as none."""
        fault = ""
        if linkage_path(workflow.path, linkage, name).is_file():
            try:
                record = load_linkage(workflow.path, linkage, name)
                return cls(record.model, record.proof_for(linkage), fitted=True)
            except PolicyInvalid as exc:
                fault = str(exc)
        terms = linkage.terms
        return cls(presumed(terms.fields, terms.ways), None, fitted=False, fault=fault)


@dataclass(frozen=True)
class Found:
    """What is done about a record, and why.

    Attributes:
        judgement: with the record's number, and entities' ids as its choices.
    """

    does: Verdict
    judgement: Judgement


@dataclass
class Weighing:
    """The records of one system that are to be linked, weighed against what the others have."""

    looks: Looks
    learned: Learned
    of: Of
    system: str
    left: dict[str, Prepared] = field(default_factory=dict)
    oversized: dict[str, int] = field(default_factory=dict)
    _weighed: list[Weighed] = field(default_factory=list)
    _mine: Counter[str] = field(default_factory=Counter)
    _sizes: dict[str, int] = field(default_factory=dict)
    _right: dict[int, Prepared] = field(default_factory=dict)
    _reached: set[str] = field(default_factory=set)
    _keyed: set[str] = field(default_factory=set)

    @cached_property
    def weigher(self) -> Weigher:
        """By the model."""
        return Weigher(self.learned.model)

    def add(self, seq: int | None, now: Mapping[str, str]) -> None:
        """A record that is to be linked."""
        record = self.looks.prepared(seq, now)
        self.left[record.id] = record
        self._mine.update(self.looks.keys(record))

    def weigh(self, tx: Transaction, ids: Sequence[str]) -> None:
        """Weigh some of the records against all that share a key with them, but for blocks that are too large."""
        wanted = {id_: self.looks.keys(self.left[id_]) for id_ in ids}
        self._measure(tx, frozenset().union(*wanted.values()))
        some = {key for held in wanted.values() for key in held if self._sizes[key] and key not in self.oversized}
        sharing = tx.candidates.sharing(self.of, self.system, some)
        by_key: dict[str, set[int]] = {}
        owner: dict[str, str] = {}
        for one in sharing:
            by_key.setdefault(one.key, set()).add(one.record)
            owner[str(one.record)] = one.entity
        self._read(tx, {one.record for one in sharing})
        pairs: list[Weighed] = []
        for id_, held in wanted.items():
            if held:
                self._keyed.add(id_)
            if any(key not in self.oversized for key in held):
                self._reached.add(id_)
            rights: set[int] = set()
            for key in held:
                rights |= by_key.get(key, set())
            mine = self.left[id_]
            pairs += [Weighed(id_, str(seq), self.weigher.bits(mine, self._right[seq])) for seq in sorted(rights)]
        self._weighed += with_things(pairs, owner)

    def found(self) -> list[Found]:
        """What is done about each of the records, in their order, once all were weighed."""
        terms, proof = self.looks.terms, self.learned.proof
        paired = {one.left: one for one in pair(self._weighed, terms.sides, terms.margin)}
        return [self._found(id_, paired.get(id_), proof) for id_ in sorted(self.left, key=int)]

    def likeliest(self, id_: str, most: int) -> list[str]:
        """The entities, at most so many, that a record is likeliest to be of, whatever that is worth."""
        mine = sorted((-one.bits, one.right) for one in self._weighed if one.left == id_)
        return [entity for _, entity in mine[:most]]

    def _found(self, id_: str, paired: Paired | None, proof: LinkageProof | None) -> Found:
        unreached = id_ in self._keyed - self._reached
        judgement = judge(id_, paired, proof, unreached=unreached)
        return Found(acted_on(judgement, paired, proof, unreached=unreached), judgement)

    def _measure(self, tx: Transaction, held: frozenset[str]) -> None:
        new = held - self._sizes.keys()
        self._sizes |= dict.fromkeys(new, 0) | tx.candidates.sizes(self.of, self.system, new)
        largest = self.looks.terms.largest_block
        for key in new:
            if self._sizes[key] and max(self._sizes[key], self._mine[key]) > largest:
                self.oversized[key] = self._sizes[key]

    def _read(self, tx: Transaction, seqs: set[int]) -> None:
        for seq, now in tx.candidates.values(seqs - self._right.keys()).items():
            self._right[seq] = self.looks.prepared(seq, now)
