"""Finds out what a system's record is a record of: by what alone tells it, or else by weighed evidence."""

from collections.abc import Sequence
from typing import assert_never

from prefect import task

from connectors.store.crosswalk_rows import Of
from connectors.store.crosswalk_tables import RecordRow
from connectors.store.engine import Transaction
from connectors.store.places import Room
from domain.linking import Apart, keys_of, same_by, spelt
from policies.load import Workflow, sync_of
from policies.rules import matches
from tasks.link_by_evidence import link_by_evidence
from tasks.link_review import ask_about
from tasks.names import ACT, named
from tasks.observe import Side, sides
from tasks.resources import Resources, resources

AT_ONCE = 200
"""Records in one transaction."""


@task(task_run_name=named("recognise"), **ACT)
async def recognise(policy: str, by_evidence: bool = True) -> int:
    """Link each record that is new with what it is of, or begin an entity; an act. Returns how many were looked at.

    Where that is not sure, a person is asked, and nothing is made of the record until then. Things that are
    matched by evidence are linked system by system, in the policy's order, once every system was read to its end.

    Args:
        by_evidence: whether what only evidence can tell is looked at too; without, it waits.
    """
    here = resources()
    workflow = here.workflow(policy)
    known = {(side.of.object, side.system): side for side in sides(here, workflow)}
    looked = 0
    for name, kept in sync_of(workflow).objects.items():
        if kept.match is None:
            looked += _each(here, workflow, Of(sync_of(workflow).name, name), known)
            continue
        for system in kept.systems:
            looked += link_by_evidence(here, workflow, known[name, system], _settle, weighs=by_evidence)
    return looked


def _each(here: Resources, workflow: Workflow, of: Of, known: dict[tuple[str, str], Side]) -> int:
    """Settle the records of things that nothing is matched by but `same_by`."""
    looked = after = 0
    while True:
        with here.store.transaction() as tx:
            rows = tx.places.strange(of, AT_ONCE, after)
            for row in rows:
                if not _settle(here, tx, workflow, known[of.object, row.system], row):
                    tx.crosswalk.begin(of, row, here.now())
        looked += len(rows)
        if not rows:
            return looked
        after = rows[-1].seq or 0


def _settle(here: Resources, tx: Transaction, workflow: Workflow, side: Side, row: RecordRow) -> bool:
    """Whether it is known what a record is of, or a person was asked, by what alone tells it.

    While a write may be making the record that its entity lacks, it waits: it may be that one.
    """
    kept = side.kept
    only = kept.systems[row.system].only
    if only is not None and not matches(only, kept.numeric, row.now):
        row.apart = Apart.OUTSIDE
        return True
    mine = spelt(side.terms, row.now)
    alike = tx.places.alike(side.of, keys_of(side.terms, kept.same_by, row.now), row.seq or 0)
    same = {
        other.entity_id
        for other in alike
        if other.entity_id is not None and same_by(kept.same_by, mine, spelt(side.terms, other.now))
    }
    if not same:
        return False
    room = tx.places.room(min(same), row.system, here.now()) if len(same) == 1 else Room.TAKEN
    match room:
        case Room.FREE:
            tx.crosswalk.link(row, min(same), here.now())
        case Room.TAKEN:
            ask_about(tx, workflow, side.of, row, sorted(same), _why(kept.same_by, len(same)), here.now())
        case Room.BEING_MADE:
            pass
        case other:
            assert_never(other)
    return True


def _why(same_by: Sequence[str], found: int) -> str:
    keys = " or ".join(name.replace("_", " ") for name in same_by)
    if found > 1:
        return f"{found} that are known have the same {keys}"
    return f"its system has another record of the one with the same {keys} already"
