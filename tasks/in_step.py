"""Keeps what systems hold of the same things in step: hears their edits, and has written what differs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from prefect import task

from connectors.registry import kept_spec
from connectors.store.crosswalk_rows import Due, Of
from connectors.store.crosswalk_tables import RecordRow
from connectors.store.engine import Transaction
from connectors.store.states import State
from connectors.store.tables import OperationRow
from domain.decision import Mode
from domain.delivery import Operation, operation_id
from domain.entity import FieldTerms, Held, InStep, Standing, in_step
from domain.linking import keys_of, same_by, spelt
from policies.load import Workflow, sync_of
from policies.rules import matches
from policies.sync import Kept
from policies.templates import render
from tasks.conflict_review import contest
from tasks.malformed import tell_malformed
from tasks.names import ACT, named
from tasks.observe import read_to_the_end
from tasks.resources import Resources, resources

AT_ONCE = 200
"""Entities in one transaction."""


@dataclass(frozen=True)
class Plan:
    """What keeps an entity in step; `put_off`: whether records of it are made later, once all others are known."""

    due: Due
    step: InStep
    put_off: bool = False


@task(task_run_name=named("keep-in-step"), **ACT)
async def keep_in_step(policy: str) -> int:
    """Merge every entity of which something has changed; an act, safe to repeat. Returns how many there were.

    What is agreed on, what was made of each edit, the writes that follow and the questions for people are one
    transaction. In shadow mode nothing happens.
    """
    here = resources()
    workflow = here.workflow(policy)
    told = sync_of(workflow)
    if told.mode is Mode.SHADOW:
        return 0
    merged = 0
    for name, kept in told.objects.items():
        of, terms = Of(told.name, name), told.field_terms[name]
        after = ""
        while True:
            with here.store.transaction() as tx:
                dues = tx.crosswalk.due(of, AT_ONCE, after)
                known = all_known(tx, of, kept)
                for due in dues:
                    plan = plan_of(tx, of, kept, terms, due, known=known)
                    _keep(here, tx, workflow, kept, plan)
                    due.row.due = plan.put_off
                    merged += not plan.put_off
            if not dues:
                break
            after = dues[-1].row.entity_id
    return merged


def plans(tx: Transaction, workflow: Workflow, count: int) -> Iterator[tuple[str, Plan]]:
    """What would become of up to `count` entities of each object of which something has changed, object by object."""
    told = sync_of(workflow)
    for name, kept in told.objects.items():
        of, terms = Of(told.name, name), told.field_terms[name]
        known = all_known(tx, of, kept)
        for due in tx.crosswalk.due(of, count):
            yield name, plan_of(tx, of, kept, terms, due, known=known)


def all_known(tx: Transaction, of: Of, kept: Kept) -> bool:
    """Whether every system was read to its end once, and of every record that was heard of it is known what it is."""
    return read_to_the_end(tx, of, kept) and tx.places.all_known(of)


def plan_of(tx: Transaction, of: Of, kept: Kept, terms: Mapping[str, FieldTerms], due: Due, *, known: bool) -> Plan:
    """What keeps an entity in step.

    A record is made nowhere before all are `known`: it may be there already. Nor is one made in a system that has
    one by the same key of which its policy wants nothing.
    """
    entity = due.entity
    if kept.when_gone == "make_again":
        there = {system: record for system, record in entity.records.items() if not record.gone or record.busy}
        entity = entity.model_copy(update={"records": there})
    step = in_step(terms, entity)
    agreed = {field: standing.agreed for field, standing in step.entity.fields.items()}
    living = any(record.external_id and not record.gone for record in entity.records.values())
    creates = frozenset(
        system
        for system, side in kept.systems.items()
        if side.creates
        and living
        and entity.records.get(system, Held()).lacking
        and (side.when is None or matches(side.when, kept.numeric, agreed))
        and not _left_out(tx, of, kept, terms, system, agreed)
    )
    if not creates or not known:
        return Plan(due, step, put_off=bool(creates))
    return Plan(due, in_step(terms, entity, creates))


def _left_out(
    tx: Transaction,
    of: Of,
    kept: Kept,
    terms: Mapping[str, FieldTerms],
    system: str,
    agreed: Mapping[str, str],
) -> bool:
    """Whether a system has a record of the same thing of which its policy wants nothing."""
    if kept.systems[system].only is None:
        return False
    mine = spelt(terms, agreed)
    left_out = tx.places.outside(of, system, keys_of(terms, kept.same_by, agreed))
    return any(same_by(kept.same_by, mine, spelt(terms, row.now)) for row in left_out)


def _keep(here: Resources, tx: Transaction, workflow: Workflow, kept: Kept, plan: Plan) -> None:
    """Keep what became of an entity; of one that turned out to be another, nothing is asked any more."""
    due, step, now = plan.due, plan.step, here.now()
    before = due.entity
    if due.row.merged_into is not None:
        settled = {field: standing.model_copy(update={"contested": {}}) for field, standing in before.fields.items()}
        merged_away = before.model_copy(update={"fields": settled})
        tx.crosswalk.keep(due, merged_away, (), now)
        contest(tx, workflow, due, before, merged_away, now)
        tx.spells.merged(due.row, owes=False, now=now)
        return
    again = [system for system in due.records if system not in step.entity.records]
    tx.crosswalk.keep(due, step.entity, step.moves, now)
    contest(tx, workflow, due, before, step.entity, now, step.moves)
    tell_malformed(tx, due, step.malformed, now)
    for system, values in step.writes.items():
        if system in again:
            tx.crosswalk.unlink(due, system, now)
        write = _operation(kept, due, system, step, values)
        tx.crosswalk.sending(due, system, write.operation_id, values)
        tx.outbox.put(write, sync_of(workflow).patience, now)
    tx.spells.merged(due.row, owes=plan.put_off or step.owes, now=now)


def _operation(kept: Kept, due: Due, system: str, step: InStep, values: Mapping[str, str]) -> Operation:
    side, places, record = kept.systems[system], kept.places(system), due.records.get(system)
    entity_id = due.row.entity_id
    spec = kept_spec(side.system)
    written = {places[field].name: places[field].spelt(value) for field, value in values.items()}
    there = record is not None and record.external_id is not None
    agreed = {field: standing.agreed for field, standing in step.entity.fields.items()}
    held = {field: record.raw.get(field, record.now[field]) for field in values} if record and there else {}
    return Operation(
        operation_id=operation_id(entity_id, f"{system}/{due.row.writes}"),
        item_id=entity_id,
        policy=due.row.policy,
        destination=system,
        system=side.system,
        record_key=entity_id if there or side.key is None else render(side.key, agreed) or entity_id,
        values=written if there else side.constants | written,
        options=spec.destination_options(spec.chosen(side.options)),
        external_id=(record.external_id or "") if record else "",
        expected={places[field].name: raw for field, raw in held.items()},
    )


@task(task_run_name=named("note-written"), **ACT)
async def note_written(policy: str) -> int:
    """Take down what became of the writes that have their outcome; an act, safe to repeat. Returns how many."""
    here = resources()
    workflow = here.workflow(policy)
    told = sync_of(workflow)
    noted = 0
    while True:
        with here.store.transaction() as tx:
            ended = tx.places.ended(told.name, AT_ONCE)
            for record, write in ended:
                _note(here, tx, workflow, record, write)
        noted += len(ended)
        if not ended:
            return noted


def _note(here: Resources, tx: Transaction, workflow: Workflow, record: RecordRow, write: OperationRow) -> None:
    """What a write did: it made the record hold its values, or the record has changed, or it was given up.

    What its system made of the values is no edit, if its answer shows that.
    """
    outcome = write.outcome or {}
    if write.state == State.DEAD:
        tx.crosswalk.not_written(record, {}, {}, refused=True)
        return
    kept = sync_of(workflow).objects.get(record.object)  # None where the policy has no such object any more
    places = kept.places(record.system) if kept else {}
    sent = {field: value for field, value in (record.sent or {}).items() if field in places}
    own = {place.name: field for field, place in places.items() if field in sent}
    written = outcome.get("kind") in ("created", "updated", "unchanged")
    names = own if written else outcome.get("wrote", ())
    shown = {own[name]: raw for name, raw in outcome.get("values", {}).items() if name in own}
    held = {own[name]: sent[own[name]] for name in names if name in own}
    held |= {field: places[field].read(raw) for field, raw in shown.items()}
    raws = {field: places[field].spelt(value) for field, value in held.items()} | shown
    raw = {field: text for field, text in raws.items() if text != held[field]}
    if written:
        tx.crosswalk.written(record, outcome["external_id"], held, raw, here.now())
        return
    unseen = {own[name]: text for name, text in outcome.get("overwrote", {}).items() if name in own}
    if unseen:
        _hear(here, tx, workflow, record, {field: places[field].read(text) for field, text in unseen.items()})
    tx.crosswalk.not_written(record, held, raw)


def _hear(here: Resources, tx: Transaction, workflow: Workflow, record: RecordRow, unseen: Mapping[str, str]) -> None:
    """Merge what somebody had made of fields right before a write of ours, which nobody will read in the record.

    Whoever changed the field after that had seen ours and goes on from there: a contradiction is told, and asks nobody.
    What is to be written then follows from the next merge.
    """
    due = tx.crosswalk.get(record.entity_id) if record.entity_id else None
    if due is None or due.records.get(record.system) is not record:
        return
    before = due.entity
    held = before.records[record.system]
    showed = held.model_copy(update={"now": held.now | dict(unseen)})
    entity = before.model_copy(update={"records": before.records | {record.system: showed}})
    step = in_step(sync_of(workflow).field_terms[record.object], entity)
    fields = {
        field: before.fields.get(field, Standing()) if field in unseen and standing.contested else standing
        for field, standing in step.entity.fields.items()
    }
    after = step.entity.model_copy(update={"fields": fields})
    if step.moves:
        record.changed_at, record.changed_by = None, ""  # who made an edit in between is not known
    tx.crosswalk.keep(due, after, step.moves, here.now())
    contest(tx, workflow, due, before, after, here.now(), step.moves)
    due.row.due = True
