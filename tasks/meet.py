"""Brings events and cases together, before anything is decided."""

from datetime import datetime, timedelta

from prefect import task

from connectors.store.engine import Transaction
from connectors.store.inbox import item_id
from domain.case import Case, Gate
from domain.item import ClaimedItem
from domain.ledger import Event
from policies.cases import CasePolicy
from policies.load import cases_of
from policies.situations import Situation, case_key, deadline_item, situate
from tasks.alert import alert
from tasks.names import ACT, named
from tasks.resources import resources

LOOK_AGAIN = timedelta(minutes=1)
"""How often an event that came before its turn is looked at."""


@task(task_run_name=named("meet"), **ACT)
async def meet(policy: str, items: list[ClaimedItem]) -> list[Situation]:
    """Each claimed event with its case; an act, safe to repeat.

    Of several events of one case the first is taken; the others are given back, as it changes
    what they meet. An event that came before its turn is given back too, until its time to wait is over.
    """
    here = resources()
    cases = cases_of(here.workflow(policy))
    met: dict[str, Situation] = {}
    with here.store.transaction() as tx:
        for claimed in items:
            key = case_key(cases, claimed.item)
            if key and key in met:
                tx.inbox.put_off(claimed.item_id, here.now())
                continue
            situation = situate(cases, claimed, stored(tx, cases, key))
            if key and situation.gate is Gate.EARLY and _waits(tx, cases, situation, here.now()):
                continue
            met[key or claimed.item_id] = situation
    return list(met.values())


def stored(tx: Transaction, cases: CasePolicy, key: str) -> Case:
    """A case as it stands."""
    return tx.cases.get(cases.name, key) or cases.unheard(key)


def _waits(tx: Transaction, cases: CasePolicy, situation: Situation, now: datetime) -> bool:
    """Give an early event back while it may still wait; the ledger says so once."""
    item_id = situation.claimed.item_id
    began = [entry.facts["until"] for entry in tx.ledger.entries(item_id) if entry.event is Event.EVENT_WAITS]
    until = datetime.fromisoformat(began[0]) if began else now + timedelta(minutes=cases.input.wait_minutes)
    if until <= now:
        return False
    if not began:
        facts = {"case": situation.case.key, "state": situation.case.state, "until": until.isoformat()}
        tx.ledger.append(item_id, Event.EVENT_WAITS, now, **facts)
    tx.inbox.put_off(item_id, min(until, now + LOOK_AGAIN))
    return True


@task(task_run_name=named("note-deadlines"), **ACT)
async def note_deadlines(policy: str) -> list[str]:
    """Bring in an event for each case that stayed in its state too long, once; an act. Returns the cases' keys.

    So an event that was dropped on its way is missed, and not forgotten.
    """
    here = resources()
    workflow = here.workflow(policy)
    if (cases := workflow.cases) is None:
        return []
    now = here.now()
    with here.store.transaction() as tx:
        late = [(case, deadline_item(case, now)) for case in tx.cases.overdue(cases.name, now)]
        noted = tx.inbox.known([item_id(cases.name, item) for _, item in late])
        fresh = [(case, item) for case, item in late if item_id(cases.name, item) not in noted]
        tx.inbox.accept_all(cases.name, [item for _, item in fresh], timedelta(0), now)
    for case, _ in fresh:
        message = f"case {case.key} stayed in {case.state} longer than it may"
        alert("case.late", "policy", cases.name, message, case=case.key, owner=cases.machine.state(case.state).owner)
    return [case.key for case, _ in fresh]
