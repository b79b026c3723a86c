"""`interlock sync`: what keeps systems in step would do and why, has it done, and tells how a value came about."""

import asyncio
import os
from typing import Annotated

import typer
from rich.table import Table

from connectors.settings import Settings
from connectors.store.crosswalk_rows import Due
from connectors.store.crosswalk_tables import MoveRow
from connectors.store.engine import Transaction
from console import reconcile
from console.run import prefect_at_hand
from console.shared import ERR, OUT, explained, only, reading, shown
from console.sync_link import fit, sample
from domain.conflict import owner_in
from domain.merge import Why
from domain.review import ReviewKind
from domain.story import tell
from flows.sync import sync
from policies.load import Workflow, load_workflow, replace_policy, sync_of
from policies.strict_yaml import read_text
from policies.sync_rule import owner_diff, with_owner
from tasks.conflict_review import OWNER
from tasks.in_step import Plan, plans
from tasks.observe import note_changes, read_changed, sides
from tasks.prepare import reach_systems
from tasks.recognise import recognise
from tasks.resources import Resources, opened

app = typer.Typer(help="Records of several systems, kept in step.", no_args_is_help=True)
app.add_typer(reconcile.app)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout; the rest goes to stderr.")]
Name = Annotated[str, typer.Argument(help="Name of a shipped policy about records, or path of a YAML file.")]
MOST = 100_000
"""Entities that a plan looks at of each object."""

TOLD: dict[Why, str] = {
    Why.UNCHANGED: "it does not hold it yet",
    Why.ONE_EDIT: "{edited} changed it",
    Why.SAME_EDIT: "{edited} changed it to the same",
    Why.OWNER: "{edited} changed it; the owner's goes first",
    Why.UNION: "{edited} added or removed some",
    Why.APPEND: "{edited} added to it",
    Why.FORWARD: "{edited} moved it; the furthest counts",
    Why.KEPT_FILLED: "{edited} cleared it, which only the owner may",
    Why.PUT_BACK: "{edited} changed it, where it is only written to",
    Why.CONFLICT: "{edited} changed it, and not to the same: a person decides",
    Why.DECIDED: "{by} said so, over {edited}",
}
"""Why a field is what it is."""


app.command()(fit)
app.command()(sample)


@app.command()
def plan(policy: Name, as_json: AsJson = False) -> None:
    """Show what would be written where, and why, and which contradictions people would be asked about.

    Nothing is written in any system, whatever the mode. Records are read and linked for that, and what is doubtful
    in it is asked about at once.
    """
    with explained():
        workflow = load_workflow(policy)
        sync_of(workflow)
        found = asyncio.run(_plan(policy))
        told = [one for name, plan in found for one in _lines(name, plan)]
        unfit = [one for _, plan in found for one in _malformed(plan)]
        with reading() as tx:
            waiting = tx.reviews.waiting(workflow.policy.name)
        links = sum(review.kind == ReviewKind.LINK for review in waiting)
        if as_json:
            OUT.print_json(
                data={
                    "writes": [one for one in told if one["system"]],
                    "asks": _asks(told),
                    "malformed": unfit,
                    "links_asked": links,
                }
            )
            return
        _print_plan(told, len(found))
        for one in unfit:
            held = f"{one['system']} {one['record']}: '{one['holds']}'"
            OUT.print(
                f"malformed, and goes nowhere: {one['field']} of {one['entity']} in {shown(held)}", highlight=False
            )
        if links:
            OUT.print(f"People are asked already what {links} records are; see 'interlock reviews list'.")


@app.command()
def run(policy: Name, as_json: AsJson = False) -> None:
    """Keep the systems in step once: read what changed, merge, write what differs, ask about contradictions."""
    with explained():
        sync_of(load_workflow(policy))
        account = asyncio.run(_run(policy))
        if as_json:
            OUT.print_json(data=account)
            return
        for name, count in account.items():
            OUT.print(f"{name.replace('_', ' '):28} {count}", highlight=False)


