"""Accounts for a replay: every edit and every value, by the systems' own books and the history of the sync."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from connectors.store.engine import Transaction
from domain.ledger import first_break
from domain.merge import Kind, Why
from domain.values import Frozen
from evals.sync_log import FIELDS, OBJECT, POLICY, Edit, policy
from evals.sync_oracle import judged
from evals.sync_story import Fault, Finding, Story, Told
from evals.sync_systems import Books

TOLD = 20
"""Faults that are told in full."""


class Replayed(Frozen):
    """What came of a replay.

    Attributes:
        versions: edits by people, of `incidents`.
        conflicts: contradictions that wait for a person.
        settled: whether the sync came to rest in time.
        writes: by the sync, in both systems.
        dead_lettered: writes that were given up.
        moves: what was made of edits, by why.
        faults: how often the CRM failed, by kind.
        told: some of the faults, in words.
    """

    versions: int
    incidents: int
    lost: int
    doubled: int
    unexplained: int
    conflicts: int
    settled: bool
    ledger_verifies: bool
    crashes: int
    writes: int
    dead_lettered: int
    moves: dict[str, int]
    faults: dict[str, int]
    edits_s: float
    settling_s: float
    told: tuple[str, ...]


def account_of(
    tx: Transaction,
    edits: Sequence[Edit],
    books: Mapping[str, Books],
    *,
    settled: bool,
    crashes: int,
    faults: dict[str, int],
    edits_s: float,
    settling_s: float,
) -> Replayed:
    """What came of a replay.

    Args:
        tx: the store of the sync.
        books: of each system.
        faults: how often the CRM failed, by kind.
        edits_s, settling_s: how long people edited, and how long it took then until nothing was left to do.
    """
    found = [Finding(Fault.DOUBLED, "", "", why) for system in books.values() for why in system.twice]
    terms = policy({}, {})["objects"][OBJECT]["fields"]
    incidents = sorted({edit.incident for edit in edits})
    stories = list(stories_of(tx, incidents, {name: terms[name] for name in FIELDS}, books))
    for story in stories:
        found += judged(story)
    found += _unheard(edits, books)
    found += [
        Finding(Fault.DOUBLED if ids else Fault.LOST, incident, "", f"it is {len(ids)} entities, not one")
        for incident in sorted({edit.incident for edit in edits})
        if len(ids := tx.entities.find(incident)) != 1
    ]
    contested = {(story.thing, story.field) for story in stories if story.contested}
    found += _unasked(tx, len(contested))
    counts = Counter(finding.fault for finding in found)
    given_up = tx.entities.counts(POLICY)["dead_letters"]
    moves = Counter(move.why.value for story in stories for move in story.moves)
    writes = sum(change.edit is None for system in books.values() for one in system.changes.values() for change in one)
    return Replayed(
        versions=len(edits),
        incidents=len({edit.incident for edit in edits}),
        lost=counts[Fault.LOST],
        doubled=counts[Fault.DOUBLED],
        unexplained=counts[Fault.UNEXPLAINED],
        conflicts=len(contested),
        settled=settled,
        ledger_verifies=first_break(tx.ledger.entries()) is None,
        crashes=crashes,
        writes=writes,
        dead_lettered=given_up,
        moves=dict(sorted(moves.items())),
        faults=dict(sorted(faults.items())),
        edits_s=round(edits_s, 1),
        settling_s=round(settling_s, 1),
        told=tuple(f"{one.fault.value}: {one.thing} {one.field}: {one.why}" for one in found[:TOLD]),
    )


def stories_of(
    tx: Transaction, things: Sequence[str], terms: Mapping[str, Mapping[str, Any]], books: Mapping[str, Books]
) -> Iterator[Story]:
    """What happened to each field of each thing.

    Args:
        tx: the store of the sync.
        things: by a key that only one entity has.
        terms: what the policy says of each field, as it is written there.
        books: of each system.
    """
    for thing in things:
        ids = tx.entities.find(thing)
        due = tx.crosswalk.get(ids[0]) if len(ids) == 1 else None
        entity = due.entity if due else None
        history = tx.entities.history(ids[0]) if len(ids) == 1 else []
        for name, told in terms.items():
            standing = entity.fields.get(name) if entity else None
            changes = [change for system in books.values() for change in system.changes.get((thing, name), ())]
            moves = [
                Told(
                    at=round(row.at.timestamp() * 1000),
                    field=name,
                    before=row.before,
                    after=row.after,
                    why=Why(row.why),
                    edited={system: str(one["value"]) for system, one in row.edited.items()},
                )
                for row in history
                if row.field == name
            ]
            yield Story(
                thing=thing,
                field=name,
                kind=Kind(told.get("rule", "ask")),
                changes=sorted(changes, key=lambda change: change.at),
                held={name_of: system.held.get(thing, {}).get(name, "") for name_of, system in books.items()},
                agreed=standing.agreed if standing else "",
                moves=moves,
                contested=standing.contested if standing else {},
                refused=frozenset(
                    system for system, held in (entity.records.items() if entity else ()) if name in held.refused
                ),
                owner=told.get("owner"),
                stages=told.get("stages", ()),
            )


def _unheard(edits: Sequence[Edit], books: Mapping[str, Books]) -> list[Finding]:
    """The people's edits that the systems' own books do not have: the replay itself is broken."""
    noted = {change.edit for system in books.values() for one in system.changes.values() for change in one}
    return [
        Finding(Fault.LOST, edit.incident, "", f"edit {edit.number} is in no book of {edit.system}")
        for edit in edits
        if edit.number not in noted
    ]


def _unasked(tx: Transaction, contested: int) -> list[Finding]:
    """Contradictions of which no person was asked, or questions about none."""
    asked = len([review for review in tx.reviews.waiting(POLICY) if review.kind == "conflict"])
    if asked == contested:
        return []
    return [Finding(Fault.UNEXPLAINED, "", "", f"{contested} fields are contested, and {asked} are asked about")]
