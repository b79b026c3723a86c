"""Fits how the records of a policy's systems are linked, and proves it on what people said of some of them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from connectors.store.crosswalk_rows import Of
from connectors.store.crosswalk_tables import RecordRow
from connectors.store.engine import Transaction
from domain.errors import InputInvalid
from domain.linkage.blocking import Blocked, candidates
from domain.linkage.comparison import Prepared
from domain.linkage.fitting import fit, observe
from domain.linkage.linking import Terms
from domain.linkage.model import LinkageModel, Weigher
from domain.linkage.pairing import Weighed, pair, with_things
from domain.linkage.proof import FITTED_ON, Labelled, prove
from domain.linking import Apart, same_by
from domain.values import Frozen, share
from evals.link_labels import GivenLabel, LinkLabel, answered_labels, given_labels
from policies.linkage import LinkageRecord
from policies.load import Workflow, sync_of
from policies.sync import Kept
from tasks.evidence import Looks

ENOUGH = 100
"""Labelled pairs that are the same from which a model is fitted to them: with 56 it did no better than without
any labels (docs/decisions/0021, the restaurants)."""


class LinkFit(Frozen):
    """What came of fitting.

    Attributes:
        left, right: records that were to be linked, and those that they may be the same as.
        compared: pairs that share a key; `left_out` keys are shared by too many, and `commonest` by how many.
        sampled: labels of records that were drawn blindly, from reviews and files: only they prove something.
        asked: labels of doubtful records.
        unusable: labels of a file whose records have been written to since.
        fitted_on: labelled pairs that the model was fitted to; 0: to none, by expectation and maximisation.
        linked: confidence from which records are linked without a person, None where nothing is proven;
            `apart` likewise, from which they are told apart.
        more_linked: about how many more records to label for it; None where that is not known, or none is needed.
        told: all that is proven and is not, in words.
    """

    left: int
    right: int
    compared: int
    left_out: int
    commonest: int
    sampled: int
    asked: int
    unusable: int
    fitted_on: int
    linked: float | None
    apart: float | None
    more_linked: int | None
    more_apart: int | None
    told: str


@dataclass
class Population:
    """The records of a system as they were before they were linked by evidence, and what they may be the same as.

    Attributes:
        of: by right record, what it is of; `system` whose it is.
    """

    left: dict[str, Prepared] = field(default_factory=dict)
    right: dict[str, Prepared] = field(default_factory=dict)
    of: dict[str, str] = field(default_factory=dict)
    system: dict[str, str] = field(default_factory=dict)

    def blocked(self, terms: Terms) -> Blocked:
        """The pairs that share a key."""
        return candidates(terms.fields, terms.ways, *self.sides, terms.largest_block)

    @property
    def sides(self) -> tuple[list[Prepared], list[Prepared]]:
        """Both, in their order."""
        return list(self.left.values()), list(self.right.values())


def fit_links(
    tx: Transaction, workflow: Workflow, given: Sequence[GivenLabel] = ()
) -> dict[str, tuple[LinkageRecord, LinkFit]]:
    """By object that has a `match`: the model, what is proven of it, and how that came about.

    Labels that prove thresholds are never those that the model or the curve is fitted to.

    Raises:
        InputInvalid: there is nothing to learn from, or a label names a record that is not known.
    """
    policy = sync_of(workflow)
    found = {}
    for name, kept in policy.objects.items():
        if kept.match is not None:
            looks = Looks(kept.match, policy.field_terms[name])
            found[name] = _fit(tx, Of(policy.name, name), kept, looks, given)
    if not found:
        raise InputInvalid(f"{workflow.path}: no object has a 'match', so there is nothing to fit")
    return found


def _fit(
    tx: Transaction, of: Of, kept: Kept, looks: Looks, given: Sequence[GivenLabel]
) -> tuple[LinkageRecord, LinkFit]:
    answered, from_file = answered_labels(tx, of), given_labels(tx, of, given)
    writes = tx.candidates.writes(of)
    usable = [one for one in from_file if not _written(one, writes)]
    labels = {one.left: one for one in (*usable, *answered)}
    by_system = populations(tx, of, kept, looks, list(labels.values()))
    first, *others = kept.systems
    whole = _whole(by_system, first)
    terms = looks.terms
    blocked = whole.blocked(terms)
    pairs = _same(whole, [label for label in labels.values() if _fits(label)])
    try:
        observed = observe(terms.fields, terms.ways, *whole.sides, blocked)
    except ValueError as exc:
        fault = f"{of.object}: {first} and {', '.join(others)}: {exc}"
        raise InputInvalid(f"{fault} Or read the systems first: 'interlock sync sample'.") from exc
    model = fit(observed, pairs if len(pairs) >= ENOUGH else ())
    target = looks.linkage.target
    labelled = [one for each in by_system.values() for one in _labelled(each, labels, terms, model, writes)]
    proof = prove(labelled, terms.proven_for(model), target.wrong, target.delta)
    told = LinkFit(
        left=len(whole.left),
        right=len(whole.right),
        compared=len(blocked),
        left_out=len(blocked.oversized),
        commonest=max((max(one.left, one.right) for one in blocked.oversized), default=0),
        sampled=len(labelled),
        asked=sum(not one.blind for one in labels.values()),
        unusable=len(from_file) - len(usable),
        fitted_on=model.labelled,
        linked=proof.linked.threshold,
        apart=proof.apart.threshold,
        more_linked=proof.more_linked,
        more_apart=proof.more_apart,
        told=proof.told,
    )
    return LinkageRecord(model=model, proof=proof), told


def populations(
    tx: Transaction, of: Of, kept: Kept, looks: Looks, labels: Sequence[LinkLabel]
) -> dict[str, Population]:
    """By system: its records that `same_by` does not settle, and those that they may be the same as.

    Of records that people were asked about stands what they held then: linking makes them alike. What was made
    by our own writes is left out.
    """
    held = {seq: values for label in reversed(labels) for seq, values in label.held.items()}
    made = tx.candidates.made(of.policy)
    rows = [row for row in tx.candidates.every(of) if _counts(row, made)]
    settled = _settled(rows, kept, looks, {label.left for label in labels if not label.given})
    found = {system: Population() for system in kept.systems}
    for row in rows:
        record = looks.prepared(row.seq, held.get(row.seq or 0, row.now))
        thing = row.entity_id or f"#{row.seq}"
        for system, population in found.items():
            if system == row.system and (system, thing) not in settled:
                population.left[record.id] = record
            elif system != row.system and (system, thing) not in settled:
                population.right[record.id] = record
                population.of[record.id], population.system[record.id] = thing, row.system
    return found


def _counts(row: RecordRow, made: set[tuple[str, str]]) -> bool:
    return bool(row.external_id) and row.apart != Apart.OUTSIDE and (row.system, row.external_id) not in made


def _settled(rows: Sequence[RecordRow], kept: Kept, looks: Looks, asked: set[int]) -> set[tuple[str, str]]:
    """Of which entities a system has a record that `same_by` alone linked; none of those that people were asked about.

    What was linked otherwise is made alike by writes, and could not be told from those any more.
    """
    together: dict[str, list[RecordRow]] = defaultdict(list)
    for row in rows:
        if row.entity_id is not None:
            together[row.entity_id].append(row)

    def spelt(row: RecordRow) -> dict[str, str]:
        return {name: looks.spelled[name].spelling(row.now.get(name, "")) for name in kept.same_by}

    return {
        (row.system, entity)
        for entity, all_of_it in together.items()
        for row in all_of_it
        if row.seq not in asked
        and any(other.system != row.system and same_by(kept.same_by, spelt(row), spelt(other)) for other in all_of_it)
    }


def _whole(by_system: Mapping[str, Population], first: str) -> Population:
    """All records but the first system's, against those of the first: what a model is fitted to."""
    whole = Population()
    for system, one in by_system.items():
        if system != first:
            whole.left |= one.left
            whole.right |= {id_: record for id_, record in one.right.items() if one.system[id_] == first}
            whole.of |= one.of
    return whole