@app.command()
def explain(
    record: Annotated[str, typer.Argument(help="An entity, a system's own id, or a key such as an e-mail address.")],
    field: Annotated[str | None, typer.Argument(help="One of its fields; all of them without it.")] = None,
) -> None:
    """Tell the history of a value: who set it where and when, which rule or person moved it, where it stands now."""
    with explained(), reading() as tx:
        entity_id = only(tx.entities.find(record), record, "entity; see 'interlock sync plan', or give its whole id")
        due = tx.crosswalk.get(entity_id)
        if field is not None and field not in due.row.fields:
            known = ", ".join(due.row.fields)
            ERR.print(f"{entity_id} has no field '{shown(field)}'; it has {known}.")
            raise typer.Exit(2)
        _print_entity(due, field)
        for move in tx.entities.history(entity_id, field):
            known_as = "" if move.entity_id == entity_id else f", known as {move.entity_id} then"
            OUT.print(_moved(move, named=field is None) + known_as, highlight=False)
        for known in tx.entities.all_of(entity_id):
            _print_writes(tx, known)


@app.command()
def rules(
    policy: Name,
    apply: Annotated[bool, typer.Option(help="Write them into the policy's file.")] = False,
) -> None:
    """Show, as changes of the policy's file, the rules that people proposed when they decided contradictions."""
    with explained():
        workflow = load_workflow(policy)
        sync_of(workflow)
        with reading() as tx:
            wanted = _proposed(tx, workflow)
        source = before = read_text(workflow.path)
        for (name, field), owner in wanted.items():
            diff = owner_diff(workflow.path, name, field, owner)
            if not diff:
                ERR.print(f"write it yourself, as it is not written as a block: {owner} owns {field} of {name}")
                continue
            OUT.print(diff, highlight=False, markup=False)
            source = with_owner(source, name, field, owner)
        if not wanted:
            OUT.print("No rules were proposed that the policy does not have.")
        elif apply and source != before:
            replace_policy(workflow.path, source)
            ERR.print(f"{workflow.path} is changed; deploy it as any change of a policy.")


async def _plan(policy: str) -> list[tuple[str, Plan]]:
    """What would be done; it needs no Prefect, as nothing of it is a run."""
    async with opened() as here:
        workflow = here.workflow(policy)
        reach_systems(here, workflow)
        for step in (note_changes, read_changed, recognise):
            await step.fn(policy)
        _tell_unread(here, workflow)
        return _planned(here, policy)


def _tell_unread(here: Resources, workflow: Workflow) -> None:
    with here.store.reading() as tx:
        for side in sides(here, workflow):
            state = tx.sources.of(side.name)
            if state.breaker.failures or state.trouble:
                told = f"{side.of.object} in {side.system} could not be read: {state.breaker.why}"
                ERR.print(f"[yellow]old news[/] {shown(told)}", highlight=False)


def _planned(here: Resources, policy: str) -> list[tuple[str, Plan]]:
    with here.store.reading() as tx:
        return list(plans(tx, here.workflow(policy), MOST))


async def _run(policy: str) -> dict[str, int]:
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "WARNING")
    async with prefect_at_hand(Settings().home), opened() as here:
        account = await sync(policy)
        with here.store.reading() as tx:
            told = tx.entities.counts(here.workflow(policy).policy.name)
        return {**told, "contradictions_open": account.waiting + account.escalated, "unaccounted": account.unaccounted}


def _lines(name: str, plan: Plan) -> list[dict[str, str]]:
    """What a plan does: one line a field and system; without a system, where a person is asked."""
    moves = {move.field: move for move in plan.step.moves}
    entity = plan.due.row.entity_id
    lines = []
    for system, values in plan.step.writes.items():
        record = plan.due.records.get(system)
        for field, value in values.items():
            move = moves.get(field)
            why = TOLD[move.why if move else Why.UNCHANGED]
            lines.append(
                {
                    "object": name,
                    "entity": entity,
                    "system": system,
                    "record": (record.external_id if record else None) or "new",
                    "field": field,
                    "holds": record.now.get(field, "") if record else "",
                    "becomes": value,
                    "why": why.format(edited=", ".join(move.edited) if move else "", by=""),
                }
            )
    for field, standing in plan.step.entity.fields.items():
        if standing.contested:
            told = {"object": name, "entity": entity, "system": "", "record": "", "field": field}
            said = "; ".join(f"{system}: {value}" for system, value in standing.contested.items())
            why = TOLD[Why.CONFLICT].format(edited=", ".join(standing.contested))
            lines.append({**told, "holds": standing.agreed, "becomes": said, "why": why})
    return lines


