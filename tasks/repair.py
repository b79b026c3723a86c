"""Finds records that are doubled or lack a partner, and proposes what is to be done about them."""

from collections.abc import Iterator
from dataclasses import dataclass

from prefect import task

from connectors.store.crosswalk_rows import Of
from connectors.store.crosswalk_tables import EntityRow, RecordRow
from connectors.store.engine import Transaction
from domain.linking import same_by, spelt
from policies.load import Workflow, sync_of
from policies.rules import matches
from tasks.evidence import KEPT_APART
from tasks.link_review import NEW, ask_about
from tasks.names import ACT, named
from tasks.resources import resources

AT_ONCE = 1_000
"""Rows that are looked at in one query."""


@dataclass(frozen=True)
class Lone:
    """What the policy wants a record of in a system, where there is none; `record` is the one that was to be made."""

    system: str
    entity: EntityRow
    record: RecordRow | None

    @property
    def why(self) -> str:
        """What keeps it from being there, in words."""
        if self.record is None:
            return "it is still to be made"
        if self.record.gone:
            return "it was deleted there"
        return "the system refused it" if self.record.refused else "it is being made"


@task(task_run_name=named("propose-repairs"), **ACT)
async def propose_repairs(policy: str) -> int:
    """Ask about entities that may be one, and have records made that are missing; an act, safe to repeat.

    A person is asked about each two entities once. What is missing is made by the merge, by what the policy says.
    Returns how many questions and records that is.
    """
    here = resources()
    workflow = here.workflow(policy)
    proposed = 0
    for name, kept in sync_of(workflow).objects.items():
        of = Of(sync_of(workflow).name, name)
        keys = " or ".join(field.replace("_", " ") for field in kept.same_by)
        with here.store.transaction() as tx:
            for one, other in doubled(tx, workflow, name):
                pair = sorted((one.entity_id or "", other.entity_id or ""))
                why = f"both are known, as two things, and have the same {keys} now"
                about = "/".join(pair)
                proposed += ask_about(tx, workflow, of, other, [one.entity_id or ""], why, here.now(), about=about)
            for lone in lacking(tx, workflow, name):
                if lone.record is None:
                    tx.crosswalk.look_again(lone.entity.entity_id)
                    proposed += 1
    return proposed


def doubled(tx: Transaction, workflow: Workflow, name: str) -> Iterator[tuple[RecordRow, RecordRow]]:
    """Two records each of two entities that are of the same thing by their keys, unless a person told them apart."""
    policy = sync_of(workflow)
    kept, of, terms = policy.objects[name], Of(policy.name, name), policy.field_terms[name]
    known = tx.strays.told_apart(of.policy, NEW)
    after = (0, 0)
    while rows := tx.strays.alike(of, AT_ONCE, after, KEPT_APART):
        for one, other in rows:
            pair = frozenset({one.entity_id or "", other.entity_id or ""})
            if pair not in known and same_by(kept.same_by, spelt(terms, one.now), spelt(terms, other.now)):
                known.add(pair)
                yield one, other
        after = (rows[-1][0].seq or 0, rows[-1][1].seq or 0)


def lacking(tx: Transaction, workflow: Workflow, name: str) -> Iterator[Lone]:
    """What the policy wants a record of in a system, and that has none there."""
    policy = sync_of(workflow)
    kept, of = policy.objects[name], Of(policy.name, name)
    for system, side in kept.systems.items():
        after = ""
        while rows := tx.strays.lacking(of, system, AT_ONCE, after) if side.creates else []:
            for entity, record in rows:
                agreed = {field: standing.get("agreed", "") for field, standing in entity.fields.items()}
                if side.when is None or matches(side.when, kept.numeric, agreed):
                    yield Lone(system, entity, record)
            after = rows[-1][0].entity_id
