"""Takes records into the inbox: the first thing that happens to anything."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from domain.errors import InputInvalid
from domain.item import InboundItem
from domain.ledger import Event
from domain.values import canonical
from policies.intake import make_item, storable
from policies.load import Workflow
from tasks.resources import Resources

LONGEST_RAW = 200_000
"""Characters of an unusable record that the ledger keeps."""

EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
"""Times outside are typing errors, and those at the calendar's ends cannot be computed with."""


class Record(Protocol):
    """One input that could be read, before a policy makes an item of it."""

    where: str
    source: str
    external_id: str
    received_at: datetime
    fields: dict[str, Any]


def accept(here: Resources, policy: str, records: Sequence[Record]) -> list[tuple[str, str]]:
    """Store records in the inbox, in one transaction.

    Returns where those are that cannot become items, with the reason; they are in the
    ledger as refused. Not a task: what came in is stored whether Prefect runs or not.
    """
    workflow = here.workflow(policy)
    window = timedelta(hours=workflow.policy.input.duplicate_window_hours)
    refused = []
    with here.store.transaction() as tx:
        for record in records:
            try:
                item = _item(workflow, record)
            except InputInvalid as exc:
                refused.append((record.where, str(exc)))
                raw = storable(canonical({name: str(value) for name, value in record.fields.items()}))[:LONGEST_RAW]
                tx.ledger.append(
                    None, Event.REFUSED, here.now(), where=storable(record.where), why=storable(str(exc)), raw=raw
                )
                continue
            tx.inbox.accept(workflow.policy.name, item, window, here.now())
    return refused


def _item(workflow: Workflow, record: Record) -> InboundItem:
    if not EARLIEST <= record.received_at < LATEST:
        raise InputInvalid(f"received_at: {record.received_at.isoformat()} cannot be; write when it was received")
    return make_item(workflow.policy, record.source, record.external_id, record.received_at, record.fields)


def refuse(here: Resources, where: str, why: str, raw: str) -> None:
    """Put a record that cannot be read in the ledger, as it stands."""
    with here.store.transaction() as tx:
        tx.ledger.append(
            None, Event.REFUSED, here.now(), where=storable(where), why=storable(why), raw=storable(raw)[:LONGEST_RAW]
        )