def _malformed(plan: Plan) -> list[dict[str, str]]:
    """What goes nowhere, as it is none of its field's type."""
    return [
        {
            "entity": plan.due.row.entity_id,
            "system": system,
            "record": plan.due.records[system].external_id or "",
            "field": field,
            "holds": plan.due.records[system].now[field],
        }
        for field, systems in plan.step.malformed.items()
        for system in systems
    ]


def _asks(told: list[dict[str, str]]) -> list[dict[str, str]]:
    return [one for one in told if not one["system"]]


def _print_plan(told: list[dict[str, str]], looked_at: int) -> None:
    table = Table("what", "where", "field", "holds", "becomes", "why", box=None, padding=(0, 2, 0, 0))
    for one in told:
        where = f"{one['system']} {one['record']}" if one["system"] else "a person"
        told_of = (where, one["field"], one["holds"], one["becomes"], one["why"])
        table.add_row(one["entity"], *map(shown, told_of))
    if told:
        OUT.print(table)
    asks = len(_asks(told))
    OUT.print(
        f"{looked_at} looked at, {len(told) - asks} values to write, {asks} contradictions for people. "
        "Nothing was written.",
        highlight=False,
    )


def _print_entity(due: Due, field: str | None) -> None:
    entity = due.entity
    OUT.print(f"[bold]{due.row.entity_id}[/] ({due.row.object} of {due.row.policy})", highlight=False)
    for name, standing in entity.fields.items():
        if field in (None, name):
            told = f"agreed: '{shown(standing.agreed)}'"
            told += f", set by {', '.join(map(shown, standing.set_by))}" if standing.set_by else ""
            told += ", contested: a person is asked" if standing.contested else ""
            OUT.print(f"  {name}: {told}", highlight=False)
            for system, held in entity.records.items():
                where = f"{system} {shown(held.external_id) or '(being made)'}{', deleted there' if held.gone else ''}"
                busy = ", a write is under way" if held.busy else ""
                value = f"'{shown(held.now[name])}'" if name in held.now else "does not have it"
                OUT.print(f"    {where}: {value}{busy}", highlight=False)


def _moved(move: MoveRow, *, named: bool) -> str:
    edits = []
    for system, edit in move.edited.items():
        when = f" at {edit['at'][:19].replace('T', ' ')}" if edit["at"] else ""
        who = f" by {shown(edit['by'])}" if edit["by"] else ""
        last = f" (the record was last changed{who}{when})" if who or when else ""
        edits.append(f"{system}: '{shown(edit['value'])}'{last}")
    why = TOLD[Why(move.why)].format(edited=", ".join(move.edited), by=shown(move.by))
    what = f"{move.field}: " if named else ""
    became = f"'{shown(move.before)}' → '{shown(move.after)}'"
    return f"{move.at:%Y-%m-%d %H:%M:%S}  {what}{became}: {why}. Edits: {'; '.join(edits) or 'none'}"


def _print_writes(tx: Transaction, entity_id: str) -> None:
    for entry in tx.ledger.entries(entity_id):
        if entry.event in ("queued", "attempted", "dead_lettered", "linked"):
            OUT.print(f"{entry.at:%Y-%m-%d %H:%M:%S}  {shown(tell(entry.event, entry.facts))}", highlight=False)


def _proposed(tx: Transaction, workflow: Workflow) -> dict[tuple[str, str], str]:
    """The owner that somebody wants of each field that has another or none; the latest counts.

    An answer that was given under another owner than the policy has now is overtaken: somebody has decided since.
    """
    found: dict[tuple[str, str], str] = {}
    objects = sync_of(workflow).objects
    for review in tx.reviews.answered_of(workflow.policy.name, ReviewKind.CONFLICT):
        name, field = tx.crosswalk.get(str(review.question["entity"])).row.object, str(review.question["field"])
        now = objects[name].fields.get(field) if name in objects else None
        owner = owner_in(review.answer or "", now.at if now else {})
        if owner and now and now.owner != owner and (now.owner or "") == review.question.get(OWNER):
            found[name, field] = owner
    return found
