"""Links the records of one system with what others have of the same things, by weighed evidence."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar, assert_never

from connectors.store.crosswalk_tables import RecordRow
from connectors.store.engine import Transaction
from connectors.store.places import Room
from domain.linkage.verdicts import Judgement
from domain.sameness import Verdict
from policies.load import Workflow
from tasks.alert import log
from tasks.evidence import Found, Learned, Looks, Weighing
from tasks.link_review import Asked, ask_about, sampled
from tasks.observe import Side, read_to_the_end
from tasks.resources import Resources

AT_ONCE = 200
"""Records in one transaction, or weighed at once."""
MOST_CHOICES = 5
"""Entities that a person is shown."""

One = TypeVar("One")

Settle = Callable[[Resources, Transaction, Workflow, Side, RecordRow], bool]
"""Whether what a record is of is known without evidence, and was taken down."""


def link_by_evidence(here: Resources, workflow: Workflow, side: Side, settle: Settle, *, weighs: bool) -> int:
    """Settle the records of a system that are not linked yet; returns how many were looked at.

    Nothing happens before every system of the object was read to its end: a better candidate may still come.
    While a sample is with people, or was and no model has been fitted since, what only evidence can tell waits.
    """
    looks = looks_of(side)
    if not _ready(here, side):
        return 0
    index(here, side, looks)
    with here.store.reading() as tx:
        anything = tx.candidates.any_for(side.of, side.system)
    learned = Learned.of(workflow, side.of.object, looks.linkage)
    weighing = Weighing(looks, learned, side.of, side.system)
    looked = 0
    for rows, tx in _unsettled(here, side):
        for row in rows:
            if settle(here, tx, workflow, side, row):
                continue
            if anything:
                weighing.add(row.seq, row.now)
            else:
                _begin(here, tx, workflow, weighing, side, row)
        looked += len(rows)
    if learned.fault:
        log().warning("%s; until then people are asked", learned.fault)
    if weighs and weighing.left and not _held(here, workflow, side, learned):
        weigh_all(here, weighing)
        _act(here, workflow, weighing, side)
    return looked


def looks_of(side: Side) -> Looks:
    """How the records of a side look, whose object has a `match`."""
    if side.looks is None:
        raise LookupError(f"{side.of.object} has no 'match'")
    return side.looks


def weigh_all(here: Resources, weighing: Weighing) -> None:
    """Weigh all that were added, and tell of the blocks that were left out."""
    for some in in_chunks(sorted(weighing.left, key=int)):
        with here.store.reading() as tx:
            weighing.weigh(tx, some)
    if weighing.oversized:
        told = "%d keys are shared by too many %s records to compare them, %d by the commonest"
        log().warning(told, len(weighing.oversized), weighing.of.object, max(weighing.oversized.values()))


def index(here: Resources, side: Side, looks: Looks) -> None:
    """Have every record found by the keys that the policy has now; nothing where they are."""
    name = f"{side.of.policy}/{side.of.object}#match"
    with here.store.reading() as tx:
        if tx.cursors.of(name) == looks.fingerprint:
            return
    after = 0
    while True:
        with here.store.transaction() as tx:
            rows = tx.candidates.page(side.of, after)
            for row in rows:
                tx.crosswalk.find_by(row, side.keys(row.now))
            if not rows:
                tx.cursors.move(name, looks.fingerprint, here.now())
                return
            after = rows[-1].seq or 0


def _ready(here: Resources, side: Side) -> bool:
    with here.store.reading() as tx:
        return read_to_the_end(tx, side.of, side.kept)


def _held(here: Resources, workflow: Workflow, side: Side, learned: Learned) -> bool:
    with here.store.reading() as tx:
        waiting, answered = sampled(tx, workflow.policy.name, side.of.object)
    if waiting:
        log().warning("%s wait to be linked: %d of a sample are with people", side.name, waiting)
    elif answered and not learned.fitted:
        log().warning("%s wait to be linked: fit the linkage by the sample's answers ('interlock sync fit')", side.name)
    return bool(waiting) or (bool(answered) and not learned.fitted)


def _unsettled(here: Resources, side: Side) -> Iterator[tuple[list[RecordRow], Transaction]]:
    after = 0
    while True:
        with here.store.transaction() as tx:
            rows = tx.places.strange(side.of, AT_ONCE, after, side.system)
            if not rows:
                return
            after = rows[-1].seq or 0
            yield rows, tx


def _act(here: Resources, workflow: Workflow, weighing: Weighing, side: Side) -> None:
    for some in in_chunks(weighing.found()):
        with here.store.transaction() as tx:
            for found in some:
                row = tx.places.record(int(found.judgement.left))
                if row.entity_id is None and not row.apart and not row.unread and not row.gone:
                    _act_on(here, tx, workflow, weighing, side, row, found)


def _act_on(
    here: Resources,
    tx: Transaction,
    workflow: Workflow,
    weighing: Weighing,
    side: Side,
    row: RecordRow,
    found: Found,
) -> None:
    judgement = found.judgement
    match found.does:
        case Verdict.SAME:
            _join(here, tx, workflow, weighing, row, judgement)
        case Verdict.DIFFERENT:
            _begin(here, tx, workflow, weighing, side, row)
        case _:
            choices = judgement.choices[:MOST_CHOICES]
            _ask(here, tx, workflow, weighing, row, choices, _why(judgement, row))


def _join(
    here: Resources, tx: Transaction, workflow: Workflow, weighing: Weighing, row: RecordRow, judgement: Judgement
) -> None:
    """Link a record with what it was found to be of, unless that has one of its system, or may be getting it."""
    match tx.places.room(judgement.choices[0], row.system, here.now()):
        case Room.FREE:
            tx.crosswalk.link(row, judgement.choices[0], here.now(), by=f"evidence, {judgement.confidence:.1%} sure")
        case Room.TAKEN:
            why = "another record of its system was found to be the same"
            _ask(here, tx, workflow, weighing, row, judgement.choices, why)
        case Room.BEING_MADE:
            pass
        case other:
            assert_never(other)


def _begin(
    here: Resources, tx: Transaction, workflow: Workflow, weighing: Weighing, side: Side, row: RecordRow
) -> None:
    """Begin an entity, unless the policy asks about duplicates, and its system seems to have one of the record."""
    twins = _twins(tx, weighing, side, row) if side.kept.duplicates == "ask" else []
    if twins:
        why = f"{side.system} seems to have it twice"
        _ask(here, tx, workflow, weighing, row, twins, why)
    else:
        tx.crosswalk.begin(side.of, row, here.now())


def _twins(tx: Transaction, weighing: Weighing, side: Side, row: RecordRow) -> list[str]:
    looks, weigher = weighing.looks, weighing.weigher
    mine = looks.prepared(row.seq, row.now)
    most = looks.terms.largest_block
    against = weighing.learned.model.prior_bits
    beside = tx.candidates.beside(side.of, side.system, looks.keys(mine), row.seq or 0, most)
    weighed = [(weigher.bits(mine, looks.prepared(one.seq, one.now)) + against, one.entity_id or "") for one in beside]
    return [entity for bits, entity in sorted(weighed, key=lambda one: (-one[0], one[1])) if bits > 0][:MOST_CHOICES]


def _ask(
    here: Resources,
    tx: Transaction,
    workflow: Workflow,
    weighing: Weighing,
    row: RecordRow,
    entities: Sequence[str],
    why: str,
) -> None:
    """Ask which of these a record is of, with what speaks for each and against it."""
    looks, weigher = weighing.looks, weighing.weigher
    mine = looks.prepared(row.seq, row.now)
    evidence: dict[str, list[str]] = {}
    for entity in entities:
        others = [looks.prepared(one.seq, one.now) for one in tx.crosswalk.get(entity).records.values() if one.now]
        best = max(others, key=lambda other: weigher.bits(mine, other), default=None)
        evidence[entity] = [one.told() for one in weigher.evidence(mine, best)] if best else []
    ask_about(tx, workflow, weighing.of, row, entities, why, here.now(), more=Asked(evidence=evidence, other=True))


def _why(judgement: Judgement, row: RecordRow) -> str:
    named = judgement.model_copy(update={"left": f"{row.system} {row.external_id}"})
    return named.told().removesuffix(".")


def in_chunks(ones: Sequence[One]) -> Iterator[Sequence[One]]:
    """These, `AT_ONCE` at a time."""
    return (ones[begin : begin + AT_ONCE] for begin in range(0, len(ones), AT_ONCE))