def _fits(label: LinkLabel) -> bool:
    """Whether a model may be fitted to it: what proves something may not (see `domain.linkage.proof.prove`)."""
    return not label.blind or share(f"fit {label.left}") < FITTED_ON


def _same(whole: Population, labels: Sequence[LinkLabel]) -> list[tuple[Prepared, Prepared]]:
    """The pairs that are the same by these labels."""
    known = {whole.of[id_]: record for id_, record in whole.right.items()}
    pairs = ((whole.left.get(str(label.left)), known.get(label.truth or "")) for label in labels)
    return [(left, right) for left, right in pairs if left and right]


def _labelled(
    population: Population,
    labels: Mapping[int, LinkLabel],
    terms: Terms,
    model: LinkageModel,
    writes: Mapping[str, int],
) -> list[Labelled]:
    """The records of a system that were labelled blindly, with what they are by the model."""
    mine = {id_: labels[int(id_)] for id_ in population.left if int(id_) in labels and labels[int(id_)].blind}
    if not mine:
        return []
    blocked, weigher = population.blocked(terms), Weigher(model)
    left, right = population.sides
    weighed = (Weighed(left[one].id, right[other].id, weigher.bits(left[one], right[other])) for one, other in blocked)
    paired = {one.left: one for one in pair(with_things(weighed, population.of), terms.sides, terms.margin)}
    return [
        Labelled(
            id_,
            None if _unknown(label, population, writes) else paired.get(id_),
            frozenset({label.truth} if label.truth else ()),
            id_ in blocked.unreached,
        )
        for id_, label in mine.items()
    ]


def _unknown(label: LinkLabel, population: Population, writes: Mapping[str, int]) -> bool:
    """Whether what it is was not shown, and has been made alike since: it counts as not found."""
    shown = any(population.of.get(str(seq)) == label.truth for seq in label.held)
    return label.truth is not None and not shown and not label.given and label.truth in writes


def _written(label: LinkLabel, writes: Mapping[str, int]) -> bool:
    return label.truth in writes
