"""Takes records into the inbox: the first thing that happens to anything."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from connectors.ports import Arrival, Unreadable
from connectors.store.engine import Transaction
from domain.errors import InputInvalid
from domain.item import Admission, InboundItem
from domain.ledger import Event
from domain.values import canonical
from policies.intake import make_item, storable
from policies.load import Workflow
from tasks.resources import Resources

LONGEST_RAW = 200_000
"""Characters of an unusable record that the ledger keeps."""

EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
"""Times outside are typing errors, and those at the calendar's ends cannot be computed with."""


@dataclass(frozen=True)
class Admitted:
    """A record that is an item, or repeats one.

    Attributes:
        item_id: the item's; of a duplicate, that of the item that it repeats.
    """

    item_id: str
    how: Admission


@dataclass(frozen=True)
class Refused:
    """A record that cannot become an item: where it was, and why; the ledger has it raw."""

    where: str
    why: str


def accept(here: Resources, policy: str, records: Iterable[Arrival | Unreadable]) -> list[tuple[str, str]]:
    """Store records in the inbox, in one transaction.

    Returns where those are that cannot become items, with the reason; they are in the
    ledger as refused. Not a task: what came in is stored whether Prefect runs or not.
    """
    return [(one.where, one.why) for one in admit(here, policy, records) if isinstance(one, Refused)]


def admit(
    here: Resources, policy: str, records: Iterable[Arrival | Unreadable], read_to: tuple[str, str] | None = None
) -> list[Admitted | Refused]:
    """`accept`, telling of each record, in order, what became of it.

    Args:
        read_to: the source that they come from, and how far it was read: kept in the same transaction.

    Raises:
        Unavailable: the database does not answer; whether they are stored is not known, and
            giving them again stores none twice.
    """
    workflow = here.workflow(policy)
    window = timedelta(hours=workflow.policy.input.duplicate_window_hours)
    readied = [_readied(workflow, record) for record in records]  # not while others wait to write
    items = [one for one in readied if isinstance(one, InboundItem)]
    with here.store.transaction() as tx:
        for one in readied:
            if isinstance(one, Unreadable):
                _record_refusal(tx, one, here.now())
        admitted = iter(tx.inbox.accept_all(workflow.policy.name, items, window, here.now()))
        if read_to is not None:
            tx.cursors.move(*read_to, here.now())
    return [
        Refused(one.where, one.why) if isinstance(one, Unreadable) else Admitted(*next(admitted)) for one in readied
    ]


def _readied(workflow: Workflow, record: Arrival | Unreadable) -> InboundItem | Unreadable:
    if isinstance(record, Unreadable):
        return record
    try:
        return _item(workflow, record)
    except InputInvalid as exc:
        raw = canonical({name: str(value) for name, value in record.fields.items()})
        return Unreadable(record.where, str(exc), raw)


def _item(workflow: Workflow, record: Arrival) -> InboundItem:
    if not EARLIEST <= record.received_at < LATEST:
        raise InputInvalid(f"received_at: {record.received_at.isoformat()} cannot be; write when it was received")
    made = (record.source, record.external_id, record.received_at, record.fields, record.envelope)
    return make_item(workflow.policy, *made)


def _record_refusal(tx: Transaction, record: Unreadable, now: datetime) -> None:
    where, why, raw = storable(record.where), storable(record.why), storable(record.raw)[:LONGEST_RAW]
    tx.ledger.append(None, Event.REFUSED, now, where=where, why=why, raw=raw)
