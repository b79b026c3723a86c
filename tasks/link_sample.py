"""Draws records blindly for people to link, so that their answers prove what linking by evidence is worth."""

from connectors.store.crosswalk_rows import Of
from domain.linkage.proof import sample
from policies.load import sync_of
from tasks.evidence import Learned, Weighing
from tasks.link_by_evidence import MOST_CHOICES, in_chunks, index, looks_of
from tasks.link_review import open_sample_of
from tasks.observe import Side, sides
from tasks.resources import Resources


def draw_samples(here: Resources, policy: str, count: int) -> dict[str, int]:
    """Ask people about up to `count` more records of each object that has a `match`; how many there were, by object.

    They are drawn from all that wait to be linked, of whatever system: of the same records always the same.
    """
    workflow = here.workflow(policy)
    known = {(side.of.object, side.system): side for side in sides(here, workflow)}
    drawn = {}
    for name, kept in sync_of(workflow).objects.items():
        if kept.match is None:
            continue
        mine = {system: known[name, system] for system in kept.systems}
        waiting = {
            str(seq): system for system in mine for seq in _waiting(here, Of(sync_of(workflow).name, name), system)
        }
        ids = sample(waiting, count, f"{workflow.policy.name}/{name}")
        for system, side in mine.items():
            _draw(here, policy, side, [id_ for id_ in ids if waiting[id_] == system])
        drawn[name] = len(ids)
    return drawn


def _waiting(here: Resources, of: Of, system: str) -> list[int]:
    found: list[int] = []
    with here.store.reading() as tx:
        while rows := tx.places.strange(of, 1000, found[-1] if found else 0, system):
            found += [row.seq or 0 for row in rows]
    return found


def _draw(here: Resources, policy: str, side: Side, ids: list[str]) -> None:
    workflow, looks = here.workflow(policy), looks_of(side)
    index(here, side, looks)
    weighing = Weighing(looks, Learned.of(workflow, side.of.object, looks.linkage), side.of, side.system)
    for some in in_chunks(ids):
        with here.store.transaction() as tx:
            rows = [tx.places.record(int(id_)) for id_ in some]
            for row in rows:
                weighing.add(row.seq, row.now)
            weighing.weigh(tx, some)
            for row in rows:
                likeliest = weighing.likeliest(str(row.seq), MOST_CHOICES)
                open_sample_of(tx, workflow, side.of, row, likeliest, here.now())
