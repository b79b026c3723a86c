"""How well the systems of a policy agree, by its last reconciliations, and what of their records is to be mended."""

from collections.abc import Iterator
from itertools import islice
from typing import Self

from pydantic import AwareDatetime

from connectors.store.crosswalk_rows import Of
from connectors.store.crosswalk_tables import RecordRow
from connectors.store.drift_tables import DriftRow, PassRow
from connectors.store.engine import Transaction
from domain.consistency import Tally
from domain.linking import Apart
from domain.review import ReviewKind
from domain.values import Frozen
from policies.load import Workflow, sync_of
from tasks.repair import doubled, lacking

MOST = 1_000
"""Findings of one kind that are told."""

RUNS = 10
"""Reconciliations that the figures go back."""


class Figure(Frozen):
    """How far a system's field was what it should be, by one reconciliation.

    Attributes:
        differ: how many differed, `missed` of them without a change having told of it.
        consistency: the share that was equal of what was compared, 0 to 1; None if nothing was.
        examples: by how they were found, ids of some records.
    """

    run: str
    at: AwareDatetime
    object: str
    system: str
    field: str
    compared: int
    equal: int
    differ: int
    missed: int
    contested: int
    malformed: int
    under_way: int
    consistency: float | None
    examples: dict[str, list[str]]

    @classmethod
    def of(cls, row: DriftRow, found: Tally) -> Self:
        """As the store has it."""
        named = {name: getattr(row, name) for name in ("run", "at", "object", "system", "field", "examples")}
        more = {"differ": found.compared - found.equal, "consistency": found.share}
        return cls.model_validate(named | found.model_dump() | more)


class Run(Frozen):
    """A reconciliation's figure over all systems that it has read to their end."""

    run: str
    at: AwareDatetime
    compared: int
    equal: int
    consistency: float | None


class Read(Frozen):
    """How a system's records of one kind were read last: how many there were, unheard of before, found deleted.

    Attributes:
        ended_at: None while it is not read to its end.
    """

    run: str
    object: str
    system: str
    began_at: AwareDatetime
    ended_at: AwareDatetime | None
    records: int
    new: int
    gone: int


class Stray(Frozen):
    """Something to look at: a record or a lack of one, or a field that is contested.

    Attributes:
        entity: what it is of, or was held to be; empty where nobody knows.
    """

    object: str
    system: str = ""
    record: str = ""
    entity: str = ""
    field: str = ""
    why: str = ""


class DriftReport(Frozen):
    """All of it; the newest reconciliations and reads first.

    Attributes:
        drift: of each system's last read that came to its end; `history` of the last ten.
        contradictions: fields about which a person is asked.
        refused: records whose last write was given up.
        duplicates: records of which their system has another one, or that may be the same as another one.
        orphans: what has no record in a system where the policy wants one.
        outside: records that the policy leaves out (`only`).
    """

    policy: str
    runs: list[Run]
    reads: list[Read]
    drift: list[Figure]
    history: list[Figure]
    contradictions: list[Stray]
    refused: list[Stray]
    duplicates: list[Stray]
    orphans: list[Stray]
    outside: list[Stray]

    @property
    def malformed(self) -> list[Figure]:
        """The fields that hold what is none of their type."""
        return [one for one in self.drift if one.malformed]


def drift_report(tx: Transaction, workflow: Workflow) -> DriftReport:
    """What the store has of a policy's reconciliations and records; an ask."""
    policy = sync_of(workflow)
    ofs = [(Of(policy.name, name), system) for name, kept in policy.objects.items() for system in kept.systems]
    ended = {side: tx.passes.ended(*side, RUNS) for side in ofs}
    whole = {(one.run, one.object, one.system) for passes in ended.values() for one in passes}
    last = {(one.run, one.object, one.system) for passes in ended.values() for one in passes[:1]}
    found = tx.passes.figures(policy.name, {run for run, _, _ in whole})
    figures = [(Figure.of(row, one), one) for row, one in found if (row.run, row.object, row.system) in whole]
    reading = [place for of, system in ofs if (place := tx.passes.going_on(of, system)) is not None]
    reads = [*reading, *[passes[0] for passes in ended.values() if passes]]
    return DriftReport(
        policy=policy.name,
        runs=_runs(figures),
        reads=[_read(one) for one in reads],
        drift=[one for one, _ in figures if (one.run, one.object, one.system) in last],
        history=[one for one, _ in reversed(figures)],
        contradictions=list(_contradictions(tx, policy.name)),
        **{
            what: list(islice((one for name in policy.objects for one in find(tx, workflow, name)), MOST))
            for what, find in (
                ("refused", _refused),
                ("duplicates", _duplicates),
                ("orphans", _orphans),
                ("outside", _outside),
            )
        },
    )


def _runs(figures: list[tuple[Figure, Tally]]) -> list[Run]:
    by_run: dict[str, Tally] = {}
    began: dict[str, AwareDatetime] = {}
    for one, found in figures:
        by_run[one.run] = by_run.get(one.run, Tally()) + found
        began[one.run] = min(one.at, began.get(one.run, one.at))
    newest = sorted(by_run, key=lambda run: (began[run], run), reverse=True)[:RUNS]
    return [
        Run(run=run, at=began[run], compared=all_.compared, equal=all_.equal, consistency=all_.share)
        for run in newest
        if (all_ := by_run[run])
    ]


def _read(one: PassRow) -> Read:
    return Read.model_validate({name: getattr(one, name) for name in Read.model_fields})


def _contradictions(tx: Transaction, policy: str) -> Iterator[Stray]:
    for review in tx.reviews.waiting(policy):
        if review.kind == ReviewKind.CONFLICT:
            entity, field = str(review.question["entity"]), str(review.question["field"])
            why = f"a person is asked since {review.opened_at:%Y-%m-%d %H:%M} UTC"
            yield Stray(object=tx.crosswalk.get(entity).row.object, entity=entity, field=field, why=why)


def _refused(tx: Transaction, workflow: Workflow, name: str) -> Iterator[Stray]:
    for row in tx.strays.refused(Of(workflow.policy.name, name), MOST):
        yield _stray(row, "it would not take " + ", ".join(f"{field} '{value}'" for field, value in _sent(row)))


def _sent(row: RecordRow) -> list[tuple[str, str]]:
    return sorted((row.refused or {}).items())


def _duplicates(tx: Transaction, workflow: Workflow, name: str) -> Iterator[Stray]:
    of = Of(workflow.policy.name, name)
    for row in tx.strays.apart(of, Apart.SECOND, MOST):
        yield _stray(row, "a person, or its system, has said that there is another record of the same thing")
    for row in tx.strays.apart(of, Apart.ASKED, MOST):
        yield _stray(row, "a person is asked whether it is one that is known")
    for one, other in doubled(tx, workflow, name):
        yield _stray(other, f"it has the same key as {one.system} {one.external_id} ({one.entity_id})")


def _orphans(tx: Transaction, workflow: Workflow, name: str) -> Iterator[Stray]:
    for lone in lacking(tx, workflow, name):
        yield Stray(object=name, system=lone.system, entity=lone.entity.entity_id, why=lone.why)


def _outside(tx: Transaction, workflow: Workflow, name: str) -> Iterator[Stray]:
    for row in tx.strays.apart(Of(workflow.policy.name, name), Apart.OUTSIDE, MOST):
        yield _stray(row, "it does not fulfil 'only' of its system")


def _stray(row: RecordRow, why: str) -> Stray:
    return Stray(
        object=row.object, system=row.system, record=row.external_id or "", entity=row.entity_id or "", why=why
    )
