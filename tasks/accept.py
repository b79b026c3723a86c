"""Takes records into the inbox: the first thing that happens to anything."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from connectors.ports import Arrival, Unreadable
from connectors.store.engine import Transaction
from domain.errors import InputInvalid
from domain.escalation import Cause
from domain.item import Admission, InboundItem
from domain.ledger import Event
from domain.values import canonical
from policies.intake import make_item, storable
from policies.load import Workflow
from tasks.escalate import escalate
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


@dataclass(frozen=True)
class Reading:
    """A source that records come from, and how far it was read.

    Attributes:
        kept_as: the name of its cursor.
        shown: its name for people.
    """

    kept_as: str
    shown: str
    cursor: str


def accept(here: Resources, policy: str, records: Iterable[Arrival | Unreadable]) -> list[tuple[str, str]]:
    """Store records in the inbox, in one transaction.

    Returns where those are that cannot become items, with the reason; they are in the
    ledger as refused. Not a task: what came in is stored whether Prefect runs or not.
    """
    return [(one.where, one.why) for one in admit(here, policy, records) if isinstance(one, Refused)]


def admit(
    here: Resources, policy: str, records: Iterable[Arrival | Unreadable], reading: Reading | None = None
) -> list[Admitted | Refused]:
    """`accept`, telling of each record, in order, what became of it.

    Args:
        reading: the source that they come from, and how far it was read: kept in the same transaction.
            No sender hears what is answered, so a mail that is too long or has only attachments becomes an
            item for a person, and of what is refused somebody is told.

    Raises:
        Unavailable: the database does not answer; whether they are stored is not known, and
            giving them again stores none twice.
    """
    workflow = here.workflow(policy)
    window = timedelta(hours=workflow.policy.input.duplicate_window_hours)
    readied = [
        _readied(workflow, record, unheard=reading is not None) for record in records
    ]  # not while others wait to write
    items = [one for one in readied if isinstance(one, InboundItem)]
    with here.store.transaction() as tx:
        _record_refusals(tx, workflow, reading, [one for one in readied if isinstance(one, Unreadable)], here.now())
        admitted = iter(tx.inbox.accept_all(workflow.policy.name, items, window, here.now()))
        if reading is not None:
            tx.cursors.move(reading.kept_as, reading.cursor, here.now())
    return [
        Refused(one.where, one.why) if isinstance(one, Unreadable) else Admitted(*next(admitted)) for one in readied
    ]


class _Unusable(Unreadable):
    """What can be read, but the policy can make no item of it."""


def _readied(workflow: Workflow, record: Arrival | Unreadable, *, unheard: bool) -> InboundItem | Unreadable:
    if isinstance(record, Unreadable):
        return record
    try:
        return _item(workflow, record, unheard=unheard)
    except InputInvalid as exc:
        raw = canonical({name: str(value) for name, value in record.fields.items()})
        return _Unusable(record.where, str(exc), raw)


def _item(workflow: Workflow, record: Arrival, *, unheard: bool) -> InboundItem:
    if not EARLIEST <= record.received_at < LATEST:
        raise InputInvalid(f"received_at: {record.received_at.isoformat()} cannot be; write when it was received")
    made = (record.source, record.external_id, record.received_at, record.fields, record.envelope)
    return make_item(workflow.policy, *made, unheard=unheard)


def _record_refusals(
    tx: Transaction, workflow: Workflow, reading: Reading | None, refused: Sequence[Unreadable], now: datetime
) -> None:
    """Keep what was refused; of a source's somebody is told, and it is in the story of that escalation."""
    kinds: dict[str, list[Unreadable]] = {
        "unreadable": [one for one in refused if not isinstance(one, _Unusable)],
        "unusable": [one for one in refused if isinstance(one, _Unusable)],
    }
    for kind, records in kinds.items():
        story = _tell(tx, workflow, reading, kind, records, now) if reading and records else None
        for one in records:
            where, why, raw = storable(one.where), storable(one.why), storable(one.raw)[:LONGEST_RAW]
            facts = {"policy": workflow.policy.name, "where": where, "why": why, "raw": raw}
            tx.ledger.append(story, Event.REFUSED, now, **facts)


def _tell(
    tx: Transaction, workflow: Workflow, reading: Reading, kind: str, refused: Sequence[Unreadable], now: datetime
) -> str:
    """Begin an escalation about a source's refused records of one kind, or count them on it; its id."""
    more = f"and {len(refused) - 1} more are" if refused[1:] else "is"
    message = f"{refused[0].where} {more} {kind} and no item (source {reading.shown}): {refused[0].why}"
    return escalate(tx, Cause.RECORDS_REFUSED, f"{reading.shown}: {kind}", workflow.policy.name, message, now)
